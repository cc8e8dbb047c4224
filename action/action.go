// Package action finds out what a run of the GitHub Action has to scan: it reads
// the runner's environment and the event file, and sees that the checkout has the
// commits that the event is about, fetching as far as is needed.
//
// It runs the git program in the checkout, which talks to the remote "origin"
// that the checkout was made from and to nobody else; it opens no connection of
// its own. What the event says is hostile: of it, only object names, numbers and
// the name of the default branch ever reach git, each checked before. Nothing of
// a work tree is changed.
//
// A range that cannot be made whole is an error, and never an empty range.
package action

import "strings"

// Error is why a run cannot go on, with the next step.
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

// objectName tells whether s is the full name of an object, of SHA-1 or SHA-256.
// Such a text can be no option, ref or path for git.
func objectName(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// zero tells whether s is the name that stands for no object.
func zero(s string) bool { return strings.Trim(s, "0") == "" }

// brief is as much of an object's name as people need.
func brief(name string) string { return name[:min(len(name), 12)] }
