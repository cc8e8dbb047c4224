package unpack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
)

const (
	sevenMagic = "7z\xbc\xaf\x27\x1c\x00" // and the major version
	sevenStart = 32
	// sevenParts bounds the coders of a folder and their streams: 7-Zip makes no
	// more than four of each.
	sevenParts = 32
	// sevenHeld is what the library holds for a file or folder, at the most.
	sevenHeld = 512
	// sevenWork bounds the loops it runs over the folders for each file.
	sevenWork = 1 << 32
	// longestHeader bounds a header that is compressed.
	longestHeader = 32 << 20
)

// The parts of a header (7zFormat.txt of the LZMA SDK).
const (
	sevenEnd          = 0
	sevenHeaderID     = 1
	sevenStreams      = 4
	sevenFiles        = 5
	sevenPack         = 6
	sevenUnpack       = 7
	sevenSub          = 8
	sevenSize         = 9
	sevenCRC          = 10
	sevenFolder       = 11
	sevenUnpackSize   = 12
	sevenNumStreams   = 13
	sevenEncodedID    = 23
	sevenAllDigests   = 1
	sevenIDLength     = 0x0f
	sevenComplex      = 0x10
	sevenHasProps     = 0x20
	sevenLongestProps = 64
)

// errNoSeven: the first header does not fit, so that it is no archive.
var (
	errNoSeven  = errors.New("7z: no start header")
	errBadSeven = fmt.Errorf("%w: 7z: invalid header", ErrDamaged)
)

// sevenHeader looks through the header of an archive and gives for each folder
// why it is not to be read, or nil.
func (w *walker) sevenHeader(data []byte) ([]error, error) {
	if len(data) < sevenStart || string(data[:len(sevenMagic)]) != sevenMagic ||
		crc32.ChecksumIEEE(data[12:sevenStart]) != binary.LittleEndian.Uint32(data[8:]) {
		return nil, errNoSeven
	}
	offset, size := binary.LittleEndian.Uint64(data[12:]), binary.LittleEndian.Uint64(data[20:])
	body := data[sevenStart:]
	if size == 0 && offset == 0 {
		return nil, nil // an archive of nothing
	}
	if offset > uint64(len(body)) || size > uint64(len(body))-offset || size == 0 {
		return nil, fmt.Errorf("%w: 7z: it ends before its header", ErrDamaged)
	}
	header := body[offset : offset+size]
	if header[0] == sevenEncodedID {
		h := sevenScan{w: w, b: header[1:]}
		h.streams()
		plain, err := h.decode(body)
		if err != nil {
			return nil, err
		}
		header = plain
	}
	h := sevenScan{w: w, b: header}
	h.archive()
	return h.whys(), h.err
}

// archive reads the header of an archive as far as it says how many there are of
// anything.
func (h *sevenScan) archive() {
	if h.byte() != sevenHeaderID {
		h.fail(errBadSeven)
	}
	next := h.byte()
	if next == sevenStreams {
		h.streams()
		next = h.byte()
	}
	switch {
	case h.err != nil || next == sevenEnd:
	case next != sevenFiles:
		h.fail(fmt.Errorf("%w: 7z: property %d", ErrUnsupported, next))
	default:
		if files := h.count(); h.err == nil && int64(files)*int64(len(h.folders)) > sevenWork {
			h.fail(fmt.Errorf("%w: %d files in %d folders", ErrTooLarge, files, len(h.folders)))
		}
	}
}

// sevenScan goes over a header as the library does. Once err is set, all that is
// read is zero.
type sevenScan struct {
	w       *walker
	b       []byte
	err     error
	packPos uint64
	packed  []uint64 // sizes of the packed streams
	folders []sevenFolderInfo
}

type sevenFolderInfo struct {
	coders []sevenCoder
	out    int
	sizes  []uint64
}

type sevenCoder struct {
	id    string
	props []byte
}

func (h *sevenScan) fail(err error) {
	if h.err == nil {
		h.err = err
	}
	h.b = nil
}

func (h *sevenScan) take(n int) []byte {
	if n > len(h.b) {
		h.fail(errBadSeven)
		return make([]byte, min(n, sevenLongestProps))
	}
	b := h.b[:n]
	h.b = h.b[n:]
	return b
}

func (h *sevenScan) byte() byte { return h.take(1)[0] }

// number reads an integer whose first byte has as many high bits set as there
// are further bytes.
func (h *sevenScan) number() uint64 {
	first := h.byte()
	more := bits.LeadingZeros8(^first)
	if h.err != nil {
		return 0
	}
	var v uint64
	for i, b := range h.take(more) {
		v |= uint64(b) << (8 * i)
	}
	if more < 7 {
		v |= uint64(first&(1<<(7-more)-1)) << (8 * more)
	}
	return v
}

// count reads how many there are of something that takes up bytes of the header,
// if only bits.
func (h *sevenScan) count() int {
	n := h.number()
	if n > uint64(len(h.b))*8 || n*sevenHeld > uint64(h.w.limits.held) {
		h.fail(fmt.Errorf("%w: 7z: a list of %d", ErrTooLarge, n))
		return 0
	}
	return int(n)
}

func (h *sevenScan) want(id byte) {
	if h.byte() != id {
		h.fail(errBadSeven)
	}
}

