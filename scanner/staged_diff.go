package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/index"
	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// change is a blob that is staged at a path where HEAD does not have it.
type change struct {
	path string
	id   ObjectID
}

// stagedDiff compares an index with a tree.
type stagedDiff struct {
	repo    *Repo
	reader  *pack.Reader
	list    *index.Listing
	changes []change
	skips   []error
	trees   int // read for directories of a sparse index
	read    int // their entries
}

// span is a range of index entries, half open.
type span struct{ from, to int }

// none is the position of no node of the cached tree.
const none = -1

// maxSparseTrees and maxSparse bound the trees that are read for directories of
// a sparse index, and the entries in them: trees that hold one another many
// times over would unfold to any size. Only what differs from HEAD is read;
// Chromium has 40,000 directories, and 400,000 files in them.
const (
	maxSparseTrees = 1 << 17
	maxSparse      = 8 << 20
)

var errUnfolds = errors.New("directories of the sparse index unfold to too many entries")

// all compares an index with HEAD's tree.
func (d *stagedDiff) all(ctx context.Context, l *index.Listing, head ObjectID) error {
	d.list = l
	node := none
	if len(l.Tree) > 0 {
		node = 0
	}
	return d.dir(ctx, "", span{0, l.Len()}, node, head, 0)
}

// dir compares the entries in s, whose paths begin with prefix, with a tree of
// HEAD, which is zero when HEAD has none there. node is the directory's place
// in the cached tree.
func (d *stagedDiff) dir(ctx context.Context, prefix string, s span, node int, tree ObjectID, depth int) error {
	if node != none {
		// A count that does not agree is a cached tree of other entries.
		if n := &d.list.Tree[node]; n.Entries == s.to-s.from && n.ID == tree && !tree.IsZero() {
			return nil
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > maxTreeDepth { // no commit of git's is so deep: all is new
		tree, node = ObjectID{}, none
	}
	theirs, err := d.entries(tree)
	if err != nil {
		// Without HEAD's tree everything here may be new, and is scanned; keys
		// that HEAD has are found again.
		d.skip(strings.TrimSuffix(prefix, "/"), tree, err)
	}
	nodes := d.children(node)
	for i := s.from; i < s.to; {
		e := d.list.Entry(i)
		name, _, below := strings.Cut(e.Path[len(prefix):], "/")
		if !below || depth > maxTreeDepth || e.Mode == index.ModeTree && len(e.Path) == len(prefix)+len(name)+1 {
			if err := d.entry(ctx, &e, theirs[name], depth); err != nil {
				return err
			}
			i++
			continue
		}
		sub := span{i, d.end(i, s.to, prefix+name)}
		id := ObjectID{}
		if t, ok := theirs[name]; ok && t.isTree() {
			id = oid.FromBytes(t.ID)
		}
		child, ok := nodes[name]
		if !ok {
			child = none
		}
		if err := d.dir(ctx, prefix+name+"/", sub, child, id, depth+1); err != nil {
			return err
		}
		i = sub.to
	}
	return nil
}

// end is the first entry after i that is not below dir: what sorts behind the
// slash is '0'.
func (d *stagedDiff) end(i, to int, dir string) int {
	return i + 1 + sort.Search(to-i-1, func(k int) bool { return d.list.Compare(i+1+k, dir, "0") >= 0 })
}

// children gives the places of a node's children by name.
func (d *stagedDiff) children(node int) map[string]int {
	if node == none {
		return nil
	}
	count := d.list.Tree[node].Children
	nodes := make(map[string]int, min(count, len(d.list.Tree)))
	for c := node + 1; count > 0; count-- {
		nodes[d.list.Tree[c].Name] = c
		c = d.list.Tree[c].Next
	}
	return nodes
}

// entry looks at one entry of the index; before is what HEAD has there. All
// stages of a conflict are looked at: each is in the store, and one of them may
// be committed next.
func (d *stagedDiff) entry(ctx context.Context, e *index.Entry, before treeEntry, depth int) error {
	switch {
	case e.Mode == index.ModeTree:
		was := ObjectID{}
		if before.isTree() {
			was = oid.FromBytes(before.ID)
		}
		return d.tree(ctx, strings.TrimSuffix(e.Path, "/")+"/", e.ID, was, depth)
	case e.Mode == index.ModeGitlink, e.IntentToAdd:
		return nil
	}
	if before.Mode == 0 || !before.isBlob() || !bytes.Equal(before.ID, e.ID.Bytes()) {
		d.add(e.Path, e.ID)
	}
	return nil
}

// add notes a blob. The empty one need not be in the store, and is clean.
func (d *stagedDiff) add(path string, id ObjectID) {
	if id != d.repo.store.Format().Sum("blob", nil) {
		d.changes = append(d.changes, change{path, id})
	}
}

// tree adds what a directory of a sparse index has and HEAD does not.
func (d *stagedDiff) tree(ctx context.Context, path string, mine, was ObjectID, depth int) error {
	if mine == was {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > maxTreeDepth {
		d.skip(path, mine, fmt.Errorf("trees nest deeper than %d: %w", maxTreeDepth, pack.ErrCorrupt))
		return nil
	}
	theirs, err := d.entries(was)
	if err != nil {
		d.skip(path, was, err)
	}
	entries, err := d.entries(mine)
	if mine.IsZero() {
		err = fmt.Errorf("directory without a name: %w", pack.ErrCorrupt)
	}
	if err != nil {
		d.skip(path, mine, err)
	}
	d.trees, d.read = d.trees+1, d.read+len(entries)
	if d.trees > maxSparseTrees || d.read > maxSparse {
		return errUnfolds
	}
	for name, e := range entries {
		before, id := theirs[name], oid.FromBytes(e.ID)
		switch {
		case e.isTree():
			below := ObjectID{}
			if before.isTree() {
				below = oid.FromBytes(before.ID)
			}
			if err := d.tree(ctx, path+name+"/", id, below, depth+1); err != nil {
				return err
			}
		case e.isBlob() && (before.Mode == 0 || !before.isBlob() || !bytes.Equal(before.ID, e.ID)):
			d.add(path+name, id)
		}
	}
	return nil
}

// entries reads a tree, and gives what it could of a broken one.
func (d *stagedDiff) entries(id ObjectID) (map[string]treeEntry, error) {
	format := d.repo.store.Format()
	if id.IsZero() || id == format.Sum("tree", nil) {
		return nil, nil
	}
	n, ok := d.repo.store.Lookup(id.Bytes())
	if !ok {
		_, _, err := d.reader.Lookup(id.Bytes())
		return nil, err
	}
	list, err := d.repo.readTree(d.reader, n)
	entries := make(map[string]treeEntry, len(list))
	for _, e := range list {
		entries[string(e.Name)] = e
	}
	return entries, err
}

// skip names a tree that could not be read.
func (d *stagedDiff) skip(path string, id ObjectID, err error) {
	if p, ok := pack.IsProblem(err); ok {
		err = p.Err
	}
	if path == "" {
		path = "."
	}
	d.skips = append(d.skips, &SkipError{path, fmt.Errorf("tree %s: %w", id, err)})
}
