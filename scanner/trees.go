package scanner

import (
	"fmt"

	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// lookTree makes sure that what a tree names is there, and yields names that may
// hold a key. Entries that stand in the tree it was rebuilt from were looked at
// there.
func (h *history) lookTree(g *gathered, o pack.Object, yield func(Blob, error) bool) error {
	g.names.list, g.names.set = g.names.list[:0], h.set
	w := treeWalk{data: o.Data, format: h.repo.store.Format(), steps: g.steps.begin()}
	if !h.changedEntries(g, &w, o) {
		return h.problem(o.Num, fmt.Errorf("tree with something that is no entry: %w", pack.ErrCorrupt))
	}
	g.steps.end(o.Num, &w)
	if len(g.names.list) == 0 {
		return nil
	}
	g.names.mark(o.Num)
	if !yield(Blob{Kind: FileName, ID: h.repo.store.ID(o.Num), Data: g.names.list, num: o.Num}, nil) {
		return errStop
	}
	return nil
}

// changedEntries looks at the entries that changed, and goes over all others. It
// reports whether the tree is well-formed.
func (h *history) changedEntries(g *gathered, w *treeWalk, o pack.Object) bool {
	changed := o.Fresh
	var base []int32
	if o.Base == pack.None || g.names.of[o.Base] {
		// What was odd about the base may still stand here.
		changed = []pack.Span{{Start: 0, End: len(o.Data)}}
	}
	if o.Base != pack.None {
		base = g.steps.of[o.Base]
		if h.chosen == nil {
			g.edges.add(o.Num, o.Base)
		}
	}
	if len(changed) > 0 {
		w.jump(base, changed[0].Start)
	}
	for _, span := range changed {
		// Entries before the span are as they were; one that ends where it
		// begins too.
		if !w.skip(span.Start) {
			return false
		}
		for w.at < len(w.data) && (w.at < span.End || w.at < span.Start) {
			e, ok := w.entry()
			if !ok {
				return false
			}
			g.names.add(e.Name)
			if e.Mode&modeType == modeGitlink {
				continue
			}
			if to, found := h.refer(g, e.ID); found && h.chosen == nil {
				g.edges.add(o.Num, to)
			}
		}
	}
	return w.rejoin(base)
}

// Most trees of a history differ from the one they were rebuilt from in an entry
// or two, and large ones have thousands. Where an entry begins can only be told
// from an entry before it; so of each tree some places are kept where one does,
// its steps, and one that is rebuilt from it starts at the last step before what
// changed and stops at the first behind it.
type treeWalk struct {
	data   []byte
	format oid.Format
	at     int     // where an entry begins, or the end
	steps  []int32 // rising; the last one of a tree is its length
	last   int     // of steps
}

// stepBytes is how far apart steps are.
const stepBytes = 2 << 10

func (w *treeWalk) step() {
	if w.at-w.last >= stepBytes {
		w.steps, w.last = append(w.steps, int32(w.at)), w.at
	}
}

// entry reads the entry at w.at and goes behind it.
func (w *treeWalk) entry() (treeEntry, bool) {
	e, n := parseTreeEntry(w.data[w.at:], w.format)
	w.at += n
	w.step()
	return e, n > 0
}

// skip goes over entries and stops before the first that ends behind until.
func (w *treeWalk) skip(until int) bool {
	until = min(until, len(w.data))
	for w.at < until {
		next, ok := skipEntries(w.data, w.at, min(until, w.at+stepBytes), w.format)
		if !ok {
			return false
		}
		if next == w.at { // the entry is longer than a step, or ends behind until
			_, n := parseTreeEntry(w.data[w.at:], w.format)
			if n == 0 || w.at+n > until {
				return n > 0
			}
			next += n
		}
		w.at = next
		w.step()
	}
	return true
}

// jump goes to the last step of the base that is not behind until: up to there,
// this tree is the same.
func (w *treeWalk) jump(base []int32, until int) {
	for _, s := range base {
		if int(s) > until || int(s) > len(w.data) {
			break
		}
		w.steps, w.at, w.last = append(w.steps, s), int(s), int(s)
	}
}

// rejoin goes to the end, which is that of the base. Where both have an entry
// begin at the same distance from it, all that follows is the same.
func (w *treeWalk) rejoin(base []int32) bool {
	if len(base) > 0 {
		shift := int(base[len(base)-1]) - len(w.data)
		for i, s := range base {
			at := int(s) - shift
			if at < w.at {
				continue
			}
			if !w.skip(at) {
				return false
			}
			if w.at == at {
				for _, s := range base[i:] {
					w.at = int(s) - shift
					w.step()
				}
				return true
			}
		}
	}
	return w.skip(len(w.data)) && w.at == len(w.data)
}

// treeSteps keeps the steps of the trees of a unit.
type treeSteps struct {
	of    map[pack.Num][]int32
	arena []int32
}

// begin gives room for the steps of a tree.
func (t *treeSteps) begin() []int32 {
	const chunk = 16 << 10
	if cap(t.arena)-len(t.arena) < chunk/4 {
		t.arena = make([]int32, 0, chunk)
	}
	return t.arena[len(t.arena):]
}

// end keeps the steps of a tree that was walked to its end. Small ones are not
// worth it.
func (t *treeSteps) end(n pack.Num, w *treeWalk) {
	if len(w.data) < 2*stepBytes {
		return
	}
	steps := append(w.steps, int32(len(w.data)))
	if t.of == nil {
		t.of = map[pack.Num][]int32{}
	}
	t.of[n] = steps[:len(steps):len(steps)]
	if used := len(t.arena) + len(steps); used <= cap(t.arena) {
		t.arena = t.arena[:used]
	}
}
