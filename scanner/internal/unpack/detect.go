package unpack

import (
	"bytes"
	"encoding/binary"
)

// Format is a kind of container.
type Format uint8

// The kinds of containers. Those behind PDF are known by name only.
const (
	None Format = iota
	Gzip
	Zlib
	Bzip2
	XZ
	LZMA
	Zstd
	Snappy
	Tar
	Ar
	Cpio
	Zip
	SevenZip
	SQLite
	PDF
	RAR
	LZ4
	Cabinet
	RPM
	Lzip
)

var formatNames = [...]string{
	"none", "gzip", "zlib", "bzip2", "xz", "lzma", "zstd", "snappy", "tar", "ar", "cpio", "zip", "7z", "sqlite", "pdf",
	"rar", "lz4", "cabinet", "rpm", "lzip",
}

func (f Format) String() string { return formatNames[f] }

// sequential tells whether f is read from front to back, so that it needs not be
// held in memory.
func (f Format) sequential() bool { return f != None && f < Zip }

// weak tells whether the magic of f is so little that other things have it.
func (f Format) weak() bool { return f == Zlib || f == LZMA }

// The sizes and places that formats are told by.
const (
	zipEndMark = 0x06054b50

	tarBlock  = 512
	tarMagic  = 257
	tarSum    = 148
	zipEnd    = 22
	lzmaHead  = 13
	ownMagic  = 8 // no format is told by less
	exeSearch = 1 << 20
)

// Detect tells what kind of container data may be, from a few bytes of its
// beginning and its end; None for nearly all. Only reading it shows whether it
// is one. It takes a few nanoseconds but for programs (MZ, ELF, Mach-O), which may
// have an archive behind them.
func Detect(data []byte) Format {
	if len(data) < ownMagic {
		return None
	}
	for _, m := range byFirst[data[0]] {
		if string(data[:len(m.prefix)]) == m.prefix && (m.fits == nil || m.fits(data)) {
			if m.format == None {
				return appended(data)
			}
			return m.format
		}
	}
	if len(data) >= tarBlock && (string(data[tarMagic:tarMagic+5]) == "ustar" || data[tarSum+6] == 0 && plainTar(data[:tarBlock])) {
		return Tar
	}
	if len(data) >= zipEnd && binary.LittleEndian.Uint32(data[len(data)-zipEnd:]) == zipEndMark {
		return Zip
	}
	return None
}

// magic is how a format begins: with at most ownMagic bytes, and perhaps more to
// look at. Without a format, it is a program that may have one behind it.
type magic struct {
	prefix string
	format Format
	fits   func([]byte) bool
}

var magics = []magic{
	{"\x1f\x8b\x08", Gzip, func(b []byte) bool { return b[3]&0xe0 == 0 }}, // the high bits of the flags are reserved
	{"BZh", Bzip2, plausibleBzip2},
	{"\xfd7zXZ\x00", XZ, nil},
	{"]\x00", LZMA, plausibleLZMA},
	{"\x28\xb5\x2f\xfd", Zstd, nil},
	{"\xff\x06\x00\x00sNaP", Snappy, nil},
	{"\xff\x06\x00\x00S2sT", Snappy, nil},
	{"PK\x03\x04", Zip, nil},
	{"7z\xbc\xaf\x27\x1c\x00", SevenZip, nil},
	{"!<arch>\n", Ar, nil},
	{"070701", Cpio, nil},
	{"070702", Cpio, nil},
	{"SQLite f", SQLite, func(b []byte) bool { return len(b) >= sqliteHead && string(b[:16]) == "SQLite format 3\x00" }},
	{"%PDF-", PDF, nil},
	{"Rar!\x1a\x07", RAR, nil},
	{"\x04\x22\x4d\x18", LZ4, nil},
	{"MSCF\x00\x00\x00\x00", Cabinet, nil},
	{"\xed\xab\xee\xdb", RPM, nil},
	{"LZIP\x01", Lzip, nil},
	{"MZ", None, nil},
	{"\x7fELF", None, nil},
	{"\xcf\xfa\xed\xfe", None, nil},
	{"\xce\xfa\xed\xfe", None, nil},
	// RFC 1950: the size of the window, then what makes both a multiple of 31.
	{"\x08", Zlib, plausibleZlib},
	{"\x18", Zlib, plausibleZlib},
	{"\x28", Zlib, plausibleZlib},
	{"\x38", Zlib, plausibleZlib},
	{"\x48", Zlib, plausibleZlib},
	{"\x58", Zlib, plausibleZlib},
	{"\x68", Zlib, plausibleZlib},
	{"\x78", Zlib, plausibleZlib},
}

// byFirst are the magics by their first byte: most text has none.
var byFirst = func() (list [256][]magic) {
	for _, m := range magics {
		list[m.prefix[0]] = append(list[m.prefix[0]], m)
	}
	return list
}()

// plausibleBzip2 looks for the beginning of a block, or of the end.
func plausibleBzip2(data []byte) bool {
	return data[3] >= '1' && data[3] <= '9' && (string(data[4:8]) == "1AY&" || string(data[4:8]) == "\x17rE8")
}

// plausibleZlib leaves out streams that need a dictionary, which nobody has.
func plausibleZlib(data []byte) bool {
	return binary.BigEndian.Uint16(data)%31 == 0 && data[1]&0x20 == 0
}

// plausibleLZMA tells a header of the old format, which has no magic: the usual
// properties, a dictionary of 2^n or 3·2^n, no size or one that can be, and the
// zero that the range coder begins with.
func plausibleLZMA(data []byte) bool {
	if len(data) <= lzmaHead || data[lzmaHead] != 0 {
		return false
	}
	dict, size := binary.LittleEndian.Uint32(data[1:]), binary.LittleEndian.Uint64(data[5:])
	for dict > 3 && dict&1 == 0 {
		dict >>= 1
	}
	return (dict == 1 || dict == 2 || dict == 3) && (size == 1<<64-1 || size < 1<<38)
}

// plainTar tells a header from before there was a magic, by its sum.
func plainTar(block []byte) bool {
	want, digits := 0, 0
	for _, c := range block[tarSum : tarSum+6] {
		switch {
		case c >= '0' && c <= '7':
			want, digits = want<<3|int(c-'0'), digits+1
		case c != ' ':
			return false
		}
	}
	return digits > 0 && block[0] != 0 && tarSumOf(block) == want
}

// tarSumOf adds up a header with its sum taken for spaces.
func tarSumOf(block []byte) int {
	sum := 8 * int(' ')
	for _, c := range block[:tarSum] {
		sum += int(c)
	}
	for _, c := range block[tarSum+8 : tarBlock] {
		sum += int(c)
	}
	return sum
}

// appended looks for an archive behind a program: a zip with a comment, which
// the look at the last bytes does not see, or a 7z.
func appended(data []byte) Format {
	tail := data[max(0, len(data)-zipEnd-1<<16):]
	if bytes.Contains(tail, []byte("PK\x05\x06")) {
		return Zip
	}
	if bytes.Contains(data[:min(len(data), exeSearch)], []byte("7z\xbc\xaf\x27\x1c\x00")) {
		return SevenZip
	}
	return None
}
