package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/fault"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

const (
	headerSize = 12 // "DIRC", version, entry count
	statSize   = 40 // stat data and mode of an entry

	// maxPathBytes bounds one path. Linux opens none over 4096 bytes, but an
	// index may name longer ones.
	maxPathBytes = 64 << 10

	// Version 4 stores a path as a change to the one before, so a small file
	// can unfold to very much. An entry takes at least 64 bytes, and real paths
	// average under 200, so 32 bytes of path for each byte of file is out of
	// honest reach. The floor lets small repositories have a few long paths.
	maxUnfold        = 32
	maxUnfoldFloor   = 16 << 20
	maxUnfoldCeiling = 1 << 30

	// Hashing a smaller index takes less time than starting a goroutine for it.
	minParallelHash = 64 << 10
)

// Bits of an entry's flags, and of the second flags of version 3.
const (
	flagAssumeValid  = 1 << 15
	flagExtended     = 1 << 14
	flagStageShift   = 12
	flagNameMask     = 1<<12 - 1
	flagSkipWorktree = 1 << 14
	flagIntentToAdd  = 1 << 13
)

// Parse reads an index from memory. It keeps no reference to data. For a split
// index it asks shared for the file "sharedindex.<name>"; shared may be nil,
// then a split index is an error.
func Parse(data []byte, f oid.Format, shared func(name string) ([]byte, error)) (*Index, error) {
	p, err := parseFile(data, f)
	if err != nil {
		return nil, err
	}
	if p.link != nil && !p.link.base.IsZero() {
		if err := p.merge(shared); err != nil {
			return nil, err
		}
	}
	if err := checkOrder(p.ix.Entries); err != nil {
		return nil, err
	}
	return &p.ix, nil
}

// parser holds one index file while it is read.
type parser struct {
	format oid.Format
	body   []byte // the file without its checksum
	sum    oid.ID // the checksum as the file states it, zero if left out
	off    int
	paths  arena
	room   int // path bytes still allowed
	ix     Index
	link   *link
}

func parseFile(data []byte, f oid.Format) (*parser, error) {
	return checked(data, f, (*parser).parse)
}

// newParser is at the start of a file, of which it knows that it can be an index.
func newParser(data []byte, f oid.Format) (*parser, error) {
	if len(data) < headerSize+f.Size() {
		if !bytes.HasPrefix(data, []byte("DIRC")) {
			return nil, ErrNotIndex
		}
		return nil, fmt.Errorf("%w: %d bytes", ErrTruncated, len(data))
	}
	p := &parser{format: f, body: data[:len(data)-f.Size()]}
	p.sum = oid.FromBytes(data[len(p.body):])
	return p, nil
}

// checked reads a file with parse and verifies its checksum meanwhile.
func checked(data []byte, f oid.Format, parse func(*parser) error) (*parser, error) {
	p, err := newParser(data, f)
	if err != nil {
		return nil, err
	}
	// Hashing costs as much as parsing; on two cores they run side by side.
	same := make(chan error, 1)
	if len(data) < minParallelHash {
		same <- p.verify()
	} else {
		go func() { same <- p.verify() }()
	}
	// However parse ends: data may be gone for the other one afterwards.
	var sum error
	func() {
		defer func() { sum = <-same }()
		err = parse(p)
	}()
	if err = cmp.Or(err, sum); err != nil {
		return nil, err
	}
	return p, nil
}

// verify compares the checksum. All zeros stand for none (index.skipHash).
func (p *parser) verify() (err error) {
	defer fault.Panics()()
	defer fault.Guard(&err, ErrTruncated)
	if p.sum.IsZero() {
		return nil
	}
	h := p.format.New()
	h.Write(p.body)
	var sum [oid.MaxSize]byte
	if oid.FromBytes(h.Sum(sum[:0])) != p.sum {
		return ErrChecksum
	}
	return nil
}

func (p *parser) parse() error {
	count, err := p.header()
	if err != nil {
		return err
	}
	p.paths.start(min(len(p.body)-headerSize-count*(p.fixedSize()+1), 64*count))
	p.ix.Entries = make([]Entry, count)
	prev := ""
	for i := range p.ix.Entries {
		e := &p.ix.Entries[i]
		if err := p.entry(e, prev); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		prev = e.Path
	}
	return p.extensions()
}

