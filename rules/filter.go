package rules

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"

	"github.com/keyquench/keyquench/rules/internal/anchor"
)

var (
	upperDigit  = anchor.NewClass("A-Z0-9")
	alnumClass  = anchor.NewClass("A-Za-z0-9")
	base64Class = anchor.NewClass("A-Za-z0-9+/")
	urlClass    = anchor.NewClass("-A-Za-z0-9_")
	hexClass    = anchor.NewClass("0-9A-Fa-f")
	// runClass is base64's alphabet and the bytes that escapes of it are written
	// with, so an escaped value is still one run.
	runClass = anchor.NewClass(`A-Za-z0-9+/\%&#;`)

	// prefixEnds are the first and the last letter of a key ID's prefix, as they
	// are and in UTF-16: all begin and end with an A.
	prefixEnds = anchor.NewEnds('A', prefixLen-1, widePrefixLen-1)

	anchors *anchor.Pair // see prepare
)

// The classes of anchors.
const (
	idClass = iota
	longClass
)

const (
	secretLen = 40
	prefixLen = 4
	// maxSymbols is how many of + and / a secret key may hold. One in 32 is
	// expected; more than 10 of 40 has a chance of 1e-8, and is a path.
	maxSymbols = 10
	// maxSteps is how many characters in a row may each follow the one before
	// them in the alphabet, as in a typed ABCDEF. Six, up or down, has a chance
	// of 3.3e-7 each in the 16 characters of an ID, and 3e-8 in a secret.
	maxSteps = 6
	// maxSame is the same for one character repeated: 3.3e-7 in an ID.
	maxSame = 6
	// minDistinct is how few different characters an ID's tail may have: five or
	// fewer of 32 have a chance of 2.5e-8, six would have 2.1e-6.
	minDistinct = 6
)

// entropy is the Shannon entropy of text in bits per character.
func entropy(text []byte) float64 {
	var count [256]uint16
	for _, b := range text {
		count[b]++
	}
	var h float64
	for _, b := range text {
		// Summing over positions instead of symbols divides each symbol's share by
		// its own count and spares a pass over the table.
		h -= math.Log2(float64(count[b]) / float64(len(text)))
	}
	return h / float64(len(text))
}

// The classes of base64's characters, for the statistic of neighbours.
const (
	lowerClass = iota
	upperClass
	digitClass
	symbolClass
)

func classOf(b byte) uint8 {
	switch {
	case 'a' <= b && b <= 'z':
		return lowerClass
	case 'A' <= b && b <= 'Z':
		return upperClass
	case '0' <= b && b <= '9':
		return digitClass
	}
	return symbolClass
}

// randomText tells whether text, of base64's alphabet, looks drawn at random:
// no hash in hexadecimal, no path, no identifier made of words, nothing typed
// for show. README.md lists what each test costs in real secrets.
func (sp *spec) randomText(text []byte) (h float64, ok bool) {
	var classes [4]int
	same, worded, hex := 0, 0, true
	for i, b := range text {
		k := classOf(b)
		classes[k]++
		hex = hex && hexClass[b]
		if i == 0 {
			continue
		}
		before := classOf(text[i-1])
		if before == k {
			same++
		}
		if k == lowerClass && before <= upperClass {
			worded++
		}
	}
	if hex || classes[lowerClass] == 0 || classes[upperClass] == 0 || classes[symbolClass] > maxSymbols {
		return 0, false
	}
	// Words are long stretches of one class, and CamelCase is lower-case letters
	// behind a letter: three in four neighbours, against one in three of random
	// base64. Over 27 of 39 has a chance of 3.1e-5 for either together.
	if sp.MaxSameClass > 0 && max(same, worded)*secretLen > sp.MaxSameClass*len(text) {
		return 0, false
	}
	if typed(text) || sp.stopped(text) {
		return 0, false
	}
	h = entropy(text)
	return h, h > sp.MinEntropy && !sp.isPublished(text)
}

func onlyHex(text []byte) bool {
	for _, b := range text {
		if !hexClass[b] {
			return false
		}
	}
	return true
}

// isPublished tells whether documents print text as an example. It is asked
// last, of the few texts that pass for a key.
func (sp *spec) isPublished(text []byte) bool {
	return len(sp.Published) > 0 && slices.Contains(sp.Published, fmt.Sprintf("%x", sha256.Sum256(text)))
}

// typed tells whether text holds what fingers make and generators do not: a
// stretch of the alphabet, up or down, or one character over and over.
func typed(text []byte) bool {
	up, down, same := 1, 1, 1
	for i := 1; i < len(text); i++ {
		up, down, same = up+1, down+1, same+1
		if text[i] != text[i-1]+1 {
			up = 1
		}
		if text[i]+1 != text[i-1] {
			down = 1
		}
		if text[i] != text[i-1] {
			same = 1
		}
		if up >= maxSteps || down >= maxSteps || same >= maxSame {
			return true
		}
	}
	return false
}

// placeholderTail tells whether the 16 characters after an ID's prefix were
// made up for a document.
func (sp *spec) placeholderTail(tail []byte) bool {
	var seen [256]bool
	distinct := 0
	for _, b := range tail {
		if !seen[b] {
			seen[b] = true
			distinct++
		}
	}
	return distinct < minDistinct || periodic(tail) || typed(tail) || sp.stopped(tail)
}

// periodic tells whether the second half repeats the first: 32^-8 by chance.
func periodic(tail []byte) bool {
	half := len(tail) / 2
	return string(tail[:half]) == string(tail[half:])
}

// stopped tells whether text holds a stop word, in whatever case.
func (sp *spec) stopped(text []byte) bool {
	for _, word := range sp.stop {
		for i := 0; i+len(word) <= len(text); i++ {
			if foldAt(text[i:], word) {
				return true
			}
		}
	}
	return false
}

// foldAt tells whether text begins with word, which is upper-case.
func foldAt(text []byte, word string) bool {
	for j := range len(word) {
		b := text[j]
		if 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		if b != word[j] {
			return false
		}
	}
	return true
}
