package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner"
)

func TestJSONIsGolden(t *testing.T) {
	s := newSample(t)
	// Named, but not counted, so that something is claimed of HEAD all the same.
	s.summary.Missing = 0
	s.summary.Skips = []scanner.Skip{{What: "pack \xff", Err: errors.New("no <checksum>")}, {What: "a\u202e", Err: errors.New("##[b")}}
	got := s.write(t, func(b *bytes.Buffer) Writer {
		return NewJSON(b, Options{Scope: All, Target: "repository /src/app", Version: "v1.2.3", Rules: "0123"})
	})
	for line := range strings.Lines(got) {
		if !harmless(strings.TrimSuffix(line, "\n")) {
			t.Errorf("line %q", line)
		}
	}
	s.golden(t, "all.jsonl", got)
}

// Each line read back and written again is the same line.
func TestJSONRoundTrip(t *testing.T) {
	s := newSample(t)
	got := s.write(t, func(b *bytes.Buffer) Writer { return NewJSON(b, Options{Scope: All}) })
	lines := strings.SplitAfter(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != len(s.findings)+1 {
		t.Fatalf("%d lines, want %d", len(lines), len(s.findings)+1)
	}
	for i, line := range lines {
		var head struct {
			Type   string
			Schema int
		}
		if err := json.Unmarshal([]byte(line), &head); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		want, into := "finding", any(new(jsonFinding))
		if i == len(s.findings) {
			want, into = "summary", new(jsonSummary)
		}
		if head.Type != want || head.Schema != schema {
			t.Errorf("line %d is a %q of schema %d, want %q of %d", i+1, head.Type, head.Schema, want, schema)
		}
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			t.Errorf("line %d: %v", i+1, err)
		}
		var b bytes.Buffer
		j := jsonLines{w: &b}
		if err := j.write(reflect.ValueOf(into).Elem().Interface()); err != nil || strings.TrimSpace(b.String()) != strings.TrimSpace(line) {
			t.Errorf("line %d again is\n%s, %v, want\n%s", i+1, b.String(), err, line)
		}
	}
}

func TestJSONKeepsEveryByteOfAPath(t *testing.T) {
	for _, path := range []string{"a", "\xff", "a\xc3", "é\x1b\n", "\xed\xa0\x80/x"} {
		var b bytes.Buffer
		w := NewJSON(&b, Options{})
		f := newSample(t).findings[1]
		f.Places[0].Path = path
		if err := errors.Join(w.Finding(f), w.Close(scanner.Summary{})); err != nil {
			t.Fatal(err)
		}
		var line jsonFinding
		if err := json.NewDecoder(&b).Decode(&line); err != nil {
			t.Fatal(err)
		}
		got := line.Places[0].Path
		if raw := line.Places[0].PathBase64; raw != "" {
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
