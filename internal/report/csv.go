package report

import (
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/scanner"
)

type csvRows struct {
	collected
	w    io.Writer
	o    Options
	veil *veil
}

// NewCSV writes a table (RFC 4180): a header, a row for each place of each key,
// a row for each thing that was not read, and last a row that tells whether the
// scan was complete. A table without it was cut off. README.md lists the columns
// and says how cells are made safe to open in a spreadsheet.
func NewCSV(w io.Writer, o Options) Writer { return &csvRows{w: w, o: o} }

// csvColumn is a column and what stands in it for a place.
type csvColumn struct {
	name  string
	value func(*csvRows, *scanner.Finding, *scanner.Place) string
}

// The columns that rows of every kind use.
const csvRecord, csvPath, csvPathBase64, csvNote = "record", "path", "path_base64", "note"

func csvColumns() []csvColumn {
	type (
		rows    = csvRows
		finding = scanner.Finding
		place   = scanner.Place
	)
	return []csvColumn{
		{csvRecord, func(*rows, *finding, *place) string { return "place" }},
		{"fingerprint", func(_ *rows, f *finding, _ *place) string { return f.Fingerprint }},
		{"rule", func(_ *rows, f *finding, _ *place) string { return f.Rule.ID }},
		{"title", func(_ *rows, f *finding, _ *place) string { return f.Rule.Title }},
		{"kind", func(_ *rows, f *finding, _ *place) string { return kindOf(f) }},
		{"state", func(c *rows, f *finding, _ *place) string { return c.o.stateOf(f) }},
		{"key_id", func(_ *rows, f *finding, _ *place) string { return f.Key.ID }},
		{"secret", func(c *rows, f *finding, _ *place) string { return c.o.secret(f.Key.Secret) }},
		{"token", func(c *rows, f *finding, _ *place) string { return c.o.secret(f.Key.Token) }},
		{"account", func(_ *rows, f *finding, _ *place) string { return f.Account }},
		{"canary", func(_ *rows, f *finding, _ *place) string { return f.Canary }},
		{"user", func(c *rows, f *finding, _ *place) string { return c.veil.over(f.User) }},
		{"in_head", func(c *rows, f *finding, _ *place) string { return c.inHead(f) }},
		{"refs", func(c *rows, f *finding, _ *place) string { return c.refs(f) }},
		{"ref_count", func(_ *rows, f *finding, _ *place) string { return strconv.Itoa(f.RefCount) }},
		{"place_kind", func(_ *rows, _ *finding, p *place) string { return p.Kind.String() }},
		{"repository", func(c *rows, _ *finding, p *place) string { return c.veil.over(p.Repository) }},
		{csvPath, func(c *rows, _ *finding, p *place) string { return c.veil.over(p.Path) }},
		{csvPathBase64, func(c *rows, _ *finding, p *place) string { return exact(c.veil.over(p.Path)) }},
		{"object", func(_ *rows, _ *finding, p *place) string { return objectName(p.Object) }},
		{"line", func(_ *rows, _ *finding, p *place) string { return lineOf(&p.At) }},
		{"column", func(_ *rows, _ *finding, p *place) string { return strconv.Itoa(p.At.Column) }},
		{"secret_line", func(_ *rows, _ *finding, p *place) string { return lineOf(p.Secret) }},
		{"encoding", func(_ *rows, _ *finding, p *place) string { return p.Encoding }},
		{"versions", func(_ *rows, _ *finding, p *place) string { return strconv.Itoa(p.Versions) }},
		{"head_line", func(_ *rows, _ *finding, p *place) string { return lineOf(p.Head) }},
		{"work_tree_line", func(_ *rows, _ *finding, p *place) string { return lineOf(p.WorkTree) }},
		{"staged", func(_ *rows, _ *finding, p *place) string { return yesNo(p.Staged) }},
		{"unreachable", func(_ *rows, _ *finding, p *place) string { return yesNo(p.Unreachable) }},
		{"commit", func(_ *rows, _ *finding, p *place) string { return objectName(commitOf(p).ID) }},
		{"author", func(c *rows, _ *finding, p *place) string { return c.veil.over(commitOf(p).Author) }},
		{"email", func(c *rows, _ *finding, p *place) string { return c.veil.over(commitOf(p).Email) }},
		{"date", func(_ *rows, _ *finding, p *place) string { return dateOf(p).authored }},
		{"committed", func(_ *rows, _ *finding, p *place) string { return dateOf(p).committed }},
		{"subject", func(c *rows, _ *finding, p *place) string { return c.veil.over(wholeRunes(commitOf(p).Subject)) }},
		{csvNote, func(*rows, *finding, *place) string { return "" }},
	}
}

