package scanner

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner/internal/gitdir"
	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// Added says which objects a push, or a pull request, brings.
type Added struct {
	// Tips are revisions or the names of objects of any kind; what they lead to
	// is asked for.
	Tips []string
	// Have are those that whoever receives has already, with all they lead to.
	Have []string
	// AsFetched tells that a shallow clone's own history is all that is asked
	// for, as in a push: git sends no more than is there. Without it, commits whose
	// parents were not fetched are counted in Summary.Shallow.
	AsFetched bool
	// Head is the commit that Place.Head is about, "" for the one checked out.
	Head string
	// Rules are those of the Scanner, nil for rules.Default(): some look at names.
	Rules *rules.Set
}

// Added gives the objects that a.Tips lead to and a.Have do not: of each commit,
// of merges too, the message and the files that none of its parents has in that
// form; of annotated tags the message; what tags of trees and blobs hold. No more
// of history is read than that needs, so that Finding.Refs names only what leads
// there within it. A key in a file that a commit moved or copied is known.
//
// Where dates of commits are very wrong, some of what Have lead to can be among it, as
// can what they lead to through objects that are not there; never is less given.
// The error wraps what git would call a bad revision, and is one for a Tip whose
// commits are not all there.
func (r *Repo) Added(ctx context.Context, a Added) (Source, error) {
	if err := r.openStore(); err != nil {
		return nil, err
	}
	ch := r.newChoice()
	ch.onlyNew = true
	w := r.newWalk()
	for _, name := range a.Have {
		if err := w.start(name, true); err != nil {
			return nil, err
		}
	}
	for _, name := range a.Tips {
		if err := w.start(name, false); err != nil {
			return nil, err
		}
	}
	if err := w.run(ctx); err != nil {
		return nil, err
	}
	if a.Head != "" {
		head, err := r.revision(w.reader, a.Head)
		if err != nil {
			return nil, err
		}
		ch.head = head
	}
	ch.graph = newGraph(r.store, w.nodes(), w.tips)
	for i, n := range ch.graph.nodes {
		s := w.seen[n.num]
		if s.have {
			continue
		}
		ch.commits = append(ch.commits, int32(i))
		switch {
		case s.gone.IsZero():
		case !r.shallow[r.store.ID(n.num)]:
			return nil, r.goneParent(n.num, s.gone)
		case !a.AsFetched:
			ch.shallow++
		}
	}
	d := differ{r: r, reader: w.reader, choice: ch, rules: a.Rules}
	for _, i := range ch.commits {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := d.commit(i); err != nil {
			return nil, err
		}
	}
	if err := d.named(w.named); err != nil {
		return nil, err
	}
	return r.history(ch), nil
}

// Ref is a name that the repository has for an object.
type Ref struct {
	Name     string // in full
	Target   string // the name of the object
	Symbolic string // the ref that it stands for, if it does
}

// Refs are those whose names begin with prefix, sorted by them. Those whose
// objects are not there are left out.
func (r *Repo) Refs(prefix string) (list []Ref) {
	if r.openStore() != nil {
		return nil
	}
	for _, ref := range r.refs {
		if strings.HasPrefix(ref.Name, prefix) && r.has(ref.Target) {
			list = append(list, Ref{ref.Name, ref.Target.String(), ref.Symbolic})
		}
	}
	return list
}

// Targets are the names of the objects that Refs of prefix name.
func (r *Repo) Targets(prefix string) (names []string) {
	for _, ref := range r.Refs(prefix) {
		names = append(names, ref.Target)
	}
	return names
}

// Leads tells whether one of the revisions in have leads to the commit tip, or is
// it. Where dates of commits are very wrong it can miss that one does.
func (r *Repo) Leads(ctx context.Context, have []string, tip string) (bool, error) {
	if err := r.openStore(); err != nil {
		return false, err
	}
	w := r.newWalk()
	for _, name := range have {
		if err := w.start(name, true); err != nil {
			return false, err
		}
	}
	if err := w.start(tip, false); err != nil {
		return false, err
	}
	err := w.run(ctx)
	return err == nil && len(w.tips) == 1 && w.seen[w.tips[0]].have, err
}

// Has tells whether the repository has the object of that full name.
func (r *Repo) Has(name string) bool {
	id, ok := oid.Parse(name)
	return ok && r.openStore() == nil && r.has(id)
}

// step is a commit that the walk has seen.
type step struct {
	node
	have bool     // a Have leads to it
	done bool     // its parents were seen
	gone ObjectID // a parent that is not there
}

// walk goes from the newest commits to older ones, until all that is left to see
// is known to be had.
type walk struct {
	repo   *Repo
	reader *pack.Reader
	seen   map[pack.Num]*step
	queue  byDate
	open   int // of the queue: those that no Have is known to lead to
	tips   []pack.Num
	named  []pack.Num        // tags, trees and blobs that Tips name
	theirs map[pack.Num]bool // those that Have name
}

