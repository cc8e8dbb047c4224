package unpack

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/ascii85"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// file is a member to be packed.
type file struct {
	name string
	data []byte
}

// packer makes a container of one format.
type packer struct {
	name   string
	format Format
	pack   func(testing.TB, ...file) []byte
	named  bool // it keeps names, and more than one file
}

// packers are all there is a writer for.
var packers = []packer{
	{"gzip", Gzip, one(gzipped), false},
	{"zlib", Zlib, one(zlibbed), false},
	{"bzip2", Bzip2, one(bzipped), false},
	{"xz", XZ, one(xzed), false},
	{"lzma", LZMA, one(lzmaed), false},
	{"zstd", Zstd, one(zstded), false},
	{"snappy", Snappy, one(func(tb testing.TB, b []byte) []byte { return framed(tb, b, s2.WriterSnappyCompat()) }), false},
	{"s2", Snappy, one(func(tb testing.TB, b []byte) []byte { return framed(tb, b) }), false},
	{"ustar", Tar, tarOf(tar.FormatUSTAR), true},
	{"pax", Tar, tarOf(tar.FormatPAX), true},
	{"gnutar", Tar, tarOf(tar.FormatGNU), true},
	{"v7", Tar, oldTar, true},
	{"ar", Ar, arOf, true},
	{"cpio", Cpio, cpioOf, true},
	{"stored", Zip, zipOf(zip.Store), true},
	{"deflated", Zip, zipOf(zip.Deflate), true},
	{"zip-bzip2", Zip, zipOf(12), true},
	{"zip-lzma", Zip, zipOf(14), true},
	{"zip-zstd", Zip, zipOf(93), true},
	{"zip-xz", Zip, zipOf(95), true},
	{"7z-copy", SevenZip, sevenOf(coderCopy, false), true},
	{"7z-lzma", SevenZip, sevenOf(coderLZMA, false), true},
	{"7z-lzma2", SevenZip, sevenOf(coderLZMA2, true), true},
	{"7z-deflate", SevenZip, sevenOf(coderDeflate, true), true},
	{"7z-bzip2", SevenZip, sevenOf(coderBzip2, false), true},
	{"pdf", PDF, pdfOf, false},
	{"sqlite", SQLite, sqliteOf, false},
}

func one(pack func(testing.TB, []byte) []byte) func(testing.TB, ...file) []byte {
	return func(tb testing.TB, files ...file) []byte {
		if len(files) != 1 {
			tb.Fatalf("%d files in a container for one", len(files))
		}
		return pack(tb, files[0].data)
	}
}

// through writes data through what open puts before a buffer.
func through(tb testing.TB, data []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := open(&b)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(tb testing.TB, data []byte) []byte {
	return through(tb, data, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
}

func zlibbed(tb testing.TB, data []byte) []byte {
	return through(tb, data, func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriter(w), nil })
}

func deflated(tb testing.TB, data []byte) []byte {
	return through(tb, data, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, 6) })
}

func xzed(tb testing.TB, data []byte) []byte {
	return through(tb, data, func(w io.Writer) (io.WriteCloser, error) { return xz.WriterConfig{DictCap: 1 << 16}.NewWriter(w) })
}

func lzmaed(tb testing.TB, data []byte) []byte {
	return through(tb, data, func(w io.Writer) (io.WriteCloser, error) { return lzma.WriterConfig{DictCap: 1 << 16}.NewWriter(w) })
}

func zstded(tb testing.TB, data []byte) []byte {
	return through(tb, data, func(w io.Writer) (io.WriteCloser, error) {
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<16))
	})
}

func framed(tb testing.TB, data []byte, options ...s2.WriterOption) []byte {
	return through(tb, data, func(w io.Writer) (io.WriteCloser, error) {
		return s2.NewWriter(w, append(options, s2.WriterConcurrency(1), s2.WriterBlockSize(1<<16))...), nil
	})
}

func tarOf(format tar.Format) func(testing.TB, ...file) []byte {
	return func(tb testing.TB, files ...file) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, f := range files {
			err := w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.data)), Mode: 0o644, Format: format, Typeflag: tar.TypeReg})
			if err == nil {
				_, err = w.Write(f.data)
			}
			if err != nil {
				tb.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			tb.Fatal(err)
		}
		return b.Bytes()
	}
}