// verdictColumns are there when AWS was asked.
func verdictColumns() []csvColumn {
	of := func(value func(*verify.Verdict) string) func(*csvRows, *scanner.Finding, *scanner.Place) string {
		return func(c *csvRows, f *scanner.Finding, _ *scanner.Place) string {
			if v := c.o.verdict(f); v != nil {
				return value(v)
			}
			return ""
		}
	}
	return []csvColumn{
		{"identity", of(func(v *verify.Verdict) string { return v.Kind.String() })},
		{"arn", of(func(v *verify.Verdict) string { return v.ARN })},
		{"partition", of(func(v *verify.Verdict) string { return v.Partition })},
		{"reason", of(func(v *verify.Verdict) string { return v.Reason })},
		{"verified", of(func(v *verify.Verdict) string { return moment(v.At) })},
	}
}

// Close writes the table.
func (c *csvRows) Close(sum scanner.Summary) error {
	c.o.settle(&sum)
	c.veil = newVeil(c.list, &c.o)
	columns := csvColumns()
	if c.o.Verdict != nil {
		columns = append(columns, verdictColumns()...)
	}
	row := make([]string, len(columns))
	for i, col := range columns {
		row[i] = col.name
	}
	out := csv.NewWriter(c.w)
	out.UseCRLF = true
	// The writer keeps its first error and gives it out at the end.
	_ = out.Write(row)
	for i := range c.list {
		f := &c.list[i]
		places := f.Places
		if len(places) == 0 {
			places = make([]scanner.Place, 1) // a key is not left out for want of a place
		}
		for j := range places {
			for k, col := range columns {
				row[k] = cell(col.value(c, f, &places[j]))
			}
			_ = out.Write(row)
		}
		if out.Error() != nil {
			break
		}
	}
	for _, r := range c.otherRows(&sum) {
		for k, col := range columns {
			row[k] = cell(r[col.name])
		}
		_ = out.Write(row)
	}
	out.Flush()
	return out.Error()
}

// otherRows tell what was not read, and last what became of the scan.
func (c *csvRows) otherRows(sum *scanner.Summary) (list []map[string]string) {
	for _, k := range sortedSkips(sum) {
		what := c.veil.over(k.What)
		list = append(list, map[string]string{
			csvRecord: "skipped", csvPath: what, csvPathBase64: exact(what), csvNote: c.veil.over(k.Err.Error()),
		})
	}
	if n := unnamed(sum); n > 0 {
		list = append(list, map[string]string{csvRecord: "skipped", csvNote: fmt.Sprintf("and %d more, which are not named", n)})
	}
	for _, g := range gaps(sum) {
		list = append(list, map[string]string{csvRecord: g.name, csvNote: g.text})
	}
	note := fmt.Sprintf("%d found, %d known before, %d ignored, %d allowed: ", sum.Findings, sum.Known, sum.Ignored, sum.Allowed)
	if sum.Incomplete() {
		note += "NOT everything was read"
	} else {
		note += "everything was read"
	}
	return append(list, map[string]string{csvRecord: "summary", csvPath: c.veil.over(c.o.Target), csvNote: note})
}

func (c *csvRows) inHead(f *scanner.Finding) string {
	in, known := c.o.inHead(f)
	if !known {
		return ""
	}
	return yesNo(in)
}

// refs are the full names; Git allows no space in them.
func (c *csvRows) refs(f *scanner.Finding) string {
	names := make([]string, len(f.Refs))
	for i, r := range f.Refs {
		names[i] = c.veil.over(r)
	}
	return strings.Join(names, " ")
}

// cell makes a value safe for whatever opens the table. Spreadsheets run a cell
// that begins with one of = + - @ as a formula, in full width too, and some take
// a semicolon for the end of a cell. An apostrophe goes in front of the first,
// and in front of an apostrophe, so that taking one away gives back the value.
func cell(s string) string {
	s = shown(s)
	if r, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, " ")); strings.ContainsRune("'=+-@＝＋－＠", r) && s != "" {
		return "'" + s
	}
	return s
}

// shown is s as a cell shows it, but for the apostrophe.
func shown(s string) string { return strings.ReplaceAll(Clean(s), ";", `\x3b`) }

// exact is the bytes of a name, in base64, when the cell does not show them as
// they are.
func exact(s string) string {
	if shown(s) == s {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(s))
}

func objectName(id scanner.ObjectID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func lineOf(p *scanner.Position) string {
	if p == nil || p.Line == 0 {
		return ""
	}
	return strconv.Itoa(p.Line)
}

// commitOf is the commit of a place, or an empty one.
func commitOf(p *scanner.Place) *scanner.Commit {
	if p.Commit == nil {
		return &scanner.Commit{}
	}
	return p.Commit
}

// dateOf is when the commit of a place was written and made, if there is one.
func dateOf(p *scanner.Place) (when struct{ authored, committed string }) {
	if c := p.Commit; c != nil {
		when.authored, when.committed = stamp(c.Date), stamp(c.Committed)
	}
	return when
}
