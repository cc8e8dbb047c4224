//go:build !purego

package inflate

import (
	"encoding/binary"
	"unsafe"
)

// rounds is roundsSafe without bounds checks. On all objects of a pack the twin
// takes 1.22 times as long as libdeflate 1.14 on redis, 1.08 on git.git and 1.38
// on botocore, this 1.05, 0.97 and 1.12 times (and libdeflate compares a checksum
// too). Of the CPU time of a whole scan that is 8 in a hundred on redis, 11 on
// botocore, where most is stored whole, and next to nothing on git.git.
//
// What keeps it inside its memory:
//
//   - It begins a round with inStep bytes of input and outStep of room ahead.
//     A round loads at most 22 bytes and writes at most 2 + 272: a match has up
//     to 258 bytes, whatever the stream, because no table entry says more.
//   - A match is copied from dst[0] or behind it.
//   - Tables are looked up as in the twin, where the compiler can see that
//     masks and minima keep the index inside.
func (t *tables) rounds(s *stream, dst []byte, out int) (int, outcome) {
	in, room := unsafe.Pointer(unsafe.SliceData(s.in)), unsafe.Pointer(unsafe.SliceData(dst))
	lastIn, lastOut := len(s.in)-inStep, cap(dst)-outStep
	at, buf, have := s.at, s.bits, uint32(s.have)
	if at > lastIn || out > lastOut {
		return out, atEdge
	}
	lit, dist := &t.lit, &t.dist
	buf |= load64(in, at) << (have & 63)
	at += int((63-have)&63) >> 3
	have |= 56
	e := lit[buf&(1<<litBits-1)]
	for {
		saved := buf
		buf >>= e & 63
		have -= e
		if e&isLiteral != 0 {
			*(*byte)(unsafe.Add(room, out)) = byte(e >> 16)
			e = lit[buf&(1<<litBits-1)]
			saved = buf
			buf >>= e & 63
			have -= e
			out++
			if e&isLiteral != 0 {
				*(*byte)(unsafe.Add(room, out)) = byte(e >> 16)
				e = lit[buf&(1<<litBits-1)]
				saved = buf
				buf >>= e & 63
				have -= e
				out++
			}
		}
		if e&isSpecial != 0 && e&isSubtable != 0 {
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
			*(*byte)(unsafe.Add(room, out)) = byte(e >> 16)
			out++
			if at > lastIn || out > lastOut {
				break
			}
			buf |= load64(in, at) << (have & 63)
			at += int((63-have)&63) >> 3
			have |= 56
			e = lit[buf&(1<<litBits-1)]
			continue
		}
		length := int(e>>16) + int((saved&(1<<(e&63)-1))>>(e>>8&31))
		if have&63 < maxCode+13 {
			buf |= load64(in, at) << (have & 63)
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
		distance := int(e>>16) + int((buf&(1<<(e&63)-1))>>(e>>8&31))
		buf >>= e & 63
		have -= e
		buf |= load64(in, at) << (have & 63)
		at += int((63-have)&63) >> 3
		have |= 56
		e = lit[buf&(1<<litBits-1)]
		if distance > out {
			return out, broken
		}
		o := unsafe.Add(room, out)
		f := unsafe.Add(o, -distance)
		out += length
		switch {
		case distance >= 16:
			copy16(o, f)
			copy16(unsafe.Add(o, 16), unsafe.Add(f, 16))
			for k := 32; k < length; k += 16 {
				copy16(unsafe.Add(o, k), unsafe.Add(f, k))
			}
		case distance == 1:
			v := uint64(*(*byte)(f)) * 0x0101010101010101
			for k := 0; k < length; k += 8 {
				binary.LittleEndian.PutUint64((*[8]byte)(unsafe.Add(o, k))[:], v)
			}
		case distance >= 8:
			for k := 0; k < length; k += 8 {
				*(*[8]byte)(unsafe.Add(o, k)) = *(*[8]byte)(unsafe.Add(f, k))
			}
		default:
			for k := range length {
				*(*byte)(unsafe.Add(o, k)) = *(*byte)(unsafe.Add(f, k))
			}
		}
		if at > lastIn || out > lastOut {
			break
		}
	}
	s.at, s.bits, s.have = at, buf, uint(have&63)
	return out, atEdge
}

func load64(p unsafe.Pointer, at int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(p, at))[:])
}

func copy16(to, from unsafe.Pointer) { *(*[16]byte)(to) = *(*[16]byte)(from) }
