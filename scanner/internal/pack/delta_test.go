package pack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// slowDelta is applyDelta's twin: it grows its result byte by byte and keeps,
// for each byte, the place of the base that it was copied from, or -1.
func slowDelta(base, ops []byte, limit int) (out []byte, from []int, ok bool) {
	for len(ops) > 0 {
		op := ops[0]
		ops = ops[1:]
		switch {
		case op == 0:
			return nil, nil, false
		case op < 0x80:
			for range op {
				if len(ops) == 0 {
					return nil, nil, false
				}
				out, from, ops = append(out, ops[0]), append(from, -1), ops[1:]
			}
		default:
			var field [7]int
			for i := range field {
				if op&(1<<i) != 0 {
					if len(ops) == 0 {
						return nil, nil, false
					}
					field[i], ops = int(ops[0]), ops[1:]
				}
			}
			at := field[0] + field[1]*256 + field[2]*256*256 + field[3]*256*256*256
			n := field[4] + field[5]*256 + field[6]*256*256
			if n == 0 {
				n = 65536
			}
			for ; n > 0; n-- {
				if at >= len(base) || len(out) > limit {
					return nil, nil, false
				}
				out, from = append(out, base[at]), append(from, at)
				at++
			}
		}
	}
	return out, from, true
}

// checkDelta runs both twins and compares results and spans.
func checkDelta(t testing.TB, base, ops []byte, size int) {
	t.Helper()
	want, from, ok := slowDelta(base, ops, size)
	ok = ok && len(want) == size
	// What stands behind the instructions in memory is none of them.
	for _, behind := range []int{0, 1, 8} {
		ops := append(bytes.Clone(ops), bytes.Repeat([]byte{0x11}, behind)...)
		checkApplied(t, base, ops[:len(ops)-behind:len(ops)], want, from, ok, size)
	}
}

func checkApplied(t testing.TB, base, ops, want []byte, from []int, ok bool, size int) {
	t.Helper()
	dst := bytes.Repeat([]byte{0xee}, size+8)
	before := []Span{{-7, -7}}
	fresh, err := applyDelta(dst[:size:size], base, ops, before)
	if ok != (err == nil) {
		t.Fatalf("applyDelta(%d bytes, base of %d, %x): %v, its twin says %v", size, len(base), ops, err, ok)
	}
	if !bytes.Equal(dst[size:], bytes.Repeat([]byte{0xee}, 8)) {
		t.Fatalf("applyDelta(%x) wrote past its buffer", ops)
	}
	if !ok {
		return
	}
	if !bytes.Equal(dst[:size], want) {
		t.Fatalf("applyDelta(%x) = %x, its twin gives %x", ops, dst[:size], want)
	}
	if fresh[0] != before[0] {
		t.Fatalf("applyDelta changed spans that were there before")
	}
	checkSpans(t, fresh[1:], from, len(base), size)
}

// checkSpans makes sure that spans are in order, that what lies between two is
// one run of the base, and that a base which is not all there left a seam.
func checkSpans(t testing.TB, fresh []Span, from []int, base, size int) {
	t.Helper()
	at, next := 0, 0 // next: where the base goes on when no span is between
	for i := 0; i <= len(fresh); i++ {
		s := Span{size, size}
		if i < len(fresh) {
			s = fresh[i]
		}
		if s.Start < at || s.End < s.Start || s.End > size {
			t.Fatalf("spans %v of %d bytes are out of order", fresh, size)
		}
		for k := at; k < s.Start; k++ {
			if from[k] < 0 || k > at && from[k] != from[k-1]+1 {
				t.Fatalf("spans %v: byte %d comes from %d of the base, not from one run", fresh, k, from[k])
			}
		}
		if i == 0 && s.Start > 0 && from[0] != 0 {
			t.Fatalf("spans %v: the start of the base was skipped without a seam", fresh)
		}
		if s.Start > at {
			next = from[s.Start-1] + 1
		}
		at = s.End
	}
	tail := len(fresh) == 0 || fresh[len(fresh)-1].End < size
	if tail && next != base {
		t.Fatalf("spans %v: the end of the base was skipped without a seam", fresh)
	}
}

// Every program of up to four instructions out of a small set, on a small base.
func TestApplyDeltaEqualsItsTwinExhaustively(t *testing.T) {
	t.Parallel()
	base := []byte("abcd")
	alphabet := [][]byte{
		insertOp("x"), insertOp("yz"), {0x80}, {0x90, 1}, {0x90, 4}, {0x91, 1, 1}, {0x91, 2, 2}, {0x91, 3, 1}, {0x91, 4, 1}, {0x91, 1, 3}, {0}, {2, 'q'},
	}
	var run func(ops []byte, left int)
	run = func(ops []byte, left int) {
		out, _, ok := slowDelta(base, ops, 100)
		checkDelta(t, base, ops, len(out))
		if ok {
			checkDelta(t, base, ops, len(out)+1)
			checkDelta(t, base, ops, max(len(out)-1, 0))
		}
		if left == 0 {
			return
		}
		for _, op := range alphabet {
			run(append(ops[:len(ops):len(ops)], op...), left-1)
		}
	}
	run(nil, 4)
}

