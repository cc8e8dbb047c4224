package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// Choice limits a scan of history to what some commits added. Its fields
// narrow each other; the zero value chooses every commit that a ref leads to.
type Choice struct {
	// Range is "A..B": what B leads to and A does not; "A...B": what only one
	// of them leads to. An empty side is HEAD.
	Range string
	// Branches are revisions; only what they lead to is chosen.
	Branches []string
	// Since leaves out commits that were committed earlier.
	Since time.Time
	// Rules are those of the Scanner, nil for rules.Default(): some look at names.
	Rules *rules.Set
}

// choice is a Choice worked out.
type choice struct {
	graph   *graph
	commits []int32 // positions, oldest first
	want    pack.Want
	added   []addition
	names   []nameAddition
	shallow int
	missing map[oid.ID]bool // what a partial clone has not fetched of it
	head    pack.Num        // the commit that counts as checked out; None is HEAD
	onlyNew bool            // files that were moved or copied hold no news
	known   map[string]bool // keys that were there before
}

// addition is a blob that a commit has at a path where none of its parents has
// it.
type addition struct {
	blob   pack.Num
	path   string
	commit int32
}

// nameAddition is an odd name that a commit added to the directory dir, which is
// tree there.
type nameAddition struct {
	tree      pack.Num
	dir, name string
	commit    int32
}

// Chosen gives the objects that the chosen commits added: for each commit, of
// merges too, the files that none of its parents has in that form, and its
// message. An error wraps what git would call a bad revision.
func (r *Repo) Chosen(ctx context.Context, c Choice) (Source, error) {
	ch := r.newChoice()
	reader := r.store.Reader()
	include, exclude, symmetric, err := r.ends(reader, c)
	if err != nil {
		return nil, err
	}
	tips := append(append(r.tips(reader), include...), exclude...)
	nodes, err := r.readCommits(ctx, reader, tips)
	if err != nil {
		return nil, err
	}
	ch.graph = newGraph(r.store, nodes, tips)
	chosen := ch.graph.mark(include)
	minus := ch.graph.mark(exclude)
	for i, n := range ch.graph.nodes {
		in := chosen[i] && !minus[i] || symmetric && minus[i] && !chosen[i]
		if !in || !c.Since.IsZero() && n.when < c.Since.Unix() {
			continue
		}
		ch.commits = append(ch.commits, int32(i))
		if r.shallow[r.store.ID(n.num)] {
			ch.shallow++
		}
	}
	d := differ{r: r, reader: reader, choice: ch, rules: c.Rules}
	for _, i := range ch.commits {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := d.commit(i); err != nil {
			return nil, err
		}
	}
	return r.history(ch), nil
}

func (r *Repo) newChoice() *choice {
	return &choice{want: r.store.NewWant(), missing: map[oid.ID]bool{}, head: pack.None, known: map[string]bool{}}
}

// ends resolves the revisions of a Choice to commits.
func (r *Repo) ends(reader *pack.Reader, c Choice) (include, exclude []pack.Num, symmetric bool, err error) {
	for _, b := range c.Branches {
		n, err := r.revision(reader, b)
		if err != nil {
			return nil, nil, false, err
		}
		include = append(include, n)
	}
	if c.Range != "" {
		from, to, ok := strings.Cut(c.Range, "..")
		if !ok {
			return nil, nil, false, hinted(fmt.Errorf("%w %q: no \"..\" in it", errRange, c.Range), "write it as BASE..HEAD")
		}
		to, symmetric = strings.CutPrefix(to, ".")
		for _, side := range []struct {
			name string
			list *[]pack.Num
		}{{from, &exclude}, {to, &include}} {
			if side.name == "" {
				side.name = "HEAD"
			}
			n, err := r.revision(reader, side.name)
			if err != nil {
				return nil, nil, false, err
			}
			*side.list = append(*side.list, n)
		}
	}
	if len(include) == 0 {
		include = r.tips(reader)
	}
	return include, exclude, symmetric, nil
}

// mark gives which commits tips lead to.
func (g *graph) mark(tips []pack.Num) []bool {
	marked := make([]bool, len(g.nodes))
	if len(tips) > 0 {
		g.ancestors(tips, func(i int32) { marked[i] = true })
	}
	return marked
}

// readCommits reads all commits that tips lead to. A commit that is missing,
// and that no shallow clone excuses, is an error: the range would not be whole.
func (r *Repo) readCommits(ctx context.Context, reader *pack.Reader, tips []pack.Num) ([]node, error) {
	var nodes []node
	seen := r.store.NewWant()
	queue := append([]pack.Num(nil), tips...)
	for len(queue) > 0 {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		n := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if seen.Has(n) {
			continue
		}
		seen.Add(n)
		v, gone, err := r.node(reader, n)
		if errors.Is(err, errNoCommit) {
			continue // a ref to a tree or a blob
		}
		if err == nil && !gone.IsZero() && !r.shallow[r.store.ID(n)] {
			err = r.goneParent(n, gone)
		}
		if err != nil {
			return nil, err
		}
		queue = append(queue, v.parents...)
		nodes = append(nodes, v)
	}
	return nodes, nil
}

