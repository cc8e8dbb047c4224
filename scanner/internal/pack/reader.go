package pack

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/keyquench/keyquench/scanner/internal/fault"
	"github.com/keyquench/keyquench/scanner/internal/inflate"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Reader reads single objects in any order and compares each with its name. It
// remembers the bases it rebuilt, as trees of successive commits stand on one
// another. It belongs to one goroutine.
type Reader struct {
	store   *Store
	inflate inflate.Decoder
	loose   looseReader
	ops     []byte
	chain   []link
	cache   cache
	latest  *Reader // for objects that moved since the store was opened, or nil
	file    *spill  // that the current object lies in, if it is a huge one
	work    int64   // bytes unpacked for the current call
	free    int64   // of these, what is not charged to the store's budget
}

// link is one delta on the way from an object to what it stands on.
type link struct {
	pack *packFile
	at   uint64 // offset
	raw  []byte
	head entry
}

const (
	// maxChain bounds a chain of deltas. git's own limit is 4095.
	maxChain = 1 << 16
	// maxOutside bounds how often a chain may leave a pack for its base.
	maxOutside = 64
	// maxCopies bounds how many copies of one object are tried.
	maxCopies = 16
	// readerCache is the memory a Reader keeps for bases.
	readerCache = 48 << 20
	// readerFree lets an object of a megabyte stand on a chain of git's
	// default depth of 50. Without a charge for what goes over it, reading a
	// long chain in a bad order would cost its length squared.
	readerFree = 64 << 20
	// rescueFree is the same for a walk's own reader, which an honest store
	// does not need at all.
	rescueFree = 1 << 20
	// linkWork is what one more delta costs at the least, in bytes that could
	// be copied in that time.
	linkWork = 32 << 10
)

// errMisnamed: an object's name is the hash of its content.
var errMisnamed = fmt.Errorf("content is not what the name says: %w", ErrCorrupt)

// Reader makes a reader of its own for one goroutine.
func (s *Store) Reader() *Reader { return &Reader{store: s, free: readerFree} }

// Read gives an object's kind and content, valid until the next call. When it
// is damaged, a good copy elsewhere in the store is no error. A blob that is too
// large for the memory lies in a temporary file, which the content is mapped from.
func (r *Reader) Read(n Num) (Kind, []byte, error) {
	r.work = 0
	kind, data, err := r.read(n)
	if err == nil {
		return kind, data, nil
	}
	if kind, data, again := r.instead(n, err); again == nil {
		return kind, data, nil
	}
	id := r.store.ID(n)
	return kind, nil, Problem{id.String(), err}
}

// instead reads object n from another place than the one where it could not be
// read. When its file is gone, somebody may have packed it since the store was
// opened.
func (r *Reader) instead(n Num, bad error) (Kind, []byte, error) {
	kind, data, err := r.another(n)
	if err == nil || !errors.Is(bad, fs.ErrNotExist) || r.store.lazy != nil {
		return kind, data, err
	}
	if r.latest == nil {
		r.latest = r.store.latest().Reader()
	}
	id := r.store.ID(n)
	return r.latest.Lookup(id.Bytes())
}

// Lookup is Read by raw name.
func (r *Reader) Lookup(name []byte) (Kind, []byte, error) {
	n, ok := r.store.Lookup(name)
	if !ok {
		return 0, nil, Problem{fmt.Sprintf("%x", name), r.store.missing()}
	}
	return r.Read(n)
}

// read reads object n from the one place that n stands for.
func (r *Reader) read(n Num) (kind Kind, data []byte, err error) {
	s := r.store.spot(n)
	r.drop()
	if s.pack != nil {
		kind, data, err = r.packed(s.pack, s.at)
	} else {
		kind, data, err = r.looseAt(loosePath(r.store.dirs[s.dir], s.id))
	}
	if err == nil && r.name(kind, data) != s.id {
		err = errMisnamed
	}
	if err != nil {
		r.drop()
		return kind, nil, err
	}
	return kind, data, nil
}