// summed puts the right sum into a header of a tar.
func summed(block []byte) []byte {
	copy(block[tarSum:], fmt.Sprintf("%06o\x00 ", tarSumOf(block)))
	return block
}

// oldTar writes what tar wrote before there was a magic.
func oldTar(_ testing.TB, files ...file) (b []byte) {
	for _, f := range files {
		head := make([]byte, tarBlock)
		copy(head, f.name)
		copy(head[100:], "0000644\x000000000\x000000000\x00")
		copy(head[124:], fmt.Sprintf("%011o\x0000000000000\x00", len(f.data)))
		b = append(append(b, summed(head)...), f.data...)
		b = append(b, make([]byte, -len(b)&(tarBlock-1))...)
	}
	return append(b, make([]byte, 2*tarBlock)...)
}

func arOf(_ testing.TB, files ...file) []byte {
	b := []byte("!<arch>\n")
	var long string
	for _, f := range files {
		long += f.name + "/\n"
	}
	put := func(name, data string) {
		b = fmt.Appendf(b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n%s", name, 0, 0, 0, 0o644, len(data), data)
		if len(data)%2 == 1 {
			b = append(b, '\n')
		}
	}
	put("//", long)
	at := 0
	for _, f := range files {
		put(fmt.Sprintf("/%d", at), string(f.data))
		at += len(f.name) + 2
	}
	return b
}

func cpioOf(_ testing.TB, files ...file) (b []byte) {
	for _, f := range append(slices.Clip(files), file{name: "TRAILER!!!"}) {
		b = fmt.Appendf(b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00", 1, 0o100644, 0, 0, 1, 0, len(f.data), 0, 0, 0, 0, len(f.name)+1, 0, f.name)
		b = append(append(b, make([]byte, -len(b)&3)...), f.data...)
		b = append(b, make([]byte, -len(b)&3)...)
	}
	return b
}

// zipOf writes a zip with the library and the compressors it has not.
func zipOf(method uint16) func(testing.TB, ...file) []byte {
	return func(tb testing.TB, files ...file) []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, f := range files {
			packed := zipMethods[method](tb, f.data)
			h := &zip.FileHeader{
				Name: f.name, Method: method, CRC32: crc32.ChecksumIEEE(f.data),
				CompressedSize64: uint64(len(packed)), UncompressedSize64: uint64(len(f.data)),
			}
			if method == 14 {
				h.Flags |= 2 // the end is marked
			}
			part, err := w.CreateRaw(h)
			if err == nil {
				_, err = part.Write(packed)
			}
			if err != nil {
				tb.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			tb.Fatal(err)
		}
		return b.Bytes()
	}
}

var zipMethods = map[uint16]func(testing.TB, []byte) []byte{
	zip.Store:   func(_ testing.TB, b []byte) []byte { return b },
	zip.Deflate: deflated,
	12:          bzipped,
	14: func(tb testing.TB, b []byte) []byte {
		packed := lzmaed(tb, b)
		return append([]byte{9, 20, 5, 0, packed[0], packed[1], packed[2], packed[3], packed[4]}, packed[lzmaHead:]...)
	},
	93: zstded,
	95: xzed,
}

// pdfOf writes a stream with a dictionary before it.
func pdfOf(tb testing.TB, files ...file) []byte {
	return pdfWith(files[0].name, "/FlateDecode", zlibbed(tb, files[0].data))
}

func pdfWith(name, filter string, body []byte) []byte {
	b := fmt.Appendf(nil, "%%PDF-1.4\n%% %s\n1 0 obj\n<< /Length %d /Filter %s >>\nstream\n%s\nendstream\nendobj\n", name, len(body), filter, body)
	return append(b, "trailer << /Root 1 0 R >>\n%%EOF\n"...)
}

func ascii85Of(data []byte) []byte {
	b := make([]byte, ascii85.MaxEncodedLen(len(data)))
	return append(b[:ascii85.Encode(b, data)], "~>"...)
}

func hexOf(data []byte) []byte { return append([]byte(hex.EncodeToString(data)), '>') }

// sqliteOf writes a database of one table with one row, and page one, which
// would have its schema, empty.
func sqliteOf(_ testing.TB, files ...file) []byte {
	kind := sqliteNumber(uint64(2*len(files[0].data) + 12))
	return sqliteRow(slices.Concat([]byte{byte(1 + len(kind))}, kind, files[0].data), tableLeaf)
}

func sqliteNumber(v uint64) []byte {
	b := []byte{byte(v & 0x7f)}
	for v >>= 7; v > 0; v >>= 7 {
		b = append([]byte{byte(v) | 0x80}, b...)
	}
	return b
}

// sevenOf writes a .7z with all files in one folder.
func sevenOf(coder string, encodedHeader bool) func(testing.TB, ...file) []byte {
	return func(tb testing.TB, files ...file) []byte {
		var all []byte
		for _, f := range files {
			all = append(all, f.data...)
		}
		packed, props := sevenPacked(tb, coder, all)
		h := sevenStreamsOf(0, len(packed), coder, props, len(all))
		h = append(append([]byte{sevenHeaderID, sevenStreams}, h...), sevenSub, sevenNumStreams)
		h = append(append(h, sevenNumber(len(files))...), sevenSize)
		for _, f := range files[:len(files)-1] {
			h = append(h, sevenNumber(len(f.data))...)
		}
		h = append(h, sevenCRC, sevenAllDigests)
		var names []byte
		for _, f := range files {
			h = binary.LittleEndian.AppendUint32(h, crc32.ChecksumIEEE(f.data))
			for _, u := range append(utf16.Encode([]rune(f.name)), 0) {
				names = binary.LittleEndian.AppendUint16(names, u)
			}
		}
		h = append(h, sevenEnd, sevenEnd, sevenFiles)
		h = append(append(h, sevenNumber(len(files))...), 17)
		h = append(append(h, sevenNumber(len(names)+1)...), 0)
		h = append(append(h, names...), sevenEnd, sevenEnd)
		body := packed
		if encodedHeader {
			packedHeader, props := sevenPacked(tb, coderLZMA, h)
			at := len(body)
			body = append(slices.Clip(body), packedHeader...)
			h = append(append([]byte{sevenEncodedID}, sevenStreamsOf(at, len(packedHeader), coderLZMA, props, len(h))...), sevenEnd)
		}
		return sevenFileOf(body, h)
	}
}

// sevenFileOf puts the start header before a body and a header behind it.
func sevenFileOf(body, header []byte) []byte {
	b := make([]byte, sevenStart)
	copy(b, sevenMagic+"\x04")
	binary.LittleEndian.PutUint64(b[12:], uint64(len(body)))
	binary.LittleEndian.PutUint64(b[20:], uint64(len(header)))
	binary.LittleEndian.PutUint32(b[28:], crc32.ChecksumIEEE(header))
	binary.LittleEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[12:sevenStart]))
	return slices.Concat(b, body, header)
}

