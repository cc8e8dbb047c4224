package scanner

import (
	"maps"
	"slices"

	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// copies finds out which of some blobs stand somewhere in a tree: a file that was
// moved or copied brings no key that was not there before. Trees that several
// commits share are read once.
type copies struct {
	repo   *Repo
	reader *pack.Reader
	wanted map[string]bool // raw names of blobs
	below  map[pack.Num][]string
}

// has tells whether a tree, at any path, has the blob of that ID, which must be
// one of those wanted. What cannot be read has none.
func (c *copies) has(tree pack.Num, id ObjectID) bool {
	if tree == pack.None {
		return false
	}
	_, ok := slices.BinarySearch(c.list(tree, 0), string(id.Bytes()))
	return ok
}

// list gives the wanted blobs below a tree, sorted.
func (c *copies) list(tree pack.Num, depth int) []string {
	if list, ok := c.below[tree]; ok || depth > maxTreeDepth {
		return list
	}
	c.below[tree] = nil // for a tree inside itself: names lie
	kind, data, err := c.reader.Read(tree)
	if err != nil || kind != pack.Tree {
		return nil
	}
	found := map[string]bool{}
	var trees []pack.Num // data is the reader's, which the next tree needs
	entries, _ := treeEntries(data, c.repo.store.Format())
	for e := range entries {
		switch {
		case e.isBlob() && c.wanted[string(e.ID)]:
			found[string(e.ID)] = true
		case e.isTree():
			if n, ok := c.repo.store.Lookup(e.ID); ok {
				trees = append(trees, n)
			}
		}
	}
	for _, n := range trees {
		for _, name := range c.list(n, depth+1) {
			found[name] = true
		}
	}
	if len(found) > 0 {
		c.below[tree] = slices.Sorted(maps.Keys(found))
	}
	return c.below[tree]
}

// copiesOf is about the blobs in which something was found.
func (r *Repo) copiesOf(hits []hit, reader *pack.Reader) *copies {
	c := &copies{r, reader, map[string]bool{}, map[pack.Num][]string{}}
	for i := range hits {
		if h := &hits[i]; h.blob.Kind == Content && !h.allowed {
			c.wanted[string(h.blob.ID.Bytes())] = true
		}
	}
	return c
}
