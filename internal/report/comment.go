package report

import (
	"fmt"
	"strings"

	"github.com/keyquench/keyquench/scanner"
)

// Comment is what is said of one key beside the change that brings it.
type Comment struct {
	Fingerprint string
	// Path is the file of the newest commit to say it at, "" when there is none;
	// Line the line there, 0 when only the file is known.
	Path string
	Line int
	// Body is Markdown in which no text of the repository acts, below 10,000 bytes.
	Body string
}

// Comments gives one comment for each finding, the most urgent first. Secrets are
// masked, whatever o says.
func Comments(list []scanner.Finding, o Options) []Comment {
	o.ShowSecrets = false
	t := &text{o: o, look: newPalette(false), veil: newVeil(list, &o)}
	out := make([]Comment, 0, len(list))
	for _, f := range o.urgent(list) {
		s := t.spot(f)
		c := Comment{Fingerprint: f.Fingerprint, Path: s.path, Body: t.comment(f, &s)}
		if s.at != nil {
			c.Line = s.at.Line
		}
		out = append(out, c)
	}
	return out
}

// comment is the text of one.
func (t *text) comment(f *scanner.Finding, s *spot) string {
	var b strings.Builder
	name := "A leaked key"
	if id := keyName(f); id != "" {
		name = "Leaked AWS key " + id
	}
	fmt.Fprintf(&b, "**%s**: %s%s.\n\n", name, kindText(f), masked(f))
	if p := s.place; p != nil {
		fmt.Fprintf(&b, "It stands in %s%s.", t.link(code(short(t.standing(s), maxCode)), t.pageOf(s)), t.sinceLink(p))
		if more := len(f.Places) - 1; more > 0 {
			fmt.Fprintf(&b, " It also stands in %s more %s.", group(int64(more)), plural(more, "place", "places"))
		}
		if past := t.past(f); past != "" {
			b.WriteString(" " + past)
		}
		b.WriteString("\n\n")
	}
	if t.o.verdict(f) != nil {
		fmt.Fprintf(&b, "State: %s.\n\n", t.o.stateCell(f))
	}
	b.WriteString("1. " + t.o.advice(f, code) + "\n")
	if f.Canary == "" && !f.Signed {
		b.WriteString("2. Look in CloudTrail at what was done with it since then.\n")
		b.WriteString("3. Only then take it out of the commits of this branch (`git rebase -i`), not by a new commit that deletes it.\n")
	}
	b.WriteString("\nNo key, or one that opens nothing? Write `keyquench:allow` and why on its line.\n")
	return b.String()
}

// sinceLink is since, as Markdown.
func (t *text) sinceLink(p *scanner.Place) string {
	c := p.Commit
	if c == nil || p.Kind == scanner.CommitText {
		return ""
	}
	s := ", since commit " + t.link(code(digits(c.ID)), t.commitPage(c.ID)) + " of " + day(c.Date)
	if who := code(short(t.veil.over(c.Author), maxName)); who != "" {
		s += " by " + who
	}
	return s
}