// header reads what stands before the entries and gives their number.
func (p *parser) header() (count int, err error) {
	if string(p.body[:4]) != "DIRC" {
		return 0, ErrNotIndex
	}
	version := binary.BigEndian.Uint32(p.body[4:])
	if version < 2 || version > 4 {
		return 0, fmt.Errorf("%w: %d", ErrVersion, version)
	}
	p.ix.Version = int(version)
	p.off = headerSize
	p.room = min(maxUnfold*len(p.body)+maxUnfoldFloor, maxUnfoldCeiling)
	// A count that lies must not size an allocation: each entry has at least
	// its fixed part, one byte to end the path, and padding or a prefix length.
	n := int64(binary.BigEndian.Uint32(p.body[8:]))
	if n > int64(len(p.body)-headerSize)/int64(p.fixedSize()+2) {
		return 0, fmt.Errorf("%w: %d entries in %d bytes", ErrTruncated, n, len(p.body))
	}
	return int(n), nil
}

// fixedSize is the length of an entry before its path and second flags.
func (p *parser) fixedSize() int { return statSize + p.format.Size() + 2 }

// head is what stands before an entry's path.
type head struct {
	flags, more uint16 // more is 0 but in entries with second flags
	size        int
}

// flagsOf reads the flags of the entry at p.off.
func (p *parser) flagsOf() (h head, err error) {
	h.size = p.fixedSize()
	if len(p.body)-p.off < h.size {
		return h, ErrTruncated
	}
	h.flags = binary.BigEndian.Uint16(p.body[p.off+h.size-2:])
	if h.flags&flagExtended == 0 {
		return h, nil
	}
	if p.ix.Version < 3 {
		return h, fmt.Errorf("%w: extended flags in version 2", ErrCorrupt)
	}
	if len(p.body)-p.off < h.size+2 {
		return h, ErrTruncated
	}
	h.more = binary.BigEndian.Uint16(p.body[p.off+h.size:])
	if h.more&^(flagSkipWorktree|flagIntentToAdd) != 0 {
		return h, fmt.Errorf("%w: unknown flags %#x", ErrCorrupt, h.more)
	}
	h.size += 2
	return h, nil
}

// plainPath reads the path of an entry of version 2 or 3 at p.off, and goes on
// to the next entry.
func (p *parser) plainPath(h head) ([]byte, error) {
	name, err := p.terminated(p.off + h.size)
	if err != nil {
		return nil, err
	}
	if err := checkLength(len(name), int(h.flags&flagNameMask)); err != nil {
		return nil, err
	}
	// One to eight NULs end the path, so that entries start at multiples of 8.
	p.off += (h.size + len(name) + 8) &^ 7
	return name, nil
}

// entry reads the entry at p.off into e. prev is the path of the one before.
func (p *parser) entry(e *Entry, prev string) error {
	h, err := p.flagsOf()
	if err != nil {
		return err
	}
	b := p.body[p.off : p.off+p.fixedSize()]
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(b[at : at+4]) }
	e.Stat = Stat{
		CTime: Time{u32(0), u32(4)}, MTime: Time{u32(8), u32(12)},
		Dev: u32(16), Ino: u32(20), UID: u32(28), GID: u32(32), SizeBytes: u32(36),
	}
	e.Mode = u32(24)
	e.ID = oid.FromBytes(b[statSize : len(b)-2])
	e.AssumeValid = h.flags&flagAssumeValid != 0
	e.Stage = uint8(h.flags >> flagStageShift & 3)
	e.SkipWorktree = h.more&flagSkipWorktree != 0
	e.IntentToAdd = h.more&flagIntentToAdd != 0
	if p.ix.Version == 4 {
		p.off += h.size
		return p.prefixedPath(e, prev, int(h.flags&flagNameMask))
	}
	name, err := p.plainPath(h)
	if err != nil {
		return err
	}
	e.Path = p.paths.add("", name)
	return nil
}

// prefixedPath reads a path of version 4.
func (p *parser) prefixedPath(e *Entry, prev string, stated int) error {
	kept, rest, err := p.prefix(len(prev), stated)
	if err != nil {
		return err
	}
	e.Path = p.paths.add(prev[:kept], rest)
	return nil
}

