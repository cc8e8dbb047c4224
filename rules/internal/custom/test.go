package custom

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// Most places where an anchor stands begin no match, and to run a whole expression
// around each costs far more than to find them: of gitleaks' generic rule, whose
// anchors are words such as "key", a third of a microsecond a byte. So each place
// is tested first with what must follow the anchor, cut off where it has no bound,
// as an expression that can only begin right there. It is a mark, too: each match
// has a place that passes, and few bytes decide on it.

const (
	// maxTest bounds the bytes that a test looks at.
	maxTest = 900
	// maxTestSteps bounds what a test compiles to: choices are multiplied out.
	maxTestSteps = 4 << 10
	// manyLines is how many lines are as good as all.
	manyLines = 64
)

// test is an expression that must match where an anchor stands.
type test struct {
	re    *regexp.Regexp
	span  int
	steps int
	// before is the most that a match has before its anchor, or unbounded.
	before int
}

// maxProbes is how many times the work of an expression on all of the data its test
// may do there, and probeBytes what is added to the data for that.
//
// Tests look at the same bytes again where anchors stand close together. In a file
// that is nothing but anchors they would look at each byte some hundred times.
const (
	maxProbes  = 4
	probeBytes = 4 << 10
)

// passes tells whether the test of a rule passes at a place. Where tests have cost
// too much it says so of each place: the expression looks then.
func (s *state) passes(i, at int) bool {
	r := s.e.rules[i]
	if r.test == nil {
		return true
	}
	if s.probed[i] == 0 {
		s.probing = append(s.probing, i)
	}
	end := min(len(s.data), at+r.test.span)
	if s.probed[i] += (end - at) * r.test.steps; s.probed[i] > maxProbes*r.steps*(len(s.data)+probeBytes) {
		return true
	}
	return r.test.re.Match(s.data[at:end])
}

// testOf makes a test for the anchors of an expression, or nil.
func testOf(re *syntax.Regexp, anchors []string) *test {
	s := splitter{anchors: anchors}
	tree := s.fromAnchor(re)
	if tree == nil || size(tree) > maxTestSteps {
		return nil
	}
	_, most := lengths(tree)
	if most == unbounded || most > maxTest {
		return nil
	}
	// Anchors are found in whatever case. What has no case of its own in the
	// expression is compared as it is.
	compiled, err := regexp.Compile(`\A(?:` + tree.String() + `)`)
	if err != nil {
		return nil
	}
	return &test{compiled, most + pad, size(tree), s.before}
}

// splitter takes an expression apart at its anchors.
type splitter struct {
	anchors []string
	before  int
	tries   int // of fromAnchor
	cuts    int // of bounded
}

const (
	// maxTries bounds how many ways through the choices of an expression are tried,
	// and maxParts how many parts in a row: a file has many expressions.
	maxTries = 64
	maxParts = 64
)

// fromAnchor is the part of an expression that begins with an anchor, or nil where
// no such part is.
func (s *splitter) fromAnchor(re *syntax.Regexp) *syntax.Regexp {
	if s.tries++; s.tries > maxTries {
		return nil
	}
	parts := flat(re)
	for i := range parts[:min(len(parts), maxParts)] {
		if parts[i].Op == syntax.OpAlternate {
			if t := s.choices(parts, i); t != nil {
				return t
			}
		}
		// What stands before is not seen by a test.
		if least, _ := lengths(parts[i]); least == 0 || looksBeside(parts[i]) {
			continue
		}
		if s.begins(parts[i:]) {
			s.lead(parts[:i])
			return s.bounded(parts[i:])
		}
	}
	return nil
}

// choices takes the way through each branch of parts[i].
func (s *splitter) choices(parts []*syntax.Regexp, i int) *syntax.Regexp {
	all := &syntax.Regexp{Op: syntax.OpAlternate}
	if !looksBeside(parts[i]) && s.begins(parts[i:]) {
		return nil // it is an anchor as a whole
	}
	old := s.before
	for _, sub := range parts[i].Sub {
		row := append(append(slices.Clone(parts[:i]), flat(sub)...), parts[i+1:]...)
		t := s.fromAnchor(&syntax.Regexp{Op: syntax.OpConcat, Sub: row})
		if t == nil {
			s.before = old
			return nil
		}
		all.Sub = append(all.Sub, t)
	}
	return all
}

// lead notes what stands before an anchor.
func (s *splitter) lead(parts []*syntax.Regexp) {
	_, n := lengths(&syntax.Regexp{Op: syntax.OpConcat, Sub: parts})
	if s.before = max(s.before, n); n == unbounded || s.before > maxReach {
		s.before = maxBytes
	}
}

