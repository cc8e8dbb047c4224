package report

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

// bones is what is left of Markdown without its code spans: all in which something
// could act. A span that is not closed on its line would let out what is in it.
func bones(t testing.TB, doc string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(doc) {
		if strings.TrimSpace(line) == "```" || strings.TrimSpace(line) == "```sh" {
			b.WriteString(line)
			continue
		}
		parts := strings.Split(line, "`")
		if len(parts)%2 == 0 {
			t.Errorf("line %q has an open code span", line)
		}
		for i, p := range parts {
			if i%2 == 0 {
				b.WriteString(p)
			} else if b.WriteByte('C'); p == "" || strings.Contains(p, "|") {
				t.Errorf("line %q has the code %q", line, p)
			}
		}
	}
	return b.String()
}

// checkMarkdown: text of a repository stands in code spans only, so that the rest
// is the same whatever it is.
func checkMarkdown(t *testing.T, s string) {
	t.Helper()
	all := func(s string) string {
		f, sum, o := marked(t, s)
		f.Rule = rule(t, "aws-ses-smtp-password")
		own := *f.Rule
		own.Title = s
		g := f
		g.Rule, g.Key.ID = &own, ""
		h := f // rules of other people find IDs of other forms
		h.Rule, h.Key.ID = rule(t, "aws-access-key-id"), "A"+s+"  "+s
		doc := written(t, "markdown", o, sum, f, g, h) + written(t, "markdown", o, sum, h)
		for _, c := range Comments([]scanner.Finding{f, g, h}, o) {
			doc += "\n" + c.Body
		}
		for line := range strings.Lines(doc) {
			if !harmless(strings.TrimSuffix(line, "\n")) {
				t.Errorf("%q makes the line %q", s, line)
			}
		}
		return bones(t, doc)
	}
	got := all(s) // a text that is nothing is not there
	for _, like := range []string{"1x", ""} {
		if got == all(like) {
			return
		}
	}
	t.Errorf("%q makes\n%s\nwant\n%s", s, got, all("1x"))
}

func TestMarkdownOfHostileText(t *testing.T) {
	for _, s := range append(hostile, "`", "``", "a`b", "`|`", "|", `\|`, "\\`", "@user", "#1", "GH-1", "o/r#1", "www.example.com", "a@example.com", ":smile:", "![x](http://example.com/x.png)", "<img src=x>", "&#64;user", "$x$", "~~x~~", "[^1]", "- [ ] x", "# x", "> x", "---") {
		checkMarkdown(t, s)
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, s := range append(hostile, "`", "a`|b", "\\`|", "@user") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 10_000 || plainWords.MatchString(s) {
			t.Skip()
		}
		checkMarkdown(t, s)
	})
}

// GitHub drops a summary that is too long, whole.
func TestMarkdownHasRoom(t *testing.T) {
	long := strings.Repeat("d/", 100) + strings.Repeat("é", 1000)
	for _, n := range []int{1, 100, 3000} {
		f := onePlace(t, scanner.Place{Kind: scanner.Content, Path: long, At: scanner.Position{Line: 1, Column: 1}, Commit: &scanner.Commit{Author: long}})
		list := make([]scanner.Finding, n)
		for i := range list {
			list[i] = f
		}
		sum := scanner.Summary{Bytes: 1, Skipped: 5000}
		for range 1000 {
			sum.Skips = append(sum.Skips, scanner.Skip{What: long, Err: errBroken})
		}
		got := written(t, "markdown", Options{Scope: All, Target: long, Repository: "https://example.com/o/r"}, sum, list...)
		rows, more := strings.Count(got, "\n| `AKIA"), 0
		if m := regexp.MustCompile(`\nAnd ([0-9,]+) more keys?, `).FindStringSubmatch(got); m != nil {
			_, _ = fmt.Sscan(strings.ReplaceAll(m[1], ",", ""), &more)
		}
		if len(got) > maxMarkdown || rows+more != n || n == 3000 && (more == 0 || len(got) < maxMarkdown*9/10) {
			t.Errorf("%d keys are %d bytes with %d rows and %d more", n, len(got), rows, more)
		}
		if !strings.Contains(got, "### What to do now") || !strings.Contains(got, "- 4,950 more things, not named here") {
			t.Errorf("%d keys: the end is missing: %s", n, got[len(got)-500:])
		}
	}
}

