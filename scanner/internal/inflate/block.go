package inflate

import "encoding/binary"

const (
	// inStep is the input that one round of block's loop loads at most: two
	// loads of 8 bytes, each 7 behind the one before, and the one that the next
	// round begins with.
	inStep = 24
	// copyRoom is what block's copies may write: the longest match of 258
	// bytes, rounded up to whole words.
	copyRoom = 288
	// outStep is the output that a round writes at most: two literals and a
	// match.
	outStep = copyRoom + 16
)

// block decodes the symbols of one block, as long as there is input and room
// for a whole round of the loop, and leaves the rest to careful.
//
// Measured on the blobs of two packs, with the checksum left out, one core,
// ratio to libdeflate 1.14 in the same run: redis 1.23–1.27, botocore 1.32.
// What counts, in this order: that the next entry is loaded before a match is
// copied, so that both go on at once; that have is kept in the low bits of a
// word whose other bits are rubbish, which spares a mask at each symbol; and
// memmove for long matches.
func (d *Decoder) block(s *stream, dst []byte, out int) (int, error) {
	in, at, buf, have := s.in, s.at, s.bits, uint32(s.have)
	room := dst[:cap(dst)] // past len(dst) is scratch
	lit, dist := &d.lit, &d.dist
	if at+inStep > len(in) || out+outStep > len(room) {
		return d.careful(s, dst, out)
	}
	buf |= binary.LittleEndian.Uint64(in[at:]) << (have & 63)
	at += int((63-have)&63) >> 3
	have |= 56
	e := lit[buf&(1<<litBits-1)]
	for {
		saved := buf
		buf >>= e & 63
		have -= e
		// Up to three literals: 33 bits, or two and a match's length: 42.
		if e&isLiteral != 0 {
			room[out] = byte(e >> 16)
			e = lit[buf&(1<<litBits-1)]
			saved = buf
			buf >>= e & 63
			have -= e
			out++
			if e&isLiteral != 0 {
				room[out] = byte(e >> 16)
				e = lit[buf&(1<<litBits-1)]
				saved = buf
				buf >>= e & 63
				have -= e
				out++
			}
		}
		if e&isSpecial != 0 && e&isSubtable != 0 {
			// Always in range; the check is for a compiler that cannot know.
			e = lit[min(uint64(e>>16)+buf&(1<<(e>>8&31)-1), litSize-1)]
			saved = buf
			buf >>= e & 63
			have -= e
		}
		if e&(isLiteral|isSpecial) != 0 {
			if e&isSpecial != 0 {
				s.at, s.bits, s.have = at, buf, uint(have&63)
				if e&isEnd == 0 {
					return out, ErrCorrupt
				}
				return fits(dst, out)
			}
			room[out] = byte(e >> 16)
			out++
			if at+inStep > len(in) || out+outStep > len(room) {
				break
			}
			buf |= binary.LittleEndian.Uint64(in[at:]) << (have & 63)
			at += int((63-have)&63) >> 3
			have |= 56
			e = lit[buf&(1<<litBits-1)]
			continue
		}
		// A length; its extra bits lie behind the code.
		length := int(e>>16) + int((saved&(1<<(e&63)-1))>>(e>>8&31))
		if have&63 < maxCode+13 {
			buf |= binary.LittleEndian.Uint64(in[at:]) << (have & 63)
			at += int((63-have)&63) >> 3
			have |= 56
		}
		e = dist[buf&(1<<distBits-1)]
		if e&isSpecial != 0 {
			if e&isSubtable != 0 {
				buf >>= e & 63
				have -= e
				e = dist[min(uint64(e>>16)+buf&(1<<(e>>8&31)-1), distSize-1)]
			}
			if e&isSpecial != 0 {
				return out, ErrCorrupt
			}
		}
		from := out - int(e>>16) - int((buf&(1<<(e&63)-1))>>(e>>8&31))
		buf >>= e & 63
		have -= e
		buf |= binary.LittleEndian.Uint64(in[at:]) << (have & 63)
		at += int((63-have)&63) >> 3
		have |= 56
		e = lit[buf&(1<<litBits-1)]
		if from < 0 {
			return out, ErrCorrupt
		}
		copyMatch(room[from:], room[out:out+copyRoom:out+copyRoom], out-from, length)
		out += length
		if at+inStep > len(in) || out+outStep > len(room) {
			break
		}
	}
	s.at, s.bits, s.have = at, buf, uint(have&63)
	if out > len(dst) {
		return len(dst), ErrSize
	}
	return d.careful(s, dst, out)
}

// copyMatch copies length bytes from f to o, which starts distance bytes behind
// f, as if one at a time. It may write up to copyRoom bytes.
func copyMatch(f, o []byte, distance, length int) {
	switch {
	case distance >= length && length > 32:
		copy(o[:length], f)
	case distance >= 8:
		f = f[:copyRoom:copyRoom]
		binary.LittleEndian.PutUint64(o, binary.LittleEndian.Uint64(f))
		binary.LittleEndian.PutUint64(o[8:], binary.LittleEndian.Uint64(f[8:]))
		binary.LittleEndian.PutUint64(o[16:], binary.LittleEndian.Uint64(f[16:]))
		for k := 24; k < length; k += 8 {
			binary.LittleEndian.PutUint64(o[k:], binary.LittleEndian.Uint64(f[k:]))
		}
	case distance == 1:
		v := uint64(f[0]) * 0x0101010101010101
		for k := 0; k < length; k += 8 {
			binary.LittleEndian.PutUint64(o[k:], v)
		}
	default:
		f = f[:distance+length]
		for k := range length {
			o[k] = f[k]
		}
	}
}

// fits tells whether a block that ended behind out bytes stayed in dst.
func fits(dst []byte, out int) (int, error) {
	if out > len(dst) {
		return len(dst), ErrSize
	}
	return out, nil
}

// careful decodes to the end of a block, a symbol at a time, and never touches
// what is past the end of dst or of the input.
func (d *Decoder) careful(s *stream, dst []byte, out int) (int, error) {
	for {
		s.fill()
		e := s.symbol(d.lit[:], litBits)
		if s.beyond() {
			return out, ErrTruncated
		}
		if e&isLiteral != 0 {
			if out == len(dst) {
				return out, ErrSize
			}
			dst[out] = byte(e >> 16)
			out++
			continue
		}
		if e&isSpecial != 0 {
			if e&isEnd != 0 {
				return out, nil
			}
			return out, ErrCorrupt
		}
		length := s.value(e)
		s.fill()
		if e = s.symbol(d.dist[:], distBits); e&isSpecial != 0 {
			return out, ErrCorrupt
		}
		from := out - s.value(e)
		if s.beyond() {
			return out, ErrTruncated
		}
		if from < 0 {
			return out, ErrCorrupt
		}
		room := len(dst) - out
		for k := range min(length, room) {
			dst[out+k] = dst[from+k]
		}
		if length > room {
			return len(dst), ErrSize
		}
		out += length
	}
}

// symbol takes the code of a symbol from the stream and gives its entry. Extra
// bits are left for value.
func (s *stream) symbol(table []uint32, tableBits uint) uint32 {
	e := table[s.bits&(1<<tableBits-1)]
	if e&isSpecial != 0 && e&isSubtable != 0 {
		s.take(uint(e & 0xff))
		e = table[uint64(e>>16)+s.bits&(1<<(e>>8&31)-1)]
	}
	s.take(uint(e >> 8 & 31))
	return e
}

// value takes the extra bits of a length or distance and gives its value.
func (s *stream) value(e uint32) int { return int(e>>16&0x7fff) + int(s.take(uint(e&0xff-e>>8&31))) }
