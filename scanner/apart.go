package scanner

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"path"
	"slices"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// A key ID and its secret need not stand in one file. For an ID that was found
// without a secret, what was committed with it and what lies beside it is read
// once more, for secrets that nothing but such an ID makes one of.

// nearness is how close to an ID another Blob is: what that adds to the score of
// a secret in it, and how it is told.
type nearness struct {
	bonus int
	where string
}

var (
	sameFile   = nearness{20, "in another version of the file"}
	sameFolder = nearness{15, "in the same directory, added by the same commit"}
	message    = nearness{12, "in the message of the commit"}
	beside     = nearness{10, "in the same directory"}
	sameCommit = nearness{8, "added by the same commit"}

	nearnesses = []nearness{sameFile, sameFolder, message, beside, sameCommit}
)

const (
	// maxApartKeys bounds the IDs that are looked around for, maxApartReads the
	// objects read for all of them, maxApartSites the places of one of them.
	maxApartKeys  = 256
	maxApartReads = 4096
	maxApartSites = 4
	// maxApartPaths is at how many paths an ID may stand: what is everywhere is an
	// example, and belongs to nothing beside it.
	maxApartPaths = 8
	// maxBeside is how many files of a commit or directory are looked at, and
	// maxApartBytes how large they may be: credentials lie in small files.
	maxBeside     = 64
	maxApartBytes = 1 << 20
)

// apartPair is a secret that may belong to an ID elsewhere. It is remembered
// without the secret.
type apartPair struct {
	Key      string // keyPrint of the ID
	Object   []byte
	Kind     Kind
	Start    int
	Near     int // its bonus, which tells the nearness
	Believed bool
	Path     string
	Commit   []byte

	key  string
	num  pack.Num
	cand rules.Candidate
}

// apart finds such secrets.
type apart struct {
	p     *placing
	pairs []apartPair
	reads int
	seen  map[pack.Num][]rules.Candidate // without a bonus
	given map[apartKey]int               // → index of the best pair
	taken map[rules.Secret]bool          // by an ID that it stands beside
	added map[int32][]addition           // by commit
	alone []addition                     // blobs with a secret found alone, where they stand
}

type apartKey struct {
	key    string
	secret rules.Secret
}

// pairApart looks for the secrets of IDs that stand alone.
func (p *placing) pairApart(ctx context.Context, hits []hit) {
	lone := map[string][]*hit{}
	for i := range hits {
		h := &hits[i]
		if g := p.run.groups[h.key]; g != nil && !h.allowed && h.match.Key.ID != "" && len(g.best) == 0 {
			lone[h.key] = append(lone[h.key], h)
		}
	}
	a := &apart{p: p, seen: map[pack.Num][]rules.Candidate{}, given: map[apartKey]int{}, added: map[int32][]addition{}}
	keys := slices.Sorted(maps.Keys(lone))
	if len(keys) == 0 {
		return
	}
	a.taken = p.run.groups.taken()
	a.findAlone(hits)
	for _, key := range keys[:min(len(keys), maxApartKeys)] {
		if ctx.Err() != nil {
			return
		}
		a.around(key, lone[key])
	}
	a.choose()
	for i := range a.pairs {
		pair := &a.pairs[i]
		var data []byte // where it stands is told of what is believed
		if pair.Believed {
			var err error
			if _, data, err = p.reader.Read(pair.num); err != nil {
				continue // it was read a moment ago
			}
		}
		pair.adopt(p.run, p.h.repo, data, p.commits.get(pair.Commit))
	}
	p.apart = a.pairs
}

// around collects the secrets around one ID.
func (a *apart) around(key string, where []*hit) {
	p := a.p
	paths := map[string]bool{}
	for _, h := range where {
		for _, s := range p.sites[h.blob.num] {
			paths[s.path+h.name] = true
		}
	}
	if len(paths) > maxApartPaths {
		return
	}
	sites := 0
	for _, h := range where {
		if h.blob.Kind == CommitText {
			if i, ok := p.graph.at[h.blob.num]; ok {
				a.commit(key, i, "")
			}
			continue
		}
		for _, s := range p.sites[h.blob.num] {
			if sites++; sites > maxApartSites {
				return
			}
			file := s.path + h.name
			a.versions(key, file)
			if s.commit >= 0 {
				a.commit(key, s.commit, file)
				a.folder(key, s.commit, file)
			}
		}
	}
}

// findAlone lists where secrets stand that were found alone.
func (a *apart) findAlone(hits []hit) {
	for i := range hits {
		h := &hits[i]
		if h.allowed || h.match.Key.ID != "" || h.match.Rule.Kind != rules.SecretKey {
			continue
		}
		for _, s := range a.p.sites[h.blob.num] {
			a.alone = append(a.alone, addition{h.blob.num, s.path, s.commit})
		}
	}
}

// versions takes the secrets that were found alone in other versions of a file
// or beside it, at whatever time.
func (a *apart) versions(key, file string) {
	for _, s := range a.alone {
		switch {
		case s.path == file:
			a.look(key, s.blob, s.path, s.commit, sameFile)
		case path.Dir(s.path) == path.Dir(file):
			a.look(key, s.blob, s.path, s.commit, beside)
		}
	}
}

// commit looks at the message of commit i and at what it added.
func (a *apart) commit(key string, i int32, file string) {
	a.look(key, a.p.graph.nodes[i].num, "", i, message)
	added, dir, left := a.additions(i), path.Dir(file), maxBeside
	for _, n := range []nearness{sameFolder, sameCommit} {
		for _, add := range added {
			if left > 0 && (path.Dir(add.path) == dir) == (n == sameFolder) {
				left--
				a.look(key, add.blob, add.path, i, n)
			}
		}
	}
}

