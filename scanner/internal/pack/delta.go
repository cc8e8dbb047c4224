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
// Most pieces are short, so those are copied as two words where there is room
// for them; a call of memmove takes longer than that.
//
// Format: gitformat-pack(5), "Deltified representation".
func applyDelta(dst, base, ops []byte, fresh []Span) ([]Span, error) {
	f := freshList{fresh, len(fresh)}
	at := 0   // written so far
	next := 0 // where the base goes on after the last copy
	run := -1 // where the current run of inserts starts in dst, or -1
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
			copyShort(dst[at:], ops[i:], n)
			at += n
			i += n
			continue
		}
		off, n, used := copyOp(op, ops[i:])
		if used < 0 {
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
		copyShort(dst[at:], base[off:], n)
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

// copyShort copies n bytes, which both slices have.
func copyShort(dst, src []byte, n int) {
	if n <= 16 && len(dst) >= 16 && len(src) >= 16 {
		a, b := binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[8:])
		binary.LittleEndian.PutUint64(dst, a)
		binary.LittleEndian.PutUint64(dst[8:], b)
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
		n = 0x10000
	}
	return off, n, used
}
