package unpack

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// only fails unless there is one member, with that data, and nothing is told.
func only(t *testing.T, what string, data, want []byte) {
	t.Helper()
	all := walk(t, data, &Budget{})
	all.clean(t, what)
	if len(all.members) != 1 || !bytes.Equal(all.members[0].data, want) {
		t.Errorf("Walk(%s) = %v, want %d bytes", what, all, len(want))
	}
}

func TestStreamsBehindOneAnotherAreOne(t *testing.T) {
	a, b := sample(50, 40_000), sample(51, 500)
	both := slices.Concat(a, b)
	only(t, "two gzips", slices.Concat(gzipped(t, a), gzipped(t, nil), gzipped(t, b)), both)
	only(t, "two gzips and zeros", slices.Concat(gzipped(t, a), gzipped(t, b), make([]byte, 600)), both)
	only(t, "two bzip2", slices.Concat(bzipped(t, a), bzipped(t, b)), both)
	only(t, "two xz", slices.Concat(xzed(t, a), make([]byte, 8), xzed(t, b)), both)
	only(t, "two zstd", slices.Concat(zstded(t, a), zstded(t, b)), both)
	var blocks bytes.Buffer
	w, err := xz.WriterConfig{BlockSize: 4000, DictCap: 1 << 12}.NewWriter(&blocks)
	if err == nil {
		_, err = w.Write(both)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	only(t, "xz of several blocks", blocks.Bytes(), both)
}

// Filters for machine code leave text alone.
func TestXZWithFilters(t *testing.T) {
	want := sample(52, 3000)
	plain := xzed(t, want)
	old := plain[12 : 12+(int(plain[12])+1)*4]
	code := old[bytes.IndexByte(old, xzLZMA2)+2]
	with := func(id byte, props ...byte) []byte {
		head := append(append([]byte{2, 1, id, byte(len(props))}, props...), xzLZMA2, 1, code)
		head = append(head, make([]byte, 8-len(head)+0)...)
		head[0] = byte((len(head)+4)/4 - 1)
		head = binary.LittleEndian.AppendUint32(head, crc32.ChecksumIEEE(head))
		return slices.Concat(plain[:12], head, plain[12+len(old):])
	}
	for _, id := range []byte{4, 7, 8, 10} {
		all := walk(t, with(id), &Budget{})
		if !all.holds(want) {
			t.Errorf("xz with filter %d gives %v", id, all)
		}
	}
	walk(t, with(3, 0), &Budget{}).told(t, "", ErrUnsupported)
	walk(t, with(5), &Budget{}).told(t, "", ErrUnsupported)
}

// Nothing of a nested container is lost, be it in a header, a comment or behind
// the end; and nothing of the outermost is told twice.
func TestRestsHoldWhatNoMemberHas(t *testing.T) {
	mark := []byte("MARK-" + string(sample(53, 20)[8:]))
	body := sample(54, 100)
	var pax bytes.Buffer
	w := tar.NewWriter(&pax)
	err := w.WriteHeader(&tar.Header{Name: "x", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"comment": string(mark)}})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	zipped := zipOf(8)(t, file{"x", body})
	for what, data := range map[string][]byte{
		"a name in a tar":          packers[8].pack(t, file{string(mark), nil}, file{"x", body}),
		"a comment in a tar":       append(pax.Bytes()[:len(pax.Bytes())-2*tarBlock], packers[8].pack(t, file{"x", body})...),
		"behind a tar":             append(packers[8].pack(t, file{"x", body}), mark...),
		"behind a gzip":            append(gzipped(t, body), mark...),
		"behind an xz":             append(xzed(t, body), mark...),
		"behind a zlib":            append(zlibbed(t, body), mark...),
		"behind a cpio":            append(cpioOf(t, file{"x", body}), mark...),
		"a name in an ar":          arOf(t, file{string(mark), nil}, file{"x", body}),
		"before a zip":             append(append(bytes.Clone(mark), '\n'), zipped...),
		"a name in a zip":          zipOf(8)(t, file{string(mark), nil}, file{"x", body}),
		"a PDF as it is":           pdfWith(string(mark), "/FlateDecode", zlibbed(t, body)),
		"a database as it is":      append(sqliteOf(t, file{"", body}), mark...),
		"between members of a zip": rawZip(zipPart{name: "a", data: body}, zipPart{name: string(mark), data: nil, unlisted: true}, zipPart{name: "b", data: body}),
	} {
		small := gzipped(t, data)
		large := gzipped(t, packers[8].pack(t, file{"big", sample(55, 200_000)}, file{"in", data}))
		for _, outer := range [][]byte{small, large} {
			all := walk(t, outer, &Budget{})
			n := 0
			for _, m := range all.members {
				n += bytes.Count(m.data, mark)
			}
			if n == 0 || !all.holds(body) {
				t.Errorf("%s in gzip: the mark comes %d times\n%v", what, n, all)
			}
		}
		for _, m := range walk(t, data, &Budget{}).members {
			if m.rest {
				t.Errorf("%s: the blob's own rest is yielded", what)
			}
		}
	}
	// A stream that cannot be held has its rest, too.
	big := packers[8].pack(t, file{"big", sample(55, 200_000)}, file{string(mark), nil})
	if all := walk(t, gzipped(t, big), &Budget{}); !all.holds(mark) {
		t.Errorf("a large tar in gzip loses its headers: %v", all)
	}
	behind := sample(56, 100_000)
	if all := walk(t, gzipped(t, append(big, behind...)), &Budget{}); !all.holds(behind) {
		t.Errorf("a large tar in gzip loses what is behind it: %v", all)
	}
}