func (r *Repo) newWalk() *walk {
	return &walk{repo: r, reader: r.store.Reader(), seen: map[pack.Num]*step{}, theirs: map[pack.Num]bool{}}
}

// start begins at what somebody named.
func (w *walk) start(name string, have bool) error {
	n, err := w.object(name)
	if err != nil {
		return err
	}
	for range maxPeel {
		if have && w.seen[n] != nil { // most refs of most servers name the same few
			return w.see(n, true)
		}
		kind, data, err := w.reader.Read(n)
		switch {
		case err != nil:
			return fmt.Errorf("revision %q: %w", name, err)
		case kind == pack.Commit:
			if !have {
				w.tips = append(w.tips, n)
			}
			return w.see(n, have)
		case have:
			w.theirs[n] = true
		case !w.theirs[n]:
			w.named = append(w.named, n)
		}
		if kind != pack.Tag {
			return nil
		}
		raw, err := tagTarget(data, w.repo.store.Format())
		if err != nil {
			return fmt.Errorf("tag %s: %w", w.repo.store.ID(n), err)
		}
		next, ok := w.repo.store.Lookup(raw)
		if !ok {
			return fmt.Errorf("tag %s: %s: %w", w.repo.store.ID(n), oid.FromBytes(raw), pack.ErrMissing)
		}
		n = next
	}
	return fmt.Errorf("revision %q: tags of tags of tags: %w", name, pack.ErrCorrupt)
}

// object resolves a name to an object of any kind.
func (w *walk) object(name string) (pack.Num, error) {
	if id, ok := oid.Parse(name); ok {
		if n, ok := w.repo.store.Lookup(id.Bytes()); ok {
			return n, nil
		}
		return pack.None, hinted(fmt.Errorf("revision %q: %w", name, pack.ErrMissing), "fetch it first")
	}
	rev, err := gitdir.ParseRev(name)
	if err == nil && rev.Suffix == "" {
		if id, err := w.repo.dirs.ResolveRevision(rev.Base); err == nil {
			return w.object(id.String())
		}
	}
	return w.repo.revision(w.reader, name)
}

// see takes up a commit, or learns that it is had, and with it all before it.
func (w *walk) see(n pack.Num, have bool) error {
	s := w.seen[n]
	if s == nil {
		v, gone, err := w.repo.node(w.reader, n)
		if err != nil {
			return err
		}
		s = &step{node: v, have: have, gone: gone}
		w.seen[n] = s
		heap.Push(&w.queue, s)
		if !have {
			w.open++
		}
		return nil
	}
	// What was taken for new is not, and what it led to neither.
	for later := []*step{s}; have && len(later) > 0; {
		s := later[len(later)-1]
		later = later[:len(later)-1]
		if s.have {
			continue
		}
		s.have = true
		if !s.done {
			w.open--
			continue
		}
		for _, p := range s.parents {
			if parent := w.seen[p]; parent != nil {
				later = append(later, parent)
			}
		}
	}
	return nil
}

// extraSteps is how many commits more are looked at when by the dates no more
// could lead to what was taken for new: where clocks were wrong, some do. It takes
// a few milliseconds.
const extraSteps = 256

// run walks. It ends when nothing new is left to see, and nothing had that is
// younger than the oldest commit taken for new: that could still lead there.
func (w *walk) run(ctx context.Context) error {
	oldest, extra := int64(0), 0
	for any := false; len(w.queue) > 0 && extra < extraSteps; {
		if w.open == 0 && (!any || w.queue[0].when < oldest) {
			extra++
		} else {
			extra = 0
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s := heap.Pop(&w.queue).(*step)
		s.done = true
		if !s.have {
			w.open--
			if !any || s.when < oldest {
				any, oldest = true, s.when
			}
		}
		for _, p := range s.parents {
			// What is had need not be whole.
			if err := w.see(p, s.have); err != nil && !s.have {
				return err
			}
		}
	}
	return nil
}

func (w *walk) nodes() []node {
	list := make([]node, 0, len(w.seen))
	for _, s := range w.seen {
		list = append(list, s.node)
	}
	return list
}

// named adds tags, trees and blobs that no commit leads to.
func (d *differ) named(list []pack.Num) error {
	for _, n := range list {
		if d.choice.want.Has(n) {
			continue
		}
		d.choice.want.Add(n)
		kind, _, err := d.reader.Read(n)
		if err != nil {
			return err
		}
		switch kind {
		case pack.Blob:
			d.choice.added = append(d.choice.added, addition{n, "", -1})
		case pack.Tree:
			if err := d.tree(n, nil, "", -1, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// byDate is a heap, newest first.
type byDate []*step

func (q byDate) Len() int           { return len(q) }
func (q byDate) Less(i, j int) bool { return q[i].when > q[j].when }
func (q byDate) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *byDate) Push(x any)        { *q = append(*q, x.(*step)) }
func (q *byDate) Pop() any {
	last := len(*q) - 1
	s := (*q)[last]
	*q = slices.Delete(*q, last, last+1)
	return s
}
