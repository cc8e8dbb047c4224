package pack

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/keyquench/keyquench/scanner/internal/fault"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// forest holds the delta trees of one pack in flat arrays. Nodes are entries in
// the order of their offsets; an entry stored whole is a root, a delta is a
// child of its base.
type forest struct {
	pack  *packFile
	first Num      // number of the pack's first object
	off   []uint64 // node → offset in the pack
	pos   []int32  // node → place in the index
	// base is the node a delta stands on, or why the node heads a tree of its
	// own: it is stored whole (root), is a delta whose base is in no entry of
	// this pack (outside), has a head that cannot be read (broken), is where a
	// loop of deltas was cut open (looped), or is one more name for the entry
	// of another node (twin). The last three can only be read elsewhere.
	base   []int32
	kind   []Kind  // of the finished object; 0 until its root is known
	child  []int32 // first child, or -1
	next   []int32 // next sibling, or -1; the heaviest comes last
	weight []int64 // packed bytes of the whole tree below and with the node
}

const (
	root    = -1
	outside = -2
	broken  = -3
	looped  = -4
	twin    = -5
)

// newForest reads all entry heads of a pack. elsewhere tells whether the store
// has an object in another place too.
func newForest(p *packFile, first Num, elsewhere func(name []byte) bool) *forest {
	n := p.idx.n
	f := &forest{
		pack: p, first: first,
		off: make([]uint64, n), pos: make([]int32, n), base: make([]int32, n), kind: make([]Kind, n),
		child: make([]int32, n), next: make([]int32, n), weight: make([]int64, n),
	}
	for i := range n {
		f.off[i], f.pos[i] = p.idx.offset(i), int32(i)
	}
	sortByOffset(f.off, f.pos)
	f.readHeads()
	f.cutLoops(elsewhere)
	f.link()
	return f
}

// hidden finds bytes before the first entry of the pack. Those between entries
// are found when the entry before them is read.
func (f *forest) hidden() error {
	first, _ := slices.BinarySearch(f.off, packHeader)
	end := uint64(len(f.pack.data))
	if first < len(f.off) {
		end = min(end, f.off[first])
	}
	if end > packHeader {
		return fmt.Errorf("first entry is preceded by %d bytes of no entry: %w", end-packHeader, ErrCorrupt)
	}
	return nil
}

// sortByOffset sorts both slices by the values of off: a radix sort, a byte a
// round, over as many bytes as the largest offset has.
func sortByOffset(off []uint64, pos []int32) {
	most := uint64(0)
	for _, o := range off {
		most |= o
	}
	off2, pos2 := make([]uint64, len(off)), make([]int32, len(pos))
	from, fromPos, to, toPos := off, pos, off2, pos2
	for shift := 0; shift < bits.Len64(most); shift += 8 {
		var start [257]int
		for _, o := range from {
			start[o>>shift&0xff+1]++
		}
		for b := range 256 {
			start[b+1] += start[b]
		}
		for i, o := range from {
			b := o >> shift & 0xff
			to[start[b]], toPos[start[b]] = o, fromPos[i]
			start[b]++
		}
		from, fromPos, to, toPos = to, toPos, from, fromPos
	}
	copy(off, from)
	copy(pos, fromPos)
}

// raw is the packed bytes of a node: from its offset to the next one.
func (f *forest) raw(k int32) ([]byte, error) {
	data := f.pack.data
	start, end := f.off[k], uint64(len(data))
	if next := f.after(k); next < len(f.off) {
		end = min(end, f.off[next])
	}
	if start < packHeader || start >= uint64(len(data)) {
		return nil, fmt.Errorf("entry at %d of %d bytes: %w", start, len(data), ErrTruncated)
	}
	return data[start:end], nil
}

// after is the first node past k's offset. That is k+1, but in an index that
// gives many names to one entry.
func (f *forest) after(k int32) int {
	if next := int(k) + 1; next == len(f.off) || f.off[next] != f.off[k] {
		return next
	}
	return sort.Search(len(f.off), func(i int) bool { return f.off[i] > f.off[k] })
}

// readHeads fills base and kind, in parallel: it touches every page of the pack
// once.
func (f *forest) readHeads() {
	inverse := sync.OnceValue(func() []int32 {
		at := make([]int32, len(f.pos))
		for k, i := range f.pos {
			at[i] = int32(k)
		}
		return at
	})
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		lo, hi := len(f.off)*w/workers, len(f.off)*(w+1)/workers
		wg.Go(func() {
			defer fault.Panics()()
			for k := lo; k < hi; k++ {
				// The error is found again, and named, by the walk.
				_ = f.readHead(int32(k), inverse)
			}
		})
	}
	wg.Wait()
}

// readHead fills base and kind of one node.
func (f *forest) readHead(k int32, inverse func() []int32) (err error) {
	defer fault.Guard(&err, ErrTruncated)
	f.base[k] = broken
	if k > 0 && f.off[k-1] == f.off[k] {
		f.base[k] = twin
		return nil
	}
	raw, err := f.raw(k)
	if err != nil {
		return err
	}
	e, err := parseEntry(raw, f.pack.format)
	if err != nil {
		return err
	}
	switch e.kind {
	case ofsDelta:
		if e.back > 0 && e.back <= f.off[k] {
			f.base[k] = f.find(f.off[k] - e.back)
		}
	case refDelta:
		f.base[k] = outside
		if i, ok := f.pack.idx.find(e.base); ok {
			f.base[k] = f.find(f.off[inverse()[i]])
		}
	default:
		f.base[k], f.kind[k] = root, e.kind
	}
	return nil
}

