// Package verify asks AWS whose a leaked key is, and says no more than it was
// told.
//
// It holds leaked secrets and uses them for one call only, STS's
// GetCallerIdentity, which needs no permission and changes nothing. It has no
// credentials of its own, obeys no environment, and never calls with a key that
// was laid out as a tripwire. What it was not told, it calls unknown: a network
// that does not answer, a proxy's page and a clock that is wrong are no evidence
// that a key is dead.
package verify

import (
	"time"

	"github.com/keyquench/keyquench/rules"
)

// State is what is known of a key. The zero value is that nothing is.
type State uint8

// The states.
const (
	// Unknown: nobody was asked, or nobody gave an answer that decides. The
	// verdict's Reason says why. It is to be taken for live.
	Unknown State = iota
	// Live: AWS took the key, and said whose it is.
	Live
	// Gone: AWS knows no such active key. It was deleted, or deactivated: that
	// it can be activated again is not known from here.
	Gone
	// WrongSecret: there is such an active key, and none of the secrets is its own.
	WrongSecret
	// Expired: the session of a temporary key is over.
	Expired
	// Canary: a tripwire. It was not asked about.
	Canary
)

var stateNames = [...]struct{ word, code string }{
	{"unknown", "unknown"},
	{"live", "live"},
	{"inactive or gone", "inactive-or-gone"},
	{"wrong secret", "wrong-secret"},
	{"expired", "expired"},
	{"canary", "canary"},
}

// String is the state in words.
func (s State) String() string { return stateNames[min(int(s), len(stateNames)-1)].word }

// MarshalText is the state in one word, as JSON and classes of a page have it.
func (s State) MarshalText() ([]byte, error) { return []byte(s.Code()), nil }

// Code is the state in one word.
func (s State) Code() string { return stateNames[min(int(s), len(stateNames)-1)].code }

// Kind is what sort of identity a live key belongs to.
type Kind uint8

// The kinds. The zero value is that none is known.
const (
	NoKind    Kind = iota
	Root           // the account itself: there is nothing that the key may not do
	User           // an IAM user
	Role           // a session of a role
	Federated      // a session of GetFederationToken
)

var kindNames = [...]string{"", "root", "user", "role", "federated"}

// String is the kind in one word, or "".
func (k Kind) String() string { return kindNames[min(int(k), len(kindNames)-1)] }

// MarshalText is String.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Verdict is what is known of one key, and by what evidence. It holds no text of
// a server that was not bounded and cleaned, and prints its secret masked.
type Verdict struct {
	KeyID string `json:"key_id"`
	State State  `json:"state"`
	// Account is the one that AWS named or, if it named none, that the key ID
	// carries; 12 digits or "".
	Account   string `json:"account,omitempty"`
	ARN       string `json:"arn,omitempty"`
	UserID    string `json:"user_id,omitempty"`
	Partition string `json:"partition,omitempty"`
	Kind      Kind   `json:"kind,omitzero"`
	// Reason is one line that says why, and what else should be known. Only of a
	// live key it can be empty.
	Reason string `json:"reason,omitempty"`
	// Asked are all calls that were made, in their order.
	Asked []Answer  `json:"asked,omitempty"`
	At    time.Time `json:"at,omitzero"`
	// Secret is the one of the candidates that AWS took.
	Secret rules.Secret `json:"secret,omitzero"`
}

// Answer is what one call brought: the evidence of a verdict.
type Answer struct {
	Partition string `json:"partition"`
	// Endpoint is the host that was asked.
	Endpoint string `json:"endpoint"`
	// Status is HTTP's, 0 when there was no answer.
	Status int `json:"status"`
	// Code is AWS's name of the error: set only if the answer has AWS's form.
	Code string `json:"code,omitempty"`
	// Message is one line, at most maxMessage bytes of what was said.
	Message   string `json:"message,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	// At is when the answer came, by this machine's clock.
	At time.Time `json:"at"`
	// Skew is how far the server's clock is ahead of this machine's, to the second.
	Skew time.Duration `json:"skew,omitzero"`
	// The identity, only if the answer is well formed and fits the key.
	Account string `json:"account,omitempty"`
	ARN     string `json:"arn,omitempty"`
	UserID  string `json:"user_id,omitempty"`
}

// Accepted tells whether AWS took the key.
func (a Answer) Accepted() bool { return a.Status == 200 && a.ARN != "" }

// Refused tells whether AWS said that it knows no such active key. That nothing
// was said is no refusal, and neither is a policy that forbids the call: AWS asks
// policies about keys that it has taken.
func (a Answer) Refused() bool { return a.meaning() == noSuchKey }
