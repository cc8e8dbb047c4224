package scanner

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// history is the Source of a repository's objects: each once, whoever refers to
// it and whether anybody does. While it goes over them it collects what placing
// needs, the graph of commits, and makes sure that what they refer to is there.
type history struct {
	repo *Repo
	// chosen limits it to what the chosen commits added; nil is everything.
	chosen *choice
	meter  *Meter
	set    *rules.Set // of the scan, for names; nil is none
	large  cutter     // cuts objects that come as a stream
	// cached: earlier scans may spare this one work.
	cached bool

	mu      sync.Mutex
	nodes   []node
	edges   []codedEdges
	spare   []edges
	missing map[oid.ID]bool // what objects refer to and the store does not have
	objects Objects

	past recalled
}

// History gives every object of the repository, each once: of all refs, and
// those that nothing leads to any more.
func (r *Repo) History() Source { return r.history(nil) }

func (r *Repo) history(c *choice) *history {
	h := &history{repo: r, chosen: c, meter: new(Meter), large: largeFiles, missing: map[oid.ID]bool{}}
	if c != nil {
		maps.Copy(h.missing, c.missing)
	}
	return h
}

// headCommit is the commit that counts as checked out, or None.
func (h *history) headCommit(reader *pack.Reader) pack.Num {
	if h.chosen != nil && h.chosen.head != pack.None {
		return h.chosen.head
	}
	return h.repo.headCommit(reader)
}

func (h *history) of() *Repo { return h.repo }

// Parts shares the store out.
func (h *history) Parts(ctx context.Context) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		if err := h.repo.openStore(); err != nil {
			yield(nil, err)
			return
		}
		var want pack.Want
		if h.chosen != nil {
			want = h.chosen.want
		} else {
			want = h.recall(ctx)
		}
		if h.chosen != nil && want.Len() <= fewObjects {
			if h.problems(nil, yield) {
				yield(h.singly(want), nil)
			}
			return
		}
		plan := h.repo.store.Plan(want)
		if !h.problems(plan.Problems, yield) {
			return
		}
		for _, u := range plan.Units {
			if ctx.Err() != nil || !yield(h.part(plan, u), nil) {
				return
			}
		}
	}
}

// problems yields those of the store, and more.
func (h *history) problems(more []pack.Problem, yield func(Part, error) bool) bool {
	var list []error
	for _, p := range append(h.repo.store.Problems(), more...) {
		list = append(list, h.repo.alone.advise(p))
	}
	return len(list) == 0 || yield(errorsPart(list), nil)
}

// fewObjects is up to how many objects are read one by one: to plan a walk over a
// store of half a million takes as long as reading some thousand out of order.
const fewObjects = 2000

// singly reads objects one by one.
func (h *history) singly(want pack.Want) Part {
	return func(ctx context.Context) iter.Seq2[Blob, error] {
		return func(yield func(Blob, error) bool) {
			g := gathered{missing: map[oid.ID]bool{}, edges: h.edgeRoom()}
			defer h.add(&g)
			reader := h.repo.store.Reader()
			for n := range want.All() {
				if ctx.Err() != nil {
					return
				}
				kind, data, err := reader.Read(n)
				if err == nil {
					err = h.look(ctx, &g, pack.Object{Num: n, Kind: kind, Data: data, Base: pack.None}, yield)
				}
				if errors.Is(err, errStop) || err != nil && !yield(Blob{}, err) {
					return
				}
			}
		}
	}
}

// gathered is what one worker learned from one unit.
type gathered struct {
	nodes   []node
	edges   edges
	missing map[oid.ID]bool
	objects Objects
	steps   treeSteps
	names   treeNames
	window  []byte // memory for objects that come as a stream
}

func (h *history) part(plan *pack.Plan, u pack.Unit) Part {
	return func(ctx context.Context) iter.Seq2[Blob, error] {
		return func(yield func(Blob, error) bool) {
			g := gathered{missing: map[oid.ID]bool{}, edges: h.edgeRoom()}
			defer h.add(&g)
			for o, err := range plan.Walk(ctx, u) {
				if err == nil {
					err = h.look(ctx, &g, o, yield)
				}
				if errors.Is(err, errStop) || err != nil && !yield(Blob{}, err) {
					return
				}
			}
		}
	}
}

// errStop: the loop over a Part was left.
var errStop = errors.New("stop")

