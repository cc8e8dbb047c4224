package unpack

import (
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"
)

// weakMagic is how much a format must give that is told by next to nothing:
// random bytes inflate for some tens of bytes now and then.
const weakMagic = 1 << 10

// decompress yields what a compressor has made of one thing.
func (w *walker) decompress(l *level, f Format, in *feed) bool {
	held := w.held
	defer func() { w.held = held }()
	var r io.Reader
	err := guarded(func() (err error) {
		r, err = w.decoder(f, in)
		return err
	})
	if err != nil {
		return w.refused(l, err)
	}
	m := w.meter(l, r, in.consumed)
	need := 1
	if f.weak() {
		need = weakMagic
	}
	first := make([]byte, need)
	n, err := io.ReadFull(m, first)
	// A reader that ends well says so with io.EOF and nothing else.
	if n < need && !errors.Is(m.err, io.EOF) {
		return w.refused(l, err)
	}
	in.commit()
	w.stream(l, l.name, &prefixed{first[:n], m})
	if !in.cut() {
		m.finish(l.name)
	}
	switch {
	case in.tail != nil:
	case errors.Is(m.err, io.EOF):
		w.beside(l, in.mem[in.consumed():])
	case f.weak(): // perhaps it was none after all
		w.beside(l, in.mem)
	}
	return true
}

// refused takes a failure before the first byte for no container, unless it is
// known that it is one.
func (w *walker) refused(l *level, err error) bool {
	if errors.Is(err, ErrTooLarge) || errors.Is(err, ErrUnsupported) {
		w.tell(l.name, l.via, err)
	}
	return w.over(l)
}

// decoder makes a reader of what in holds. Memory it promises it stays in use
// until the caller says otherwise.
func (w *walker) decoder(f Format, in *feed) (io.Reader, error) {
	switch f {
	case Gzip:
		return newGzip(in)
	case Zlib:
		return zlib.NewReader(in.rd)
	case Bzip2:
		return bzip2.NewReader(in.rd), nil
	case XZ:
		return newXZ(w, in)
	case LZMA:
		return w.lzma(in)
	case Zstd:
		return w.zstd(in)
	case Snappy:
		return s2.NewReader(in.rd, s2.ReaderAllocBlock(smallBytes)), nil
	}
	return nil, ErrUnsupported
}

// prefixed gives what was read already and then the rest.
type prefixed struct {
	head []byte
	r    io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	return p.r.Read(b)
}

// gzipReader reads several streams behind one another as one, as gunzip does,
// and stops before what is none.
type gzipReader struct {
	in *feed
	z  *gzip.Reader
}

func newGzip(in *feed) (*gzipReader, error) {
	z, err := gzip.NewReader(in.rd)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &gzipReader{in, z}, nil
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for {
		n, err := g.z.Read(p)
		if !errors.Is(err, io.EOF) || string(g.in.peek(3)) != "\x1f\x8b\x08" {
			return n, err
		}
		if err := g.z.Reset(g.in.rd); err != nil {
			return n, told(err)
		}
		g.z.Multistream(false)
		if n > 0 {
			return n, nil
		}
	}
}

// resetter is what a flate reader is, too.
type resetter interface {
	io.Reader
	flate.Resetter
}

// flate takes a reader of deflate from those in store, or a new one: its tables
// are larger than most members. What it has read goes back with unflate.
func (w *walker) flate(in *feed) (resetter, error) {
	if n := len(w.flates); n > 0 {
		z := w.flates[n-1]
		w.flates = w.flates[:n-1]
		return z, z.Reset(in.rd, nil)
	}
	return flate.NewReader(in.rd).(resetter), nil
}

func (w *walker) unflate(r io.Reader) {
	if z, ok := r.(resetter); ok {
		w.flates = append(w.flates, z)
	}
}

// useful is how large a dictionary can get before what comes out of n bytes is
// too much anyway.
func (w *walker) useful(n int) int64 { return max(memberFloor, w.limits.ratio*int64(n)) }

// known is how much of the container there is, as far as one can see.
func (w *walker) known(in *feed, otherwise int64) int64 {
	if in.tail != nil {
		return otherwise
	}
	return w.useful(len(in.mem))
}

// lzma reads the old format. A dictionary that is larger than what is let out of
// the stream serves nothing, so the header is rewritten with a smaller one.
func (w *walker) lzma(in *feed) (io.Reader, error) {
	var head [lzmaHead]byte
	if _, err := io.ReadFull(in.rd, head[:]); err != nil {
		return nil, err
	}
	return w.rawLZMA(head, in)
}

func (w *walker) rawLZMA(head [lzmaHead]byte, in *feed) (io.Reader, error) {
	wanted := int64(binary.LittleEndian.Uint32(head[1:]))
	need := min(wanted, w.known(in, wanted))
	if size := binary.LittleEndian.Uint64(head[5:]); size < uint64(need) {
		need = int64(size)
	}
	dict := w.hold(need)
	binary.LittleEndian.PutUint32(head[1:], uint32(dict))
	r, err := lzma.NewReader(&spliced{byteReader: in.rd, head: head[:]})
	if err != nil {
		return nil, err
	}
	return smaller(r, need, dict), nil
}

// spliced puts bytes before a byteReader.
type spliced struct {
	byteReader
	head []byte
}

func (s *spliced) Read(p []byte) (int, error) {
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	return s.byteReader.Read(p)
}

func (s *spliced) ReadByte() (byte, error) {
	if len(s.head) > 0 {
		b := s.head[0]
		s.head = s.head[1:]
		return b, nil
	}
	return s.byteReader.ReadByte()
}

// smaller explains the failure of a decoder that was given less memory than it
// asked for.
func smaller(r io.Reader, wanted, given int64) io.Reader {
	if given >= wanted {
		return r
	}
	return &explained{r, fmt.Errorf("%w: a dictionary of %d bytes, and %d are left", ErrTooLarge, wanted, given)}
}

type explained struct {
	r   io.Reader
	why error
}

func (e *explained) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = e.why
	}
	return n, err
}

// usualWindow is what every decoder of zstd should support, largestWindow what
// --long and --ultra -22 ask for.
const (
	usualWindow   = 8 << 20
	largestWindow = 128 << 20
)

// zstd reads all frames, in this goroutine. The first one's window is the
// largest.
func (w *walker) zstd(in *feed) (io.Reader, error) {
	var head zstd.Header
	if err := head.Decode(in.peek(zstd.HeaderMaxSize)); err != nil {
		return nil, err
	}
	window := max(head.WindowSize, usualWindow)
	if head.SingleSegment {
		window = max(window, head.FrameContentSize)
	}
	if window > largestWindow || w.hold(int64(window)) < int64(window) {
		return nil, fmt.Errorf("%w: a window of %d bytes", ErrTooLarge, window)
	}
	r, err := zstd.NewReader(in.rd, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(window), zstd.WithDecodeBuffersBelow(0))
	if err != nil {
		return nil, err
	}
	return zstdReader{r}, nil
}

type zstdReader struct{ r *zstd.Decoder }

func (z zstdReader) Read(p []byte) (int, error) {
	n, err := z.r.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeTooSmall) {
		err = fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return n, err
}
