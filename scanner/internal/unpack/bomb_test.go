package unpack

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// eaten walks and gives how much was yielded, what was told and how much memory
// was asked for in all. Members are looked at and dropped.
func eaten(tb testing.TB, data []byte, budget *Budget) (bytes, members int64, errs []error, memory uint64) {
	tb.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for m, err := range Walk(tb.Context(), data, budget) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		n := int64(0)
		if m.More != nil {
			n, _ = io.Copy(io.Discard, m.More)
		}
		members, bytes = members+1, bytes+n+int64(len(m.Data))
	}
	runtime.ReadMemStats(&after)
	return bytes, members, errs, after.TotalAlloc - before.TotalAlloc
}

// stopped fails unless a bomb was told as what it is, and within bounds.
func stopped(t *testing.T, what string, data []byte, want error, mostBytes int64, mostMemory uint64) {
	t.Helper()
	n, members, errs, memory := eaten(t, data, &Budget{})
	if !slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, want) }) {
		t.Errorf("%s: Walk tells %v, want %v", what, errs[:min(3, len(errs))], want)
	}
	if n > mostBytes {
		t.Errorf("%s: Walk yields %d bytes in %d members, want at most %d", what, n, members, mostBytes)
	}
	if memory > mostMemory {
		t.Errorf("%s: Walk allocates %d bytes, want at most %d", what, memory, mostMemory)
	}
}

// zeros is a stream of deflate that gives n megabytes of them.
func zeros(tb testing.TB, n int) []byte {
	tb.Helper()
	var chunk, end bytes.Buffer
	w, err := flate.NewWriter(&chunk, 9)
	if err == nil {
		_, err = w.Write(make([]byte, 1<<20))
	}
	if err == nil {
		err = w.Flush() // what it wrote can stand anywhere
	}
	if err != nil {
		tb.Fatal(err)
	}
	w.Reset(&end)
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return append(bytes.Repeat(chunk.Bytes(), n), end.Bytes()...)
}

const gzipHead = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"

func TestBombsAreStoppedAndTold(t *testing.T) {
	const mega = 1 << 20
	ten := append([]byte(gzipHead), zeros(t, 10<<10)...) // 10 GB in 10 MB
	stopped(t, "10 GB of zeros", ten, ErrBomb, 18*mega, 150*mega)
	inside := zipOf(0)(t, file{"a", sample(20, 500)}, file{"bomb.gz", ten}, file{"z", sample(21, 500)})
	stopped(t, "10 GB of zeros in a zip", inside, ErrBomb, 18*mega, 150*mega)
	all := walk(t, inside, &Budget{})
	if n, _ := all.whole([]file{{"a", sample(20, 500)}, {"z", sample(21, 500)}}); n != 2 {
		t.Errorf("beside a bomb, %d members of 2 are yielded", n)
	}
	all.told(t, "bomb.gz", ErrBomb)

	// 42.zip: sixteen of sixteen of … of many zeros.
	one := rawZip(zipPart{name: "0.dll", method: 8, data: zeros(t, 100), size: 100 << 20})
	for range 5 {
		var parts []file
		for i := range 16 {
			parts = append(parts, file{fmt.Sprintf("lib %x.zip", i), one})
		}
		one = zipOf(8)(t, parts...)
	}
	stopped(t, "42.zip", one, ErrBomb, 200*mega, 400*mega)

	pdf := bytes.Repeat([]byte("1 0 obj<</Filter/FlateDecode>>stream\nx\x9c\x4b\x04\x00\x00\x62\x00\x62\nendstream\n"), 1_000_000)
	n, members, errs, memory := eaten(t, append([]byte("%PDF-1.4\n"), pdf...), &Budget{})
	if n != 1_000_000 || members != 1_000_000 || len(errs) > 0 || memory > 1<<30 {
		t.Errorf("a PDF of a million streams gives %d bytes in %d members, %d errors, and takes %d bytes", n, members, len(errs), memory)
	}
}

