package rules

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"sync"

	"github.com/keyquench/keyquench/rules/internal/anchor"
)

const (
	// minStable is how many characters of an encoded prefix do not depend on
	// what stands around it: four at the worst alignment. More than maxStable
	// are not asked for.
	minStable = 4
	maxStable = 5
	// maxMark is the length of the longest mark, a prefix in hexadecimal.
	maxMark = 8
)

// mark is what a key ID's prefix becomes in another form, as far as nothing
// around it can change that.
type mark struct {
	text string
	// lead is how many characters into a group of base64 the text starts; -1 says
	// that it is hexadecimal.
	lead int
}

// inHex is the lead of a mark in hexadecimal.
const inHex = -1

// marks are all of them by their first character, and markPairs says for glance
// which characters begin them. prepare makes both.
var (
	marks     [256][]mark
	markPairs [256]uint64
)

// prepare makes the tables that a search needs, when the first rules are compiled:
// a program that begins with them has its start-up time to lose.
var prepare = sync.OnceFunc(func() {
	anchors = anchor.NewPair(anchor.NewRuns(upperDigit, minTail), anchor.NewRuns(runClass, minRun))
	marks, markPairs = buildMarks()
})

// In markPairs a character has a bit for each kind of mark that it is the
// second character of, and those of which it is the first this much higher.
const (
	firstShift = 32
	// wideKinds is the first bit of those of UTF-16 inside base64, twiceKinds that
	// of base64 inside base64, and hexKind that of hexadecimal.
	wideKinds  = 3
	twiceKinds = 6
	hexKind    = 15
	// anyPair is the bit of characters that are part of an escape.
	anyPair = 1 << 31
)

// buildMarks takes the four prefixes as they are and in UTF-16, whose bytes are
// the same whichever end comes first, at the three alignments of base64; in base64
// inside base64; and in hexadecimal, in small and in capital letters.
func buildMarks() (byFirst [256][]mark, pairs [256]uint64) {
	add := func(m mark, kind int) {
		if slices.Contains(byFirst[m.text[0]], m) {
			return
		}
		byFirst[m.text[0]] = append(byFirst[m.text[0]], m)
		pairs[m.text[0]] |= 1 << kind << firstShift
		pairs[m.text[1]] |= 1 << kind
	}
	for _, prefix := range idPrefixes {
		for align := range 3 {
			add(stable(prefix, align), align)
			for again := range 3 {
				add(stable(stable(prefix, align).text, again), twiceKinds+3*align+again)
			}
			add(stable(strings.Join(strings.Split(prefix, ""), "\x00"), align), wideKinds+align)
		}
		digits := hex.EncodeToString([]byte(prefix))
		add(mark{digits, inHex}, hexKind)
		add(mark{strings.ToUpper(digits), inHex}, hexKind)
	}
	for b := range pairs {
		if runClass[b] && !base64Class[b] {
			pairs[b] |= anyPair
		}
	}
	return byFirst, pairs
}

// stable is what the characters of the prefix alone decide, whatever stands
// before it and whichever letters and digits of base32 follow.
func stable(prefix string, align int) mark {
	first := base64.StdEncoding.EncodeToString([]byte("\x00\x00"[:align] + prefix + "AAA"))
	same := make([]bool, len(first))
	for i := range same {
		same[i] = true
	}
	for _, around := range [...]string{"\xff\xffZZZ", "\xff\xff222", "\x00\x00777"} {
		other := base64.StdEncoding.EncodeToString([]byte(around[:align] + prefix + around[2:]))
		for i := range same {
			same[i] = same[i] && i < len(other) && first[i] == other[i]
		}
	}
	lead := slices.Index(same, true)
	end := lead
	for end < len(same) && same[end] && end-lead < maxStable {
		end++
	}
	return mark{first[lead:end], lead}
}

// glance tells whether text, a run of the class of segments, holds the first
// two characters of a mark, or any part of an escape.
func glance(text []byte) bool {
	first := uint64(anyPair)
	for _, b := range text {
		pair := markPairs[b]
		if pair&first != 0 {
			return true
		}
		first = pair>>firstShift | anyPair
	}
	return false
}

// markAt is the mark that data begins with.
func markAt(data []byte) (mark, bool) {
	for _, m := range marks[data[0]] {
		if bytes.HasPrefix(data, []byte(m.text)) {
			return m, true
		}
	}
	return mark{}, false
}
