package gitdir

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// table is one open reftable file; the layout is that of git's document
// technical/reftable. Only whole sections are read, front to back: every
// reference is wanted, so the indexes save nothing.
type table struct {
	r         io.ReaderAt
	format    oid.Format
	header    int64 // 24 or 28 bytes
	blockSize int64 // 0 when blocks are not aligned
	end       int64 // where the footer begins
	refIndex  int64
	objects   int64
	log       int64
	logIndex  int64
	logLeft   *int64 // bytes of log that may still be inflated
	buf       []byte
}

var (
	errTableMagic   = errors.New("not a reftable")
	errTableVersion = fmt.Errorf("reftable version not known: %w", ErrFormat)
	errTableHash    = errors.New("reftable of another object format than the repository's")
	errTableSum     = errors.New("reftable footer does not match its checksum")
	errTableLayout  = errors.New("reftable footer with impossible positions")
	errTableBlock   = errors.New("damaged reftable block")
	errTableRecord  = errors.New("damaged reftable record")
	errTableOrder   = errors.New("reftable records out of order")
)

const (
	blockRef   = 'r'
	blockIndex = 'i'
	blockObj   = 'o'
	blockLog   = 'g'

	blockHeader = 4 // a type and a length of three bytes
)

// openTable reads header and footer.
func openTable(r io.ReaderAt, size int64, format oid.Format) (*table, error) {
	var head [28]byte
	if size < 24 {
		return nil, errTableMagic
	}
	if _, err := r.ReadAt(head[:min(size, int64(len(head)))], 0); err != nil {
		return nil, fmt.Errorf("read header: %w", cause(err))
	}
	if string(head[:4]) != "REFT" {
		return nil, errTableMagic
	}
	t := &table{r: r, header: 24, format: oid.SHA1}
	switch head[4] {
	case 1:
	case 2:
		t.header = 28
		switch string(head[24:28]) {
		case "sha1":
		case "s256":
			t.format = oid.SHA256
		default:
			return nil, errTableVersion
		}
	default:
		return nil, errTableVersion
	}
	if t.format != format {
		return nil, errTableHash
	}
	t.blockSize = int64(be24(head[5:8]))
	const positions = 5 * 8
	foot := make([]byte, t.header+positions+4)
	t.end = size - int64(len(foot))
	if t.end < t.header {
		return nil, errTableLayout
	}
	if _, err := r.ReadAt(foot, t.end); err != nil {
		return nil, fmt.Errorf("read footer: %w", cause(err))
	}
	body, sum := foot[:len(foot)-4], foot[len(foot)-4:]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(sum) || !bytes.Equal(foot[:t.header], head[:t.header]) {
		return nil, errTableSum
	}
	return t, t.positions(body[t.header:])
}

// positions reads where the sections begin and refuses what cannot be.
func (t *table) positions(b []byte) error {
	const objShift = 5 // the low bits of the object position are a length
	raw := [...]uint64{
		binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]) >> objShift,
		binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:]), binary.BigEndian.Uint64(b[32:]),
	}
	for _, at := range raw {
		if at > uint64(t.end) {
			return errTableLayout
		}
	}
	t.refIndex, t.objects, t.log, t.logIndex = int64(raw[0]), int64(raw[1]), int64(raw[3]), int64(raw[4])
	return nil
}

// kindAt gives the type of the block at an offset. The first block shares its
// place with the file's header.
func (t *table) kindAt(off int64) (kind byte, skip int64, err error) {
	if off == 0 {
		skip = t.header
	}
	if off+skip >= t.end {
		return 0, skip, nil
	}
	var b [1]byte
	if _, err := t.r.ReadAt(b[:], off+skip); err != nil {
		return 0, skip, fmt.Errorf("read block at %d: %w", off, cause(err))
	}
	return b[0], skip, nil
}

// tableRecord is a reference as one table has it. Its strings are its own.
type tableRecord struct {
	ref     Ref
	deleted bool
}

// eachRef calls do for every reference record in order, until do returns false
// or the table turns out damaged. Records before the damage have been given.
func (t *table) eachRef(do func(tableRecord) bool) error {
	var prev []byte
	for off := int64(0); ; {
		kind, skip, err := t.kindAt(off)
		if err != nil {
			return err
		}
		if kind != blockRef {
			return t.endsRefs(off+skip, kind)
		}
		b, next, err := t.readBlock(off, skip)
		if err != nil {
			return fmt.Errorf("block at %d: %w", off, err)
		}
		more, err := t.refBlock(b, &prev, do)
		if err != nil {
			return fmt.Errorf("block at %d: %w", off, err)
		}
		if !more {
			return nil
		}
		off = next
	}
}

// endsRefs tells whether the references may end here: where the footer says
// that something else begins. Without the check a damaged byte would end the
// list early and in silence.
func (t *table) endsRefs(off int64, kind byte) error {
	switch {
	case off == t.end,
		kind == blockIndex && t.refIndex >= off, // an index of several levels begins before its root
		kind == blockObj && t.objects == off,
		kind == blockLog && (t.log == off || off == t.header):
		return nil
	}
	return fmt.Errorf("block at %d: %w", off, errTableBlock)
}

// block is the records of one block.
type block struct {
	records  cursor
	restarts []byte // three bytes each
	start    int    // offset of the first record as restarts count
}

