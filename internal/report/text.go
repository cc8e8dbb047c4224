package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"
	"github.com/keyquench/keyquench/scanner"
)

const (
	// maxPlaces is how many places of one key are listed; JSON has all.
	maxPlaces = 20
	// maxRefs is how many refs are named.
	maxRefs = 5
	// maxSubject and maxName keep a commit on a line of a usual terminal.
	maxSubject, maxName = 60, 40
	// shortID is how many digits of an object's name are shown: enough for any
	// repository known.
	shortID = 12
)

// text writes one block a key.
type text struct {
	collected
	w    io.Writer
	o    Options
	look palette
	veil *veil
	full bool // name every place and ref
	tally
}

// NewText writes findings to w for a person to read. What the scan read is not
// part of it: Summarize writes that, usually to standard error.
func NewText(w io.Writer, o Options) Writer {
	return &text{w: w, o: o, look: newPalette(o.Color)}
}

// palette is the looks of text. They are told apart by words too.
type palette struct{ leak, dim, bold func(string) string }

func newPalette(on bool) palette {
	paint := func(attrs ...color.Attribute) func(string) string {
		c := color.New(attrs...)
		// Each says for itself: the library's own idea of a terminal is about
		// standard output, which need not be where this goes.
		if on {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
		return func(s string) string { return c.Sprint(s) }
	}
	return palette{leak: paint(color.FgRed, color.Bold), dim: paint(color.Faint), bold: paint(color.Bold)}
}

// Close writes the findings and, once and last, what to do about them.
func (t *text) Close(sum scanner.Summary) error {
	t.o.settle(&sum)
	t.veil = newVeil(t.list, &t.o)
	for i := range t.list {
		var b bytes.Buffer
		t.block(&b, &t.list[i])
		if _, err := t.w.Write(b.Bytes()); err != nil {
			return err
		}
	}
	return t.advise()
}

// block writes one key.
func (t *text) block(b *bytes.Buffer, f *scanner.Finding) {
	if t.count > 0 {
		b.WriteByte('\n')
	}
	t.note(f, &t.o)
	b.WriteString(t.look.leak("● "+headline(f)) + "\n")
	t.key(b, f)
	t.row(b, "state", t.o.state(f))
	for _, r := range verdictFacts(t.o.verdict(f)) {
		t.row(b, r.Name, r.Value)
	}
	if v := t.o.verdict(f); v != nil && !v.Secret.IsZero() && v.Secret != f.Key.Secret {
		t.row(b, "", "with the secret "+Clean(t.o.secret(v.Secret))+", one of its candidates")
	}
	if in, known := t.o.inHead(f); known {
		t.row(b, "in HEAD", yesNo(in))
	} else if t.o.Scope == Part {
		t.row(b, "in HEAD", "not known: not all of history was looked at")
	}
	t.stands(b, f)
	t.row(b, "print", f.Fingerprint)
}

// stands writes what leads to a key, and the places it stands in.
func (t *text) stands(b *bytes.Buffer, f *scanner.Finding) {
	if f.RefCount > 0 {
		t.row(b, "reachable", "from: "+t.refList(f.Refs, f.RefCount))
	}
	shown := len(f.Places)
	if !t.full {
		shown = min(shown, maxPlaces)
	}
	for i := range shown {
		t.place(b, f, &f.Places[i])
	}
	if more := len(f.Places) - shown; more > 0 {
		t.row(b, "", fmt.Sprintf("and %d more %s: keyquench explain %s", more, plural(more, "place", "places"), f.Fingerprint[:shortID]))
	}
}

// headline is the key ID, which is no secret, and what it is.
func headline(f *scanner.Finding) string {
	if f.Key.ID != "" {
		return Clean(f.Key.ID + "  " + titleOf(f))
	}
	return titleOf(f)
}

// titleOf is what a key is. Of pairs and of IDs it is in words of ours.
func titleOf(f *scanner.Finding) string {
	title := f.Rule.Title
	switch kindOf(f) {
	case "pair":
		title = "AWS access key with its secret"
		if isTemporary(f.Key.ID) {
			title = "temporary AWS access key with its secret"
		}
	case "key-id":
		title = "AWS access key ID, without a secret near it"
		switch {
		case f.Signed:
			title = "AWS access key ID in a signed request, without its secret"
		case len(f.Secrets) > 0:
			title = "AWS access key ID, and what may be its secret"
		}
		if isTemporary(f.Key.ID) {
			title = "temporary " + title
		}
	}
	return Clean(title)
}

// isTemporary: AWS STS issues these IDs.
func isTemporary(keyID string) bool { return strings.HasPrefix(keyID, "ASIA") }

// key writes the rows that describe the key itself.
func (t *text) key(b *bytes.Buffer, f *scanner.Finding) {
	switch {
	case !f.Key.Secret.IsZero():
		t.row(b, "secret", Clean(t.o.secret(f.Key.Secret)))
	case len(f.Secrets) > 0:
		n := len(f.Secrets)
		t.row(b, "secret", fmt.Sprintf("not certain: %d %s, first %s",
			n, plural(n, "candidate", "candidates"), Clean(t.o.secret(f.Secrets[0].Secret))))
	}
	if !f.Key.Token.IsZero() {
		t.row(b, "token", Clean(t.o.secret(f.Key.Token)))
	}
	if f.Account != "" {
		t.row(b, "account", Clean(f.Account))
	}
	if f.User != "" {
		t.row(b, "user", Clean(t.veil.over(f.User)))
	}
}

// row writes a label and what it says. Every line begins with a word of ours:
// a line that began with a path could be taken for a command by a build log.
func (t *text) row(b *bytes.Buffer, label, value string) {
	fmt.Fprintf(b, "  %s %s\n", t.look.dim(fmt.Sprintf("%-9s", label)), value)
}

// refList names the first refs: "main, tag v1.0 and 3 more".
func (t *text) refList(refs []string, count int) string {
	shown := refs
	if !t.full {
		shown = refs[:min(len(refs), maxRefs)]
	}
	names := make([]string, len(shown))
	for i, r := range shown {
		names[i] = Clean(t.veil.over(refName(r)))
	}
	list := strings.Join(names, ", ")
	if more := count - len(shown); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// refName is a ref as people say it.
func refName(full string) string {
	if name, ok := strings.CutPrefix(full, "refs/heads/"); ok {
		return name
	}
	if name, ok := strings.CutPrefix(full, "refs/tags/"); ok {
		return "tag " + name
	}
	if name, ok := strings.CutPrefix(full, "refs/remotes/"); ok {
		return name
	}
	if full == "refs/stash" {
		return "the stash"
	}
	return full
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func plural[N int | int64](n N, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
