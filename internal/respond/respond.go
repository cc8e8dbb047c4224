// Package respond puts a leaked key out: it turns the key off, replaces it, or
// isolates its owner, and takes that back.
//
// Each deed goes one way: a Plan is made by reading only and says every call that
// it would make; Apply writes down each intent before the call and the outcome
// behind it, and reads back what the account then holds. Steps are states to be
// reached rather than commands, so a deed that was interrupted is done again from
// its beginning: what is so already stays, and the rest is made so.
//
// It takes a key ID. The one secret that it may use is that of the leaked key, to
// ask whether AWS still accepts it and, where the operator switched that on, to
// let the key turn itself off. Whether a key is live is judged by others.
package respond

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/ledger"
	"github.com/keyquench/keyquench/internal/respond/store"
	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/rules"
)

// Deed is what is done about a key.
type Deed string

// The deeds.
const (
	Kill    Deed = "kill"    // the key is made inactive
	Rotate  Deed = "rotate"  // and its user gets another
	Isolate Deed = "isolate" // its owner can do nothing any more
	Undo    Deed = "undo"    // a case is taken back
)

// Target is the key that a deed is about, and what is known of it.
type Target struct {
	// ID is an access key's ID, a service-specific credential's, or the name that
	// one goes by (NAME-at-ACCOUNT).
	ID string
	// Key has the secret too, if it is known; else it is zero.
	Key rules.Key
	// Verdict is what AWS said of the key, or zero.
	Verdict verify.Verdict
	// Owner is user/NAME or role/NAME where nothing else tells whose key it is.
	Owner string
}

// Options are what a Responder works with. Ledger is needed; Checker too where a
// key's secret is known or a new key is made.
type Options struct {
	Policy  Policy
	Actors  Actors
	Reach   awsapi.Reach
	Ledger  Record
	Checker *verify.Checker
	// Now and Sleep are the clock; nil is the machine's.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	// By says who asked for it, for the record.
	By string
	// Confirm is for how long AWS is asked whether a key is dead before that is
	// given up; 0 is two minutes.
	Confirm time.Duration
	// Timeout is how long one call may take; 0 is ten seconds.
	Timeout time.Duration
}

// Record is what a Responder needs of a ledger: an entry is safe when Append
// returns, and Lock keeps other processes from acting on the same key.
type Record interface {
	Append(ctx context.Context, e ledger.Entry) (ledger.Entry, error)
	Entries(ctx context.Context, f ledger.Filter) iter.Seq2[ledger.Entry, error]
	Lock(ctx context.Context, keyID string) (release func(), err error)
}

// Responder makes plans and carries them out. It is for one goroutine at a time;
// several processes may share a ledger.
type Responder struct {
	Options
	keep *keeper
	http *http.Client
}

// New makes a Responder.
func New(o Options) (*Responder, error) {
	if o.Ledger == nil {
		return nil, errors.New("respond needs a ledger")
	}
	if err := o.Policy.Check(); err != nil {
		return nil, err
	}
	if err := o.Actors.check(); err != nil {
		return nil, err
	}
	if err := o.Reach.Check(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = awsapi.Sleep
	}
	if o.Confirm == 0 {
		o.Confirm = 2 * time.Minute
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	return &Responder{Options: o, keep: &keeper{ledger: o.Ledger, now: o.Now, by: o.By}}, nil
}

// Arguments are what some deeds are told besides the key.
type Arguments struct {
	// Leaked: strangers have the key, so it is turned off before anything else.
	Leaked bool
	// Store is where Rotate puts the new key, and StoreSpecs how it was named.
	Store      store.Store
	StoreSpecs []string
	// Grace keeps the old key until its last use is older. Zero turns it off when
	// the new one is stored and works.
	Grace time.Duration
	// Delete is the key that Rotate deletes first where a user has two.
	Delete string
	// Password takes the password of a login that Undo makes anew.
	Password func(user string, password rules.Secret) error
}

// Error is why a deed cannot be done, with the next step.
type Error struct {
	What  string
	Next  string
	Cause error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.What + ": " + e.Cause.Error()
	}
	return e.What
}

func (e *Error) Unwrap() error { return e.Cause }

// Hint is the next step.
func (e *Error) Hint() string { return e.Next }

// Sentinels that callers branch on. They come wrapped in an Error.
var (
	// ErrNotListed: the account is not one that the operator listed.
	ErrNotListed = errors.New("the account is not listed")
	// ErrCanary: the key is a tripwire, and nothing is done about it.
	ErrCanary = errors.New("the key is a canary")
	// ErrMode: the operator allows less than that.
	ErrMode = errors.New("the mode does not allow it")
	// ErrProtected: the user needs a person to confirm.
	ErrProtected = errors.New("the user is protected")
	// ErrChanged: the account is not as it was when the plan was made.
	ErrChanged = errors.New("the account has changed since the plan was made")
	// ErrNobody: nobody who may act could be found.
	ErrNobody = errors.New("nobody can act in the account")
)

// failure reads what AWS said, for an Error's cause.
func failure(what string, err error) error {
	return fmt.Errorf("%s: %w", what, &awsError{awsapi.Failed(err), err})
}

// awsError is an answer of AWS in one clean line; the SDK's own text is long, and
// may quote what was sent.
type awsError struct {
	awsapi.Failure
	cause error
}

func (e *awsError) Error() string { return e.String() }

// Unwrap keeps errors.Is working for the end of a context.
func (e *awsError) Unwrap() error { return e.cause }

// failed gives what AWS said in err, which failure made or the SDK.
func failed(err error) awsapi.Failure {
	if e, ok := errors.AsType[*awsError](err); ok {
		return e.Failure
	}
	return awsapi.Failed(err)
}
