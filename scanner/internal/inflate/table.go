package inflate

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A table decodes one Huffman code. Its first 1<<bits entries are looked up
// with the next bits of the stream; codes longer than that continue in a
// subtable behind them. An entry holds all that its symbol stands for:
//
//	bits 0–7   how many bits to drop: the code, and the extra bits behind it
//	bits 8–12  the length of the code alone, which the extra bits lie behind
//	bits 16–30 the literal, the base of a length or distance, or where a
//	           subtable starts
//	bit 13     end of block
//	bit 14     a subtable; bits 8–12 are then how many bits it is looked up with
//	bit 15     anything but a literal, length or distance: bit 13, 14 or no code
//	bit 31     literal
const (
	litBits  = 11 // literals and lengths
	distBits = 8  // distances
	preBits  = 7  // the code that the other two codes' lengths are written in

	// The most entries a table can have over all codes of its alphabet, with
	// all subtables (the "enough" program of the zlib distribution computes
	// them: enough 288 11 15, 32 8 15, 19 7 7).
	litSize  = 2342
	distSize = 402
	preSize  = 128

	maxCode = 15 // bits
	maxLit  = 288
	maxDist = 32

	isLiteral  = 1 << 31
	isSpecial  = 1 << 15
	isSubtable = 1 << 14
	isEnd      = 1 << 13
)

// results are the entries of an alphabet's symbols without their code lengths:
// the value, the flags, and in bits 0–7 the number of extra bits.
var (
	litResults  = makeLitResults()
	distResults = makeDistResults()
	preResults  = makePreResults()
)

func makeLitResults() (r [maxLit]uint32) {
	for i := range 256 {
		r[i] = isLiteral | uint32(i)<<16
	}
	r[256] = isSpecial | isEnd
	base := uint32(3)
	for i := 257; i < 285; i++ {
		extra := uint32(0)
		if i >= 265 {
			extra = uint32(i-261) / 4
		}
		r[i] = base<<16 | extra
		base += 1 << extra
	}
	r[285] = 258 << 16
	r[286], r[287] = isSpecial, isSpecial // take part in the code, never in a stream
	return r
}

func makeDistResults() (r [maxDist]uint32) {
	base := uint32(1)
	for i := range 30 {
		extra := uint32(0)
		if i >= 4 {
			extra = uint32(i-2) / 2
		}
		r[i] = base<<16 | extra
		base += 1 << extra
	}
	r[30], r[31] = isSpecial, isSpecial
	return r
}

func makePreResults() (r [19]uint32) {
	for i := range r {
		r[i] = uint32(i) << 16
	}
	return r
}

// build fills table for the code that gives symbol i the length lens[i]; count
// tells how many have each length. ok is false for lengths that make no code:
// RFC 1951 wants it complete, with two exceptions that zlib makes: a code
// without any symbol, and one with a single symbol of one bit. What such a code
// leaves open decodes to no symbol.
//
// Most streams of a pack are so short that this takes as long as what follows.
func build(table []uint32, tableBits int, lens []uint8, count *[maxCode + 1]uint16, results []uint32) (ok bool) {
	var at [maxCode + 1]uint16 // where the symbols of each length go in sorted
	used, space := uint16(0), 0
	for l := 1; l <= maxCode; l++ {
		at[l] = used
		used += count[l]
		space += int(count[l]) << (maxCode - l) // of 1<<maxCode
	}
	if space != 1<<maxCode {
		if used > 1 || used != count[1] {
			return false
		}
		for i := range table[:1<<tableBits] {
			table[i] = isSpecial
		}
		if used == 1 {
			e := entry(results[slices.Index(lens, 1)], 1)
			for i := 0; i < 1<<tableBits; i += 2 {
				table[i] = e
			}
		}
		return true
	}
	// Those without a code go behind the others: to ask each would be to guess
	// wrong as often as not. Eight without one are passed over at once.
	var sorted [maxLit + 8]uint16
	at[0] = used
	s := 0
	for ; s+8 <= len(lens); s += 8 {
		eight := binary.LittleEndian.Uint64(lens[s:])
		if eight == 0 {
			continue
		}
		for k := range 8 {
			l := eight >> (8 * k) & maxCode
			sorted[at[l]] = uint16(s + k)
			at[l]++
		}
	}
	for ; s < len(lens); s++ {
		l := lens[s] & maxCode
		sorted[at[l]] = uint16(s)
		at[l]++
	}
	fill(table, tableBits, sorted[:used], count, results)
	return true
}

