package scanner

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// site is a path that a blob has or had, and the oldest commit, as a position
// in the graph, in which it did; -1 for none.
type site struct {
	path   string
	commit int32
	head   bool // the checked-out commit has it there
	staged bool
}

// place finds out for every hit in which commit and at which paths it stands.
// It goes over commits and trees once, however many hits there are, and not at
// all when there is none.
func (h *history) place(ctx context.Context, run *scan, hits []hit) error {
	h.summarize(run)
	if len(hits) == 0 {
		h.remember(run, hits, nil)
		return nil
	}
	p := h.newPlacing(run, hits)
	if err := p.findSites(ctx); err != nil {
		return err
	}
	for i := range hits {
		if !hits[i].allowed {
			p.sight(ctx, i, hits[i])
		}
	}
	p.refs(hits)
	p.pairApart(ctx, hits)
	h.remember(run, hits, p)
	return nil
}

// summarize tells what the walk has counted.
func (h *history) summarize(run *scan) {
	s := &run.sum
	s.Objects.add(h.objects)
	if h.chosen != nil {
		s.Commits += int64(len(h.chosen.commits))
		s.Shallow += int64(h.chosen.shallow)
	} else {
		s.Commits += h.objects.Commits
		s.Blobs += h.past.Blobs
		s.Bytes += h.past.Bytes
		run.seal(h.past.Unopened, h.past.seals)
		s.Cache.Objects += h.past.Objects.Total()
		for _, n := range h.nodes {
			if len(h.repo.shallow) > 0 && h.repo.shallow[h.repo.store.ID(n.num)] {
				s.Shallow++
			}
		}
	}
	h.nameMissing(run)
}

// placing is one call of place.
type placing struct {
	h      *history
	run    *scan
	store  *pack.Store
	reader *pack.Reader
	graph  *graph

	flagged map[string]pack.Num // raw name → blob that was hit
	dirs    map[pack.Num]bool   // trees with a name that was hit
	prefix  [1 << 13]byte       // bit set of the first two bytes of flagged names
	sites   map[pack.Num][]site
	at      map[sitePath]int // → index into sites

	ofHead  []bool    // commits that the checked-out one leads to
	copies  *copies   // in what was there before; nil when they count as new
	suspect pack.Want // trees that may lead to a hit; no other does
	state   []uint8   // of trees, by number: see below
	hot     map[pack.Num][]hotEntry
	walked  map[sitePath]bool
	commits commitTexts

	// What the next scan may tell again.
	told    []sight
	leading []keyRefs
	apart   []apartPair
}

type sitePath struct {
	num  pack.Num
	path string
}

// hotEntry is an entry of a tree that is a hit blob or leads to one.
type hotEntry struct {
	name string
	num  pack.Num
	tree bool
}

// States of a tree: not read yet; being read; leads to no hit; leads to one.
const (
	unread = iota
	reading
	cold
	hot
)

func (h *history) newPlacing(run *scan, hits []hit) *placing {
	p := &placing{
		h: h, run: run, store: h.repo.store, reader: h.repo.store.Reader(),
		flagged: map[string]pack.Num{}, dirs: map[pack.Num]bool{}, sites: map[pack.Num][]site{}, at: map[sitePath]int{},
		state: make([]uint8, h.repo.store.Len()), hot: map[pack.Num][]hotEntry{}, walked: map[sitePath]bool{},
	}
	p.commits = commitTexts{store: p.store, reader: p.reader}
	for _, hit := range hits {
		switch {
		case hit.allowed:
		case hit.blob.Kind == FileName:
			p.dirs[hit.blob.num] = true
		case hit.blob.Kind == Content:
			raw := hit.blob.ID.Bytes()
			p.flagged[string(raw)] = hit.blob.num
			k := int(raw[0])<<8 | int(raw[1])
			p.prefix[k>>3] |= 1 << (k & 7)
		}
	}
	if h.chosen != nil {
		p.graph = h.chosen.graph
		if h.chosen.onlyNew {
			p.copies = h.repo.copiesOf(hits, h.repo.store.Reader())
		}
	} else {
		p.graph = newGraph(p.store, h.nodes, h.tips(p.reader))
		p.suspect = h.suspects(slices.Collect(maps.Values(p.flagged)), slices.Collect(maps.Keys(p.dirs)))
	}
	p.ofHead = p.graph.mark([]pack.Num{h.headCommit(p.reader)})
	return p
}

