package anchor

import (
	"bytes"
	"fmt"
	"strings"
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

func TestLiteralAgreesWithLibrary(t *testing.T) {
	for _, text := range []string{"a", "ab", "aba", "amzn.mws.", "zz", "aaab", "e e"} {
		l := NewLiteral(text)
		for _, data := range []string{"", "a", "abababa", "aaaaab", "xamzn.mws.amzn.mws", "zzz", "e e e", "amzn.mws", "baaabaaab"} {
			for from := range len(data) + 1 {
				want := strings.Index(data[from:], text)
				if want >= 0 {
					want += from
				}
				if got := l.Next([]byte(data), from); got != want {
					t.Errorf("NewLiteral(%q).Next(%q, %d) = %d, want %d", text, data, from, got, want)
				}
			}
		}
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
		if ps, pe := r.next(data, at); gs != ps || ge != pe {
			t.Errorf("Next(%q, %d, %d) = %d, %d, its twin %d, %d", data, at, want, gs, ge, ps, pe)
		}
		ws, we := nextSlow(c, data, at, want)
		if gs != ws || ge != we {
			t.Errorf("Next(%q, %d, %d) = %d, %d, want %d, %d", data, at, want, gs, ge, ws, we)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	line := []byte("static int read_entry(struct walk_state *state, const char *name, size_t length)\n{\n\tif (!state->open)\n\t\treturn -1;\n")
	data := bytes.Repeat(line, 16<<10/len(line)+1)[:16<<10]
	for _, run := range []struct {
		set string
		n   int
	}{{"A-Z0-9", 20}, {`A-Za-z0-9+/\%&#;`, 27}, {`A-Za-z0-9+/\%&#;`, 40}} {
		r := NewRuns(NewClass(run.set), run.n)
		for name, next := range map[string]func([]byte, int) (int, int){"next": r.Next, "plain": r.next} {
			b.Run(fmt.Sprintf("%s/%d/%s", run.set[:4], run.n, name), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					for at := 0; at >= 0; {
						_, at = next(data, at)
					}
				}
			})
		}
	}
}

// Buffers long enough for skip: a run of every length at every place, alone,
// behind one that is a byte too short, and in noise.
func TestNextFindsRunsAtEveryPlace(t *testing.T) {
	c := NewClass(`A-Za-z0-9+/\%&#;`)
	var class, others []byte
	for b := range 256 {
		if c[b] {
			class = append(class, byte(b))
		} else {
			others = append(others, byte(b))
		}
	}
	for _, n := range []int{15, 16, 17, 20, 26, 31, 32, 33} {
		r := NewRuns(c, n)
		for size := 60; size <= 230; size += 17 {
			for at := range size {
				for _, length := range []int{n - 1, n, n + 1, 2*n + 3, 90} {
					data := make([]byte, size)
					for i := range data {
						data[i] = others[(i*7+at)%len(others)]
					}
					for i := range data {
						if i >= at && i < at+length || i < at-1 && i >= at-n || i%5 == 0 && i > at+length {
							data[i] = class[(i*11+size)%len(class)]
						}
					}
					for _, from := range []int{0, 1, at / 2, at, min(at+1, size)} {
						gs, ge := r.Next(data, from)
						ws, we := nextSlow(c, data, from, n)
						if gs != ws || ge != we {
							t.Fatalf("Next(%q, %d, %d) = %d, %d, want %d, %d", data, from, n, gs, ge, ws, we)
						}
						if gs, ge := r.next(data, from); gs != ws || ge != we {
							t.Fatalf("next(%q, %d, %d) = %d, %d, want %d, %d", data, from, n, gs, ge, ws, we)
						}
					}
				}
			}
		}
	}
}
