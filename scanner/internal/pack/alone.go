package pack

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/fault"
	"github.com/keyquench/keyquench/scanner/internal/inflate"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// OpenFile opens a pack that is in no object directory: from byte at of a file to
// its end. An index that lies beside a file of nothing else is used. Without one
// all objects are read once, for where they end and what they are called: every
// byte is hashed, which takes three times as long as a walk. No file is written.
//
// What stands on objects that are not in the pack has no name, and is in Problems
// alone, as is what follows an entry that cannot be read. An error means that it
// is no pack, or that ctx is done.
func OpenFile(ctx context.Context, path string, at int64, f oid.Format, limits Limits) (*Store, error) {
	s := &Store{format: f, limits: limits.withDefaults()}
	p, err := s.indexed(path, at)
	if p == nil && err == nil {
		p, err = s.alone(ctx, path, at)
	}
	if err != nil {
		return nil, err
	}
	s.packs, s.first, s.looseFirst = []*packFile{p}, []Num{0}, p.idx.n
	s.budget = s.limits.Amplified + amplifiedShare*s.PackedBytes()
	s.sortNames()
	return s, nil
}

// Is tells whether a file that begins like this is meant to be a pack.
func Is(start []byte) bool {
	return len(start) >= packHeader && string(start[:4]) == "PACK" && (start[7] == 2 || start[7] == 3) && string(start[4:7]) == "\x00\x00\x00"
}

// FormatOf tells the hash function of a pack in a file of its own, which nothing
// in it names, by the checksum at its end: SHA-1 when that is of neither.
func FormatOf(path string) (f oid.Format, err error) {
	m, err := mapFile(path)
	if err != nil {
		return oid.SHA1, err
	}
	defer m.Unmap()
	defer fault.Panics()()
	defer fault.Guard(&err, ErrTruncated)
	for _, f := range []oid.Format{oid.SHA1, oid.SHA256} {
		end := len(m) - f.Size()
		if end < packHeader {
			break
		}
		sum := f.New()
		sum.Write(m[:end])
		if bytes.Equal(sum.Sum(nil), m[end:]) {
			return f, nil
		}
	}
	return oid.SHA1, nil
}

// indexed opens a pack with the index beside it; nil when there is none that can
// be used.
func (s *Store) indexed(path string, at int64) (*packFile, error) {
	base, ok := strings.CutSuffix(path, ".pack")
	if at > 0 || !ok {
		return nil, nil
	}
	name := filepath.Base(base)
	p, err := openPack(base, name, s.format, func(err error) { s.problem(name+".pack", err) })
	if _, none := errors.AsType[noIndexError](err); err != nil && !none {
		// All that it would have said can be found out.
		return nil, nil
	}
	return p, nil
}

// alone opens a pack without an index.
func (s *Store) alone(ctx context.Context, path string, at int64) (p *packFile, err error) {
	p = &packFile{name: strings.TrimSuffix(filepath.Base(path), ".pack"), format: s.format}
	if p.mapped, err = mapFile(path); err != nil {
		return nil, err
	}
	defer func(p *packFile) {
		if err != nil {
			p.close()
		}
	}(p)
	defer fault.Panics()()
	if at > int64(len(p.mapped)) {
		return nil, fmt.Errorf("pack at %d of %d bytes: %w", at, len(p.mapped), ErrTruncated)
	}
	n := naming{store: s, pack: p}
	trailer, err := n.checkEnds(p.mapped[at:])
	if err != nil {
		return nil, err
	}
	if err = n.scan(ctx); err != nil {
		return nil, err
	}
	if err = n.name(ctx); err != nil {
		return nil, err
	}
	p.idx, p.starts = n.index(), n.starts
	p.idx.pack = trailer
	return p, nil
}

// naming finds out what is in a pack. Its entries are numbered as they lie.
type naming struct {
	store  *Store
	pack   *packFile
	count  uint32 // of entries, as the pack says
	starts []uint64
	sums   []uint32    // CRC-32 of the entries
	names  []oid.ID    // zero while it is not known
	bases  []entryName // of deltas that name what they stand on, by entry
	places []int32     // entry → place in the index of the current round
}

// entryName is an entry and a raw name.
type entryName struct {
	entry int32
	name  []byte
}

// checkEnds looks at the pack's header and trailer and gives the latter.
func (n *naming) checkEnds(data []byte) (trailer []byte, err error) {
	defer fault.Guard(&err, ErrTruncated)
	size := n.pack.format.Size()
	if len(data) < packHeader {
		return nil, fmt.Errorf("pack of %d bytes: %w", len(data), ErrTruncated)
	}
	if !Is(data) {
		return nil, fmt.Errorf("no pack of version 2 or 3: %w", ErrCorrupt)
	}
	n.count = binary.BigEndian.Uint32(data[8:])
	if n.count > maxObjects {
		return nil, fmt.Errorf("pack counts %d objects: %w", n.count, ErrCorrupt)
	}
	end := max(packHeader, len(data)-size)
	sum := n.pack.format.New()
	sum.Write(data[:end])
	if !bytes.Equal(sum.Sum(nil), data[end:]) {
		// What lies inside is still read, entry by entry.
		n.problem(fmt.Errorf("pack does not end in its checksum: it is damaged or cut short: %w", ErrCorrupt))
	}
	// An entry that was cut must not go on into what is taken for the checksum, nor
	// end before it.
	n.pack.data = data[:end:end]
	return bytes.Clone(data[end:]), nil
}

func (n *naming) problem(err error) { n.store.problem(n.pack.name+".pack", err) }

// scan finds where entries start and end, which takes inflating them. What
// follows one that cannot be read might begin anywhere.
func (n *naming) scan(ctx context.Context) error {
	var d inflate.Decoder
	var buf []byte
	at := uint64(packHeader)
	for at < uint64(len(n.pack.data)) && len(n.starts) < int(n.count) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		used, err := n.scanEntry(&d, &buf, at)
		if err != nil {
			n.problem(fmt.Errorf("entry at %d, and what follows it: %w", at, err))
			break
		}
		n.starts = append(n.starts, at)
		n.sums = append(n.sums, crc32.ChecksumIEEE(n.pack.data[at:at+used]))
		at += used
	}
	if len(n.starts) < int(n.count) {
		n.problem(fmt.Errorf("pack counts %d objects and %d of them can be read: %w", n.count, len(n.starts), ErrTruncated))
	} else if at < uint64(len(n.pack.data)) {
		n.problem(fmt.Errorf("pack goes on for %d bytes behind its last object: %w", uint64(len(n.pack.data))-at, ErrCorrupt))
	}
	n.pack.data = n.pack.data[:at]
	n.names = make([]oid.ID, len(n.starts))
	return nil
}

// scanEntry tells how many bytes the entry at a place has.
func (n *naming) scanEntry(d *inflate.Decoder, buf *[]byte, at uint64) (used uint64, err error) {
	defer fault.Guard(&err, ErrTruncated)
	raw := n.pack.data[at:]
	e, err := parseEntry(raw, n.pack.format)
	if err != nil {
		return 0, err
	}
	var took int
	*buf, took, err = inflateEntry(d, e, raw, *buf, n.store.limits.Object)
	if errors.Is(err, errHuge) {
		took, err = sizeOfHuge(e, raw)
	}
	if err != nil {
		return 0, err
	}
	if e.kind == refDelta {
		n.bases = append(n.bases, entryName{int32(len(n.starts)), bytes.Clone(e.base)})
	}
	return uint64(took), nil
}

// sizeOfHuge tells how many bytes an entry has that is too large for the memory.
func sizeOfHuge(e entry, raw []byte) (used int, err error) {
	z, err := newInflated(e, raw, func(n int) error {
		used = n
		return nil
	})
	if err == nil {
		_, err = io.Copy(io.Discard, z)
	}
	if err == nil {
		err = z.end()
	}
	return used, sourceError(err)
}