// findSites fills sites.
func (p *placing) findSites(ctx context.Context) error {
	if p.h.chosen != nil {
		p.chosenSites()
		return nil
	}
	for i := range p.graph.nodes {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if t := p.graph.nodes[i].tree; t != pack.None && p.leads(t, 0) {
			p.descend(t, "", int32(i))
		}
	}
	if head := p.h.repo.headTree(p.reader); head != pack.None && p.leads(head, 0) {
		p.markHead(head, "")
	}
	p.markStaged()
	return nil
}

// chosenSites takes the sites of hits from what the chosen commits added.
func (p *placing) chosenSites() {
	hit := map[pack.Num]bool{}
	for _, n := range p.flagged {
		hit[n] = true
	}
	head := p.h.repo.treeOf(p.reader, p.h.headCommit(p.reader))
	for _, a := range p.h.chosen.added {
		if hit[a.blob] {
			s := p.addSite(a.blob, a.path, a.commit)
			s.head = p.h.repo.pathIn(p.reader, head, a.path) == a.blob
		}
	}
	for _, a := range p.h.chosen.names {
		if p.dirs[a.tree] {
			s := p.addSite(a.tree, a.dir, a.commit)
			s.head = p.h.repo.pathIn(p.reader, head, a.dir+a.name) != pack.None
		}
	}
}

// maxTreeDepth bounds how deep trees nest: no file system has longer paths.
const maxTreeDepth = 2048

