package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/adler32"
	"math/rand/v2"
	"testing"
)

// sum puts Adler-32 of content behind a stream.
func sum(stream, content []byte) []byte {
	return binary.BigEndian.AppendUint32(bytes.Clone(stream), adler32.Checksum(content))
}

// Streams that are no mistake of the disk but somebody's work.
func TestZlibRefusesWhatWasMadeToHurt(t *testing.T) {
	const empty = "\x00\x00\x00\xff\xff" // a stored block of nothing
	dictionary := []byte{0x78, 0x20}
	dictionary[1] |= byte(31 - (uint16(dictionary[0])<<8|uint16(dictionary[1]))%31)
	tests := []struct {
		name string
		src  []byte
		n    int
		want error
	}{
		{"nothing", nil, 0, ErrTruncated},
		{"half a header", []byte{0x78}, 0, ErrTruncated},
		{"header only", []byte{0x78, 0x01}, 0, ErrTruncated},
		{"another method", []byte{0x79, 0x01, 0x03, 0x00, 0, 0, 0, 1}, 0, ErrCorrupt},
		{"a dictionary nobody has", append(dictionary, 1, 2, 3, 4, 3, 0, 0, 0, 0, 1), 0, ErrCorrupt},
		{"block of type 3", []byte{0x78, 0x01, 0x07, 0, 0, 0, 0, 1}, 0, ErrCorrupt},
		{"match before the start", sum([]byte{0x78, 0x01, 0x03, 0x02, 0x00}, nil), 3, ErrCorrupt},
		{"stored length that lies", []byte{0x78, 0x01, 0x01, 5, 0, 0, 0, 'a', 'b', 'c', 'd', 'e'}, 5, ErrCorrupt},
		{"blocks of nothing without end", append([]byte{0x78, 0x01}, bytes.Repeat([]byte(empty), 1<<20)...), 10, ErrTruncated},
		{"no checksum", []byte{0x78, 0x01, 0x03, 0x00}, 0, ErrTruncated},
		{"another checksum", []byte{0x78, 0x01, 0x03, 0x00, 0, 0, 0, 2}, 0, ErrCorrupt},
		{"content that goes on for gigabytes", deflate(t, make([]byte, 64<<20), 9), 16, ErrSize},
	}
	var d Decoder
	good := text(5000, 8)
	for _, tt := range tests {
		dst := bytes.Repeat([]byte{0xee}, tt.n+8)
		if n, err := d.Zlib(dst[:tt.n:tt.n], tt.src); !errors.Is(err, tt.want) {
			t.Errorf("Zlib of %s = %d, %v, want %v", tt.name, n, err, tt.want)
		}
		if !bytes.Equal(dst[tt.n:], bytes.Repeat([]byte{0xee}, 8)) {
			t.Errorf("Zlib of %s wrote past its buffer", tt.name)
		}
		// Whatever it met, the decoder is as new for the next stream.
		src := deflate(t, good, 6)
		got := make([]byte, len(good))
		if n, err := d.Zlib(got, src); n != len(src) || err != nil || !bytes.Equal(got, good) {
			t.Errorf("Zlib of a good stream after %s = %d, %v", tt.name, n, err)
		}
	}
}

// Blocks of nothing between blocks of something change nothing.
func TestZlibReadsEmptyBlocks(t *testing.T) {
	content := []byte("content")
	src := []byte{0x78, 0x01}
	for _, c := range content {
		src = append(src, "\x00\x00\x00\xff\xff\x00\x01\x00\xfe\xff"...)
		src = append(src, c)
	}
	src = sum(append(src, "\x01\x00\x00\xff\xff"...), content)
	got := make([]byte, len(content))
	var d Decoder
	if n, err := d.Zlib(got, src); n != len(src) || err != nil || !bytes.Equal(got, content) {
		t.Errorf("Zlib = %d of %d, %v, %q", n, len(src), err, got)
	}
}

// MaxRatio is what callers believe a size by: no stream goes over it.
func TestNothingDeflatesBeyondMaxRatio(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, n := range []int{1, 1000, 1 << 20, 32 << 20} {
		data := bytes.Repeat([]byte{byte(r.Uint32())}, n)
		if src := deflate(t, data, 9); n > len(src)*MaxRatio {
			t.Errorf("%d bytes deflate to %d, a ratio over %d", n, len(src), MaxRatio)
		}
	}
}
