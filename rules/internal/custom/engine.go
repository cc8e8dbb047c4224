package custom

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxValue is how much of a value is kept: what is longer is known by its
	// beginning.
	maxValue = 64 << 10
	// maxHits bounds the matches of one rule in one run of bytes. A repository
	// can be full of them, and each is kept until the end of the scan.
	maxHits = 1 << 16
	// maxNeighbours bounds how many matches a neighbour is looked for among; one
	// with more of them around has one for sure.
	maxNeighbours = 1 << 12
)

// Hit is a value that a rule found, at data[Start:End].
type Hit struct {
	Rule       int // of those given to New
	Start, End int
	Entropy    float64
	// Place is what about it depends on where it stands, or nil.
	Place *Place
	// Cut tells that the rule has more matches in these bytes than are looked at.
	Cut bool

	from, to  int // the match
	line, col int
	value     string // if the bytes mean something else
}

// state is one run over some bytes.
type state struct {
	e     *Engine
	data  []byte
	seen  []bool // texts
	touch []int  // those that were
	// spans are what rules look at around their anchors.
	spans  [][]span
	around []int // rules that have some
	helped map[int][]Hit
	// probed is what the tests of a rule cost so far, in bytes times steps, and
	// probing are the rules that it is not 0 of.
	probed  []int
	probing []int
	note    func(text, at int) bool // see, and put, bound once
	place   func(text, at int) bool
}

type span struct{ start, end int }

func (e *Engine) state(data []byte) *state {
	s, _ := e.scratch.Get().(*state)
	if s == nil {
		s = &state{e: e, seen: make([]bool, len(e.texts.texts)), spans: make([][]span, len(e.rules)), probed: make([]int, len(e.rules))}
		s.note, s.place = s.see, s.put
	}
	s.data = data
	s.e.odd.each(data, s.place)
	mixed := len(s.around) > 0
	s.e.texts.each(data, s.note)
	if mixed {
		s.tidy()
	}
	return s
}

func (s *state) release() {
	const maxKept = 1 << 10
	for _, n := range s.touch {
		s.seen[n] = false
	}
	for _, i := range s.around {
		if s.spans[i] = s.spans[i][:0]; cap(s.spans[i]) > maxKept {
			s.spans[i] = nil
		}
	}
	for _, i := range s.probing {
		s.probed[i] = 0
	}
	s.probing = s.probing[:0]
	s.data, s.helped, s.touch, s.around = nil, nil, s.touch[:0], s.around[:0]
	s.e.scratch.Put(s)
}

// see notes that a text stands at a place.
func (s *state) see(text, at int) bool {
	if !s.seen[text] {
		s.seen[text] = true
		s.touch = append(s.touch, text)
	}
	return s.put(text, at)
}

// put widens the spans of the rules that a text is an anchor of, where what
// stands at a place passes their tests.
func (s *state) put(text, at int) bool {
	for _, i := range s.e.anchorOf[text] {
		r := s.e.rules[i]
		reach, gap := r.reach+pad, 0
		if r.reach == unbounded {
			reach, gap = 0, near // lines are counted later
		}
		p := span{max(0, at-reach), min(len(s.data), at+reach)}
		if r.leads() {
			p.start = max(0, at-r.test.before-pad)
		}
		list := s.spans[i]
		var last span
		if n := len(list); n > 0 {
			last = list[n-1]
		}
		covered := len(list) > 0 && gap == 0 && p.start >= last.start && p.end <= last.end
		if covered || !s.passes(i, at) {
			continue
		}
		switch {
		case len(list) == 0:
			s.around = append(s.around, i)
			s.spans[i] = append(list, p)
		case p.start >= last.start && p.start <= last.end+gap:
			list[len(list)-1].end = max(last.end, p.end)
		default:
			s.spans[i] = append(list, p)
		}
	}
	return true
}

// leads tells whether it is known how far before its anchor a match begins.
func (r *rule) leads() bool { return r.test != nil && r.test.before < maxBytes }

// tidy sorts spans and joins those that touch.
func (s *state) tidy() {
	for _, i := range s.around {
		list := s.spans[i]
		slices.SortFunc(list, func(a, b span) int { return cmp.Compare(a.start, b.start) })
		kept := list[:1]
		for _, p := range list[1:] {
			if last := &kept[len(kept)-1]; p.start <= last.end {
				last.end = max(last.end, p.end)
			} else {
				kept = append(kept, p)
			}
		}
		s.spans[i] = kept
	}
}

func (s *state) any(texts []int) bool {
	for _, n := range texts {
		if s.seen[n] {
			return true
		}
	}
	return false
}

// where gives the parts of the data that a rule's expression has to look at.
func (s *state) where(i int) []span {
	r := s.e.rules[i]
	switch {
	case len(r.anchors) == 0:
		return []span{{0, len(s.data)}}
	case r.reach != unbounded:
		return s.spans[i]
	case len(s.spans[i]) == 0:
		return nil
	case r.lines != unbounded:
		return lineSpans(s.data, s.spans[i], r.lines, !r.leads())
	}
	return []span{{0, len(s.data)}}
}

