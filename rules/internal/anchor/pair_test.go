package anchor

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// The classes and lengths that package rules looks for.
const (
	upperSet, upperLen = "A-Z0-9", 20
	longSet, longLen   = `A-Za-z0-9+/\%&#;`, 26
)

func newPair(a string, n int, b string, m int) *Pair {
	return NewPair(NewRuns(NewClass(a), n), NewRuns(NewClass(b), m))
}

// plain is the pair's twin that looks for one class after the other.
func (p *Pair) plain() *Pair {
	twin := *p
	twin.fused = false
	return &twin
}

func allRuns(c *Cursor, p *Pair, data []byte) (runs [2][][2]int) {
	c.Start(p, data)
	for {
		class, start, end := c.Next()
		if class < 0 {
			return runs
		}
		runs[class] = append(runs[class], [2]int{start, end})
	}
}

func slowRuns(p *Pair, data []byte) (runs [2][][2]int) {
	for i, r := range p.runs {
		for at := 0; ; {
			start, end := nextSlow(r.class, data, at, r.n)
			if start < 0 {
				break
			}
			runs[i] = append(runs[i], [2]int{start, end})
			at = end
		}
	}
	return runs
}

func checkRuns(t *testing.T, c *Cursor, p *Pair, data []byte) {
	t.Helper()
	want := slowRuns(p, data)
	for i, twin := range []*Pair{p, p.plain()} {
		got := allRuns(c, twin, data)
		for k := range want {
			if !slices.Equal(got[k], want[k]) {
				t.Errorf("twin %d finds the runs %v of class %d in %d bytes %.300q, want %v", i, got[k], k, len(data), data, want[k])
			}
		}
	}
}

// What the program is built for must not fall back silently to the slow way.
func TestRulesClassesAreFused(t *testing.T) {
	if p := newPair(upperSet, upperLen, longSet, longLen); p.fused != canFuse {
		t.Errorf("NewPair is fused: %v, where the machine can: %v", p.fused, canFuse)
	}
}

// Each byte, between bytes of no class, tells how it is looked up.
func TestLookupHoldsTheClasses(t *testing.T) {
	for _, sets := range [][2]string{{upperSet, longSet}, {longSet, upperSet}, {"a-z", "A-Z"}, {"a", "a"}, {"!-~", "0"}} {
		l, ok := newLookup(NewRuns(NewClass(sets[0]), 16), NewRuns(NewClass(sets[1]), 32))
		if !ok {
			t.Errorf("newLookup(%q) does not fit", sets)
		}
		for b := range 128 {
			found := l.low[b%halves] & l.high[b/halves]
			for i, set := range sets {
				if got, want := found&l.bits[i] != 0, NewClass(set)[b]; got != want {
					t.Errorf("newLookup(%q): byte %#x is in class %d: %v, want %v", sets, b, i, got, want)
				}
			}
		}
	}
	for _, sets := range [][2]string{{"!2CTev", "'8IZk|"}, {"a", "\x80"}} {
		if l, ok := newLookup(NewRuns(NewClass(sets[0]), 16), NewRuns(NewClass(sets[1]), 16)); ok {
			t.Errorf("newLookup(%q) = %v, want no table", sets, l)
		}
	}
}

// Runs of every length at every place, alone, behind one that is a byte too
// short, and in noise.
func TestPairFindsRunsAtEveryPlace(t *testing.T) {
	p := newPair(upperSet, upperLen, longSet, longLen)
	class := [2][]byte{[]byte("ABCXYZ0189"), []byte(`az+/\%&#;AZ09`)}
	others := []byte("\x00 -_.:=@[]^`{|}~\x7f\x80\xb0\xff\n")
	var c Cursor
	for _, n := range []int{15, 16, 19, 20, 21, 25, 26, 27, 31, 32, 33, 63, 64, 65, 130} {
		for size := 1; size <= 330; size += 47 {
			for at := range size {
				data := make([]byte, size)
				for i := range data {
					data[i] = others[(i*7+at)%len(others)]
					in := class[(at+n)%2]
					if i >= at && i < at+n || i < at-1 && i >= at-n || i%5 == 0 && i > at+n {
						data[i] = in[(i*11+size)%len(in)]
					}
				}
				checkRuns(t, &c, p, data)
			}
		}
	}
}

// All lengths that can be fused, in buffers of several pieces, whose seams lie
// in runs and beside them.
func TestPairFindsRunsAcrossPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	var c Cursor
	for n := minFused; n <= maxFused; n++ {
		m := minFused + r.IntN(maxFused-minFused+1)
		p := newPair(upperSet, n, longSet, m)
		if p.fused != canFuse {
			t.Fatalf("runs of %d and %d are not fused", n, m)
		}
		for range 40 {
			data := make([]byte, piece+r.IntN(2*piece))
			for at := 0; at < len(data); {
				length := r.IntN(60)
				if r.IntN(20) == 0 {
					length = r.IntN(2 * piece)
				}
				from := [...]string{"AZ09", "az+;", "AZ09az", "._ -\x80\xff"}[r.IntN(4)]
				for end := min(len(data), at+length); at < end; at++ {
					data[at] = from[r.IntN(len(from))]
				}
				if at < len(data) {
					data[at] = '.'
					at++
				}
			}
			checkRuns(t, &c, p, data)
		}
	}
}

// Where the tables do not fit, the twin does the work.
func TestPairFallsBack(t *testing.T) {
	var c Cursor
	data := []byte("aaaaa.bbbbb..\x80\x80\x80\x80.aaa")
	for _, p := range []*Pair{newPair("a", 3, "\x80", 3), newPair("a", 3, "b", 2)} {
		if p.fused {
			t.Errorf("NewPair is fused")
		}
		checkRuns(t, &c, p, data)
	}
}

func FuzzPair(f *testing.F) {
	f.Add([]byte("the_quick THEQUICKBROWNFOX2345JUMPSOVER brown/fox/jumps/over/the/lazy/dog"), uint16(0))
	f.Add([]byte("A"), uint16(700))
	p := newPair(upperSet, upperLen, longSet, longLen)
	f.Fuzz(func(t *testing.T, data []byte, stretch uint16) {
		if len(data) > 1<<12 {
			return
		}
		var c Cursor
		checkRuns(t, &c, p, data)
		if len(data) > 0 { // one byte drawn out, perhaps across pieces
			at := int(stretch) % len(data)
			checkRuns(t, &c, p, slices.Concat(data[:at], bytes.Repeat(data[at:at+1], int(stretch)%(2*piece)), data[at:]))
		}
	})
}

func BenchmarkPair(b *testing.B) {
	line := []byte("static int read_entry(struct walk_state *state, const char *name, size_t length)\n{\n\tif (!state->open)\n\t\treturn -1;\n")
	p := newPair(upperSet, upperLen, longSet, longLen)
	var c Cursor
	for _, size := range []int{200, 2 << 10, 16 << 10, 1 << 20} {
		data := bytes.Repeat(line, size/len(line)+1)[:size]
		for name, twin := range map[string]*Pair{"fused": p, "plain": p.plain()} {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					allRuns(&c, twin, data)
				}
			})
		}
	}
}
