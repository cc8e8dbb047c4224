package scanner

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// differ finds what commits added to their parents.
type differ struct {
	r      *Repo
	reader *pack.Reader
	choice *choice
	rules  *rules.Set
	trees  recentTrees
	seen   map[string]int // how often a tree was compared with the same others
}

// maxAlike is how often a tree that is compared with the same others is gone
// through, each time at another path: what it adds is known by the first. Trees
// that hold one another many times over, some dozen objects, would else unfold to
// billions of files. Few repositories have a directory in so many places.
const maxAlike = 64

// again tells whether t was compared with these parents often enough.
func (d *differ) again(t pack.Num, parents []pack.Num) bool {
	key := binary.AppendUvarint(make([]byte, 0, 16), uint64(t))
	for _, p := range parents {
		key = binary.AppendUvarint(key, uint64(p))
	}
	if d.seen == nil {
		d.seen = map[string]int{}
	}
	d.seen[string(key)]++
	return d.seen[string(key)] > maxAlike
}

func (d *differ) commit(i int32) error {
	n := d.choice.graph.nodes[i]
	d.choice.want.Add(n.num)
	if n.tree == pack.None {
		id := d.r.store.ID(n.num)
		return fmt.Errorf("tree of commit %s: %w", id, pack.ErrMissing)
	}
	var parents []pack.Num
	for _, p := range n.parents {
		j, ok := d.choice.graph.at[p]
		if !ok {
			continue
		}
		t := d.choice.graph.nodes[j].tree
		if t == n.tree {
			return nil
		}
		if t != pack.None {
			parents = append(parents, t)
		}
	}
	return d.tree(n.tree, parents, "", i, 0)
}

// tree adds what tree t, at path, has and none of the trees in parents does. It
// goes through all of them at once, as their entries are sorted; what a tree that
// is not sorted hides from it counts as added.
func (d *differ) tree(t pack.Num, parents []pack.Num, path string, commit int32, depth int) error {
	if depth > maxTreeDepth {
		return fmt.Errorf("trees nest deeper than %d: %w", maxTreeDepth, pack.ErrCorrupt)
	}
	mine, err := d.read(t)
	if err != nil {
		return err
	}
	theirs := make([]parentTree, len(parents))
	for i, p := range parents {
		data, err := d.read(p)
		if err != nil {
			return err
		}
		theirs[i] = parentTree{num: p, data: data}
	}
	format := d.r.store.Format()
	for at := 0; at < len(mine); {
		if len(theirs) > 0 {
			// What the first parent has in the same form is most of it.
			if !theirs[0].skipSame(mine, &at, len(mine), format) {
				return d.torn(t)
			}
		}
		if at == len(mine) {
			break
		}
		e, n := parseTreeEntry(mine[at:], format)
		if n == 0 {
			return d.torn(t)
		}
		for i := range theirs {
			if !theirs[i].seek(mine, at, e, format) {
				return d.torn(theirs[i].num)
			}
		}
		if e.Mode&modeType != modeGitlink && !present(e, theirs) {
			if err := d.entry(t, e, theirs, path, commit, depth); err != nil {
				return err
			}
		}
		at += n
		for i := range theirs {
			theirs[i].pass(e, at)
		}
	}
	return nil
}

// entry adds an entry of tree t that no parent has.
func (d *differ) entry(t pack.Num, e treeEntry, theirs []parentTree, path string, commit int32, depth int) error {
	var below []pack.Num
	named := false
	for i := range theirs {
		o := theirs[i].entry
		if o.Mode == 0 || !bytes.Equal(o.Name, e.Name) {
			continue
		}
		named = true
		if p, ok := d.r.store.Lookup(o.ID); ok && o.isTree() {
			below = append(below, p)
		}
	}
	if !named && wantsName(d.rules, e.Name) {
		d.choice.names = append(d.choice.names, nameAddition{t, path, string(e.Name), commit})
		d.choice.want.Add(t)
	}
	n, ok := d.r.store.Lookup(e.ID)
	if !ok {
		if d.r.partial {
			d.choice.missing[oid.FromBytes(e.ID)] = true
			return nil
		}
		return fmt.Errorf("%s: %w", oid.FromBytes(e.ID), pack.ErrMissing)
	}
	d.choice.want.Add(n)
	full := path + string(e.Name)
	if e.isBlob() {
		d.choice.added = append(d.choice.added, addition{n, full, commit})
		return nil
	}
	if d.again(n, below) {
		return nil
	}
	return d.tree(n, below, full+"/", commit, depth+1)
}

