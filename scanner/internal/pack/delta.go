package pack

import (
	"fmt"
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
// Format: gitformat-pack(5), "Deltified representation".
func applyDelta(dst, base, ops []byte, fresh []Span) ([]Span, error) {
	from := len(fresh)
	at := 0   // written so far
	next := 0 // where the base goes on after the last copy
	run := -1 // where the current run of inserts starts in dst, or -1
	for i := 0; i < len(ops); {
		op := ops[i]
		i++
		if op&0x80 == 0 {
			n := int(op)
			if n == 0 || n > len(ops)-i || n > len(dst)-at {
				return fresh, fmt.Errorf("delta insert of %d bytes: %w", n, ErrCorrupt)
			}
			if run < 0 {
				run = at
			}
			at += copy(dst[at:], ops[i:i+n])
			i += n
			continue
		}
		off, n, used := copyOp(op, ops[i:])
		if used < 0 {
			return fresh, fmt.Errorf("delta copy: %w", ErrCorrupt)
		}
		i += used
		if off > len(base) || n > len(base)-off || n > len(dst)-at {
			return fresh, fmt.Errorf("delta copies %d bytes from %d of %d: %w", n, off, len(base), ErrCorrupt)
		}
		switch {
		case len(fresh)-from == maxFresh:
		case run >= 0:
			fresh = append(fresh, Span{run, at})
			run = -1
		case off != next:
			fresh = append(fresh, Span{at, at})
		}
		at += copy(dst[at:], base[off:off+n])
		next = off + n
	}
	if at != len(dst) {
		return fresh, fmt.Errorf("delta gives %d bytes of %d: %w", at, len(dst), ErrCorrupt)
	}
	switch {
	case run >= 0:
		fresh = append(fresh, Span{run, at})
	case next != len(base):
		fresh = append(fresh, Span{at, at})
	}
	if len(fresh)-from >= maxFresh {
		fresh = append(fresh[:from], Span{0, at})
	}
	return fresh, nil
}

// maxFresh bounds the spans of one object. A delta of two-byte copies, which
// deflates to next to nothing, would have 128 million of them.
const maxFresh = 1 << 16

// copyOp reads the operands of a copy instruction; used is -1 when they are cut
// off.
func copyOp(op byte, b []byte) (off, n, used int) {
	for k := range 7 {
		if op>>k&1 == 0 {
			continue
		}
		if used >= len(b) {
			return 0, 0, -1
		}
		if k < 4 {
			off |= int(b[used]) << (8 * k)
		} else {
			n |= int(b[used]) << (8 * (k - 4))
		}
		used++
	}
	if n == 0 {
		n = 0x10000
	}
	return off, n, used
}
