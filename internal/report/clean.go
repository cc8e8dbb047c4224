package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes any text safe to print on a terminal or into a build log, on one
// line. What would not be seen, or would do something, is written as Go would
// write it: control characters, escape sequences and line breaks, characters
// that change the direction of text, characters without a shape, and bytes that
// are no UTF-8 (\xNN). The commands that GitHub's runner obeys in the output of
// a step, "::" at the start of a line and "##[" anywhere in it, lose their first
// character to an escape.
//
// The result is valid UTF-8 without control characters. Cleaning it again
// changes nothing.
func Clean(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	// The runner trims a line before it looks for "::".
	if lead := len(s) - len(strings.TrimLeftFunc(s, unicode.IsSpace)); strings.HasPrefix(s[lead:], "::") {
		cleanTo(&b, s[:lead])
		b.WriteString(`\x3a`)
		s = s[lead+1:]
	}
	cleanTo(&b, s)
	return b.String()
}

// Safe is Clean of a message that may quote a repository, with the secrets in it
// masked as far as the rules see them.
func Safe(s string) string { return Clean(overFound(s)) }

// plain tells whether s is ASCII that needs no change.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return !strings.Contains(s, "##[") && !strings.HasPrefix(strings.TrimLeft(s, " "), "::")
}

func cleanTo(b *strings.Builder, s string) {
	var before rune // the character written last, 0 behind an escape
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		shown := rune(0)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(b, `\x%02x`, s[0])
		case strings.HasPrefix(s, "##["):
			b.WriteString(`\x23`)
		case visible(r, before):
			b.WriteRune(r)
			shown = r
		default:
			b.WriteString(escape(r))
		}
		before, s = shown, s[n:]
	}
}

// emojiStyle asks for the coloured form of the symbol before it. It stands in
// many commit messages, and behind a symbol it hides nothing.
const emojiStyle = '\ufe0f'

// visible tells whether r is a character that a reader sees and that does
// nothing to the others.
func visible(r, before rune) bool {
	if r == emojiStyle {
		return unicode.Is(unicode.So, before)
	}
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) &&
		r != '\u2800' // a Braille pattern without dots
}

func escape(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, r)
	case r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// short is Clean of at most n characters of s, with an ellipsis for the rest.
func short(s string, n int) string {
	s = Clean(wholeRunes(s))
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	count := 0
	for i := range s {
		if count == n-1 {
			return s[:i] + "…"
		}
		count++
	}
	return s
}

// wholeRunes drops the first bytes of a character at the end of a text that was
// cut by length.
func wholeRunes(s string) string {
	for i := 1; i < utf8.UTFMax && i <= len(s); i++ {
		tail := s[len(s)-i:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRuneInString(tail) {
				return s[:len(s)-i]
			}
			break
		}
	}
	return s
}
