package rules

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
)

const (
	// MaxSecrets is how many candidates a Match lists.
	MaxSecrets = 8
	// PairScore is the score from which a secret is believed to be an ID's. It
	// is reached by a labelled secret anywhere in the buffer, and by one without
	// a label up to about a kilobyte from the ID.
	PairScore = 40

	baseScore   = 30
	strongScore = 40
	weakScore   = 25
	otherScore  = -25
	// nearScore is for values that touch; it falls by two for each doubling of
	// the distance from 8 bytes on.
	nearScore = 26
	// orderScore is for a secret on the side of its ID where the buffer's first
	// pair has it.
	orderScore = 4
	// rankScore is for the i-th of n secrets and the i-th of n IDs, when the
	// buffer alternates between them or lists first the ones, then the others.
	rankScore = 40
	// formScore is for two values that are encoded in the same way.
	formScore = 6
	// weakReach is how far from its ID a secret may stand that only a weak label
	// names: further away there are other keys in a file.
	weakReach = 4 << 10
	// reach is how many secrets on each side of an ID are looked at, so that a
	// buffer full of both costs linear time.
	reach = 12
)

// pair is one ID and one secret that may belong together, as indices into the
// lists of distinct texts.
type pair struct {
	id, secret int
	hit        int // the occurrence of the secret that scored
	score      int
	gap        int
	after      bool // the secret stands after the ID
}

// pairing matches the IDs of one buffer with its secrets or its tokens.
type pairing struct {
	ids        []idHit
	secrets    []secretHit
	idOf       []int // occurrence → distinct text
	secretOf   []int
	nIDs       int
	nSecrets   int
	idFirst    bool
	ranked     bool
	rankOf     map[int]int // distinct secret → rank among those that are ranked
	best       map[[2]int]pair
	candidates [][]pair // by distinct ID, best first
	chosen     []int    // by distinct ID: distinct secret, or -1
}

func newPairing(ids []idHit, secrets []secretHit) *pairing {
	p := &pairing{ids: ids, secrets: secrets, best: make(map[[2]int]pair)}
	p.idOf, p.nIDs = number(ids, func(h *idHit) string { return h.text })
	p.secretOf, p.nSecrets = number(secrets, func(h *secretHit) string { return string(h.text[:]) })
	p.layout()
	p.collect()
	p.choose()
	return p
}

// number gives equal texts equal numbers, in order of first appearance.
func number[T any](hits []T, text func(*T) string) (of []int, n int) {
	seen := make(map[string]int, len(hits))
	of = make([]int, len(hits))
	for i := range hits {
		t := text(&hits[i])
		k, ok := seen[t]
		if !ok {
			k = len(seen)
			seen[t] = k
		}
		of[i] = k
	}
	return of, len(seen)
}

// layout reads how the buffer arranges its keys: which half comes first, and
// whether the two halves come in equal number and in order. Labelled secrets
// are the better witnesses; but in a list only the first has the label, so all
// secrets are heard where the labelled ones are not as many as the IDs.
func (p *pairing) layout() {
	var first []item
	seen := make(map[int]bool)
	for i := range p.ids {
		if k := p.idOf[i]; !seen[k] {
			seen[k] = true
			first = append(first, item{p.ids[i].start, true})
		}
	}
	p.idFirst = true
	decided := false
	for _, least := range [...]int{weakLabel, noLabel} {
		items := slices.Clone(first)
		p.rankOf = make(map[int]int)
		for i := range p.secrets {
			h, k := &p.secrets[i], p.secretOf[i]
			if _, ok := p.rankOf[k]; ok || h.label.strength < least || h.label.strength == otherLabel {
				continue
			}
			p.rankOf[k] = len(p.rankOf)
			items = append(items, item{h.start, false})
		}
		slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.start, b.start) })
		if !decided && len(p.rankOf) > 0 {
			p.idFirst, decided = items[0].id, true
		}
		if p.ranked = p.nIDs > 1 && len(p.rankOf) == p.nIDs && (alternate(items) || p.twoLists(least)); p.ranked {
			return
		}
	}
}

// item is the first appearance of an ID or a secret.
type item struct {
	start int
	id    bool
}

// alternate tells whether IDs and secrets take turns.
func alternate(items []item) bool {
	for i := 1; i < len(items); i++ {
		if items[i].id == items[i-1].id {
			return false
		}
	}
	return true
}

