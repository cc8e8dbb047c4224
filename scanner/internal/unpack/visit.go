package unpack

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// walker is one call of Walk.
type walker struct {
	ctx     context.Context
	limits  limits
	spent   *Budget
	yield   func(Member, error) bool
	stopped bool // nobody wants more
	root    level
	held    int64    // memory promised to decoders and members
	buffers [][]byte // by depth, to read members into
	flates  []resetter
}

// errStopped ends a decoder because of something that is told elsewhere.
var errStopped = errors.New("stopped")

const (
	// smallBytes is how large a member may be to be held without a thought.
	smallBytes = 64 << 10
	// leastHeld is what a member gets when all else is in use.
	leastHeld = 1 << 20
	// A name longer than any path can be is cut.
	longestName = 4096
)

// give yields m unless it is empty.
func (w *walker) give(m Member) {
	if !w.stopped && (len(m.Data) > 0 || m.More != nil) {
		w.stopped = !w.yield(m, nil)
	}
}

func (w *walker) tell(name string, via Format, err error) {
	if !w.stopped {
		w.stopped = !w.yield(Member{At: -1}, &SkipError{name, via, err})
	}
}

// inside is the name of a member of l.
func (l *level) inside(name string) string {
	if len(name) > longestName {
		name = name[:longestName]
	}
	if l.name == "" {
		return name
	}
	return l.name + "!" + name
}

// enter counts a member and reports whether it is to be read.
func (w *walker) enter(l *level) bool {
	if w.over(l) {
		return false
	}
	if w.spent.members.Add(1) > w.limits.members {
		w.root.why = w.spent.left()
		return false
	}
	return true
}

// hold promises n bytes of memory, or as much of it as there is.
func (w *walker) hold(n int64) int64 {
	n = max(min(n, w.limits.held-w.held), min(n, leastHeld))
	w.held += n
	return n
}

func (w *walker) release(n int64) { w.held -= n }

// visit opens a member of l that lies in memory, or yields it as it is.
func (w *walker) visit(l *level, name string, data []byte, at int) {
	if w.enter(l) {
		w.look(l, name, data, at)
	}
}

func (w *walker) look(l *level, name string, data []byte, at int) {
	if f := Detect(data); f != None && w.mayOpen(l, name, f) && w.open(l, name, f, &feed{mem: data, at: at}) {
		return
	}
	w.give(Member{Name: name, Via: l.via, Depth: l.depth, Data: data, At: at})
}

// mayOpen tells whether a container in l is not too deep.
func (w *walker) mayOpen(l *level, name string, f Format) bool {
	if l.depth < w.limits.depth {
		return true
	}
	w.tell(name, f, fmt.Errorf("%w: in %d containers", ErrTooDeep, l.depth))
	return false
}

// stream opens a member of l that a decoder gives, or yields it as it is. It
// takes all of r unless the walk is over, and leaves the errors of r to who made
// it.
func (w *walker) stream(l *level, name string, r io.Reader) {
	if !w.enter(l) {
		return
	}
	for len(w.buffers) <= l.depth {
		w.buffers = append(w.buffers, nil)
	}
	t := &replay{head: w.buffers[l.depth][:0], r: r, keep: true}
	w.buffers[l.depth] = nil // taken, while there are others of this depth in it
	defer func() {
		if cap(t.head) <= leastHeld {
			w.buffers[l.depth] = t.head
		}
	}()
	if t.fill(smallBytes) {
		w.look(l, name, t.head, -1)
		return
	}
	f := Detect(t.head)
	deep := f != None && !w.mayOpen(l, name, f)
	if f.sequential() && !f.weak() && !deep && w.openTail(l, name, f, t) {
		return
	}
	limit := w.hold(w.limits.memberHeld)
	whole := t.fill(int(limit))
	w.release(limit - int64(len(t.head)))
	defer w.release(int64(len(t.head)))
	switch {
	case whole && deep:
		w.give(Member{Name: name, Via: l.via, Depth: l.depth, Data: t.head, At: -1})
		return
	case whole:
		w.look(l, name, t.head, -1)
		return
	case deep || f == None:
	case !f.weak() && f.sequential(): // and was none
	case f.weak():
		if w.openTail(l, name, f, t) {
			return
		}
	default:
		w.tell(name, f, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit))
	}
	t.pos, t.keep = len(t.head), false
	w.give(Member{Name: name, Via: l.via, Depth: l.depth, Data: t.head, More: quiet{t}, At: -1})
	w.drain(t)
}

// openTail opens a container that is not held, and reports whether it was one or
// there is no more to do.
func (w *walker) openTail(l *level, name string, f Format, t *replay) bool {
	if w.open(l, name, f, &feed{tail: t}) || w.over(l) {
		return true
	}
	if !t.keep { // what was read is not there any more
		w.tell(name, f, ErrDamaged)
		return true
	}
	return false
}

// drain reads what nobody wanted: it is paid for, and a checksum stands at the
// end of it.
func (w *walker) drain(r io.Reader) {
	var buf [4 << 10]byte
	for !w.stopped {
		if _, err := r.Read(buf[:]); err != nil {
			return
		}
	}
}

// open reads the container in, and reports whether it was one.
func (w *walker) open(parent *level, name string, f Format, in *feed) bool {
	if f > PDF {
		w.tell(name, f, ErrUnsupported)
		return false // and is yielded as it is
	}
	l := &level{parent: parent, name: name, via: f, depth: parent.depth + 1}
	in.start()
	l.in = in.total()
	if !w.read(l, f, in) {
		return false
	}
	if in.tail != nil && !w.over(l) {
		w.leftovers(l, in.rd)
	}
	w.flushRest(l)
	if l.why != nil {
		w.tell(name, f, l.why)
	}
	return true
}

func (w *walker) read(l *level, f Format, in *feed) bool {
	switch f {
	case Tar:
		return w.tar(l, in)
	case Ar:
		return w.ar(l, in)
	case Cpio:
		return w.cpio(l, in)
	case Zip:
		return w.zip(l, in)
	case SevenZip:
		return w.sevenZip(l, in)
	case SQLite:
		return w.sqlite(l, in)
	case PDF:
		return w.pdf(l, in)
	default:
		return w.decompress(l, f, in)
	}
}

// finish tells why a member ended, if that was not its end.
func (m *meter) finish(name string) {
	switch {
	case m.err == nil || errors.Is(m.err, io.EOF) || errors.Is(m.err, errStopped):
	default:
		m.w.tell(name, m.level.via, told(m.err))
	}
}

// told puts a sentinel before an error that has none.
func told(err error) error {
	for _, known := range []error{ErrBomb, ErrEncrypted, ErrDamaged, ErrTooLarge, ErrUnsupported} {
		if errors.Is(err, known) {
			return err
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// guarded runs f, which is somebody else's code on bytes that somebody made to
// hurt: its panic is damage and no more. A fault of mapped memory is none of
// ours and passes.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(interface{ Addr() uintptr }); ok {
				panic(r)
			}
			err = fmt.Errorf("%w: it makes its reader fail", ErrDamaged)
		}
	}()
	return f()
}

func guardedRead(r io.Reader, p []byte) (n int, err error) {
	err = guarded(func() (err error) {
		n, err = r.Read(p)
		return err
	})
	return n, err
}
