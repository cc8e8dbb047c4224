package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestCleanEscapesWhatActsOrHides(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"config/prod.env", "config/prod.env"},
		{`back\slash`, `back\slash`},
		{"Ünïcödé 漢字 🔑", "Ünïcödé 漢字 🔑"},
		{"\x1b]0;owned\x07", `\x1b]0;owned\x07`},
		{"a\nb\rc\td\x00\x7f", `a\nb\rc\td\x00\x7f`},
		{"\u009b31m", `\u009b31m`},
		{"\xff\xfe\xc3", `\xff\xfe\xc3`},
		{"\xed\xa0\x80", `\xed\xa0\x80`}, // a surrogate is no UTF-8
		{"gnp.\u202evne", `gnp.\u202evne`},
		{"a\u2066\u2069\u200e\u200f\u061c", `a\u2066\u2069\u200e\u200f\u061c`},
		{"zero\u200b\u200c\u200d\u2060\ufeff\u00ad", `zero\u200b\u200c\u200d\u2060\ufeff\u00ad`},
		{"line\u2028par\u2029nel\u0085", `line\u2028par\u2029nel\u0085`},
		{"filler\u3164\u115f\uffa0\u2800", `filler\u3164\u115f\uffa0\u2800`},
		{"tag\U000e0041", `tag\U000e0041`},
		{"nbsp\u00a0", `nbsp\u00a0`},
		{"⚙\ufe0f tools", "⚙\ufe0f tools"},
		{"a\ufe0f", `a\ufe0f`},
		{"\ufffd", "\ufffd"}, // stands in the text itself
		{"::error::x", `\x3a:error::x`},
		{"  ::error::x", `  \x3a:error::x`},
		{"\n::error::x", `\n\x3a:error::x`},
		{"\u00a0::error", `\u00a0\x3a:error`},
		{":", ":"},
		{"a::b", "a::b"},
		{"a ##[error]b##[c", `a \x23#[error]b\x23#[c`},
		{"###[x", `#\x23#[x`},
	} {
		if got := Clean(tt.in); got != tt.want {
			t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// harmless is the promise of Clean, worked out in another way.
func harmless(s string) bool {
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r <= 0x9f || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return false
		}
	}
	return utf8.ValidString(s) && !strings.Contains(s, "##[") && !strings.HasPrefix(strings.TrimSpace(s), "::")
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "a\x1b[0m", "::x", "\x99\ufe0f", "\u2800\ufe0f", "\xff::", "##[x", "\u202e", "⚙\ufe0f", " \u00a0::", "\u200b::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if !harmless(got) {
			t.Errorf("Clean(%q) = %q", s, got)
		}
		if again := Clean(got); again != got {
			t.Errorf("Clean(Clean(%q)) = %q, want %q", s, again, got)
		}
		if n := 7; utf8.RuneCountInString(short(s, n)) > n || !harmless(short(s, n)) {
			t.Errorf("short(%q, %d) = %q", s, n, short(s, n))
		}
	})
}

// What JSON escapes must mean the same to whoever reads it.
func FuzzInert(f *testing.F) {
	for _, s := range []string{"", "\x7f\u009b", "##[x", "\U000e0041", "::", "<&>", "\xff", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(valid(s)); err != nil {
			t.Fatal(err)
		}
		line := string(inert(b.Bytes()))
		if !harmless(strings.TrimSuffix(line, "\n")) {
			t.Errorf("line of %q is %q", s, line)
		}
		var got string
		if err := json.Unmarshal([]byte(line), &got); err != nil || got != valid(s) {
			t.Errorf("%q reads as %q, %v, want %q", line, got, err, valid(s))
		}
	})
}

func TestShortKeepsWholeCharacters(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"äöüß", 3, "äö…"},
		{"cut \xe6\xbc", 10, "cut "}, // by length, in the middle of a character
		{"cut \xff", 10, `cut \xff`},
		{"", 3, ""},
	} {
		if got := short(tt.in, tt.n); got != tt.want {
			t.Errorf("short(%q, %d) = %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}