// sevenStreamsOf describes one folder of one coder, up to its sizes.
func sevenStreamsOf(at, packed int, coder string, props []byte, unpacked int) []byte {
	b := append([]byte{sevenPack}, sevenNumber(at)...)
	b = append(b, 1, sevenSize)
	b = append(append(b, sevenNumber(packed)...), sevenEnd, sevenUnpack, sevenFolder, 1, 0, 1)
	flags := byte(len(coder))
	if props != nil {
		flags |= sevenHasProps
	}
	b = append(append(b, flags), coder...)
	if props != nil {
		b = append(append(b, byte(len(props))), props...)
	}
	return append(append(append(b, sevenUnpackSize), sevenNumber(unpacked)...), sevenEnd)
}

func sevenNumber(n int) []byte {
	if n < 0x80 {
		return []byte{byte(n)}
	}
	return binary.LittleEndian.AppendUint64([]byte{0xff}, uint64(n))
}

func sevenPacked(tb testing.TB, coder string, data []byte) (packed, props []byte) {
	switch coder {
	case coderLZMA:
		b := lzmaed(tb, data)
		return b[lzmaHead:], b[:5]
	case coderLZMA2:
		return through(tb, data, func(w io.Writer) (io.WriteCloser, error) {
			return lzma.Writer2Config{DictCap: 1 << 16}.NewWriter2(w)
		}), []byte{lzma.EncodeDictCap(1 << 16)}
	case coderDeflate:
		return deflated(tb, data), nil
	case coderBzip2:
		return bzipped(tb, data), nil
	}
	return data, nil
}

