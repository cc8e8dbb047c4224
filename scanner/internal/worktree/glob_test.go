//go:build linux

package worktree

import (
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// slowMatch is the twin of parseGlob and glob.match: it tries everything, one
// byte after the other. begin tells that an element of the pattern begins.
func slowMatch(p, text string, begin bool) bool {
	if p == "" {
		return text == ""
	}
	switch p[0] {
	case '*':
		rest := strings.TrimLeft(p, "*")
		whole := begin && strings.HasPrefix(p, "**") && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, `\/`))
		if whole && rest != "" && rest[0] == '/' && slowMatch(rest[1:], text, true) {
			return true
		}
		for i := 0; ; i++ {
			if slowMatch(rest, text[i:], false) {
				return true
			}
			if i == len(text) || text[i] == '/' && !whole {
				return false
			}
		}
	case '[':
		set, n, ok := parseClass(p[1:])
		return ok && text != "" && text[0] != '/' && set.has(text[0]) && slowMatch(p[1+n:], text[1:], false)
	case '?':
		return text != "" && text[0] != '/' && slowMatch(p[1:], text[1:], false)
	case '\\':
		if p = p[1:]; p == "" {
			return false
		}
	}
	return text != "" && text[0] == p[0] && slowMatch(p[1:], text[1:], p[0] == '/')
}

func fastMatch(t testing.TB, p, text string) bool {
	g, ok := parseGlob(p)
	steps := maxSteps
	got := ok && g.match(text, &steps)
	if steps < 0 {
		t.Errorf("match(%q, %q) ran out of steps", p, text)
	}
	return got
}