// countLengths tells how many of lens have each length.
func countLengths(lens []uint8) (count [maxCode + 1]uint16) {
	for _, l := range lens {
		count[l&maxCode]++
	}
	return count
}

// entry adds the length of a code to a symbol's result.
func entry(result uint32, length int) uint32 { return result + uint32(length)<<8 + uint32(length) }

// mirrored are the numbers of mirrorBits bits, read from the other end.
var mirrored = makeMirrored()

const mirrorBits = max(litBits, distBits, preBits)

func makeMirrored() (m [1 << mirrorBits]uint16) {
	for i := range m {
		m[i] = bits.Reverse16(uint16(i)) >> (16 - mirrorBits)
	}
	return m
}

// fill writes a complete code. Codes come in rising order; read from the low
// end of a word, as a stream is, they are their own mirror images. Each time the
// length grows by a bit, what is there is doubled, which gives shorter codes all
// their continuations.
func fill(table []uint32, tableBits int, sorted []uint16, count *[maxCode + 1]uint16, results []uint32) {
	code, begun := 0, false
	for length := 1; length <= tableBits; length++ {
		code <<= 1
		if begun {
			half := 1 << (length - 1)
			copy(table[half:2*half], table[:half])
		}
		n := count[length]
		if n == 0 {
			continue
		}
		begun = true
		e := uint32(length)<<8 + uint32(length)
		for _, s := range sorted[:n] {
			table[mirrored[code&(1<<mirrorBits-1)]>>(mirrorBits-length)] = results[s] + e
			code++
		}
		sorted = sorted[n:]
	}
	if len(sorted) > 0 {
		length := tableBits + 1
		for code <<= 1; count[length] == 0; code <<= 1 {
			length++
		}
		fillSubtables(table, tableBits, sorted, count, results, length, int(bits.Reverse16(uint16(code))>>(16-length)))
	}
}

// fillSubtables goes on where codes are longer than the table's bits.
func fillSubtables(table []uint32, tableBits int, sorted []uint16, count *[maxCode + 1]uint16, results []uint32, length, code int) {
	mask := 1<<tableBits - 1
	prefix, start, end := -1, 0, 1<<tableBits
	subBits := 0
	left := int(count[length])
	for _, s := range sorted {
		for left == 0 {
			length++
			left = int(count[length])
		}
		if code&mask != prefix {
			prefix, start = code&mask, end
			// As large as the codes that begin with prefix need it.
			subBits = length - tableBits
			for space := left; space < 1<<subBits; {
				subBits++
				space = space*2 + int(count[tableBits+subBits])
			}
			end = start + 1<<subBits
			table[prefix] = uint32(start)<<16 | isSpecial | isSubtable | uint32(subBits)<<8 | uint32(tableBits)
		}
		e := entry(results[s], length-tableBits)
		for k := code >> tableBits; k < 1<<subBits; k += 1 << (length - tableBits) {
			table[start+k] = e
		}
		if code == 1<<length-1 {
			return // all ones: the last code
		}
		code = next(code, 1<<length)
		left--
	}
}

// next is the code after code, mirrored, where all codes are below end.
func next(code, end int) int {
	top := 1 << (bits.Len(uint(code^(end-1))) - 1)
	return code&(top-1) | top
}
