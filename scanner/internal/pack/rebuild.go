package pack

import (
	"errors"
	"fmt"

	"github.com/keyquench/keyquench/scanner/internal/fault"
	"github.com/keyquench/keyquench/scanner/internal/inflate"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// rebuild gives the content of node k. With an error it may still give it: then
// that is what its name says, but not all that the pack says of it is true.
func (w *worker) rebuild(f *forest, k int32, base frame, keep bool) (b body, err error) {
	live := w.live
	var made body // not b itself: a fault must leave that empty
	defer func() {
		if !b.found() {
			w.live = live // a fault leaves its buffer to the collector
			made.file.close()
		}
	}()
	defer fault.Guard(&err, ErrTruncated)
	if base.lost != nil {
		return b, base.lost
	}
	raw, e, err := f.head(k)
	if err != nil {
		return b, err
	}
	var used int
	if f.base[k] == root {
		made, used, err = w.whole(e, raw)
	} else {
		made, used, err = w.delta(f, k, e, raw, base)
	}
	if errors.Is(err, errHuge) {
		made, used, err = w.large(f, k, e, raw, base, keep)
	}
	if err != nil {
		return b, err
	}
	if made.stream != nil {
		return made, nil
	}
	doubt := f.pack.checksum(int(f.pos[k]), raw, used)
	if doubt == nil && f.pack.idx.version > 1 && !f.shared(k) && (made.file == nil || w.store.nameless) {
		return made, nil
	}
	// Nothing but the name can tell, which costs a hash of all bytes. Those of a
	// huge object were hashed on their way.
	id := w.name(made)
	if id == f.id(k) {
		return made, doubt
	}
	if w.rightTwin(f, k, id) != None {
		return made, errTwin
	}
	w.free(made)
	if doubt == nil {
		doubt = errMisnamed
	}
	return b, doubt
}

// name is what the content of a body is called.
func (w *worker) name(b body) oid.ID {
	if b.file != nil {
		return b.file.id
	}
	return w.store.format.Sum(b.kind.String(), b.data)
}

// rightTwin finds the name that the content of k's entry has, among those that
// the index gives the entry; None when they are all wrong, or when the walk
// finds that object in another place.
func (w *worker) rightTwin(f *forest, k int32, id oid.ID) Num {
	if !f.shared(k) {
		return None
	}
	i, ok := f.pack.idx.find(id.Bytes())
	if !ok || f.pack.idx.offset(i) != f.off[k] || len(w.store.copies(id.Bytes())) > 1 {
		return None
	}
	return f.first + Num(i)
}

// whole inflates an entry that is no delta.
func (w *worker) whole(e entry, raw []byte) (b body, used int, err error) {
	if err := e.believable(raw, w.store.limits.Object); err != nil {
		return b, 0, err
	}
	room := e.size
	if room < 1<<20 { // for large objects the last bytes do not count, but memory does
		room += inflate.Slack
	}
	buf, err := w.take(room, len(raw))
	if err != nil {
		return b, 0, err
	}
	if buf, used, err = inflateEntry(&w.inflate, e, raw, buf, w.store.limits.Object); err != nil {
		w.give(buf)
		return b, 0, err
	}
	return body{kind: e.kind, data: buf}, used, nil
}

// delta inflates an entry that is a delta and applies it to its base.
func (w *worker) delta(f *forest, k int32, e entry, raw []byte, base frame) (b body, used int, err error) {
	kind, from, err := w.base(f, k, e, base)
	if err != nil {
		return b, 0, err
	}
	if w.ops, used, err = inflateEntry(&w.inflate, e, raw, w.ops, w.store.limits.Object); err != nil {
		return b, 0, err
	}
	data, err := w.apply(from, len(raw))
	return body{kind: kind, data: data}, used, err
}

// base gives what delta k stands on: base or, when that is not in the pack, what
// is found elsewhere.
func (w *worker) base(f *forest, k int32, e entry, base frame) (kind Kind, data []byte, err error) {
	if f.base[k] >= 0 {
		return base.kind, base.data, nil
	}
	if kind, data, err = w.reader.outside(e.base, f.pack); err != nil {
		return 0, nil, fmt.Errorf("delta's base: %w", err)
	}
	return kind, data, nil
}

// apply runs the delta in w.ops on base.
func (w *worker) apply(base []byte, stored int) ([]byte, error) {
	from, to, ops, err := deltaSizes(w.ops)
	if err != nil {
		return nil, err
	}
	if from != uint64(len(base)) {
		return nil, fmt.Errorf("delta is for a base of %d bytes, not %d: %w", from, len(base), ErrCorrupt)
	}
	if to > uint64(w.store.limits.Object) {
		return nil, errHuge
	}
	buf, err := w.take(to, stored)
	if err != nil {
		return nil, err
	}
	if w.fresh, err = applyDelta(buf, base, ops, w.fresh); err != nil {
		w.give(buf)
		return nil, err
	}
	return buf, nil
}

// large reads node k, which is not to be held in memory. It is streamed if
// nothing stands on it, and if no other copy would have to do instead where its
// name turns out to be wrong; otherwise it is laid down in a temporary file.
func (w *worker) large(f *forest, k int32, e entry, raw []byte, base frame, keep bool) (b body, used int, err error) {
	var from []byte
	b.kind = e.kind
	if f.base[k] != root {
		if b.kind, from, err = w.base(f, k, e, base); err != nil {
			return body{}, 0, err
		}
	}
	if b.kind != Blob {
		return body{}, 0, fmt.Errorf("a %v: %w", b.kind, ErrTooLarge)
	}
	sure := !keep && !f.shared(k) && f.pack.idx.version > 1 && f.pack.matches(int(f.pos[k]), raw) == nil &&
		len(w.store.copies(f.pack.idx.name(int(f.pos[k])))) == 1
	s, err := w.store.stream(e, raw, from, func(n int) error {
		if used = n; sure {
			return trailing(raw, used)
		}
		return nil // rebuild looks at it
	})
	if err != nil {
		return body{}, 0, err
	}
	if sure {
		s.problem = func(err error) error { return f.errorAt(k, err) }
		if !w.store.nameless {
			s.name = f.id(k)
		}
		b.stream = s
		return b, 0, nil
	}
	if b.file, err = w.store.spill(s); err != nil {
		return body{}, 0, err
	}
	b.data = b.file.data
	return b, used, nil
}

// elsewhere looks for a readable copy of node k outside its pack.
func (w *worker) elsewhere(f *forest, k int32) (b body) {
	if !w.store.several() {
		return b
	}
	kind, data, err := w.reader.outside(f.pack.idx.name(int(f.pos[k])), f.pack)
	if err != nil {
		return b
	}
	if file := w.reader.release(); file != nil {
		return body{kind: kind, data: data, file: file}
	}
	buf, err := w.take(uint64(len(data)), len(data))
	if err != nil {
		return b
	}
	copy(buf, data)
	return body{kind: kind, data: buf}
}
