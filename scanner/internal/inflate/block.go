package inflate

// block decodes the symbols of one block: in rounds, as long as there is input
// and room for a whole one, and the rest carefully.
func (d *Decoder) block(t *tables, s *stream, dst []byte, out int) (int, error) {
	rounds := (*tables).rounds
	if d.safe {
		rounds = (*tables).roundsSafe
	}
	out, how := rounds(t, s, dst, out)
	switch {
	case how == broken:
		return out, ErrCorrupt
	case out > len(dst):
		return len(dst), ErrSize
	case how == atEnd:
		return out, nil
	}
	return t.careful(s, dst, out)
}

// careful decodes to the end of a block, a symbol at a time, and never touches
// what is past the end of dst or of the input.
func (t *tables) careful(s *stream, dst []byte, out int) (int, error) {
	for {
		s.fill()
		e := s.symbol(t.lit[:], litBits)
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
		if e = s.symbol(t.dist[:], distBits); e&isSpecial != 0 {
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
