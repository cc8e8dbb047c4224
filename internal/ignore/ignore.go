// Package ignore reads and writes lists of findings that are not to be reported:
// a file that people keep by hand, and a baseline of all that is known on some
// day. Both have one form. An entry names a finding by its fingerprint, which is
// made of rule and key: it holds wherever the key moves, and a new key is never
// covered by it.
//
// Where a list comes from is for the caller to judge: one out of the repository
// that is scanned could silence its own leak.
package ignore

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	// header begins every list that Write makes. The number is that of the form.
	header = "# keyquench ignore list"
	form   = 1

	fingerprintLen = 32
	maxLine        = 4 << 10
	maxEntries     = 1 << 20
	dateForm       = "2006-01-02"
)

// ErrForm is wrapped by the errors of a list that cannot be read.
var ErrForm = errors.New("not an ignore list")

// Entry is a finding that is not reported.
type Entry struct {
	Fingerprint string
	// Until is the last day that the entry holds on; zero is for ever.
	Until  time.Time
	Reason string
	Line   int
}

// List is what one or several files say.
type List struct {
	entries map[string]Entry
	// Expired are entries that have no effect any more.
	Expired []Entry
}

// Read adds the entries of a file to the list. Nothing is added when there is an
// error in it, which names the file and the line. On the day of Until an entry
// holds still; days are those of now's place.
//
// A line is a fingerprint, perhaps "until YYYY-MM-DD", perhaps "#" and a reason.
// Empty lines and lines that begin with "#" count for nothing.
func (l *List) Read(name string, r io.Reader, now time.Time) error {
	fail := func(line int, format string, args ...any) error {
		return fmt.Errorf("%s:%d: %w: %s", name, line, ErrForm, fmt.Sprintf(format, args...))
	}
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	var list []Entry
	n := 0
	for s.Scan() {
		n++
		text := strings.TrimSpace(s.Text())
		if version, ok := strings.CutPrefix(text, header+" "); ok && n == 1 {
			if version != fmt.Sprint(form) {
				return fail(n, "its form is %q, and this program reads %d", version, form)
			}
			continue
		}
		if text == "" || text[0] == '#' {
			continue
		}
		e, err := parse(text, now.Location())
		if err != nil {
			return fail(n, "%v", err)
		}
		if e.Line = n; len(list) == maxEntries {
			return fail(n, "more than %d entries", maxEntries)
		}
		list = append(list, e)
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return fail(n+1, "the line is longer than %d bytes", maxLine)
	}
	if s.Err() != nil {
		return fmt.Errorf("%s: %w", name, s.Err())
	}
	if l.entries == nil {
		l.entries = make(map[string]Entry, len(list))
	}
	for _, e := range list {
		if !e.Until.IsZero() && !now.Before(e.Until.AddDate(0, 0, 1)) {
			l.Expired = append(l.Expired, e)
			continue
		}
		l.entries[e.Fingerprint] = e
	}
	return nil
}

// parse reads a line.
func parse(text string, place *time.Location) (e Entry, err error) {
	text, e.Reason, _ = strings.Cut(text, "#")
	e.Reason = strings.TrimSpace(e.Reason)
	words := strings.Fields(text)
	e.Fingerprint = strings.ToLower(words[0])
	if len(e.Fingerprint) != fingerprintLen || strings.Trim(e.Fingerprint, "0123456789abcdef") != "" {
		return e, fmt.Errorf("a fingerprint has %d hexadecimal digits", fingerprintLen)
	}
	switch {
	case len(words) == 1:
		return e, nil
	case len(words) != 3 || words[1] != "until":
		return e, fmt.Errorf("after the fingerprint comes nothing, \"until YYYY-MM-DD\", or \"#\" and a reason")
	}
	if e.Until, err = time.ParseInLocation(dateForm, words[2], place); err != nil {
		return e, fmt.Errorf("the date is no YYYY-MM-DD")
	}
	return e, nil
}

// Has tells whether a finding is on the list.
func (l *List) Has(fingerprint string) bool {
	_, ok := l.entries[fingerprint]
	return ok
}

// Len is how many entries hold.
func (l *List) Len() int { return len(l.entries) }

// Write writes a list that Read reads. Reasons are put on one line.
func Write(w io.Writer, entries []Entry) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s %d\n", header, form)
	for _, e := range entries {
		b.WriteString(e.Fingerprint)
		if !e.Until.IsZero() {
			b.WriteString(" until " + e.Until.Format(dateForm))
		}
		if reason := strings.Join(strings.Fields(e.Reason), " "); reason != "" {
			b.WriteString("  # " + reason)
		}
		b.WriteByte('\n')
	}
	return b.Flush()
}
