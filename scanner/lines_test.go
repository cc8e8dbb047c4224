package scanner

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestPositionsInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(60, 1))
	for range 200 {
		data := make([]byte, r.IntN(4*lineBlock))
		for i := range data {
			data[i] = "abcd\n"[r.IntN(5)]
			if r.IntN(2) == 0 {
				data[i] = 'x'
			}
		}
		if r.IntN(4) == 0 {
			data = bytes.ReplaceAll(data, []byte("\n"), []byte("y"))
		}
		// A window begins at some place of the whole.
		start := r.IntN(len(data) + 1)
		w := &window{}
		w.advance(data[:start])
		lines := w.lines(data[start:])
		for range 20 {
			at := start + r.IntN(len(data)-start+1)
			want := Position{
				Line:   bytes.Count(data[:at], []byte("\n")) + 1,
				Column: at - bytes.LastIndexByte(data[:at], '\n'),
				Offset: at,
			}
			if got := lines.position(at - start); got != want {
				t.Fatalf("position of %d in a window from %d on = %+v, want %+v", at, start, got, want)
			}
		}
	}
}
