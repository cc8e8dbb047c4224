package custom

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Target is what of a match the expressions of an allow list look at.
type Target uint8

// The targets: the value, all of the match, the lines it stands on.
const (
	Value Target = iota
	Whole
	Line
)

// Allow says which matches are not reported: where one of its conditions holds
// or, with All, all that it has.
type Allow struct {
	All       bool
	Commits   []string // full names
	Paths     []string // expressions
	Regexes   []string
	Target    Target
	StopWords []string // in a value, in whatever case
}

// maxLine bounds how far beside a match its line is looked at: some files are one
// line.
const maxLine = 4 << 10

type allow struct {
	all     bool
	commits map[string]bool
	paths   []*regexp.Regexp
	regexes []*regexp.Regexp
	target  Target
	stop    []string
}

// allow compiles an allow list.
func (e *Engine) allow(s *Allow) (*allow, *Error) {
	a := &allow{all: s.All, target: s.Target}
	if len(s.Commits)+len(s.Paths)+len(s.Regexes)+len(s.StopWords) == 0 {
		return nil, &Error{Err: errors.New("has no condition: it needs commits, paths, expressions or stop words")}
	}
	for _, c := range s.Commits {
		if c = strings.ToLower(strings.TrimSpace(c)); c == "" {
			return nil, &Error{Field: "commits", Err: errors.New("is empty")}
		}
		if a.commits == nil {
			a.commits = map[string]bool{}
		}
		a.commits[c] = true
	}
	for _, l := range []struct {
		field string
		from  []string
		to    *[]*regexp.Regexp
	}{{"paths", s.Paths, &a.paths}, {"regexes", s.Regexes, &a.regexes}} {
		for i, text := range l.from {
			re, _, err := e.regex(l.field, text)
			if err != nil {
				err.Err = fmt.Errorf("expression %d: %w", i+1, err.Err)
				return nil, err
			}
			*l.to = append(*l.to, re)
		}
	}
	for _, w := range s.StopWords {
		if w == "" {
			return nil, &Error{Field: "stopwords", Err: errors.New("is empty: every value holds that")}
		}
		a.stop = append(a.stop, strings.ToLower(w))
	}
	return a, nil
}

// placed tells whether the list depends on where a match stands.
func (a *allow) placed() bool { return len(a.commits)+len(a.paths) > 0 }

// judge looks at the bytes of a match. What it says is final when the list does
// not depend on the place; else it may be for the place to say.
func (a *allow) judge(data []byte, h *Hit) (allowed, pending bool) {
	texts := len(a.regexes) > 0 && matchesAny(a.regexes, a.text(data, h))
	stopped := false
	if len(a.stop) > 0 {
		value := strings.ToLower(string(h.text(data)))
		for _, w := range a.stop {
			stopped = stopped || strings.Contains(value, w)
		}
	}
	if !a.all {
		return texts || stopped, a.placed()
	}
	if len(a.regexes) > 0 && !texts || len(a.stop) > 0 && !stopped {
		return false, false
	}
	return !a.placed(), a.placed()
}

// text is what the expressions look at.
func (a *allow) text(data []byte, h *Hit) []byte {
	switch a.target {
	case Whole:
		return data[h.from:h.to]
	case Line:
		from, to := h.from, h.to
		for from > 0 && h.from-from < maxLine && data[from-1] != '\n' {
			from--
		}
		for to < len(data) && to-h.to < maxLine && data[to] != '\n' {
			to++
		}
		return data[from:to]
	}
	return h.text(data)
}

// text is the value.
func (h *Hit) text(data []byte) []byte {
	if h.value != "" {
		return []byte(h.value)
	}
	return data[h.Start:h.End]
}

// at tells whether the list allows what stands at a place, its other conditions
// being met.
func (a *allow) at(path, commit string) bool {
	inPath := path != "" && len(a.paths) > 0 && matchesAnyString(a.paths, path)
	inCommit := commit != "" && a.commits[commit]
	if !a.all {
		return inPath || inCommit
	}
	return (len(a.paths) == 0 || inPath) && (len(a.commits) == 0 || inCommit)
}

func matchesAny(list []*regexp.Regexp, text []byte) bool {
	for _, re := range list {
		if re.Match(text) {
			return true
		}
	}
	return false
}

func matchesAnyString(list []*regexp.Regexp, text string) bool {
	for _, re := range list {
		if re.MatchString(text) {
			return true
		}
	}
	return false
}

// Place is what about a Hit depends on where it stands. A nil one depends on
// nothing.
type Place struct {
	path  *regexp.Regexp
	allow []*allow
	// needs are the neighbours that only count at some places, one list for each
	// that is required.
	needs [][]*Place
}

// Wanted tells whether what stands at path, as commit brought it in, is to be
// reported. Both may be empty.
func (p *Place) Wanted(path, commit string) bool {
	if p == nil {
		return true
	}
	if p.path != nil && !p.path.MatchString(path) {
		return false
	}
	for _, a := range p.allow {
		if a.at(path, commit) {
			return false
		}
	}
	for _, some := range p.needs {
		met := false
		for _, n := range some {
			met = met || n.Wanted(path, commit)
		}
		if !met {
			return false
		}
	}
	return true
}

// Judge tells whether the value data[start:end], which none of the rules found,
// is allowed by lists wherever it stands; if not, place says where it is, nil for
// nowhere.
//
// value is what the bytes mean, if that is known and something else.
func (e *Engine) Judge(lists []int, data []byte, start, end int, value string) (allowed bool, place *Place) {
	h := &Hit{Start: start, End: end, from: start, to: end, value: value}
	pending, allowed := pendingOf(e.pick(lists), data, h)
	if allowed || len(pending) == 0 {
		return allowed, nil
	}
	return false, &Place{allow: pending}
}

func (e *Engine) pick(lists []int) []*allow {
	picked := make([]*allow, len(lists))
	for i, n := range lists {
		picked[i] = e.lists[n]
	}
	return picked
}

// pendingOf are the lists that the place decides on.
func pendingOf(lists []*allow, data []byte, h *Hit) (pending []*allow, allowed bool) {
	for _, a := range lists {
		ok, later := a.judge(data, h)
		if ok {
			return nil, true
		}
		if later {
			pending = append(pending, a)
		}
	}
	return pending, false
}