// leads tells whether a tree holds a hit blob, at any depth.
func (p *placing) leads(t pack.Num, depth int) bool {
	if !p.suspect.Has(t) {
		return false
	}
	switch p.state[t] {
	case hot:
		return true
	case cold, reading: // a tree inside itself: names lie
		return false
	}
	p.state[t] = reading
	entries := p.candidates(t)
	if depth == maxTreeDepth && len(entries) > 0 {
		id := p.store.ID(t)
		p.run.skip(id.String(), fmt.Errorf("trees nest deeper than %d: %w", maxTreeDepth, pack.ErrCorrupt))
		entries = nil
	}
	kept := entries[:0]
	for _, e := range entries {
		if !e.tree || p.leads(e.num, depth+1) {
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 && !p.dirs[t] {
		p.state[t] = cold
		return false
	}
	p.state[t] = hot
	p.hot[t] = slices.Clip(kept)
	return true
}

// candidates reads a tree and gives the entries that are hit blobs, and the
// trees not known to lead to none.
func (p *placing) candidates(t pack.Num) (list []hotEntry) {
	kind, data, err := p.reader.Read(t)
	if err != nil || kind != pack.Tree {
		return nil // the walk has named it
	}
	entries, _ := treeEntries(data, p.store.Format())
	for e := range entries {
		switch {
		case e.isTree():
			if n, ok := p.store.Lookup(e.ID); ok && p.suspect.Has(n) && p.state[n] != cold {
				list = append(list, hotEntry{string(e.Name), n, true})
			}
		case e.isBlob():
			k := int(e.ID[0])<<8 | int(e.ID[1])
			if p.prefix[k>>3]>>(k&7)&1 == 0 {
				continue
			}
			if n, ok := p.flagged[string(e.ID)]; ok {
				list = append(list, hotEntry{string(e.Name), n, false})
			}
		}
	}
	return list
}

// descend records the sites below a tree that stands at path in commit i. A
// tree that was seen at the same path in an older commit holds nothing new.
func (p *placing) descend(t pack.Num, path string, i int32) {
	key := sitePath{t, path}
	if p.walked[key] {
		return
	}
	p.walked[key] = true
	if p.dirs[t] {
		p.addSite(t, path, i)
	}
	for _, e := range p.hot[t] {
		if e.tree {
			p.descend(e.num, path+e.name+"/", i)
		} else {
			p.addSite(e.num, path+e.name, i)
		}
	}
}

func (p *placing) addSite(blob pack.Num, path string, commit int32) *site {
	key := sitePath{blob, path}
	k, ok := p.at[key]
	if !ok {
		k = len(p.sites[blob])
		p.at[key] = k
		p.sites[blob] = append(p.sites[blob], site{path: path, commit: commit})
	}
	return &p.sites[blob][k]
}

// markHead marks the sites that the checked-out commit has.
func (p *placing) markHead(t pack.Num, path string) {
	if k, ok := p.at[sitePath{t, path}]; ok {
		p.sites[t][k].head = true
	}
	for _, e := range p.hot[t] {
		if e.tree {
			p.markHead(e.num, path+e.name+"/")
		} else if k, ok := p.at[sitePath{e.num, path + e.name}]; ok {
			p.sites[e.num][k].head = true
		}
	}
}

// markStaged adds what only an index names.
func (p *placing) markStaged() {
	for _, e := range p.h.repo.staged {
		if n, ok := p.flagged[string(e.ID.Bytes())]; ok {
			p.addSite(n, e.Path, -1).staged = true
		}
	}
}

// sight turns hit k into sightings, one a site.
func (p *placing) sight(ctx context.Context, k int, h hit) {
	place := Place{Kind: h.blob.Kind, Object: h.blob.ID}
	if h.blob.Kind == CommitText || h.blob.Kind == TagText {
		i, ok := p.graph.at[h.blob.num]
		if ok && h.blob.Kind == CommitText {
			place.Commit, place.Unreachable = p.commit(i), !p.graph.reached[i]
			p.tell(k, h, place, i, p.ofHead[i])
			return
		}
		place.Unreachable = !p.h.repo.targets[h.blob.ID]
		p.tell(k, h, place, -1, false)
		return
	}
	sites := p.sites[h.blob.num]
	if len(sites) == 0 && h.blob.Kind == FileName && p.h.chosen != nil {
		p.known(h) // no chosen commit added a name to this tree
		return
	}
	if len(sites) == 0 {
		place.Path = h.name
		place.Unreachable = !p.h.repo.targets[h.blob.ID]
		p.tell(k, h, place, -1, false)
	}
	for _, s := range sites {
		place.Path, place.Staged, place.Unreachable, place.Commit = s.path+h.name, s.staged, false, nil
		if s.commit >= 0 {
			if p.h.chosen != nil && p.knownBefore(ctx, h, s, place.Path) {
				p.known(h)
				continue
			}
			place.Commit = p.commit(s.commit)
			place.Unreachable = !p.graph.reached[s.commit] && !s.staged
		}
		p.tell(k, h, place, s.commit, s.head)
	}
}

// tell groups a sighting, and keeps it for the next scan.
func (p *placing) tell(k int, h hit, place Place, order int32, head bool) {
	if !h.wanted(place.Path, place.Commit) {
		return
	}
	place.Repository = p.h.repo.within
	p.run.groups.add(h, place, order, h.inHead(head))
	if !p.h.cached {
		return
	}
	s := sight{Hit: k, Path: place.Path, Order: order, Staged: place.Staged, Unreachable: place.Unreachable, Head: head}
	if place.Commit != nil {
		s.Commit = bytes.Clone(place.Commit.ID.Bytes())
	}
	p.told = append(p.told, s)
}

// inHead is where h stands in HEAD, if it does.
func (h *hit) inHead(is bool) *Position {
	if !is {
		return nil
	}
	at := h.at
	return &at
}

// commit describes the commit at position i.
func (p *placing) commit(i int32) *Commit {
	id := p.store.ID(p.graph.nodes[i].num)
	if c := p.commits.get(id.Bytes()); c != nil {
		return c
	}
	return &Commit{ID: id}
}