// zipPart is a member of a zip written by hand.
type zipPart struct {
	name       string
	method     uint16
	flags      uint16
	data       []byte
	size       int
	crc        uint32
	unlisted   bool
	unsized    bool // sizes stand behind the data, or nowhere
	at         int  // of the header, if it is another's
	elsewhere  bool
	descriptor bool
}

func (p zipPart) header() []byte {
	h := make([]byte, 30)
	copy(h, zipLocal)
	binary.LittleEndian.PutUint16(h[6:], p.flags)
	binary.LittleEndian.PutUint16(h[8:], p.method)
	if p.unsized {
		h[6] |= 8
	} else {
		binary.LittleEndian.PutUint32(h[14:], p.crc)
		binary.LittleEndian.PutUint32(h[18:], uint32(len(p.data)))
		binary.LittleEndian.PutUint32(h[22:], uint32(p.size))
	}
	binary.LittleEndian.PutUint16(h[26:], uint16(len(p.name)))
	return append(h, p.name...)
}

// rawZip writes what no zip program would.
func rawZip(parts ...zipPart) (b []byte) {
	var dir []byte
	count := 0
	for _, p := range parts {
		at := len(b)
		if p.crc == 0 && p.method == 0 {
			p.crc, p.size = crc32.ChecksumIEEE(p.data), len(p.data)
		}
		if p.elsewhere {
			at = p.at
		} else {
			b = append(append(b, p.header()...), p.data...)
			if p.descriptor {
				b = append(b, zipSizes...)
				for _, v := range []uint32{p.crc, uint32(len(p.data)), uint32(p.size)} {
					b = binary.LittleEndian.AppendUint32(b, v)
				}
			}
		}
		if p.unlisted {
			continue
		}
		count++
		r := make([]byte, zipRecord)
		copy(r, zipEntry)
		copy(r[8:12], p.header()[6:10])
		for i, v := range []uint32{p.crc, uint32(len(p.data)), uint32(p.size)} {
			binary.LittleEndian.PutUint32(r[16+4*i:], v)
		}
		binary.LittleEndian.PutUint16(r[28:], uint16(len(p.name)))
		binary.LittleEndian.PutUint32(r[42:], uint32(at))
		dir = append(append(dir, r...), p.name...)
	}
	end := make([]byte, zipEnd)
	binary.LittleEndian.PutUint32(end, zipEndMark)
	binary.LittleEndian.PutUint16(end[8:], uint16(count))
	binary.LittleEndian.PutUint16(end[10:], uint16(count))
	binary.LittleEndian.PutUint32(end[12:], uint32(len(dir)))
	binary.LittleEndian.PutUint32(end[16:], uint32(len(b)))
	return append(append(b, dir...), end...)
}

func TestOverlappingMembersAreTold(t *testing.T) {
	text := sample(22, 300)
	inner := zipPart{name: "inner", data: text}
	outer := zipPart{name: "outer", data: slices.Concat([]byte("it is\n"), inner.header(), text)}
	at := 30 + len("outer") + len("it is\n")
	all := walk(t, rawZip(outer, zipPart{name: "inner", data: text, elsewhere: true, at: at}, zipPart{name: "again", data: text, elsewhere: true}), &Budget{})
	all.told(t, "", ErrBomb)
	if got := all.named("outer"); len(got) != 1 || !bytes.Contains(got[0], text) || len(all.members) != 1 {
		t.Errorf("a zip with two members in one gives %v, want the outer one, once", all)
	}
}

