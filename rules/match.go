package rules

import (
	"cmp"
	"crypto/sha256"
	"slices"
)

// matches is the second stage: it pairs what the first kept and appends the
// matches to dst.
func (f *finder) matches(dst []Match) []Match {
	f.dropUnnamed()
	slices.SortStableFunc(f.ids, func(a, b idHit) int { return cmp.Compare(a.start, b.start) })
	slices.SortStableFunc(f.secrets, func(a, b secretHit) int { return cmp.Compare(a.start, b.start) })
	slices.SortStableFunc(f.tokens, func(a, b tokenHit) int { return cmp.Compare(a.start, b.start) })
	for i := range f.ready {
		nameOwner(&f.ready[i])
	}
	dst = append(dst, f.ready...)
	dst = f.appendSMTP(dst)
	p := newPairing(f.ids, f.secrets)
	dst = f.appendKeys(dst, p)
	return f.appendLone(dst, p)
}

// dropUnnamed forgets the secrets without a label when there is no ID they
// could belong to.
func (f *finder) dropUnnamed() {
	if len(f.ids) > 0 {
		return
	}
	f.secrets = slices.DeleteFunc(f.secrets, func(h secretHit) bool { return h.label.strength < strongLabel })
}

// appendKeys appends a match for each ID, with the secret chosen for it and
// the session token that belongs to it.
func (f *finder) appendKeys(dst []Match, p *pairing) []Match {
	tokens := f.pairTokens()
	for i := range f.ids {
		id := &f.ids[i]
		k := p.idOf[i]
		if id.legacy && p.chosen[k] < 0 {
			continue
		}
		m := Match{
			Rule: f.set.keyID, Start: id.start, End: id.end, Key: Key{ID: id.text},
			Entropy: entropy([]byte(id.text)), Encoding: id.enc,
		}
		m.Account, _ = Account(id.text)
		for _, pr := range p.candidates[k] {
			h := &p.secrets[pr.hit]
			m.Secrets = append(m.Secrets, Candidate{
				Secret: NewSecret(string(h.text[:])), Start: h.start, End: h.end,
				Encoding: h.enc, Entropy: h.entropy, Score: pr.score, Why: p.why(pr),
			})
		}
		if p.chosen[k] >= 0 {
			m.Key.Secret, m.Entropy = m.Secrets[0].Secret, m.Secrets[0].Entropy
		}
		m.Signed = len(m.Secrets) == 0 && signed(f.data, id.start, id.end)
		if t, ok := tokens[id.text]; ok {
			m.Key.Token = NewSecret(t.text)
			m.TokenStart, m.TokenEnd = t.start, t.end
		}
		dst = append(dst, m)
	}
	return dst
}

// appendLone appends the secrets that a label names and no ID took, and the
// tokens that belong to no ID. What another service's ID took is no key of AWS.
func (f *finder) appendLone(dst []Match, p *pairing) []Match {
	given := make(map[int]bool)
	for _, k := range p.chosen {
		given[k] = true
	}
	for i := range f.secrets {
		h := &f.secrets[i]
		if given[p.secretOf[i]] || h.label.strength < strongLabel || foreign(f.data, h.start, h.end) {
			continue
		}
		dst = append(dst, Match{
			Rule: f.set.secret, Start: h.start, End: h.end,
			Key: Key{Secret: NewSecret(string(h.text[:]))}, Entropy: h.entropy, Encoding: h.enc,
		})
	}
	for i := range f.tokens {
		if t := &f.tokens[i]; !t.paired && !foreign(f.data, t.start, t.end) {
			dst = append(dst, Match{
				Rule: f.set.token, Start: t.start, End: t.end, Key: Key{Token: NewSecret(t.text)},
				Entropy: t.entropy, TokenStart: t.start, TokenEnd: t.end, Encoding: t.enc,
			})
		}
	}
	return dst
}

// pairTokens gives session tokens to the temporary keys they belong to, by the
// same reading of the buffer that secrets are paired by.
func (f *finder) pairTokens() map[string]*tokenHit {
	var ids []idHit
	for _, id := range f.ids {
		if id.text[:2] == "AS" {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 || len(f.tokens) == 0 {
		return nil
	}
	// A token is as long as it likes; for the pairing its hash stands for it.
	tokens := make([]secretHit, len(f.tokens))
	for i := range f.tokens {
		t := &f.tokens[i]
		sum := sha256.Sum256([]byte(t.text))
		tokens[i] = secretHit{start: t.start, end: t.end, label: label{strength: strongLabel}}
		copy(tokens[i].text[:], sum[:])
	}
	p := newPairing(ids, tokens)
	given := make(map[string]*tokenHit)
	for i := range ids {
		if k := p.chosen[p.idOf[i]]; k >= 0 && given[ids[i].text] == nil {
			given[ids[i].text] = &f.tokens[p.candidates[p.idOf[i]][0].hit]
		}
	}
	taken := make(map[int]bool)
	for _, k := range p.chosen {
		taken[k] = true
	}
	for i := range f.tokens {
		f.tokens[i].paired = taken[p.secretOf[i]]
	}
	return given
}
