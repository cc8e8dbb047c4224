package anchor

import (
	"bytes"
	"slices"
)

// Literal is a fixed string to search for.
type Literal struct {
	text []byte
	rare int // the index of its rarest byte
	pair int // that of the next rarest one elsewhere, if there is any
}

// common are bytes from frequent to rare, as counted in source code and data.
// What is missing here is rarer still.
const common = " e\tt\nairosnlcdpu0m1_fhg2-\".,xb3:/v54y869w7k()=STE;AICR"

// NewLiteral prepares a search. The text must not be empty.
func NewLiteral(text string) *Literal {
	l := &Literal{text: []byte(text)}
	rank := func(i int) int {
		if k := bytes.IndexByte([]byte(common), text[i]); k >= 0 {
			return k
		}
		return len(common)
	}
	order := make([]int, len(text))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return rank(j) - rank(i) })
	l.rare, l.pair = order[0], order[min(1, len(order)-1)]
	return l
}

// Next returns the first position at or after from where the literal stands in
// data, or -1.
func (l *Literal) Next(data []byte, from int) int {
	for {
		at, seen := l.candidate(data, from)
		if seen {
			return l.next(data, at)
		}
		if bytes.HasPrefix(data[at:], l.text) {
			return at
		}
		from = at + 1
	}
}

// next is Next without candidate, its slow twin. It hops from one of the rarest
// bytes to the next, which the library finds many bytes at a time; searching
// for the whole text stops at every first letter.
func (l *Literal) next(data []byte, from int) int {
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