// twoLists tells whether all IDs stand before all secrets, or behind them: not only
// where each appears first, since a text can name one before it gives the pairs.
func (p *pairing) twoLists(least int) bool {
	firstID, lastID := p.ids[0].start, p.ids[len(p.ids)-1].start
	first, last := -1, -1
	for i := range p.secrets {
		if s := p.secrets[i].label.strength; s < least || s == otherLabel {
			continue
		}
		if first < 0 {
			first = p.secrets[i].start
		}
		last = p.secrets[i].start
	}
	return lastID < first || last < firstID
}

// collect scores each ID with the secrets around it and, where ranks count,
// with the secret of its own rank.
func (p *pairing) collect() {
	var named []int // secrets with a label
	byRank := make([]int, len(p.rankOf))
	for i := len(p.secrets) - 1; i >= 0; i-- {
		if r, ok := p.rankOf[p.secretOf[i]]; ok {
			byRank[r] = i
		}
	}
	for i := range p.secrets {
		if p.secrets[i].label.strength >= weakLabel {
			named = append(named, i)
		}
	}
	for i := range p.ids {
		at := p.ids[i].start
		k, _ := slices.BinarySearchFunc(p.secrets, at, func(h secretHit, at int) int { return cmp.Compare(h.start, at) })
		for j := max(0, k-reach); j < min(len(p.secrets), k+reach); j++ {
			p.score(i, j)
		}
		k, _ = slices.BinarySearchFunc(named, at, func(j, at int) int { return cmp.Compare(p.secrets[j].start, at) })
		for _, j := range named[max(0, k-reach):min(len(named), k+reach)] {
			p.score(i, j)
		}
		if p.ranked {
			p.score(i, byRank[p.idOf[i]])
		}
	}
}

// score keeps the pair of occurrences if it is the best of its two texts.
func (p *pairing) score(i, j int) {
	id, h := &p.ids[i], &p.secrets[j]
	if id.legacy && h.label.strength < weakLabel {
		return
	}
	gap := distance(id.start, id.end, h.start, h.end)
	score := baseScore + max(0, nearScore-2*bits.Len(uint(gap/8)))
	if h.label.strength != weakLabel || gap <= weakReach {
		score += h.label.score()
	}
	if (h.start > id.start) == p.idFirst {
		score += orderScore
	}
	if id.enc != "" && id.enc == h.enc {
		score += formScore
	}
	pr := pair{id: p.idOf[i], secret: p.secretOf[j], hit: j, score: score, gap: gap, after: h.start > id.start}
	if rank, ok := p.rankOf[pr.secret]; ok && p.ranked && rank == pr.id {
		pr.score += rankScore
	}
	key := [2]int{pr.id, pr.secret}
	if old, ok := p.best[key]; !ok || better(pr, old) < 0 {
		p.best[key] = pr
	}
}

// score is what a label adds to a pair.
func (l label) score() int {
	switch l.strength {
	case strongLabel:
		return strongScore
	case weakLabel:
		return weakScore
	case otherLabel:
		return otherScore
	}
	return 0
}

// why names the label.
func (l label) why() string {
	if l.strength > noLabel {
		return "label " + l.name
	}
	return "no label"
}

// better orders pairs: the higher score, then what stands first.
func better(a, b pair) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.gap, b.gap),
		cmp.Compare(a.id, b.id), cmp.Compare(a.secret, b.secret), cmp.Compare(a.hit, b.hit))
}

// choose gives each secret to the ID with the best claim to it.
func (p *pairing) choose() {
	all := make([]pair, 0, len(p.best))
	for _, pr := range p.best {
		all = append(all, pr)
	}
	slices.SortFunc(all, better)
	p.candidates = make([][]pair, p.nIDs)
	p.chosen = slices.Repeat([]int{-1}, p.nIDs)
	taken := make([]bool, p.nSecrets)
	for _, pr := range all {
		p.candidates[pr.id] = append(p.candidates[pr.id], pr)
		if p.chosen[pr.id] < 0 && !taken[pr.secret] && pr.score >= PairScore {
			p.chosen[pr.id], taken[pr.secret] = pr.secret, true
		}
	}
	for id, list := range p.candidates {
		// The chosen one leads the list, even when another ID took a better one.
		slices.SortStableFunc(list, func(a, b pair) int {
			return cmp.Compare(rank(b.secret == p.chosen[id]), rank(a.secret == p.chosen[id]))
		})
		p.candidates[id] = list[:min(len(list), MaxSecrets)]
	}
}

func rank(first bool) int {
	if first {
		return 1
	}
	return 0
}

// why explains a score without quoting the buffer.
func (p *pairing) why(pr pair) string {
	side := "before"
	if pr.after {
		side = "after"
	}
	return fmt.Sprintf("%s, %d bytes %s the ID", p.secrets[pr.hit].label.why(), pr.gap, side)
}
