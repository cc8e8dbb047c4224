package gitdir

import (
	"cmp"
	"slices"
	"strings"
)

// entry is a reference as one place of the storage has it; the place of the
// highest rank wins.
type entry struct {
	Ref
	rank    int32
	deleted bool
}

func compareEntries(a, b *entry) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return cmp.Compare(b.rank, a.rank)
}

// settle keeps the winner of every name and marks it with its work tree.
// Entries of one rank that disagree are told to clash.
//
// Each place is in order already, or nearly: with a million packed references
// a sort of everything took most of the time that reading them took. So runs
// are sorted only where they are not, and merged.
func settle(entries []entry, worktree string, clash func(Ref)) []Ref {
	runs := splitRuns(entries)
	for len(runs) > 2 {
		half := runs[:0]
		for i := 0; i < len(runs); i += 2 {
			if i+1 == len(runs) {
				half = append(half, runs[i])
				break
			}
			merged := make([]entry, 0, len(runs[i])+len(runs[i+1]))
			merge(runs[i], runs[i+1], func(e *entry) { merged = append(merged, *e) })
			half = append(half, merged)
		}
		runs = half
	}
	runs = append(runs, nil, nil)
	refs := make([]Ref, 0, max(len(runs[0]), len(runs[1])))
	var first *entry
	merge(runs[0], runs[1], func(e *entry) {
		if first != nil && first.Name == e.Name {
			if e.rank == first.rank && (e.Target != first.Target || e.Symbolic != first.Symbolic) {
				clash(e.Ref)
			}
			return
		}
		first = e
		if !e.deleted {
			refs = append(refs, e.Ref)
			refs[len(refs)-1].Worktree = worktree
		}
	})
	return refs
}

// splitRuns gives the entries of each rank, in order.
func splitRuns(entries []entry) [][]entry {
	var runs [][]entry
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].rank == entries[0].rank {
			n++
		}
		run := entries[:n]
		if !inOrder(run, compareEntries) {
			slices.SortStableFunc(run, func(a, b entry) int { return compareEntries(&a, &b) })
		}
		runs, entries = append(runs, run), entries[n:]
	}
	return runs
}

// inOrder is slices.IsSortedFunc without copying both elements, of over a
// hundred bytes each, for every comparison.
func inOrder[T any](list []T, compare func(a, b *T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(&list[i-1], &list[i]) > 0 {
			return false
		}
	}
	return true
}

func merge(a, b []entry, give func(*entry)) {
	for len(a) > 0 && len(b) > 0 {
		if compareEntries(&a[0], &b[0]) <= 0 {
			give(&a[0])
			a = a[1:]
		} else {
			give(&b[0])
			b = b[1:]
		}
	}
	for i := range a {
		give(&a[i])
	}
	for i := range b {
		give(&b[i])
	}
}
