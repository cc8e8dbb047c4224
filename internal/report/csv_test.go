package report

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"os"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner"
)

// parseCSV reads the table, and looks at every cell as a spreadsheet would.
func parseCSV(t *testing.T, doc string) (keys, places int) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(doc)).ReadAll()
	if err != nil {
		t.Fatalf("read table: %v", err)
	}
	if strings.Count(doc, "\n") != strings.Count(doc, "\r\n") || strings.Count(doc, "\n") != len(rows) {
		t.Errorf("%d rows in %d lines, %d of them ended by CR LF", len(rows), strings.Count(doc, "\n"), strings.Count(doc, "\r\n"))
	}
	if last := rows[len(rows)-1]; last[0] != "summary" {
		t.Errorf("the last row is %q", last)
	}
	before := ""
	for _, row := range rows[1:] {
		for i, v := range row {
			if trimmed := strings.TrimLeft(v, " "); trimmed != "" && strings.ContainsAny(trimmed[:1], "=+-@\t\r") || strings.Contains(v, ";") {
				t.Errorf("%s is %q", rows[0][i], v)
			}
		}
		if row[0] == "place" {
			// Two findings of the same key come one after the other.
			if places++; row[1] != before || places%8 == 1 {
				keys++
			}
			before = row[1]
		}
	}
	return countKeys(rows, keys), places
}

// countKeys counts keys by their fingerprints, unless they are copies of one.
func countKeys(rows [][]string, copies int) int {
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		if row[0] == "place" {
			seen[row[1]] = true
		}
	}
	if len(seen) > 1 {
		return len(seen)
	}
	return copies
}

// What README.md says of reading a path back gives every byte of it.
func TestCSVKeepsEveryByteOfAPath(t *testing.T) {
	for _, path := range hostile {
		f := newSample(t).findings[1]
		f.Places[0].Path = path
		rows, err := csv.NewReader(strings.NewReader(written(t, "csv", Options{}, scanner.Summary{}, f))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		cells := map[string]string{}
		for i, name := range rows[0] {
			cells[name] = rows[1][i]
		}
		got := strings.TrimPrefix(cells["path"], "'")
		if raw := cells["path_base64"]; raw != "" {
			data, err := base64.StdEncoding.DecodeString(raw)
			if err != nil {
				t.Fatal(err)
			}
			got = string(data)
		}
		if got != path {
			t.Errorf("path %q reads as %q", path, got)
		}
	}
}

func TestCellsAreNoFormulas(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"a=b", "a=b"},
		{"=1", "'=1"},
		{"+1", "'+1"},
		{"-1", "'-1"},
		{"@x", "'@x"},
		{"  =1", "'  =1"},
		{"\t=1", `\t=1`},
		{"\r=1", `\r=1`},
		{"＝1", "'＝1"},
		{"'x", "''x"},
		{"a;=1", `a\x3b=1`},
	} {
		if got := cell(tt.in); got != tt.want {
			t.Errorf("cell(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestReadmeNamesEveryColumn(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range csvColumns() {
		if !bytes.Contains(text, []byte("`"+c.name+"`")) {
			t.Errorf("README.md does not name the column %q", c.name)
		}
	}
	for _, f := range Formats() {
		if !bytes.Contains(text, []byte("`"+f+"`")) {
			t.Errorf("README.md does not name the format %q", f)
		}
	}
}
