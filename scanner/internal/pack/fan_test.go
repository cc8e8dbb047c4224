package pack

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAFanFindsWhatASearchOfAllFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 1))
	for _, n := range []int{0, 1, 3, 4, 7, 8, 9, 100, 5000} {
		for _, lopsided := range []bool{false, true} {
			names := make([][]byte, n)
			for i := range names {
				names[i] = make([]byte, 20)
				for k := range names[i] {
					names[i][k] = byte(r.Uint32())
				}
				if lopsided { // as only a hostile index is
					copy(names[i], []byte{0xff, 0xff, 0xff, byte(r.IntN(3))})
				}
			}
			slices.SortFunc(names, bytes.Compare)
			f := newFan(n, func(i int) []byte { return names[i] })
			for _, name := range append(slices.Clone(names), make([]byte, 20), bytes.Repeat([]byte{0xff}, 20), bytes.Repeat([]byte{0x7f}, 20)) {
				lo, hi := f.around(name)
				got, ok := search(lo, hi, func(i int) []byte { return names[i] }, name)
				want, found := slices.BinarySearchFunc(names, name, bytes.Compare)
				if ok != found || ok && got != want {
					t.Fatalf("%d names: %x is at %d (%t), want %d (%t)", n, name, got, ok, want, found)
				}
			}
		}
	}
}
