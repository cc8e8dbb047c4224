package custom

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reach is that of package rules.
const reach = 1024

// specs are rules of every kind of search, with what trips up each.
var specs = []Spec{
	{ID: "prefix", Regex: `acme_[a-z0-9]{8,12}`},
	{ID: "boundary", Regex: `\bghp_[0-9A-Za-z]{4}\b`},
	{ID: "fold", Regex: `(?i)sk_live_[a-f0-9]{6}`},
	{ID: "folded-word", Regex: `(?i)\btoken\b[ =:]{1,4}([a-z0-9]{4,8})(?:\s|$)`, Group: 1},
	{ID: "lines", Regex: `(?m)^key: ([^\n]{1,20})$`},
	{ID: "begin", Regex: `\Aacme`},
	{ID: "end", Regex: `acme\z`},
	{ID: "pem", Regex: `(?s)-----BEGIN ([A-Z]+)-----.*?-----END`},
	{ID: "rest", Regex: `secret=(.+)`},
	{ID: "no-anchor", Regex: `[0-9]{3}-[0-9]{2}`},
	{ID: "no-anchor-long", Regex: `[0-9]+\.[0-9]+`},
	{ID: "choice", Regex: `(?:xoxb|xoxp)-([0-9]{2,4})`},
	{ID: "class", Regex: `gh[pous]_[a-z]{3}`},
	{ID: "keyword", Regex: `\b[a-f0-9]{8}\b`, Keywords: []string{"HexKey", "unused"}},
	{ID: "short-keyword", Regex: `\b[a-f0-9]{9}\b`, Keywords: []string{"id"}},
	{ID: "keyword-and-anchor", Regex: `key[0-9]{2,3}`, Keywords: []string{"specialservice"}},
	{ID: "groups", Regex: `k=(?:(a+)|(b+))?;`},
	{ID: "overlap", Regex: `aba(?:ab)?`},
	{ID: "behind", Regex: `\b-----BEGIN`},
	{ID: "choice-behind", Regex: `(?:\b|x)-x-[a-z]`},
	{ID: "not-behind", Regex: `(?:\B12){2}`},
	{ID: "any", Regex: `mark.{0,5}x`},
	{ID: "odd", Regex: `(?i)kss`},
	{ID: "optional", Regex: `(?:pre)?fix-?[0-9]`},
	{ID: "wide", Regex: `open[a-z ]{0,900}close`},
	{ID: "wider", Regex: `open[a-z ]{300}[a-z ]{0,900}close`},
	{ID: "entropy", Regex: `tok=([a-z0-9]+)`, MinEntropy: 2.5},
}

// specRegexes are those of specs: to compile them for each text took most of the
// time.
var specRegexes = func() (list []*regexp.Regexp) {
	for _, s := range specs {
		list = append(list, regexp.MustCompile(s.Regex))
	}
	return list
}()

// maxFuzz bounds what a fuzzer makes of data: what is longer shows nothing else,
// and costs an expression of thousands of steps seconds.
const maxFuzz = 4 << 10

// plain is the slow twin: gitleaks' way of going about it, one rule at a time.
func plain(s *Spec, re *regexp.Regexp, data []byte) (found []string) {
	low := strings.ToLower(string(data))
	if len(s.Keywords) > 0 && !slices.ContainsFunc(s.Keywords, func(k string) bool { return strings.Contains(low, strings.ToLower(k)) }) {
		return nil
	}
	for _, loc := range re.FindAllSubmatchIndex(data, -1) {
		start, end := loc[0], loc[1]
		whole := data[start:end]
		start += len(whole) - len(bytes.TrimLeft(whole, "\n"))
		end -= len(whole) - len(bytes.TrimRight(whole, "\n"))
		for g := 2; g < len(loc); g += 2 {
			if (s.Group == 0 || g == 2*s.Group) && loc[g] >= 0 && loc[g+1] > loc[g] {
				start, end = loc[g], loc[g+1]
				break
			}
		}
		if end <= start || s.MinEntropy > 0 && Entropy(data[start:end]) <= s.MinEntropy {
			continue
		}
		found = append(found, fmt.Sprintf("%s %d %d", s.ID, start, end))
	}
	return found
}

