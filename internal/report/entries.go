package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/keyquench/keyquench/internal/ledger"
)

// EntryFormats are the formats of Cases and Entries, the default first.
func EntryFormats() []string { return []string{"text", "json"} }

// incident is what the entries of one case and key come to.
type incident struct {
	Type    string `json:"type"`
	Schema  int    `json:"schema"`
	Case    string `json:"case"`
	KeyID   string `json:"key_id"`
	Account string `json:"account"`
	What    string `json:"what"`
	// Kind and State are those of the last entry.
	Kind    string `json:"kind"`
	State   string `json:"state"`
	Entries int    `json:"entries"`
	Last    int64  `json:"last_seq"`
	Begun   string `json:"begun"`
	Time    string `json:"time"`
}

// told is what a line of a case takes out of the data of an entry, where it is
// there: what is done, and how it stands.
type told struct {
	Deed   string `json:"deed"`
	State  string `json:"state"`
	Result string `json:"result"`
}

// Cases writes a line a case, the oldest first: those with an entry since then.
// All entries of a case are to be given. As text, it is a table with a heading.
func Cases(w io.Writer, format string, list iter.Seq2[ledger.Entry, error], since time.Time, o Options) error {
	var cases []*incident
	latest := map[*incident]time.Time{}
	known := map[[2]string]*incident{}
	for e, err := range list {
		if err != nil {
			return err
		}
		name := [2]string{e.Case, e.KeyID}
		c := known[name]
		if c == nil {
			c = &incident{Type: "case", Schema: schema, Case: valid(e.Case), KeyID: valid(e.KeyID), Begun: stampOf(e.At)}
			known[name] = c
			cases = append(cases, c)
		}
		c.add(&e)
		if e.At.After(latest[c]) {
			latest[c] = e.At
		}
	}
	shown := cases[:0]
	for _, c := range cases {
		if !latest[c].Before(since) {
			shown = append(shown, c)
		}
	}
	if format == "json" {
		for _, c := range shown {
			if err := writeObject(w, c); err != nil {
				return err
			}
		}
		return nil
	}
	return caseTable(w, shown, o)
}

func (c *incident) add(e *ledger.Entry) {
	var t told
	// Data of another form tells nothing here; Entries shows it.
	if json.Unmarshal(e.Data, &t) != nil {
		t = told{}
	}
	if e.Account != "" {
		c.Account = valid(e.Account)
	}
	if t.Deed != "" {
		c.What = valid(t.Deed)
	}
	c.State = valid(t.State)
	if t.Result != "" {
		c.State = valid(t.Result)
	}
	c.Kind, c.Last, c.Time = valid(e.Kind), e.Seq, stampOf(e.At)
	c.Entries++
}

