// Package inflate decompresses zlib streams (RFC 1950, RFC 1951) that lie whole
// in memory, one call a stream. It is the floor that everything the object
// reader does stands on, and half of the time of a scan, which is why it is
// written here: the library's decoder reads from an io.Reader, byte by byte,
// and takes more than twice as long.
//
// The design is that of one-shot decoders such as libdeflate: table entries
// that hold all a symbol stands for, a 64-bit buffer of bits that is filled with
// one load, several literals between two fills, copies in whole words. It is
// plain Go; the inner loop alone exists a second time without bounds checks,
// which the build tag purego leaves out.
//
// It never writes past the memory it is given and treats every stream as
// hostile. compress/zlib is its twin in the tests.
package inflate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
)

// What can be wrong with a stream. Callers branch with errors.Is.
var (
	// ErrCorrupt: the bytes are no zlib stream, or its checksum does not hold.
	ErrCorrupt = errors.New("corrupt zlib stream")
	// ErrTruncated: the stream goes on past the end of the input.
	ErrTruncated = errors.New("truncated zlib stream")
	// ErrSize: the stream holds more or fewer bytes than were declared.
	ErrSize = errors.New("zlib stream does not have its declared size")
)

const (
	// MaxRatio is the most bytes one byte of DEFLATE can become: 258 bytes for
	// a match of two bits, rounded up. A declared size over MaxRatio times the
	// input is a lie, known before anything is allocated.
	MaxRatio = 1032

	// Slack is how many bytes of capacity behind a destination, and of input
	// behind a stream, let the decoder run at full speed to the stream's end.
	// With less, its last bytes are decoded one at a time.
	Slack = 320
)

// A Decoder holds what one goroutine needs to decompress streams one after the
// other. Its zero value works.
type Decoder struct {
	own  tables // of a block with codes of its own
	pre  [preSize]uint32
	lens [maxLit + maxDist]uint8
	// safe leaves the fast loop to its twin, for the tests.
	safe bool
}

// Zlib decompresses the stream at the start of src into the whole of dst and
// tells how many bytes of src the stream took, its checksum included. dst must
// be as long as the stream's content: ErrSize if it is not. Memory between
// dst's length and its capacity may be overwritten. When an error is returned,
// dst holds rubbish.
func (d *Decoder) Zlib(dst, src []byte) (consumed int, err error) {
	n, err := d.ZlibUnsummed(dst, src)
	if err == nil && adler32.Checksum(dst) != binary.BigEndian.Uint32(src[n-adler32.Size:]) {
		return 0, fmt.Errorf("%w: its checksum does not match", ErrCorrupt)
	}
	return n, err
}

// ZlibUnsummed is Zlib without the comparison of the content's checksum, for
// streams whose compressed bytes were compared with another one.
func (d *Decoder) ZlibUnsummed(dst, src []byte) (consumed int, err error) {
	s, err := open(src)
	if err == nil {
		err = d.whole(&s, dst)
	}
	if err != nil {
		return 0, err
	}
	n := s.used() + adler32.Size
	if n > len(src) {
		return 0, ErrTruncated
	}
	return n, nil
}

// Raw is Zlib for a stream of DEFLATE alone, without head and checksum.
func (d *Decoder) Raw(dst, src []byte) (consumed int, err error) {
	s := stream{in: src}
	if err := d.whole(&s, dst); err != nil {
		return 0, err
	}
	return s.used(), nil
}

// whole decodes a DEFLATE stream that fills dst.
func (d *Decoder) whole(s *stream, dst []byte) error {
	out, err := d.inflate(s, dst)
	if err == nil && out != len(dst) {
		err = ErrSize
	}
	return err
}

// Prefix decompresses the first len(dst) bytes of the stream at the start of
// src, or all of it when it is shorter, and tells how many bytes it wrote. The
// checksum is not looked at.
func (d *Decoder) Prefix(dst, src []byte) (n int, err error) {
	s, err := open(src)
	if err != nil {
		return 0, err
	}
	n, err = d.inflate(&s, dst[:len(dst):len(dst)])
	if errors.Is(err, ErrSize) {
		return len(dst), nil
	}
	return n, err
}

// open reads the head of a zlib stream.
func open(src []byte) (stream, error) {
	if len(src) < 2 {
		return stream{}, ErrTruncated
	}
	const (
		method     = 8 // DEFLATE, in the low half of the first byte
		maxWindow  = 7 // in its high half
		dictionary = 0x20
	)
	if src[0]&15 != method || src[0]>>4 > maxWindow || binary.BigEndian.Uint16(src)%31 != 0 || src[1]&dictionary != 0 {
		return stream{}, ErrCorrupt
	}
	return stream{in: src, at: 2}, nil
}

// inflate decodes the blocks of a DEFLATE stream. ErrSize tells that there is
// more than fits; dst is full then.
func (d *Decoder) inflate(s *stream, dst []byte) (out int, err error) {
	for last := false; !last; {
		s.fill()
		last = s.take(1) == 1
		switch s.take(2) {
		case 0:
			out, err = s.stored(dst, out)
		case 1:
			out, err = d.block(fixed, s, dst, out)
		case 2:
			if err = d.readCodes(s); err == nil {
				out, err = d.block(&d.own, s, dst, out)
			}
		default:
			err = ErrCorrupt
		}
		if s.beyond() {
			return out, ErrTruncated
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// stream is where a decoder stands in its input.
type stream struct {
	in   []byte
	at   int    // the next byte to load
	bits uint64 // loaded and not used yet, the next one lowest
	have uint   // how many bits are; what is above them is zero or that of in[at:]
	made int    // bytes of zeros that were loaded behind the end of in
}

// fill makes sure that at least 48 bits are loaded, zeros behind the end.
func (s *stream) fill() {
	if s.at+8 <= len(s.in) {
		s.bits |= binary.LittleEndian.Uint64(s.in[s.at:]) << (s.have & 63)
		s.at += int(63-s.have) >> 3
		s.have |= 56
		return
	}
	for s.have < 48 {
		if s.at < len(s.in) {
			s.bits |= uint64(s.in[s.at]) << s.have
			s.at++
		} else {
			s.made++
		}
		s.have += 8
	}
}

func (s *stream) take(n uint) uint32 {
	v := uint32(s.bits & (1<<n - 1))
	s.bits >>= n
	s.have -= n
	return v
}

// beyond tells whether bits behind the end of the input have been used.
func (s *stream) beyond() bool { return s.made*8 > int(s.have) }

// used is how many bytes of the input the stream has taken. Whole bytes that
// were loaded and not used belong to whoever comes next.
func (s *stream) used() int { return s.at - (int(s.have)>>3 - s.made) }

// stored copies a block that is not compressed.
func (s *stream) stored(dst []byte, out int) (int, error) {
	s.take(s.have & 7)
	s.fill()
	n, inverse := s.take(16), s.take(16)
	if s.beyond() {
		return out, ErrTruncated
	}
	if n != ^inverse&0xffff {
		return out, ErrCorrupt
	}
	s.at = s.used()
	s.bits, s.have, s.made = 0, 0, 0
	rest := s.in[s.at:]
	length := min(int(n), len(rest))
	copied := copy(dst[out:], rest[:length])
	s.at += length
	switch {
	case length < int(n):
		return out + copied, ErrTruncated
	case copied < length:
		return out + copied, ErrSize
	}
	return out + copied, nil
}
