// Package custom runs rules that users write: regular expressions with what goes
// with them. It compiles them, finds out by which fixed texts the places can be
// found that an expression has to look at, and runs them over bytes.
//
// It knows no file format, reads no files, and does not know where bytes come
// from: what depends on that is handed on with each Hit, as a Place that can be
// asked later. Rules come from a file that somebody chose, bytes from anywhere:
// any are safe to give to it.
package custom

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
)

const (
	// maxRules bounds the rules of a program run; the largest configuration known
	// has some 450.
	maxRules = 5000
	// maxRegex bounds an expression as it is written, in bytes.
	maxRegex = 16 << 10
	// maxSteps bounds what an expression compiles to, and maxAllSteps what all do. On
	// bytes made for it, an expression takes 8 ns a byte and step: a megabyte costs
	// the largest that is allowed a minute. gitleaks' own largest has 7021, and all
	// of its 221 have 183,069.
	maxSteps    = 8 << 10
	maxAllSteps = 512 << 10
	// maxReach is the longest match that is looked for around its anchor alone.
	maxReach = 16 << 10
	// pad is how many bytes beside a match can change what it is: a character.
	pad = 8
)

// Spec is a rule as it was written.
type Spec struct {
	ID string
	// Regex finds values, in names and contents; with Path only where the path
	// matches. Path alone finds files by their names.
	Regex, Path string
	// Group is the number or, with GroupName, the name of the group that is the
	// value; 0 is the first that is not empty, or all of the match.
	Group     int
	GroupName string
	// MinEntropy is what a value has to exceed, in bits per character; 0 is
	// nothing.
	MinEntropy float64
	// Keywords: one has to stand somewhere in the bytes.
	Keywords []string
	// Literals: one has to stand in each match. Without, they are derived.
	Literals []string
	// Allow are the numbers of allow lists.
	Allow   []int
	Require []Require
	// Helper rules find nothing by themselves: others require them.
	Helper bool
	// Exact refuses an expression that matches the empty text; else such matches
	// are nothing.
	Exact bool
}

// Require is a neighbour that a match must have: a match of another rule. A
// negative limit is none.
type Require struct {
	Rule                  string
	Lines, Columns, Bytes int
}

// Program is what an Engine is made of. Rules share allow lists.
type Program struct {
	Rules []Spec
	Lists []Allow
}

// Error says which part of which rule or allow list is wrong, and where in it.
type Error struct {
	Rule, List int    // of the Program's; the other is -1
	Field      string // as in Spec or Allow, in lower case; of neighbours with a number: "require.0"
	Column     int    // in the field, from 1; 0 when that is not known
	Err        error
}