// begins tells whether each match of parts begins with an anchor: all texts that
// can stand there are anchors, so that each is tested where it stands.
func (s *splitter) begins(parts []*syntax.Regexp) bool {
	var d dissector
	texts := []string{""}
	for _, p := range parts {
		next := d.literals(p)
		if !next.ok {
			return false
		}
		var fits bool
		if texts, fits = product(texts, next.exact); !fits {
			return false
		}
		if !slices.ContainsFunc(texts, func(t string) bool { return !slices.Contains(s.anchors, t[:min(len(t), maxAnchor)]) }) {
			return true
		}
	}
	return false
}

// looksBeside tells whether an expression asks what stands beside its match.
func looksBeside(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	return slices.ContainsFunc(re.Sub, looksBeside)
}

// flat takes groups and rows apart.
func flat(re *syntax.Regexp) (parts []*syntax.Regexp) {
	switch re.Op {
	case syntax.OpCapture:
		return flat(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			parts = append(parts, flat(sub)...)
		}
		return parts
	}
	return []*syntax.Regexp{re}
}

// bounded is what parts in a row match, up to the first that has no longest match
// or that makes it too long. What it matches each match of them begins with.
func (s *splitter) bounded(parts []*syntax.Regexp) *syntax.Regexp {
	row := &syntax.Regexp{Op: syntax.OpConcat}
	if s.cuts++; s.cuts > maxTries { // choices behind choices: any cut is a right one
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	}
	total := 0
	add := func(re *syntax.Regexp) bool {
		_, n := lengths(re)
		if total += n; total > maxTest {
			return false
		}
		row.Sub = append(row.Sub, re)
		return true
	}
	for i, p := range parts {
		if _, n := lengths(p); n != unbounded {
			if !add(p) {
				break
			}
			continue
		}
		switch p.Op {
		case syntax.OpPlus:
			add(s.bounded(flat(p.Sub[0])))
		case syntax.OpRepeat:
			if _, n := lengths(p.Sub[0]); p.Min > 0 && n != unbounded {
				again := *p
				again.Max = again.Min
				add(&again)
			} else if p.Min > 0 {
				add(s.bounded(flat(p.Sub[0])))
			}
		case syntax.OpAlternate:
			choice := &syntax.Regexp{Op: syntax.OpAlternate}
			for _, sub := range p.Sub {
				choice.Sub = append(choice.Sub, s.bounded(append(flat(sub), parts[i+1:]...)))
			}
			add(choice)
		}
		break
	}
	if len(row.Sub) == 0 {
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	}
	return row
}

// newlines is the most line ends that a match can hold, or unbounded.
func newlines(re *syntax.Regexp) (most int) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if r == '\n' {
				most++
			}
		}
		return most
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if re.Rune[i] <= '\n' && '\n' <= re.Rune[i+1] {
				return 1
			}
		}
		return 0
	case syntax.OpAnyChar:
		return 1
	case syntax.OpStar, syntax.OpPlus:
		if newlines(re.Sub[0]) != 0 {
			return unbounded
		}
		return 0
	case syntax.OpRepeat:
		n := newlines(re.Sub[0])
		if n == 0 {
			return 0
		}
		if n == unbounded || re.Max < 0 || n*re.Max > manyLines {
			return unbounded
		}
		return n * re.Max
	case syntax.OpAlternate, syntax.OpQuest, syntax.OpCapture:
		for _, sub := range re.Sub {
			n := newlines(sub)
			if n == unbounded {
				return unbounded
			}
			most = max(most, n)
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			n := newlines(sub)
			if most += n; n == unbounded || most > manyLines {
				return unbounded
			}
		}
	}
	return most
}

// near is how far apart anchors are put into one span.
const near = 256

// lineSpans widens spans by so many lines, on either side or behind only, and one
// byte, that no match around them is cut, and joins those that then touch. Each byte is looked
// at a few times at the most, however long the lines are.
func lineSpans(data []byte, spans []span, lines int, back bool) (out []span) {
	for i := 0; i < len(spans); i++ {
		from, to := spans[i].start, spans[i].end
		floor := 0
		if n := len(out); n > 0 {
			floor = out[n-1].end
		}
		for left := lines + 1; back && from > floor; from-- {
			if data[from-1] == '\n' {
				if left--; left == 0 {
					from--
					break
				}
			}
		}
		for left := lines + 1; to < len(data) && left > 0; to++ {
			if i+1 < len(spans) && spans[i+1].start <= to {
				i++
				to, left = max(to, spans[i].end), lines+1
				if to >= len(data) {
					break
				}
			}
			if data[to] == '\n' {
				left--
			}
		}
		to = min(len(data), to+utf8.UTFMax)
		if n := len(out); n > 0 && from <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, to)
			continue
		}
		out = append(out, span{max(from, 0), to})
	}
	return out
}
