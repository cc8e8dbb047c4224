package pack

import (
	"container/list"
	"fmt"

	"github.com/keyquench/keyquench/scanner/internal/inflate"
)

// Reader reads single objects in any order. It remembers the bases it rebuilt,
// as trees of successive commits stand on one another. It belongs to one
// goroutine.
type Reader struct {
	store   *Store
	inflate inflate.Decoder
	loose   looseReader
	ops     []byte
	chain   []link
	cache   cache
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
	// maxOutside bounds how often a chain may leave its pack for a base.
	maxOutside = 64
	// readerCache is the memory a Reader keeps for bases.
	readerCache = 48 << 20
)

// Reader makes a reader of its own for one goroutine.
func (s *Store) Reader() *Reader { return &Reader{store: s} }

// Read gives an object's kind and content, valid until the next call.
func (r *Reader) Read(n Num) (Kind, []byte, error) {
	kind, data, err := r.read(n)
	if err == nil {
		return kind, data, nil
	}
	if kind, data, again := r.another(n); again == nil {
		return kind, data, nil
	}
	id := r.store.ID(n)
	return kind, nil, Problem{id.String(), err}
}

// Lookup is Read by raw name.
func (r *Reader) Lookup(name []byte) (Kind, []byte, error) {
	n, ok := r.store.Lookup(name)
	if !ok {
		return 0, nil, Problem{fmt.Sprintf("%x", name), ErrMissing}
	}
	return r.Read(n)
}

func (r *Reader) read(n Num) (kind Kind, data []byte, err error) {
	if p, i := r.store.packOf(n); p != nil {
		defer faults()()
		defer guard(&err)
		return r.packed(p, p.idx.offset(i), 0)
	}
	l := r.store.loose[int(n)-r.store.looseFirst]
	return r.loose.read(loosePath(r.store.dirs[l.dir], l.id), r.store.limits.Object)
}

// another reads object n from any source but the one that n stands for.
func (r *Reader) another(n Num) (Kind, []byte, error) {
	for _, m := range r.store.copies(r.store.name(n)) {
		if m == n {
			continue
		}
		if kind, data, err := r.read(m); err == nil {
			return kind, data, nil
		}
	}
	return 0, nil, ErrMissing
}

// outside reads an object by raw name from any source but pack not.
func (r *Reader) outside(name []byte, not *packFile) (Kind, []byte, error) {
	err := error(ErrMissing)
	for _, n := range r.store.copies(name) {
		if p, _ := r.store.packOf(n); p == not {
			continue
		}
		kind, data, e := r.read(n)
		if e == nil {
			return kind, data, nil
		}
		err = e
	}
	return 0, nil, fmt.Errorf("%x: %w", name, err)
}

// packed rebuilds the object at offset at of pack p. hops counts how often the
// chain has left a pack.
func (r *Reader) packed(p *packFile, at uint64, hops int) (kind Kind, data []byte, err error) {
	r.chain = r.chain[:0]
	for {
		if kind, data = r.cache.get(p, at); data != nil {
			break
		}
		if at < packHeader || at >= uint64(len(p.data)) {
			return 0, nil, fmt.Errorf("entry at %d of %d bytes: %w", at, len(p.data), ErrTruncated)
		}
		raw := p.data[at:]
		e, err := parseEntry(raw, p.format)
		if err != nil {
			return 0, nil, err
		}
		if len(r.chain) == maxChain {
			return 0, nil, ErrDeltaLoop
		}
		if e.kind <= Tag {
			if data, err = inflateEntry(&r.inflate, e, raw, nil, r.store.limits.Object); err != nil {
				return 0, nil, err
			}
			kind = e.kind
			r.cache.put(p, at, kind, data)
			break
		}
		r.chain = append(r.chain, link{p, at, raw, e})
		if e.kind == ofsDelta {
			if e.back == 0 || e.back > at {
				return 0, nil, fmt.Errorf("delta's base lies before the pack: %w", ErrCorrupt)
			}
			at -= e.back
			continue
		}
		if i, ok := p.idx.find(e.base); ok {
			at = p.idx.offset(i)
			continue
		}
		if kind, data, err = r.foreign(e.base, p, hops); err != nil {
			return 0, nil, fmt.Errorf("delta's base: %w", err)
		}
		break
	}
	return r.climb(kind, data)
}

// foreign reads a base that the pack itself does not hold.
func (r *Reader) foreign(name []byte, p *packFile, hops int) (Kind, []byte, error) {
	if hops == maxOutside {
		return 0, nil, ErrDeltaLoop
	}
	n, ok := r.store.Lookup(name)
	if !ok {
		return 0, nil, fmt.Errorf("%x: %w", name, ErrMissing)
	}
	other, i := r.store.packOf(n)
	if other == nil {
		return r.read(n)
	}
	if other == p {
		return 0, nil, ErrDeltaLoop
	}
	inner := &Reader{store: r.store}
	return inner.packed(other, other.idx.offset(i), hops+1)
}

// climb applies the deltas of r.chain, last first, to data.
func (r *Reader) climb(kind Kind, data []byte) (Kind, []byte, error) {
	for i := len(r.chain) - 1; i >= 0; i-- {
		l := r.chain[i]
		var err error
		if r.ops, err = inflateEntry(&r.inflate, l.head, l.raw, r.ops, r.store.limits.Object); err != nil {
			return kind, nil, err
		}
		from, to, ops, err := deltaSizes(r.ops)
		if err != nil {
			return kind, nil, err
		}
		if from != uint64(len(data)) {
			return kind, nil, fmt.Errorf("delta is for a base of %d bytes, not %d: %w", from, len(data), ErrCorrupt)
		}
		if to > uint64(r.store.limits.Object) {
			return kind, nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, to)
		}
		if err := r.store.charge(int(to), len(r.ops)); err != nil {
			return kind, nil, err
		}
		out := make([]byte, to)
		if _, err := applyDelta(out, data, ops, nil); err != nil {
			return kind, nil, err
		}
		data = out
		r.cache.put(l.pack, l.at, kind, data)
	}
	return kind, data, nil
}

// cache keeps rebuilt objects, least recently used last.
type cache struct {
	at    map[place]*list.Element
	order list.List
	size  int
}

type place struct {
	pack *packFile
	at   uint64
}

type cached struct {
	place place
	kind  Kind
	data  []byte
}

func (c *cache) get(p *packFile, at uint64) (Kind, []byte) {
	e, ok := c.at[place{p, at}]
	if !ok {
		return 0, nil
	}
	c.order.MoveToFront(e)
	v := e.Value.(*cached)
	return v.kind, v.data
}

// put keeps data, which nobody may write to any more.
func (c *cache) put(p *packFile, at uint64, kind Kind, data []byte) {
	if len(data) == 0 || len(data) > readerCache/4 {
		return
	}
	if c.at == nil {
		c.at = map[place]*list.Element{}
	}
	key := place{p, at}
	if _, ok := c.at[key]; ok {
		return
	}
	c.at[key] = c.order.PushFront(&cached{key, kind, data})
	for c.size += len(data); c.size > readerCache; {
		last := c.order.Back()
		v := last.Value.(*cached)
		c.order.Remove(last)
		delete(c.at, v.place)
		c.size -= len(v.data)
	}
}
