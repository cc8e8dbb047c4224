package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/keyquench/keyquench/scanner"
)

type junit struct {
	text
	out *xml.Encoder
	err error
}

// maxCaseName keeps the name of a test case on a line of a build server.
const maxCaseName = 200

// NewJUnit writes the XML that build servers read test results from: one suite,
// in which every key is a test that failed. A clean scan is one test that passed;
// a scan that did not read everything has a test that could not run.
func NewJUnit(w io.Writer, o Options) Writer {
	return &junit{text: text{w: w, o: o, look: newPalette(false)}}
}

// Close writes the suite.
func (j *junit) Close(sum scanner.Summary) error {
	j.o.settle(&sum)
	j.veil = newVeil(j.list, &j.o)
	if _, err := io.WriteString(j.w, xml.Header); err != nil {
		return err
	}
	j.out = xml.NewEncoder(j.w)
	incomplete, clean := sum.Incomplete(), len(j.list) == 0 && !sum.Incomplete()
	j.open("testsuites")
	j.open("testsuite", j.suite(&sum, len(j.list), count(incomplete), count(clean))...)
	j.properties(&sum)
	for i := range j.list {
		j.leak(&j.list[i])
	}
	if clean {
		j.open("testcase", caseOf("keyquench", "no leaked keys")...)
		j.shut("testcase")
	}
	if incomplete {
		j.unread(&sum)
	}
	// The stricter of the two schemas in use demands both.
	for _, name := range []string{"system-out", "system-err"} {
		j.open(name)
		j.shut(name)
	}
	j.shut("testsuite")
	j.shut("testsuites")
	if j.err != nil {
		return j.err
	}
	if err := j.out.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(j.w, "\n")
	return err
}

// suite is the attributes of the suite. Both schemas in use allow these only,
// and those of a suite without a time.
func (j *junit) suite(sum *scanner.Summary, failures, errors, passed int) []string {
	attrs := []string{
		"name", "keyquench", "package", "keyquench", "id", "0", "hostname", "localhost",
		"tests", strconv.Itoa(failures + errors + passed), "failures", strconv.Itoa(failures), "errors", strconv.Itoa(errors),
		"skipped", "0", "time", fmt.Sprintf("%.3f", sum.Elapsed.Seconds()),
	}
	if !j.o.Time.IsZero() {
		attrs = append(attrs, "timestamp", j.o.Time.UTC().Format("2006-01-02T15:04:05"))
	}
	return attrs
}

func (j *junit) properties(sum *scanner.Summary) {
	j.open("properties")
	for _, p := range [][2]string{
		{"target", Clean(j.veil.over(j.o.Target))},
		{"version", Clean(j.o.Version)},
		{"rules", Clean(j.o.Rules)},
		{"bytes", strconv.FormatInt(sum.Bytes, 10)},
		{"known", strconv.Itoa(sum.Known)},
		{"ignored", strconv.Itoa(sum.Ignored)},
		{"allowed", strconv.Itoa(sum.Allowed)},
		{"complete", strconv.FormatBool(!sum.Incomplete())},
	} {
		j.open("property", "name", p[0], "value", p[1])
		j.shut("property")
	}
	j.shut("properties")
}

// leak is the test that a key failed. Its name holds still as long as the oldest
// place does, so that a build server sees which keys are new.
func (j *junit) leak(f *scanner.Finding) {
	name, message := headline(f), Clean(f.Rule.Title)
	if len(f.Places) > 0 {
		at := j.where(&f.Places[0])
		name, message = name+" in "+at, message+" in "+at
	}
	j.open("testcase", caseOf("keyquench."+f.Rule.ID, short(name, maxCaseName))...)
	var b bytes.Buffer
	j.block(&b, f)
	j.told("failure", "leaked-key", message, b.String())
	j.shut("testcase")
}

// unread is the test that could not run.
func (j *junit) unread(sum *scanner.Summary) {
	var b strings.Builder
	for _, k := range sortedSkips(sum) {
		b.WriteString("- " + j.veil.skipLine(k) + "\n")
	}
	if n := unnamed(sum); n > 0 {
		fmt.Fprintf(&b, "and %s more, which are not named\n", group(n))
	}
	for _, g := range gaps(sum) {
		b.WriteString("- " + g.text + "\n  try: " + g.try + "\n")
	}
	j.open("testcase", caseOf("keyquench", "everything was read")...)
	j.told("error", "incomplete", "not everything was read: this scan cannot say that there is no key", b.String())
	j.shut("testcase")
}

func caseOf(class, name string) []string {
	return []string{"classname", class, "name", name, "time", "0"}
}

// told is an element with a message and a text.
func (j *junit) told(name, kind, message, body string) {
	j.open(name, "type", kind, "message", message)
	j.token(xml.CharData(body))
	j.shut(name)
}

// open begins an element; attrs are names and values in turn. What stands in
// them has gone through Clean: XML has no way to write most control characters,
// and the encoder would put U+FFFD in their place.
func (j *junit) open(name string, attrs ...string) {
	e := xml.StartElement{Name: xml.Name{Local: name}}
	for i := 0; i+1 < len(attrs); i += 2 {
		e.Attr = append(e.Attr, xml.Attr{Name: xml.Name{Local: attrs[i]}, Value: attrs[i+1]})
	}
	if name != "failure" && name != "error" {
		j.token(xml.CharData("\n"))
	}
	j.token(e)
}

func (j *junit) shut(name string) {
	j.token(xml.EndElement{Name: xml.Name{Local: name}})
}

func (j *junit) token(t xml.Token) {
	if j.err == nil {
		j.err = j.out.EncodeToken(t)
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
