package rules

import (
	"bytes"
	"fmt"
	"sync"
)

// Set is a compiled rule file. It does not change, and any number of
// goroutines may use it at once.
type Set struct {
	rules   []*Rule
	version string

	// The rules with a shape; nil when the file has none.
	keyID, secret, token, smtp, git *Rule
	searched                        []*Rule   // rules whose literals are searched for
	inRun                           []*Rule   // rules whose literals begin a long run, or end before one
	runFirst, runLast               [256]bool // the first and last bytes of those literals
	finders                         sync.Pool

	custom *customRules // nil without rules of files
}

// Rules are the rules in the order of the file. The caller must not write to
// them.
func (s *Set) Rules() []*Rule { return s.rules }

// Version identifies the rules together with the code that reads them: equal
// versions find the same in the same bytes.
func (s *Set) Version() string { return s.version }

// Span is the longest span of the set's rules: a value and what decides on it,
// pairs left aside, fit in that many bytes.
func (s *Set) Span() int {
	span := 0
	for _, r := range s.rules {
		span = max(span, r.Span)
	}
	return span
}

// Find appends the matches in data to dst, sorted by Start, and returns it. It
// keeps no part of data. The same data gives the same matches, and it allocates
// nothing where there are none.
func (s *Set) Find(dst []Match, data []byte) []Match {
	first := len(dst)
	dst = s.find(dst, data, maxDepth)
	if s.custom != nil {
		dst, _ = s.custom.find(dst, first, data)
	}
	return dst
}

func (s *Set) find(dst []Match, data []byte, depth int) []Match {
	f := s.finder(data, depth)
	defer f.release()
	f.scan()
	if !f.found() {
		return dst
	}
	return f.appendMatches(dst)
}

// appendMatches is the second stage, sorted.
func (f *finder) appendMatches(dst []Match) []Match {
	if len(f.ids) > 0 {
		f.join() // the secret of one may stand in pieces
	}
	first := len(dst)
	dst = f.matches(dst)
	sortMatches(dst[first:])
	return dst
}

func (s *Set) add(rule *Rule) error {
	for _, r := range s.rules {
		if r.ID == rule.ID {
			return fmt.Errorf("id stands twice")
		}
	}
	slot := map[string]**Rule{
		"key-id": &s.keyID, "secret-key": &s.secret, "session-token": &s.token,
		"smtp-password": &s.smtp, "git-password": &s.git,
	}[rule.spec.Shape]
	switch {
	case slot == nil && rule.spec.InRun:
		s.inRun = append(s.inRun, rule)
		for _, lit := range rule.text.literals {
			text := lit.Text()
			s.runFirst[text[0]], s.runLast[text[len(text)-1]] = true, true
		}
	case slot == nil:
		s.searched = append(s.searched, rule)
	case *slot != nil:
		return fmt.Errorf("shape %q stands twice", rule.spec.Shape)
	default:
		*slot = rule
	}
	s.rules = append(s.rules, rule)
	return nil
}

// scan is the first stage: it walks the anchors and keeps what passes the exact
// test of its own bytes and their neighbours.
func (f *finder) scan() {
	f.scanRuns()
	f.scanPrefixes()
	for _, rule := range f.set.searched {
		for _, lit := range rule.text.literals {
			for at := lit.Next(f.data, 0); at >= 0; at = lit.Next(f.data, at) {
				f.mark = f.mark || rule.wide()
				at = max(at+1, f.textMatch(rule, at))
			}
		}
	}
	// Those written out come first: which of several IDs was first decides where
	// nothing else does.
	f.ids = append(f.ids, f.encoded...)
	if f.inPieces {
		f.join()
	}
}

// scanRuns looks at the long runs of the buffer.
func (f *finder) scanRuns() {
	for f.runs.Start(anchors, f.data); ; {
		class, start, end := f.runs.Next()
		switch class {
		case idClass:
			switch {
			case f.set.keyID == nil:
			case end-start >= keyIDLen:
				f.scanID(start, end)
			default:
				f.scanTail(start, end)
			}
		case longClass:
			f.scanLong(start, end)
		default:
			return
		}
	}
}

// scanPrefixes looks for key IDs that are no run of their own: in UTF-16, and in
// pieces.
func (f *finder) scanPrefixes() {
	if f.set.keyID == nil {
		return
	}
	f.scanMarked()
	for at := prefixEnds.Next(f.data, 0); at >= 0; at = prefixEnds.Next(f.data, at+1) {
		f.scanPiece(at)
		f.scanWide(at)
	}
}

// textMatch tries a rule's expression at data[at:] and returns the end of what
// it found, or at.
func (f *finder) textMatch(rule *Rule, at int) int {
	t := &rule.text
	if at > 0 && t.notBefore[f.data[at-1]] {
		return at
	}
	window := f.data[at:min(len(f.data), at+rule.Span)]
	loc := t.re().FindIndex(window)
	if loc == nil || loc[1] < rule.MinLen {
		return at
	}
	end := at + loc[1]
	if end < len(f.data) && t.notEnd[f.data[end]] {
		return at
	}
	text := f.data[at:end]
	if len(rule.spec.Near) > 0 && !near(f.data, at, end, rule.spec.Near) {
		return at
	}
	h := entropy(text)
	if h < rule.spec.MinEntropy || rule.spec.stopped(text) || madeUp(text) {
		return at
	}
	f.ready = append(f.ready, Match{
		Rule: rule, Start: at, End: end, Key: Key{Secret: NewSecret(string(text))}, Entropy: h,
	})
	return end
}

// madeUp tells whether a value ends in one character over and over, as the
// xxxxxxxx and 00000000 of documents do.
func madeUp(text []byte) bool {
	const tail = 8
	return len(text) >= tail && bytes.Count(text[len(text)-tail:], text[len(text)-1:]) == tail
}
