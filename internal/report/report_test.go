package report

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner"
)

var update = flag.Bool("update", false, "rewrite golden files")

// sample is a report with everything in it. Keys are made from a seed.
type sample struct {
	findings []scanner.Finding
	summary  scanner.Summary
	names    *strings.Replacer // key → name, so that golden files hold none
	secrets  []string
}

func rule(t testing.TB, id string) *rules.Rule {
	t.Helper()
	for _, r := range rules.Default().Rules() {
		if r.ID == id {
			return r
		}
	}
	t.Fatalf("no rule %s", id)
	return nil
}

// newSample leaves the names of objects zero: only the scanner makes them. The
// scripts of the command line show them.
func newSample(t testing.TB) *sample {
	t.Helper()
	r := rulestest.Rand(7)
	pair, lone, temp := rulestest.KeyIDOf(r, "AKIA", 123456789012), rulestest.KeyIDOf(r, "AKIA", 171436882533), rulestest.KeyIDOf(r, "ASIA", 999)
	secret, other, token := rulestest.Secret(r), rulestest.Secret(r), rulestest.Token(r)
	smtp := rulestest.SMTP(r)
	commit := &scanner.Commit{
		Author: "A \x1b[1mU Thor", Email: "a@example.com", Subject: "add ::x " + strings.Repeat("long ", 20),
		Date: time.Date(2024, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600)), Committed: time.Date(2024, 3, 2, 12, 0, 0, 0, time.UTC),
	}
	told := &scanner.Commit{Author: "B", Subject: "use " + secret, Date: time.Unix(1<<40, 0), Committed: time.Unix(0, 0).UTC()}
	at := func(line, column, offset int) *scanner.Position {
		return &scanner.Position{Line: line, Column: column, Offset: offset}
	}
	s := &sample{secrets: []string{secret, other, token, smtp}}
	s.findings = []scanner.Finding{
		{
			Fingerprint: strings.Repeat("1", 32), Rule: rule(t, "aws-access-key-id"), Account: "123456789012", Entropy: 4.87654,
			Key:     rules.Key{ID: pair, Secret: rules.NewSecret(secret)},
			Secrets: []rules.Candidate{{Secret: rules.NewSecret(secret)}, {Secret: rules.NewSecret(other)}},
			Places: []scanner.Place{
				{Kind: scanner.Content, Path: "config/prod.env", At: *at(2, 5, 17), Secret: at(3, 9, 60), Versions: 3, Commit: commit, Head: at(4, 5, 30), WorkTree: at(7, 1, 90), Staged: true},
				{Kind: scanner.Content, Path: "bad\xff\n" + other, At: *at(1, 1, 0), Versions: 1, Commit: told, Unreachable: true, Encoding: "base64"},
				{Kind: scanner.CommitText, At: *at(6, 1, 200), Versions: 1, Commit: told},
				{Kind: scanner.TagText, At: *at(6, 1, 200), Versions: 1},
				{Kind: scanner.Content, At: *at(1, 1, 0), Versions: 1, Unreachable: true},
			},
			Refs:     []string{"refs/heads/main", "refs/heads/x\u202e", "refs/tags/v1", "refs/remotes/origin/main", "refs/stash", "refs/pull/1/head"},
			RefCount: 60,
		},
		{
			Fingerprint: strings.Repeat("2", 32), Rule: rule(t, "aws-access-key-id"), Account: "171436882533", Canary: "Thinkst", Entropy: 4,
			Key: rules.Key{ID: lone}, Secrets: []rules.Candidate{{Secret: rules.NewSecret(other)}},
			Places: []scanner.Place{{Kind: scanner.WorkTreeFile, Path: "notes <&> é.md", At: *at(1, 1, 0), Versions: 1, WorkTree: at(1, 1, 0)}},
		},
		{
			Fingerprint: strings.Repeat("3", 32), Rule: rule(t, "aws-access-key-id"), Account: "000000000999", Canary: "unknown",
			Key:    rules.Key{ID: temp, Secret: rules.NewSecret(other), Token: rules.NewSecret(token)},
			Places: []scanner.Place{{Kind: scanner.Content, Path: "staged.env", At: *at(1, 1, 0), Versions: 1, Staged: true}},
		},
		{
			Fingerprint: strings.Repeat("4", 32), Rule: rule(t, "aws-ses-smtp-password"), User: pair, Key: rules.Key{Secret: rules.NewSecret(smtp)},
			Places: []scanner.Place{{Kind: scanner.Input, Path: "(stdin)", At: *at(9, 9, 99), Versions: 1}},
		},
		{
			Fingerprint: strings.Repeat("5", 32), Rule: rule(t, "aws-secret-access-key"), Key: rules.Key{Secret: rules.NewSecret(other)},
		},
	}
	for i := range 23 {
		s.findings[4].Places = append(s.findings[4].Places, scanner.Place{Kind: scanner.Content, Path: fmt.Sprintf("p/%d", i), At: *at(i+1, 1, 0), Versions: 1})
	}
	s.summary = scanner.Summary{
		Blobs: 1300, Bytes: 12_345_678, Files: 56, Commits: 410, Findings: 5, Known: 1, Missing: 2, Shallow: 1,
		Objects: scanner.Objects{Commits: 410, Trees: 500, Blobs: 1234, Tags: 1}, Elapsed: 310 * time.Millisecond,
	}
	s.names = strings.NewReplacer(pair, "{{PAIR}}", lone, "{{LONE}}", temp, "{{TEMP}}", secret[:4]+"****", "{{4}}****", other[:4]+"****", "{{4}}****", token[:4]+"****", "{{4}}****", smtp[:4]+"****", "{{4}}****")
	return s
}

