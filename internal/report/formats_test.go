package report

import (
	"bytes"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/scanner"
)

var reportsDir = flag.String("reports", "", "write reports to `DIR`, for validators of other people")

// hostile is what a repository may hold in a path, a name or a message.
var hostile = []string{
	"", " ", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "\x1b]0;x\x07\x1b[31m", "gnp.\u202evne\u2066", "\ufffe\uffff\U0001ffff",
	"</script><script>alert(1)</script>", "</style><style>*{display:none}", "<!--", "-->", "]]>", "<![CDATA[x", "<?xml?>", "&lt;&#0;&amp;",
	`"' onload=alert(1) x="`, "javascript:alert(1)", "{{.}}{{template \"x\"}}", "${7*7}", "`x`", "data:text/html,x",
	"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "'=1", "''", "＝1", "a;=1", "a,b\"c\nd", "[[ATTACHMENT|/etc/passwd]]",
	"[x](http://example.com)", "[1](1)", "{0}", "\\", "../../etc/passwd", "/etc/passwd", "a//b", ".", "..", "a/./b", "C:\\x", "a:b", "//h/p", "%2e%2e/x", "?q#f",
	"::error::x", "##[error]x", "x%0A::error::x", "x,line=1%2Cy:z=", "\u2028\u2029\u0085", "ميزانية.md", "🔑", strings.Repeat("x", 5000), strings.Repeat("é", 300),
}