// looseAt reads the loose object at path.
func (r *Reader) looseAt(path string) (kind Kind, data []byte, err error) {
	kind, data, err = r.loose.read(path, r.store.limits.Object)
	if !errors.Is(err, errHuge) {
		return kind, data, err
	}
	s, in, err := r.store.looseStream(path)
	if err != nil {
		return kind, nil, err
	}
	defer in.Close()
	data, err = r.spill(s)
	return Blob, data, err
}

// name is what the current object is called.
func (r *Reader) name(kind Kind, data []byte) oid.ID {
	if r.file != nil {
		return r.file.id
	}
	return r.store.format.Sum(kind.String(), data)
}

// spill lays a stream down in a temporary file and gives up the one before.
func (r *Reader) spill(s *Stream) ([]byte, error) {
	file, err := r.store.spill(s)
	r.drop()
	if err != nil {
		return nil, err
	}
	r.file = file
	return file.data, nil
}

// drop gives up the current object's temporary file.
func (r *Reader) drop() {
	r.file.close()
	if r.file = nil; r.latest != nil {
		r.latest.drop()
	}
}

// release leaves the current object's temporary file, if it has one, to the
// caller.
func (r *Reader) release() *spill {
	file := r.file
	if r.file = nil; file == nil && r.latest != nil {
		return r.latest.release()
	}
	return file
}

// another reads object n from any place but the one that n stands for.
func (r *Reader) another(n Num) (Kind, []byte, error) {
	return r.copy(r.store.name(n), func(m Num) bool { return m == n })
}

// outside reads an object by raw name from any place but pack not.
func (r *Reader) outside(name []byte, not *packFile) (Kind, []byte, error) {
	r.work = 0
	kind, data, err := r.copy(name, func(m Num) bool {
		return r.store.spot(m).pack == not
	})
	if err != nil {
		return 0, nil, fmt.Errorf("%x: %w", name, err)
	}
	return kind, data, nil
}

// copy reads the first copy of an object that can be read and is not to be
// skipped.
func (r *Reader) copy(name []byte, skip func(Num) bool) (Kind, []byte, error) {
	err, tried := error(ErrMissing), 0
	for _, m := range r.store.copies(name) {
		if skip(m) {
			continue
		}
		if tried++; tried > maxCopies {
			break
		}
		kind, data, e := r.read(m)
		if e == nil {
			return kind, data, nil
		}
		err = e
	}
	return 0, nil, err
}

// packed rebuilds the object at offset at of pack p: it follows the chain of
// bases down, also into other packs, and climbs up again.
func (r *Reader) packed(p *packFile, at uint64) (kind Kind, data []byte, err error) {
	defer fault.Panics()()
	defer fault.Guard(&err, ErrTruncated)
	r.chain = r.chain[:0]
	for hops := 0; ; {
		if kind, data = r.cache.get(p, at); data != nil {
			return r.climb(kind, data)
		}
		if at < packHeader || at >= uint64(len(p.data)) {
			return 0, nil, fmt.Errorf("entry at %d of %d bytes: %w", at, len(p.data), ErrTruncated)
		}
		l := link{pack: p, at: at, raw: p.data[at:]}
		if l.head, err = parseEntry(l.raw, p.format); err != nil {
			return 0, nil, err
		}
		if l.head.kind <= Tag {
			if data, err = r.inflateTo(nil, l.head, l.raw); errors.Is(err, errHuge) {
				data, err = r.large(l, Blob, nil)
			}
			if err != nil {
				return l.head.kind, nil, err
			}
			r.remember(l, l.head.kind, data)
			return r.climb(l.head.kind, data)
		}
		if len(r.chain) == maxChain {
			return 0, nil, fmt.Errorf("%w, or a chain of over %d", ErrDeltaLoop, maxChain)
		}
		r.chain = append(r.chain, l)
		var n Num
		if p, at, n, err = r.baseOf(l); err != nil {
			return 0, nil, fmt.Errorf("delta's base: %w", err)
		}
		if p == nil { // a loose object, which has no base
			if kind, data, err = r.read(n); err != nil {
				return 0, nil, fmt.Errorf("delta's base: %w", err)
			}
			return r.climb(kind, data)
		}
		if p != l.pack {
			if hops++; hops > maxOutside {
				return 0, nil, ErrDeltaLoop
			}
		}
	}
}

