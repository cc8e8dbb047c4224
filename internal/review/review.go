// Package review tells GitHub what was found: as comments in a pull request and
// as results of code scanning. It takes finished texts, of which package report
// has made sure that they hold no secret and that nothing in them acts; it knows
// of no finding, reads no repository and decides nothing about a key.
//
// It talks to one host, with the token it is given, and to no other.
package review

import (
	"errors"
	"strings"

	"github.com/keyquench/keyquench/internal/form"
)

// Pull names a pull request. Head is the full name of its newest commit, on whose
// lines comments are put.
type Pull struct {
	Owner, Repo string
	Number      int
	Head        string
}

// Comment is what is said of one key.
type Comment struct {
	// Fingerprint tells one key from all others, over all runs: 32 hexadecimal
	// digits.
	Fingerprint string
	// Path is the file of Pull.Head that the comment is put on, "" for what stands
	// in none. Line is its line there; 0 puts the comment on the file.
	Path string
	Line int
	// Body is Markdown.
	Body string
}

// Posting says how comments are posted.
type Posting struct {
	// Whole tells that the list has every key that stands in the commits of the
	// pull request. Only then do comments of keys that it lacks say so.
	Whole bool
	// Most is how many comments a run makes at most, 30 if it is 0. What is
	// beyond is counted in the one comment on the pull request itself.
	Most int
}

// Result counts what became of the keys of one pull request. Also after an error it
// counts what was done before.
type Result struct {
	Created, Updated, Unchanged int
	// Gone counts comments that were changed to say that their key was not found
	// any more.
	Gone int
	// Gathered counts keys that are told of in the one comment on the pull request,
	// as GitHub takes no comment on their line or file; Over those only counted
	// there.
	Gathered, Over int
}

// ErrReadOnly is in errors of tokens that may not do what was asked. Pull requests
// of forks get such, so it is no reason to fail.
var ErrReadOnly = errors.New("the token may not do that")

// The forms of what addresses are made of.
var (
	ownerForm       = form.New(`^[A-Za-z0-9_-]{1,100}$`)
	repoForm        = form.New(`^[A-Za-z0-9._-]{1,100}$`)
	commitForm      = form.New(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	fingerprintForm = form.New(`^[0-9a-f]{32}$`)
)

// checkRepo refuses names that would lead elsewhere within the API.
func checkRepo(op, owner, repo string) error {
	if !ownerForm.MatchString(owner) || !repoForm.MatchString(repo) || repo == "." || repo == ".." {
		return &Error{Op: op, text: "that names no repository", hint: "GITHUB_REPOSITORY has it, as OWNER/REPO"}
	}
	return nil
}

func checkCommit(op, commit string) error {
	if !commitForm.MatchString(commit) {
		return &Error{Op: op, text: "that is no full name of a commit"}
	}
	return nil
}

// A marker is the first line of a comment of ours, which GitHub does not show.
const markerStart, markerEnd = "<!-- keyquench ", " -->\n"

// gatheredName is the marker's name of the one comment on the pull request.
const gatheredName = "pull request"

func marked(name, body string) string { return markerStart + name + markerEnd + body }

// unmarked gives the name of the marker that a comment begins with. One that stands
// further down may have come in by a text that somebody else wrote.
func unmarked(body string) (name, rest string, ok bool) {
	body, ok = strings.CutPrefix(normal(body), markerStart)
	if !ok {
		return "", "", false
	}
	name, rest, ok = strings.Cut(body, markerEnd)
	if !ok || name != gatheredName && !fingerprintForm.MatchString(name) {
		return "", "", false
	}
	return name, rest, true
}

// normal is a body with what GitHub may change about it undone.
func normal(body string) string {
	return strings.TrimSpace(strings.ReplaceAll(body, "\r", "")) + "\n"
}

// What begins a comment whose key was not found any more, and the one comment on the
// pull request when none of its keys was.
const (
	goneNote = "**This key is no longer in this pull request's commits.** It must still be turned off: " +
		"whoever has seen the commit or has a clone has the key.\n\nWhat was said of it:\n\n"
	allGoneNote = "**These keys are no longer in this pull request's commits.** They must still be turned off: " +
		"whoever has seen the commits or has a clone has the keys.\n\nWhat was said of them:\n\n"
)

// cut shortens what GitHub would refuse.
func cut(body string) string {
	if len(body) <= maxBody {
		return body
	}
	at := maxBody
	for at > 0 && body[at]&0xc0 == 0x80 { // in the middle of a character
		at--
	}
	return body[:at]
}
