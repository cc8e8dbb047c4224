package scanner

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/keyquench/keyquench/rules"
)

// groupKey is the same for matches of one key: the ID where there is one, else
// the secret. It holds no secret, only its hash.
func groupKey(m *rules.Match) string {
	if m.Key.ID != "" {
		return "id " + m.Key.ID
	}
	s := m.Key.Secret
	if s.IsZero() {
		s = m.Key.Token
	}
	h := s.Hash()
	return m.Rule.ID + " " + string(h[:])
}

// fingerprint is what identifies a finding in baselines and ignore lists: the
// rule and the key, never a place.
func fingerprint(rule, group string) string {
	sum := sha256.Sum256([]byte("keyquench finding v1\x00" + rule + "\x00" + group))
	return hex.EncodeToString(sum[:16])
}

// groups gathers sightings by key.
type groups map[string]*group

type group struct {
	rule    *rules.Rule
	finding Finding
	places  map[placeKey]*sighting
	secrets map[rules.Secret]rules.Candidate
	best    map[rules.Secret]int // believed pairs: how often
	tokens  map[rules.Secret]int
}

// placeKey is what makes two sightings one place: the same path in two versions
// of a file, or in the work tree and in history.
type placeKey struct {
	kind    Kind
	repo    string
	path    string
	member  string
	object  ObjectID // of messages and of objects without a path
	ordinal int
}

// sighting is a Place and the position of its commit in the graph, -1 for none.
type sighting struct {
	Place
	order    int32
	versions map[ObjectID]bool
}

// add records that h was seen at p. order is the position of p's commit among
// all, or -1; head is where it stands in HEAD, or nil.
func (gs *groups) add(h hit, p Place, order int32, head *Position) {
	if *gs == nil {
		*gs = groups{}
	}
	k := h.key
	g := (*gs)[k]
	if g == nil {
		g = &group{
			rule: h.match.Rule, places: map[placeKey]*sighting{},
			secrets: map[rules.Secret]rules.Candidate{}, best: map[rules.Secret]int{}, tokens: map[rules.Secret]int{},
		}
		g.finding.User, g.finding.Account, g.finding.Signed = h.match.User, h.match.Account, true
		(*gs)[k] = g
	}
	g.match(&h.match)
	p.At, p.Secret, p.Encoding, p.Member = h.at, h.secret, h.match.Encoding, h.member
	g.see(h, p, order, head)
}

// taken are the secrets that are believed to be some ID's.
func (gs groups) taken() map[rules.Secret]bool {
	taken := map[rules.Secret]bool{}
	for _, g := range gs {
		if g.finding.Key.ID != "" {
			for s := range g.best {
				taken[s] = true
			}
		}
	}
	return taken
}

// setRefs records which refs lead to a key, and how many those are in all.
func (gs groups) setRefs(key string, names []string, count int) {
	if g := gs[key]; g != nil {
		g.finding.Refs, g.finding.RefCount = names, count
	}
}

// match keeps what a match says of the key.
func (g *group) match(m *rules.Match) {
	if m.Rule.ID < g.rule.ID {
		g.rule = m.Rule // one key under two rules: the choice must not be chance
	}
	for _, c := range m.Secrets {
		if old, ok := g.secrets[c.Secret]; !ok || c.Score > old.Score {
			g.secrets[c.Secret] = c
		}
	}
	if !m.Key.Secret.IsZero() {
		g.best[m.Key.Secret]++
	}
	if !m.Key.Token.IsZero() {
		g.tokens[m.Key.Token]++
	}
	g.finding.Key.ID = m.Key.ID
	g.finding.Signed = g.finding.Signed && m.Signed
	g.finding.Entropy = max(g.finding.Entropy, m.Entropy)
	g.finding.User = max(g.finding.User, m.User)
	g.finding.Account = max(g.finding.Account, m.Account)
}

// see joins a sighting with others of its place.
func (g *group) see(h hit, p Place, order int32, head *Position) {
	key := placeKey{kind: p.Kind, repo: p.Repository, path: p.Path, member: p.Member, ordinal: h.ordinal}
	if p.Path == "" {
		key.object = p.Object
	}
	switch {
	case p.Kind == WorkTreeFile:
		key.kind = Content
		fallthrough
	case p.Kind == FileName && p.Object.IsZero() && !p.Staged:
		at := p.At
		p.WorkTree = &at
	}
	if head != nil {
		p.Head = head
	}
	old := g.places[key]
	if old == nil {
		g.places[key] = &sighting{Place: p, order: order, versions: map[ObjectID]bool{p.Object: true}}
		return
	}
	old.versions[p.Object] = true
	merged := *old
	if older(&sighting{Place: p, order: order}, old) {
		merged.Place, merged.order = p, order
	}
	merged.Head = cmp.Or(old.Head, p.Head)
	merged.WorkTree = cmp.Or(old.WorkTree, p.WorkTree)
	merged.Staged = old.Staged || p.Staged
	merged.Unreachable = old.Unreachable && p.Unreachable
	*old = merged
}

