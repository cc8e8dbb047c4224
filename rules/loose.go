package rules

import "bytes"

// looseScore is what a secret without a label among other things loses: too much
// for a pair to be believed.
const looseScore = 15

// Loose appends what may be a secret key in data, for a key ID that stands in
// another buffer. Scores are as in Match.Secrets, without what nearness adds to
// them: that, and that there is no better one, is for the caller to see.
func (s *Set) Loose(dst []Candidate, data []byte) []Candidate {
	if s.secret == nil {
		return dst
	}
	f := s.finder(data, maxDepth)
	defer f.release()
	f.scan()
	f.join()
	for i := range f.secrets {
		h := &f.secrets[i]
		if foreign(data, h.start, h.end) {
			continue
		}
		score, why := baseScore+h.label.score(), h.label.why()
		switch {
		case h.label.strength > noLabel:
		case len(bytes.TrimSpace(data)) == h.end-h.start:
			why += ", but nothing else stands there"
		default:
			score -= looseScore
		}
		dst = append(dst, Candidate{
			Secret: NewSecret(string(h.text[:])), Start: h.start, End: h.end, Encoding: h.enc, Entropy: h.entropy,
			Score: score, Why: why,
		})
	}
	return dst
}