func TestApplyDeltaEqualsItsTwinAtRandom(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(11, 12))
	for range 400 {
		base := make([]byte, r.IntN(200_000))
		for i := range base {
			base[i] = byte(r.Uint32())
		}
		var ops []byte
		size := 0
		for range r.IntN(12) {
			if n := 1 + r.IntN(100); r.IntN(2) == 0 || len(base) == 0 {
				ops, size = append(ops, insertOp(strings.Repeat("i", n))...), size+n
			} else {
				at := r.IntN(len(base))
				n := min(1+r.IntN([]int{30, 80, 70_000}[r.IntN(3)]), len(base)-at)
				ops, size = append(ops, copyBytes(at, n)...), size+n
			}
		}
		checkDelta(t, base, ops, size)
	}
}

// Every form of a copy instruction, followed by others and by nothing, on a
// base that is large enough for most of what they say.
func TestApplyDeltaReadsEveryFormOfCopy(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(13, 14))
	base := make([]byte, 1<<18)
	for i := range base {
		base[i] = byte(r.Uint32())
	}
	applied := 0
	for op := 0x80; op <= 0xff; op++ {
		for range 8 {
			ops := []byte{byte(op)}
			most := [7]int{255, 255, 1, 0, 255, 255, 0}
			for bit, m := range most {
				if op>>bit&1 == 1 {
					ops = append(ops, byte(r.IntN(m+1)))
				}
			}
			ops = append(ops, insertOp("behind")[:r.IntN(8)]...)
			out, _, ok := slowDelta(base, ops, len(base))
			if ok {
				applied++
			}
			checkDelta(t, base, ops, len(out))
		}
	}
	if applied < 200 {
		t.Errorf("only %d of %d deltas can be applied: too few to tell", applied, 128*8)
	}
}

// A copy whose operands go on behind the end of the delta, where memory holds
// just what they lack.
func TestApplyDeltaEndsWithItsInstructions(t *testing.T) {
	t.Parallel()
	base := bytes.Repeat([]byte("base"), 1<<10)
	for _, op := range [][]byte{copyBytes(7, 3), copyBytes(1000, 300), copyBytes(0, 9), {0x92, 1, 2}, {0xb1, 4, 5, 0}} {
		out, _, ok := slowDelta(base, op, len(base))
		if !ok {
			t.Fatalf("%x is no delta", op)
		}
		whole := append(bytes.Clone(op), make([]byte, 16)...)
		for n := range len(op) + 1 {
			if _, err := applyDelta(make([]byte, len(out)), base, whole[:n], nil); (err == nil) != (n == len(op)) {
				t.Errorf("applyDelta of %d bytes of %x: %v", n, op, err)
			}
		}
	}
}

func FuzzDelta(f *testing.F) {
	base := []byte("the base that deltas of the corpus stand on")
	for _, l := range [][]byte{
		nil, insertOp("new"), copyBytes(0, len(base)), append(copyBytes(4, 10), insertOp("x")...),
		{0x80},
		{0xff},
		{0},
		{0x91, 5, 3, 0x91, 8, 3},
		{9, 'a'},
		[]byte(fmt.Sprint(base)),
	} {
		f.Add(base, l, 3)
		f.Add(base, l, len(base))
	}
	f.Fuzz(func(t *testing.T, base, ops []byte, size int) {
		if size < 0 || size > 1<<18 {
			return
		}
		if out, _, ok := slowDelta(base, ops, 1<<18); ok && len(out) <= 1<<18 {
			checkDelta(t, base, ops, len(out))
		}
		checkDelta(t, base, ops, size)
		if from, to, rest, err := deltaSizes(ops); err == nil && (from>>63 != 0 || to>>63 != 0 || len(rest) > len(ops)-2) {
			t.Fatalf("deltaSizes(%x) = %d, %d, %d bytes left", ops, from, to, len(rest))
		}
	})
}

// BenchmarkApplyDelta runs instructions as short as source code's are.
func BenchmarkApplyDelta(b *testing.B) {
	r := rand.New(rand.NewPCG(15, 16))
	base := make([]byte, 64<<10)
	var ops []byte
	size := 0
	for size < len(base) {
		n := 8 + r.IntN(40)
		ops, size = append(ops, copyBytes(r.IntN(len(base)-n), n)...), size+n
		n = 4 + r.IntN(60)
		ops, size = append(ops, insertOp(strings.Repeat("i", n))...), size+n
	}
	dst := make([]byte, size)
	var fresh []Span
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if fresh, err = applyDelta(dst, base, ops, fresh[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
