package scanner

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// randomEntry is a line of a tree, now and then one longer than a step.
func randomEntry(r *rand.Rand) []byte {
	n := 1 + r.IntN(40)
	if r.IntN(60) == 0 {
		n = r.IntN(2 * stepBytes)
	}
	e := append([]byte([]string{"100644 ", "40000 ", "120000 "}[r.IntN(3)]), strings.Repeat("n", n+1)...)
	e = append(e, 0)
	for range oid.SHA1.Size() {
		e = append(e, byte(r.IntN(256)>>(r.IntN(2)*8))) // zeros too, which end names elsewhere
	}
	return e
}

// piece is what a tree is made from: a run of its base, or something new.
type piece struct {
	from, to int
	fresh    []byte
}

// editTree makes a tree from another, and what a delta between them would call
// fresh. Now and then the result is no tree.
func editTree(r *rand.Rand, base []byte) (data []byte, fresh []pack.Span) {
	var pieces []piece
	at := 0
	for range r.IntN(4) {
		cut := at + r.IntN(len(base)-at+1)
		pieces = append(pieces, piece{from: at, to: cut})
		at = cut
		switch r.IntN(5) {
		case 0: // an entry more, somewhere
			pieces = append(pieces, piece{fresh: randomEntry(r)})
		case 1: // an entry less, or a part of one
			at = min(len(base), at+r.IntN(60))
		case 2: // another name for something
			n := min(oid.SHA1.Size(), len(base)-at)
			pieces = append(pieces, piece{fresh: randomEntry(r)[:n]})
			at += n
		case 3: // a piece of elsewhere
			from := r.IntN(len(base) + 1)
			pieces = append(pieces, piece{from: from, to: from + r.IntN(len(base)-from+1)})
		}
	}
	pieces = append(pieces, piece{from: at, to: len(base)})
	next := 0 // where the base goes on
	for _, p := range pieces {
		switch {
		case p.fresh != nil:
			fresh = append(fresh, pack.Span{Start: len(data), End: len(data) + len(p.fresh)})
			data = append(data, p.fresh...)
			next = -1
		case p.from < p.to:
			if p.from != next && next >= 0 {
				fresh = append(fresh, pack.Span{Start: len(data), End: len(data)})
			}
			data = append(data, base[p.from:p.to]...)
			next = p.to
		}
	}
	if next != len(base) && next >= 0 {
		fresh = append(fresh, pack.Span{Start: len(data), End: len(data)})
	}
	return data, fresh
}

func TestTreesAreWalkedFromStepToStep(t *testing.T) {
	repo := openRepo(t, gittest.New(t).Dir)
	good, bad, skipped := 0, 0, 0
	for seed := range uint64(180) {
		r := rulestest.Rand(seed)
		quick, slow := gathered{missing: map[oid.ID]bool{}}, gathered{missing: map[oid.ID]bool{}}
		var trees [][]byte
		var root []byte
		for range r.IntN(400) {
			root = append(root, randomEntry(r)...)
		}
		trees = append(trees, root)
		for i := range 30 {
			o := pack.Object{Num: pack.Num(i), Kind: pack.Tree, Base: pack.None, Data: root}
			if i > 0 {
				b := r.IntN(i)
				o.Base = pack.Num(b)
				o.Data, o.Fresh = editTree(r, trees[b])
				trees = append(trees, o.Data)
			}
			h := repo.history(nil)
			fast := treeWalk{data: o.Data, format: oid.SHA1, steps: quick.steps.begin()}
			gotOK := h.changedEntries(&quick, &fast, o)
			plain := treeWalk{data: o.Data, format: oid.SHA1}
			slow.steps = treeSteps{}
			wantOK := h.changedEntries(&slow, &plain, o)
			what := fmt.Sprintf("seed %d, tree %d", seed, i)
			if gotOK != wantOK {
				t.Fatalf("%s: well-formed is %t, want %t", what, gotOK, wantOK)
			}
			if fmt.Sprint(quick.missing) != fmt.Sprint(slow.missing) {
				t.Fatalf("%s: looked at %d entries, want %d", what, len(quick.missing), len(slow.missing))
			}
			if !gotOK {
				bad++
				trees[i] = nil // what stands on it is read without steps
				continue
			}
			good++
			quick.steps.end(o.Num, &fast)
			checkSteps(t, what, o.Data, quick.steps.of[o.Num])
			skipped += len(quick.steps.of[o.Num])
		}
	}
	if good < 3000 || bad < 1000 || skipped < 3000 {
		t.Errorf("%d trees, %d that are none, %d steps: too few to tell", good, bad, skipped)
	}
}

// checkSteps sees that entries begin at all steps, and that none is far from
// the next.
func checkSteps(t *testing.T, what string, data []byte, steps []int32) {
	t.Helper()
	if steps == nil {
		if len(data) >= 2*stepBytes {
			t.Fatalf("%s: no steps in %d bytes", what, len(data))
		}
		return
	}
	begins := map[int32]bool{int32(len(data)): true}
	longest := 0
	for at := 0; at < len(data); {
		begins[int32(at)] = true
		_, n := parseTreeEntry(data[at:], oid.SHA1)
		longest = max(longest, n)
		at += n
	}
	last := int32(0)
	for _, s := range steps {
		if !begins[s] {
			t.Fatalf("%s: no entry begins at step %d of %d bytes", what, s, len(data))
		}
		if int(s-last) > 2*stepBytes+longest {
			t.Fatalf("%s: %d bytes without a step: %v", what, s-last, steps)
		}
		last = s
	}
	if !slices.IsSorted(steps) || int(last) != len(data) {
		t.Fatalf("%s: steps %v of %d bytes", what, steps, len(data))
	}
}
