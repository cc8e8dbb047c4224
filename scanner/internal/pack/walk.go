package pack

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"sync"

	"github.com/keyquench/keyquench/scanner/internal/inflate"
)

// Want chooses objects by number: bit n of the set stands for object n. A nil
// Want is all of them.
type Want []uint64

// NewWant makes an empty choice among the objects of s.
func (s *Store) NewWant() Want { return make(Want, (s.Len()+63)/64) }

// Add chooses n.
func (w Want) Add(n Num) { w[n/64] |= 1 << (n % 64) }

// Has tells whether n is chosen.
func (w Want) Has(n Num) bool { return w == nil || w[n/64]>>(n%64)&1 == 1 }

// Len is how many are chosen.
func (w Want) Len() (n int) {
	for _, word := range w {
		n += bits.OnesCount64(word)
	}
	return n
}

// A Plan shares out a store: every wanted object is in one unit, once.
type Plan struct {
	Units []Unit
	// Problems are objects that are in no unit because not even the head of
	// their entry, or of one they stand on, can be read.
	Problems []Problem

	store   *Store
	want    Want
	workers sync.Pool
}

// Unit is work for one goroutine: some delta trees of one pack, or some loose
// objects. Weight is their stored size in bytes.
type Unit struct {
	Weight int64
	forest *forest
	need   []bool // nodes to rebuild, as they or what stands on them are wanted; nil is all
	trees  []int32
	loose  []Num
}

const (
	// unitWeight is the stored size at which a unit is full. Large enough that
	// handing units out costs nothing, small enough that the last ones do not
	// keep one worker busy alone.
	unitWeight = 1 << 20
	unitLoose  = 256
)

// Plan shares out the wanted objects. Large delta trees come first, so that
// none of them is begun last; the rest follows in the order of the packs.
func (s *Store) Plan(want Want) *Plan {
	p := &Plan{store: s, want: want}
	p.workers.New = func() any { return newWorker(s) }
	var small []Unit
	for i := range s.packs {
		small = append(small, p.packUnits(i)...)
	}
	slices.SortStableFunc(p.Units, func(a, b Unit) int { return int(b.Weight>>10 - a.Weight>>10) })
	p.Units = append(p.Units, small...)
	u := Unit{}
	for i := range s.loose {
		n := Num(s.looseFirst + i)
		if p.yields(n) {
			u.loose = append(u.loose, n)
		}
		if len(u.loose) == unitLoose || i == len(s.loose)-1 && len(u.loose) > 0 {
			p.Units = append(p.Units, u)
			u = Unit{}
		}
	}
	return p
}

// yields tells whether a walk of all units yields object n: it is wanted and not
// the double of another.
func (p *Plan) yields(n Num) bool { return p.want.Has(n) && !p.store.isDouble(n) }

// packUnits adds the large trees of pack i to the plan and returns units of
// small ones.
func (p *Plan) packUnits(i int) []Unit {
	s := p.store
	f := newForest(s.packs[i], s.first[i])
	p.Problems = append(p.Problems, f.problems...)
	need := f.need(func(k int32) bool { return p.yields(f.first + Num(f.pos[k])) })
	var small []Unit
	u := Unit{forest: f, need: need}
	for k, b := range f.base {
		if b != root && b != outside || need != nil && !need[k] {
			continue
		}
		if f.weight[k] >= unitWeight {
			p.Units = append(p.Units, Unit{f.weight[k], f, need, []int32{int32(k)}, nil})
			continue
		}
		u.trees = append(u.trees, int32(k))
		if u.Weight += f.weight[k]; u.Weight >= unitWeight {
			small = append(small, u)
			u = Unit{forest: f, need: need}
		}
	}
	if len(u.trees) > 0 {
		small = append(small, u)
	}
	return small
}

// need marks the nodes that must be rebuilt so that all wanted ones can be; nil
// when that is all of them.
func (f *forest) need(wanted func(k int32) bool) []bool {
	need := make([]bool, len(f.off))
	all := true
	order := f.preorder()
	for i := len(order) - 1; i >= 0; i-- {
		k := order[i]
		if need[k] = need[k] || wanted(k); !need[k] {
			all = false
		} else if b := f.base[k]; b >= 0 {
			need[b] = true
		}
	}
	if all {
		return nil
	}
	return need
}

// Walk reads the objects of a unit, each base before what stands on it. An
// error is a Problem of one object; the walk goes on behind it. It is for one
// goroutine; units may be walked at once.
func (p *Plan) Walk(ctx context.Context, u Unit) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		defer faults()()
		w := p.workers.Get().(*worker)
		defer p.workers.Put(w)
		w.ctx, w.plan, w.yield = ctx, p, yield
		defer func() { w.ctx, w.plan, w.yield = nil, nil, nil }()
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
	spare   [40][][]byte
	spared  int64

	ctx   context.Context // of the unit being walked
	plan  *Plan
	yield func(Object, error) bool
}

func newWorker(s *Store) *worker { return &worker{store: s, reader: s.Reader()} }

