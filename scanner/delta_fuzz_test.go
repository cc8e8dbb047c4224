package scanner

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// tape hands out the bytes of a fuzzing input as choices; zeros when it is used
// up.
type tape struct{ data []byte }

func (t *tape) next() int {
	if len(t.data) == 0 {
		return 0
	}
	b := t.data[0]
	t.data = t.data[1:]
	return int(b)
}

// below is a number under n, of two bytes.
func (t *tape) below(n int) int {
	if n <= 1 {
		return 0
	}
	return (t.next()<<8 | t.next()) % n
}

// version is a text and how it is stored: whole, or as a delta of another.
type version struct {
	text  []byte
	base  int // -1 for none
	delta []byte
}

// fragments are what the texts are put together from: keys, labels, and what
// stands between them.
func fragments() [][]byte {
	r := rulestest.Rand(404)
	long := bytes.Repeat([]byte("nothing to see here, "), 80)
	list := [][]byte{{'\n'}, []byte(" = "), []byte("aws_secret_access_key = "), []byte("secret: "), long[:40], long, []byte("abcdefghij0123456789/+"), {'"'}}
	for range 3 {
		k := newKey(r)
		list = append(list, []byte(k.id), []byte(k.secret), []byte(k.id[:9]), []byte(k.id[9:]), []byte(k.secret[:17]), []byte(k.secret[17:]))
	}
	return append(list, []byte(rulestest.Token(r)), []byte(rulestest.KeyID(r, "ASIA")))
}

// versions makes texts and deltas from an input.
func versions(t *tape, parts [][]byte) (list []version) {
	for i := range 1 + t.below(7) {
		if i == 0 || t.next()%5 == 0 {
			var text []byte
			for range t.below(12) {
				text = append(text, parts[t.below(len(parts))]...)
			}
			list = append(list, version{text: text, base: -1})
			continue
		}
		v := version{base: t.below(i)}
		base := list[v.base].text
		for range t.below(10) {
			if n := len(base); n > 0 && t.next()%2 == 0 {
				from := t.below(n)
				size := 1 + t.below(min(n-from, 0xffff))
				v.text = append(v.text, base[from:from+size]...)
				v.delta = append(v.delta, 0xb0|0x0f, byte(from), byte(from>>8), byte(from>>16), byte(from>>24), byte(size), byte(size>>8))
				continue
			}
			part := parts[t.below(len(parts))]
			part = part[:min(len(part), 127)]
			if t.next()%3 == 0 {
				part = part[t.below(len(part)):]
			}
			v.text = append(v.text, part...)
			v.delta = append(append(v.delta, byte(len(part))), part...)
		}
		v.delta = append(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(base))), uint64(len(v.text))), v.delta...)
		list = append(list, v)
	}
	return list
}

// writePack stores versions in a pack of a bare repository, deltas by offset, and
// an index of version 1 (gitformat-pack(5)).
func writePack(t testing.TB, dir string, list []version, level int) {
	t.Helper()
	pack := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), 0)
	at, offset := map[oid.ID]int{}, make([]int, len(list))
	for i, v := range list {
		id := oid.SHA1.Sum("blob", v.text)
		if old, ok := at[id]; ok { // an object stands in a pack once
			offset[i] = old
			continue
		}
		offset[i] = len(pack)
		at[id] = offset[i]
		kind, data := byte(3), v.text
		if v.base >= 0 {
			kind, data = 6, v.delta
		}
		head := binary.AppendUvarint(nil, uint64(len(data)>>4))
		first := kind<<4 | byte(len(data)&15)
		if len(data)>>4 > 0 {
			pack = append(append(pack, first|0x80), head...)
		} else {
			pack = append(pack, first)
		}
		if v.base >= 0 {
			pack = append(pack, backwards(offset[i]-offset[v.base])...)
		}
		var z bytes.Buffer
		w, err := zlib.NewWriterLevel(&z, level)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		pack = append(pack, z.Bytes()...)
	}
	binary.BigEndian.PutUint32(pack[8:], uint32(len(at)))
	pack = sealed(pack)
	idx := make([]byte, 1024)
	for _, id := range slices.SortedFunc(maps.Keys(at), oid.ID.Compare) {
		for b := int(id.Bytes()[0]); b < 256; b++ {
			binary.BigEndian.PutUint32(idx[4*b:], binary.BigEndian.Uint32(idx[4*b:])+1)
		}
		idx = append(binary.BigEndian.AppendUint32(idx, uint32(at[id])), id.Bytes()...)
	}
	idx = sealed(append(idx, pack[len(pack)-oid.SHA1.Size():]...))
	for name, data := range map[string][]byte{
		"objects/pack/pack-a.pack": pack, "objects/pack/pack-a.idx": idx, "HEAD": []byte("ref: refs/heads/main\n"), "refs/heads/x": nil,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if data != nil {
			if err := os.WriteFile(path, data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// backwards encodes the distance of a delta to its base.
func backwards(n int) []byte {
	out := []byte{byte(n & 0x7f)}
	for n >>= 7; n > 0; n >>= 7 {
		n--
		out = append([]byte{byte(n&0x7f) | 0x80}, out...)
	}
	return out
}

func sealed(data []byte) []byte {
	h := oid.SHA1.New()
	h.Write(data)
	return h.Sum(data)
}

// tapes are inputs to begin with.
func tapes() (list [][]byte) {
	r := rulestest.Rand(405)
	for range 80 {
		seed := make([]byte, 20+r.IntN(500))
		for i := range seed {
			seed[i] = byte(r.IntN(256))
		}
		list = append(list, seed)
	}
	return list
}

// checkDeltaScan scans what an input makes, compares it with the slow twin, the
// rules over every text as a whole, and gives how many places those found.
func checkDeltaScan(t testing.TB, data []byte, parts [][]byte) int {
	t.Helper()
	in := &tape{data}
	level := []int{zlib.NoCompression, zlib.BestSpeed, zlib.BestCompression}[in.next()%3]
	list := versions(in, parts)
	dir := t.TempDir()
	writePack(t, dir, list, level)
	want := map[place3]int{}
	seen := map[oid.ID]bool{}
	for _, v := range list {
		id := oid.SHA1.Sum("blob", v.text)
		if seen[id] {
			continue
		}
		seen[id] = true
		for _, m := range rules.Default().Find(nil, v.text) {
			want[place3{id.String(), m.Start, m.Rule.ID}]++
		}
	}
	run := &scan{set: rules.Default(), workers: 1, meter: new(Meter)}
	if err := run.read(context.Background(), openRepo(t, dir).History()); err != nil {
		t.Fatal(err)
	}
	got := map[place3]int{}
	for _, h := range run.hits {
		got[place3{h.blob.ID.String(), h.match.Start, h.match.Rule.ID}]++
	}
	if !maps.Equal(got, want) || run.sum.Skipped > 0 || run.sum.Blobs != int64(len(seen)) {
		t.Errorf("the walk finds %v in %d objects (skipped: %v), a full scan %v in %d", got, run.sum.Blobs, run.sum.Skips, want, len(seen))
	}
	return len(want)
}

// FuzzDeltaScan puts inflating, applying deltas, the prefilter and the walk
// together.
func FuzzDeltaScan(f *testing.F) {
	parts := fragments()
	for _, t := range tapes() {
		f.Add(t)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkDeltaScan(t, data, parts) })
}

func TestDeltaScanHasSomethingToFind(t *testing.T) {
	places := 0
	for _, data := range tapes() {
		places += checkDeltaScan(t, data, fragments())
	}
	if places < 40 {
		t.Errorf("only %d places in all inputs: too few to compare", places)
	}
}
