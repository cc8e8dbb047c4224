package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// builder writes index files, sound ones and others.
type builder struct {
	format  oid.Format
	version uint32
	count   uint32
	entries []byte
	ext     []byte
	prev    string
	sum     bool // a true checksum instead of none
}

func (w *builder) add(path string, flags uint16) *builder {
	n := len(w.entries)
	w.entries = append(w.entries, make([]byte, statSize)...)
	binary.BigEndian.PutUint32(w.entries[n+24:], ModeFile)
	id := w.format.Sum("blob", []byte(path))
	w.entries = append(w.entries, id.Bytes()...)
	w.entries = binary.BigEndian.AppendUint16(w.entries, flags|uint16(min(len(path), flagNameMask)))
	if w.version == 4 {
		same := 0
		for same < min(len(path), len(w.prev)) && path[same] == w.prev[same] {
			same++
		}
		w.entries = appendOffsetVarint(w.entries, uint64(len(w.prev)-same))
		w.entries = append(append(w.entries, path[same:]...), 0)
	} else {
		w.entries = append(w.entries, path...)
		w.entries = append(w.entries, make([]byte, 8-(len(w.entries)-n)%8)...)
	}
	w.prev = path
	w.count++
	return w
}

func appendOffsetVarint(b []byte, v uint64) []byte {
	out := []byte{byte(v & 0x7f)}
	for v >>= 7; v != 0; v >>= 7 {
		v--
		out = append([]byte{0x80 | byte(v&0x7f)}, out...)
	}
	return append(b, out...)
}

func (w *builder) extension(name, data string) *builder {
	w.ext = append(w.ext, name...)
	w.ext = binary.BigEndian.AppendUint32(w.ext, uint32(len(data)))
	w.ext = append(w.ext, data...)
	return w
}

func (w *builder) bytes() []byte {
	b := binary.BigEndian.AppendUint32([]byte("DIRC"), w.version)
	b = binary.BigEndian.AppendUint32(b, w.count)
	b = append(append(b, w.entries...), w.ext...)
	if !w.sum {
		return append(b, make([]byte, w.format.Size())...)
	}
	h := w.format.New()
	h.Write(b)
	return h.Sum(b)
}

func v2(paths ...string) *builder { return build(2, paths...) }
func v4(paths ...string) *builder { return build(4, paths...) }
func build(version uint32, paths ...string) *builder {
	w := &builder{version: version}
	for _, p := range paths {
		w.add(p, 0)
	}
	return w
}

// patch overwrites bytes counted from the first entry.
func patch(b []byte, at int, with ...byte) []byte {
	copy(b[headerSize+at:], with)
	return b
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	const flagsAt = statSize + 20
	bad := v2("a")
	bad.sum = true
	badSum := bad.bytes()
	badSum[len(badSum)-1] ^= 1
	lying := v2("a", "b").bytes()
	binary.BigEndian.PutUint32(lying[8:], 1<<32-1)
	for _, tt := range []struct {
		name string
		data []byte
		want error
	}{
		{"no bytes", nil, ErrNotIndex},
		{"another file", []byte(strings.Repeat("PACK", 20)), ErrNotIndex},
		{"header alone", v2().bytes()[:20], ErrTruncated},
		{"version 1", build(1).bytes(), ErrVersion},
		{"version 5", build(5).bytes(), ErrVersion},
		{"count that lies", lying, ErrTruncated},
		{"no path", v2("").bytes(), ErrCorrupt},
		{"wrong checksum", badSum, ErrChecksum},
		{"extended flags in version 2", patch(v2("a").bytes(), flagsAt, 0x40, 1), ErrCorrupt},
		{"unknown extended flags", patch(build(3, "abcd").bytes(), flagsAt, 0x40, 1, 0x80, 0, 'a', 0), ErrCorrupt},
		{"length beyond the path", patch(v2("abc").bytes(), flagsAt, 0, 7), ErrCorrupt},
		{"length within the path", patch(v2("abc").bytes(), flagsAt, 0, 2), ErrCorrupt},
		{"path without an end", patch(v2("abc").bytes(), flagsAt+2, []byte("nothing but text")...), ErrTruncated},
		{"prefix beyond the path before", patch(v4("abc", "abd").bytes(), 62+1+4+62, 4), ErrCorrupt},
		{"prefix of the first entry", patch(v4("abc").bytes(), 62, 1), ErrCorrupt},
		{"endless prefix length", patch(v4("abcdefghijkl").bytes(), 62, bytes.Repeat([]byte{0xff}, 12)...), ErrTruncated},
		{"out of order", v2("b", "a").bytes(), ErrCorrupt},
		{"twice the same", v2("a", "a").bytes(), ErrCorrupt},
		{"stages out of order", v2().add("a", 3<<12).add("a", 1<<12).bytes(), ErrCorrupt},
		{"merged and conflicting", v2().add("a", 0).add("a", 1<<12).bytes(), ErrCorrupt},
		{"mandatory extension", v2("a").extension("evil", "").bytes(), ErrUnknownExtension},
		{"extension longer than the file", append(v2("a").extension("TREE", "123").bytes()[:80], make([]byte, 20)...), ErrTruncated},
		{"bytes after the extensions", append(v2("a").bytes(), 1, 2, 3), ErrTruncated},
		{"short link", v2("a").extension("link", "123").bytes(), ErrTruncated},
		{"path too long", v4(strings.Repeat("x", maxPathBytes+1)).bytes(), ErrTooLarge},
	} {
		if ix, err := Parse(tt.data, oid.SHA1, nil); !errors.Is(err, tt.want) {
			t.Errorf("Parse(%s) = %v, %v, want %v", tt.name, ix, err, tt.want)
		}
	}
	if _, err := Parse(v2("a").extension("evil", "").bytes(), oid.SHA1, nil); err == nil || !strings.Contains(err.Error(), "evil") {
		t.Errorf("Parse(mandatory extension) error = %v, want the name in it", err)
	}
}

