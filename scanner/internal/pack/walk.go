package pack

import (
	"context"
	"errors"
	"iter"

	"github.com/keyquench/keyquench/scanner/internal/fault"
	"github.com/keyquench/keyquench/scanner/internal/inflate"
)

// Walk reads the objects of a unit, each base before what stands on it. An
// error is a Problem of one object; the walk goes on behind it. It is for one
// goroutine; units may be walked at once.
func (p *Plan) Walk(ctx context.Context, u Unit) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		defer fault.Panics()()
		w := p.hire()
		w.ctx, w.plan, w.yield = ctx, p, yield
		defer func() {
			w.ctx, w.plan, w.yield = nil, nil, nil
			w.slim()
			p.rest(w)
		}()
		for _, n := range u.loose {
			if ctx.Err() != nil || !w.looseObject(n) {
				return
			}
		}
		if len(u.trees) > 0 {
			w.trees(u.forest, u.trees)
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
	buffers

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
	w.reader.drop()
	if cap(w.ops) > maxSpare {
		w.ops = nil
	}
	if cap(w.loose.buf) > maxSpare || w.loose.raw.Cap() > maxSpare {
		w.loose = looseReader{}
	}
}

// body is an object as a worker has it.
type body struct {
	kind   Kind
	data   []byte  // nil when there is a stream, or nothing
	file   *spill  // that data lies in; nil when it is a buffer of the worker's
	stream *Stream // of a huge object that nothing stands on
}

func (b *body) found() bool { return b.data != nil || b.stream != nil }

// free takes back the memory of a body.
func (w *worker) free(b body) {
	if b.file != nil {
		b.file.close()
	} else {
		w.give(b.data)
	}
}

// frame is a node whose children are being visited.
type frame struct {
	body        // not found when it could not be read
	child int32 // next to visit
	num   Num   // that it was yielded as with all its data, or None
	lost  error // what it makes of its children that it could not be read
}

type stack []frame

// push puts a node on the stack. A base that is too much for the memory waits in a
// temporary file.
func (w *worker) push(next frame) {
	if w.live > w.store.limits.Live && next.file == nil && next.data != nil {
		file, err := w.store.spillBytes(next.data)
		w.give(next.data)
		if next.data = nil; err != nil {
			next.lost = err
		} else {
			next.data, next.file = file.data, file
		}
	}
	w.stack = append(w.stack, next)
}

func (w *worker) drop() {
	for _, f := range w.stack {
		w.free(f.body)
	}
	w.stack = w.stack[:0]
}

// trees walks delta trees one after the other. They are headed by roots, or by
// deltas of one node, which is rebuilt first and belongs to another unit.
func (w *worker) trees(f *forest, heads []int32) {
	var base frame
	if b := f.base[heads[0]]; b >= 0 {
		base = w.climb(f, b)
		defer func() { w.free(base.body) }()
		if base.num != None && !w.yield(Object{Num: base.num, Kind: base.kind, Data: base.data, Base: None, Again: true}, nil) {
			return
		}
	}
	for _, t := range heads {
		if !w.tree(f, t, base) {
			w.drop()
			return
		}
	}
}

// climb rebuilds node k and all that it stands on. It is to be yielded again when
// the frame says so: then most of what stands on it need not be looked at as a
// whole. Of a tree, there is too much to be known again.
func (w *worker) climb(f *forest, k int32) (base frame) {
	var chain []int32
	for ; k >= 0; k = f.base[k] {
		chain = append(chain, k)
	}
	for i := len(chain) - 1; i >= 0 && w.ctx.Err() == nil; i-- {
		next, _, _ := w.reach(f, chain[i], base, true)
		w.free(base.body)
		base = next
	}
	if base.kind == Tree || base.file != nil || !base.found() {
		base.num = None
	}
	return base
}

// tree walks one delta tree depth first. It returns false when the caller wants
// no more.
func (w *worker) tree(f *forest, t int32, base frame) bool {
	next, ok := w.visit(f, t, base)
	if !ok {
		return false
	}
	if next.child >= 0 {
		w.push(next)
	}
	for len(w.stack) > 0 {
		if w.ctx.Err() != nil {
			return false
		}
		top := &w.stack[len(w.stack)-1]
		k := top.child
		top.child = f.visits(f.next[k])
		base := *top
		last := top.child < 0
		if last {
			w.stack = w.stack[:len(w.stack)-1]
		}
		next, ok := w.visit(f, k, base)
		if last {
			w.free(base.body)
		}
		if !ok {
			return false
		}
		if next.child >= 0 {
			w.push(next)
		}
	}
	return true
}

// visit rebuilds node k and yields it if it is wanted. The frame is for what
// stands on it; without a child there is nothing in it. What stands on a node that
// is lost is visited too: it may have a good copy elsewhere, and if not, it is
// named.
func (w *worker) visit(f *forest, k int32, base frame) (next frame, ok bool) {
	child := f.visits(f.child[k])
	next, o, err := w.reach(f, k, base, child >= 0)
	n, found := f.first+Num(f.pos[k]), next.found()
	ok = true
	if err != nil && (base.lost == nil || !found && w.plan.yields(n)) {
		ok = w.yield(Object{Num: n, Kind: o.Kind, Base: None}, f.errorAt(k, err))
	}
	switch yields := found && o.Num != None && w.plan.yields(o.Num); {
	case !yields:
		next.num = None
	case ok && (next.stream != nil || int64(len(next.data)) > w.store.limits.Object):
		next.num = None
		ok = w.yield(Object{Num: o.Num, Kind: o.Kind, Base: None, Stream: next.streamed(f, k)}, nil)
	case ok:
		o.Data = next.data
		ok = w.yield(o, nil)
	}
	if next.child = child; !ok || child < 0 {
		w.free(next.body)
		return frame{child: -1}, ok
	}
	return next, true
}

// streamed gives what is to be yielded of a huge object.
func (b *body) streamed(f *forest, k int32) *Stream {
	if b.stream != nil {
		return b.stream
	}
	return b.file.stream(func(err error) error { return f.errorAt(k, err) })
}

// reach rebuilds node k or finds a copy of it elsewhere; keep tells that others
// stand on it. The frame has what that makes of its children, the object all but
// its data, the error what is wrong with the node, whether it was found or not.
func (w *worker) reach(f *forest, k int32, base frame, keep bool) (next frame, o Object, err error) {
	w.fresh = w.fresh[:0]
	o = Object{Num: f.first + Num(f.pos[k]), Kind: f.kind[k], Base: None}
	next.body, err = w.rebuild(f, k, base, keep)
	switch {
	case !next.found():
		next.body = w.elsewhere(f, k)
	case errors.Is(err, errTwin):
		o.Num = w.rightTwin(f, k, w.name(next.body))
	case f.base[k] >= 0 && base.num != None:
		o.Base, o.Fresh = base.num, w.fresh
	}
	if next.num = o.Num; next.found() {
		o.Kind = next.kind
		return next, o, err
	}
	next.lost = errBase
	if errors.Is(err, ErrDeltaLoop) {
		next.lost = ErrDeltaLoop
	}
	return next, o, err
}

// IsProblem tells whether an error names one object, and which.
func IsProblem(err error) (Problem, bool) { return errors.AsType[Problem](err) }
