package pack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// small is a pack with every sort of entry.
func small(f oid.Format) *builder {
	b := newBuilder(f)
	root := b.whole(Blob, []byte(strings.Repeat("some content ", 10)))
	next := b.edit(root, "a delta ")
	b.edit(next, "a delta of it ")
	b.whole(Commit, []byte("a commit"))
	b.ref(b.entries[root].id, f.Sum("blob", append([]byte("by name "), b.data[root]...)), prepend(b.data[root], "by name "))
	return b
}

func FuzzParseIndex(f *testing.F) {
	for _, format := range []oid.Format{oid.SHA1, oid.SHA256} {
		for _, one := range []bool{false, true} {
			for _, large := range []bool{false, true} {
				b := small(format)
				b.idxOne, b.large = one, large
				_, idx := b.bytes()
				f.Add(idx[:len(idx)-format.Size()], format == oid.SHA256)
			}
		}
	}
	f.Add([]byte(idxMagic), false)
	f.Fuzz(func(t *testing.T, data []byte, long bool) {
		format := oid.SHA1
		if long {
			format = oid.SHA256
		}
		// The checksum is made to hold, or nothing would come past it.
		b := builder{format: format}
		x, err := parseIndex(b.sum(bytes.Clone(data)), format)
		if err != nil {
			return
		}
		var before []byte
		for i := range x.n {
			name := x.name(i)
			if bytes.Compare(before, name) >= 0 {
				t.Fatalf("name %d, %x, does not follow %x", i, name, before)
			}
			if at, ok := x.find(name); !ok || at != i {
				t.Fatalf("find(%x) = %d, %v, want %d", name, at, ok, i)
			}
			near := bytes.Clone(name)
			near[len(near)-1]++
			if at, ok := x.find(near); ok && !bytes.Equal(x.name(at), near) {
				t.Fatalf("find(%x) = %d, which is %x", near, at, x.name(at))
			}
			before = name
			_ = x.offset(i)
			if _, ok := x.crc(i); ok == (x.version == 1) {
				t.Fatalf("version %d has a checksum: %v", x.version, ok)
			}
		}
	})
}

func FuzzParseEntry(f *testing.F) {
	for _, kind := range []Kind{0, Commit, Blob, 5, ofsDelta, refDelta} {
		for _, size := range []int{0, 15, 16, 1 << 20, 1 << 60} {
			head := entryHead(kind, size)
			f.Add(append(append(head, backwards(uint64(size))...), make([]byte, 40)...))
			f.Add(head)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []oid.Format{oid.SHA1, oid.SHA256} {
			e, err := parseEntry(data, format)
			if err != nil {
				continue
			}
			if e.head > len(data) || e.size>>60 != 0 || e.back>>63 != 0 {
				t.Fatalf("parseEntry(%x) = %+v", data, e)
			}
			// Written again, it must read the same, though not be the same.
			again := entryHead(e.kind, int(e.size))
			switch e.kind {
			case ofsDelta:
				again = append(again, backwards(e.back)...)
			case refDelta:
				again = append(again, e.base...)
			}
			e2, err := parseEntry(again, format)
			if err != nil || e2.kind != e.kind || e2.size != e.size || e2.back != e.back || !bytes.Equal(e2.base, e.base) {
				t.Fatalf("parseEntry(%x) = %+v, written again %+v, %v", data, e, e2, err)
			}
		}
	})
}

