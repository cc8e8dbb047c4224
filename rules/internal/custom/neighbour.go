package custom

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// neighbours takes out the hits from first on that lack a neighbour their rule
// requires.
func (s *state) neighbours(hits []Hit, first int, r *rule) []Hit {
	list := hits[first:]
	byPlace(s.data, list)
	kept := list[:0]
	for i := range list {
		h := list[i]
		ok := true
		for k := range r.require {
			q := &r.require[k]
			met, places := q.met(&h, s.help(q.rule))
			if ok = met; !ok {
				break
			}
			if len(places) > 0 {
				p := Place{}
				if h.Place != nil {
					p = *h.Place
				}
				p.needs = append(p.needs[:len(p.needs):len(p.needs)], places)
				h.Place = &p
			}
		}
		if ok {
			kept = append(kept, h)
		}
	}
	return hits[:first+len(kept)]
}

// help gives the matches of a rule that others require; what it requires itself
// does not count.
func (s *state) help(i int) []Hit {
	list, ok := s.helped[i]
	if !ok {
		list, _ = s.run(nil, i)
		byPlace(s.data, list)
		if s.helped == nil {
			s.helped = map[int][]Hit{}
		}
		s.helped[i] = list
	}
	return list
}

// byPlace sorts hits by where their match begins, and finds the lines.
func byPlace(data []byte, hits []Hit) {
	slices.SortStableFunc(hits, func(a, b Hit) int { return cmp.Compare(a.from, b.from) })
	line, at, start := 0, 0, 0
	for i := range hits {
		passed := data[at:hits[i].from]
		if n := bytes.Count(passed, []byte{'\n'}); n > 0 {
			line += n
			start = at + bytes.LastIndexByte(passed, '\n') + 1
		}
		at = hits[i].from
		hits[i].line, hits[i].col = line, at-start
	}
}

// met tells whether some of the list, which is sorted, is near enough; places
// are what that depends on, if it does.
func (q *require) met(h *Hit, list []Hit) (met bool, places []*Place) {
	i := 0
	switch {
	case q.lines >= 0:
		i, _ = slices.BinarySearchFunc(list, h.line-q.lines, func(x Hit, line int) int { return cmp.Compare(x.line, line) })
	case q.bytes >= 0: // what begins before may end near; it is at most that long
		i, _ = slices.BinarySearchFunc(list, h.from-q.bytes-maxReach, func(x Hit, at int) int { return cmp.Compare(x.from, at) })
	}
	for n := 0; i < len(list); i, n = i+1, n+1 {
		x := &list[i]
		if q.lines >= 0 && x.line > h.line+q.lines || q.bytes >= 0 && x.from > h.to+q.bytes {
			break
		}
		if n == maxNeighbours {
			return true, nil
		}
		gap := max(0, x.from-h.to, h.from-x.to)
		if q.columns >= 0 && abs(x.col-h.col) > q.columns || q.bytes >= 0 && gap > q.bytes {
			continue
		}
		if x.Place == nil {
			return true, nil
		}
		places = append(places, x.Place)
	}
	return len(places) > 0, places
}

func abs(n int) int { return max(n, -n) }

// maxBeside is how far beside a match, and among how many others, a more exact
// rule is looked for.
const maxBeside = 64

// withoutGeneric takes out what a rule with "generic" in its name found where
// another rule found the same on the same line, or more: that one knows better
// what it is.
func (s *state) withoutGeneric(hits []Hit, first int) []Hit {
	list := hits[first:]
	if !slices.ContainsFunc(list, s.generic) {
		return hits
	}
	slices.SortStableFunc(list, func(a, b Hit) int { return cmp.Compare(a.Start, b.Start) })
	drop := make([]bool, len(list))
	for i := range list {
		for d := 1; d <= maxBeside && !drop[i] && s.generic(list[i]); d++ {
			drop[i] = i-d >= 0 && s.better(&list[i-d], &list[i]) || i+d < len(list) && s.better(&list[i+d], &list[i])
		}
	}
	kept := list[:0]
	for i, d := range drop {
		if !d {
			kept = append(kept, list[i])
		}
	}
	return hits[:first+len(kept)]
}

func (s *state) generic(h Hit) bool {
	return strings.Contains(strings.ToLower(s.e.rules[h.Rule].id), "generic")
}

// better tells whether a is of a more exact rule than b, and says the same. Where
// a may yet be allowed for its place, and b may not, both stay.
func (s *state) better(a, b *Hit) bool {
	if s.generic(*a) || !samePlace(a.Place, b.Place) {
		return false
	}
	lo, hi := min(a.from, b.from), max(a.from, b.from)
	if hi-lo > maxLine || bytes.IndexByte(s.data[lo:hi], '\n') >= 0 {
		return false
	}
	return bytes.Contains(s.data[a.Start:a.End], s.data[b.Start:b.End])
}

// samePlace tells whether a is wanted wherever b is.
func samePlace(a, b *Place) bool {
	switch {
	case a == nil:
		return true
	case b == nil || a.path != nil && a.path != b.path || len(a.needs) > 0:
		return false
	}
	for _, x := range a.allow {
		if !slices.Contains(b.allow, x) {
			return false
		}
	}
	return true
}
