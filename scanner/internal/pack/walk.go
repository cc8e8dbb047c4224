package pack

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"

	"github.com/keyquench/keyquench/scanner/internal/fault"
	"github.com/keyquench/keyquench/scanner/internal/inflate"
)

// Walk reads the objects of a unit, each base before what stands on it. An
// error is a Problem of one object; the walk goes on behind it. It is for one
// goroutine; units may be walked at once.
func (p *Plan) Walk(ctx context.Context, u Unit) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		defer fault.Panics()()
		w := p.workers.Get().(*worker)
		w.ctx, w.plan, w.yield = ctx, p, yield
		defer func() {
			w.ctx, w.plan, w.yield = nil, nil, nil
			w.slim()
			p.workers.Put(w)
		}()
		for _, n := range u.loose {
			if ctx.Err() != nil || !w.looseObject(n) {
				return
			}
		}
		for _, t := range u.trees {
			if !w.tree(u.forest, u.need, t) {
				w.stack.drop(w)
				return
			}
		}
	}
}

// worker is what one goroutine needs to walk units: its decoder, its stack of
// bases that are still needed, and the buffers it gives out and takes back.
type worker struct {
	store   *Store
	inflate inflate.Decoder
	loose   looseReader
	reader  *Reader // for copies of damaged objects and bases outside the pack
	ops     []byte  // the delta being applied
	fresh   []Span
	stack   stack
	live    int64 // bytes in the buffers given out
	spare   [64][][]byte
	spared  int64
	huge    []byte // a spare buffer that is too large for the lists

	ctx   context.Context // of the unit being walked
	plan  *Plan
	yield func(Object, error) bool
}

func newWorker(s *Store) *worker {
	return &worker{store: s, reader: &Reader{store: s, free: rescueFree}}
}

// slim lets go of what a single huge object left behind.
func (w *worker) slim() {
	w.huge = nil
	if cap(w.ops) > maxSpare {
		w.ops = nil
	}
	if cap(w.loose.buf) > maxSpare || w.loose.raw.Cap() > maxSpare {
		w.loose = looseReader{}
	}
}

// frame is a node whose children are being visited.
type frame struct {
	node  int32
	child int32  // next to visit
	num   Num    // that it was yielded as, or None
	data  []byte // nil when it could not be read
	lost  error  // and then, what that makes of its children
}

type stack []frame

func (s *stack) drop(w *worker) {
	for _, f := range *s {
		w.give(f.data)
	}
	*s = (*s)[:0]
}

// tree walks one delta tree depth first. It returns false when the caller wants
// no more.
func (w *worker) tree(f *forest, need []bool, t int32) bool {
	w.stack = w.stack[:0]
	if !w.visit(f, need, t, frame{}) {
		return false
	}
	for len(w.stack) > 0 {
		if w.ctx.Err() != nil {
			w.stack.drop(w)
			return false
		}
		top := &w.stack[len(w.stack)-1]
		k := top.child
		for top.child = f.next[k]; top.child >= 0 && need != nil && !need[top.child]; {
			top.child = f.next[top.child]
		}
		base := *top
		last := top.child < 0
		if last {
			w.stack = w.stack[:len(w.stack)-1]
		}
		ok := w.visit(f, need, k, base)
		if last {
			w.give(base.data)
		}
		if !ok {
			return false
		}
	}
	return true
}

// visit rebuilds node k, yields it if it is wanted, and pushes it if others
// stand on it. What stands on a node that is lost is visited too: it may have a
// good copy elsewhere, and if not, it is named.
func (w *worker) visit(f *forest, need []bool, k int32, base frame) bool {
	w.fresh = w.fresh[:0]
	n := f.first + Num(f.pos[k])
	o := Object{Num: n, Base: None}
	data, err := w.rebuild(f, k, base)
	switch {
	case data == nil:
		data = w.elsewhere(f, k)
	case errors.Is(err, errTwin):
		o.Num = w.rightTwin(f, k, data)
	case f.base[k] >= 0 && base.num != None:
		o.Base, o.Fresh = base.num, w.fresh
	}
	o.Kind = f.kind[k]
	ok := true
	if err != nil && (base.lost == nil || data == nil && w.plan.yields(n)) {
		ok = w.yield(Object{Num: n, Kind: o.Kind, Base: None}, f.errorAt(k, err))
	}
	yields := data != nil && o.Num != None && w.plan.yields(o.Num)
	if ok && yields {
		o.Data = data
		ok = w.yield(o, nil)
	}
	c := f.child[k]
	for c >= 0 && need != nil && !need[c] {
		c = f.next[c]
	}
	if !ok || c < 0 {
		w.give(data)
		return ok
	}
	next := frame{node: k, child: c, data: data, num: o.Num}
	if !yields {
		next.num = None
	}
	if data == nil {
		next.lost = errBase
		if errors.Is(err, ErrDeltaLoop) {
			next.lost = ErrDeltaLoop
		}
	}
	w.stack = append(w.stack, next)
	return true
}

// rebuild gives the content of node k in a buffer of the worker's. With an
// error it may still give the content: then that is what its name says, but not
// all that the pack says of it is true.
func (w *worker) rebuild(f *forest, k int32, base frame) (data []byte, err error) {
	live := w.live
	defer func() {
		if data == nil {
			w.live = live // a fault leaves its buffer to the collector
		}
	}()
	defer fault.Guard(&err, ErrTruncated)
	if base.lost != nil {
		return nil, base.lost
	}
	raw, e, err := f.head(k)
	if err != nil {
		return nil, err
	}
	// Not data itself: a fault from here on must leave that nil.
	var buf []byte
	var used int
	if f.base[k] == root {
		buf, used, err = w.whole(e, raw)
	} else {
		buf, used, err = w.delta(f, k, e, raw, base.data)
	}
	if err != nil {
		return nil, err
	}
	doubt := f.pack.checksum(int(f.pos[k]), raw, used)
	if doubt == nil && f.pack.idx.version > 1 && !f.shared(k) {
		return buf, nil
	}
	// Nothing but the name can tell, which costs a hash of all bytes.
	if f.pack.format.Sum(f.kind[k].String(), buf) == f.id(k) {
		return buf, doubt
	}
	if w.rightTwin(f, k, buf) != None {
		return buf, errTwin
	}
	w.give(buf)
	if doubt == nil {
		doubt = errMisnamed
	}
	return nil, doubt
}

