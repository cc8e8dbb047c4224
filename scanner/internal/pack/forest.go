package pack

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sort"
	"sync"
)

// forest holds the delta trees of one pack in flat arrays. Nodes are entries in
// the order of their offsets; an entry stored whole is a root, a delta is a
// child of its base.
type forest struct {
	pack  *packFile
	first Num      // number of the pack's first object
	off   []uint64 // node → offset in the pack
	pos   []int32  // node → place in the index
	// base is the node a delta stands on; root for an entry stored whole,
	// outside for a delta whose base is in no entry of this pack, broken for
	// an entry whose head cannot be read.
	base   []int32
	kind   []Kind  // of the finished object; 0 until its root is known
	child  []int32 // first child, or -1
	next   []int32 // next sibling, or -1; the heaviest comes last
	weight []int64 // packed bytes of the whole tree below and with the node

	problems []Problem // entries that no walk will reach
}

const (
	root    = -1
	outside = -2
	broken  = -3
)

// newForest reads all entry heads of a pack.
func newForest(p *packFile, first Num) *forest {
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
	f.link()
	return f
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
	found := make([][]Problem, workers)
	var wg sync.WaitGroup
	for w := range workers {
		lo, hi := len(f.off)*w/workers, len(f.off)*(w+1)/workers
		wg.Go(func() {
			defer faults()()
			for k := lo; k < hi; k++ {
				if err := f.readHead(int32(k), inverse); err != nil {
					f.base[k] = broken
					found[w] = append(found[w], Problem{f.where(int32(k)), err})
				}
			}
		})
	}
	wg.Wait()
	for _, p := range found {
		f.problems = append(f.problems, p...)
	}
}

// readHead fills base and kind of one node.
func (f *forest) readHead(k int32, inverse func() []int32) (err error) {
	defer guard(&err)
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
		at, ok := uint64(0), e.back > 0 && e.back <= f.off[k]
		if ok {
			at = f.off[k] - e.back
			f.base[k], ok = f.find(at)
		}
		if !ok {
			return fmt.Errorf("delta's base is no entry of the pack: %w", ErrCorrupt)
		}
	case refDelta:
		f.base[k] = outside
		if i, ok := f.pack.idx.find(e.base); ok {
			f.base[k] = inverse()[i]
		}
	default:
		f.base[k], f.kind[k] = root, e.kind
	}
	return nil
}

// find gives the node that starts at offset at.
func (f *forest) find(at uint64) (int32, bool) {
	k, ok := slices.BinarySearch(f.off, at)
	if !ok {
		return broken, false
	}
	return int32(k), true
}

// link makes the lists of children and the weights, with the heaviest child
// last, and names what stands on no root.
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
	f.nameLost(order)
}

// preorder lists all nodes that stand on a root or on an object from outside,
// every base before its deltas.
func (f *forest) preorder() []int32 {
	order := make([]int32, 0, len(f.off))
	for r := range int32(len(f.off)) {
		if f.base[r] != root && f.base[r] != outside {
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

// nameLost adds a problem for every node that order does not hold: those whose
// chain ends in a broken entry, and those whose chain ends nowhere.
func (f *forest) nameLost(order []int32) {
	if len(order) == len(f.off) {
		return
	}
	reached := make([]bool, len(f.off))
	for _, k := range order {
		reached[k] = true
	}
	state := make([]uint8, len(f.off)) // 0 unknown, 1 on the way, 2 loop, 3 ends in a broken entry
	for k := range int32(len(f.off)) {
		if reached[k] || f.base[k] == broken {
			continue
		}
		end := k
		for end >= 0 && state[end] == 0 && f.base[end] != broken {
			state[end] = 1
			end = f.base[end]
		}
		verdict := uint8(2)
		if f.base[end] == broken || state[end] == 3 {
			verdict = 3
		}
		for c := k; c >= 0 && state[c] == 1; c = f.base[c] {
			state[c] = verdict
		}
		err := error(ErrDeltaLoop)
		if state[k] == 3 {
			err = errBase
		}
		f.problems = append(f.problems, Problem{f.where(k), err})
	}
}

// errBase: the object may be whole, but what it is a difference to is not.
var errBase = errors.New("delta's base cannot be read")

// where names a node for a Problem.
func (f *forest) where(k int32) string { return f.pack.idx.id(int(f.pos[k])).String() }

// errorAt adds the place of a node to what went wrong with it.
func (f *forest) errorAt(k int32, err error) Problem {
	return Problem{f.where(k), fmt.Errorf("%s.pack at %d: %w", f.pack.name, f.off[k], err)}
}
