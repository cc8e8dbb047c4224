package custom

import (
	"encoding/binary"
	"slices"
)

// literals searches for many texts at once, in whatever case of ASCII. All have
// at least minAnchor bytes.
//
// It goes over the data byte by byte, takes the eight that begin there as a
// number, and looks up in bit sets whether some text begins so: by two bytes for
// texts of two, by three or four for those of up to four, and by five to eight for
// the others. Short ones apart, hardly any place passes. An automaton's next step waits
// for its last; these do not wait for one another.
type literals struct {
	texts []string   // lower-case
	sets  [3]headSet // of texts of two bytes, of short ones, of all others
	quick []*quick   // none when there are too many texts
}

const (
	hashBits = 16
	short    = 4 // texts of up to that many bytes are short
	word     = 8
)

// headSet are texts by the first n bytes.
type headSet struct {
	mask uint64 // of the first n bytes; 0 when there are no texts
	bits [1 << (hashBits - 6)]uint64
	// first are the texts of a hash, as an index into next, plus 1.
	first [1 << hashBits]int32
	next  []chained
}

type chained struct{ text, next int32 }

// newLiterals prepares a search; texts are lower-case and different.
func newLiterals(texts []string) *literals {
	l := &literals{texts: texts, quick: quicks(texts)}
	heads := [3]int{minAnchor, short, word}
	for _, t := range texts {
		k := setOf(t)
		heads[k] = min(heads[k], len(t))
	}
	for n, t := range texts {
		k := setOf(t)
		s := &l.sets[k]
		s.mask = 1<<(8*heads[k]-1)<<1 - 1
		var room [word]byte
		copy(room[:], t)
		h := s.hash(fold(binary.LittleEndian.Uint64(room[:])))
		s.bits[h>>6] |= 1 << (h & 63)
		s.next = append(s.next, chained{int32(n), s.first[h]})
		s.first[h] = int32(len(s.next))
	}
	return l
}

func setOf(text string) int {
	switch {
	case len(text) <= minAnchor:
		return 0
	case len(text) <= short:
		return 1
	}
	return 2
}

// fold takes away what tells upper-case from lower-case, and some other
// differences with it, which whoever looks closer sees.
func fold(w uint64) uint64 { return w | 0x2020202020202020 }

func (s *headSet) hash(w uint64) uint64 { return (w & s.mask) * 0x9e3779b97f4a7c15 >> (64 - hashBits) }

func (s *headSet) has(h uint64) bool { return s.bits[h>>6]>>(h&63)&1 != 0 }

// each calls yield for every place where a text begins, in order, until it says
// no.
func (l *literals) each(data []byte, yield func(text, at int) bool) {
	if len(l.texts) == 0 {
		return
	}
	at, more := 0, true
	if len(l.quick) > 0 && canShuffle && len(data) > behind {
		at = len(data) - behind
		more = l.hop(data, at, yield)
	}
	if more {
		l.step(data, at, yield)
	}
}

// hop is each for the places before end, by those that the quicks find; it returns
// whether yield wants more. behind bytes stand behind end.
func (l *literals) hop(data []byte, end int, yield func(text, at int) bool) (more bool) {
	var next [maxQuick]int
	for k, q := range l.quick {
		next[k], _ = q.candidate(data, 0)
	}
	for {
		k, at := 0, next[0]
		for i := 1; i < len(l.quick); i++ {
			if next[i] < at {
				k, at = i, next[i]
			}
		}
		if at >= end {
			return true
		}
		q := l.quick[k]
		for _, n := range q.texts {
			if foldPrefix(data[at:], l.texts[n]) && !yield(n, at) {
				return false
			}
		}
		next[k], _ = q.candidate(data, at+1)
	}
}

// step is each from a place on, by the hash.
func (l *literals) step(data []byte, at int, yield func(text, at int) bool) {
	two, few, rest := &l.sets[0], &l.sets[1], &l.sets[2]
	if two.mask|few.mask == 0 {
		at = l.only(rest, data, at, yield)
	}
	for ; at+word <= len(data); at++ {
		w := fold(binary.LittleEndian.Uint64(data[at:]))
		if h := rest.hash(w); rest.has(h) && !l.begin(rest, h, data, at, yield) {
			return
		}
		if few.mask != 0 {
			if h := few.hash(w); few.has(h) && !l.begin(few, h, data, at, yield) {
				return
			}
		}
		if two.mask != 0 {
			if h := two.hash(w); two.has(h) && !l.begin(two, h, data, at, yield) {
				return
			}
		}
	}
	for ; at+minAnchor <= len(data); at++ {
		var room [word]byte
		copy(room[:], data[at:])
		w := fold(binary.LittleEndian.Uint64(room[:]))
		for k := range l.sets {
			s := &l.sets[k]
			if s.mask != 0 && !l.begin(s, s.hash(w), data, at, yield) {
				return
			}
		}
	}
}

// only is step for a single set, but for the last bytes; it returns where it ended.
func (l *literals) only(s *headSet, data []byte, at int, yield func(text, at int) bool) int {
	mask := s.mask
	for ; at+word <= len(data); at++ {
		h := (fold(binary.LittleEndian.Uint64(data[at:at+word])) & mask) * 0x9e3779b97f4a7c15 >> (64 - hashBits)
		if s.bits[h>>6]>>(h&63)&1 != 0 && !l.begin(s, h, data, at, yield) {
			return len(data)
		}
	}
	return at
}

// begin tells of the texts that begin at a place.
func (l *literals) begin(s *headSet, h uint64, data []byte, at int, yield func(text, at int) bool) bool {
	for n := s.first[h]; n > 0; n = s.next[n-1].next {
		text := int(s.next[n-1].text)
		if foldPrefix(data[at:], l.texts[text]) && !yield(text, at) {
			return false
		}
	}
	return true
}

// foldPrefix tells whether data begins with text, which is lower-case.
func foldPrefix(data []byte, text string) bool {
	if len(data) < len(text) {
		return false
	}
	for i := range len(text) {
		c := data[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != text[i] {
			return false
		}
	}
	return true
}

// pool gives texts numbers, each once.
type pool struct {
	texts []string
	index map[string]int
}

func (p *pool) add(texts []string) (numbers []int) {
	for _, t := range texts {
		n, ok := p.index[t]
		if !ok {
			if p.index == nil {
				p.index = map[string]int{}
			}
			n = len(p.texts)
			p.index[t] = n
			p.texts = append(p.texts, t)
		}
		if !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}