// rightTwin finds the name that the content of k's entry has, among those that
// the index gives the entry; None when they are all wrong, or when the walk
// finds that object in another place.
func (w *worker) rightTwin(f *forest, k int32, data []byte) Num {
	if !f.shared(k) {
		return None
	}
	id := f.pack.format.Sum(f.kind[k].String(), data)
	i, ok := f.pack.idx.find(id.Bytes())
	if !ok || f.pack.idx.offset(i) != f.off[k] || len(w.store.copies(id.Bytes())) > 1 {
		return None
	}
	return f.first + Num(i)
}

// whole inflates an entry that is no delta.
func (w *worker) whole(e entry, raw []byte) (data []byte, used int, err error) {
	if err := e.believable(raw, w.store.limits.Object); err != nil {
		return nil, 0, err
	}
	room := e.size
	if room < 1<<20 { // for large objects the last bytes do not count, but memory does
		room += inflate.Slack
	}
	buf, err := w.take(room, len(raw))
	if err != nil {
		return nil, 0, err
	}
	if buf, used, err = inflateEntry(&w.inflate, e, raw, buf, w.store.limits.Object); err != nil {
		w.give(buf)
		return nil, 0, err
	}
	return buf, used, nil
}

// delta inflates an entry that is a delta and applies it to base or, when that
// is not in the pack, to what is found elsewhere.
func (w *worker) delta(f *forest, k int32, e entry, raw, base []byte) (data []byte, used int, err error) {
	if b := f.base[k]; b >= 0 {
		f.kind[k] = f.kind[b]
	} else if f.kind[k], base, err = w.reader.outside(e.base, f.pack); err != nil {
		return nil, 0, fmt.Errorf("delta's base: %w", err)
	}
	if w.ops, used, err = inflateEntry(&w.inflate, e, raw, w.ops, w.store.limits.Object); err != nil {
		return nil, 0, err
	}
	data, err = w.apply(base, len(raw))
	return data, used, err
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

// elsewhere looks for a readable copy of node k outside its pack; nil if there
// is none.
func (w *worker) elsewhere(f *forest, k int32) []byte {
	if !w.store.several() {
		return nil
	}
	kind, data, err := w.reader.outside(f.pack.idx.name(int(f.pos[k])), f.pack)
	if err != nil {
		return nil
	}
	buf, err := w.take(uint64(len(data)), len(data))
	if err != nil {
		return nil
	}
	f.kind[k] = kind
	copy(buf, data)
	return buf
}

// looseObject reads and yields one loose object.
func (w *worker) looseObject(n Num) bool {
	l := w.store.loose[int(n)-w.store.looseFirst]
	kind, data, err := w.loose.read(loosePath(w.store.dirs[l.dir], l.id), w.store.limits.Object)
	if err == nil && w.store.format.Sum(kind.String(), data) != l.id {
		err = errMisnamed
	}
	if err == nil {
		return w.yield(Object{Num: n, Kind: kind, Data: data, Base: None}, nil)
	}
	if !w.yield(Object{Num: n, Kind: kind, Base: None}, Problem{l.id.String(), err}) {
		return false
	}
	w.reader.work = 0
	if kind, data, err = w.reader.another(n); err != nil {
		return true
	}
	return w.yield(Object{Num: n, Kind: kind, Data: data, Base: None}, nil)
}

// take gives a buffer of size bytes for an object stored in stored bytes.
// Buffers come in powers of two, so that spare ones fit again.
func (w *worker) take(size uint64, stored int) ([]byte, error) {
	switch limits := w.store.limits; {
	case size > uint64(limits.Object):
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	case w.live+int64(size) > limits.Live:
		return nil, ErrMemory
	}
	if err := w.store.charge(int(size), stored); err != nil {
		return nil, err
	}
	class := bits.Len64(max(size, 1) - 1)
	w.live += 1 << class
	if cap(w.huge) == 1<<class {
		buf := w.huge[:size]
		w.huge = nil
		return buf, nil
	}
	if list := w.spare[class]; len(list) > 0 {
		w.spare[class] = list[:len(list)-1]
		w.spared -= 1 << class
		return list[len(list)-1][:size], nil
	}
	return make([]byte, size, 1<<class), nil
}

// maxSpare is how much memory a worker keeps for later in its free lists.
const maxSpare = 32 << 20

// give takes a buffer back.
func (w *worker) give(buf []byte) {
	c := cap(buf)
	if c == 0 {
		return
	}
	w.live -= int64(c)
	if c > maxSpare {
		// One is kept until the unit ends: fresh memory for each of many huge
		// deltas would take three times as long as to fill it.
		w.huge = buf
		return
	}
	if w.spared+int64(c) > maxSpare {
		return
	}
	w.spared += int64(c)
	class := bits.Len64(uint64(c) - 1)
	w.spare[class] = append(w.spare[class], buf[:0])
}

// IsProblem tells whether an error names one object, and which.
func IsProblem(err error) (Problem, bool) { return errors.AsType[Problem](err) }
