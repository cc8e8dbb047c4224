package unpack

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestZipMembersThatNoDirectoryLists(t *testing.T) {
	a, b, c := sample(30, 800), sample(31, 800), sample(32, 800)
	for what, hidden := range map[string]zipPart{
		"stored":                      {name: "b", data: b, unlisted: true},
		"stored, its size behind it":  {name: "b", data: b, unlisted: true, unsized: true, descriptor: true},
		"deflated":                    {name: "b", data: deflated(t, b), method: 8, unlisted: true, unsized: true, descriptor: true},
		"zstd":                        {name: "b", data: zstded(t, b), method: 93, unlisted: true, unsized: true},
		"behind the directory":        {},
		"stored, and no size at all":  {name: "b", data: b, unlisted: true, unsized: true},
		"before a program's own data": {},
	} {
		parts := []zipPart{{name: "a", data: a}, hidden, {name: "c", data: c}}
		data := rawZip(parts...)
		switch {
		case strings.HasPrefix(what, "behind"):
			data = append(rawZip(parts[0], parts[2]), append(zipPart{name: "b", data: b}.header(), b...)...)
			binary.LittleEndian.PutUint32(data[len(data)-len(b)-1-12:], uint32(len(b)))
		case strings.HasPrefix(what, "before"):
			data = append(append([]byte("\x7fELF and more"), rawZip(zipPart{name: "b", data: b})...), rawZip(parts[0], parts[2])...)
		}
		w := walk(t, data, &Budget{})
		for _, f := range []file{{"a", a}, {"b", b}, {"c", c}} {
			if got := w.named(f.name); len(got) != 1 || !bytes.Equal(got[0], f.data) {
				t.Errorf("a zip with a member hidden (%s): %s comes %d times\n%v", what, f.name, len(got), w)
			}
		}
	}
}

func TestZipsWithThingsAround(t *testing.T) {
	want := sample(33, 3000)
	plain := zipOf(8)(t, file{"x/y", want})
	commented := bytes.Clone(plain)
	comment := strings.Repeat("a comment ", 500)
	binary.LittleEndian.PutUint16(commented[len(commented)-2:], uint16(len(comment)))
	for what, data := range map[string][]byte{
		"program before":             append(bytes.Repeat([]byte("#!/bin/sh\n"), 100), plain...),
		"program and a comment":      slices.Concat([]byte("MZ"), make([]byte, 5000), commented, []byte(comment)),
		"comment":                    append(commented, comment...),
		"something behind":           append(bytes.Clone(plain), "\nappended\n"...),
		"much behind, in no comment": append(bytes.Clone(plain), make([]byte, 100_000)...),
		"another before":             append(zipOf(0)(t, file{"other", want[:100]}), plain...),
	} {
		w := walk(t, data, &Budget{})
		if got := w.named("x/y"); len(got) != 1 || !bytes.Equal(got[0], want) {
			t.Errorf("a zip with %s gives %v", what, w)
		}
		if what == "another before" && len(w.named("other")) != 1 {
			t.Errorf("of two zips behind one another the first is lost: %v", w)
		}
		if !strings.HasPrefix(what, "much") {
			w.clean(t, what)
		}
	}
}

func TestZipMembersThatCannotBeRead(t *testing.T) {
	a, z := sample(34, 500), sample(35, 500)
	w := walk(t, rawZip(
		zipPart{name: "a", data: a},
		zipPart{name: "secret", data: sample(36, 500), flags: 1, crc: crc32.ChecksumIEEE(a)},
		zipPart{name: "aes", data: sample(37, 500), flags: 1, method: 99},
		zipPart{name: "imploded", data: sample(38, 500), method: 6, size: 900},
		zipPart{name: "broken", data: []byte("\x07\x07\x07\x07"), method: 8, size: 900},
		zipPart{name: "gone", data: a, elsewhere: true, at: 1 << 20},
		zipPart{name: "z", data: z},
	), &Budget{})
	w.told(t, "secret", ErrEncrypted)
	w.told(t, "aes", ErrEncrypted)
	w.told(t, "imploded", ErrUnsupported)
	w.told(t, "broken", ErrDamaged)
	w.told(t, "gone", ErrDamaged)
	if n, _ := w.whole([]file{{"a", a}, {"z", z}}); n != 2 || len(w.members) != 2 || len(w.errs) != 5 {
		t.Errorf("Walk = %v, want a and z", w)
	}
}

// A member that the directory lists twice is one member, and nothing to tell.
func TestZipMembersAreYieldedOnce(t *testing.T) {
	a, b := sample(42, 400), sample(43, 400)
	w := walk(t, rawZip(zipPart{name: "a", data: a}, zipPart{name: "b", data: b}, zipPart{name: "again", data: a, elsewhere: true}), &Budget{})
	w.clean(t, "zip that lists a member twice")
	if n, _ := w.whole([]file{{"a", a}, {"b", b}}); n != 2 || len(w.members) != 2 {
		t.Errorf("Walk = %v, want a and b", w)
	}
}

