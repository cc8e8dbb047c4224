package scanner

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
	"github.com/keyquench/keyquench/scanner/internal/unpack"
)

// replay tells again what an earlier scan of the very same state found. All it
// reads are the objects that hit and the commits they came with: a cache has no
// secrets. Where that does not come out as it did, nothing is told.
func (h *history) replay(ctx context.Context, run *scan) (told bool) {
	if !h.cached || !h.repo.store.Lazy() {
		return false
	}
	e := h.repo.earlier
	res := &e.result
	hits, ok := res.hitAgain(ctx, run, h.repo.store)
	if !ok || !res.tell(run, hits, h.repo) {
		e.forget(e.file.Discard("what it names is not what is there"))
		return false
	}
	e.file.Close()
	t := &res.Totals
	run.meter.Objects.Add(t.Objects.Total())
	run.meter.Blobs.Add(t.Blobs)
	run.meter.Hits.Add(int64(len(hits)))
	run.sum.Objects.add(t.Objects)
	run.sum.Commits += t.Objects.Commits
	run.sum.Shallow += t.Shallow
	run.sum.Blobs += t.Blobs
	run.sum.Bytes += t.Bytes
	run.seal(t.Unopened, res.Seals)
	run.sum.Cache.Objects += t.Objects.Total()
	return true
}

// hitAgain runs the rules over the objects that hit, and compares.
func (res *result) hitAgain(ctx context.Context, run *scan, store *pack.Store) (hits []hit, ok bool) {
	w, reader := worker{set: run.set, allow: run.allow, budget: new(unpack.Budget)}, store.Reader()
	for _, o := range res.Objects {
		num, found := store.Lookup(o.Name)
		if !found {
			return nil, false
		}
		kind, data, err := reader.Read(num)
		if err != nil || o.Kind != blobKind(kind) {
			return nil, false
		}
		if kind == pack.Tree {
			data = oddNames(run.set, data, store.Format())
		}
		b := Blob{Kind: o.Kind, ID: store.ID(num), Data: data, num: num}
		w.look(&b)
		w.open(ctx, &b)
	}
	slices.SortFunc(w.hits, compareHits)
	if len(w.skips) > 0 || len(w.hits) != len(res.Hits) {
		return nil, false
	}
	for i, p := range res.Hits {
		t := &w.hits[i]
		if p.Object < 0 || p.Object >= len(res.Objects) || !bytes.Equal(res.Objects[p.Object].Name, t.blob.ID.Bytes()) ||
			p.Start != t.match.Start || p.Rule != t.match.Rule.ID || p.Print != keyPrint(t.key) {
			return nil, false
		}
	}
	return w.hits, true
}

// blobKind is what of an object of that kind is a Blob.
func blobKind(k pack.Kind) Kind {
	switch k {
	case pack.Commit:
		return CommitText
	case pack.Tag:
		return TagText
	case pack.Tree:
		return FileName
	default:
		return Content
	}
}

// tell gives the hits their places.
func (res *result) tell(run *scan, hits []hit, repo *Repo) bool {
	commits := commitTexts{store: repo.store, reader: repo.store.Reader()}
	for _, s := range res.Sights {
		if s.Hit < 0 || s.Hit >= len(hits) {
			return false
		}
		if s.Commit != nil && commits.get(s.Commit) == nil {
			return false
		}
	}
	keys := map[string]string{}
	for i := range hits {
		keys[keyPrint(hits[i].key)] = hits[i].key
	}
	for _, r := range res.Refs {
		if _, ok := keys[r.Print]; !ok {
			return false
		}
	}
	texts := make([][]byte, len(res.Apart))
	for i := range res.Apart {
		a := &res.Apart[i]
		var known bool
		if a.key, known = keys[a.Key]; !known || a.Commit != nil && commits.get(a.Commit) == nil {
			return false
		}
		_, data, err := commits.reader.Lookup(a.Object)
		if err != nil || !a.find(run.set, data) {
			return false
		}
		texts[i] = bytes.Clone(data)
	}
	// From here on nothing can fail.
	run.note(hits)
	for _, s := range res.Sights {
		t := hits[s.Hit]
		place := Place{
			Kind: t.blob.Kind, Object: t.blob.ID, Repository: repo.within, Path: s.Path, Commit: commits.get(s.Commit),
			Staged: s.Staged, Unreachable: s.Unreachable,
		}
		run.groups.add(t, place, s.Order, t.inHead(s.Head))
	}
	for _, r := range res.Refs {
		run.groups.setRefs(keys[r.Print], r.Names, r.Count)
	}
	for i := range res.Apart {
		a := &res.Apart[i]
		a.adopt(run, repo, texts[i], commits.get(a.Commit))
	}
	return true
}

// commitTexts describes commits, each once.
type commitTexts struct {
	store  *pack.Store
	reader *pack.Reader
	seen   map[oid.ID]*Commit
}

