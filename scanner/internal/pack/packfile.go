package pack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"

	"github.com/edsrzf/mmap-go"

	"github.com/keyquench/keyquench/scanner/internal/fault"
	"github.com/keyquench/keyquench/scanner/internal/inflate"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// packFile is one mapped pack with its index. Whatever touches data must stand
// under guard and faults; the index is in memory and may be asked anywhere.
type packFile struct {
	name   string // base name without ending
	path   string // likewise; only in a store of Open
	idx    *index
	data   []byte // the pack without its trailing checksum, as far as the file goes
	mapped mmap.MMap
	format oid.Format
	// starts are the places of all entries, sorted, where the index need not have
	// all of them; else nil.
	starts []uint64
}

const packHeader = 12

// openPack maps a pack and reads its index; base is the path of both without
// ending.
// problem gets what is wrong but does not hinder reading.
func openPack(base, name string, f oid.Format, problem func(error)) (*packFile, error) {
	p := &packFile{name: name, path: base, format: f}
	defer fault.Panics()()
	var err error
	if p.idx, err = readIndex(base+".idx", f); err != nil {
		return nil, err
	}
	if p.mapped, err = mapFile(base + ".pack"); err != nil {
		return nil, err
	}
	if err := p.check(p.mapped, problem); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// readIndex copies an index into memory. Mapped, it could fault under whoever
// asks for a name while the file shrinks; 200,000 objects are 5.6 MB, and to
// copy them takes 3 ms where opening and planning their pack takes 130.
func readIndex(path string, f oid.Format) (x *index, err error) {
	m, err := mapFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noIndexError{}
	}
	if err != nil {
		return nil, err
	}
	defer m.Unmap()
	defer fault.Guard(&err, ErrTruncated)
	// Before the copy: a sparse file can claim any size and costs nothing.
	if _, err := layIndex(m, f); err != nil {
		return nil, err
	}
	return parseIndex(bytes.Clone(m), f)
}

// check looks at the pack's header and trailer and sets p.data.
func (p *packFile) check(data []byte, problem func(error)) (err error) {
	defer fault.Guard(&err, ErrTruncated)
	size := p.format.Size()
	if len(data) < packHeader {
		return fmt.Errorf("pack of %d bytes: %w", len(data), ErrTruncated)
	}
	version := binary.BigEndian.Uint32(data[4:])
	if string(data[:4]) != "PACK" || version != 2 && version != 3 {
		return fmt.Errorf("no pack of version 2 or 3: %w", ErrCorrupt)
	}
	if n := binary.BigEndian.Uint32(data[8:]); uint64(n) != uint64(p.idx.n) {
		problem(fmt.Errorf("pack counts %d objects and its index %d: %w", n, p.idx.n, ErrCorrupt))
	}
	end := len(data) - size
	if end < packHeader || !bytes.Equal(data[end:], p.idx.pack) {
		// Without its trailer, the pack was cut or is another one. What lies
		// inside is still read, entry by entry.
		problem(fmt.Errorf("pack does not end in the checksum its index names: %w", ErrTruncated))
		p.data = data
		return nil
	}
	p.data = data[:end]
	return nil
}

