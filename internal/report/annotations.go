package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/keyquench/keyquench/scanner"
)

const (
	// maxAnnotations is how many of a level GitHub takes from a step. It drops the
	// others without a word.
	maxAnnotations = 10
	// maxMessage keeps an annotation what fits beside a line.
	maxMessage = 300
)

// annotation is one command to GitHub's runner.
type annotation struct {
	level, title, message string
	path                  string
	line, column          int
}

type annotations struct{ text }

// NewAnnotations writes commands to GitHub's runner that mark the lines of a change
// (https://docs.github.com/actions/reference/workflow-commands-for-github-actions):
// an error for each key, a warning or a notice for one that is over, and an error
// when not everything was read. Of a level there are at most ten, which is what
// GitHub takes from a step; the last one counts the rest. Nothing is written when
// everything was read and nothing was found.
//
// Secrets are masked, whatever o says: who can read the repository can read these.
func NewAnnotations(w io.Writer, o Options) Writer {
	o.ShowSecrets = false
	return &annotations{text{w: w, o: o, look: newPalette(false)}}
}

// Close writes the commands.
func (a *annotations) Close(sum scanner.Summary) error {
	a.o.settle(&sum)
	a.veil = newVeil(a.list, &a.o)
	var b strings.Builder
	problems := a.problems(&sum)
	for _, level := range []string{"error", "warning", "notice"} {
		var of []*scanner.Finding
		for _, f := range a.o.urgent(a.list) {
			if a.level(f) == level {
				of = append(of, f)
			}
		}
		room := maxAnnotations
		if level == "error" {
			room -= len(problems)
		}
		shown := of
		if len(of) > room {
			shown = of[:room-1]
		}
		for _, f := range shown {
			a.key(level, f).write(&b)
		}
		if more := len(of) - len(shown); more > 0 {
			annotation{
				level: level, title: fmt.Sprintf("%s more leaked %s", group(int64(more)), plural(more, "key", "keys")),
				message: "GitHub shows no more of them here. The summary of the job and the other reports have all.",
			}.write(&b)
		}
	}
	for _, p := range problems {
		p.write(&b)
	}
	_, err := io.WriteString(a.w, b.String())
	return err
}

// level is how GitHub calls it.
func (a *annotations) level(f *scanner.Finding) string {
	if level := a.o.level(f); level != "note" {
		return level
	}
	return "notice"
}

// key marks one key.
func (a *annotations) key(level string, f *scanner.Finding) annotation {
	out := annotation{level: level, title: "Leaked key"}
	if f.Key.ID != "" {
		out.title = "Leaked AWS key " + short(f.Key.ID, maxName)
	}
	s := a.spot(f)
	if out.path = s.path; s.at != nil {
		out.line, out.column = s.at.Line, s.at.Column
	}
	lines := []string{a.what(f)}
	if s.place != nil {
		lines = append(lines, "It stands in "+short(a.standing(&s), maxMessage)+a.since(s.place)+".")
	}
	if more := len(f.Places) - 1; more > 0 {
		lines = append(lines, fmt.Sprintf("It also stands in %s more %s.", group(int64(more)), plural(more, "place", "places")))
	}
	if past := a.past(f); past != "" {
		lines = append(lines, past)
	}
	out.message = strings.Join(append(lines, a.o.advice(f, Clean)), "\n")
	return out
}

// what is a key in one line.
func (t *text) what(f *scanner.Finding) string {
	line := short(strings.Join(strings.Fields(headline(f)), " "), maxMessage)
	switch {
	case !f.Key.Secret.IsZero():
		line += " (" + Clean(f.Key.Secret.Masked()) + ")"
	case len(f.Secrets) > 0:
		line += " (" + Clean(f.Secrets[0].Secret.Masked()) + ")"
	}
	return line
}

// since tells which commit brought a place in.
func (t *text) since(p *scanner.Place) string {
	c := p.Commit
	if c == nil || p.Kind == scanner.CommitText {
		return ""
	}
	s := ", since commit " + digits(c.ID) + " of " + day(c.Date)
	if who := short(t.veil.over(c.Author), maxName); who != "" {
		s += " by " + who
	}
	return s
}

// advice is the first thing to do about one key; show shows a command.
func (o *Options) advice(f *scanner.Finding, show func(string) string) string {
	const more = " Deleting the line is not enough."
	kill := show("keyquench kill " + short(f.Key.ID, maxName))
	switch {
	case f.Canary != "":
		return "It is a canary: do not try it, its use raises an alarm. Tell the people who laid it out."
	case o.over(f):
		return "AWS no longer takes it. Find out who turned it off, and what it was used for before."
	case f.Signed && !o.isLive(f):
		return "It stands in a signed request, which gives nothing away but the ID: see that the request has expired."
	case isTemporary(f.Key.ID):
		return "Revoke the active sessions of its role: it works for up to 36 hours." + more
	case f.Key.ID != "" && o.isLive(f):
		return "AWS takes it now. Turn it off before anything else: " + kill + "." + more
	case f.Key.ID != "":
		return "Turn it off before anything else: " + kill + "." + more
	}
	return "Find out whose it is, and have it replaced where it was issued." + more
}

// problems are what a clean scan does not have.
func (a *annotations) problems(sum *scanner.Summary) (list []annotation) {
	if sum.Incomplete() {
		lines := []string{"This scan cannot say that there is no other key."}
		if skips := sortedSkips(sum); len(skips) > 0 {
			lines = append(lines, fmt.Sprintf("%s %s could not be read. The first: %s", group(sum.Skipped), plural(sum.Skipped, "thing", "things"),
				short(a.veil.skipLine(skips[0]), maxMessage)), "Try: "+(&summary{o: a.o}).nextStep(skips))
		} else if sum.Skipped > 0 {
			lines = append(lines, fmt.Sprintf("%s %s could not be read.", group(sum.Skipped), plural(sum.Skipped, "thing", "things")))
		}
		for _, g := range gaps(sum) {
			lines = append(lines, g.label+": "+g.text+". Try: "+g.try)
		}
		list = append(list, annotation{level: "error", title: "Not everything was read", message: strings.Join(lines, "\n")})
	}
	if sum.Bytes == 0 && !sum.Incomplete() && a.o.Scope != Staged {
		list = append(list, annotation{level: "error", title: "Nothing was scanned", message: "0 bytes were read: look whether the path is right, and the part of history that was chosen."})
	}
	return list
}

// write writes the command. A value can end neither the command nor its part of it.
func (a annotation) write(b *strings.Builder) {
	b.WriteString("::" + a.level + " ")
	if a.path != "" {
		b.WriteString("file=" + propertyEscapes.Replace(a.path) + ",")
	}
	if a.path != "" && a.line > 0 {
		fmt.Fprintf(b, "line=%d,endLine=%d,", a.line, a.line)
		if a.column > 0 {
			fmt.Fprintf(b, "col=%d,", a.column)
		}
	}
	b.WriteString("title=" + propertyEscapes.Replace(a.title) + "::" + dataEscapes.Replace(a.message) + "\n")
}

// What the runner takes back out of a command.
var (
	dataEscapes     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