// frame is a node whose children are being visited.
type frame struct {
	node  int32
	child int32 // next to visit
	data  []byte
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
	if !w.visit(f, need, t, nil) {
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
		base := top.data
		last := top.child < 0
		if last {
			w.stack = w.stack[:len(w.stack)-1]
		}
		ok := w.visit(f, need, k, base)
		if last {
			w.give(base)
		}
		if !ok {
			return false
		}
	}
	return true
}

// visit rebuilds node k, yields it if it is wanted, and pushes it if others
// stand on it.
func (w *worker) visit(f *forest, need []bool, k int32, base []byte) bool {
	w.fresh = w.fresh[:0]
	if b := f.base[k]; b >= 0 {
		f.kind[k] = f.kind[b] // a base from outside is known only now
	}
	data, err := w.rebuild(f, k, base)
	if err != nil {
		at := f.errorAt(k, err)
		// Another pack may have a good copy.
		if data = w.elsewhere(f, k); data == nil {
			return w.yield(Object{Num: w.num(f, k), Kind: f.kind[k], Base: None}, at) && w.lost(f, k)
		}
		if !w.yield(Object{Num: w.num(f, k), Kind: f.kind[k], Base: None}, at) {
			w.give(data)
			return false
		}
	}
	n := w.num(f, k)
	o := Object{Num: n, Kind: f.kind[k], Data: data, Base: None}
	if b := f.base[k]; b >= 0 && err == nil && w.plan.yields(w.num(f, b)) {
		o.Base, o.Fresh = w.num(f, b), w.fresh
	}
	if w.plan.yields(n) && !w.yield(o, nil) {
		w.give(data)
		return false
	}
	c := f.child[k]
	for c >= 0 && need != nil && !need[c] {
		c = f.next[c]
	}
	if c < 0 {
		w.give(data)
		return true
	}
	w.stack = append(w.stack, frame{k, c, data})
	return true
}

func (w *worker) num(f *forest, k int32) Num { return f.first + Num(f.pos[k]) }

// lost names everything that stands on k and is needed, as it cannot be
// rebuilt; what has a good copy elsewhere is still yielded.
func (w *worker) lost(f *forest, k int32) bool {
	queue := []int32{k}
	for len(queue) > 0 {
		k, queue = queue[len(queue)-1], queue[:len(queue)-1]
		for c := f.child[k]; c >= 0; c = f.next[c] {
			queue = append(queue, c)
			n := w.num(f, c)
			if !w.plan.yields(n) {
				continue
			}
			if data := w.elsewhere(f, c); data != nil {
				ok := w.yield(Object{Num: n, Kind: f.kind[c], Data: data, Base: None}, nil)
				if w.give(data); !ok {
					return false
				}
				continue
			}
			if !w.yield(Object{Num: n, Kind: f.kind[c], Base: None}, f.errorAt(c, errBase)) {
				return false
			}
		}
	}
	return true
}

// rebuild gives the content of node k in a buffer of the worker's. base is nil
// for a node that heads its tree.
func (w *worker) rebuild(f *forest, k int32, base []byte) (data []byte, err error) {
	defer guard(&err)
	raw, err := f.raw(k)
	if err != nil {
		return nil, err
	}
	if err := f.pack.checksum(int(f.pos[k]), raw); err != nil {
		return nil, err
	}
	e, err := parseEntry(raw, w.store.format)
	if err != nil {
		return nil, err
	}
	if f.base[k] == root {
		if err := e.believable(raw, w.store.limits.Object); err != nil {
			return nil, err
		}
		buf, err := w.take(e.size, len(raw))
		if err != nil {
			return nil, err
		}
		if buf, err = inflateEntry(&w.inflate, e, raw, buf, w.store.limits.Object); err != nil {
			w.give(buf)
			return nil, err
		}
		return buf, nil
	}
	if f.base[k] == outside {
		if f.kind[k], base, err = w.reader.outside(e.base, f.pack); err != nil {
			return nil, fmt.Errorf("delta's base: %w", err)
		}
	}
	if w.ops, err = inflateEntry(&w.inflate, e, raw, w.ops, w.store.limits.Object); err != nil {
		return nil, err
	}
	return w.apply(base, len(raw))
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
	o := Object{Num: n, Kind: kind, Data: data, Base: None}
	if err == nil {
		err = w.store.charge(len(data), w.loose.raw.Len())
	}
	if err != nil {
		o.Data = nil
		if _, copied, again := w.reader.another(n); again == nil {
			o.Data = copied
			return w.yield(Object{Num: n, Kind: kind, Base: None}, Problem{l.id.String(), err}) && w.yield(o, nil)
		}
		return w.yield(o, Problem{l.id.String(), err})
	}
	return w.yield(o, nil)
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
	if w.spared+int64(c) > maxSpare {
		return
	}
	w.spared += int64(c)
	class := bits.Len64(uint64(c) - 1)
	w.spare[class] = append(w.spare[class], buf[:0])
}

// IsProblem tells whether an error names one object, and which.
func IsProblem(err error) (Problem, bool) { return errors.AsType[Problem](err) }