// prefix reads how a path of version 4 is written at p.off: how many bytes to
// keep of the path before, which has prev, and what to put behind them. It goes
// on to the next entry.
func (p *parser) prefix(prev, stated int) (kept int, rest []byte, err error) {
	cut, n := offsetVarint(p.body[p.off:])
	if n == 0 {
		return 0, nil, fmt.Errorf("path prefix: %w", ErrTruncated)
	}
	if cut > uint64(prev) {
		return 0, nil, fmt.Errorf("%w: path prefix cuts %d of %d bytes", ErrCorrupt, cut, prev)
	}
	if rest, err = p.terminated(p.off + n); err != nil {
		return 0, nil, err
	}
	kept = prev - int(cut)
	size := kept + len(rest)
	if size > maxPathBytes {
		return 0, nil, fmt.Errorf("%w: path of %d bytes", ErrTooLarge, size)
	}
	if err := checkLength(size, stated); err != nil {
		return 0, nil, err
	}
	if p.room -= size; p.room < 0 {
		return 0, nil, fmt.Errorf("%w: paths unfold to more than their share", ErrTooLarge)
	}
	p.off += n + len(rest) + 1
	return kept, rest, nil
}

// terminated is the NUL-ended string at off, without its NUL.
func (p *parser) terminated(off int) ([]byte, error) {
	if off >= len(p.body) {
		return nil, ErrTruncated
	}
	b := p.body[off:min(len(p.body), off+maxPathBytes+1)]
	n := bytes.IndexByte(b, 0)
	if n >= 0 {
		return b[:n], nil
	}
	if len(b) > maxPathBytes {
		return nil, fmt.Errorf("%w: path over %d bytes", ErrTooLarge, maxPathBytes)
	}
	return nil, fmt.Errorf("path: %w", ErrTruncated)
}

// checkLength compares the length of a path with the one in its flags, which
// has 12 bits and stays at the highest value for longer paths. Git trusts the
// flags; where the two disagree we would read different files, so refuse.
func checkLength(n, stated int) error {
	if min(n, flagNameMask) != stated {
		return fmt.Errorf("%w: path of %d bytes is said to have %d", ErrCorrupt, n, stated)
	}
	return nil
}

// offsetVarint reads a number as pack files write offsets: seven bits a byte,
// highest first, with one added at each continuation. It returns 0 bytes read
// when the number does not end or does not fit.
func offsetVarint(b []byte) (value uint64, n int) {
	for i, c := range b[:min(len(b), 9)] {
		value = value<<7 | uint64(c&0x7f)
		if c&0x80 == 0 {
			return value, i + 1
		}
		value++
	}
	return 0, 0
}

// checkOrder makes sure of the promise on Index.Entries, as Git does: searching
// an index that is out of order would miss entries. An entry without a path,
// which only the parts of a split index may have, would be the first.
func checkOrder(entries []Entry) error {
	if len(entries) > 0 && entries[0].Path == "" {
		return fmt.Errorf("%w: entry without a path", ErrCorrupt)
	}
	for i := 1; i < len(entries); i++ {
		a, b := &entries[i-1], &entries[i]
		c := strings.Compare(a.Path, b.Path)
		if c > 0 || c == 0 && (a.Stage == 0 || a.Stage > b.Stage) {
			return fmt.Errorf("%w: entry %d out of order", ErrCorrupt, i)
		}
	}
	return nil
}

// arena hands out strings that share a few large allocations: an index has
// tens of thousands of paths and lives and dies as a whole.
type arena struct{ b strings.Builder }

const arenaChunk = 64 << 10

func (a *arena) start(sizeBytes int) { a.b.Grow(max(sizeBytes, 0)) }

// add returns prefix followed by rest. A full chunk is left to its strings and
// a new one begun, so nothing is copied twice.
func (a *arena) add(prefix string, rest []byte) string {
	n := len(prefix) + len(rest)
	if a.b.Cap()-a.b.Len() < n {
		a.b.Reset()
		a.b.Grow(max(arenaChunk, n))
	}
	at := a.b.Len()
	a.b.WriteString(prefix)
	a.b.Write(rest)
	return a.b.String()[at:]
}
