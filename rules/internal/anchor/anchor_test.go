package anchor

import (
	"testing"
)

// nextSlow is the twin of Next that looks at every byte.
func nextSlow(c *Class, data []byte, from, n int) (int, int) {
	for start := from; start < len(data); start++ {
		end := start
		for end < len(data) && c[data[end]] {
			end++
		}
		if end-start >= n {
			return start, end
		}
		start = end
	}
	return -1, -1
}

// Every buffer up to 12 bytes over an alphabet of two, every length of run and
// every start: all that Next can see of a byte is whether it is in the class.
func TestNextAgreesWithSlowTwinExhaustively(t *testing.T) {
	c := NewClass("A")
	for size := range 15 {
		data := make([]byte, size)
		for bits := range 1 << size {
			for i := range data {
				data[i] = "A."[bits>>i&1]
			}
			for n := 1; n <= 9; n++ {
				r := NewRuns(c, n)
				for from := range size + 1 {
					gs, ge := r.Next(data, from)
					ws, we := nextSlow(c, data, from, n)
					if gs != ws || ge != we {
						t.Fatalf("Next(%q, %d, %d) = %d, %d, want %d, %d", data, from, n, gs, ge, ws, we)
					}
				}
			}
		}
	}
}

func TestNewClassReadsRanges(t *testing.T) {
	c := NewClass("-a-c9+")
	var got []byte
	for b := range 256 {
		if c[b] {
			got = append(got, byte(b))
		}
	}
	if want := "+-9abc"; string(got) != want {
		t.Errorf("NewClass(-a-c9+) holds %q, want %q", got, want)
	}
}

func FuzzNext(f *testing.F) {
	f.Add([]byte("the_quick THEQUICKBROWNFOX2345 brown"), uint8(20), uint8(3))
	f.Add([]byte(""), uint8(0), uint8(0))
	c := NewClass("A-Z0-9")
	f.Fuzz(func(t *testing.T, data []byte, n, from uint8) {
		want := int(n%48) + 1
		at := min(int(from), len(data))
		r := NewRuns(c, want)
		gs, ge := r.Next(data, at)
		ws, we := nextSlow(c, data, at, want)
		if gs != ws || ge != we {
			t.Errorf("Next(%q, %d, %d) = %d, %d, want %d, %d", data, at, want, gs, ge, ws, we)
		}
	})
}