// parentTree is a parent's tree, read as far as the tree that it is compared with:
// up to done of that one.
type parentTree struct {
	num   pack.Num
	done  int
	data  []byte    // from entry on
	entry treeEntry // the zero value has not been read
	size  int       // of entry in data
}

// seek goes on to the first entry that does not sort before e, which stands at at
// in mine. It reports false where no entry is.
func (b *parentTree) seek(mine []byte, at int, e treeEntry, f oid.Format) bool {
	for {
		if !b.skipSame(mine, &b.done, at, f) {
			return false
		}
		if len(b.data) > 0 && b.size == 0 {
			if b.entry, b.size = parseTreeEntry(b.data, f); b.size == 0 {
				return false
			}
		}
		if b.done == at {
			if len(b.data) == 0 || compareTreeEntries(b.entry, e) >= 0 {
				return true
			}
			b.step(b.size)
			continue
		}
		// What stands here differs: the lesser goes on, or both.
		before, n := parseTreeEntry(mine[b.done:at], f)
		if n == 0 {
			return false
		}
		order := 1
		if len(b.data) > 0 {
			order = compareTreeEntries(b.entry, before)
		}
		if order >= 0 {
			b.done += n
		}
		if order <= 0 {
			b.step(b.size)
		}
	}
}

// pass goes on behind e, which ends at end in the tree that b is compared with.
func (b *parentTree) pass(e treeEntry, end int) {
	b.done = end
	if b.size > 0 && compareTreeEntries(b.entry, e) == 0 {
		b.step(b.size)
	}
}

func (b *parentTree) step(n int) { b.data, b.entry, b.size = b.data[n:], treeEntry{}, 0 }

// skipSame goes over the entries that mine has from at on, before end, and b goes
// on with, byte for byte. It reports false where no entry is.
func (b *parentTree) skipSame(mine []byte, at *int, end int, f oid.Format) bool {
	same := samePrefix(mine[*at:end], b.data)
	if same == 0 {
		return true
	}
	next, ok := skipEntries(mine, *at, *at+same, f)
	if next > *at {
		b.step(next - *at)
		*at = next
	}
	b.done = *at
	return ok
}

// samePrefix is how many bytes a and b begin with in common.
func samePrefix(a, b []byte) int {
	n, i := min(len(a), len(b)), 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// compareTreeEntries is the order of entries in a tree: by name, those of
// directories as if a slash stood behind it (git's base_name_compare).
func compareTreeEntries(a, b treeEntry) int {
	n := min(len(a.Name), len(b.Name))
	if c := bytes.Compare(a.Name[:n], b.Name[:n]); c != 0 {
		return c
	}
	next := func(e treeEntry) byte {
		switch {
		case len(e.Name) > n:
			return e.Name[n]
		case e.isTree():
			return '/'
		}
		return 0
	}
	return cmp.Compare(next(a), next(b))
}

// present tells whether some parent has e in that form.
func present(e treeEntry, theirs []parentTree) bool {
	for i := range theirs {
		o := theirs[i].entry
		if o.Mode != 0 && o.isTree() == e.isTree() && bytes.Equal(o.ID, e.ID) && bytes.Equal(o.Name, e.Name) {
			return true
		}
	}
	return false
}

func (d *differ) torn(t pack.Num) error {
	return fmt.Errorf("tree %s with something that is no entry: %w", d.r.store.ID(t), pack.ErrCorrupt)
}

// read gives a tree object, valid for as long as it is held.
func (d *differ) read(t pack.Num) ([]byte, error) {
	if data, ok := d.trees.get(t); ok {
		return data, nil
	}
	kind, data, err := d.reader.Read(t)
	if err != nil {
		return nil, err
	}
	if kind != pack.Tree {
		return nil, d.r.notTree(t, kind)
	}
	data = bytes.Clone(data)
	d.trees.put(t, data)
	return data, nil
}

// recentTrees keeps the trees read last: those of a commit are compared with its
// parents' and then with its children's.
type recentTrees struct {
	young, old map[pack.Num][]byte
	size       int // of young
}

// maxRecent is how many bytes of trees are young before they are old, and those
// that were old are dropped.
const maxRecent = 24 << 20

func (r *recentTrees) get(t pack.Num) ([]byte, bool) {
	if data, ok := r.young[t]; ok {
		return data, true
	}
	data, ok := r.old[t]
	if ok {
		r.put(t, data)
	}
	return data, ok
}

func (r *recentTrees) put(t pack.Num, data []byte) {
	if r.young == nil || r.size > maxRecent {
		r.old, r.young, r.size = r.young, map[pack.Num][]byte{}, 0
	}
	r.young[t] = data
	r.size += len(data)
}