// bzipped compresses as bzip2 does; Go has no writer of it.
func bzipped(_ testing.TB, data []byte) []byte {
	w := &bitWriter{}
	w.text("BZh9")
	var stream uint32
	for len(data) > 0 {
		block := data[:min(len(data), 20<<10)]
		data = data[len(block):]
		crc := bzipSum(block)
		stream = (stream<<1 | stream>>31) ^ crc
		w.text("1AY&SY")
		w.bits(uint64(crc), 32)
		bzipBlock(w, bzipRuns(block))
	}
	w.text("\x17rE8P\x90")
	w.bits(uint64(stream), 32)
	w.bits(0, -w.n&7)
	return w.b
}

// bitWriter packs bits, high ones first.
type bitWriter struct {
	b []byte
	n int
}

func (w *bitWriter) bits(v uint64, n int) {
	for i := n - 1; i >= 0; i-- {
		if w.n&7 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n>>3] |= byte(v>>i&1) << (7 - w.n&7)
		w.n++
	}
}

func (w *bitWriter) text(s string) {
	for i := range len(s) {
		w.bits(uint64(s[i]), 8)
	}
}

func bzipSum(b []byte) uint32 {
	crc := ^uint32(0)
	for _, c := range b {
		crc ^= uint32(c) << 24
		for range 8 {
			if crc>>31 == 1 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	return ^crc
}

// bzipRuns writes runs of four and more as four and a count.
func bzipRuns(b []byte) (out []byte) {
	for i := 0; i < len(b); {
		n := 1
		for i+n < len(b) && n < 259 && b[i+n] == b[i] {
			n++
		}
		out = append(out, bytes.Repeat(b[i:i+1], min(n, 4))...)
		if n >= 4 {
			out = append(out, byte(n-4))
		}
		i += n
	}
	return out
}

// bzipBlock writes the rotated, moved to front and Huffman coded block.
func bzipBlock(w *bitWriter, b []byte) {
	twice := append(slices.Clone(b), b...)
	order := make([]int, len(b))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int {
		return cmp.Or(bytes.Compare(twice[x:x+len(b)], twice[y:y+len(b)]), cmp.Compare(x, y))
	})
	w.bits(0, 1)
	w.bits(uint64(slices.Index(order, 0)), 24)
	var used [256]bool
	for _, c := range b {
		used[c] = true
	}
	var alphabet []byte
	for c, is := range used {
		if is {
			alphabet = append(alphabet, byte(c))
		}
	}
	for i := 0; i < 256; i += 16 {
		w.bits(oneIf(slices.Contains(used[i:i+16], true)), 1)
	}
	for i := 0; i < 256; i += 16 {
		if slices.Contains(used[i:i+16], true) {
			for _, is := range used[i : i+16] {
				w.bits(oneIf(is), 1)
			}
		}
	}
	symbols := bzipSymbols(order, twice, len(b), slices.Clone(alphabet))
	// A code that is whole: the first symbols take a bit less.
	length, n := 1, len(alphabet)+2
	for 1<<length < n {
		length++
	}
	short := 1<<length - n
	groups := (len(symbols) + 49) / 50
	w.bits(2, 3)
	w.bits(uint64(groups), 15)
	w.bits(0, groups)
	for range 2 {
		w.bits(uint64(length-1), 5)
		w.bits(0, short)
		w.bits(0b100, 3)
		w.bits(0, n-short-1)
	}
	for _, s := range symbols {
		if s < short {
			w.bits(uint64(s), length-1)
		} else {
			w.bits(uint64(s+short), length)
		}
	}
}

func oneIf(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}

// bzipSymbols moves to front and counts zeros in the two symbols for runs.
func bzipSymbols(order []int, twice []byte, n int, front []byte) (symbols []int) {
	zeros := 0
	flush := func() {
		for ; zeros > 0; zeros = (zeros - 1) / 2 {
			symbols = append(symbols, (zeros-1)&1)
		}
	}
	last := len(front) + 1
	for _, i := range order {
		c := twice[i+n-1]
		at := bytes.IndexByte(front, c)
		copy(front[1:at+1], front[:at])
		front[0] = c
		if at == 0 {
			zeros++
			continue
		}
		flush()
		symbols = append(symbols, at+1)
	}
	flush()
	return append(symbols, last)
}
