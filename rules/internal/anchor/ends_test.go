package anchor

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// endsSlow looks at every place.
func endsSlow(e *Ends, data []byte, from int) int {
	has := func(at int) bool { return at < len(data) && data[at] == e.end }
	for at := from; at < len(data); at++ {
		if has(at) && !has(at+1) && (has(at+e.near) || has(at+e.far)) {
			return at
		}
	}
	return -1
}

func checkEnds(t *testing.T, e *Ends, data []byte, from int) {
	t.Helper()
	want := endsSlow(e, data, from)
	if got := e.Next(data, from); got != want {
		t.Errorf("NewEnds(%q, %d, %d).Next(%q, %d) = %d, want %d", e.end, e.near, e.far, data, from, got, want)
	}
	if got := e.next(data, from); got != want {
		t.Errorf("NewEnds(%q, %d, %d).next(%q, %d) = %d, want %d", e.end, e.near, e.far, data, from, got, want)
	}
}

// Every place of buffers of every length, with few and with many of the bytes.
func TestEndsAreFoundAtEveryPlace(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 52))
	found := 0
	for _, e := range []*Ends{NewEnds('A', 3, 6), NewEnds('A', 2, 2), NewEnds('x', 5, 40)} {
		for size := range 200 {
			for round := range 20 {
				data := make([]byte, size)
				for i := range data {
					data[i] = "AAxyBBBBBBBBBBBB"[r.IntN([]int{2, 5, 16}[round%3])]
				}
				checkEnds(t, e, data, 0)
				checkEnds(t, e, data, r.IntN(size+1))
				if e.Next(data, 0) >= 0 {
					found++
				}
			}
		}
	}
	if found < 1000 {
		t.Errorf("%d of 12000 buffers have one: too few to tell", found)
	}
}

func FuzzEnds(f *testing.F) {
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAKIAAAAA"), byte('A'), uint8(3), uint8(6), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, end byte, near, far, from uint8) {
		checkEnds(t, NewEnds(end, max(2, int(near)), max(2, int(near), int(far))), data, min(int(from), len(data)))
	})
}

func BenchmarkEnds(b *testing.B) {
	r := rand.New(rand.NewPCG(53, 54))
	text := make([]byte, 4<<10)
	for i := range text {
		text[i] = "abcdefghij klmnopqrstuvwxyz\nDATABASE_NAME"[r.IntN(41)]
	}
	for name, data := range map[string][]byte{"text": text, "run": bytes.Repeat([]byte("A"), 4<<10)} {
		e := NewEnds('A', 3, 6)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				for at := e.Next(data, 0); at >= 0; at = e.Next(data, at+1) {
				}
			}
		})
	}
}
