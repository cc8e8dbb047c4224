package pack

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// deltaSizes reads the head of a delta: the sizes of base and result in bytes.
func deltaSizes(delta []byte) (base, result uint64, rest []byte, err error) {
	base, rest, err = deltaSize(delta)
	if err != nil {
		return 0, 0, nil, err
	}
	result, rest, err = deltaSize(rest)
	return base, result, rest, err
}

func deltaSize(b []byte) (n uint64, rest []byte, err error) {
	for i := range b {
		if i == 9 {
			break // 63 bits are enough for anybody
		}
		n |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return n, b[i+1:], nil
		}
	}
	return 0, nil, fmt.Errorf("delta size: %w", ErrCorrupt)
}

// applyDelta rebuilds an object: it runs the instructions in ops (a delta
// without its head) on base and fills the whole of dst. The spans it appends to
// fresh are as Object describes them. dst must not overlap base.
//
// Most instructions move less than 64 bytes, of a length that nobody can guess,
// so short and wide are the same to copyPiece, and the operands of a copy are
// taken out of one word where it has no hole.
//
// Format: gitformat-pack(5), "Deltified representation".
func applyDelta(dst, base, ops []byte, fresh []Span) ([]Span, error) {
	f := freshList{fresh, len(fresh)}
	at := 0   // written so far
	next := 0 // where the base goes on after the last copy
	run := -1 // where the current run of inserts starts in dst, or -1
	// What is read behind ops may be rubbish, which used tells apart.
	wide := ops[:min(cap(ops), len(ops)+8)]
	for i := 0; i < len(ops); {
		op := ops[i]
		i++
		if op&0x80 == 0 {
			n := int(op)
			if n == 0 || n > len(ops)-i || n > len(dst)-at {
				return f.spans, fmt.Errorf("delta insert of %d bytes: %w", n, ErrCorrupt)
			}
			if run < 0 {
				run = at
			}
			copyPiece(dst[at:], ops[i:], n)
			at += n
			i += n
			continue
		}
		var off, n, used int
		if form := &copyForms[op&0x7f]; form.known && len(wide)-i >= 8 {
			off, n, used = form.read(binary.LittleEndian.Uint64(wide[i:]))
		} else {
			off, n, used = copyOp(op, ops[i:])
		}
		if used < 0 || used > len(ops)-i {
			return f.spans, fmt.Errorf("delta copy: %w", ErrCorrupt)
		}
		i += used
		if off > len(base) || n > len(base)-off || n > len(dst)-at {
			return f.spans, fmt.Errorf("delta copies %d bytes from %d of %d: %w", n, off, len(base), ErrCorrupt)
		}
		if run >= 0 {
			f.add(run, at)
			run = -1
		} else if off != next {
			f.add(at, at)
		}
		copyPiece(dst[at:], base[off:], n)
		at += n
		next = off + n
	}
	if at != len(dst) {
		return f.spans, fmt.Errorf("delta gives %d bytes of %d: %w", at, len(dst), ErrCorrupt)
	}
	if run >= 0 {
		f.add(run, at)
	} else if next != len(base) {
		f.add(at, at)
	}
	if len(f.spans)-f.from >= maxFresh {
		f.spans = append(f.spans[:f.from], Span{0, at})
	}
	return f.spans, nil
}

// copyPiece copies n bytes, which both slices have. Up to 64 it copies as many
// where there is room for them: a call of memmove, and the branch that decides on
// it, take longer.
func copyPiece(dst, src []byte, n int) {
	if n <= 64 && len(dst) >= 64 && len(src) >= 64 {
		*(*[16]byte)(dst) = *(*[16]byte)(src)
		*(*[16]byte)(dst[16:]) = *(*[16]byte)(src[16:])
		*(*[16]byte)(dst[32:]) = *(*[16]byte)(src[32:])
		*(*[16]byte)(dst[48:]) = *(*[16]byte)(src[48:])
		return
	}
	copy(dst[:n], src)
}

const (
	// maxFresh bounds the spans of one object. A delta of two-byte copies, which
	// deflates to next to nothing, would have 128 million of them.
	maxFresh = 1 << 16
	// freshGap is how close two spans are one: nobody looks at less around a
	// span, and a file that was edited all over has ten times fewer of them.
	freshGap = 64
)

// freshList collects spans in rising order.
type freshList struct {
	spans []Span
	from  int // where this object's begin
}

func (f *freshList) add(start, end int) {
	if n := len(f.spans); n > f.from {
		if last := &f.spans[n-1]; start-last.End < freshGap || n-f.from == maxFresh {
			last.End = end
			return
		}
	}
	f.spans = append(f.spans, Span{start, end})
}

// maxCopy is what a copy instruction without a size copies.
const maxCopy = 0x10000

// copyForm says how the operands of a copy instruction lie in the word behind
// it: the offset is in its low bytes, the size from bit at on.
type copyForm struct {
	offset, size uint64 // masks
	at, used     uint8
	known        bool // false when a byte between others is left out
}

// read takes the operands out of the word behind the instruction.
func (f *copyForm) read(w uint64) (off, n, used int) {
	off, n = int(w&f.offset), int(w>>(f.at&63)&f.size)
	if n == 0 {
		n = maxCopy
	}
	return off, n, int(f.used)
}

// copyForms are the forms by an instruction's seven low bits.
var copyForms = makeCopyForms()

func makeCopyForms() (forms [0x80]copyForm) {
	for op := range forms {
		offBytes, sizeBytes := bits.Len8(uint8(op&0xf)), bits.Len8(uint8(op>>4))
		forms[op] = copyForm{
			offset: 1<<(8*offBytes) - 1, size: 1<<(8*sizeBytes) - 1,
			at: uint8(8 * offBytes), used: uint8(offBytes + sizeBytes),
			known: op == 1<<offBytes-1|(1<<sizeBytes-1)<<4,
		}
	}
	return forms
}

// copyOp reads the operands of a copy instruction; used is -1 when they are cut
// off.
func copyOp(op byte, b []byte) (off, n, used int) {
	if bits.OnesCount8(op&0x7f) > len(b) {
		return 0, 0, -1
	}
	for shift := 0; shift < 32; shift += 8 {
		if op&1 != 0 {
			off |= int(b[used]) << shift
			used++
		}
		op >>= 1
	}
	for shift := 0; shift < 24; shift += 8 {
		if op&1 != 0 {
			n |= int(b[used]) << shift
			used++
		}
		op >>= 1
	}
	if n == 0 {
		n = maxCopy
	}
	return off, n, used
}