// mapFile maps a whole file; one of no bytes, which cannot be mapped, is nil.
func mapFile(path string) (mmap.MMap, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size == 0 {
		return nil, nil
	}
	m, err := mmap.MapRegion(f, int(size), mmap.RDONLY, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	return m, nil
}

func (p *packFile) close() {
	_ = p.mapped.Unmap() // nothing was written
	p.data = nil
}

// entry is the head of a packed object.
type entry struct {
	kind Kind
	size uint64 // bytes its stream inflates to
	head int    // bytes before the stream
	back uint64 // ofsDelta: how far before this entry the base starts
	base []byte // refDelta: the base's raw name
}

// parseEntry reads the head of the entry at the start of data.
func parseEntry(data []byte, f oid.Format) (e entry, err error) {
	if len(data) == 0 {
		return e, ErrTruncated
	}
	c := data[0]
	e.kind, e.size, e.head = Kind(c>>4&7), uint64(c&15), 1
	for shift := 4; c&0x80 != 0; shift += 7 {
		if e.head >= len(data) {
			return e, ErrTruncated
		}
		if shift > 57 {
			return e, fmt.Errorf("entry size is too long: %w", ErrCorrupt)
		}
		c = data[e.head]
		e.size |= uint64(c&0x7f) << shift
		e.head++
	}
	switch e.kind {
	case Commit, Tree, Blob, Tag:
		return e, nil
	case ofsDelta:
		err = e.parseBack(data)
		return e, err
	case refDelta:
		if len(data) < e.head+f.Size() {
			return e, ErrTruncated
		}
		e.base = data[e.head : e.head+f.Size()]
		e.head += f.Size()
		return e, nil
	}
	return e, fmt.Errorf("entry of type %d: %w", e.kind, ErrCorrupt)
}

// parseBack reads the offset encoding of an ofsDelta's base.
func (e *entry) parseBack(data []byte) error {
	for i := 0; ; i++ {
		if e.head >= len(data) {
			return ErrTruncated
		}
		c := data[e.head]
		e.head++
		if i > 0 {
			if e.back >= 1<<56 {
				return fmt.Errorf("base offset is too long: %w", ErrCorrupt)
			}
			e.back++
		}
		e.back = e.back<<7 | uint64(c&0x7f)
		if c&0x80 == 0 {
			return nil
		}
	}
}

// believable tells whether an entry's declared size can be true and is allowed,
// before anything is allocated for it. errHuge is the answer for a blob, and for
// a delta, that is not to be held in memory.
func (e entry) believable(raw []byte, limit int64) error {
	if stream := uint64(len(raw) - e.head); e.size/inflate.MaxRatio > stream {
		return fmt.Errorf("%d bytes cannot hold the %d they declare: %w", stream, e.size, ErrCorrupt)
	}
	switch {
	case e.size > maxObject:
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, e.size)
	case e.size > uint64(limit) && (e.kind == Blob || e.kind > Tag):
		return errHuge
	case e.size > uint64(limit):
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, e.size)
	}
	return nil
}

// inflateEntry decompresses the stream of the entry in raw into buf, which it
// may grow. used is how much of raw is the entry. The stream's own checksum is
// left out: who calls this compares the packed bytes with the index's, or the
// object with its name.
func inflateEntry(d *inflate.Decoder, e entry, raw, buf []byte, limit int64) (data []byte, used int, err error) {
	if err := e.believable(raw, limit); err != nil {
		return buf, 0, err
	}
	buf = grow(buf, int(e.size))
	// What follows in the pack lets the decoder run to the end at full speed.
	n, err := d.ZlibUnsummed(buf, raw[e.head:min(cap(raw), len(raw)+inflate.Slack)])
	if err != nil || e.head+n > len(raw) {
		// Of its own bytes alone it may be wrong in another way.
		n, err = d.ZlibUnsummed(buf, raw[e.head:])
	}
	return buf, e.head + n, streamError(err)
}

// streamError gives a decoder's error the names of this package.
func streamError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, inflate.ErrTruncated):
		return fmt.Errorf("%w: %w", ErrTruncated, err)
	default:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
}

// grow gives a slice of n bytes, in buf's memory when that is large enough, and
// when it is not, in new memory with room for the decoder behind it.
func grow(buf []byte, n int) []byte {
	if n <= cap(buf) {
		return buf[:n]
	}
	return make([]byte, n, n+n/4+inflate.Slack)
}

// checksum compares what lies between entry i and the next with the entry, of
// which used bytes were read, and with the index. It sees what the stream's own
// checksum does not: a changed type, size or base, and bytes of no entry.
func (p *packFile) checksum(i int, raw []byte, used int) error {
	if err := trailing(raw, used); err != nil {
		return err
	}
	return p.matches(i, raw)
}

func trailing(raw []byte, used int) error {
	if used < len(raw) {
		return fmt.Errorf("entry is followed by %d bytes of no entry: %w", len(raw)-used, ErrCorrupt)
	}
	return nil
}

// matches compares the packed bytes of entry i with the index.
func (p *packFile) matches(i int, raw []byte) error {
	if want, ok := p.idx.crc(i); ok && crc32.ChecksumIEEE(raw) != want {
		return fmt.Errorf("packed bytes do not match the index's checksum: %w", ErrCorrupt)
	}
	return nil
}
