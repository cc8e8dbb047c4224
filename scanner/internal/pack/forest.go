package pack

import (
	"errors"
	"fmt"
	"math"
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
	base  []int32
	kind  []Kind  // of the finished object; 0 until its root is known
	child []int32 // first child, or -1
	next  []int32 // next sibling, or -1; the heaviest comes last
	// weight is what it takes to walk the tree below and with the node, in units
	// of weightUnit; nil once the plan is made.
	weight []int32
	order  []int32 // every base before its deltas; nil when offsets have that order
	// need are the nodes that a walk of what is below them visits: those that
	// are wanted or that such stand on, and that no other unit is headed by.
	need Want
}

// weightUnit is in packed bytes: with it, the weight of a pack of 128 GiB is an
// int32. An object costs nodeWeight units more than its bytes, and one for each
// weightExpanded bytes that are copied to rebuild it: in the time in which one
// byte is inflated, 64 are copied.
const (
	weightUnit     = 64
	weightExpanded = 64 * weightUnit
	nodeWeight     = 2
)

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
		child: make([]int32, n), next: make([]int32, n), weight: make([]int32, n),
	}
	for i := range n {
		f.off[i], f.pos[i] = p.idx.offset(i), int32(i)
	}
	sortByOffset(f.off, f.pos)
	f.readHeads()
	natural := f.natural() // and then there is no loop
	if !natural {
		f.cutLoops(elsewhere)
	}
	f.link(natural)
	return f
}

// hidden finds bytes before the first entry of the pack. Those between entries
// are found when the entry before them is read.
func (f *forest) hidden() error {
	if f.pack.starts != nil {
		return nil // each begins where the one before it ends
	}
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
	if s := f.pack.starts; s != nil {
		if next, _ := slices.BinarySearch(s, start+1); next < len(s) {
			end = min(end, s[next])
		}
	} else if next := f.after(k); next < len(f.off) {
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

// readHeads fills base, kind and, of roots, weight, in parallel: it touches every
// page of the pack once.
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

// readHead fills base, kind and, of a root, the size as weight.
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
		f.weight[k] = int32(min(e.size/weightExpanded, math.MaxInt32))
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

// natural tells whether offsets have every base before its deltas. Deltas that
// name their base by offset always stand behind it.
func (f *forest) natural() bool {
	for k, b := range f.base {
		if int(b) >= k {
			return false
		}
	}
	return true
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

// link makes the lists of children, with the heaviest child last, and the
// weights; readHeads has left the sizes of roots in those.
func (f *forest) link(natural bool) {
	n := int32(len(f.off))
	for k := n - 1; k >= 0; k-- {
		f.child[k], f.next[k] = -1, -1
	}
	for k := n - 1; k >= 0; k-- {
		if b := f.base[k]; b >= 0 {
			f.next[k], f.child[b] = f.child[b], k
		}
	}
	if !natural {
		f.order = f.preorder()
	}
	for i := range n {
		if k := f.at(i); f.base[k] >= 0 {
			f.kind[k], f.weight[k] = f.kind[f.base[k]], f.weight[f.base[k]]
		}
	}
	for i := n - 1; i >= 0; i-- {
		k := f.at(i)
		packed := 0
		if raw, err := f.raw(k); err == nil {
			packed = len(raw)
		}
		f.weight[k] = heavier(f.weight[k], nodeWeight+packed/weightUnit)
		if b := f.base[k]; b >= 0 {
			f.weight[b] = heavier(f.weight[b], int(f.weight[k]))
		}
		f.heaviestLast(k)
	}
}

// heavier adds to a weight, as far as it goes.
func heavier(w int32, more int) int32 { return int32(min(int64(w)+int64(more), math.MaxInt32)) }

// at is the i-th node when each base comes before its deltas.
func (f *forest) at(i int32) int32 {
	if f.order == nil {
		return i
	}
	return f.order[i]
}

// preorder lists all nodes, every base before its deltas.
func (f *forest) preorder() []int32 {
	order := make([]int32, 0, len(f.off))
	for r := range int32(len(f.off)) {
		if f.base[r] < 0 {
			order = f.breadth(append(order, r))
		}
	}
	return order
}

// breadth adds to a list what stands on its last node and is needed, level by
// level: the children of one node are neighbours in it.
func (f *forest) breadth(list []int32) []int32 {
	for from := len(list) - 1; from < len(list); from++ {
		for c := f.child[list[from]]; c >= 0; c = f.next[c] {
			if f.need.Has(Num(c)) {
				list = append(list, c)
			}
		}
	}
	return list
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