func stampOf(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func caseTable(w io.Writer, list []*incident, o Options) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CASE\tKEY\tACCOUNT\tWHAT\tSTATE\tENTRIES\tWHEN")
	for _, c := range list {
		state := c.Kind
		if c.State != "" {
			state += ": " + c.State
		}
		for _, cell := range []string{c.Case, c.KeyID, c.Account, c.What, state} {
			fmt.Fprintf(t, "%s\t", cellOf(cell))
		}
		fmt.Fprintf(t, "%d\t%s\n", c.Entries, c.Time)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	// Colours would count as columns: they come last.
	head, rest, _ := strings.Cut(b.String(), "\n")
	_, err := io.WriteString(w, newPalette(o.Color).dim(head)+"\n"+rest)
	return err
}

// maxCell keeps a table a table, whatever stands in it.
const maxCell = 64

func cellOf(s string) string {
	if s == "" {
		return "-"
	}
	return short(s, maxCell)
}

// entryObject is an entry as JSON tells it.
type entryObject struct {
	Type    string          `json:"type"`
	Schema  int             `json:"schema"`
	Seq     int64           `json:"seq"`
	At      string          `json:"at"`
	Case    string          `json:"case"`
	KeyID   string          `json:"key_id"`
	Account string          `json:"account"`
	Kind    string          `json:"kind"`
	By      string          `json:"by"`
	Data    json.RawMessage `json:"data"`
	Prev    string          `json:"prev"`
	Hash    string          `json:"hash"`
}

// Entries writes entries of a ledger whole, in the order they come, and says how
// many there were.
func Entries(w io.Writer, format string, list iter.Seq2[ledger.Entry, error], o Options) (count int, err error) {
	t := &text{w: w, o: o, look: newPalette(o.Color)}
	for e, err := range list {
		if err != nil {
			return count, err
		}
		var b bytes.Buffer
		switch {
		case format == "json":
			err = writeObject(&b, entryObject{
				"entry", schema, e.Seq, e.At.UTC().Format(time.RFC3339Nano), valid(e.Case), valid(e.KeyID),
				valid(e.Account), valid(e.Kind), valid(e.By), e.Data, e.Prev, e.Hash,
			})
		default:
			if count > 0 {
				b.WriteByte('\n')
			}
			err = t.entry(&b, &e)
		}
		if err != nil {
			return count, err
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			return count, err
		}
		count++
	}
	return count, nil
}

// entry writes one entry.
func (t *text) entry(b *bytes.Buffer, e *ledger.Entry) error {
	b.WriteString(t.look.bold(fmt.Sprintf("● %d  %s  %s", e.Seq, Clean(e.Kind), e.At.UTC().Format(time.RFC3339Nano))) + "\n")
	for _, r := range [][2]string{{"case", e.Case}, {"key", e.KeyID}, {"account", e.Account}, {"by", e.By}} {
		if r[1] != "" {
			t.row(b, r[0], Clean(r[1]))
		}
	}
	var data bytes.Buffer
	if err := json.Indent(&data, e.Data, "", "  "); err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	label := "data"
	for line := range strings.Lines(data.String()) {
		t.row(b, label, Clean(strings.TrimSuffix(line, "\n")))
		label = ""
	}
	t.row(b, "prev", e.Prev)
	t.row(b, "hash", e.Hash)
	return nil
}

// ledgerObject is what JSON tells of a check.
type ledgerObject struct {
	Type    string       `json:"type"`
	Schema  int          `json:"schema"`
	File    string       `json:"file"`
	Whole   bool         `json:"whole"`
	Entries int64        `json:"entries"`
	Head    string       `json:"head"`
	Fault   *faultObject `json:"fault,omitempty"`
}

type faultObject struct {
	Seq  int64  `json:"seq"`
	What string `json:"what"`
}

// Check writes what was found out about the ledger at path. noted tells that it
// was compared with a head from before.
func Check(w io.Writer, format, path string, c ledger.Check, noted bool, o Options) error {
	if format == "json" {
		line := ledgerObject{Type: "ledger", Schema: schema, File: valid(path), Whole: c.Fault == nil, Entries: c.Entries, Head: c.Head.String()}
		if c.Fault != nil {
			line.Fault = &faultObject{c.Fault.Seq, valid(c.Fault.What)}
		}
		return writeObject(w, line)
	}
	t := &text{w: w, o: o, look: newPalette(o.Color)}
	var b bytes.Buffer
	b.WriteString(t.look.bold("● "+Clean(path)) + "\n")
	entries := fmt.Sprintf("%d, all whole", c.Entries)
	if c.Fault != nil {
		entries = fmt.Sprintf("%d whole, before the first fault", c.Entries)
		what := c.Fault.What
		if c.Fault.Seq != 0 {
			what = fmt.Sprintf("entry %d %s", c.Fault.Seq, what)
		}
		t.row(&b, "fault", t.look.leak(Clean(what)))
	}
	t.row(&b, "entries", entries)
	t.row(&b, "head", c.Head.String())
	switch {
	case c.Fault != nil:
	case noted:
		t.row(&b, "", "it continues from the head that was noted: nothing up to there was changed or cut off")
	default:
		t.row(&b, "", "note the head elsewhere, and give it to --head later: only so can entries that were")
		t.row(&b, "", "cut off at the end be missed, or a ledger that was written anew be noticed")
	}
	_, err := w.Write(b.Bytes())
	return err
}

// writeObject writes one object on a line of its own.
func writeObject(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err := w.Write(inert(b.Bytes()))
	return err
}
