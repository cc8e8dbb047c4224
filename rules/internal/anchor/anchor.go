// Package anchor is the cheap stage before the rules: it finds the few places
// of a buffer that can hold a credential at all, by the shape of values (long
// runs from a small alphabet) and by fixed strings. It decides nothing: what it
// finds is read exactly by package rules, what it skips is never looked at.
package anchor

import (
	"bytes"
	"math/bits"
)

// Class is a set of bytes.
type Class [256]bool

// NewClass returns the bytes of set, in which "a-z" stands for a range. A
// minus sign that is meant itself comes first.
func NewClass(set string) *Class {
	c := new(Class)
	for i := 0; i < len(set); i++ {
		if i+2 < len(set) && set[i+1] == '-' {
			for b := int(set[i]); b <= int(set[i+2]); b++ {
				c[b] = true
			}
			i += 2
			continue
		}
		c[set[i]] = true
	}
	return c
}

// Runs searches for runs of at least n bytes of one class.
type Runs struct {
	bit [256]uint8 // 1 for the bytes of the class
	n   int
	gap int // between the bytes that are sampled

	// halves says the same as bit in the form that skip wants: 16 bytes by the
	// low half of a byte, then 16 by the high half; the byte is in the class when
	// the two have a bit in common. Only an ASCII class has that form.
	halves [2 * halves]byte
	ascii  bool
}

const halves = 16

// NewRuns prepares a search. n is at least 1.
func NewRuns(c *Class, n int) *Runs {
	r := &Runs{n: n, gap: n / samples, ascii: true}
	for b, in := range c {
		if !in {
			continue
		}
		r.bit[b] = 1
		if b >= 0x80 {
			r.ascii = false
			continue
		}
		low, high := b%halves, b/halves
		r.halves[low] |= 1 << high
		r.halves[halves+high] = 1 << high
	}
	return r
}

// samples is how many bytes of a window are looked at together.
const samples = 4

// Next returns the bounds of the first run in data[from:] that has n bytes,
// extended as far as it goes, or -1, -1 when there is none. The run is maximal
// inside data[from:].
//
// A window of n bytes is looked at in four places at once, and moves behind
// the last of them that is not in the class; only when all four are is it read
// backwards. Looking at one place and walking back from it touches fewer bytes
// but mispredicts a branch at every second word: on C and Go source it ran at
// half the speed.
func (r *Runs) Next(data []byte, from int) (start, end int) {
	return r.next(data, r.skip(data, from))
}

// next is Next without skip, its slow twin.
func (r *Runs) next(data []byte, from int) (start, end int) {
	// data[start:seen] is known to be in the class, and data[start-1] not.
	start, seen := from, from
	for {
		last := start + r.n - 1
		if last >= len(data) {
			return -1, -1
		}
		out := 0xf ^ (r.bit[data[last]] | r.bit[data[last-r.gap]]<<1 | r.bit[data[last-2*r.gap]]<<2 | r.bit[data[last-3*r.gap]]<<3)
		if out != 0 {
			start += r.n - bits.TrailingZeros8(out)*r.gap
			continue
		}
		back := last - 1
		for back >= max(start, seen) && r.bit[data[back]] != 0 {
			back--
		}
		if back < max(start, seen) {
			end = last + 1
			for end < len(data) && r.bit[data[end]] != 0 {
				end++
			}
			return start, end
		}
		start, seen = back+1, last+1
	}
}

// Literal is a fixed string to search for.
type Literal struct {
	text []byte
	rare int // the index of its rarest byte
}

// common are bytes from frequent to rare, as counted in source code and data.
// What is missing here is rarer still.
const common = " e\tt\nairosnlcdpu0m1_fhg2-\".,xb3:/v54y869w7k()=STE;AICR"

// NewLiteral prepares a search. The text must not be empty.
func NewLiteral(text string) *Literal {
	l := &Literal{text: []byte(text)}
	best := -1
	for i := range l.text {
		rank := bytes.IndexByte([]byte(common), l.text[i])
		if rank < 0 {
			rank = len(common)
		}
		if rank > best {
			best, l.rare = rank, i
		}
	}
	return l
}

// Next returns the first position at or after from where the literal stands in
// data, or -1. It hops from one of its rarest bytes to the next, which the
// library finds many bytes at a time; searching for the whole text stops at
// every first letter.
func (l *Literal) Next(data []byte, from int) int {
	for at := from + l.rare; at < len(data); at++ {
		i := bytes.IndexByte(data[at:], l.text[l.rare])
		if i < 0 {
			return -1
		}
		at += i
		if bytes.HasPrefix(data[at-l.rare:], l.text) {
			return at - l.rare
		}
	}
	return -1
}

// Text is the literal itself; the caller must not write to it.
func (l *Literal) Text() []byte { return l.text }