// Whatever a header says of sizes, memory follows what is there.
func TestHeadersThatAskForMemory(t *testing.T) {
	const mega = 1 << 20
	text := sample(23, 2000)
	check := func(what string, data []byte, want []byte, kind error) {
		t.Helper()
		n, _, errs, memory := eaten(t, data, &Budget{})
		if memory > 40*mega {
			t.Errorf("%s: Walk allocates %d bytes", what, memory)
		}
		if kind != nil && !slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, kind) }) {
			t.Errorf("%s: Walk tells %v, want %v", what, errs, kind)
		}
		if want != nil && n < int64(len(want)) {
			t.Errorf("%s: Walk yields %d bytes, want %d", what, n, len(want))
		}
	}
	big := xzed(t, text)
	i := bytes.IndexByte(big[14:], xzLZMA2) + 14
	big[i+2] = 40 // 4 GiB
	end := 12 + (int(big[12])+1)*4
	binary.LittleEndian.PutUint32(big[end-4:], crc32.ChecksumIEEE(big[12:end-4]))
	check("xz with a dictionary of 4 GiB", big, text, nil)

	old := lzmaed(t, text)
	binary.LittleEndian.PutUint32(old[1:], 1<<31)
	check("lzma with a dictionary of 2 GiB", old, text, nil)

	frame := zstded(t, sample(23, 300_000))
	var head zstd.Header
	if err := head.Decode(frame); err != nil || head.SingleSegment {
		t.Fatalf("zstd writes %+v, %v", head, err)
	}
	frame[5] = 0xa8 // 2 GiB
	check("zstd with a window of 2 GiB", frame, nil, ErrTooLarge)

	for what, header := range map[string][]byte{
		"files":       append([]byte{sevenHeaderID, sevenFiles, 0xf0, 0xff, 0xff, 0xff, 0xff}, make([]byte, 50)...),
		"streams":     append([]byte{sevenHeaderID, sevenStreams, sevenPack, 0, 0xf0, 0xff, 0xff, 0xff, 0xff, sevenCRC, 1}, make([]byte, 50)...),
		"folders":     append([]byte{sevenHeaderID, sevenStreams, sevenUnpack, sevenFolder, 0xf0, 0xff, 0xff, 0xff, 0xff, 0}, make([]byte, 50)...),
		"coders":      append([]byte{sevenHeaderID, sevenStreams, sevenUnpack, sevenFolder, 1, 0, 0xf0, 0xff, 0xff, 0xff, 0xff}, make([]byte, 50)...),
		"coder input": append([]byte{sevenHeaderID, sevenStreams, sevenUnpack, sevenFolder, 1, 0, 1, 0x11, 0, 0xf0, 0xff, 0xff, 0xff, 0xff, 1}, make([]byte, 50)...),
		"properties":  append([]byte{sevenHeaderID, sevenStreams, sevenUnpack, sevenFolder, 1, 0, 1, 0x21, 0, 0xf0, 0xff, 0xff, 0xff, 0xff}, make([]byte, 50)...),
		"substreams": append(append([]byte{sevenHeaderID, sevenStreams}, sevenStreamsOf(0, 9, coderCopy, nil, 9)...),
			append([]byte{sevenSub, sevenNumStreams, 0xf0, 0xff, 0xff, 0xff, 0xff, sevenSize}, make([]byte, 50)...)...),
	} {
		n, _, errs, memory := eaten(t, sevenFileOf(make([]byte, 100), header), &Budget{})
		if n > 0 || len(errs) != 1 || memory > mega {
			t.Errorf("7z with 2^32 %s: Walk yields %d bytes, tells %v and allocates %d", what, n, errs, memory)
		}
	}
	large := slices.Concat([]byte{sevenHeaderID, sevenStreams}, sevenStreamsOf(0, 100, coderLZMA2, []byte{40}, 1<<40),
		[]byte{sevenEnd, sevenFiles, 1, 17, 5, 0, 'a', 0, 0, 0, sevenEnd, sevenEnd})
	check("7z with a dictionary of 4 GiB", sevenFileOf(make([]byte, 100), large), nil, ErrTooLarge)
}

