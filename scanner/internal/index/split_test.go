package index

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// encodeEWAH packs sorted positions, with runs where they pay.
func encodeEWAH(positions []int) []byte {
	var words []uint64
	for _, p := range positions {
		for len(words) <= p/64 {
			words = append(words, 0)
		}
		words[p/64] |= 1 << (p % 64)
	}
	var out []uint64
	for len(words) > 0 {
		marker := len(out)
		out = append(out, 0)
		if w := words[0]; w == 0 || w == ^uint64(0) {
			n := 0
			for n < len(words) && words[n] == w {
				n++
			}
			out[marker] = uint64(n)<<1 | w&1
			words = words[n:]
		}
		plain := 0
		for plain < len(words) && words[plain] != 0 && words[plain] != ^uint64(0) {
			plain++
		}
		out[marker] |= uint64(plain) << 33
		out = append(out, words[:plain]...)
		words = words[plain:]
	}
	size := 0
	if len(positions) > 0 {
		size = positions[len(positions)-1] + 1
	}
	return ewah(uint32(size), out...)
}

func ewah(size uint32, words ...uint64) []byte {
	b := binary.BigEndian.AppendUint32(nil, size)
	b = binary.BigEndian.AppendUint32(b, uint32(len(words)))
	for _, w := range words {
		b = binary.BigEndian.AppendUint64(b, w)
	}
	return binary.BigEndian.AppendUint32(b, 0)
}

func TestDecodeEWAHGivesBackPositions(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		limit := 1 + rng.IntN(1000)
		var want []int
		for i, on := 0, false; i < limit; i++ {
			if rng.IntN(50) == 0 {
				on = !on
			}
			if on != (rng.IntN(40) == 0) {
				want = append(want, i)
			}
		}
		set, rest, err := decodeEWAH(append(encodeEWAH(want), 'x'), limit)
		if err != nil || string(rest) != "x" {
			t.Fatalf("decodeEWAH(%d positions) = %q, %v", len(want), rest, err)
		}
		var got []int
		for i := range limit {
			if set.has(i) {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, want) || set.count() != len(want) {
			t.Fatalf("decodeEWAH = %v, want %v", got, want)
		}
	}
}

func TestDecodeEWAHRefusesBombs(t *testing.T) {
	const ones = 1<<33 - 1 // 2^32-1 words of ones
	for _, tt := range []struct {
		name string
		data []byte
		want error
	}{
		{"no header", []byte{0, 0, 0}, ErrTruncated},
		{"more words than bytes", append(ewah(0)[:4], 0xff, 0xff, 0xff, 0xff, 0, 0), ErrTruncated},
		{"ones without end", ewah(10, ones), ErrCorrupt},
		{"ones after zeros without end", ewah(10, ones-1, ones-1, ones-1, 1<<1|1), ErrCorrupt},
		{"words after zeros without end", ewah(10, ones-1, 1<<33, 1), ErrCorrupt},
		{"group longer than the bitmap", ewah(10, 5<<33, 1), ErrCorrupt},
		{"one bit too many", ewah(101, 1<<1|2<<33, 0, 1<<(100-64)), ErrCorrupt},
		{"a run of ones that ends beyond", ewah(128, 2<<1|1), ErrCorrupt},
	} {
		if set, _, err := decodeEWAH(tt.data, 100); !errors.Is(err, tt.want) {
			t.Errorf("decodeEWAH(%s) = %v, %v, want %v", tt.name, set, err, tt.want)
		}
	}
}

func FuzzDecodeEWAH(f *testing.F) {
	f.Add(encodeEWAH([]int{1, 2, 70, 300}), uint16(301))
	f.Add(ewah(10, 1<<33-1), uint16(10))
	f.Fuzz(func(t *testing.T, data []byte, limit uint16) {
		set, _, err := decodeEWAH(data, int(limit))
		if err == nil && len(set) != (int(limit)+63)/64 {
			t.Errorf("decodeEWAH gave %d words for %d positions", len(set), limit)
		}
	})
}

func TestMergeAppliesBitmaps(t *testing.T) {
	base := v2("a", "b", "c", "d")
	base.sum = true
	shared := base.bytes()
	name := "sharedindex." + oid.FromBytes(shared[len(shared)-20:]).String()
	get := func(got string) ([]byte, error) {
		if got != name {
			t.Errorf("shared(%q), want %q", got, name)
		}
		return shared, nil
	}
	link := func(gone, replaced []int) []byte {
		b := slices.Clone(shared[len(shared)-20:])
		return append(append(b, encodeEWAH(gone)...), encodeEWAH(replaced)...)
	}
	for _, tt := range []struct {
		name string
		w    *builder
		want []string // nil for an error
	}{
		{"nothing changed", v2().extension("link", string(link(nil, nil))), []string{"a", "b", "c", "d"}},
		{"no bitmaps", v2().extension("link", string(shared[len(shared)-20:])), []string{"a", "b", "c", "d"}},
		{"gone", v2().extension("link", string(link([]int{0, 3}, nil))), []string{"b", "c"}},
		{"replaced and added", v2("", "aa", "e").extension("link", string(link([]int{0}, []int{2}))), []string{"aa", "b", "c", "d", "e"}},
		{"added once more", v2("b").extension("link", string(link(nil, nil))), []string{"a", "b", "c", "d"}},
		{"too few replacements", v2("").extension("link", string(link(nil, []int{1, 2}))), nil},
		{"replacement with a path", v2("x").extension("link", string(link(nil, []int{1}))), nil},
		{"addition without a path", v2("").extension("link", string(link(nil, nil))), nil},
		{"gone and replaced", v2("").extension("link", string(link([]int{1}, []int{1}))), nil},
		{"beyond the shared index", v2().extension("link", string(link([]int{4}, nil))), nil},
		{"bytes behind", v2().extension("link", string(link(nil, nil))+"x"), nil},
		{"twice", v2().extension("link", string(link(nil, nil))).extension("link", string(link(nil, nil))), nil},
	} {
		ix, err := Parse(tt.w.bytes(), oid.SHA1, get)
		if tt.want == nil {
			if err == nil {
				t.Errorf("Parse(%s) gave no error", tt.name)
			}
			continue
		}
		if err != nil {
			t.Errorf("Parse(%s): %v", tt.name, err)
			continue
		}
		var got []string
		for _, e := range ix.Entries {
			got = append(got, e.Path)
		}
		if !slices.Equal(got, tt.want) || !ix.Split {
			t.Errorf("Parse(%s) = %q, split %v, want %q", tt.name, got, ix.Split, tt.want)
		}
	}
}

// A split index whose shared index is split too could go on for ever.
func TestMergeRefusesNestedSplit(t *testing.T) {
	base := v2("a").extension("link", strings.Repeat("\x00", 20))
	base.sum = true
	shared := base.bytes()
	w := v2().extension("link", string(shared[len(shared)-20:]))
	_, err := Parse(w.bytes(), oid.SHA1, func(string) ([]byte, error) { return shared, nil })
	if !errors.Is(err, ErrShared) {
		t.Errorf("Parse error = %v, want %v", err, ErrShared)
	}
}
