package report

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/keyquench/keyquench/scanner"
)

// place writes where a key stands, who put it there and where it still is.
func (t *text) place(b *bytes.Buffer, f *scanner.Finding, p *scanner.Place) {
	t.row(b, "at", t.look.bold(t.where(p)))
	if c := p.Commit; c != nil {
		verb := "introduced in"
		if p.Kind == scanner.CommitText {
			verb = "committed as"
		}
		line := verb + " " + digits(c.ID) + "  " + day(c.Date)
		if who := short(t.veil.over(c.Author), maxName); who != "" {
			line += "  " + who
		}
		if c.Subject != "" && p.Kind != scanner.CommitText {
			line += "  " + short(t.veil.over(c.Subject), maxSubject)
		}
		t.row(b, "", t.look.dim(line))
	}
	if p.Secret != nil && !f.Key.Secret.IsZero() {
		t.row(b, "", fmt.Sprintf("its secret is on line %d, column %d", p.Secret.Line, p.Secret.Column))
	}
	if p.Encoding != "" {
		t.row(b, "", "written as "+Clean(p.Encoding))
	}
	if facts := t.facts(p); len(facts) > 0 {
		t.row(b, "", strings.Join(facts, " · "))
	}
	if p.Unreachable {
		t.row(b, "", "no branch or tag leads to it; it is still in the object store")
	}
}

// where is the place itself, in a form that editors open.
func (t *text) where(p *scanner.Place) string {
	at := fmt.Sprintf(":%d:%d", p.At.Line, p.At.Column)
	if p.Repository != "" {
		inner := *p
		inner.Repository = ""
		return t.where(&inner) + " (in the repository " + Clean(t.veil.over(p.Repository)) + ")"
	}
	switch {
	case p.Kind == scanner.CommitText:
		return fmt.Sprintf("commit message of %s, line %d of the commit", digits(p.Object), p.At.Line)
	case p.Kind == scanner.TagText:
		return fmt.Sprintf("tag object %s, line %d of the tag", digits(p.Object), p.At.Line)
	case p.Kind == scanner.FileName:
		return Clean(t.veil.over(p.Path)) + " (in its name)"
	case p.Kind == scanner.RefName:
		return "the name of " + Clean(t.veil.over(p.Path))
	case p.Path == "":
		return "object " + digits(p.Object) + at + " (no tree names it)"
	}
	path := p.Path
	if p.Member != "" {
		path += "!" + p.Member
	}
	return Clean(t.veil.over(path)) + at
}

// facts are the versions that hold the key, and where it stands today.
func (t *text) facts(p *scanner.Place) (list []string) {
	if p.Versions > 1 {
		list = append(list, fmt.Sprintf("%d versions", p.Versions))
	}
	if p.Head != nil {
		list = append(list, fmt.Sprintf("still in HEAD at line %d", p.Head.Line))
	}
	if p.WorkTree != nil && t.o.Scope != Files {
		list = append(list, fmt.Sprintf("in the work tree at line %d", p.WorkTree.Line))
	}
	switch {
	case p.Staged && p.Commit == nil && t.o.Scope == All:
		list = append(list, "staged, not committed")
	case p.Staged && p.Commit == nil:
		list = append(list, "staged")
	case p.Staged && p.Head == nil && t.o.Scope == All:
		list = append(list, "still in the index")
	case p.Kind == scanner.WorkTreeFile && t.o.Scope == All:
		list = append(list, "not committed")
	}
	return list
}

func digits(id scanner.ObjectID) string {
	s := id.String()
	return s[:min(len(s), shortID)]
}

// day is a date in the author's own time zone.
func day(when time.Time) string {
	if stamp(when) == "" {
		return "no date"
	}
	return when.Format(time.DateOnly)
}