func TestTarsThatLieAboutSizes(t *testing.T) {
	const mega = 1 << 20
	head := func(set func([]byte)) []byte {
		b := tarOf(tar.FormatGNU)(t, file{"x", sample(24, 100)})
		set(b)
		summed(b[:tarBlock])
		return b
	}
	number := func(field []byte, v uint64) { // base 256
		clear(field)
		field[0] = 0x80
		binary.BigEndian.PutUint64(field[len(field)-8:], v)
	}
	for what, data := range map[string][]byte{
		"giant":    head(func(b []byte) { number(b[124:136], math.MaxInt64) }),
		"negative": head(func(b []byte) { copy(b[124:136], bytes.Repeat([]byte{0xff}, 12)) }),
		"pax header of gigabytes": head(func(b []byte) {
			b[156] = 'x'
			number(b[124:136], 4<<30)
		}),
		"name of gigabytes": head(func(b []byte) {
			b[156] = 'L'
			number(b[124:136], 4<<30)
		}),
	} {
		for _, in := range [][]byte{data, gzipped(t, append(data, make([]byte, 100<<10)...))} {
			if n, _, _, memory := eaten(t, in, &Budget{}); memory > 5*mega || n > mega {
				t.Errorf("tar with a size that is %s: Walk yields %d bytes and allocates %d", what, n, memory)
			}
		}
	}
	petabytes := head(func(b []byte) {
		b[156] = 'S'
		number(b[483:495], 5<<50)
		copy(b[386:398], "00000000000\x00")
		copy(b[398:410], "00000000144\x00")
		number(b[410:422], 5<<50)
		copy(b[422:434], "00000000000\x00")
	})
	after := oldTar(t, file{"after", sample(25, 400)})
	petabytes = append(petabytes[:2*tarBlock], after...)
	stopped(t, "sparse file of petabytes", petabytes, ErrBomb, 18*mega, 150*mega)
	all := walk(t, petabytes, &Budget{})
	if got := all.named("after"); len(got) != 1 || !bytes.Equal(got[0], sample(25, 400)) {
		t.Errorf("behind a sparse file of petabytes there is %v", all.errs)
	}
	all.told(t, "x", ErrBomb)
}

// Pages of a database that point at each other, and cells without end.
func TestDatabasesThatLoop(t *testing.T) {
	data := sqliteOf(t, file{"", sample(26, 4000)})
	pages := len(data) / 512
	for p := 3; p <= pages; p++ {
		b := bytes.Clone(data)
		binary.BigEndian.PutUint32(b[(p-1)*512:], 3)
		all := walk(t, b, &Budget{})
		if p < pages {
			all.told(t, "", ErrDamaged)
		}
		if len(all.members) != 1 {
			t.Errorf("a database whose page %d points back gives %v", p, all)
		}
	}
	// All cells lead to the same pages.
	leaf := data[512:1024]
	binary.BigEndian.PutUint16(leaf[3:], 30)
	for i := range 30 {
		copy(leaf[8+2*i:], leaf[8:10])
	}
	many := append(bytes.Clone(data), bytes.Repeat(leaf, 10_000)...)
	if n, _, _, _ := eaten(t, many, &Budget{}); n > int64(len(data)) {
		t.Errorf("cells that share their pages give %d bytes of %d", n, len(data))
	}
}

// What looks like a member again and again is not read to the end each time.
func TestFalseMembersCostLittle(t *testing.T) {
	// Each header begins a stream that skips all that follow.
	data := []byte("PK\x03\x04 begins nothing")
	for len(data) < 4<<20 {
		data = append(data, zipPart{name: "x", method: 93, unsized: true}.header()...)
		data = append(data, "\x50\x2a\x4d\x18"...)
		data = binary.LittleEndian.AppendUint32(data, uint32(4<<20+10_000-len(data)))
		data = append(data, make([]byte, 4000)...)
	}
	data = append(data, make([]byte, 50_000)...)
	budget := &Budget{}
	if n, _, errs, _ := eaten(t, rawZip(zipPart{name: "a", data: data}), budget); n == 0 || len(errs) > 0 {
		t.Errorf("a zip of a member of headers gives %d bytes and tells %v", n, errs)
	}
	if n, _, _, _ := eaten(t, data, budget); n > 0 {
		t.Errorf("headers that lead nowhere give %d bytes", n)
	}
	if spent := budget.bytes.Load(); spent < int64(len(data)) || spent > (2*badTries+4)*int64(len(data)) {
		t.Errorf("%d bytes of headers that lead nowhere cost %d", len(data), spent)
	}
}