// Look appends what the rules find in data to dst, in no order, and tells whether
// something in it is a mark: a place that each match of a rule has, and that few
// bytes decide on.
func (e *Engine) Look(dst []Hit, data []byte) (hits []Hit, marked bool) {
	s := e.state(data)
	defer s.release()
	first := len(dst)
	for i, r := range e.rules {
		if r.helper || r.re == nil {
			continue
		}
		before := len(dst)
		var m bool
		dst, m = s.run(dst, i)
		marked = marked || m
		if len(dst) > before && len(r.require) > 0 {
			dst = s.neighbours(dst, before, r)
		}
	}
	return s.withoutGeneric(dst, first), marked
}

// Marked tells whether something in data is a mark.
func (e *Engine) Marked(data []byte) bool {
	s := e.state(data)
	defer s.release()
	for i, r := range e.rules {
		if r.helper || r.re == nil {
			continue
		}
		switch r.gate {
		case byNothing:
			return true
		case byKeyword:
			if s.any(r.keywords) {
				return true
			}
		case byAnchor:
			if len(s.spans[i]) > 0 {
				return true
			}
		case byMatch:
			for _, p := range s.where(i) {
				if r.re.Match(data[p.start:p.end]) {
					return true
				}
			}
		}
	}
	return false
}

// run looks for one rule, without its neighbours.
func (s *state) run(dst []Hit, i int) (hits []Hit, marked bool) {
	r := s.e.rules[i]
	wanted := len(r.keywords) == 0 || s.any(r.keywords)
	switch r.gate {
	case byNothing:
		marked = true
	case byKeyword:
		if marked = wanted; !wanted {
			return dst, false
		}
	case byAnchor:
		if marked = len(s.spans[i]) > 0; !marked {
			return dst, false
		}
	}
	if wanted && len(r.words) > 0 {
		low := bytes.ToLower(s.data)
		wanted = slices.ContainsFunc(r.words, func(w string) bool { return bytes.Contains(low, []byte(w)) })
	}
	if !wanted && r.gate != byMatch {
		return dst, marked
	}
	first := len(dst)
	for _, p := range s.where(i) {
		eachMatch(r.re, s.data, p, func(loc []int) bool {
			marked = true
			if !wanted {
				return false
			}
			h, ok := r.hit(s.data, loc)
			if !ok {
				return true
			}
			h.Rule = i
			dst = append(dst, h)
			if len(dst)-first == maxHits {
				dst[len(dst)-1].Cut = true
				return false
			}
			return true
		})
		if len(dst)-first == maxHits {
			break
		}
	}
	return dst, marked
}

// eachMatch calls yield for the matches of re in data[p.start:p.end], as
// FindAllSubmatchIndex has them but some thousands at a time: all could take more
// memory than the data.
func eachMatch(re *regexp.Regexp, data []byte, p span, yield func(loc []int) bool) {
	const some = 1 << 12
	if !re.Match(data[p.start:p.end]) {
		return
	}
	base, from := p.start, p.start
	for {
		list := re.FindAllSubmatchIndex(data[base:p.end], some)
		if base < from && len(list) > 0 && base+list[0][0] < from {
			// What precedes was only to be looked back at.
			base = from
			continue
		}
		for _, loc := range list {
			for k := range loc {
				if loc[k] >= 0 {
					loc[k] += base
				}
			}
			if !yield(loc) {
				return
			}
		}
		if len(list) < some {
			return
		}
		from = list[some-1][1]
		if from == list[some-1][0] {
			from++
		}
		if from > p.end {
			return
		}
		base = max(p.start, from-utf8.UTFMax)
	}
}

// hit makes a Hit of a match, unless entropy or an allow list is against it.
func (r *rule) hit(data []byte, loc []int) (h Hit, ok bool) {
	h.from, h.to = loc[0], loc[1]
	for h.from < h.to && data[h.from] == '\n' {
		h.from++
	}
	for h.from < h.to && data[h.to-1] == '\n' {
		h.to--
	}
	if h.Start, h.End = r.value(&h, loc); h.Start == h.End {
		return h, false
	}
	h.End = min(h.End, h.Start+maxValue)
	if r.literals != nil && !slices.ContainsFunc(r.literals, func(l string) bool {
		return strings.Contains(asciiLower(string(data[h.from:h.to])), l)
	}) {
		return h, false
	}
	h.Entropy = Entropy(data[h.Start:h.End])
	if r.entropy != 0 && h.Entropy <= r.entropy {
		return h, false
	}
	pending, allowed := pendingOf(r.allow, data, &h)
	if allowed {
		return h, false
	}
	if r.path != nil || len(pending) > 0 {
		h.Place = &Place{path: r.path, allow: pending}
	}
	return h, true
}

// value is the group that the rule names or, if it names none, the first that has
// something in it. A match without either is the value itself.
func (r *rule) value(h *Hit, loc []int) (start, end int) {
	for g := 1; 2*g < len(loc); g++ {
		if r.group > 0 && g != r.group {
			continue
		}
		if loc[2*g] >= 0 && loc[2*g] < loc[2*g+1] {
			return loc[2*g], loc[2*g+1]
		}
	}
	return h.from, h.to
}