// readBlock reads a reference block and finds where the next one begins.
func (t *table) readBlock(off, skip int64) (block, int64, error) {
	var head [blockHeader]byte
	if _, err := t.r.ReadAt(head[:], off+skip); err != nil {
		return block{}, 0, fmt.Errorf("read: %w", cause(err))
	}
	size := int64(be24(head[1:]))
	if size > t.end-off || size < skip+blockHeader {
		return block{}, 0, errTableBlock
	}
	if int64(cap(t.buf)) < size {
		t.buf = make([]byte, size)
	}
	data := t.buf[:size]
	if _, err := t.r.ReadAt(data, off); err != nil {
		return block{}, 0, fmt.Errorf("read: %w", cause(err))
	}
	b, err := splitBlock(data, int(skip)+blockHeader)
	return b, t.after(off, size), err
}

// after finds the next block. An aligned table fills up with zeros, except
// where a section is followed by one that is not aligned.
func (t *table) after(off, size int64) int64 {
	if t.blockSize <= size {
		return off + size
	}
	var b [1]byte
	if _, err := t.r.ReadAt(b[:], off+size); err != nil || b[0] != 0 {
		return off + size
	}
	return min(off+t.blockSize, t.end)
}

// splitBlock separates records from restart points: offsets, each of three
// bytes, and their count.
func splitBlock(data []byte, start int) (block, error) {
	if len(data) < start+2 {
		return block{}, errTableBlock
	}
	count := int(binary.BigEndian.Uint16(data[len(data)-2:]))
	end := len(data) - 2 - 3*count
	if count == 0 || end < start {
		return block{}, errTableBlock
	}
	b := block{records: cursor{b: data[:end], pos: start}, restarts: data[end : len(data)-2], start: start}
	last := -1
	for r := b.restarts; len(r) > 0; r = r[3:] {
		at := int(be24(r))
		if at <= last || at < start || at >= end {
			return block{}, errTableBlock
		}
		last = at
	}
	return b, nil
}

// key reads the next record's key into prev, which holds the one before, and
// gives the three bits that go with it. A record at a restart point must not
// borrow from the one before.
func (b *block) key(prev *[]byte, limit int) (extra byte, err error) {
	at := b.records.pos
	shared := b.records.varint()
	tail := b.records.varint()
	extra, tail = byte(tail&7), tail>>3
	restart := len(b.restarts) > 0 && int(be24(b.restarts)) == at
	if restart {
		b.restarts = b.restarts[3:]
	}
	if at == b.start || restart {
		if shared != 0 {
			return 0, errTableRecord
		}
	}
	// The limit is on the name that results: a few bytes in the file can ask
	// for a long name again and again.
	if shared > uint64(len(*prev)) || tail > uint64(limit) || shared+tail > uint64(limit) {
		return 0, errTableRecord
	}
	suffix := b.records.take(tail)
	if b.records.bad {
		return 0, errTableRecord
	}
	old := (*prev)[:shared]
	*prev = append(old, suffix...)
	return extra, nil
}

func (t *table) refBlock(b block, prev *[]byte, do func(tableRecord) bool) (more bool, err error) {
	var last string
	if len(*prev) > 0 {
		last = string(*prev)
	}
	for !b.records.done() {
		kind, err := b.key(prev, maxName)
		if err != nil {
			return false, err
		}
		b.records.varint() // by how much the update index exceeds the table's first
		rec := tableRecord{ref: Ref{Name: string(*prev)}}
		if rec.ref.Name <= last {
			return false, errTableOrder
		}
		last = rec.ref.Name
		switch kind {
		case 0:
			rec.deleted = true
		case 1:
			rec.ref.Target = b.records.id(t.format)
		case 2:
			rec.ref.Target = b.records.id(t.format)
			rec.ref.Peeled = b.records.id(t.format)
		case 3:
			rec.ref.Symbolic = string(b.records.take(b.records.varint()))
			if !b.records.bad && rec.ref.Symbolic == "" {
				return false, errTableRecord
			}
		default:
			return false, errTableRecord
		}
		if b.records.bad {
			return false, errTableRecord
		}
		if len(b.restarts) > 0 && int(be24(b.restarts)) < b.records.pos {
			return false, errTableRecord // a restart point inside a record
		}
		if !do(rec) {
			return false, nil
		}
	}
	return true, nil
}

// cursor reads from a slice. Reading past the end makes it bad and gives zeros,
// so that a record is checked once, at its end.
type cursor struct {
	b   []byte
	pos int
	bad bool
}

func (c *cursor) done() bool { return c.pos >= len(c.b) }

// varint reads a number as pack files have it: seven bits a byte, the high
// ones first, and one added at every step.
func (c *cursor) varint() uint64 {
	var v uint64
	for i := 0; ; i++ {
		if c.done() || v > 1<<55 {
			c.bad = true
			return 0
		}
		d := c.b[c.pos]
		c.pos++
		v = v<<7 | uint64(d&0x7f)
		if d&0x80 == 0 {
			return v
		}
		v++
	}
}

// take gives the next n bytes, which stay the cursor's.
func (c *cursor) take(n uint64) []byte {
	if c.bad || n > uint64(len(c.b)-c.pos) {
		c.bad = true
		return nil
	}
	s := c.b[c.pos : c.pos+int(n)]
	c.pos += int(n)
	return s
}

func (c *cursor) id(f oid.Format) oid.ID { return oid.FromBytes(c.take(uint64(f.Size()))) }

func be24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