func TestParseSkipsOptionalExtensions(t *testing.T) {
	data := v2("a").extension("ZZZZ", "123").extension("TREE", "broken").bytes()
	ix, err := Parse(data, oid.SHA1, nil)
	if err != nil || len(ix.Entries) != 1 || ix.Tree != nil {
		t.Errorf("Parse = %+v, %v, want one entry and no tree", ix, err)
	}
}

// Two thousand entries that each cut nothing from a long path are 130 KiB of
// file and would be 128 MiB of paths.
func TestParseBoundsUnfoldedPaths(t *testing.T) {
	w := v4()
	path := strings.Repeat("x", maxPathBytes-2000)
	for range 2000 {
		path += "x"
		w.add(path, 0)
	}
	if _, err := Parse(w.bytes(), oid.SHA1, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Parse error = %v, want %v", err, ErrTooLarge)
	}
}

// Every cut of a sound file is an error, and every flipped bit is one too or
// leaves an index in order.
func TestParseSurvivesDamage(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, version := range []uint32{2, 4} {
		w := build(version, "a", "a/b", "a/c", "b").extension("TREE", "\x004 0\n01234567890123456789")
		w.sum = true
		data := w.bytes()
		for n := range data {
			if _, err := Parse(data[:n], oid.SHA1, nil); err == nil {
				t.Errorf("Parse(first %d of %d bytes) gave no error", n, len(data))
			}
		}
		w.sum = false
		data = w.bytes()
		for range 20_000 {
			bad := bytes.Clone(data)
			for range 1 + rng.IntN(3) {
				bad[rng.IntN(len(bad)-20)] ^= 1 << rng.IntN(8)
			}
			checkParsed(t, bad, nil)
		}
	}
}

// checkParsed parses bytes that may be anything and checks Parse's promises.
func checkParsed(t *testing.T, data []byte, shared func(string) ([]byte, error)) {
	t.Helper()
	for _, f := range []oid.Format{oid.SHA1, oid.SHA256} {
		ix, err := Parse(data, f, shared)
		if (ix == nil) == (err == nil) {
			t.Errorf("Parse(%v) = %v, %v, want one of the two", f, ix, err)
		}
		if err != nil {
			continue
		}
		if err := checkOrder(ix.Entries); err != nil {
			t.Errorf("Parse(%v): %v", f, err)
		}
		for _, e := range ix.Entries {
			if e.Path == "" || strings.Contains(e.Path, "\x00") {
				t.Errorf("Parse(%v) gave the path %q", f, e.Path)
			}
		}
		for i, n := range ix.Tree {
			if n.Next <= i || n.Next > len(ix.Tree) {
				t.Errorf("Parse(%v): Tree[%d].Next = %d of %d", f, i, n.Next, len(ix.Tree))
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	base := v2("a", "b", "c", "d")
	base.sum = true
	shared := base.bytes()
	link := append([]byte(nil), shared[len(shared)-20:]...)
	link = append(link, encodeEWAH([]int{1})...)
	link = append(link, encodeEWAH([]int{2})...)
	f.Add(v2("").add("e", 0).extension("link", string(link)).bytes(), shared)
	f.Add(v2("a", "b/c").extension("TREE", "\x002 1\n01234567890123456789b\x001 0\n01234567890123456789").bytes(), []byte(nil))
	f.Add(v4("a", "a/b", "a/c").bytes(), []byte(nil))
	f.Add(build(3).add("x", flagExtended).bytes(), []byte(nil))
	f.Add((&builder{format: oid.SHA256, version: 4}).add("a", 0).add("ab", 0).bytes(), []byte(nil))
	f.Fuzz(func(t *testing.T, data, shared []byte) {
		checkParsed(t, data, func(string) ([]byte, error) { return bytes.Clone(shared), nil })
	})
}

func benchmarkIndex(b *testing.B, version uint32) {
	rng := rand.New(rand.NewPCG(7, 7))
	w := &builder{version: version, sum: true}
	for i := range 30_000 {
		dir := "src/" + strconv.Itoa(100+i/300) + "/pkg" + strconv.Itoa(100+i/30%10)
		w.add(dir+"/file"+strconv.Itoa(100_000+i)+strings.Repeat("y", rng.IntN(20)), 0)
	}
	data := w.bytes()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		ix, err := Parse(data, oid.SHA1, nil)
		if err != nil || len(ix.Entries) != 30_000 {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseV2(b *testing.B) { benchmarkIndex(b, 2) }
func BenchmarkParseV4(b *testing.B) { benchmarkIndex(b, 4) }
