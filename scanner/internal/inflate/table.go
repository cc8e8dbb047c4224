package inflate

import "math/bits"

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

// build fills table for the code that gives symbol i the length lens[i]. ok is
// false for lengths that make no code: RFC 1951 wants it complete, with two
// exceptions that zlib makes: a code without any symbol, and one with a single
// symbol of one bit. What such a code leaves open decodes to no symbol.
func build(table []uint32, tableBits int, lens []uint8, results []uint32) (ok bool) {
	var count [maxCode + 1]uint16
	for _, l := range lens {
		count[l&maxCode]++
	}
	// Sort the symbols by the length of their codes.
	var at [maxCode + 2]uint16
	space := 0 // what the codes take of 1<<maxCode
	for l := 1; l <= maxCode; l++ {
		at[l+1] = at[l] + count[l]
		space += int(count[l]) << (maxCode - l)
	}
	used := int(at[maxCode+1])
	if space != 1<<maxCode {
		if space > 1<<maxCode || !(used == 0 || used == 1 && count[1] == 1) {
			return false
		}
		for i := range table[:1<<tableBits] {
			table[i] = isSpecial
		}
		if used == 1 {
			for s, l := range lens {
				if l == 1 {
					e := entry(results[s], 1)
					for i := 0; i < 1<<tableBits; i += 2 {
						table[i] = e
					}
				}
			}
		}
		return true
	}
	var sorted [maxLit]uint16
	for s, l := range lens {
		if l != 0 {
			sorted[at[l]] = uint16(s)
			at[l]++
		}
	}
	fill(table, tableBits, sorted[:used], &count, results)
	return true
}

// entry adds the length of a code to a symbol's result.
func entry(result uint32, length int) uint32 { return result + uint32(length)<<8 + uint32(length) }

// fill writes a complete code. Codes come in rising order; read from the low
// end of a word, as a stream is, they are their own mirror images, so counting
// up is done from the top bit down. Each time the length grows by a bit, what
// is there is doubled, which gives shorter codes all their continuations.
func fill(table []uint32, tableBits int, sorted []uint16, count *[maxCode + 1]uint16, results []uint32) {
	length := 1
	for count[length] == 0 {
		length++
	}
	left := count[length]
	end := 1 << length
	if length > tableBits {
		end = 1 << tableBits
	}
	code := 0
	i := 0
	for length <= tableBits {
		for ; left > 0; left-- {
			table[code] = entry(results[sorted[i]], length)
			i++
			if code == end-1 {
				for ; end < 1<<tableBits; end *= 2 {
					copy(table[end:2*end], table[:end])
				}
				return
			}
			code = next(code, end)
		}
		for left == 0 {
			length++
			if length <= tableBits {
				copy(table[end:2*end], table[:end])
				end *= 2
			}
			left = count[length]
		}
	}
	fillSubtables(table, tableBits, sorted[i:], count, results, length, code)
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
