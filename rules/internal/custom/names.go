package custom

import (
	"errors"
	"regexp/syntax"
	"slices"
	"strings"
)

// Rules with a path and no expression find files by name. Names come one at a
// time, without the directories they stand in, from the trees of a history; which
// of them such a rule may be about is told by their end. Whether it is, the whole
// path tells, which is known later: see Place.

// nameTest is what a name must hold to be looked at.
type nameTest struct{ texts []string }

func newNameTest(path string) (*nameTest, *Error) {
	tree, err := syntax.Parse(path, syntax.Perl)
	if err != nil {
		return nil, regexError("path", path, err)
	}
	var d dissector
	// That a k in whatever case may be a Kelvin sign is left aside here.
	t := &nameTest{texts: d.tails(tree)}
	if len(t.texts) == 0 {
		return nil, &Error{Field: "path", Err: errors.New(
			`without a regex, the rule is about names, and this does not say how a name ends, as \.pem$ does`)}
	}
	return t, nil
}

// tails gives texts of which one stands in the last part of each path that
// matches and of which no directory above does. It reads an expression from its
// end, up to where a slash may be.
func (d *dissector) tails(re *syntax.Regexp) (best []string) {
	switch re.Op {
	case syntax.OpCapture:
		return d.tails(re.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			t := d.tails(sub)
			if len(t) == 0 {
				return nil
			}
			best = union(best, t)
		}
		return best
	}
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	consider := func(set []string) {
		if shortest(set) > shortest(best) {
			best = set
		}
	}
	run := []string{""}
	for _, sub := range slices.Backward(parts) {
		l := d.literals(sub)
		next, fits := []string(nil), false
		if l.ok {
			next, fits = product(l.exact, run)
		}
		switch {
		case fits && slices.ContainsFunc(next, hasSlash):
			for i, t := range next {
				next[i] = t[strings.LastIndexByte(t, '/')+1:]
			}
			consider(next)
			return best
		case fits:
			run = next
			continue
		}
		consider(run)
		if re.Op == syntax.OpConcat {
			consider(d.tails(sub))
		}
		if mayHaveSlash(sub) {
			return best
		}
		if need := l.best(); !slices.ContainsFunc(need, hasSlash) {
			consider(need)
		}
		run = []string{""}
	}
	consider(run)
	return best
}

func hasSlash(s string) bool { return strings.Contains(s, "/") }

// mayHaveSlash tells whether a match can hold a slash.
func mayHaveSlash(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpLiteral:
		return slices.Contains(re.Rune, '/')
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if re.Rune[i] <= '/' && '/' <= re.Rune[i+1] {
				return true
			}
		}
	}
	return slices.ContainsFunc(re.Sub, mayHaveSlash)
}

// Names tells whether some rule finds files by their names.
func (e *Engine) Names() bool { return e.named }

// WantsName tells whether a rule may be about a file or directory of that name.
func (e *Engine) WantsName(name []byte) bool {
	for _, r := range e.rules {
		if r.name != nil && r.name.fits(name) {
			return true
		}
	}
	return false
}

func (t *nameTest) fits(name []byte) bool {
	for _, text := range t.texts {
		for at := 0; at+len(text) <= len(name); at++ {
			if foldPrefix(name[at:], text) {
				return true
			}
		}
	}
	return false
}

// LookName appends a Hit for each rule that may be about the name data[start:end].
// All have a Place: the path decides.
func (e *Engine) LookName(dst []Hit, data []byte, start, end int) []Hit {
	for i, r := range e.rules {
		if r.name == nil || r.helper || !r.name.fits(data[start:end]) {
			continue
		}
		p := &Place{path: r.path}
		for _, a := range r.allow {
			// A name has no value: lists that ask for one do not speak of it.
			if a.placed() && !(a.all && len(a.regexes)+len(a.stop) > 0) {
				p.allow = append(p.allow, a)
			}
		}
		dst = append(dst, Hit{Rule: i, Start: start, End: end, Place: p})
	}
	return dst
}