func (s *sample) write(t *testing.T, make func(*bytes.Buffer) Writer) string {
	t.Helper()
	var b bytes.Buffer
	w := make(&b)
	for _, f := range s.findings {
		if err := w.Finding(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(s.summary); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (s *sample) golden(t *testing.T, name, got string) {
	t.Helper()
	for i, secret := range s.secrets {
		if strings.Contains(got, secret) {
			t.Errorf("%s shows secret %d", name, i)
		}
	}
	got = s.names.Replace(got)
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

func TestTextIsGolden(t *testing.T) {
	s := newSample(t)
	whole := *s
	whole.summary.Missing = 0
	for name, o := range map[string]Options{
		"all.txt": {Scope: All}, "files.txt": {Scope: Files, Quiet: true}, "part.txt": {Scope: Part, Quiet: true}, "color.txt": {Scope: All, Quiet: true, Color: true},
	} {
		got := whole.write(t, func(b *bytes.Buffer) Writer { return NewText(b, o) })
		for line := range strings.Lines(got) {
			if line = strings.TrimSuffix(line, "\n"); !o.Color && !harmless(line) {
				t.Errorf("%s: line %q", name, line)
			}
		}
		s.golden(t, name, got)
	}
}

func TestTextClaimsNothingOfHeadWhenSomethingWasSkipped(t *testing.T) {
	s := newSample(t)
	for _, sum := range []scanner.Summary{{Skipped: 1}, {Missing: 1}} {
		s.summary = sum
		got := s.write(t, func(b *bytes.Buffer) Writer { return NewText(b, Options{Scope: All}) })
		if strings.Contains(got, "in HEAD   no\n") || strings.Contains(got, "not committed") || strings.Count(got, "in HEAD   not known") != 4 {
			t.Errorf("with %d skipped, %d missing:\n%s", sum.Skipped, sum.Missing, got)
		}
	}
}

func TestSummaryIsGolden(t *testing.T) {
	s := newSample(t)
	s.summary.Skips = append(s.summary.Skips, scanner.Skip{What: "pack\x1b\n", Err: errors.New("::checksum\u202e")}, scanner.Skip{Err: errors.New("alone")})
	for i := range 12 {
		s.summary.Skips = append(s.summary.Skips, scanner.Skip{What: fmt.Sprint("object ", i), Err: fmt.Errorf("open: %w", os.ErrPermission)})
	}
	s.summary.Skipped = 5000
	var b strings.Builder
	for _, sum := range []scanner.Summary{s.summary, {}, {Bytes: 1, Files: 1, Elapsed: time.Minute + 400*time.Millisecond}, {Bytes: 999_999, Files: 2, Skipped: 1, Skips: []scanner.Skip{{What: "a", Err: hint{errors.New("b")}}}}} {
		if err := Summarize(&b, sum, Options{Scope: All, Target: "repository /src/\x1bapp"}); err != nil {
			t.Fatal(err)
		}
		b.WriteString("--\n")
	}
	for line := range strings.Lines(b.String()) {
		if !harmless(strings.TrimSuffix(line, "\n")) {
			t.Errorf("line %q", line)
		}
	}
	s.golden(t, "summary.txt", b.String())
}

type hint struct{ error }

func (hint) Hint() string { return "do this" }

// People write secrets into messages, whole, cut off or encoded.
func TestTextsAreVeiled(t *testing.T) {
	r := rulestest.Rand(8)
	secret, foreign := rulestest.Secret(r), rulestest.Secret(r)
	v := newVeil([]scanner.Finding{{Key: rules.Key{Secret: rules.NewSecret(secret)}}}, &Options{})
	pad := strings.Repeat("x", cutSubject)
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"fix the build", "fix the build"},
		{"a " + secret + " b", "a " + secret[:4] + "************ b"},
		{secret + secret, strings.Repeat(secret[:4]+"************", 2)},
		{pad + " " + secret[:30], pad + " ************"},
		{"aws_secret_access_key=" + foreign, "aws_secret_access_key=************"},
	} {
		if got := v.over(tt.in); got != tt.want {
			// What stands there instead may be a secret.
			t.Errorf("over(a text of %d bytes) has %d bytes, want %d", len(tt.in), len(got), len(tt.want))
		}
	}
	if got := newVeil(nil, &Options{ShowSecrets: true}).over(secret); got != secret {
		t.Error("over masks though secrets are to be shown")
	}
	var zero veil
	if got := zero.over("aws_secret_access_key=" + foreign); strings.Contains(got, foreign) {
		t.Error("the zero veil shows a secret")
	}
}

func TestSkipsAreSortedAndBounded(t *testing.T) {
	var sum scanner.Summary
	for i := range scanner.MaxSkips + 500 {
		sum.Skips = append(sum.Skips, scanner.Skip{What: fmt.Sprintf("%04d", 1499-i), Err: errBroken})
	}
	list := sortedSkips(&sum)
	if len(list) != scanner.MaxSkips || list[0].What != "0000" || sum.Skips[0].What != "1499" {
		t.Errorf("sortedSkips = %d from %q, and the list begins with %q", len(list), list[0].What, sum.Skips[0].What)
	}
}

var errBroken = errors.New("broken")

// failing is a place that nothing can be written to after some bytes.
type failing struct{ left int }

var errFull = errors.New("full")

func (f *failing) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriteErrorsAreReturned(t *testing.T) {
	s := newSample(t)
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		room := r.IntN(1500)
		for _, name := range Formats() {
			w, _ := New(name, &failing{room}, Options{})
			for _, f := range s.findings {
				if err := w.Finding(f); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(s.summary); !errors.Is(err, errFull) {
				t.Errorf("%s: Close after %d bytes = %v, want %v", name, room, err, errFull)
			}
		}
	}
}

// Every field that JSON can have is in the README.
func TestReadmeNamesEveryField(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(string(text), -1) {
		named[m[1]] = true
	}
	var walk func(reflect.Type)
	walk = func(ty reflect.Type) {
		for ty.Kind() == reflect.Pointer || ty.Kind() == reflect.Slice {
			ty = ty.Elem()
		}
		if ty.Kind() != reflect.Struct {
			return
		}
		for i := range ty.NumField() {
			name, _, _ := strings.Cut(ty.Field(i).Tag.Get("json"), ",")
			if name == "" || !named[name] {
				t.Errorf("README.md does not name %q (%s.%s)", name, ty.Name(), ty.Field(i).Name)
			}
			walk(ty.Field(i).Type)
		}
	}
	walk(reflect.TypeFor[jsonFinding]())
	walk(reflect.TypeFor[jsonSummary]())
}
