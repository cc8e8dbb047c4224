package custom

import (
	"bytes"
	"cmp"
	"slices"
)

// Most files have few rules, and then the hash of literals is most of what they
// cost: 2 ns a byte and more, as much as all built-in rules. quick finds the places
// where one of few texts may begin by three bytes of it, 32 places at a time.
//
// Texts are put into eight buckets, a bit each. A table for each half of each of
// the three bytes tells which buckets have a text with that half there; where all
// six have a bit in common, a text may begin. (The design is Hyperscan's Teddy.)
type quick struct {
	tables [2 * fingerBytes][16]uint8 // of the low and the high half of each byte
	offset int                        // of the three bytes in each text
	texts  []int                      // numbers
}

const (
	fingerBytes = 3
	buckets     = 8
	// perQuick is how many texts a quick is made for. With more of them in a bucket
	// halves begin to match that are of different texts.
	perQuick = 12
	// maxQuick is how many quicks go over the data before the hash does it faster.
	maxQuick = 8
	// behind is how many bytes at the end may be left to the hash.
	behind = maxAnchor + 32
)

// quicks prepares searches for texts, or gives nil where they are too many.
func quicks(texts []string) (list []*quick) {
	if len(texts) > perQuick*maxQuick {
		return nil
	}
	order := make([]int, len(texts))
	for i := range order {
		order[i] = i
	}
	// Of one length, so that a short one does not say where a long one is looked
	// at, and in order: neighbours have halves in common.
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(min(len(texts[i]), longEnough), min(len(texts[j]), longEnough)), cmp.Compare(texts[i], texts[j]))
	})
	count := (len(texts) + perQuick - 1) / perQuick
	for i := range count {
		list = append(list, newQuick(texts, order[i*len(texts)/count:(i+1)*len(texts)/count]))
	}
	return list
}

// newQuick prepares a search for some of the texts.
func newQuick(texts []string, numbers []int) *quick {
	var some []string
	for _, n := range numbers {
		some = append(some, texts[n])
	}
	q := &quick{offset: rarest(some), texts: numbers}
	for i, t := range some {
		bit := uint8(1) << (i * buckets / len(some))
		for k := range fingerBytes {
			if q.offset+k >= len(t) {
				q.allow(k, 0, 255, bit)
				continue
			}
			c := t[q.offset+k]
			q.allow(k, c, c, bit)
			if 'a' <= c && c <= 'z' {
				q.allow(k, c-'a'+'A', c-'a'+'A', bit)
			}
		}
	}
	return q
}

// allow lets a bucket have the bytes from first to last at a place.
func (q *quick) allow(place int, first, last, bit byte) {
	for c := int(first); c <= int(last); c++ {
		q.tables[2*place][c&15] |= bit
		q.tables[2*place+1][c>>4] |= bit
	}
}

// common are bytes from frequent to rare, as counted in source code. What is
// missing here is rarer still.
const common = " e\tt\nairosnlcdpu0m1_fhg2-\".,xb3:/v54y869w7k()=;"

// rarest is where in the texts three bytes stand that are rare in all of them.
func rarest(texts []string) (offset int) {
	rank := func(c byte) int {
		if i := bytes.IndexByte([]byte(common), c); i >= 0 {
			return i
		}
		return len(common)
	}
	best := -1
	for at := range max(1, shortest(texts)-fingerBytes+1) {
		worst := fingerBytes * len(common)
		for _, t := range texts {
			sum := 0
			for _, c := range []byte(t[at:min(len(t), at+fingerBytes)]) {
				sum += rank(c)
			}
			worst = min(worst, sum)
		}
		if worst > best {
			best, offset = worst, at
		}
	}
	return offset
}

// plain is candidate in plain Go, its slow twin: it looks at each place.
func (q *quick) plain(data []byte, from int) (at int, seen bool) {
	for at = from; at+q.offset+fingerBytes <= len(data); at++ {
		set := uint8(255)
		for k, c := range data[at+q.offset : at+q.offset+fingerBytes] {
			set &= q.tables[2*k][c&15] & q.tables[2*k+1][c>>4]
		}
		if set != 0 {
			return at, false
		}
	}
	return at, true
}