func (e *Error) Error() string {
	switch {
	case e.Field == "":
		return e.Err.Error()
	case e.Column > 0:
		return fmt.Sprintf("%s: column %d: %v", e.Field, e.Column, e.Err)
	}
	return e.Field + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// gate says what of a rule is its mark: a place that each match has.
type gate uint8

const (
	// byMatch: a match of the expression, whatever becomes of it.
	byMatch gate = iota
	// byAnchor: one of the texts that each match contains, where it passes the
	// rule's test.
	byAnchor
	// byKeyword: a keyword.
	byKeyword
	// byNothing: all bytes are marked.
	byNothing
)

type rule struct {
	id       string
	re, path *regexp.Regexp
	group    int
	entropy  float64
	helper   bool
	keywords []int    // numbers of texts; one must be there
	words    []string // keywords too short to be searched for
	anchors  []int
	literals []string // given by the file: each match must hold one
	reach    int      // of a match in bytes, or unbounded
	lines    int      // the most line ends in a match, or unbounded
	test     *test
	steps    int // of the expression
	odd      bool
	gate     gate
	allow    []*allow
	require  []require
	name     *nameTest // of a rule with a path alone
}

type require struct {
	rule                  int
	lines, columns, bytes int
}

// Engine is a compiled list of rules. It does not change, and any number of
// goroutines may use it at once.
type Engine struct {
	rules []*rule
	lists []*allow
	texts *literals
	odd   oddTexts
	// anchorOf are the rules that a text is an anchor of.
	anchorOf [][]int
	scratch  sync.Pool
	steps    int
	named    bool
}

// New compiles a program. markReach is how far apart two bytes can stand and
// still decide on a mark together. An error is an *Error.
func New(p Program, markReach int) (*Engine, error) {
	e := &Engine{}
	for i := range p.Lists {
		a, err := e.allow(&p.Lists[i])
		if err != nil {
			err.Rule, err.List = -1, i
			return nil, err
		}
		e.lists = append(e.lists, a)
	}
	number := map[string]int{}
	for i := range p.Rules {
		_, twice := number[p.Rules[i].ID]
		switch {
		case twice:
			return nil, &Error{Rule: i, List: -1, Field: "id", Err: errors.New("stands twice")}
		case i == maxRules:
			return nil, &Error{Rule: i, List: -1, Field: "id", Err: fmt.Errorf("more than %d rules", maxRules)}
		}
		number[p.Rules[i].ID] = i
	}
	var texts pool
	for i := range p.Rules {
		r, err := e.compile(&p.Rules[i], &texts, markReach)
		if err == nil {
			err = r.requires(&p.Rules[i], p.Rules, number)
		}
		if err != nil {
			err.Rule, err.List = i, -1
			return nil, err
		}
		e.rules = append(e.rules, r)
		if r.odd {
			e.odd.numbers = append(e.odd.numbers, r.anchors...)
		}
		e.named = e.named || r.name != nil
	}
	e.texts = newLiterals(texts.texts)
	e.odd.prepare(texts.texts)
	e.anchorOf = make([][]int, len(texts.texts))
	for i, r := range e.rules {
		for _, n := range r.anchors {
			e.anchorOf[n] = append(e.anchorOf[n], i)
		}
	}
	return e, nil
}

// compile reads one rule.
func (e *Engine) compile(s *Spec, texts *pool, markReach int) (*rule, *Error) {
	r := &rule{id: s.ID, entropy: s.MinEntropy, helper: s.Helper, reach: unbounded}
	var err *Error
	if s.Path != "" {
		if r.path, _, err = e.regex("path", s.Path); err != nil {
			return nil, err
		}
	}
	r.allow = e.pick(s.Allow)
	if s.Regex == "" {
		if r.path == nil {
			return nil, &Error{Field: "regex", Err: errors.New("missing, and so is path: the rule would find nothing")}
		}
		r.name, err = newNameTest(s.Path)
		return r, err
	}
	re, body, err := e.regex("regex", s.Regex)
	if err != nil {
		return nil, err
	}
	if tree, err := syntax.Parse(s.Regex, syntax.Perl); err == nil && len(body.anchors) > 0 {
		body.test = testOf(tree, body.anchors)
	}
	r.re, r.steps = re, body.size
	if body.max == 0 || s.Exact && body.min == 0 {
		return nil, &Error{Field: "regex", Err: errors.New("matches the empty text")}
	}
	if err := r.setGroup(s); err != nil {
		return nil, err
	}
	r.search(s, body, texts, markReach)
	return r, nil
}

// search settles by what the places are found that the rule has to look at.
func (r *rule) search(s *Spec, body anatomy, texts *pool, markReach int) {
	if body.max != unbounded && body.max <= maxReach {
		r.reach = body.max
	}
	anchors := body.anchors
	if len(s.Literals) > 0 {
		anchors = nil
		for _, l := range s.Literals {
			l = asciiLower(l)
			r.literals = append(r.literals, l)
			anchors = append(anchors, l[:min(len(l), maxAnchor)])
		}
	} else {
		r.odd, r.test = body.odd, body.test
	}
	r.lines = body.lines
	var keywords []string
	for _, k := range s.Keywords {
		if k = asciiLower(k); len(k) < minAnchor {
			r.words = append(r.words, k)
		} else {
			keywords = append(keywords, k[:min(len(k), maxAnchor)])
		}
	}
	if len(r.words) > 0 { // one that is short is as good as any
		for _, k := range s.Keywords {
			if k = asciiLower(k); len(k) >= minAnchor {
				r.words = append(r.words, k)
			}
		}
		keywords = nil
	}
	if implied(anchors, keywords) && !r.odd {
		keywords = nil
	}
	r.anchors, r.keywords = texts.add(anchors), texts.add(keywords)
	local := r.reach != unbounded && r.reach+2*pad <= markReach
	switch {
	case r.test != nil && r.test.span+2*pad <= markReach:
		r.gate = byAnchor
	case len(keywords) > 0 && rarer(keywords, anchors):
		r.gate = byKeyword
	case local:
		r.gate = byMatch
	case len(anchors) > 0:
		r.gate = byAnchor
	case len(keywords) > 0:
		r.gate = byKeyword
	default:
		r.gate = byNothing
	}
}

// implied tells whether a keyword stands in each anchor anyway.
func implied(anchors, keywords []string) bool {
	for _, a := range anchors {
		if !slices.ContainsFunc(keywords, func(k string) bool { return strings.Contains(a, k) }) {
			return false
		}
	}
	return len(anchors) > 0
}

func asciiLower(s string) string { return strings.Map(lower, s) }

func (r *rule) setGroup(s *Spec) *Error {
	r.group = s.Group
	if s.GroupName != "" {
		if r.group = r.re.SubexpIndex(s.GroupName); r.group < 0 {
			return &Error{Field: "group", Err: fmt.Errorf("the regex has no group named %q", s.GroupName)}
		}
	}
	if r.group < 0 || r.group > r.re.NumSubexp() {
		return &Error{Field: "group", Err: fmt.Errorf("is %d, and the regex has %d", s.Group, r.re.NumSubexp())}
	}
	return nil
}

// requires resolves the neighbours of a rule.
func (r *rule) requires(s *Spec, specs []Spec, number map[string]int) *Error {
	for i, q := range s.Require {
		field := fmt.Sprintf("require.%d", i)
		to, ok := number[q.Rule]
		switch {
		case !ok:
			return &Error{Field: field, Err: fmt.Errorf("no rule has the id %q", q.Rule)}
		case q.Rule == s.ID:
			return &Error{Field: field, Err: errors.New("a rule cannot require itself")}
		case s.Regex == "" || specs[to].Regex == "":
			return &Error{Field: field, Err: errors.New("only rules with a regex have neighbours")}
		}
		r.require = append(r.require, require{to, q.Lines, q.Columns, q.Bytes})
	}
	return nil
}

// regex compiles an expression, after making sure that it is not too large to.
func (e *Engine) regex(field, text string) (*regexp.Regexp, anatomy, *Error) {
	if len(text) > maxRegex {
		return nil, anatomy{}, &Error{Field: field, Err: fmt.Errorf("over %d bytes", maxRegex)}
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, anatomy{}, regexError(field, text, err)
	}
	a := dissect(tree)
	if a.size > maxSteps {
		return nil, a, &Error{Field: field, Err: fmt.Errorf("too large: its repetitions make more than %d steps", maxSteps)}
	}
	if e.steps += a.size; e.steps > maxAllSteps {
		return nil, a, &Error{Field: field, Err: fmt.Errorf("all expressions together make more than %d steps", maxAllSteps)}
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, a, regexError(field, text, err)
	}
	return re, a, nil
}

// regexError says where in an expression it is wrong.
func regexError(field, text string, err error) *Error {
	bad, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return &Error{Field: field, Err: err}
	}
	const quoted = 40
	at := strings.Index(text, bad.Expr)
	if bad.Expr == "" || bad.Expr == text {
		at = 0
	}
	return &Error{Field: field, Column: at + 1, Err: fmt.Errorf("%s: %.*q", bad.Code, quoted, bad.Expr)}
}
