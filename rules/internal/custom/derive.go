package custom

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

const (
	// minAnchor is the shortest literal that is worth searching for. Two bytes
	// stand on every page, and still it is cheaper to test what follows them there
	// than to run an expression over all of the page.
	minAnchor = 2
	// maxAnchor is how much of a literal is searched for.
	maxAnchor = 32
	// longEnough is the length from which a longer literal is not rarer in a way
	// that matters.
	longEnough = 8
	// maxExact and maxNeed bound the texts that are multiplied out of classes and
	// alternatives, and those that a rule is searched by.
	maxExact = 32
	maxNeed  = 256
	// unbounded is the length of a match that has no longest.
	unbounded = -1
	// maxBytes is where a longest match counts as having none.
	maxBytes = 1 << 20
)

// anatomy is what can be told of an expression without running it.
type anatomy struct {
	// anchors: each match holds one of them, in whatever case; lower-case, empty
	// when none are known.
	anchors []string
	// odd: a match may have a Kelvin sign for a k, or a long s, in an anchor.
	odd bool
	// min and max are the bytes of the shortest and longest match.
	min, max int
	// lines are the most line ends in a match.
	lines int
	// test is what must match where an anchor stands, or nil.
	test *test
	// size is about how many steps the expression compiles to.
	size int
}

// dissect reads an expression. It goes over the tree as it was written, in which
// a repetition is one node: nothing is multiplied out.
func dissect(re *syntax.Regexp) anatomy {
	d := dissector{}
	l := d.literals(re)
	a := anatomy{anchors: l.best(), odd: d.odd}
	a.min, a.max = lengths(re)
	a.size = size(re)
	a.lines = newlines(re)
	for i, s := range a.anchors {
		a.anchors[i] = s[:min(len(s), maxAnchor)]
	}
	if len(a.anchors) == 0 {
		a.odd = false
	}
	return a
}

// lits is what is known of the texts that a part of an expression matches:
// exact is all of them, if ok; need holds one that each contains.
type lits struct {
	exact []string
	ok    bool
	need  []string
}

// best chooses what to search for.
func (l lits) best() []string {
	if l.ok && rarer(l.exact, l.need) {
		return l.exact
	}
	return l.need
}

// shortest is the length of the shortest text, 0 for none.
func shortest(set []string) int {
	if len(set) == 0 {
		return 0
	}
	n := len(set[0])
	for _, s := range set {
		n = min(n, len(s))
	}
	return n
}

// rarer tells whether a is worth searching for, and more than b.
func rarer(a, b []string) bool {
	x, y := min(shortest(a), longEnough), min(shortest(b), longEnough)
	if x < minAnchor || len(a) > maxNeed {
		return false
	}
	return x > y || x == y && len(a) < len(b)
}

type dissector struct{ odd bool }

func (d *dissector) literals(re *syntax.Regexp) lits {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return lits{exact: []string{""}, ok: true}
	case syntax.OpLiteral:
		return d.text(re)
	case syntax.OpCharClass:
		return class(re)
	case syntax.OpCapture:
		return d.literals(re.Sub[0])
	case syntax.OpPlus:
		return lits{need: d.literals(re.Sub[0]).best()}
	case syntax.OpQuest:
		if l := d.literals(re.Sub[0]); l.ok && len(l.exact) < maxExact {
			return lits{exact: union(l.exact, []string{""}), ok: true}
		}
	case syntax.OpRepeat:
		return d.repeat(re)
	case syntax.OpConcat:
		parts := make([]lits, len(re.Sub))
		for i, sub := range re.Sub {
			parts[i] = d.literals(sub)
		}
		return concat(parts)
	case syntax.OpAlternate:
		return d.alternate(re)
	}
	return lits{}
}

// text is a run of characters. Those beyond ASCII have other cases than two when
// case does not count, and cut the run.
func (d *dissector) text(re *syntax.Regexp) lits {
	fold := re.Flags&syntax.FoldCase != 0
	var parts []lits
	var run strings.Builder
	for _, r := range re.Rune {
		// U+FFFD stands for bytes that are no character, too.
		if fold && r >= utf8.RuneSelf || r == utf8.RuneError {
			parts = append(parts, lits{exact: []string{run.String()}, ok: true}, lits{})
			run.Reset()
			continue
		}
		if c := lower(r); fold && (c == 'k' || c == 's') {
			d.odd = true
		}
		run.WriteRune(lower(r))
	}
	return concat(append(parts, lits{exact: []string{run.String()}, ok: true}))
}

// lower is ASCII's.
func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// class multiplies a small class out.
func class(re *syntax.Regexp) lits {
	count := 0
	for i := 0; i+1 < len(re.Rune); i += 2 {
		if count += int(re.Rune[i+1]-re.Rune[i]) + 1; count > 2*maxExact {
			return lits{}
		}
	}
	var set []string
	for i := 0; i+1 < len(re.Rune); i += 2 {
		for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
			set = union(set, []string{string(lower(r))})
		}
	}
	if len(set) > maxExact || len(set) == 0 || strings.Contains(strings.Join(set, ""), "\ufffd") {
		return lits{}
	}
	return lits{exact: set, ok: true}
}