// additions are what commit i added, by path: found out once, however many IDs
// came with it.
func (a *apart) additions(i int32) []addition {
	added, ok := a.added[i]
	if !ok {
		c := a.p.h.repo.newChoice()
		c.graph = a.p.graph
		d := differ{r: a.p.h.repo, reader: a.p.reader, choice: c}
		_ = d.commit(i) // what cannot be read was named by the walk
		added = c.added
		slices.SortFunc(added, func(x, y addition) int { return cmp.Compare(x.path, y.path) })
		a.added[i] = added
	}
	return added
}

// folder looks at what lies beside a file in commit i.
func (a *apart) folder(key string, i int32, file string) {
	p := a.p
	tree, dir := p.graph.nodes[i].tree, path.Dir(file)
	if dir != "." {
		tree = p.h.repo.pathIn(p.reader, tree, dir)
	}
	if tree == pack.None {
		return
	}
	entries, _ := p.h.repo.readTree(p.reader, tree)
	left := maxBeside
	for _, e := range entries {
		if n, ok := p.store.Lookup(e.ID); ok && e.isBlob() && left > 0 {
			left--
			a.look(key, n, path.Join(dir, string(e.Name)), i, beside)
		}
	}
}

// look takes the secrets of an object.
func (a *apart) look(key string, num pack.Num, file string, commit int32, n nearness) {
	found, ok := a.seen[num]
	if !ok {
		if a.reads++; a.reads > maxApartReads {
			return
		}
		if _, data, err := a.p.reader.Read(num); err == nil && len(data) <= maxApartBytes {
			found = a.p.run.set.Loose(nil, data)
		}
		a.seen[num] = found
	}
	kind := Content
	if file == "" {
		kind = CommitText
	}
	for _, c := range found {
		if a.taken[c.Secret] {
			continue
		}
		n.raise(&c)
		id := apartKey{key, c.Secret}
		if old, ok := a.given[id]; ok && a.pairs[old].cand.Score >= c.Score {
			continue
		}
		object := a.p.store.ID(num)
		pair := apartPair{
			Key: keyPrint(key), Object: bytes.Clone(object.Bytes()), Kind: kind, Start: c.Start, Near: n.bonus, Path: file,
			key: key, num: num, cand: c,
		}
		if commit >= 0 {
			id := a.p.store.ID(a.p.graph.nodes[commit].num)
			pair.Commit = bytes.Clone(id.Bytes())
		}
		if old, ok := a.given[id]; ok {
			a.pairs[old] = pair
			continue
		}
		a.given[id] = len(a.pairs)
		a.pairs = append(a.pairs, pair)
	}
}

// choose believes the pairs that nothing contradicts: the best secret of an ID,
// if it is better than its second, for which no other ID has as good a claim.
func (a *apart) choose() {
	slices.SortFunc(a.pairs, func(x, y apartPair) int {
		return cmp.Or(cmp.Compare(y.cand.Score, x.cand.Score), cmp.Compare(x.key, y.key), bytes.Compare(x.Object, y.Object), cmp.Compare(x.Start, y.Start))
	})
	best, claims := map[string][]int{}, map[rules.Secret][]int{}
	kept := a.pairs[:0]
	count := map[string]int{}
	for _, pair := range a.pairs {
		if count[pair.key]++; count[pair.key] > rules.MaxSecrets {
			continue
		}
		best[pair.key] = append(best[pair.key], pair.cand.Score)
		claims[pair.cand.Secret] = append(claims[pair.cand.Secret], pair.cand.Score)
		kept = append(kept, pair)
	}
	a.pairs = kept
	alone := func(scores []int, mine int) bool { return scores[0] == mine && (len(scores) == 1 || scores[1] < mine) }
	for i := range a.pairs {
		pair := &a.pairs[i]
		mine := pair.cand.Score
		pair.Believed = mine >= rules.PairScore && alone(best[pair.key], mine) && alone(claims[pair.cand.Secret], mine)
	}
}

// find finds the secret again, in the object it stands in.
func (a *apartPair) find(set *rules.Set, data []byte) bool {
	list := set.Loose(nil, data)
	i := slices.IndexFunc(list, func(c rules.Candidate) bool { return c.Start == a.Start })
	n := slices.IndexFunc(nearnesses, func(n nearness) bool { return n.bonus == a.Near })
	if i < 0 || n < 0 {
		return false
	}
	a.cand = list[i]
	nearnesses[n].raise(&a.cand)
	return true
}

// raise adds what nearness is worth to a candidate.
func (n nearness) raise(c *rules.Candidate) {
	c.Score += n.bonus
	c.Why += ", " + n.where
}

// adopt adds the pair to the group of its ID. data is the object that the secret
// stands in, commit describes the one it came with.
func (a *apartPair) adopt(run *scan, repo *Repo, data []byte, commit *Commit) {
	g, c := run.groups[a.key], a.cand
	if old, ok := g.secrets[c.Secret]; !ok || c.Score > old.Score {
		g.secrets[c.Secret] = c
	}
	if !a.Believed {
		return
	}
	g.best[c.Secret]++
	for _, r := range run.set.Rules() {
		if r.Kind == rules.SecretKey && run.groups[groupKey(&rules.Match{Rule: r, Key: rules.Key{Secret: c.Secret}})] != nil {
			return // it was found by itself, and its own places come with it
		}
	}
	var w *window
	at := w.lines(data).position(c.Start)
	place := Place{Kind: a.Kind, Repository: repo.within, Path: a.Path, Object: oid.FromBytes(a.Object), Commit: commit, At: at, Encoding: c.Encoding}
	g.see(hit{at: at, ordinal: apartOrdinal}, place, -1, nil)
}

// apartOrdinal keeps the places of secrets apart from those of IDs.
const apartOrdinal = -1
