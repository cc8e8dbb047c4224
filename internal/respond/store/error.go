package store

import (
	"context"
	"errors"
	"strings"

	"github.com/keyquench/keyquench/rules"
)

// Error is why a store did not do what it was asked for. It holds no secret and
// no text of a server that was not cleaned and looked through for what was sent.
type Error struct {
	Store string // its Name, "" before there is one
	Op    string
	Err   error

	left, hint string
}

// Error is one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Store != "" {
		b.WriteString(e.Store + ": ")
	}
	b.WriteString(e.Op)
	if e.left != "" {
		b.WriteString(" (" + e.left + ")")
	}
	return b.String() + ": " + e.Err.Error()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint is the next step, "" if none is known.
func (e *Error) Hint() string {
	if c, ok := errors.AsType[*callError](e.Err); ok && e.hint == "" {
		return c.hint
	}
	return e.hint
}

// Left says what is not as it was, and where; "" if nothing is known to be left.
func (e *Error) Left() string { return e.left }

// problem is what can be told of a call that failed.
type problem struct {
	text, hint string
	again      bool // a later try may do better
	refused    bool // it was certainly not carried out
	missing    bool // what was named does not exist
}

// callError is a call that failed. Of the errors below it only the end of a
// context can be seen: the texts of the others are a server's.
type callError struct {
	problem
	ended error
}

func (e *callError) Error() string { return e.text }
func (e *callError) Unwrap() error { return e.ended }

// isMissing tells whether a call failed because what it named does not exist.
func isMissing(err error) bool {
	c, ok := errors.AsType[*callError](err)
	return ok && c.missing
}

// newCallError keeps of err what may be shown.
func newCallError(p problem, err error, sent rules.Secret) *callError {
	c := &callError{problem: p}
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, end) {
			c.ended = end
		}
	}
	if echoes(p.text, sent.Reveal()) {
		c.text = "the answer repeats what was sent, so it is not shown"
	}
	return c
}

// echoWindow is the number of letters and digits in a row that a message and a
// secret do not have in common by chance.
const echoWindow = 8

// echoes tells whether a message of a server repeats a part of what was sent. AWS
// quotes values that it finds invalid. Quotes and escapes make no difference.
func echoes(message, sent string) bool {
	message, sent = lettersOf(message), lettersOf(sent)
	for i := 0; i+echoWindow <= len(message); i++ {
		if strings.Contains(sent, message[i:i+echoWindow]) {
			return true
		}
	}
	return false
}

// lettersOf drops all but ASCII letters and digits.
func lettersOf(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, s)
}
