package unpack

import (
	"cmp"
	"fmt"
	"io"
	"sync/atomic"
)

// Budget says how much may be unpacked. Its zero value is ready, with the limits
// named below; a field that is set replaces one of them. One Budget serves all
// calls of a scan.
type Budget struct {
	// Bytes and Members are for the whole scan, BlobBytes for one blob.
	Bytes, Members, BlobBytes int64
	// Depth is how many containers may be around a member.
	Depth int
	// Ratio is how many times its own size a container may unpack to, once that
	// is more than a few megabytes.
	Ratio int64
	// Held is how much memory one call may hold, MemberHeld how much of that
	// for one member; a larger one has More.
	Held, MemberHeld int64

	bytes, members atomic.Int64
}

// The limits of a zero Budget.
const (
	// A scan at a few hundred MB/s is over after some minutes.
	defaultBytes   = 64 << 30
	defaultMembers = 16 << 20
	// More than any layer of an image, less than half a minute.
	defaultBlob = 4 << 30
	// A jar in an image layer in a saved image that was compressed has six.
	defaultDepth = 8
	// Deflate gives 1032 for zeros, and source or logs less than 50.
	defaultRatio = 1000
	// xz -9 wants 64 MiB for its dictionary, a member as much again.
	defaultHeld       = 192 << 20
	defaultMemberHeld = 64 << 20
)

// Below these sizes the ratio says nothing: a file of zeros hurts nobody. A
// container may have several of those.
const (
	memberFloor    = 16 << 20
	containerFloor = 64 << 20
)

type limits struct {
	bytes, members, blob, ratio int64
	held, memberHeld            int64
	depth                       int
}

func (b *Budget) limits() limits {
	return limits{
		bytes: cmp.Or(b.Bytes, defaultBytes), members: cmp.Or(b.Members, defaultMembers), blob: cmp.Or(b.BlobBytes, defaultBlob),
		ratio: cmp.Or(b.Ratio, defaultRatio), depth: cmp.Or(b.Depth, defaultDepth),
		held: cmp.Or(b.Held, defaultHeld), memberHeld: cmp.Or(b.MemberHeld, defaultMemberHeld),
	}
}

// left is the error of a Budget that is spent.
func (b *Budget) left() error {
	l := b.limits()
	if b.bytes.Load() >= l.bytes {
		return fmt.Errorf("%w: the scan has unpacked %d bytes", ErrSpent, l.bytes)
	}
	if b.members.Load() >= l.members {
		return fmt.Errorf("%w: the scan has seen %d members", ErrSpent, l.members)
	}
	return nil
}

// level is a container that is open. The root stands for the blob.
type level struct {
	parent *level
	name   string
	via    Format
	depth  int
	in     func() int64 // bytes of it read so far, or all of them
	out    int64        // bytes unpacked from it, at all depths
	why    error        // why no more is read of it
	rest   []byte       // what is gathered of it beside its members
}

func fixed(n int) func() int64 { return func() int64 { return int64(n) } }

// charge counts n bytes unpacked in l and in all that is around it, and reports
// whether that was still within bounds.
func (w *walker) charge(l *level, n int64) bool {
	ok := true
	if w.spent.bytes.Add(n) > w.limits.bytes {
		w.root.why, ok = w.spent.left(), false
	}
	for ; l != nil; l = l.parent {
		l.out += n
		if l.parent != nil && l.out > containerFloor && l.out/w.limits.ratio > l.in() {
			l.why, ok = fmt.Errorf("%w: more than %d bytes from %d", ErrBomb, l.out-n, l.in()), false
		}
	}
	if w.root.out > w.limits.blob && w.root.why == nil {
		w.root.why, ok = fmt.Errorf("%w: more than %d bytes from one blob", ErrSpent, w.limits.blob), false
	}
	return ok
}

// over tells whether nothing more is to be read in l.
func (w *walker) over(l *level) bool {
	if w.stopped || w.ctx.Err() != nil {
		w.stopped = true
		return true
	}
	for ; l != nil; l = l.parent {
		if l.why != nil {
			return true
		}
	}
	return w.root.why != nil
}

// meter is a decoder of one member that is paid for. It ends when the member, or
// something around it, has had enough.
type meter struct {
	w     *walker
	level *level
	r     io.Reader
	in    func() int64
	from  int64 // of in, when the member began
	out   int64
	err   error
	sum   func([]byte) // of what was read, if it is checked
}

// aRead is how much is asked of a decoder at once, so that limits and context
// are looked at often enough.
const aRead = 1 << 20

func (w *walker) meter(l *level, r io.Reader, in func() int64) *meter {
	return &meter{w: w, level: l, r: r, in: in, from: in()}
}

// sized is a meter of what is made of size bytes that lie in memory.
func (w *walker) sized(l *level, r io.Reader, size int) *meter {
	return &meter{w: w, level: l, r: r, in: fixed(size)}
}

func (m *meter) Read(p []byte) (int, error) {
	if m.err == nil && m.w.over(m.level) {
		m.err = errStopped
	}
	if m.err != nil {
		return 0, m.err
	}
	p = p[:min(len(p), aRead)]
	var n int
	for empty := 0; n == 0 && m.err == nil && len(p) > 0; empty++ {
		if empty == 100 {
			m.err = io.ErrNoProgress
			break
		}
		n, m.err = guardedRead(m.r, p)
	}
	m.out += int64(n)
	if m.sum != nil {
		m.sum(p[:n])
	}
	if !m.w.charge(m.level, int64(n)) {
		m.err = errStopped
	} else if in := m.in() - m.from; m.out > memberFloor && m.out/m.w.limits.ratio > in {
		m.err = fmt.Errorf("%w: more than %d bytes from %d", ErrBomb, m.out-int64(n), in)
	}
	return n, m.err
}
