// Package anchor is the cheap stage before the rules: it finds the few places
// of a buffer that can hold a credential at all, by the shape of values (long
// runs from a small alphabet) and by fixed strings. It decides nothing: what it
// finds is read exactly by package rules, what it skips is never looked at.
package anchor

import "math/bits"

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
	class *Class
	bit   [256]uint8 // 1 for the bytes of the class
	n     int
	gap   int // between the bytes that are sampled
}

// NewRuns prepares a search. n is at least 1.
func NewRuns(c *Class, n int) *Runs {
	r := &Runs{class: c, n: n, gap: n / samples}
	for b, in := range c {
		if in {
			r.bit[b] = 1
		}
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
	// data[start:seen] is known to be in the class, and data[start-1] not.
	seen := from
	start = from
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
