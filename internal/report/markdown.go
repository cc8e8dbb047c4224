package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/keyquench/keyquench/internal/form"
	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/scanner"
)

const (
	// maxMarkdown is what a report may have. GitHub takes a megabyte from a step and
	// drops a summary that is longer; a part is left to what others write into it.
	maxMarkdown = 1<<20 - 64<<10
	// maxMarkdownSkips is how many things that were not read are named.
	maxMarkdownSkips = 50
	// maxCode is how much of one text of the repository is shown.
	maxCode = 300
)

type markdown struct {
	page
	b strings.Builder
}

// NewMarkdown writes the summary of a job of GitHub Actions: what was found, a
// table of it with what to do about each key, and what was read. Text from the
// repository stands in it as code only, in which no Markdown, no HTML and no
// mention acts. It is shorter than what GitHub takes; what has no room is counted.
//
// Secrets are masked, whatever o says: who can read the repository can read it.
func NewMarkdown(w io.Writer, o Options) Writer {
	o.ShowSecrets = false
	return &markdown{page: page{text: text{w: w, o: o, look: newPalette(false)}}}
}

// Close writes the summary.
func (m *markdown) Close(sum scanner.Summary) error {
	m.sum = sum
	m.o.settle(&m.sum)
	m.veil = newVeil(m.list, &m.o)
	for i := range m.list {
		m.note(&m.list[i], &m.o)
	}
	// What stands below the table is written first: the table takes what it leaves.
	m.next()
	m.scanned()
	m.unread()
	below := m.b.String()
	m.b.Reset()
	m.line("## keyquench: " + m.Headline())
	m.line("")
	m.line(m.Lead())
	m.line("")
	m.table(maxMarkdown - len(below))
	_, err := io.WriteString(m.w, strings.TrimRight(m.b.String()+below, "\n")+"\n")
	return err
}

func (m *markdown) line(s string) { m.b.WriteString(s + "\n") }

// table has a row for each key, the most urgent first.
func (m *markdown) table(room int) {
	if m.count == 0 {
		return
	}
	state := false
	for i := range m.list {
		state = state || m.o.verdict(&m.list[i]) != nil
	}
	head := []string{"Key", "What it is", "Account", "State", "Where", "Commit", "Who", "What to do"}
	line := func(cells []string) string {
		if !state {
			cells = append(cells[:3:3], cells[4:]...)
		}
		return "| " + strings.Join(cells, " | ") + " |"
	}
	m.line(line(head))
	m.line(line(strings.Split(strings.Repeat("---,", len(head)-1)+"---", ",")))
	const reserve = 200 // for the line that counts the rest
	for i, f := range m.o.urgent(m.list) {
		row := line(m.row(f))
		if m.b.Len()+len(row)+reserve > room {
			more := m.count - i
			m.line("")
			m.line(fmt.Sprintf("And %s more %s, for which there is no room here: the log and the other reports have all.", group(int64(more)), plural(more, "key", "keys")))
			break
		}
		m.line(row)
	}
	m.line("")
}

// row is one key.
func (m *markdown) row(f *scanner.Finding) []string {
	s := m.spot(f)
	where, commit, who := "not known", "", ""
	if p := s.place; p != nil {
		where = m.link(code(short(m.standing(&s), maxCode)), m.pageOf(&s))
		if more := len(f.Places) - 1; more > 0 {
			where += fmt.Sprintf(" and %s more", group(int64(more)))
		}
		if c := p.Commit; c != nil {
			commit = m.link(code(digits(c.ID)), m.commitPage(c.ID))
			who = code(short(m.veil.over(c.Author), maxName)) + " " + day(c.Date)
		}
	}
	return []string{
		dash(keyName(f)), kindText(f) + masked(f), dash(code(short(f.Account, maxName))), m.o.stateCell(f), where, dash(commit), dash(who), m.o.deed(f),
	}
}

// keyName is the key ID, which is no secret.
func keyName(f *scanner.Finding) string { return code(short(f.Key.ID, maxName)) }

// masked is what of a secret may be shown, in parentheses.
func masked(f *scanner.Finding) string {
	switch {
	case !f.Key.Secret.IsZero():
		return " (" + code(f.Key.Secret.Masked()) + ")"
	case len(f.Secrets) > 0:
		return " (" + code(f.Secrets[0].Secret.Masked()) + ")"
	}
	return ""
}

// kindText is what was found, without its ID. Titles of other people's rules are
// theirs.
func kindText(f *scanner.Finding) string {
	switch kindOf(f) {
	case "pair", "key-id":
		return titleOf(f)
	}
	if plainWords.MatchString(f.Rule.Title) {
		return f.Rule.Title
	}
	return dash(code(short(f.Rule.Title, maxSubject)))
}

// plainWords are texts in which nothing can act.
var plainWords = form.New(`^[A-Z][A-Za-z]*( [A-Za-z]+){0,12}$`)

