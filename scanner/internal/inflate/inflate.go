// Package inflate decompresses zlib streams (RFC 1950, RFC 1951) that lie whole
// in memory, one call a stream. It is the floor that everything the object
// reader does stands on. It never writes past the buffer it is given and treats
// every stream as hostile.
package inflate

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
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

// MaxRatio is the most bytes one byte of DEFLATE can become: 258 bytes for a
// match of two bits, rounded up. A declared size over MaxRatio times the input
// is a lie, known before anything is allocated.
const MaxRatio = 1032

// A Decoder holds what one goroutine needs to decompress streams one after the
// other. Its zero value works.
type Decoder struct {
	src bytes.Reader
	z   io.ReadCloser
	one [1]byte
}

// Zlib decompresses the stream at the start of src into the whole of dst and
// tells how many bytes of src the stream took, its checksum included. dst must
// be as long as the stream's content: ErrSize if it is not. When an error is
// returned, dst holds rubbish.
func (d *Decoder) Zlib(dst, src []byte) (consumed int, err error) {
	if err := d.reset(src); err != nil {
		return 0, err
	}
	switch n, err := d.fill(dst); {
	case err == io.EOF && n == len(dst):
		return len(src) - d.src.Len(), nil
	case err == io.EOF:
		return 0, ErrSize
	case err != nil:
		return 0, classify(err)
	}
	// The checksum is read and compared at the end of the stream only.
	switch n, err := d.fill(d.one[:]); {
	case n != 0:
		return 0, ErrSize
	case err != io.EOF:
		return 0, classify(err)
	}
	return len(src) - d.src.Len(), nil
}

// Prefix decompresses the first len(dst) bytes of the stream at the start of
// src, or all of it when it is shorter, and tells how many bytes it wrote. The
// checksum is not looked at.
func (d *Decoder) Prefix(dst, src []byte) (n int, err error) {
	if err := d.reset(src); err != nil {
		return 0, err
	}
	n, err = d.fill(dst)
	if err == nil || err == io.EOF {
		return n, nil
	}
	return n, classify(err)
}

// fill reads until dst is full or the stream ends. Unlike io.ReadFull it keeps
// a clean end (io.EOF) and a cut one (io.ErrUnexpectedEOF) apart.
func (d *Decoder) fill(dst []byte) (n int, err error) {
	for n < len(dst) && err == nil {
		var m int
		m, err = d.z.Read(dst[n:])
		n += m
	}
	return n, err
}

func (d *Decoder) reset(src []byte) error {
	d.src.Reset(src)
	if d.z == nil {
		z, err := zlib.NewReader(&d.src)
		if err != nil {
			return classify(err)
		}
		d.z = z
		return nil
	}
	if err := d.z.(zlib.Resetter).Reset(&d.src, nil); err != nil {
		return classify(err)
	}
	return nil
}

func classify(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return ErrTruncated
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}