// pieces are what text is made of: what the rules look for, whole and broken, and
// what stands around it.
var pieces = []string{
	"acme_", "acme", "abcd1234", "ghp_", "Ab12", "sk_live_", "SK_LIVE_", "\u017fK_live_", "00ff11", "token", "TOKEN", "to\u212aen", " = ",
	"key: ", "\n", "\n\n", "-----BEGIN KEY-----", "-----END", "secret=", "xoxb-", "xoxp-", "12", "123", "-", ".", "gho_", "abc",
	"hexkey", "deadbeef", "deadbeef0", "id", "key", "specialservice", "k=", "aaa", "bbb", ";", "abaab", "mark", "x", "\xff", "é", "世",
	"kss", "KSS", "\u212ass", "k\u017fs", "pre", "fix", "fix-1", "open", "close", "lorem ipsum ", "tok=", "a1b2c3d4", " ", "_", "\ufffd", "\x00",
}

func text(r *rand.Rand, n int) []byte {
	var b bytes.Buffer
	for range n {
		if r.IntN(30) == 0 {
			b.WriteString(strings.Repeat("lorem ", r.IntN(200)))
		}
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.Bytes()
}

func engine(t testing.TB, p Program) *Engine {
	t.Helper()
	e, err := New(p, reach)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return e
}

func found(e *Engine, list []Spec, data []byte) (out []string, marked bool) {
	hits, marked := e.Look(nil, data)
	for _, h := range hits {
		out = append(out, fmt.Sprintf("%s %d %d", list[h.Rule].ID, h.Start, h.End))
	}
	slices.Sort(out)
	return out, marked
}

// compare holds the engine against its twin, on all rules at once and on each by
// itself, as what one rule is searched by must not help another.
func compare(t *testing.T, all *Engine, alone []*Engine, data []byte) (n int) {
	t.Helper()
	var want []string
	for i := range specs {
		one := plain(&specs[i], specRegexes[i], data)
		got, marked := found(alone[i], specs[i:i+1], data)
		slices.Sort(one)
		if !slices.Equal(got, one) {
			t.Errorf("%s: Look(%q) = %v, want %v", specs[i].ID, data, got, one)
		}
		if len(one) > 0 && !marked {
			t.Errorf("%s: Look(%q) found something and no mark", specs[i].ID, data)
		}
		if marked && !alone[i].Marked(data) {
			t.Errorf("%s: Look(%q) says there is a mark, Marked does not", specs[i].ID, data)
		}
		want = append(want, one...)
	}
	slices.Sort(want)
	if got, _ := found(all, specs, data); !slices.Equal(got, want) {
		t.Errorf("Look(%q) = %v, want %v", data, got, want)
	}
	return len(want)
}

func engines(t testing.TB) (all *Engine, alone []*Engine) {
	for i := range specs {
		alone = append(alone, engine(t, Program{Rules: specs[i : i+1]}))
	}
	return engine(t, Program{Rules: specs}), alone
}

func TestLookFindsWhatFindAllFinds(t *testing.T) {
	all, alone := engines(t)
	r := rand.New(rand.NewPCG(1, 2))
	n := 0
	for range 1200 {
		n += compare(t, all, alone, text(r, r.IntN(60)))
		if t.Failed() {
			return
		}
	}
	if n < 1200 {
		t.Errorf("%d matches in all: too few to tell", n)
	}
}

func FuzzLook(f *testing.F) {
	all, alone := engines(f)
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		f.Add(text(r, 30))
	}
	f.Fuzz(func(t *testing.T, data []byte) { compare(t, all, alone, data[:min(len(data), maxFuzz)]) })
}

// Any expression at all, against FindAll.
func FuzzRegex(f *testing.F) {
	for _, s := range specs {
		f.Add(s.Regex, []byte("acme_abcd1234 token = abcd\nkey: x\n"))
	}
	f.Fuzz(func(t *testing.T, regex string, data []byte) {
		data = data[:min(len(data), maxFuzz)]
		list := []Spec{{ID: "x", Regex: regex}}
		e, err := New(Program{Rules: list}, reach)
		if err != nil {
			return
		}
		want := plain(&list[0], regexp.MustCompile(regex), data)
		got, marked := found(e, list, data)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q in %q: Look = %v, want %v (%+v)", regex, data, got, want, e.About(0))
		}
		if marked && !e.Marked(data) || len(got) > 0 && !marked {
			t.Errorf("%q in %q: marked %v, Marked %v, %d hits", regex, data, marked, e.Marked(data), len(got))
		}
	})
}

