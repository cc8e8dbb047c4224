package pack

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/keyquench/keyquench/scanner/internal/fault"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// errHuge: the object is a blob over Limits.Object, to be read another way. It
// does not leave the package.
var errHuge = fmt.Errorf("%w to be held in memory", ErrTooLarge)

// Stream is the content of an object that is too large to be held in memory. It
// is compared with the object's name as it goes by: where that does not hold, or
// the object cannot be read to its end, the last Read gives a Problem instead of
// io.EOF. It is valid until the walk's next object, for the goroutine that walks.
type Stream struct {
	Size int64

	src  source
	left int64
	sum  hash.Hash // nil when the content was compared before
	name oid.ID    // what sum must be; zero for whatever it is
	err  error     // sticky
	// budget is what every byte counts against; nil when the content is in
	// proportion to what it is stored in.
	budget *Store
	// problem names the object.
	problem func(error) error
}

// source is where the bytes of a Stream come from. What is wrong only behind the
// last of them is the error of end.
type source interface {
	io.Reader
	end() error
}

// A stream counts against the budget for bombs if it unpacks to streamRatio times
// what it is stored in, and then each byte counts for streamCost: to inflate it in
// the library and to hash it takes that much longer.
const (
	streamRatio = 100
	streamCost  = 4
)

// newStream makes a Stream of a blob that computes its name. stored is how many
// bytes it is stored in.
func (s *Store) newStream(size uint64, stored int, src source) (*Stream, error) {
	if size > maxObject {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	n := int64(size)
	r := &Stream{Size: n, src: src, left: n, sum: s.format.New(), problem: func(err error) error { return err }}
	if n/streamRatio > int64(stored) {
		r.budget = s
	}
	fmt.Fprintf(r.sum, "%v %d\x00", Blob, size)
	return r, nil
}

// stream gives the content of the huge entry in raw, which is a blob stored whole,
// or a delta of base. check looks at how much of raw it took.
func (s *Store) stream(e entry, raw, base []byte, check func(used int) error) (*Stream, error) {
	z, err := newInflated(e, raw, check)
	if err != nil {
		return nil, err
	}
	if e.kind <= Tag {
		return s.newStream(e.size, len(raw), z)
	}
	r, size, err := newRebuilt(z, base)
	if err != nil {
		return nil, err
	}
	return s.newStream(size, len(raw), r)
}

// id names what has gone by.
func (s *Stream) id() oid.ID { return oid.FromBytes(s.sum.Sum(nil)) }

func (s *Stream) Read(p []byte) (n int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err = s.read(p[:min(int64(len(p)), s.left)])
	if s.left -= int64(n); s.sum != nil {
		s.sum.Write(p[:n])
	}
	if err == nil && s.budget != nil {
		err = s.budget.spend(streamCost * int64(n))
	}
	if err == nil && s.left == 0 {
		err = s.finish()
	}
	if s.err = err; err != nil && err != io.EOF {
		s.err = s.problem(err)
	}
	return n, s.err
}

// read reads from the source, which must not end before the content does.
func (s *Stream) read(p []byte) (n int, err error) {
	defer fault.Guard(&err, ErrTruncated)
	if len(p) == 0 {
		return 0, nil
	}
	if n, err = s.src.Read(p); err == io.EOF && int64(n) < s.left {
		err = fmt.Errorf("content ends %d bytes early: %w", s.left-int64(n), ErrCorrupt)
	}
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, sourceError(err)
}

// finish makes sure that the source has no more and that the name is right. It
// gives io.EOF if all is well.
func (s *Stream) finish() (err error) {
	defer fault.Guard(&err, ErrTruncated)
	var more [1]byte
	switch n, err := io.ReadFull(s.src, more[:]); {
	case n > 0:
		return fmt.Errorf("content is longer than declared: %w", ErrCorrupt)
	case err != io.EOF:
		return sourceError(err)
	}
	if err := s.src.end(); err != nil {
		return err
	}
	if s.sum != nil && !s.name.IsZero() && s.id() != s.name {
		return errMisnamed
	}
	return io.EOF
}

// sourceError gives the errors of compress/zlib the names of this package.
func sourceError(err error) error {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	switch {
	case err == nil || err == io.EOF:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrTruncated, err)
	case corrupt, errors.Is(err, zlib.ErrHeader), errors.Is(err, zlib.ErrChecksum), errors.Is(err, zlib.ErrDictionary):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return bare(err)
}

// inflated is the stream of an entry in a pack. The library's decoder, which is
// slower than ours, takes no more memory for a large stream than for a small one.
type inflated struct {
	stream io.Reader
	raw    *bytes.Reader // what is left of the entry
	size   int           // of the entry
	// declared is how many bytes it says it holds, left what of these is to come.
	declared, left uint64
	check          func(used int) error
}

func newInflated(e entry, raw []byte, check func(used int) error) (*inflated, error) {
	z := &inflated{raw: bytes.NewReader(raw[e.head:]), size: len(raw), declared: e.size, left: e.size, check: check}
	var err error
	if z.stream, err = zlib.NewReader(z.raw); err != nil {
		return nil, sourceError(err)
	}
	return z, nil
}

func (z *inflated) Read(p []byte) (n int, err error) {
	n, err = z.stream.Read(p)
	if uint64(n) > z.left || err == io.EOF && uint64(n) < z.left {
		return 0, fmt.Errorf("entry does not hold the %d bytes it declares: %w", z.declared, ErrCorrupt)
	}
	z.left -= uint64(n)
	return n, err
}

// end looks at how much of the entry the stream took.
func (z *inflated) end() error { return z.check(z.size - z.raw.Len()) }

// rebuilt is what a delta makes of its base.
type rebuilt struct {
	delta *inflated
	ops   *bufio.Reader // what it inflates to
	base  []byte
	copy  []byte // what is left of the current copy
	n     int    // what is left of the current insert
}

// newRebuilt reads the head of a delta. base must stay as it is as long as the
// result is read.
func newRebuilt(delta *inflated, base []byte) (r *rebuilt, size uint64, err error) {
	r = &rebuilt{delta: delta, ops: bufio.NewReader(delta), base: base}
	from, err := binary.ReadUvarint(r.ops)
	if err == nil {
		size, err = binary.ReadUvarint(r.ops)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("delta size: %w", r.cut(err))
	}
	if from != uint64(len(base)) {
		return nil, 0, fmt.Errorf("delta is for a base of %d bytes, not %d: %w", from, len(base), ErrCorrupt)
	}
	return r, size, nil
}

// cut is the error of a delta that ends where it must not, or cannot be read.
func (r *rebuilt) cut(err error) error {
	if err = sourceError(err); err == io.EOF || !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("delta instruction: %w: %w", ErrCorrupt, err)
	}
	return err
}

