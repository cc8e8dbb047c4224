package anchor

import "bytes"

// Ends searches for short texts that begin and end with one byte, of either of
// two lengths, and go on with another byte: runs of one byte, which are the most
// frequent of all things, are none.
type Ends struct {
	end       byte
	near, far int // from the first to the last byte
}

// NewEnds prepares a search. near is at least 2, far at least near.
func NewEnds(end byte, near, far int) *Ends { return &Ends{end, near, far} }

// Next returns the first position at or after from where such a text stands in
// data, or -1.
func (e *Ends) Next(data []byte, from int) int {
	at, seen := e.candidate(data, from)
	if seen {
		return e.next(data, at)
	}
	return at
}

// next is Next without candidate, its slow twin.
func (e *Ends) next(data []byte, from int) int {
	for at := from; at+e.near < len(data); at++ {
		i := bytes.IndexByte(data[at:len(data)-e.near], e.end)
		if i < 0 {
			return -1
		}
		at += i
		if data[at+1] != e.end && (data[at+e.near] == e.end || at+e.far < len(data) && data[at+e.far] == e.end) {
			return at
		}
	}
	return -1
}
