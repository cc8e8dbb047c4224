package unpack

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// xzReader reads the frame of .xz, block by block, and leaves LZMA2 to the
// library. The library's own reader of the frame makes whatever dictionary a
// header names, which four bytes can let be 4 GiB, and knows no filters.
//
// https://tukaani.org/xz/xz-file-format.txt
type xzReader struct {
	w     *walker
	in    *feed
	check byte // kind of checksum, of the stream
	block io.Reader
	sum   hash.Hash // of the block; nil if it is not checked
	from  int64     // where the block began
	dict  int64     // memory promised to it
}

// The filters that change nothing but jumps in machine code, and those only
// where bytes stand that are not in a text: x86, ARM, Thumb, ARM64. They are not
// undone, so that nothing is left to sum up.
var harmlessFilters = [16]bool{0x04: true, 0x07: true, 0x08: true, 0x0a: true}

const (
	xzLZMA2 = 0x21
	xzFrame = 12 // header and footer of a stream
	xzMagic = "\xfd7zXZ\x00"
)

var errXZ = errors.New("xz: invalid frame")

func newXZ(w *walker, in *feed) (io.Reader, error) {
	x := &xzReader{w: w, in: in}
	return x, x.header()
}

// header begins a stream.
func (x *xzReader) header() error {
	var head [xzFrame]byte
	if _, err := io.ReadFull(x.in.rd, head[:]); err != nil {
		return err
	}
	if string(head[:6]) != xzMagic || head[6] != 0 || head[7] > 15 || crc32.ChecksumIEEE(head[6:8]) != binary.LittleEndian.Uint32(head[8:]) {
		return errXZ
	}
	x.check = head[7]
	return nil
}

