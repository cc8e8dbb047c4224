package rules

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
		dst = append(dst, Candidate{
			Secret: NewSecret(string(h.text[:])), Start: h.start, End: h.end, Encoding: h.enc, Entropy: h.entropy,
			Score: baseScore + h.label.score(), Why: h.label.why(),
		})
	}
	return dst
}
