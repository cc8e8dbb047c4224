package scanner

import (
	"maps"
	"slices"

	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// refs finds out which refs lead to a commit that holds each key. Keys are
// taken 64 at a time, a bit of a word each: one pass over hot trees and commits
// a word.
func (p *placing) refs(hits []hit) {
	objectsOf := map[string][]pack.Num{} // blobs, messages
	for _, h := range hits {
		if h.allowed {
			continue
		}
		objectsOf[h.key] = append(objectsOf[h.key], h.blob.num)
	}
	refs := p.h.repo.namedRefs(p.reader)
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(objectsOf)), 64) {
		objects := map[pack.Num]uint64{}
		for i, k := range batch {
			for _, n := range objectsOf[k] {
				objects[n] |= 1 << i
			}
		}
		p.spread(objects, refs, func(key int, names []string) {
			p.run.groups.setRefs(batch[key], names[:min(len(names), MaxRefs)], len(names))
			p.leading = append(p.leading, keyRefs{keyPrint(batch[key]), names[:min(len(names), MaxRefs)], len(names)})
		})
	}
}

// spread carries the bits of objects through trees, commits and refs, and gives
// for each bit the refs that lead to it.
func (p *placing) spread(objects map[pack.Num]uint64, refs []namedRef, give func(key int, names []string)) {
	memo := map[pack.Num]uint64{}
	var tree func(t pack.Num) uint64
	tree = func(t pack.Num) uint64 {
		if m, ok := memo[t]; ok {
			return m
		}
		memo[t] = 0
		m := objects[t]
		for _, e := range p.hot[t] {
			if e.tree {
				m |= tree(e.num)
			} else {
				m |= objects[e.num]
			}
		}
		memo[t] = m
		return m
	}
	masks := make([]uint64, len(p.graph.nodes))
	for blob, sites := range p.sites {
		for _, s := range sites {
			if s.commit >= 0 {
				masks[s.commit] |= objects[blob]
			}
		}
	}
	for i, n := range p.graph.nodes {
		masks[i] |= objects[n.num]
		// A chosen range has not gone over all trees; where commits added a
		// key is enough there.
		if n.tree != pack.None && p.state[n.tree] == hot {
			masks[i] |= tree(n.tree)
		}
		for _, parent := range n.parents {
			if j, ok := p.graph.at[parent]; ok {
				masks[i] |= masks[j]
			}
		}
	}
	var names [64][]string
	for _, r := range refs {
		m := objects[r.target] | objects[r.peeled]
		if i, ok := p.graph.at[r.peeled]; ok {
			m |= masks[i]
		} else if r.peeled != pack.None && p.state[r.peeled] == hot {
			m |= tree(r.peeled)
		}
		for k := range names {
			if m>>k&1 == 1 {
				names[k] = append(names[k], r.name)
			}
		}
	}
	for k, n := range names {
		if len(n) > 0 {
			give(k, n)
		}
	}
}