// find gives the node that starts at offset at, the first if there are twins,
// or broken.
func (f *forest) find(at uint64) int32 {
	if k, ok := slices.BinarySearch(f.off, at); ok {
		return int32(k)
	}
	return broken
}

// shared tells whether the index gives the entry of k more than one name.
func (f *forest) shared(k int32) bool {
	return k > 0 && f.off[k-1] == f.off[k] || int(k)+1 < len(f.off) && f.off[k+1] == f.off[k]
}

// cutLoops makes one node of each loop of deltas the head of a tree: one that
// can be read elsewhere, if there is one, so that the others can be rebuilt.
func (f *forest) cutLoops(elsewhere func(name []byte) bool) {
	const (
		unknown = iota
		underWay
		done
	)
	state := make([]uint8, len(f.off))
	for k := range int32(len(f.off)) {
		end := k
		for end >= 0 && state[end] == unknown {
			state[end] = underWay
			end = f.base[end]
		}
		loop := end >= 0 && state[end] == underWay
		for c := k; c >= 0 && state[c] == underWay; c = f.base[c] {
			state[c] = done
		}
		if loop {
			cut := end
			for c := f.base[end]; c != end; c = f.base[c] {
				if elsewhere(f.pack.idx.name(int(f.pos[c]))) {
					cut = c
				}
			}
			f.base[cut] = looped
		}
	}
}

// link makes the lists of children and the weights, with the heaviest child
// last.
func (f *forest) link() {
	n := int32(len(f.off))
	for k := range n {
		f.child[k], f.next[k] = -1, -1
		if raw, err := f.raw(k); err == nil {
			f.weight[k] = int64(len(raw))
		}
	}
	for k := n - 1; k >= 0; k-- {
		if b := f.base[k]; b >= 0 {
			f.next[k], f.child[b] = f.child[b], k
		}
	}
	order := f.preorder()
	for i := len(order) - 1; i >= 0; i-- {
		if b := f.base[order[i]]; b >= 0 {
			f.weight[b] += f.weight[order[i]]
		}
	}
	for _, k := range order {
		if b := f.base[k]; b >= 0 {
			f.kind[k] = f.kind[b]
		}
		f.heaviestLast(k)
	}
}

// preorder lists all nodes, every base before its deltas.
func (f *forest) preorder() []int32 {
	order := make([]int32, 0, len(f.off))
	for r := range int32(len(f.off)) {
		if f.base[r] >= 0 {
			continue
		}
		from := len(order)
		order = append(order, r)
		for ; from < len(order); from++ {
			for c := f.child[order[from]]; c >= 0; c = f.next[c] {
				order = append(order, c)
			}
		}
	}
	return order
}

// heaviestLast moves the heaviest child of k to the end of the list, so that a
// walk can release k before it goes into what lives longest.
func (f *forest) heaviestLast(k int32) {
	var before, heavy, heavyBefore, last int32 = -1, -1, -1, -1
	for c := f.child[k]; c >= 0; c = f.next[c] {
		if heavy < 0 || f.weight[c] > f.weight[heavy] {
			heavy, heavyBefore = c, before
		}
		before, last = c, c
	}
	if heavy == last {
		return
	}
	if heavyBefore < 0 {
		f.child[k] = f.next[heavy]
	} else {
		f.next[heavyBefore] = f.next[heavy]
	}
	f.next[last], f.next[heavy] = heavy, -1
}

// errBase: the object may be whole, but what it is a difference to is not.
var errBase = errors.New("delta's base cannot be read")

// errTwin: the name of an entry is a hash of it, so that one name is a lie.
var errTwin = fmt.Errorf("index gives one entry two names: %w", ErrCorrupt)

// head gives the packed bytes of a node and the head of its entry, or why there
// is nothing to be read.
func (f *forest) head(k int32) (raw []byte, e entry, err error) {
	if f.base[k] == twin {
		return nil, e, errTwin
	}
	if raw, err = f.raw(k); err != nil {
		return nil, e, err
	}
	if e, err = parseEntry(raw, f.pack.format); err != nil {
		return nil, e, err
	}
	switch f.base[k] {
	case looped:
		return nil, e, ErrDeltaLoop
	case broken:
		return nil, e, fmt.Errorf("delta's base is no entry of the pack: %w", ErrCorrupt)
	}
	return raw, e, nil
}

// id names a node.
func (f *forest) id(k int32) oid.ID { return f.pack.idx.id(int(f.pos[k])) }

// errorAt adds the place of a node to what went wrong with it.
func (f *forest) errorAt(k int32, err error) Problem {
	return Problem{f.id(k).String(), fmt.Errorf("%s.pack at %d: %w", f.pack.name, f.off[k], err)}
}