func (x *xzReader) Read(p []byte) (int, error) {
	for {
		if x.block == nil {
			if err := x.next(); err != nil {
				return 0, err
			}
		}
		n, err := x.block.Read(p)
		if x.sum != nil {
			x.sum.Write(p[:n])
		}
		if errors.Is(err, io.EOF) {
			x.block = nil
			err = x.tail()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next begins a block, or goes over the end of a stream and what pads it to the
// next. io.EOF is the end of all.
func (x *xzReader) next() error {
	for {
		x.from = x.in.consumed()
		size, err := x.in.rd.ReadByte()
		if err != nil {
			return cutShort(err)
		}
		if size != 0 {
			return x.begin(size)
		}
		if err := x.index(); err != nil {
			return err
		}
		for string(x.in.peek(4)) == "\x00\x00\x00\x00" {
			if _, err := io.CopyN(io.Discard, x.in.rd, 4); err != nil {
				return err
			}
		}
		if string(x.in.peek(6)) != xzMagic {
			return io.EOF
		}
		if err := x.header(); err != nil {
			return cutShort(err)
		}
	}
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// begin reads the header of a block.
func (x *xzReader) begin(size byte) error {
	head := make([]byte, (int(size)+1)*4)
	head[0] = size
	if _, err := io.ReadFull(x.in.rd, head[1:]); err != nil {
		return cutShort(err)
	}
	body := head[:len(head)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(head[len(body):]) {
		return errXZ
	}
	fields := bytes.NewReader(body[2:])
	unpacked := uint64(1) << 62
	for _, flag := range []byte{0x40, 0x80} { // both sizes; the second is of what comes out
		if body[1]&flag == 0 {
			continue
		}
		n, err := binary.ReadUvarint(fields)
		if err != nil {
			return errXZ
		}
		if flag == 0x80 {
			unpacked = n
		}
	}
	code, err := lastFilter(fields, int(body[1]&3))
	if err != nil {
		return err
	}
	x.sum = nil
	if body[1]&3 == 0 {
		x.sum = blockSum(x.check)
	}
	return x.lzma2(code, unpacked)
}

// blockSum is nil for a kind that is not known.
func blockSum(check byte) hash.Hash {
	switch check {
	case 1:
		return crc32.NewIEEE()
	case 4:
		return crc64.New(crc64ECMA)
	case 10:
		return sha256.New()
	}
	return nil
}

// lastFilter passes over n filters that do no harm and gives the code of the
// dictionary of the LZMA2 behind them.
func lastFilter(fields *bytes.Reader, n int) (code byte, err error) {
	for i := range n + 1 {
		id, err := binary.ReadUvarint(fields)
		size, err2 := binary.ReadUvarint(fields)
		if err != nil || err2 != nil || size > uint64(fields.Len()) {
			return 0, errXZ
		}
		props := make([]byte, size)
		if _, err := io.ReadFull(fields, props); err != nil {
			return 0, errXZ
		}
		switch {
		case i == n && id == xzLZMA2 && size == 1:
			code = props[0]
		case i == n || id >= uint64(len(harmlessFilters)) || !harmlessFilters[id]:
			return 0, fmt.Errorf("%w: filter %#x", ErrUnsupported, id)
		}
	}
	return code, nil
}

func (x *xzReader) lzma2(code byte, unpacked uint64) error {
	wanted, err := lzma.DecodeDictCap(code)
	if err != nil {
		return errXZ
	}
	need := min(wanted, int64(min(unpacked, 1<<62)))
	if x.in.tail == nil {
		need = min(need, lzma2Size(x.in.mem[x.in.consumed():]))
	}
	need = max(need, lzma.MinDictCap)
	x.w.release(x.dict) // the block before needs it no more
	x.dict = x.w.hold(need)
	r, err := lzma.Reader2Config{DictCap: int(x.dict)}.NewReader2(x.in.rd)
	if err != nil {
		return err
	}
	x.block = smaller(r, need, x.dict)
	return nil
}

var crc64ECMA = crc64.MakeTable(crc64.ECMA)

// lzma2Size adds up what the chunks at the beginning of b say they unpack to,
// which they cannot exceed.
func lzma2Size(b []byte) (size int64) {
	for len(b) >= 6 && b[0] != 0 {
		head, packed := 6, 0
		switch {
		case b[0] >= 0x80:
			size += int64(b[0]&0x1f)<<16 + int64(b[1])<<8 + int64(b[2]) + 1
			packed = int(b[3])<<8 + int(b[4]) + 1
			if b[0] < 0xc0 {
				head = 5
			}
		default:
			packed = int(b[1])<<8 + int(b[2]) + 1
			size, head = size+int64(packed), 3
		}
		b = b[min(len(b), head+packed):]
	}
	return size
}

// tail reads what is behind a block: padding and its checksum.
func (x *xzReader) tail() error {
	sizes := [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}
	pad := int((x.from - x.in.consumed()) & 3)
	b := make([]byte, pad+sizes[x.check])
	if _, err := io.ReadFull(x.in.rd, b); err != nil {
		return cutShort(err)
	}
	if x.sum == nil {
		return nil
	}
	got := x.sum.Sum(nil)
	if x.check != 10 { // CRCs are stored low byte first
		for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
			got[i], got[j] = got[j], got[i]
		}
	}
	if !bytes.Equal(got, b[pad:]) {
		return errors.New("xz: wrong checksum of a block")
	}
	return nil
}

// index passes over the list of blocks, whose first byte was read, and the
// footer of the stream.
func (x *xzReader) index() error {
	records, err := binary.ReadUvarint(x.in.rd)
	for i := uint64(0); i < records && err == nil; i++ {
		_, err = binary.ReadUvarint(x.in.rd)
		if err == nil {
			_, err = binary.ReadUvarint(x.in.rd)
		}
	}
	if err != nil {
		return cutShort(err)
	}
	pad := (x.from - x.in.consumed()) & 3
	var b [3 + 4 + xzFrame]byte
	end := b[:int(pad)+4+xzFrame]
	if _, err := io.ReadFull(x.in.rd, end); err != nil {
		return cutShort(err)
	}
	if string(end[len(end)-2:]) != "YZ" {
		return errXZ
	}
	return nil
}