// digests passes over checksums, of n things or some of them.
func (h *sevenScan) digests(n int) {
	defined := n
	if h.byte() == 0 {
		defined = 0
		for _, b := range h.take((n + 7) / 8) {
			defined += bits.OnesCount8(b)
		}
	}
	h.take(4 * min(defined, n))
}

// streams reads where the packed streams are, how they are unpacked and to how
// many files.
func (h *sevenScan) streams() {
	id := h.byte()
	if id == sevenPack {
		h.packPos = h.number()
		n := h.count()
		id = h.byte()
		if id == sevenSize {
			for range n {
				h.packed = append(h.packed, h.number())
			}
			id = h.byte()
		}
		if id == sevenCRC {
			h.digests(n)
			id = h.byte()
		}
		if id != sevenEnd {
			h.fail(errBadSeven)
		}
		id = h.byte()
	}
	if id == sevenUnpack {
		h.unpackInfo()
		id = h.byte()
	}
	if id == sevenSub {
		h.subStreams()
		id = h.byte()
	}
	if id != sevenEnd {
		h.fail(errBadSeven)
	}
}

func (h *sevenScan) unpackInfo() {
	h.want(sevenFolder)
	n := h.count()
	h.want(0) // the folders stand here, not elsewhere
	for range n {
		if h.err != nil {
			return
		}
		h.folders = append(h.folders, h.folder())
	}
	h.want(sevenUnpackSize)
	for i := range h.folders {
		for range h.folders[i].out {
			h.folders[i].sizes = append(h.folders[i].sizes, h.number())
		}
	}
	id := h.byte()
	if id == sevenCRC {
		h.digests(n)
		id = h.byte()
	}
	if id != sevenEnd {
		h.fail(errBadSeven)
	}
}

func (h *sevenScan) few() int {
	n := h.number()
	if n == 0 || n > sevenParts {
		h.fail(errBadSeven)
		return 1
	}
	return int(n)
}

func (h *sevenScan) folder() (f sevenFolderInfo) {
	in := 0
	for range h.few() {
		flags := h.byte()
		c := sevenCoder{id: string(h.take(int(flags & sevenIDLength)))}
		ins, outs := 1, 1
		if flags&sevenComplex != 0 {
			ins, outs = h.few(), h.few()
		}
		if flags&sevenHasProps != 0 {
			n := h.number()
			if n > sevenLongestProps {
				h.fail(errBadSeven)
				return f
			}
			c.props = h.take(int(n))
		}
		in, f.out = in+ins, f.out+outs
		f.coders = append(f.coders, c)
	}
	if in < f.out {
		h.fail(errBadSeven)
		return f
	}
	for range f.out - 1 {
		h.number()
		h.number()
	}
	if packed := in - (f.out - 1); packed > 1 {
		for range packed {
			h.number()
		}
	}
	return f
}

func (h *sevenScan) subStreams() {
	id := h.byte()
	files, per := len(h.folders), make([]int, 0, len(h.folders))
	if id == sevenNumStreams {
		files = 0
		for range h.folders {
			n := h.number()
			if n > uint64(len(h.b))*8 {
				h.fail(fmt.Errorf("%w: 7z: a folder of %d files", ErrTooLarge, n))
				return
			}
			files += int(n)
			per = append(per, int(n))
		}
		id = h.byte()
	}
	if int64(files)*sevenHeld > h.w.limits.held {
		h.fail(fmt.Errorf("%w: 7z: %d files", ErrTooLarge, files))
		return
	}
	if id == sevenSize {
		for _, n := range per {
			for range n - 1 {
				h.number()
			}
		}
		id = h.byte()
	}
	if id == sevenCRC {
		h.digests(files)
		id = h.byte()
	}
	if id != sevenEnd {
		h.fail(errBadSeven)
	}
}

// decode unpacks a header that is compressed itself.
func (h *sevenScan) decode(body []byte) ([]byte, error) {
	if h.err != nil {
		return nil, h.err
	}
	if len(h.folders) != 1 || len(h.packed) != 1 {
		return nil, errBadSeven
	}
	f := h.folders[0]
	if why := h.whys()[0]; why != nil {
		return nil, why
	}
	if h.packPos > uint64(len(body)) || h.packed[0] > uint64(len(body))-h.packPos {
		return nil, errBadSeven
	}
	if len(f.coders) != 1 || len(f.sizes) != 1 || f.sizes[0] > longestHeader {
		return nil, fmt.Errorf("%w: 7z: the way its header is packed", ErrUnsupported)
	}
	in := (&feed{mem: body[h.packPos : h.packPos+h.packed[0]], at: -1}).start()
	var r io.Reader = in.rd
	switch c := f.coders[0]; c.id {
	case coderLZMA:
		var head [lzmaHead]byte
		copy(head[:], c.props)
		binary.LittleEndian.PutUint64(head[5:], f.sizes[0])
		held := h.w.held
		defer func() { h.w.held = held }()
		var err error
		if err = guarded(func() (err error) { r, err = h.w.rawLZMA(head, in); return err }); err != nil {
			return nil, err
		}
	case coderCopy:
	default:
		return nil, fmt.Errorf("%w: 7z: the way its header is packed", ErrUnsupported)
	}
	var plain bytes.Buffer
	err := guarded(func() error {
		_, err := io.CopyN(&plain, r, int64(f.sizes[0]))
		return err
	})
	return plain.Bytes(), err
}