// repeat takes the copies that must be there one after the other.
func (d *dissector) repeat(re *syntax.Regexp) lits {
	const copies = 8
	one := d.literals(re.Sub[0])
	if re.Min == 0 {
		if re.Max == 1 && one.ok && len(one.exact) < maxExact {
			return lits{exact: union(one.exact, []string{""}), ok: true}
		}
		return lits{}
	}
	var parts []lits
	for range min(re.Min, copies) {
		parts = append(parts, one)
	}
	if re.Min > copies || re.Max != re.Min {
		parts = append(parts, lits{})
	}
	return concat(parts)
}

func (d *dissector) alternate(re *syntax.Regexp) lits {
	all := lits{ok: true}
	var need []string
	every := true
	for _, sub := range re.Sub {
		l := d.literals(sub)
		if all.ok = all.ok && l.ok; all.ok {
			all.exact = union(all.exact, l.exact)
		}
		b := l.best()
		every = every && len(b) > 0
		need = union(need, b)
	}
	if len(all.exact) > maxNeed {
		all.ok = false
	}
	if !all.ok {
		all.exact = nil
	}
	if every && len(need) <= maxNeed {
		all.need = need
	}
	return all
}

// concat puts parts in a row. As long as all texts are known they are multiplied
// out; where they are not, what is known so far is a candidate.
func concat(parts []lits) lits {
	all := lits{exact: []string{""}, ok: true}
	var need []string
	consider := func(set []string) {
		if rarer(set, need) {
			need = set
		}
	}
	for _, p := range parts {
		if !p.ok {
			consider(all.exact)
			consider(p.need)
			all.ok, all.exact = false, []string{""}
			continue
		}
		consider(p.need)
		next, fits := product(all.exact, p.exact)
		if !fits {
			consider(all.exact)
			all.ok, next = false, p.exact
		}
		all.exact = next
	}
	consider(all.exact)
	if !all.ok {
		all.exact = nil
	}
	all.need = need
	return all
}

func product(a, b []string) (out []string, fits bool) {
	const few, enough = 4, 4 // more texts, each a little longer, are worth nothing then
	if len(b) > 1 && len(a)*len(b) > maxExact || len(b) > few && shortest(a) >= enough {
		return nil, false
	}
	for _, x := range a {
		for _, y := range b {
			if len(x)+len(y) > 4*maxAnchor {
				return nil, false
			}
			out = append(out, x+y)
		}
	}
	return out, true
}

func union(a, b []string) []string {
	out := a[:len(a):len(a)]
	have := make(map[string]bool, len(a))
	for _, s := range a {
		have[s] = true
	}
	for _, s := range b {
		if !have[s] {
			have[s] = true
			out = append(out, s)
		}
	}
	return out
}

// lengths are the bytes of the shortest and longest text that re matches.
func lengths(re *syntax.Regexp) (least, most int) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			l, m := runeLengths(r, re.Flags&syntax.FoldCase != 0)
			least, most = least+l, most+m
		}
		return least, most
	case syntax.OpCharClass:
		if len(re.Rune) == 0 {
			return 0, 0
		}
		return 1, max(1, utf8.RuneLen(re.Rune[len(re.Rune)-1]))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, utf8.UTFMax
	case syntax.OpCapture:
		return lengths(re.Sub[0])
	case syntax.OpStar:
		return 0, unbounded
	case syntax.OpPlus:
		least, _ = lengths(re.Sub[0])
		return least, unbounded
	case syntax.OpQuest:
		_, most = lengths(re.Sub[0])
		return 0, most
	case syntax.OpRepeat:
		least, most = lengths(re.Sub[0])
		if re.Max < 0 || most == unbounded || most*re.Max > maxBytes {
			return clamp(least * re.Min), unbounded
		}
		return clamp(least * re.Min), most * re.Max
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			l, m := lengths(sub)
			least = clamp(least + l)
			if most == unbounded || m == unbounded || most+m > maxBytes {
				most = unbounded
			} else {
				most += m
			}
		}
		return least, most
	case syntax.OpAlternate:
		least = maxBytes
		for _, sub := range re.Sub {
			l, m := lengths(sub)
			least = min(least, l)
			if most == unbounded || m == unbounded {
				most = unbounded
			} else {
				most = max(most, m)
			}
		}
		return least, most
	}
	return 0, 0
}

// runeLengths are the bytes that one character of a literal may have.
func runeLengths(r rune, fold bool) (least, most int) {
	n := max(1, utf8.RuneLen(r))
	switch c := lower(r); {
	case r == utf8.RuneError:
		return 1, n
	case !fold || r < utf8.RuneSelf && c != 'k' && c != 's':
		return n, n
	}
	return 1, utf8.UTFMax // of the cases of k one has three bytes
}

func clamp(n int) int { return min(n, maxBytes) }

// size is about how many instructions re compiles to, clamped: each copy of what
// is repeated is one.
func size(re *syntax.Regexp) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass:
		n = 1 + len(re.Rune)/2
	}
	for _, sub := range re.Sub {
		n = clamp(n + size(sub))
	}
	if re.Op == syntax.OpRepeat {
		n = clamp(n * max(re.Min, re.Max, 1))
	}
	return n
}
