package inflate

import "encoding/binary"

const (
	// inStep is the input that one round loads at most: two
	// loads of 8 bytes, each 7 behind the one before, and the one that the next
	// round begins with.
	inStep = 24
	// copyRoom is what the copy of a match may write: the longest match of 258
	// bytes, rounded up to whole copies.
	copyRoom = 288
	// outStep is the output that a round writes at most: two literals and a
	// match.
	outStep = copyRoom + 16
)

// outcome is why the rounds of a block ended.
type outcome uint8

const (
	atEdge outcome = iota // too little input or room is left for a whole round
	atEnd                 // the block is complete
	broken
)

// roundsSafe decodes symbols, from three literals to two and a match in a
// round. It may write anything up to dst's capacity.
//
// What counts, in this order: that the next entry is loaded before a match is
// copied, so that both go on at once; that have is kept in the low bits of a
// word whose other bits are rubbish, which spares a mask at each symbol; and
// copies of 16 bytes.
func (t *tables) roundsSafe(s *stream, dst []byte, out int) (int, outcome) {
	in, at, buf, have := s.in, s.at, s.bits, uint32(s.have)
	room := dst[:cap(dst)] // past len(dst) is scratch
	lit, dist := &t.lit, &t.dist
	if at+inStep > len(in) || out+outStep > len(room) {
		return out, atEdge
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
					return out, broken
				}
				return out, atEnd
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
				return out, broken
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
			return out, broken
		}
		copyMatch(room[from:], room[out:out+copyRoom:out+copyRoom], out-from, length)
		out += length
		if at+inStep > len(in) || out+outStep > len(room) {
			break
		}
	}
	s.at, s.bits, s.have = at, buf, uint(have&63)
	return out, atEdge
}

// copyMatch copies length bytes from f to o, which starts distance bytes behind
// f, as if one at a time. It may write up to copyRoom bytes.
func copyMatch(f, o []byte, distance, length int) {
	switch {
	case distance >= 16:
		f = f[:copyRoom:copyRoom]
		o = o[:copyRoom:copyRoom]
		*(*[16]byte)(o) = *(*[16]byte)(f)
		*(*[16]byte)(o[16:]) = *(*[16]byte)(f[16:])
		for length -= 32; length > 0; length -= 16 {
			f, o = f[16:], o[16:]
			*(*[16]byte)(o[16:]) = *(*[16]byte)(f[16:])
		}
	case distance == 1:
		v := uint64(f[0]) * 0x0101010101010101
		for k := 0; k < length; k += 8 {
			binary.LittleEndian.PutUint64(o[k:], v)
		}
	case distance >= 8:
		f = f[:copyRoom:copyRoom]
		for k := 0; k < length; k += 8 {
			binary.LittleEndian.PutUint64(o[k:], binary.LittleEndian.Uint64(f[k:]))
		}
	default:
		f = f[:distance+length]
		for k := range length {
			o[k] = f[k]
		}
	}
}