// FuzzPack walks arbitrary entries under an index that is sound, with its marks
// where the input says.
func FuzzPack(f *testing.F) {
	b := small(oid.SHA1)
	var at []byte
	for _, e := range b.entries {
		at = binary.BigEndian.AppendUint16(at, uint16(e.at))
	}
	f.Add(b.pack.Bytes()[packHeader:], at)
	f.Add(b.pack.Bytes()[packHeader:], append(at, at...))
	f.Add([]byte("no entry"), []byte{0, 12})
	for _, l := range lies() {
		b := newBuilder(oid.SHA1)
		b.whole(Blob, []byte(strings.Repeat("0123456789", 100)))
		l.tell(b)
		if len(b.entries) < 10 {
			f.Add(b.pack.Bytes()[packHeader:], []byte{0, 12, byte(b.entries[1].at >> 8), byte(b.entries[1].at)})
		}
	}
	f.Fuzz(func(t *testing.T, body, marks []byte) {
		b := newBuilder(oid.SHA1)
		b.pack.Write(body)
		for ; len(marks) >= 2 && len(b.entries) < 64; marks = marks[2:] {
			at := binary.BigEndian.Uint16(marks)
			if int(at) < b.pack.Len() {
				b.entries = append(b.entries, built{oid.SHA1.Sum("blob", fmt.Append(nil, len(b.entries))), uint64(at), 0})
			}
		}
		// Checksums hold, as far as entries end where the next begins.
		starts := make([]int, 0, len(b.entries))
		for _, e := range b.entries {
			starts = append(starts, int(e.at))
		}
		slices.Sort(starts)
		for i, e := range b.entries {
			end := b.pack.Len()
			if k, _ := slices.BinarySearch(starts, int(e.at)+1); k < len(starts) {
				end = starts[k]
			}
			b.entries[i].crc = crcOf(b.pack.Bytes()[e.at:end])
		}
		s, err := Open(b.store(t), nil, oid.SHA1, Limits{Object: 1 << 12, Live: 1 << 13, Spilled: 1 << 20, Amplified: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, problems := all(t, s, nil)
		seen := len(problems)
		r := s.Reader()
		for n := range Num(s.Len()) {
			if _, data, err := r.Read(n); err == nil && len(data) > 1<<20 { // what fits a temporary file
				t.Fatalf("Read(%d) gives %d bytes, over the limit", n, len(data))
			}
		}
		if seen == 0 && len(b.entries) == 0 && len(body) > 0 {
			t.Fatalf("%d bytes of no entry are not named", len(body))
		}
	})
}

func FuzzLoose(f *testing.F) {
	f.Add(stored([]byte("blob 3\x00abc")))
	f.Add(stored([]byte("tree 0\x00")))
	f.Add(stored([]byte("commit 999999999999999999\x00")))
	f.Add(stored([]byte("blob 03\x00abc")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "loose")
		for _, raw := range [][]byte{data, stored(data)} {
			write(t, path, raw)
			var r looseReader
			kind, content, err := r.read(path, 1<<20)
			if err != nil {
				continue
			}
			if len(content) > 1<<20 {
				t.Fatalf("read gives %d bytes, over the limit", len(content))
			}
			write(t, path, stored(append(fmt.Appendf(nil, "%v %d\x00", kind, len(content)), content...)))
			var again looseReader
			if kind2, content2, err := again.read(path, 1<<20); err != nil || kind2 != kind || !bytes.Equal(content2, content) {
				t.Fatalf("written again, %v of %d bytes reads as %v of %d, %v", kind, len(content), kind2, len(content2), err)
			}
		}
	})
}

func FuzzAlternates(f *testing.F) {
	f.Add("# comment\n../other\n/absolute\n")
	f.Add("\"quoted\\n\\056\"\n\"unfinished\n\x00\n")
	f.Add(strings.Repeat(".\n..\n", 50))
	f.Fuzz(func(t *testing.T, content string) {
		dir := t.TempDir()
		id := saveLoose(t, dir, oid.SHA1, Blob, []byte("own"))
		write(t, filepath.Join(dir, "info", "alternates"), []byte(content))
		paths, err := readAlternates(dir)
		if err != nil && len(content) <= maxAlternatesFile {
			t.Fatalf("readAlternates: %v", err)
		}
		for _, p := range paths {
			if !filepath.IsAbs(p) {
				t.Fatalf("alternate %q is relative", p)
			}
			if p != dir && !strings.HasPrefix(p, dir+"/") {
				return // leads out of the test's own directory
			}
		}
		s, err := Open(dir, nil, oid.SHA1, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, ok := s.Lookup(id.Bytes()); !ok {
			t.Fatal("the store's own object is gone")
		}
	})
}
