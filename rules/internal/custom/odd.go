package custom

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// Where case does not count for an expression, a long s is an s and a Kelvin sign
// a k. Nobody writes keys so, but the bytes of either stand in any binary file, and
// a match must not be lost. So anchors are looked for around each of these two,
// too.

const (
	longS  = "\u017f"
	kelvin = "\u212a"
)

// oddTexts are the anchors that may be written so.
type oddTexts struct {
	texts   []string // of all rules
	numbers []int
	// at is where an s or a k stands in a text that has none before it.
	longS, kelvin []oddPlace
}

type oddPlace struct{ text, offset int }

func (o *oddTexts) prepare(texts []string) {
	o.texts = texts
	slices.Sort(o.numbers)
	o.numbers = slices.Compact(o.numbers)
	for _, n := range o.numbers {
		for i := range len(texts[n]) {
			switch texts[n][i] {
			case 's':
				o.longS = append(o.longS, oddPlace{n, i})
			case 'k':
				o.kelvin = append(o.kelvin, oddPlace{n, i})
			}
		}
	}
}

// each calls yield for every place where a text begins that is written with one
// of the two signs, by the first one it has.
func (o *oddTexts) each(data []byte, yield func(text, at int) bool) {
	for _, sign := range []struct {
		bytes  string
		places []oddPlace
	}{{longS, o.longS}, {kelvin, o.kelvin}} {
		if len(sign.places) == 0 {
			continue
		}
		for at := 0; ; at++ {
			i := bytes.Index(data[at:], []byte(sign.bytes))
			if i < 0 {
				break
			}
			at += i
			for _, p := range sign.places {
				if start := at - p.offset; start >= 0 && foldPrefix(data[start:at], o.texts[p.text][:p.offset]) && oddPrefix(data[at:], o.texts[p.text][p.offset:]) {
					yield(p.text, start)
				}
			}
		}
	}
}

// oddPrefix tells whether data begins with text, which is lower-case, written
// with either sign or without.
func oddPrefix(data []byte, text string) bool {
	for i := range len(text) {
		if len(data) == 0 {
			return false
		}
		c, width := rune(data[0]), 1
		if data[0] >= utf8.RuneSelf {
			c, width = utf8.DecodeRune(data)
		}
		if c = lower(c); c != rune(text[i]) && !strings.ContainsRune(longS, c) && !strings.ContainsRune(kelvin, c) {
			// A text of more than ASCII is compared byte by byte.
			if data[0] != text[i] {
				return false
			}
			width = 1
		} else if c == 0x17f && text[i] != 's' || c == 0x212a && text[i] != 'k' {
			return false
		}
		data = data[width:]
	}
	return true
}
