// Package rules finds AWS credentials in bytes. A Set, compiled from TOML,
// answers which parts of a buffer are access key IDs, secret keys, session
// tokens or credentials of single services, and which of them belong together.
//
// It reads bytes and nothing else: no files, no network, no configuration. It
// does not know where the bytes came from, whether a key is alive, or whether
// somebody has allowed a finding. Any bytes are safe to give to it.
package rules

import (
	"fmt"

	"github.com/keyquench/keyquench/rules/internal/custom"
)

// Kind says what a rule yields.
type Kind uint8

// The kinds. A Credential works by itself; the other three are parts of a key.
const (
	KeyID Kind = iota + 1
	SecretKey
	SessionToken
	Credential
)

var kindNames = [...]string{"", "key-id", "secret-key", "session-token", "credential"}

// String is the kind's name in the rule file.
func (k Kind) String() string {
	if int(k) < len(kindNames) && k > 0 {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Rule is one entry of a rule file. Rules belong to their Set; callers read
// them only.
type Rule struct {
	ID, Title, Description string
	Kind                   Kind

	// Span is how many bytes in a row decide whether a value of this rule is
	// one: the longest value, what may stand beside it, and the label before it.
	// A change further away than that cannot turn a value into one, though it
	// can change what the value is paired with.
	Span int
	// MinLen is the length of the shortest value.
	MinLen int

	// File is the file the rule came from, "" for a built-in one. What follows
	// only such a file says: Examples are texts in which the rule finds something,
	// CounterExamples those in which it must not.
	File                            string
	Tags, Examples, CounterExamples []string

	spec *spec
	text textRule
}

// Candidate is a secret key that may belong to a key ID of the same buffer.
type Candidate struct {
	Secret     Secret
	Start, End int // where the value stands in the buffer, escapes included
	Encoding   string
	Entropy    float64 // bits per character
	// Score ranks the candidates of one ID; from PairScore on the pair is
	// believed. Why says in words what the score rests on; it quotes nothing of
	// the buffer.
	Score int
	Why   string
}

// Match is one value found. Start and End bound it in the buffer as it stands
// there, escapes included.
type Match struct {
	Rule       *Rule
	Start, End int
	Key        Key
	// Entropy is bits per character of the secret, or of the ID when it is alone.
	Entropy float64
	// Secrets are the secret keys that may belong to Key.ID, best first, at most
	// MaxSecrets of them. When the first reaches PairScore and no other ID has a
	// better claim to it, it is Key.Secret too.
	Secrets []Candidate
	// TokenStart and TokenEnd bound Key.Token; both are 0 without one.
	TokenStart, TokenEnd int
	// Encoding is how the value was written: "" as it is, "base64", or the name
	// of the escapes inside it: "percent", "json", "html", "mixed".
	Encoding string
	// Signed tells that a key ID without a secret stands in a signed request, as the
	// address of a shared file is: whoever made that knew the secret, whoever has it
	// learns the ID only.
	Signed bool
	// Account is the number of the owning account and User the name the
	// credential goes with, where the value or the text beside it tells them.
	User, Account string
	// Cut tells that the rule, one of a file, matches more often in this buffer
	// than is looked at.
	Cut bool

	place *custom.Place // nil where the match counts wherever it stands
}