// stateCell is what AWS said of a key, in words of ours.
func (o *Options) stateCell(f *scanner.Finding) string {
	v := o.verdict(f)
	switch {
	case v == nil && f.Canary == "":
		return "not asked"
	case f.Canary != "", v.State == verify.Canary:
		return "canary"
	case v.State == verify.Live:
		return "**live** " + code(short(v.ARN, maxCode))
	}
	return v.State.String()
}

// deed is what to do about one key, in a few words.
func (o *Options) deed(f *scanner.Finding) string {
	switch {
	case f.Canary != "":
		return "Do not try it: a canary"
	case o.Scope == Staged:
		return "Take it out of the file"
	case o.over(f):
		return "Find out what it was used for"
	case f.Signed && !o.isLive(f):
		return "See that the request has expired"
	case isTemporary(f.Key.ID):
		return "Revoke the sessions of its role"
	case f.Key.ID != "":
		return code("keyquench kill " + short(f.Key.ID, maxName))
	}
	return "Find out whose it is, and replace it"
}

// next is what to do now.
func (m *markdown) next() {
	if m.count == 0 {
		return
	}
	m.line("### What to do now")
	m.line("")
	if !plainID(m.first) {
		m.first = "KEY-ID"
	}
	for i, s := range m.steps(m.o.Scope) {
		m.line(fmt.Sprintf("%d. %s", i+1, s.text()))
		if s.command != "" {
			m.line("\n   ```sh\n   " + s.command + "\n   ```")
		}
	}
	m.line("")
	if m.lasting > 0 && m.o.Scope != Staged {
		m.line("`keyquench rotate " + m.tally.key() + " --leaked --store PLACE` makes a new key, stores it where it is used, and turns the old one off.")
		m.line("")
	}
}

// plainID tells whether an ID is of letters and digits only, as AWS's are.
func plainID(id string) bool { return idForm.MatchString(id) }

var idForm = form.New(`^[A-Z0-9]{1,128}$`)

// scanned is what was read.
func (m *markdown) scanned() {
	s := &m.sum
	m.line("### What was read")
	m.line("")
	if target := code(short(m.veil.over(m.o.Target), maxCode)); target != "" {
		m.line("Of " + target + ":")
	}
	parts := []string{
		group(s.Commits) + " " + plural(s.Commits, "commit", "commits"),
		group(s.Objects.Total()) + " " + plural(s.Objects.Total(), "object", "objects"),
	}
	if s.Files > 0 {
		parts = append(parts, group(s.Files)+" "+plural(s.Files, "file", "files"))
	}
	m.line(strings.Join(append(parts, size(s.Bytes)+" in "+duration(s.Elapsed)), ", ") + ".")
	for _, n := range []struct {
		count int64
		text  string
	}{
		{int64(s.Known), "known before, not counted"},
		{int64(s.Ignored), "on a list of what to ignore, not counted"},
		{int64(s.Allowed), "on lines marked as allowed, not counted"},
	} {
		if n.count > 0 {
			m.line(fmt.Sprintf("%s %s %s.", group(n.count), plural(n.count, "key is", "keys are"), n.text))
		}
	}
	if n := s.Cache.Objects; n > 0 {
		m.line(fmt.Sprintf("%s of the objects were read by an earlier scan.", group(n)))
	}
	if n := s.Unopened; n > 0 {
		m.line(fmt.Sprintf("%s %s could not be opened, only looked at as %s.", group(n), plural(n, "container", "containers"), plural(n, "it is", "they are")))
	}
	m.line("")
}

// unread names what was not read, and how to get at it.
func (m *markdown) unread() {
	if !m.sum.Incomplete() {
		return
	}
	m.line("### What was not read")
	m.line("")
	for _, g := range gaps(&m.sum) {
		m.line("- " + g.label + ": " + g.text + ". Try: " + g.try + ".")
	}
	skips := sortedSkips(&m.sum)
	for _, k := range skips[:min(len(skips), maxMarkdownSkips)] {
		m.line("- " + code(short(m.veil.skipLine(k), maxCode)))
	}
	if more := m.sum.Skipped - int64(min(len(skips), maxMarkdownSkips)); more > 0 {
		m.line(fmt.Sprintf("- %s more %s, not named here", group(more), plural(more, "thing", "things")))
	}
	m.line("")
	if m.sum.Skipped > 0 {
		m.line("Try: " + code(short(m.SkipHelp(), maxCode)))
		m.line("")
	}
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// code is a text of anybody as a code span, in which nothing acts: no Markdown and
// no HTML, no mention, number of an issue, address or emoji. A code span ends at a
// backtick and a cell of a table at a pipe, also within code: they are written as
// escapes, like all that Clean changes.
func code(s string) string {
	s = codeEscapes.Replace(Clean(s))
	if strings.TrimSpace(s) == "" {
		return ""
	}
	return "`" + s + "`"
}

var codeEscapes = strings.NewReplacer("`", `\x60`, "|", `\x7c`)