// look counts an object, keeps what placing needs of it, and yields its bytes.
func (h *history) look(ctx context.Context, g *gathered, o pack.Object, yield func(Blob, error) bool) (err error) {
	if o.Again {
		if !yield(Blob{Kind: Content, ID: h.repo.store.ID(o.Num), Data: o.Data, num: o.Num, again: true}, nil) {
			return errStop
		}
		return nil
	}
	kind := Content
	switch o.Kind {
	case pack.Tree:
		g.objects.Trees++
		return h.lookTree(g, o, yield)
	case pack.Commit:
		g.objects.Commits++
		kind, err = CommitText, h.lookCommit(g, o)
	case pack.Tag:
		g.objects.Tags++
		kind, err = TagText, h.lookTag(g, o)
	default:
		g.objects.Blobs++
	}
	b := Blob{Kind: kind, ID: h.repo.store.ID(o.Num), Data: o.Data, num: o.Num, rebuilt: o.Base != pack.None, base: o.Base, fresh: o.Fresh}
	ok := true
	if o.Stream == nil {
		ok = yield(b, nil)
	} else if buf := h.large.room(g.window, o.Stream.Size); true {
		g.window, ok = h.large.windows(ctx, b, o.Stream, buf, yield)
	}
	if !ok {
		return errStop
	}
	return err
}

// problem is err with the name of an object.
func (h *history) problem(n pack.Num, err error) error {
	id := h.repo.store.ID(n)
	return pack.Problem{Where: id.String(), Err: err}
}

// refer looks up an object that another refers to, and notes when it is
// missing.
func (h *history) refer(g *gathered, raw []byte) (pack.Num, bool) {
	n, ok := h.repo.store.Lookup(raw)
	if !ok {
		g.missing[oid.FromBytes(raw)] = true
	}
	return n, ok
}

func (h *history) lookCommit(g *gathered, o pack.Object) error {
	c, err := parseCommit(o.Data, h.repo.store.Format())
	if err != nil {
		return h.problem(o.Num, err)
	}
	if h.chosen != nil {
		return nil // the graph was read before
	}
	n := node{num: o.Num, tree: pack.None, when: c.when}
	if t, ok := h.refer(g, c.tree); ok {
		n.tree = t
	}
	if h.repo.shallow[h.repo.store.ID(o.Num)] {
		g.nodes = append(g.nodes, n)
		return nil
	}
	for _, p := range c.parents {
		if m, ok := h.refer(g, p); ok {
			n.parents = append(n.parents, m)
		}
	}
	g.nodes = append(g.nodes, n)
	return nil
}

func (h *history) lookTag(g *gathered, o pack.Object) error {
	raw, err := tagTarget(o.Data, h.repo.store.Format())
	if err != nil {
		return h.problem(o.Num, err)
	}
	h.refer(g, raw)
	return nil
}

// edgeRoom gives memory for edges that an earlier unit is done with.
func (h *history) edgeRoom() (e edges) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.spare); n > 0 {
		e, h.spare = h.spare[n-1], h.spare[:n-1]
	}
	return e
}

// add joins what one worker learned with the rest.
func (h *history) add(g *gathered) {
	h.meter.Objects.Add(g.objects.Total())
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodes = append(h.nodes, g.nodes...)
	defer func() { h.spare = append(h.spare, g.edges) }()
	if list := g.edges.take(); len(list) > 0 {
		h.edges = append(h.edges, list)
	}
	maps.Copy(h.missing, g.missing)
	h.objects.add(g.objects)
}

// suspects gives a superset of the trees that lead to the given blobs and trees,
// and those trees, without reading any: it follows edges backwards. What is too many are trees rebuilt
// from one that leads there, and that replace just that entry; chains of deltas
// are short, and so are these.
func (h *history) suspects(blobs, dirs []pack.Num) pack.Want {
	// Sort the edges by where they end, by counting.
	start := make([]int32, h.repo.store.Len()+1)
	for _, list := range h.edges {
		list.each(func(_, to pack.Num) { start[to]++ })
	}
	total := int32(0)
	for i, n := range start {
		start[i] = total
		total += n
	}
	from := make([]pack.Num, total)
	next := slices.Clone(start)
	for _, list := range h.edges {
		list.each(func(tree, to pack.Num) {
			from[next[to]] = tree
			next[to]++
		})
	}
	marked := h.repo.store.NewWant()
	for _, t := range slices.Concat(dirs, h.past.hot) {
		marked.Add(t)
	}
	queue := slices.Concat(blobs, dirs, h.past.hot)
	for len(queue) > 0 {
		n := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, t := range from[start[n]:next[n]] {
			if !marked.Has(t) {
				marked.Add(t)
				queue = append(queue, t)
			}
		}
	}
	return marked
}
