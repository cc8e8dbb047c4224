package anchor

import "math/bits"

// Pair searches for the runs of two classes at once.
type Pair struct {
	runs   [2]*Runs
	lookup lookup
	// fused tells that lookup says all that the two classes do, and that this
	// machine can use it.
	fused bool
}

// lookup is what a Pair's classes look like to a processor that looks up 16
// bytes at once. A byte's low half chooses one of low and its high half one of
// high; the bits that both have tell which classes the byte is in.
type lookup struct {
	low, high [halves]uint8
	bits      [2]uint8 // those of each class
	more      [2]uint8 // by how much its runs are longer than minFused
}

const (
	halves = 16 // of a byte: as many values as half its bits have
	// The runs that starts can look for: shorter ones are too frequent, longer
	// ones do not lie within the 64 bytes it looks at together.
	minFused, maxFused = 16, 32
)

// NewPair prepares a search for the runs of both.
func NewPair(a, b *Runs) *Pair {
	p := &Pair{runs: [2]*Runs{a, b}}
	l, ok := newLookup(a, b)
	p.lookup, p.fused = l, ok && canFuse
	return p
}

// newLookup finds the tables for two classes. It gives a bit to each set of low
// halves that stands beside some high half, for bytes in the one class, in the
// other and in both; ok is false where that takes more than eight.
func newLookup(a, b *Runs) (l lookup, ok bool) {
	type set struct {
		low uint16 // bit i for the low half i
		of  uint8  // 1 for a, 2 for b, 3 for both
	}
	bit := map[set]uint8{}
	for high := range halves {
		for of := uint8(1); of <= 3; of++ {
			s := set{of: of}
			for low := range halves {
				if c := high*halves + low; a.bit[c]|b.bit[c]<<1 == of {
					s.low |= 1 << low
				}
			}
			if s.low == 0 {
				continue
			}
			mask, known := bit[s]
			if !known {
				if len(bit) == 8 {
					return l, false
				}
				mask = 1 << len(bit)
				bit[s] = mask
			}
			l.high[high] |= mask
			for low := range halves {
				l.low[low] |= mask * uint8(s.low>>low&1)
			}
			for i := range l.bits {
				l.bits[i] |= mask * (of >> i & 1)
			}
		}
	}
	for i, r := range [...]*Runs{a, b} {
		if r.n < minFused || r.n > maxFused {
			return l, false
		}
		l.more[i] = uint8(r.n - minFused)
	}
	// What is not ASCII is in no class: such bytes are not looked up.
	return l, [halves / 2]uint8(l.high[halves/2:]) == [halves / 2]uint8{}
}

const (
	// piece is how many bytes a Cursor looks at together. The next piece begins
	// overlap bytes before its end, so that the first maxFused bytes of each run
	// lie in one.
	piece   = 8 << 10
	overlap = maxFused
	// pieceWords have a bit for each byte of a piece, and room for what starts
	// writes behind them.
	pieceWords = piece/64 + 6
)

// Cursor goes over the runs of a Pair in one buffer. It is memory to be used
// again and again, and one goroutine's.
type Cursor struct {
	pair  *Pair
	data  []byte
	class int
	done  [2]int // where the last run of each class ended

	// starts has bit i of word w set for each class when a run of its length
	// begins at data[base+64*w+i:] and ends before data[limit].
	starts      [2][pieceWords]uint64
	base, limit int
	word        int    // of the class that is gone through
	left        uint64 // what was not yet looked at of it
}

// Start begins to search data. A Cursor keeps it until the next Start.
func (c *Cursor) Start(p *Pair, data []byte) {
	c.pair, c.data, c.class, c.done = p, data, 0, [2]int{}
	if p.fused {
		c.base = 0
		c.load()
	}
}

// Next returns the next run, extended as far as it goes, and 0 or 1 for the
// class it is of. The runs of one class come in the order they stand in. At
// the end, class is -1.
func (c *Cursor) Next() (class, start, end int) {
	if !c.pair.fused {
		return c.nextPlain()
	}
	for {
		for c.class < len(c.starts) {
			if start, end = c.find(); end > 0 {
				return c.class, start, end
			}
			c.class++
			c.word, c.left = -1, 0
		}
		if c.limit == len(c.data) {
			return -1, 0, 0
		}
		c.base = c.limit - overlap
		c.load()
	}
}

// nextPlain gives all runs of the one class, then all of the other.
func (c *Cursor) nextPlain() (class, start, end int) {
	for ; c.class < len(c.done); c.class++ {
		start, end = c.pair.runs[c.class].Next(c.data, c.done[c.class])
		if end > 0 {
			c.done[c.class] = end
			return c.class, start, end
		}
	}
	return -1, 0, 0
}

// load looks at the piece that begins at base.
func (c *Cursor) load() {
	c.limit = min(c.base+piece, len(c.data))
	found := c.pair.lookup.starts(c.data[c.base:c.limit], &c.starts)
	// Mostly there is nothing of one class, or of both.
	c.class = bits.TrailingZeros8(found | 1<<len(c.starts))
	c.word, c.left = -1, 0
}

// find takes the next run of the class from the piece; end is 0 when there is
// none.
func (c *Cursor) find() (start, end int) {
	words := c.starts[c.class][:(c.limit-c.base+63)/64]
	run := c.pair.runs[c.class]
	for {
		for c.left == 0 {
			if c.word++; c.word >= len(words) {
				return 0, 0
			}
			c.left = words[c.word]
		}
		start = c.base + c.word*64 + bits.TrailingZeros64(c.left)
		// A run of more than n bytes has a bit for each but the last n-1: adding
		// to the lowest one clears them and sets the bit behind them.
		behind, carry := bits.Add64(c.left, c.left&-c.left, 0)
		c.left &= behind
		for carry != 0 && c.word+1 < len(words) {
			c.word++
			behind, carry = bits.Add64(words[c.word], 1, 0)
			c.left = words[c.word] & behind
		}
		if start < c.done[c.class] {
			continue // the rest of a run that an earlier piece began with
		}
		end = c.base + c.word*64 + bits.TrailingZeros64(behind) + run.n - 1
		for end >= c.limit && end < len(c.data) && run.bit[c.data[end]] != 0 {
			end++
		}
		c.done[c.class] = end
		return start, end
	}
}