func TestBudgets(t *testing.T) {
	var files []file
	for i := range 20 {
		files = append(files, file{fmt.Sprint("f", i), sample(uint64(i), 10_000)})
	}
	data := zipOf(8)(t, files...)
	for what, budget := range map[string]*Budget{
		"bytes": {Bytes: 50_000}, "members": {Members: 5}, "a blob": {BlobBytes: 50_000},
	} {
		all := walk(t, data, budget)
		if n, _ := all.whole(files); n < 3 || n > 6 || len(all.errs) != 1 || !errors.Is(all.errs[0], ErrSpent) {
			t.Errorf("a budget of %s gives %d members and tells %v", what, n, all.errs)
		}
		if what == "a blob" {
			continue
		}
		// It is the scan's: other blobs are not even begun.
		if all := walk(t, data, budget); len(all.members) > 0 || len(all.errs) != 1 || !errors.Is(all.errs[0], ErrSpent) {
			t.Errorf("a budget of %s that is spent gives %v", what, all)
		}
	}
	all := walk(t, data, &Budget{Depth: 1})
	all.clean(t, "depth 1")
	if all := walk(t, gzipped(t, data), &Budget{Depth: 1}); len(all.members) != 1 || !bytes.Equal(all.members[0].data, data) || !errors.Is(all.errs[0], ErrTooDeep) {
		t.Errorf("a zip in gzip with one level gives %v", all)
	}
}

// Large members come in two parts, and nothing is missing between them.
func TestLargeMembersComeAsStreams(t *testing.T) {
	want := sample(27, 1200<<10)
	budget := func() *Budget { return &Budget{MemberHeld: 256 << 10, Held: 20 << 20} }
	for _, p := range packers {
		if p.format == Bzip2 || p.name == "zip-bzip2" || p.name == "7z-bzip2" || p.name == "7z-deflate" {
			continue // their writers take long
		}
		data := p.pack(t, file{"big", want})
		all := walk(t, data, budget())
		all.clean(t, p.name)
		if n, _ := all.whole([]file{{"big", want}}); n != 1 {
			t.Errorf("Walk(%s of 1.2 MB) gives %d members", p.name, len(all.members))
		}
		// In a stream it is larger than what is held, whether it can be read in
		// order or not.
		wrapped := gzipped(t, packers[9].pack(t, file{"in", data}, file{"next", want[:1000]}))
		all = walk(t, wrapped, budget())
		if !all.holds(want[:1000]) || len(all.named("next")) != 1 {
			t.Errorf("behind %s of 1.2 MB nothing is found", p.name)
		}
		switch {
		case p.format.sequential() || len(data) < 256<<10:
			if n, _ := all.whole([]file{{"big", want}}); n != 1 {
				t.Errorf("Walk(gzip of tar of %s of 1.2 MB) gives %v", p.name, all.errs)
			}
		default:
			all.told(t, "in", ErrTooLarge)
			if got := all.named("in"); len(got) != 1 || !bytes.Equal(got[0], data) {
				t.Errorf("Walk(gzip of tar of %s of 1.2 MB) does not give it as it is", p.name)
			}
		}
	}
}

// Who does not read More loses nothing of what follows.
func TestMoreNeedNotBeRead(t *testing.T) {
	data := gzipped(t, packers[9].pack(t, file{"big", sample(28, 3<<20)}, file{"small", sample(29, 50)}))
	var names []string
	for m, err := range Walk(t.Context(), data, &Budget{MemberHeld: 1 << 20, Held: 1 << 20}) {
		if err != nil {
			t.Errorf("Walk tells %v", err)
		}
		if !m.Rest {
			names = append(names, m.Name)
		}
	}
	if !slices.Equal(names, []string{"big", "small"}) {
		t.Errorf("Walk yields %q, want big and small", names)
	}
}

// Damage at the end of a member is told, even if nobody reads that far.
func TestWhatNobodyReadsIsChecked(t *testing.T) {
	data := gzipped(t, sample(28, 3<<20))
	data[len(data)-8]++
	var told error
	for _, err := range Walk(t.Context(), data, &Budget{MemberHeld: 1 << 20}) {
		told = errors.Join(told, err)
	}
	if !errors.Is(told, ErrDamaged) {
		t.Errorf("a wrong sum behind what was not read is told as %v", told)
	}
}