func TestZip64(t *testing.T) {
	want := sample(39, 2000)
	// The library writes sizes of 64 bits for what it is told is large.
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "x", Method: zip.Store}
	h.SetMode(0o644)
	part, err := w.CreateHeader(h)
	if err == nil {
		_, err = part.Write(want)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	// Make the directory's record one of 64 bits.
	i := bytes.LastIndex(data, []byte(zipEntry))
	end := bytes.LastIndex(data, []byte("PK\x05\x06"))
	record := slices.Clone(data[i:end])
	var extra []byte
	for _, at := range []int{24, 20} {
		extra = binary.LittleEndian.AppendUint64(extra, uint64(binary.LittleEndian.Uint32(record[at:])))
		binary.LittleEndian.PutUint32(record[at:], 1<<32-1)
	}
	extra = binary.LittleEndian.AppendUint64(extra, uint64(binary.LittleEndian.Uint32(record[42:])))
	binary.LittleEndian.PutUint32(record[42:], 1<<32-1)
	binary.LittleEndian.PutUint16(record[30:], uint16(len(extra)+4))
	record = append(append(record[:zipRecord+1:zipRecord+1], 1, 0, byte(len(extra)), 0), extra...)
	large := make([]byte, 56)
	copy(large, "PK\x06\x06")
	binary.LittleEndian.PutUint64(large[32:], 1)
	binary.LittleEndian.PutUint64(large[40:], uint64(len(record)))
	binary.LittleEndian.PutUint64(large[48:], uint64(i))
	locator := append([]byte("PK\x06\x07"), make([]byte, 16)...)
	last := slices.Clone(data[end:])
	for j := 8; j < 20; j++ {
		last[j] = 0xff
	}
	data = slices.Concat([]byte("before it\n"), data[:i], record, large, locator, last)
	all := walk(t, data, &Budget{})
	all.clean(t, "zip64")
	if got := all.named("x"); len(got) != 1 || !bytes.Equal(got[0], want) {
		t.Errorf("Walk(zip64) = %v", all)
	}
}

// A flag alone does not make a member encrypted.
func TestZipFlaggedEncryptedOnly(t *testing.T) {
	for _, method := range []uint16{0, 8} {
		want := sample(44, 300)
		data := zipOf(method)(t, file{"a", want})
		entry := bytes.LastIndex(data, []byte(zipEntry))
		h := centralEntry(data[entry:])
		// Sizes and sum stand in the directory, and behind what is unpacked.
		data[6] |= 1
		data[entry+8] |= 1
		if all := walk(t, data, &Budget{}); !all.holds(want) || len(all.errs) > 0 {
			t.Errorf("method %d with the flag and plain text: Walk = %v", method, all)
		}
		local, _ := localEntry(data, 0)
		data[local.start+int(h.packed)/2] ^= 1
		if all := walk(t, data, &Budget{}); all.holds(want) || !slices.ContainsFunc(all.errs, func(err error) bool { return errors.Is(err, ErrEncrypted) }) {
			t.Errorf("method %d with the flag and other text: Walk = %v", method, all)
		}
	}
}

// What archive/zip reads without complaint is read, whoever wrote it.
func FuzzZipAgainstLibrary(f *testing.F) {
	for _, method := range []uint16{0, 8} {
		f.Add(zipOf(method)(f, file{"a", sample(40, 300)}, file{"b/c", sample(41, 20)}))
	}
	f.Add(rawZip(zipPart{name: "a", data: []byte("text")}, zipPart{name: "b", data: []byte("more"), unlisted: true}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if Detect(data) != Zip {
			return
		}
		r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		var contents [][]byte
		for _, h := range r.File {
			b, ok := readAll(h)
			if !ok {
				return
			}
			contents = append(contents, b)
		}
		all := walk(t, data, &Budget{Depth: 1, BlobBytes: 1 << 20})
		if slices.ContainsFunc(all.errs, func(err error) bool { return errors.Is(err, ErrBomb) || errors.Is(err, ErrSpent) }) {
			return
		}
		for i, want := range contents {
			if h := r.File[i]; h.Flags&1 != 0 && h.CRC32 == 0 {
				continue // nothing tells whether that is plain text
			}
			if len(want) > 0 && !all.holds(want) {
				t.Errorf("the library reads %q with %d bytes, Walk gives\n%v", r.File[i].Name, len(want), all)
			}
		}
	})
}

func readAll(h *zip.File) ([]byte, bool) {
	r, err := h.Open()
	if err != nil {
		return nil, false
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, 1<<16))
	return b, err == nil && len(b) < 1<<16
}