func TestLinksNeedAnAddress(t *testing.T) {
	list, sum, _ := leaky(t)
	var id string
	for i := range list {
		if c := list[i].First().Commit; c != nil {
			id = c.ID.String()
			break
		}
	}
	for _, tt := range []struct{ repository, want string }{
		{"https://github.com/o/r", "(https://github.com/o/r/commit/" + id + ")"},
		{"https://ghe.example.com:8443/o/r/", "(https://ghe.example.com:8443/o/r/commit/" + id + ")"},
		{"", ""},
		{"javascript:alert(1)//o/r", ""},
		{"https://user:pass@example.com/o/r", ""},
		{"https://github.com/o/r?x=", ""},
		{"https://github.com/o/r)[x](y", ""},
		{"https://github.com/o", ""},
	} {
		o := Options{Scope: All, Repository: tt.repository}
		got := written(t, "markdown", o, sum, list...)
		for _, c := range Comments(list, o) {
			got += c.Body
		}
		if tt.want == "" && strings.Contains(got, "](") || !strings.Contains(got, tt.want) {
			t.Errorf("with the address %q:\n%s", tt.repository, got)
		}
	}
}

func TestMarkdownPutsLiveKeysFirst(t *testing.T) {
	s := newSample(t)
	last := s.findings[0]
	last.Key.Secret = rules.Secret{} // which puts it behind pairs
	list := append(s.findings[1:], last)
	o := Options{Scope: Part, Verdict: func(f *scanner.Finding) *verify.Verdict {
		if f.Key.ID == last.Key.ID {
			v := verdictOf(verify.Live, "")
			v.ARN = "arn:aws:iam::123456789012:user/<b>|`x"
			return v
		}
		return nil
	}}
	got := written(t, "markdown", o, s.summary, list...)
	_, rows, _ := strings.Cut(got, "| --- |\n")
	if want := "| `" + last.Key.ID + "` |"; !strings.HasPrefix(rows, want) || !strings.Contains(rows, "| **live** `arn:aws:iam::123456789012:user/<b>\\x7c\\x60x` |") {
		t.Errorf("the rows are\n%s\nwant first %s", rows, want)
	}
	comments := Comments(list, o)
	if len(comments) != len(list) || comments[0].Fingerprint != last.Fingerprint || !strings.Contains(comments[0].Body, "State: **live**") {
		t.Errorf("the first comment is %+v", comments[0])
	}
}

func TestCommentsAreWholeAndBounded(t *testing.T) {
	s := newSample(t)
	s.findings[0].Places[0].Commit.Author = s.secrets[1]
	for _, o := range []Options{{Scope: Part}, {Scope: Part, ShowSecrets: true}} {
		long := strings.Repeat("é", 3000)
		s.findings[2].Places[0].Path, s.findings[2].User, s.findings[2].Key.ID = long, long, long
		for i, c := range Comments(s.findings, o) {
			if len(c.Body) > 10_000 || len(c.Fingerprint) != 32 || !strings.Contains(c.Body, "keyquench:allow") {
				t.Errorf("comment %d has %d bytes: %+v", i, len(c.Body), c)
			}
			for j, secret := range s.secrets {
				if strings.Contains(c.Body+c.Path, secret) {
					t.Errorf("comment %d shows secret %d", i, j)
				}
			}
		}
	}
	if c := Comments(s.findings[:1], Options{Scope: Part})[0]; c.Path != "config/prod.env" || c.Line != 4 {
		t.Errorf("the comment is at %q line %d, want config/prod.env line 4", c.Path, c.Line)
	}
}
