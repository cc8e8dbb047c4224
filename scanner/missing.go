package scanner

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// nameMissing tells which objects that history needs are not there. What only
// unreachable objects refer to may be gone: git prunes such.
func (h *history) nameMissing(run *scan) {
	if len(h.missing) == 0 || h.partMissing(run) {
		return
	}
	if h.repo.partial {
		run.sum.Missing += int64(len(h.missing))
		return
	}
	for _, m := range h.neededMissing() {
		run.skip(m.id.String(), fmt.Errorf("%w, though %s refers to it", pack.ErrMissing, m.by.String()[:12]))
	}
}

type missing struct{ id, by oid.ID }

// neededMissing finds out which missing objects history leads to, and one
// object that refers to each. It reads all trees of reachable commits, so it is
// called only when something is missing.
func (h *history) neededMissing() (list []missing) {
	store, reader := h.repo.store, h.repo.store.Reader()
	seen, told := store.NewWant(), map[oid.ID]bool{}
	check := func(from pack.Num, raw []byte) (pack.Num, bool) {
		n, ok := store.Lookup(raw)
		if id := oid.FromBytes(raw); !ok && h.missing[id] && !told[id] {
			told[id] = true
			list = append(list, missing{id, store.ID(from)})
		}
		return n, ok
	}
	var walk func(n pack.Num, depth int)
	walk = func(n pack.Num, depth int) {
		if seen.Has(n) || depth > maxTreeDepth {
			return
		}
		seen.Add(n)
		kind, data, err := reader.Read(n)
		if err != nil {
			return // the walk has named it
		}
		switch kind {
		case pack.Tag:
			if raw, err := tagTarget(data, store.Format()); err == nil {
				if t, ok := check(n, raw); ok {
					walk(t, depth+1)
				}
			}
		case pack.Commit:
			if c, err := parseCommit(data, store.Format()); err == nil {
				if t, ok := check(n, c.tree); ok {
					walk(t, depth+1)
				}
				for _, p := range c.parents {
					if !h.repo.shallow[store.ID(n)] {
						check(n, p)
					}
				}
			}
		case pack.Tree:
			entries, _ := treeEntries(bytes.Clone(data), store.Format())
			for e := range entries {
				if e.Mode&modeType == modeGitlink {
					continue
				}
				if t, ok := check(n, e.ID); ok && e.isTree() {
					walk(t, depth+1)
				}
			}
		}
	}
	tips := h.tips(reader)
	g := newGraph(store, slices.Clone(h.nodes), tips)
	for i, n := range g.nodes {
		if g.reached[i] {
			walk(n.num, 0)
		}
	}
	for _, t := range tips {
		walk(t, 0)
	}
	slices.SortFunc(list, func(a, b missing) int { return a.id.Compare(b.id) })
	return list
}