// get is nil for what is no commit of the store, and for no name.
func (c *commitTexts) get(name []byte) *Commit {
	if name == nil {
		return nil
	}
	id := oid.FromBytes(name)
	if old, ok := c.seen[id]; ok {
		return old
	}
	if c.seen == nil {
		c.seen = map[oid.ID]*Commit{}
	}
	kind, data, err := c.reader.Lookup(name)
	if err != nil || kind != pack.Commit {
		return nil
	}
	c.seen[id] = describe(id, data)
	return c.seen[id]
}

// recall reads what an earlier scan learned of objects that are still there, and
// gives those that it did not read, or that it found something in; nil is all.
// When the store has lost an object since, or history is cut somewhere else, all
// is read again: what is left may refer to what is gone. So it is when a file was
// written to and is not what it claims to be.
func (h *history) recall(ctx context.Context) pack.Want {
	e := h.repo.earlier
	if !h.cached || e.file == nil {
		return nil
	}
	var k known
	if err := e.file.Read(1, &k); err != nil {
		e.forget(err)
		return nil
	}
	store := h.repo.store
	if !bytes.Equal(k.Shallow, h.repo.shallowNames()) {
		return nil
	}
	m, ok := newMerge(store, k.Names)
	if !ok || ctx.Err() != nil || !store.Intact(k.Marks, m.want) {
		return nil
	}
	past := recalled{totals: e.result.Totals}
	nodes, sense := m.commits(&k)
	if sense {
		past.hot, sense = m.all(k.Suspects)
	}
	if !sense || !past.withoutHits(&e.result, store, m) {
		e.forget(e.file.Discard("it contradicts itself"))
		return nil
	}
	e.file.Close()
	h.past, h.objects = past, past.Objects
	for _, n := range nodes {
		if !m.want.Has(n.num) { // else it is read again
			h.nodes = append(h.nodes, n)
		}
	}
	return m.want
}

// recalled is what is known of objects that are not read again.
type recalled struct {
	totals
	seals []seal
	hot   []pack.Num // trees that lead, or may lead, to hits
}

// merge matches remembered names with a store.
type merge struct {
	nums []pack.Num // of the remembered
	want pack.Want  // the others
}

// newMerge is not ok when the store does not have all of them.
func newMerge(store *pack.Store, raw []byte) (m *merge, ok bool) {
	size := store.Format().Size()
	m = &merge{nums: make([]pack.Num, 0, len(raw)/size), want: store.NewWant()}
	for num, name := range store.Sorted() {
		if len(raw) >= size && bytes.Equal(raw[:size], name) {
			m.nums = append(m.nums, num)
			raw = raw[size:]
			continue
		}
		m.want.Add(num)
	}
	return m, len(raw) == 0
}

// withoutHits takes what hit from what was counted, as it is read again, and
// reports whether it can be.
func (past *recalled) withoutHits(res *result, store *pack.Store, m *merge) bool {
	again := map[string]bool{}
	for _, o := range res.Objects {
		num, found := store.Lookup(o.Name)
		if !found || m.want.Has(num) {
			return false
		}
		m.want.Add(num)
		id := oid.FromBytes(o.Name)
		again[id.String()] = true
		if o.Kind.counted() {
			past.Blobs--
			past.Bytes -= int64(o.Size)
		}
		switch o.Kind {
		case CommitText:
			past.Objects.Commits--
		case TagText:
			past.Objects.Tags--
		case FileName:
			past.Objects.Trees--
		default:
			past.Objects.Blobs--
		}
	}
	for _, s := range res.Seals {
		if object, _, _ := strings.Cut(s.What, "!"); again[object] {
			past.Unopened--
		} else {
			past.seals = append(past.seals, s)
		}
	}
	return true
}

// num gives the object that has place i among the remembered ones.
func (m *merge) num(i int32) (n pack.Num, ok bool) {
	if i < 0 || int(i) >= len(m.nums) {
		return pack.None, false
	}
	return m.nums[i], true
}

func (m *merge) all(places []int32) (list []pack.Num, ok bool) {
	list = make([]pack.Num, len(places))
	for i, p := range places {
		if list[i], ok = m.num(p); !ok {
			return nil, false
		}
	}
	return list, true
}

// commits are the remembered commits; ok is false when they make no sense.
func (m *merge) commits(k *known) (nodes []node, ok bool) {
	if len(k.Trees) != len(k.Commits) || len(k.When) != len(k.Commits) || len(k.Degrees) != len(k.Commits) {
		return nil, false
	}
	parents, ok := m.all(k.Parents)
	if !ok {
		return nil, false
	}
	for i, c := range k.Commits {
		n := node{tree: pack.None, when: k.When[i]}
		degree := int(k.Degrees[i])
		if n.num, ok = m.num(c); !ok || degree > len(parents) {
			return nil, false
		}
		if k.Trees[i] != noTree {
			if n.tree, ok = m.num(k.Trees[i]); !ok {
				return nil, false
			}
		}
		n.parents, parents = parents[:degree:degree], parents[degree:]
		nodes = append(nodes, n)
	}
	return nodes, len(parents) == 0
}