func (r *rebuilt) end() error { return r.delta.end() }

// Read fills p, which is large, whatever the instructions are.
func (r *rebuilt) Read(p []byte) (n int, err error) {
	for n < len(p) {
		switch {
		case len(r.copy) > 0:
			k := copy(p[n:], r.copy)
			r.copy, n = r.copy[k:], n+k
		case r.n > 0:
			k, err := r.ops.Read(p[n:min(len(p), n+r.n)])
			r.n, n = r.n-k, n+k
			if err != nil {
				return n, r.cut(err)
			}
		default:
			if err := r.next(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// next reads an instruction; io.EOF tells that there is none.
func (r *rebuilt) next() error {
	op, err := r.ops.ReadByte()
	if err == io.EOF {
		return err
	}
	if err != nil {
		return r.cut(err)
	}
	if op&0x80 == 0 {
		if r.n = int(op); op == 0 {
			return fmt.Errorf("delta insert of no bytes: %w", ErrCorrupt)
		}
		return nil
	}
	var v [7]uint64 // four bytes of offset, three of size
	for i := range v {
		if op>>i&1 == 0 {
			continue
		}
		b, err := r.ops.ReadByte()
		if err != nil {
			return r.cut(err)
		}
		v[i] = uint64(b)
	}
	off, size := v[0]|v[1]<<8|v[2]<<16|v[3]<<24, v[4]|v[5]<<8|v[6]<<16
	if size == 0 {
		size = 0x10000
	}
	if n := uint64(len(r.base)); off > n || size > n-off {
		return fmt.Errorf("delta copies %d bytes from %d of %d: %w", size, off, n, ErrCorrupt)
	}
	r.copy = r.base[off : off+size]
	return nil
}