// marked is a finding with s wherever a repository can put a text.
func marked(t testing.TB, s string) (scanner.Finding, scanner.Summary, Options) {
	t.Helper()
	f := newSample(t).findings[0]
	c := &scanner.Commit{Author: s, Email: s, Subject: s, Date: time.Unix(1.6e9, 0), Committed: time.Unix(1.6e9, 0)}
	f.User, f.Refs, f.RefCount = s, []string{"refs/heads/" + s}, 1
	f.Places = nil
	for _, kind := range []scanner.Kind{scanner.Content, scanner.CommitText, scanner.TagText, scanner.WorkTreeFile, scanner.Input, scanner.FileName, scanner.RefName, scanner.GitFile} {
		f.Places = append(f.Places, scanner.Place{Kind: kind, Repository: s, Path: s, At: scanner.Position{Line: 1, Column: 1}, Commit: c, Encoding: "base64"})
	}
	sum := scanner.Summary{Bytes: 1, Findings: 1, Skipped: 1, Skips: []scanner.Skip{{What: s, Err: errors.New(s + "!")}}, Cache: scanner.CacheUse{Err: errors.New(s)}}
	return f, sum, Options{Scope: All, Target: s, Version: "v1.2.3", Rules: "0123", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

// written is the report of a format.
func written(t testing.TB, format string, o Options, sum scanner.Summary, list ...scanner.Finding) string {
	t.Helper()
	var b bytes.Buffer
	w, ok := New(format, &b, o)
	if !ok {
		t.Fatalf("New(%q) knows no such format", format)
	}
	for _, f := range list {
		if err := w.Finding(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(sum); err != nil {
		t.Fatalf("%s: Close = %v", format, err)
	}
	return b.String()
}

// parsers read a report as the programs it is for would, and count what is in it.
var parsers = map[string]func(t *testing.T, report string) (keys, places int){
	"sarif": parseSARIF, "junit": parseJUnit, "csv": parseCSV, "html": parseHTML,
}

func TestNewKnowsEveryFormat(t *testing.T) {
	for _, f := range Formats() {
		if _, ok := New(f, new(bytes.Buffer), Options{}); !ok {
			t.Errorf("New(%q) knows no such format", f)
		}
	}
	for _, f := range []string{"", "xml", "Text", "json "} {
		if _, ok := New(f, new(bytes.Buffer), Options{}); ok {
			t.Errorf("New(%q) knows such a format", f)
		}
	}
}

func TestHostileTextIsInert(t *testing.T) {
	for _, s := range hostile {
		f, sum, o := marked(t, s)
		for format, parse := range parsers {
			got := written(t, format, o, sum, f, f)
			checkInert(t, format, s, got)
			if keys, places := parse(t, got); keys != 2 || places != 16 {
				t.Errorf("%s of %q has %d keys, %d places, want 2 and 16", format, s, keys, places)
			}
		}
	}
}

// checkInert: no line of the report can do anything to a terminal or a build log.
func checkInert(t *testing.T, format, text, report string) {
	t.Helper()
	for line := range strings.Lines(report) {
		if line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"); !harmless(line) {
			t.Errorf("%s of %q: line %q", format, text, line)
		}
	}
}

func FuzzFormats(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 10_000 {
			t.Skip()
		}
		finding, sum, o := marked(t, s)
		for format, parse := range parsers {
			got := written(t, format, o, sum, finding)
			checkInert(t, format, s, got)
			if keys, places := parse(t, got); keys != 1 || places != 8 {
				t.Errorf("%s has %d keys, %d places, want 1 and 8", format, keys, places)
			}
		}
	})
}

// decoded is a report with every way undone in which a text may be written.
func decoded(report string) string {
	all := []string{report, html.UnescapeString(report)}
	if s, err := url.PathUnescape(strings.ReplaceAll(report, "%SRCROOT%", "")); err == nil {
		all = append(all, s)
	}
	for _, m := range regexp.MustCompile(`[A-Za-z0-9+/]{16,}=*`).FindAllString(report, -1) {
		if s, err := base64.StdEncoding.DecodeString(m); err == nil {
			all = append(all, string(s))
		}
	}
	for _, m := range regexp.MustCompile(`\\u00([0-9a-f]{2})`).FindAllStringSubmatch(report, -1) {
		all[0] = strings.ReplaceAll(all[0], m[0], string(rune(unhex(m[1]))))
	}
	return strings.Join(all, "\n")
}

func unhex(s string) (n int) {
	fmt.Sscanf(s, "%x", &n)
	return n
}

func TestNoFormatShowsASecret(t *testing.T) {
	s := newSample(t)
	for i := range s.findings {
		for j := range s.findings[i].Places {
			s.findings[i].Places[j].Commit = &scanner.Commit{Author: s.secrets[0], Email: s.secrets[1], Subject: s.secrets[2] + s.secrets[3]}
		}
		s.findings[i].User = s.secrets[0]
		s.findings[i].Refs = []string{"refs/heads/" + s.secrets[1]}
	}
	s.summary.Skipped, s.summary.Skips = 1, []scanner.Skip{{What: s.secrets[0], Err: errors.New(s.secrets[1])}}
	for _, format := range Formats() {
		o := Options{Scope: All, Target: s.secrets[0]}
		for i, secret := range s.secrets {
			if strings.Contains(decoded(written(t, format, o, s.summary, s.findings...)), secret) {
				t.Errorf("%s shows secret %d", format, i)
			}
		}
		o.ShowSecrets = true
		for i, secret := range s.secrets {
			if got := strings.Contains(decoded(written(t, format, o, s.summary, s.findings...)), secret); got == Masks(format) {
				t.Errorf("%s shows secret %d when asked to: %t", format, i, got)
			}
		}
		if format == "html" && !strings.Contains(written(t, format, o, s.summary, s.findings...), "This page shows secrets in full.") {
			t.Error("the page does not warn that it shows secrets")
		}
	}
}

func TestFormatsAreGolden(t *testing.T) {
	s := newSample(t)
	s.summary.Skipped, s.summary.Skips = 3, []scanner.Skip{{What: "pack\x1b\n", Err: errors.New("::checksum\u202e")}, {Err: errors.New("alone")}}
	o := Options{Scope: All, Target: "repository /src/\x1bapp", Version: "v1.2.3", Rules: "0123", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	clean := scanner.Summary{Blobs: 3, Bytes: 4000, Commits: 2, Objects: scanner.Objects{Commits: 2, Trees: 2, Blobs: 3}, Elapsed: time.Second}
	for format, name := range map[string]string{"sarif": "sarif.json", "junit": "junit.xml", "csv": "csv.csv", "html": "html.html", "github": "github.txt", "markdown": "markdown.md"} {
		tidy := func(report string) string { return report }
		switch format {
		case "sarif":
			tidy = func(report string) string { return legible(t, report) }
		case "html":
			tidy = func(report string) string {
				// Style and script are files of their own.
				return strings.NewReplacer(pageCSS, "{{CSS}}", pageJS, "{{JS}}", html.EscapeString(hashOf(pageCSS)), "{{CSS HASH}}", html.EscapeString(hashOf(pageJS)), "{{JS HASH}}",
					strings.ReplaceAll(hashOf(pageCSS), "+", "&#43;"), "{{CSS HASH}}", strings.ReplaceAll(hashOf(pageJS), "+", "&#43;"), "{{JS HASH}}").Replace(report)
			}
		}
		s.golden(t, "sample-"+name, tidy(written(t, format, o, s.summary, s.findings...)))
		s.golden(t, "clean-"+name, tidy(written(t, format, o, clean)))
		s.golden(t, "unsure-"+name, tidy(written(t, format, o, s.summary)))
	}
}

// A scan that did not read everything never looks clean.
func TestEveryFormatTellsWhatWasNotRead(t *testing.T) {
	for name, sum := range map[string]scanner.Summary{
		"skipped": {Bytes: 1, Skipped: 1, Skips: []scanner.Skip{{What: "pack-1", Err: errBroken}}},
		"unnamed": {Bytes: 1, Skipped: 7},
		"missing": {Bytes: 1, Missing: 7},
		"shallow": {Bytes: 1, Shallow: 7},
	} {
		told := strings.Replace(name, "unnamed", "skipped", 1)
		for _, format := range slices.DeleteFunc(Formats(), func(f string) bool { return f == "text" }) { // whose Summarize tells
			got := written(t, format, Options{Scope: All}, sum)
			for _, mark := range map[string][]string{
				"json": {`"complete":false`}, "sarif": {`"executionSuccessful":false`, `"toolExecutionNotifications":[{"descriptor":{"id":"` + told + `"},"level":"error"`},
				"junit": {"<error ", `errors="1"`}, "csv": {"NOT everything was read"}, "html": {"not everything was read", `class="news unsure"`},
				"github": {"::error title=Not everything was read::"}, "markdown": {"but not everything was read", "### What was not read"},
			}[format] {
				if !strings.Contains(got, mark) {
					t.Errorf("%s: %s does not have %q:\n%s", name, format, mark, got)
				}
			}
			if name == "skipped" && !strings.Contains(got, "pack-1") {
				t.Errorf("%s does not name what was skipped:\n%s", format, got)
			}
		}
	}
}

// TestReportsOfARepository writes what ci/reports gives to validators, and reads
// it back.
func TestReportsOfARepository(t *testing.T) {
	list, sum, secrets := leaky(t)
	places := 0
	for _, f := range list {
		places += len(f.Places)
	}
	if len(list) < 7 || places < 9 {
		t.Fatalf("the repository has %d keys in %d places", len(list), places)
	}
	o := Options{Scope: All, Target: "repository /src/app", Version: "v1.2.3", Rules: "0123", Time: time.Date(2026, 11, 22, 17, 30, 0, 0, time.UTC)}
	for format, parse := range parsers {
		got := written(t, format, o, sum, list...)
		if k, p := parse(t, got); k != len(list) || p != places {
			t.Errorf("%s has %d keys, %d places, want %d and %d", format, k, p, len(list), places)
		}
		for i, secret := range secrets {
			if strings.Contains(decoded(got), secret) {
				t.Errorf("%s shows secret %d", format, i)
			}
		}
		if *reportsDir != "" {
			sample := newSample(t)
			for name, report := range map[string]string{
				"leaky": got, "sample": written(t, format, o, sample.summary, sample.findings...),
				"clean": written(t, format, o, scanner.Summary{Bytes: 1}), "unsure": written(t, format, o, sample.summary),
			} {
				if err := os.WriteFile(filepath.Join(*reportsDir, name+"."+format), []byte(report), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// overEnd looks up what its twin compares with every secret.
func TestOverEndEqualsItsTwin(t *testing.T) {
	twin := func(v *veil, s string) string {
		for i := range len(s) - telling + 1 {
			for _, text := range v.texts {
				if strings.HasPrefix(text, s[i:]) && len(s)-i < v.longest {
					return s[:i] + "************"
				}
			}
		}
		return s
	}
	v := &veil{texts: []string{"aaaaaaaa", "aaaabbbbb", "ababababab", "bbbbbbabbbbb"}, longest: 12}
	slices.Sort(v.texts)
	for n := range 1 << 14 {
		s := ""
		for bit := range 13 {
			s += string("ab"[n>>bit&1])
		}
		s = s[:n%14]
		if len(s) < telling {
			continue
		}
		if got, want := v.overEnd(s), twin(v, s); got != want {
			t.Fatalf("overEnd(%q) = %q, want %q", s, got, want)
		}
	}
}