// baseOf finds what a delta stands on: an entry of a pack or, if p is nil, the
// loose object n.
func (r *Reader) baseOf(l link) (p *packFile, at uint64, n Num, err error) {
	if l.head.kind == ofsDelta {
		if l.head.back == 0 || l.head.back > l.at {
			return nil, 0, None, fmt.Errorf("lies before the pack: %w", ErrCorrupt)
		}
		return l.pack, l.at - l.head.back, None, nil
	}
	if i, ok := l.pack.idx.find(l.head.base); ok {
		at, err = l.pack.idx.checkedOffset(i)
		return l.pack, at, None, err
	}
	n, ok := r.store.Lookup(l.head.base)
	if !ok {
		return nil, 0, None, fmt.Errorf("%x: %w", l.head.base, ErrMissing)
	}
	s := r.store.spot(n)
	return s.pack, s.at, n, nil
}

// climb applies the deltas of r.chain, last first, to data.
func (r *Reader) climb(kind Kind, data []byte) (Kind, []byte, error) {
	for i := len(r.chain) - 1; i >= 0; i-- {
		l := r.chain[i]
		next, err := r.apply(l, data)
		if errors.Is(err, errHuge) {
			next, err = r.large(l, kind, data)
		} else {
			r.drop() // data was in it
		}
		if err != nil {
			return kind, nil, err
		}
		data = next
		r.remember(l, kind, data)
	}
	return kind, data, nil
}

// apply applies a delta to its base.
func (r *Reader) apply(l link, base []byte) (data []byte, err error) {
	if r.ops, err = r.inflateTo(r.ops, l.head, l.raw); err != nil {
		return nil, err
	}
	from, to, ops, err := deltaSizes(r.ops)
	if err != nil {
		return nil, err
	}
	if from != uint64(len(base)) {
		return nil, fmt.Errorf("delta is for a base of %d bytes, not %d: %w", from, len(base), ErrCorrupt)
	}
	if to > uint64(r.store.limits.Object) {
		return nil, errHuge
	}
	if err := r.spend(int64(to) + linkWork); err != nil {
		return nil, err
	}
	data = make([]byte, to)
	_, err = applyDelta(data, base, ops, nil)
	return data, err
}

// large reads an entry that is not to be held in memory: a blob, or a delta of
// base that gives one.
func (r *Reader) large(l link, kind Kind, base []byte) ([]byte, error) {
	if kind != Blob {
		return nil, fmt.Errorf("a %v: %w", kind, ErrTooLarge)
	}
	s, err := r.store.stream(l.head, l.raw, base, func(int) error { return nil })
	if err != nil {
		return nil, err
	}
	s.budget = nil // what spend takes is enough
	if err := r.spend(s.Size + linkWork); err != nil {
		return nil, err
	}
	return r.spill(s)
}

// remember keeps what is in memory for what else stands on it.
func (r *Reader) remember(l link, kind Kind, data []byte) {
	if r.file == nil {
		r.cache.put(l.pack, l.at, kind, data)
	}
}

// inflateTo is inflateEntry at the reader's expense.
func (r *Reader) inflateTo(buf []byte, e entry, raw []byte) ([]byte, error) {
	if err := e.believable(raw, r.store.limits.Object); err != nil {
		return buf, err
	}
	if err := r.spend(int64(e.size)); err != nil {
		return buf, err
	}
	buf, _, err := inflateEntry(&r.inflate, e, raw, buf, r.store.limits.Object)
	return buf, err
}

// spend counts work and charges what goes over the reader's allowance.
func (r *Reader) spend(size int64) error {
	if r.work += size; r.work <= r.free {
		return nil
	}
	over := min(size, r.work-r.free)
	return r.store.spend(over)
}
