// Package report tells what a scan found: as text for a person, and as JSON
// lines for programs, whose fields README.md lists.
//
// It is the one place where text from a scanned repository is made safe to
// print (Clean), and the one that colours. It decides nothing about findings,
// opens no files, and shows secrets masked unless Options say otherwise.
package report

import (
	"time"

	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

// Writer writes the findings of one scan, in the order they come. Its methods
// may not be called at the same time. Nothing is written before Close: what can
// be said of one key depends on whether everything was read, and the secret of
// one may stand in the commit message of another. Close does not close what the
// report is written to.
type Writer interface {
	Finding(scanner.Finding) error
	Close(scanner.Summary) error
}

// Scope is what was looked through. It decides what can be said of HEAD.
type Scope uint8

// The scopes.
const (
	// Files: a folder, a file, a stream or a work tree; nothing is known of
	// history.
	Files Scope = iota
	// Part is a part of history: what it does not show in HEAD may be there.
	Part
	// All is the whole history.
	All
	// Staged is what the next commit would add to HEAD.
	Staged
)

// Options say how to report. The zero value is a plain report of files.
type Options struct {
	Color bool
	// ShowSecrets writes secrets in full instead of masked.
	ShowSecrets bool
	// Quiet leaves out all that is not a finding.
	Quiet bool
	Scope Scope
	// Target is what was scanned, in words: "repository /src/app". It may hold
	// any bytes.
	Target string
	// Version is the program's, Rules that of the rule set.
	Version, Rules string
	// Time is when the scan ended; reports leave the zero time out.
	Time time.Time
	// Repository is the address of the repository's pages, as in
	// https://github.com/owner/name, for links to commits; "" for no links. An
	// address of another form makes none either.
	Repository string
	// Verdict gives what AWS said of a finding's key, nil where nobody asked. It is
	// called when the report is closed. Without it a report is as if there was no
	// such thing as asking.
	Verdict func(*scanner.Finding) *verify.Verdict
}

// secret is the text that may be shown: in full only if somebody asked for it by
// a flag of its own.
func (o *Options) secret(s rules.Secret) string {
	if o.ShowSecrets {
		return s.Reveal()
	}
	return s.Masked()
}

// kindOf says what was found: a key ID with its secret, or one part alone.
func kindOf(f *scanner.Finding) string {
	if f.Key.ID != "" && !f.Key.Secret.IsZero() {
		return "pair"
	}
	if f.Rule.Kind == rules.SecretKey && f.Key.ID != "" {
		return rules.KeyID.String()
	}
	return f.Rule.Kind.String()
}

// collected is the findings of a report.
type collected struct{ list []scanner.Finding }

// Finding keeps f for Close.
func (c *collected) Finding(f scanner.Finding) error {
	c.list = append(c.list, f)
	return nil
}

// settle lowers what is claimed of HEAD when something was not read.
func (o *Options) settle(s *scanner.Summary) {
	if o.Scope == All && (s.Skipped > 0 || s.Missing > 0) {
		o.Scope = Part
	}
}

// inHead tells whether the checked-out commit has the key; known is false when
// the scan did not look at enough to say no.
func (o *Options) inHead(f *scanner.Finding) (in, known bool) {
	in = f.InHead()
	return in, in || o.Scope == All
}
