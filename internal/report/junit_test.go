package report

import (
	"encoding/xml"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// junitSchema is what both schemas in use, that of Ant and that of Jenkins, let
// an element have: its attributes, and the elements in it.
var junitSchema = map[string]struct{ attrs, within string }{
	"testsuites": {"", "testsuite"},
	"testsuite":  {"name package id hostname tests failures errors skipped time timestamp", "properties testcase system-out system-err"},
	"properties": {"", "property"},
	"property":   {"name value", ""},
	"testcase":   {"classname name time", "failure error"},
	"failure":    {"type message", ""},
	"error":      {"type message", ""},
	"system-out": {"", ""},
	"system-err": {"", ""},
}

// parseJUnit reads the XML strictly and holds it against the schema.
func parseJUnit(t *testing.T, doc string) (keys, places int) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(doc))
	var stack []string
	seen, said := map[string]int{}, map[string]int{}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("read XML: %v", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			if len(stack) > 0 && !slices.Contains(strings.Fields(junitSchema[stack[len(stack)-1]].within), name) || len(stack) == 0 && name != "testsuites" {
				t.Errorf("<%s> stands in %v", name, stack)
			}
			for _, a := range e.Attr {
				if !slices.Contains(strings.Fields(junitSchema[name].attrs), a.Name.Local) {
					t.Errorf("<%s> has the attribute %q", name, a.Name.Local)
				}
				if n, err := strconv.Atoi(a.Value); err == nil && name == "testsuite" {
					said[a.Name.Local] = n
				}
			}
			stack, seen[name] = append(stack, name), seen[name]+1
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 && stack[len(stack)-1] == "failure" {
				places += strings.Count(string(e), "\n  at        ")
			}
		}
	}
	if seen["testsuites"] != 1 || seen["testsuite"] != 1 || said["tests"] != seen["testcase"] || said["failures"] != seen["failure"] || said["errors"] != seen["error"] || seen["testcase"] == 0 {
		t.Errorf("the suite says %v and has %v", said, seen)
	}
	return seen["failure"], places
}
