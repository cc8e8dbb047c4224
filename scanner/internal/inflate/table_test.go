package inflate

import (
	"math/bits"
	"math/rand/v2"
	"testing"
)

// completeCode draws lengths that make a complete code of n symbols, the longest
// of 15 bits: it splits one code after the other in two.
func completeCode(r *rand.Rand, n int) []uint8 {
	lens := []uint8{1, 1}
	deep := r.IntN(2) == 0
	for len(lens) < n {
		i := r.IntN(len(lens))
		if deep { // long codes, with gaps between the lengths
			i = len(lens) - 1 - r.IntN(min(len(lens), 3))
		}
		if lens[i] < maxCode {
			lens[i]++
			lens = append(lens, lens[i])
			continue
		}
		deep = false
	}
	r.Shuffle(n, func(i, j int) { lens[i], lens[j] = lens[j], lens[i] })
	return lens
}

// lookup reads the symbol at the low end of word as careful does.
func lookup(table []uint32, tableBits int, word uint64) (e uint32, length int) {
	s := stream{bits: word, have: 56}
	e = s.symbol(table, uint(tableBits))
	return e, int(56 - s.have)
}

// Each symbol's code, worked out as RFC 1951, 3.2.2 does and followed by noise,
// is found in the table, whatever the lengths.
func TestTablesDecodeEveryCode(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	table := make([]uint32, litSize)
	for range 2000 {
		lens := completeCode(r, 2+r.IntN(maxLit-2))
		for range r.IntN(maxLit - len(lens) + 1) { // and symbols without a code
			at := r.IntN(len(lens) + 1)
			lens = append(lens[:at], append([]uint8{0}, lens[at:]...)...)
		}
		count := countLengths(lens)
		if !build(table, litBits, lens, &count, litResults[:]) {
			t.Fatalf("build(%v) = false", lens)
		}
		code := 0
		for length := 1; length <= maxCode; length++ {
			code <<= 1
			for s, l := range lens {
				if int(l) != length {
					continue
				}
				word := uint64(bits.Reverse16(uint16(code)) >> (16 - length))
				e, taken := lookup(table, litBits, word|r.Uint64()<<length)
				if taken != length || e&^0x1fff != litResults[s]&^0x1fff {
					t.Fatalf("lengths %v: symbol %d has entry %x of %d bits, want result %x of %d", lens, s, e, taken, litResults[s], length)
				}
				code++
			}
		}
	}
}

// What is no code is refused, whatever of it comes first.
func TestBuildRefusesIncompleteCodes(t *testing.T) {
	r := rand.New(rand.NewPCG(43, 44))
	table := make([]uint32, litSize)
	for range 1000 {
		lens := completeCode(r, 3+r.IntN(100))
		at := r.IntN(len(lens))
		was := lens[at]
		if lens[at] = uint8(r.IntN(maxCode + 1)); lens[at] == was {
			continue
		}
		count := countLengths(lens)
		if build(table, litBits, lens, &count, litResults[:]) {
			t.Errorf("build(%v) = true, but length %d was %d", lens, at, was)
		}
	}
}