// words are all strings over an alphabet, up to a length.
func words(alphabet string, length int) []string {
	all, last := []string{""}, []string{""}
	for range length {
		var next []string
		for _, w := range last {
			for i := range len(alphabet) {
				next = append(next, w+alphabet[i:i+1])
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

func paths(alphabet string, length int) []string {
	var out []string
	for _, w := range words(alphabet, length) {
		if localPath(w) {
			out = append(out, w)
		}
	}
	return out
}

func TestMatchEqualsItsTwin(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		n, m          int
	}{
		{`a*/`, "ab/", 7, 6},
		{`a*?/\`, "ab/", 5, 5},
		{`a[]!-\`, `ab-]\`, 5, 2},
	} {
		texts := paths(tt.text, tt.m)
		for _, p := range words(tt.pattern, tt.n) {
			for _, text := range texts {
				if got, want := fastMatch(t, p, text), slowMatch(p, text, true); got != want {
					t.Fatalf("match(%q, %q) = %v, want %v", p, text, got, want)
				}
			}
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("a/**/b*c", "a/x/y/bc")
	f.Add(`**\/[!a-c][[:alpha:]]`, "x/dd")
	f.Fuzz(func(t *testing.T, p, text string) {
		// The twin takes exponential time; this is what it can do.
		if len(p) > 24 || len(text) > 24 || !localPath(text) || strings.Count(p, "*") > 6 {
			return
		}
		if got, want := fastMatch(t, p, text), slowMatch(p, text, true); got != want {
			t.Errorf("match(%q, %q) = %v, want %v", p, text, got, want)
		}
	})
}

func FuzzRules(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbf*.o\r\n!/keep/\n\\#x\\ \n**/a/**\n"), "a/b.o")
	f.Fuzz(func(t *testing.T, data []byte, path string) {
		if r, err := (*rules)(nil).with(0, data); err == nil && localPath(path) {
			r.ignored(path, nameAt(path), false)
			r.ignored(path, nameAt(path), true)
		}
	})
}

// Patterns that send Git's matcher, and regular expressions, on trips without
// end come back soon here.
func TestMatchIsBounded(t *testing.T) {
	long := strings.Repeat("a", 255)
	deep := strings.TrimSuffix(strings.Repeat(long+"/", 16), "/")
	for _, p := range []string{
		strings.Repeat("a*", 120) + "b",
		strings.Repeat("*a", 120) + "b",
		strings.Repeat("**/", 120) + "b",
		strings.Repeat("**/a*", 60) + "b",
		"*" + strings.Repeat("a", 200) + "b",
		strings.Repeat("**/*"+strings.Repeat("a", 120)+"b/", 50),
	} {
		const many = 1 << 40
		steps := many
		if g, ok := parseGlob(p); !ok || g.match(deep, &steps) {
			t.Errorf("match(%.20q…) = true, want false", p)
		}
		if used, want := many-steps, 2*(len(p)+1)*(len(deep)+1); used > want {
			t.Errorf("match(%.20q…) took %d steps, want at most %d", p, used, want)
		}
	}
	// A file full of them costs no more than the steps allow.
	r, err := (*rules)(nil).with(0, []byte(strings.Repeat(strings.Repeat("*a", 100)+"b\n", 5000)))
	if err != nil {
		t.Fatal(err)
	}
	if r.ignored(deep, nameAt(deep), false) {
		t.Errorf("ignored = true, want false")
	}
}

// literalStars finds "a**/b": Git before 2.52 cuts off the literal part first
// and then takes the stars for an element.
var literalStars = regexp.MustCompile(`^[^*?\[\\]*[^/*?\[\\]\*\*+(/|\\/|$)`)

// oddRules are rules for the corners of the format.
var oddRules = []string{
	`[[:alnum:]]`, `[[:alpha:]]`, `[[:blank:]]`, `[[:cntrl:]]`, `[[:digit:]]`, `[[:graph:]]`, `[[:lower:]]`,
	`[[:print:]]`, `[[:punct:]]`, `[[:space:]]`, `[[:upper:]]`, `[[:xdigit:]]`, `[[:none:]]`, `[[::]]`, `[[:]`,
	`[[:alpha:]-z]`, `[a-[:alpha:]]`, `[!]a-]`, `[^\]]`, `[]-a]`, `[--0]`, `[a-c-e]`, `[z-a]`, `[\a-\c]`, `[\]`,
	"[\x80-\xff]", `[/]`, `a[/]b`, `[!a]/b`, `[`, `[a`, `[!`, `[]`, `[[:alpha:`, `x\`, `\/a`, `a//b`, `a/`, `a\/`,
	`foo   `, `foo\  `, `foo \ `, "foo\t", ` foo`, `\ foo`, `\#a`, `\!a`, `!!a`, `a/**`, `**/a`, `a/**/b`, `**`,
	`a/**\/b`, `**\/a`, `***/a`, `a/***`, "a\x00b", "*.o", "*.a.b", "*o", "/**/a", "*/a", "*/*", "a*/b", `*\.o`,
}

// TestRulesAgreeWithGit puts each rule in a directory of its own and asks git
// about many paths in each.
func TestRulesAgreeWithGit(t *testing.T) {
	g := &generator{t, rand.New(rand.NewPCG(5, 5))}
	r := newRepo(t, t.TempDir())
	all := slices.Clone(oddRules)
	handmade := len(all)
	for range 2000 {
		if rule := g.rule(); !strings.Contains(rule, "\n") {
			all = append(all, rule)
		}
	}
	var single []string
	for c := 1; c < 256; c++ {
		if c != '/' && c != '.' { // "." would be the directory
			single = append(single, string([]byte{byte(c)}))
		}
	}
	texts := append(single, "a/b", "a/x/b", "a/x/y/b", "x/a", "x/a/b", "foo", "foo ", " foo", "foo  ", "x.o", "x/x.o", "a.b", "ab")
	for range 50 {
		texts = append(texts, g.name()+"/"+g.name(), g.name(), g.name()+"/"+g.name()+"/"+g.name())
	}

	var in strings.Builder
	textsFor := func(i int) []string {
		if i < handmade {
			return texts
		}
		return texts[len(single):]
	}
	for i, rule := range all {
		// The second line keeps Git from taking the first, ending in "\r", for
		// one with another line break; it matches nothing here.
		write(t, filepath.Join(r.dir, strconv.Itoa(i), ".gitignore"), rule+"\nno/such/thing\n")
		for _, text := range textsFor(i) {
			in.WriteString(strconv.Itoa(i) + "/" + text + "\x00")
		}
	}
	ignored := map[string]bool{}
	for path := range strings.SplitSeq(r.git(in.String(), "check-ignore", "--no-index", "-z", "--stdin"), "\x00") {
		ignored[path] = true
	}
	for i, rule := range all {
		if literalStars.MatchString(strings.TrimPrefix(strings.TrimPrefix(rule, "!"), "/")) {
			continue
		}
		rules, err := (*rules)(nil).with(0, []byte(rule+"\nno/such/thing\n"))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range textsFor(i) {
			if got, want := rules.excludes(text), ignored[strconv.Itoa(i)+"/"+text]; got != want {
				t.Errorf("rule %q ignores %q: %v, want %v", rule, text, got, want)
			}
		}
	}
	if len(ignored) < 10_000 {
		t.Errorf("git ignores %d paths: too few to prove anything", len(ignored))
	}
}

// excludes asks for a file and, as a walk does, for the directories before it.
func (r *rules) excludes(path string) bool {
	for i := range len(path) {
		if path[i] == '/' && r.ignored(path[:i], nameAt(path[:i]), true) {
			return true
		}
	}
	return r.ignored(path, nameAt(path), false)
}