func TestArNames(t *testing.T) {
	want := sample(57, 33)
	b := []byte("!<arch>\n")
	for _, m := range []struct{ field, before string }{{"short/", ""}, {"bare", ""}, {"#1/12", "bsd name\x00\x00\x00\x00"}} {
		b = fmt.Appendf(b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n%s%s", m.field, 0, 0, 0, 0o644, len(want)+len(m.before), m.before, want)
		b = append(b, make([]byte, len(b)&1)...)
	}
	all := walk(t, b, &Budget{})
	all.clean(t, "ar")
	for _, name := range []string{"short", "bare", "bsd name"} {
		if got := all.named(name); len(got) != 1 || !bytes.Equal(got[0], want) {
			t.Errorf("Walk(ar) = %v, want %q", all, name)
		}
	}
	if all := walk(t, []byte("!<thin>\n"+string(b[8:])), &Budget{}); len(all.members) > 0 {
		t.Errorf("a thin archive, which has no data, gives %v", all)
	}
}

func TestDebianPackage(t *testing.T) {
	want := sample(58, 200)
	control := gzipped(t, packers[8].pack(t, file{"./control", want}))
	data := xzed(t, packers[8].pack(t, file{"./etc/app.env", want}))
	all := walk(t, arOf(t, file{"debian-binary", []byte("2.0\n")}, file{"control.tar.gz", control}, file{"data.tar.xz", data}), &Budget{})
	all.clean(t, "deb")
	for _, name := range []string{"control.tar.gz!./control", "data.tar.xz!./etc/app.env"} {
		if got := all.named(name); len(got) != 1 || !bytes.Equal(got[0], want) {
			t.Errorf("Walk(deb) = %v, want %s", all, name)
		}
	}
}

func TestPDFFilters(t *testing.T) {
	want := sample(59, 2000)
	for filter, body := range map[string][]byte{
		"/FlateDecode":                             zlibbed(t, want),
		"/Fl":                                      zlibbed(t, want),
		"[/FlateDecode]":                           zlibbed(t, want),
		"/ASCIIHexDecode":                          hexOf(want),
		"/ASCII85Decode":                           ascii85Of(want),
		"[ /ASCII85Decode /FlateDecode ]":          ascii85Of(zlibbed(t, want)),
		"[/AHx/Fl]/DecodeParms[null null]":         hexOf(zlibbed(t, want)),
		"[/FlateDecode /FlateDecode]":              zlibbed(t, zlibbed(t, want)),
		"/FlateDecode /Length 99999 /Type /ObjStm": zlibbed(t, want),
	} {
		only(t, "pdf "+filter, pdfWith("x", filter, body), want)
	}
	for _, filter := range []string{"/DCTDecode", "[/FlateDecode /DCTDecode]", "/LZWDecode"} {
		if all := walk(t, pdfWith("x", filter, zlibbed(t, want)), &Budget{}); len(all.members)+len(all.errs) > 0 {
			t.Errorf("Walk(pdf with %s) = %v, want nothing", filter, all)
		}
	}
	scrambled := pdfWith("x", "/FlateDecode", sample(60, 300))
	walk(t, scrambled, &Budget{}).told(t, "stream@67", ErrDamaged)
	walk(t, append(scrambled, "trailer << /Encrypt 5 0 R >>"...), &Budget{}).told(t, "", ErrEncrypted)
	wrongSum := zlibbed(t, want)
	wrongSum[len(wrongSum)-1]++
	only(t, "pdf whose stream has a wrong sum", pdfWith("x", "/FlateDecode", wrongSum), want)
}

func TestSevenZipThatCannotBeRead(t *testing.T) {
	header := func(coder string, props []byte) []byte {
		names := []byte{0, 'a', 0, 0, 0}
		return slices.Concat([]byte{sevenHeaderID, sevenStreams}, sevenStreamsOf(0, 20, coder, props, 20),
			[]byte{sevenEnd, sevenFiles, 1, 17, byte(len(names))}, names, []byte{sevenEnd, sevenEnd})
	}
	body := make([]byte, 20)
	walk(t, sevenFileOf(body, header(coderAES, []byte{0x3f, 0})), &Budget{}).told(t, "a", ErrEncrypted)
	walk(t, sevenFileOf(body, header("\x03", []byte{0})), &Budget{}).told(t, "a", ErrUnsupported)
	// A file whose folder is broken takes those behind it with it, and both are
	// told.
	data := sevenOf(coderLZMA, false)(t, file{"a", sample(61, 400)}, file{"b", sample(62, 400)}, file{"c", sample(63, 400)})
	for i := sevenStart + 5; i < sevenStart+60; i++ {
		data[i] ^= 0x55
	}
	all := walk(t, data, &Budget{})
	all.told(t, "a", ErrDamaged)
	all.told(t, "", ErrDamaged)
	program := append([]byte("MZ and so on, 7z\xbc\xaf\x27\x1c is not where it begins"), sevenOf(coderLZMA, true)(t, file{"x", sample(64, 300)})...)
	only(t, "7z behind a program", program, sample(64, 300))
}

func TestNamedFormatsAreTold(t *testing.T) {
	for magic, f := range map[string]Format{
		"Rar!\x1a\x07\x01\x00": RAR, "\x04\x22\x4d\x18....": LZ4, "MSCF\x00\x00\x00\x00": Cabinet, "\xed\xab\xee\xdb....": RPM, "LZIP\x01...": Lzip,
	} {
		data := append([]byte(magic), sample(65, 100)...)
		all := walk(t, data, &Budget{})
		all.told(t, "", ErrUnsupported)
		if s, ok := errors.AsType[*SkipError](all.errs[0]); !ok || s.Via != f {
			t.Errorf("Walk(%q) tells %v, want %v", magic, all.errs, f)
		}
		all = walk(t, gzipped(t, data), &Budget{})
		all.told(t, "", ErrUnsupported)
		if len(all.members) != 1 || !bytes.Equal(all.members[0].data, data) {
			t.Errorf("Walk(gzip of %q) = %v, want it as it is", magic, all)
		}
	}
}

// Holes of a sparse file are zeros, and what is between them stands where it
// should.
func TestSparseTar(t *testing.T) {
	want := append(make([]byte, 100_000), sample(66, 512)...)
	head := make([]byte, tarBlock)
	copy(head, "holes")
	copy(head[100:], "0000644\x000000000\x000000000\x00")
	copy(head[124:], fmt.Sprintf("%011o\x0000000000000\x00", 512))
	head[156] = 'S'
	copy(head[257:], "ustar  \x00")
	copy(head[386:], fmt.Sprintf("%011o\x00%011o\x00", 100_000, 512))
	copy(head[483:], fmt.Sprintf("%011o\x00", len(want)))
	data := slices.Concat(summed(head), sample(66, 512), oldTar(t, file{"after", sample(67, 100)}))
	for _, in := range [][]byte{data, gzipped(t, append(data, make([]byte, 200<<10)...))} {
		all := walk(t, in, &Budget{})
		all.clean(t, "sparse tar")
		if n, _ := all.whole([]file{{"holes", want}, {"after", sample(67, 100)}}); n != 2 {
			t.Errorf("Walk(sparse tar) = %v", all)
		}
	}
}

// Values that are containers are opened, wherever they stand in a row, and long
// rows come joined.
func TestSQLiteRows(t *testing.T) {
	secret, long := bytes.Repeat(sample(68, 30), 4), sample(69, 3000)
	packed, text := gzipped(t, secret), string(long)
	row := func(values ...string) (b []byte) {
		var types, body []byte
		for i, v := range values {
			types = append(types, sqliteNumber(uint64(2*len(v)+12+i%2))...)
			body = append(body, v...)
		}
		return slices.Concat(sqliteNumber(uint64(len(types)+1)), types, body)
	}
	for _, kind := range []byte{tableLeaf, indexLeaf} {
		for _, r := range [][]byte{row(string(packed), "x"), row("key", "text", string(packed))} {
			all := walk(t, sqliteRow(r, kind), &Budget{})
			all.clean(t, "short row")
			if n, _ := all.whole([]file{{"", secret}}); n != 1 || len(all.members) != 1 {
				t.Errorf("a row with a gzip gives %v", all)
			}
		}
		all := walk(t, sqliteRow(row("id", text, string(packed)), kind), &Budget{})
		all.clean(t, "long row")
		if n, _ := all.whole([]file{{"", secret}}); n != 1 || !all.holds(long) {
			t.Errorf("a long row gives %v", all)
		}
		if got := all.named("page2/cell0"); len(got) != 1 || !bytes.HasSuffix(got[0], slices.Concat(long, packed)) {
			t.Errorf("a long row is not joined: %v", all)
		}
	}
}

// sqliteRow is a database of one row, in a page of a table or of an index.
func sqliteRow(payload []byte, kind byte) []byte {
	const page = 512
	pages := [][]byte{make([]byte, page), make([]byte, page)}
	copy(pages[0], "SQLite format 3\x00")
	binary.BigEndian.PutUint16(pages[0][16:], page)
	most := page - 35
	cell := append(sqliteNumber(uint64(len(payload))), 1)
	if kind == indexLeaf {
		most = (page-12)*64/255 - 23
		cell = cell[:len(cell)-1]
	}
	local := len(payload)
	if local > most {
		least := (page-12)*32/255 - 23
		if local = least + (len(payload)-least)%(page-4); local > most {
			local = least
		}
	}
	cell = append(cell, payload[:local]...)
	if rest := payload[local:]; len(rest) > 0 {
		cell = binary.BigEndian.AppendUint32(cell, 3)
		for len(rest) > 0 {
			next := make([]byte, page)
			n := copy(next[4:], rest)
			if rest = rest[n:]; len(rest) > 0 {
				binary.BigEndian.PutUint32(next, uint32(len(pages)+2))
			}
			pages = append(pages, next)
		}
	}
	leaf := pages[1]
	leaf[0] = kind
	binary.BigEndian.PutUint16(leaf[3:], 1)
	binary.BigEndian.PutUint16(leaf[8:], uint16(page-len(cell)))
	copy(leaf[page-len(cell):], cell)
	return bytes.Join(pages, nil)
}

// A reader that panics is damage; a fault of mapped memory is none of ours.
func TestPanicsOfReadersAreDamage(t *testing.T) {
	_, err := guardedRead(failing{errors.New("boom")}, make([]byte, 1))
	if !errors.Is(err, ErrDamaged) || strings.Contains(err.Error(), "boom") {
		t.Errorf("a panic of a reader gives %v, want damage", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a fault was taken for damage")
		}
	}()
	_, _ = guardedRead(failing{fault{}}, make([]byte, 1))
}

type failing struct{ with any }

func (f failing) Read([]byte) (int, error) { panic(f.with) }

type fault struct{}

func (fault) Addr() uintptr { return 1 }

// A reader that gives nothing, for ever, ends.
func TestReadersThatGiveNothing(t *testing.T) {
	w := &walker{ctx: t.Context(), limits: (&Budget{}).limits(), spent: &Budget{}}
	m := w.sized(&w.root, nothing{}, 10)
	if _, err := m.Read(make([]byte, 10)); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("Read = %v, want %v", err, io.ErrNoProgress)
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }
