package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/fault"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Listing is an index for those who look at few of its entries: it knows where
// each stands, has checked their order, and reads the rest of an entry when it
// is asked for. The file stays mapped: to read the three megabytes of 30,000
// entries into fresh memory takes longer than to go through them.
type Listing struct {
	// Tree is Index.Tree.
	Tree []TreeNode

	p  *parser
	at []uint32 // where the entries start
	// paths are those of version 4, one behind the other, as they stand nowhere
	// in the file; ends tells where.
	paths []byte
	ends  []uint32
	// entries are those of a split index.
	entries []Entry
}

// List calls use with a Listing of the index file at path, which Read would
// read, but for its checksum: a commit is made from these bytes whatever they sum up
// to, as git compares the sum in fsck only, and who waits for the commit would wait a
// millisecond or two for three megabytes. The Listing is valid until use returns.
func List(path string, f oid.Format, use func(*Listing) error) (err error) {
	data, unmap, err := mapIndex(path)
	if errors.Is(err, fs.ErrNotExist) {
		return use(&Listing{})
	}
	if err != nil {
		return fmt.Errorf("read index: %w", err)
	}
	defer unmap()
	defer fault.Panics()()
	defer fault.Guard(&err, ErrTruncated)
	return list(data, f, besides(path), use)
}

// list is List of a file in memory.
func list(data []byte, f oid.Format, shared func(name string) ([]byte, error), use func(*Listing) error) error {
	l := &Listing{}
	p, err := newParser(data, f)
	if err == nil {
		err = l.read(p)
	}
	if errors.Is(err, errUnfold) {
		var x *Index
		if x, err = Parse(data, f, shared); err == nil {
			l = &Listing{Tree: x.Tree, entries: x.Entries}
		}
	}
	if err != nil {
		return fmt.Errorf("read index: %w", err)
	}
	return use(l)
}

// NewListing lists entries that were read by other means; they must be in the
// order of an index. It takes the slice over.
func NewListing(entries []Entry) (*Listing, error) {
	if err := checkOrder(entries); err != nil {
		return nil, err
	}
	return &Listing{entries: entries}, nil
}

// errUnfold: the entries cannot be read one by one.
var errUnfold = errors.New("entries do not stand for themselves")

// read finds out where the entries are.
func (l *Listing) read(p *parser) error {
	l.p = p
	count, err := p.header()
	if err != nil {
		return err
	}
	l.at = make([]uint32, count) // maxFileSize fits
	if p.ix.Version == 4 {
		l.ends = make([]uint32, count) // as does maxUnfoldCeiling
		l.paths = make([]byte, 0, min(64*count, p.room))
	}
	var prev []byte
	stage := uint16(0)
	for i := range l.at {
		l.at[i] = uint32(p.off)
		h, path, ok := p.usual()
		if !ok {
			if h, err = p.flagsOf(); err == nil && p.ix.Version == 4 {
				path, err = l.unfold(h, i, prev)
			} else if err == nil {
				path, err = p.plainPath(h)
			}
			if err != nil {
				return fmt.Errorf("entry %d: %w", i, err)
			}
		}
		s := h.flags >> flagStageShift & 3
		// An entry without a path is for a split index, and Parse to judge.
		if len(path) == 0 {
			return errUnfold
		}
		if c := bytes.Compare(prev, path); c > 0 || c == 0 && (stage == 0 || stage > s) {
			return errUnfold // as may the first ones of a split index
		}
		prev, stage = path, s
	}
	if err := p.extensions(); err != nil {
		return err
	}
	if p.link != nil {
		return errUnfold
	}
	l.Tree = p.ix.Tree
	return nil
}

// unfold reads the path of entry i in version 4.
func (l *Listing) unfold(h head, i int, prev []byte) ([]byte, error) {
	l.p.off += h.size
	kept, rest, err := l.p.prefix(len(prev), int(h.flags&flagNameMask))
	if err != nil {
		return nil, err
	}
	from := len(l.paths)
	l.paths = append(append(l.paths, prev[:kept]...), rest...)
	l.ends[i] = uint32(len(l.paths))
	return l.paths[from:], nil
}

// usual is flagsOf and plainPath for an entry without second flags, whose path
// is as long as its flags say. They tell what is wrong where ok is false; most
// entries are usual, and this takes half their time.
func (p *parser) usual() (h head, path []byte, ok bool) {
	h.size = p.fixedSize()
	if len(p.body)-p.off < h.size {
		return h, nil, false
	}
	h.flags = binary.BigEndian.Uint16(p.body[p.off+h.size-2:])
	n, rest := int(h.flags&flagNameMask), p.body[p.off+h.size:]
	if p.ix.Version == 4 || h.flags&flagExtended != 0 || n == flagNameMask || n >= len(rest) || bytes.IndexByte(rest[:n+1], 0) != n {
		return h, nil, false
	}
	p.off += (h.size + n + 8) &^ 7
	return h, rest[:n], true
}

// Len is the number of entries.
func (l *Listing) Len() int { return max(len(l.at), len(l.entries)) }

// Compare compares the path of entry i with prefix followed by rest, as
// strings.Compare does, and copies neither.
func (l *Listing) Compare(i int, prefix, rest string) int {
	if l.entries != nil {
		path := l.entries[i].Path
		n := min(len(prefix), len(path))
		if c := strings.Compare(path[:n], prefix); c != 0 {
			return c
		}
		return strings.Compare(path[n:], rest)
	}
	path := l.path(i)
	n := min(len(prefix), len(path))
	if c := compare(path[:n], prefix); c != 0 {
		return c
	}
	return compare(path[n:], rest)
}

// compare is bytes.Compare with a string, which the compiler does not copy.
func compare(b []byte, s string) int {
	switch {
	case string(b) < s:
		return -1
	case string(b) > s:
		return 1
	}
	return 0
}

// Entry reads entry i; of its stat data, only Mode is set.
func (l *Listing) Entry(i int) Entry {
	if l.entries != nil {
		return l.entries[i]
	}
	p, at := l.p, int(l.at[i])
	end := at + p.fixedSize()
	flags, more := binary.BigEndian.Uint16(p.body[end-2:]), uint16(0)
	if flags&flagExtended != 0 {
		more = binary.BigEndian.Uint16(p.body[end:])
	}
	return Entry{
		Path: string(l.path(i)), Mode: binary.BigEndian.Uint32(p.body[at+24:]),
		ID:          oid.FromBytes(p.body[at+statSize : end-2]),
		Stage:       uint8(flags >> flagStageShift & 3),
		AssumeValid: flags&flagAssumeValid != 0, SkipWorktree: more&flagSkipWorktree != 0, IntentToAdd: more&flagIntentToAdd != 0,
	}
}

// path is the path of entry i, which read has found to be whole.
func (l *Listing) path(i int) []byte {
	if l.ends != nil {
		from := uint32(0)
		if i > 0 {
			from = l.ends[i-1]
		}
		return l.paths[from:l.ends[i]]
	}
	from := int(l.at[i]) + l.p.fixedSize()
	if binary.BigEndian.Uint16(l.p.body[from-2:])&flagExtended != 0 {
		from += 2
	}
	rest := l.p.body[min(from, len(l.p.body)):]
	// The end was there; who writes to the file now must not make us panic.
	return rest[:max(bytes.IndexByte(rest, 0), 0)]
}
