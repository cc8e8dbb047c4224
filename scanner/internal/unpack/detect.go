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
	if first[data[0]] {
		if f := leading(data); f != None {
			return f
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

// first are the bytes that a format told by its beginning can begin with.
var first = [256]bool{
	0x1f: true, 'B': true, 0xfd: true, ']': true, 0x28: true, 0xff: true, 'P': true, '7': true, '!': true, '0': true, 'S': true, '%': true,
	'M': true, 0x7f: true, 0xcf: true, 0xce: true, 0x08: true, 0x18: true, 0x38: true, 0x48: true, 0x58: true, 0x68: true, 0x78: true,
	'R': true, 0x04: true, 0xed: true, 'L': true,
}

// leading looks at the first bytes, of which there are ownMagic.
func leading(data []byte) Format {
	is := func(magic string) bool { return string(data[:len(magic)]) == magic }
	switch data[0] {
	case 0x1f:
		// The three high bits of the flags are reserved.
		if is("\x1f\x8b\x08") && data[3]&0xe0 == 0 {
			return Gzip
		}
	case 'B':
		if is("BZh") && data[3] >= '1' && data[3] <= '9' && (string(data[4:8]) == "1AY&" || string(data[4:8]) == "\x17rE8") {
			return Bzip2
		}
	case 0xfd:
		if is("\xfd7zXZ\x00") {
			return XZ
		}
	case ']':
		if plausibleLZMA(data) {
			return LZMA
		}
	case 0x28:
		if is("\x28\xb5\x2f\xfd") {
			return Zstd
		}
		return further(data)
	case 0xff:
		if is("\xff\x06\x00\x00sNaP") || is("\xff\x06\x00\x00S2sT") {
			return Snappy
		}
	case 'P':
		if is("PK\x03\x04") {
			return Zip
		}
	case '7':
		if is("7z\xbc\xaf\x27\x1c") {
			return SevenZip
		}
	case '!':
		if is("!<arch>\n") {
			return Ar
		}
	case '0':
		if is("070701") || is("070702") {
			return Cpio
		}
	case 'S':
		if is("SQLite f") && len(data) >= sqliteHead && string(data[:16]) == "SQLite format 3\x00" {
			return SQLite
		}
	case '%':
		if is("%PDF-") {
			return PDF
		}
	case 'M', 0x7f, 0xcf, 0xce:
		if is("MZ") || is("\x7fELF") || string(data[1:4]) == "\xfa\xed\xfe" {
			return appended(data)
		}
		if is("MSCF\x00\x00\x00\x00") {
			return Cabinet
		}
	default:
		return further(data)
	}
	return None
}

// further are the formats told by less, and those that are known by name only.
func further(data []byte) Format {
	is := func(magic string) bool { return string(data[:len(magic)]) == magic }
	switch data[0] {
	case 0x08, 0x18, 0x28, 0x38, 0x48, 0x58, 0x68, 0x78:
		// RFC 1950: the two bytes are a multiple of 31. Streams that need a
		// dictionary nobody has are left out.
		if binary.BigEndian.Uint16(data)%31 == 0 && data[1]&0x20 == 0 {
			return Zlib
		}
	case 'R':
		if is("Rar!\x1a\x07") {
			return RAR
		}
	case 0x04:
		if is("\x04\x22\x4d\x18") {
			return LZ4
		}
	case 0xed:
		if is("\xed\xab\xee\xdb") {
			return RPM
		}
	case 'L':
		if is("LZIP\x01") {
			return Lzip
		}
	}
	return None
}

// plausibleLZMA tells a header of the old format, which has no magic: the usual
// properties, a dictionary of 2^n or 3·2^n, no size or one that can be, and the
// zero that the range coder begins with.
func plausibleLZMA(data []byte) bool {
	if len(data) <= lzmaHead || data[0] != 0x5d || data[lzmaHead] != 0 {
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