var errNoCommit = errors.New("not a commit")

// node reads a commit. Its parents are those that the store has; gone is one that
// it lacks.
func (r *Repo) node(reader *pack.Reader, n pack.Num) (v node, gone ObjectID, err error) {
	kind, data, err := reader.Read(n)
	if err != nil {
		return v, gone, fmt.Errorf("read commit: %w", err)
	}
	if kind != pack.Commit {
		return v, gone, errNoCommit
	}
	c, err := parseCommit(data, r.store.Format())
	if err != nil {
		return v, gone, fmt.Errorf("%s: %w", r.store.ID(n), err)
	}
	v = node{num: n, tree: pack.None, when: c.when}
	if t, ok := r.store.Lookup(c.tree); ok {
		v.tree = t
	}
	for _, raw := range c.parents {
		if p, ok := r.store.Lookup(raw); ok {
			v.parents = append(v.parents, p)
		} else {
			gone = oid.FromBytes(raw)
		}
	}
	return v, gone, nil
}

func (r *Repo) goneParent(n pack.Num, parent ObjectID) error {
	return hinted(fmt.Errorf("%s: parent %s: %w", r.store.ID(n), parent, pack.ErrMissing), "git fetch the missing history, or check the repository with git fsck")
}

// readTree lists a tree; with an error, the entries that stand before it.
func (r *Repo) readTree(reader *pack.Reader, t pack.Num) (list []treeEntry, err error) {
	kind, data, err := reader.Read(t)
	if err != nil {
		return nil, err
	}
	if kind != pack.Tree {
		return nil, r.notTree(t, kind)
	}
	entries, ok := treeEntries(bytes.Clone(data), r.store.Format())
	for e := range entries {
		list = append(list, e)
	}
	if !ok() {
		return list, fmt.Errorf("tree %s ends in the middle of an entry: %w", r.store.ID(t), pack.ErrCorrupt)
	}
	return list, nil
}

func (r *Repo) notTree(t pack.Num, kind pack.Kind) error {
	return fmt.Errorf("%s is a %s, not a tree: %w", r.store.ID(t), kind, pack.ErrCorrupt)
}

// knownBefore tells whether some parent of the commit that added h's blob has
// the same key at the same path: the file was changed, the key was not added. Or,
// where that counts, it has the same file at another path.
func (p *placing) knownBefore(ctx context.Context, h hit, s site, path string) bool {
	if h.blob.Kind == FileName {
		return !slices.Contains(p.h.chosen.names, nameAddition{h.blob.num, s.path, h.name, s.commit})
	}
	for _, parent := range p.graph.nodes[s.commit].parents {
		j, ok := p.graph.at[parent]
		if !ok {
			continue
		}
		before := p.h.repo.hitsAt(ctx, p.reader, p.run, p.graph.nodes[j].tree, path)
		if knows(before, &h.match) || p.copies != nil && p.copies.has(p.graph.nodes[j].tree, h.blob.ID) {
			return true
		}
	}
	return false
}

// hitsAt finds keys in the file at path below a tree, and in what is packed
// inside it; none when there is no such file, or it cannot be read.
func (r *Repo) hitsAt(ctx context.Context, reader *pack.Reader, run *scan, tree pack.Num, path string) []hit {
	blob := r.pathIn(reader, tree, path)
	if blob == pack.None {
		return nil
	}
	kind, data, err := reader.Read(blob)
	if err != nil || kind != pack.Blob {
		return nil
	}
	// What this worker counts and skips is no part of what was chosen.
	w := worker{set: run.set, budget: &run.budget}
	b := Blob{Kind: Content, Data: data}
	w.look(&b)
	w.open(ctx, &b)
	return w.hits
}

// knows tells whether one of the hits has all that m gives away.
func knows(before []hit, m *rules.Match) bool {
	return slices.ContainsFunc(before, func(old hit) bool { return covers(&old.match, m) })
}

// covers tells whether old has all that m gives away. A secret that comes to
// stand beside an ID that was there before is news, and so is what may be one
// as long as no other is believed to be.
func covers(old, m *rules.Match) bool {
	has := func(s rules.Secret) bool {
		return s.IsZero() || s == old.Key.Secret || s == old.Key.Token ||
			slices.ContainsFunc(old.Secrets, func(c rules.Candidate) bool { return c.Secret == s })
	}
	switch {
	case groupKey(old) != groupKey(m) || !has(m.Key.Token):
		return false
	case !m.Key.Secret.IsZero():
		return has(m.Key.Secret)
	}
	return !slices.ContainsFunc(m.Secrets, func(c rules.Candidate) bool { return !has(c.Secret) })
}

// known counts a key that the chosen commits did not add.
func (p *placing) known(h hit) {
	if k := h.key; !p.h.chosen.known[k] {
		p.h.chosen.known[k] = true
		p.run.sum.Known++
	}
}