// older tells whether a stands before b: by commit, those without one last;
// then by what else is fixed.
func older(a, b *sighting) bool {
	return compareSightings(a, b) < 0
}

func compareSightings(a, b *sighting) int {
	return cmp.Or(
		cmp.Compare(uint32(a.order), uint32(b.order)), // -1 is the largest
		cmp.Compare(a.Repository, b.Repository),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.Member, b.Member),
		cmp.Compare(a.At.Offset, b.At.Offset),
		a.Object.Compare(b.Object),
	)
}

// findings gives one Finding a key, in the order of their first places.
func (gs groups) findings() []Finding {
	gs.adopt()
	type ordered struct {
		Finding
		first *sighting
		group string
	}
	var list []ordered
	for _, k := range slices.Sorted(maps.Keys(gs)) {
		g := gs[k]
		places := slices.SortedFunc(maps.Values(g.places), compareSightings)
		f := g.finish(k)
		for _, p := range places {
			delete(p.versions, ObjectID{}) // files as they lie on disk
			p.Place.Versions = len(p.versions)
			f.Places = append(f.Places, p.Place)
		}
		list = append(list, ordered{f, places[0], k})
	}
	slices.SortStableFunc(list, func(a, b ordered) int {
		switch { // a signed request is the least of all findings
		case a.Signed && !b.Signed:
			return 1
		case !a.Signed && b.Signed:
			return -1
		}
		return cmp.Or(compareSightings(a.first, b.first), cmp.Compare(a.group, b.group))
	})
	out := make([]Finding, len(list))
	for i := range list {
		out[i] = list[i].Finding
	}
	return out
}

// finish settles what a key is from all that was seen of it.
func (g *group) finish(k string) Finding {
	f := g.finding
	f.Rule = g.rule
	f.Fingerprint = fingerprint(g.rule.ID, k)
	f.Secrets = slices.SortedFunc(maps.Values(g.secrets), func(a, b rules.Candidate) int {
		ha, hb := a.Secret.Hash(), b.Secret.Hash()
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(g.best[b.Secret], g.best[a.Secret]), bytes.Compare(ha[:], hb[:]))
	})
	// A believed secret goes first, the best of several by score; believed in
	// more versions decides between equals.
	for i, c := range f.Secrets {
		if g.best[c.Secret] > 0 {
			f.Secrets = slices.Insert(slices.Delete(f.Secrets, i, i+1), 0, c)
			break
		}
	}
	f.Key.Secret = most(g.best)
	if len(f.Secrets) > 0 && g.best[f.Secrets[0].Secret] > 0 {
		f.Key.Secret = f.Secrets[0].Secret
	}
	f.Key.Token = most(g.tokens)
	f.Signed = f.Signed && len(f.Secrets) == 0
	if f.Account == "" && f.Key.ID != "" {
		f.Account, _ = rules.Account(f.Key.ID)
	}
	if f.Account != "" {
		f.Canary, _ = rules.Canary(f.Account)
	}
	return f
}

// most gives the secret seen most often; ties go by hash, so that the choice
// is the same every time.
func most(seen map[rules.Secret]int) (best rules.Secret) {
	for s, n := range seen {
		a, b := s.Hash(), best.Hash()
		if best.IsZero() || cmp.Or(cmp.Compare(n, seen[best]), bytes.Compare(b[:], a[:])) > 0 {
			best = s
		}
	}
	return best
}

// adopt gives the places of a secret that was also seen alone to the key it was
// seen with elsewhere, so that one key is one finding.
func (gs groups) adopt() {
	owner := map[rules.Secret]string{}
	for _, k := range slices.Sorted(maps.Keys(gs)) {
		g := gs[k]
		if g.finding.Key.ID == "" {
			continue
		}
		for s := range g.best {
			if owner[s] == "" {
				owner[s] = k
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(gs)) {
		g := gs[k]
		if g.finding.Key.ID != "" || g.rule.Kind != rules.SecretKey {
			continue
		}
		for s := range g.best {
			to := gs[owner[s]]
			if to == nil {
				continue
			}
			for key, p := range g.places {
				// Ordinals of another group: keep them apart.
				key.ordinal = ^key.ordinal
				to.places[key] = p
			}
			to.finding.joinRefs(&g.finding)
			delete(gs, k)
		}
	}
}

// joinRefs adds the refs of another finding.
func (f *Finding) joinRefs(other *Finding) {
	for _, r := range other.Refs {
		if !slices.Contains(f.Refs, r) {
			f.Refs = append(f.Refs, r)
		}
	}
	slices.SortFunc(f.Refs, compareRefs)
	// Which of two long lists overlap beyond what is named is not known.
	f.RefCount = max(f.RefCount, other.RefCount, len(f.Refs))
	f.Refs = f.Refs[:min(len(f.Refs), MaxRefs)]
}