// What a change of clean bytes makes a mark is seen around the change.
func TestMarkedFollowsChanges(t *testing.T) {
	_, alone := engines(t)
	r := rand.New(rand.NewPCG(5, 6))
	asked, dirty := 0, 0
	for range 3000 {
		base, other := text(r, r.IntN(30)), text(r, 1+r.IntN(3))
		at := r.IntN(len(base) + 1)
		end := min(len(base), at+r.IntN(4))
		data := slices.Concat(base[:at], other, base[end:])
		lo, hi := max(0, at-reach), min(len(data), at+len(other)+reach)
		for i, e := range alone {
			if _, marked := e.Look(nil, base); marked {
				continue
			}
			asked++
			if _, marked := e.Look(nil, data); marked {
				if dirty++; !e.Marked(data[lo:hi]) {
					t.Fatalf("%s: %q put in at %d of %q is a mark, and not seen near by", specs[i].ID, other, at, base)
				}
			}
		}
	}
	if asked < 10000 || dirty < asked/100 {
		t.Errorf("%d clean, %d of them marked by a change: too few to tell", asked, dirty)
	}
}

// Choices behind choices do not make more work than there are of them.
func TestCompilingEnds(t *testing.T) {
	for _, regex := range []string{
		"acme" + strings.Repeat("(?:a|c|b*)", 300), strings.Repeat("(?:abc|bcd|cde)", 300), strings.Repeat("(?:a|b.|c*)", 300) + "acme",
		strings.Repeat("(?:", 300) + "acme" + strings.Repeat(")?x|y*)", 300), strings.Repeat("(", 400) + "acme" + strings.Repeat("){1,2}", 400),
	} {
		e, err := New(Program{Rules: []Spec{{ID: "x", Regex: regex}}}, reach)
		if err == nil {
			e.Look(nil, []byte("acme "+strings.Repeat("abc", 100)))
		}
	}
}

// Where anchors stand close together, the tests of places stop to cost more than the
// expression itself, and nothing is lost.
func TestProbesAreBounded(t *testing.T) {
	list := []Spec{{ID: "x", Regex: `acme_[a-z0-9_]{0,200}!`}}
	e := engine(t, Program{Rules: list})
	data := []byte(strings.Repeat("acme_", 4000) + "abc!")
	s := e.state(data)
	if r := e.rules[0]; r.test == nil || s.probed[0] <= maxProbes*r.steps*len(data) || len(s.spans[0]) == 0 {
		t.Fatalf("test %v, cost %d, %d spans: no test of the bound", r.test, s.probed[0], len(s.spans[0]))
	}
	s.release()
	want := plain(&list[0], regexp.MustCompile(list[0].Regex), data)
	if got, marked := found(e, list, data); !slices.Equal(got, want) || !marked || !e.Marked(data) || len(want) != 1 {
		t.Errorf("Look = %v, %v, want %v and marks", got, marked, want)
	}
	if _, marked := e.Look(nil, []byte("acme_ acme_")); marked || e.Marked([]byte("acme_ acme_")) {
		t.Error("what tests cost in one buffer counts in the next")
	}
}

// The anchors that are derived are texts that each match has.
func TestAnchorsDerived(t *testing.T) {
	for _, tt := range []struct {
		regex string
		want  []string
		reach int
	}{
		{`acme_[a-z0-9]{8,12}`, []string{"acme_"}, 17},
		{`(?i)SK_Live_[0-9]{2}`, []string{"sk_live_"}, 2 + 3 + 4 + 3 + 3}, // s and k have odd cases, of four bytes at the most
		{`gh[pous]_[a-z]{3}`, []string{"gho_", "ghp_", "ghs_", "ghu_"}, 7},
		{`(?:alpha|beta)=\d`, []string{"alpha=", "beta="}, 7},
		{`(?:alpha|be)[xy]`, []string{"alphax", "alphay", "bex", "bey"}, 6},
		{`(?:alpha|be).`, []string{"alpha", "be"}, 9},
		{`(?:alpha|b).`, nil, 9},
		{`[0-9]+`, nil, 0},
		{`(?:pre)?fixed.*`, []string{"fixed"}, 0},
		{`(abc){2}`, []string{"abcabc"}, 6},
		{`(abc)+x`, []string{"abc"}, 0},
		{`a{12}`, []string{"aaaaaaaa"}, 12},
		{`x[^"]{0,3}needle`, []string{"needle"}, 19},
		{`\x{FFFD}abcde`, []string{"abcde"}, 8},
	} {
		e := engine(t, Program{Rules: []Spec{{ID: "x", Regex: tt.regex}}})
		a := e.About(0)
		slices.Sort(a.Anchors)
		if tt.regex == `(?i)SK_Live_[0-9]{2}` {
			tt.reach = a.Reach // that it is no shorter than a match is tested elsewhere
		}
		if !slices.Equal(a.Anchors, tt.want) || a.Reach != tt.reach {
			t.Errorf("%s: anchors %q, reach %d, want %q, %d", tt.regex, a.Anchors, a.Reach, tt.want, tt.reach)
		}
	}
}
