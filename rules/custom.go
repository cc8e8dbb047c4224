package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/rules/internal/custom"
	"github.com/keyquench/keyquench/rules/internal/rulefile"
)

// customVersion changes whenever custom rules can find something else in the same
// bytes.
const customVersion = "1"

// customRules are the rules of a Set that came from files of users.
type customRules struct {
	engine *custom.Engine
	rules  []*Rule // by their number in the engine; nil for helpers
	number map[*Rule]int
	// allow are the lists for what built-in rules find.
	allow map[*Rule][]int
}

// File is a file of rules. Read gives the content of it, by its name, and of files
// that it extends, by the name that a file has for another, joined with the
// directory of that file.
type File struct {
	Name string
	Read func(name string) ([]byte, error)
}

// With gives the rules of s together with those of files, which are keyquench's
// own or configurations of gitleaks. Files replace, disable and allow built-in
// rules only where they name them.
//
// Notes are what users should be told of how their files are understood. An error
// names the file and, as far as they are known, the place in it and the rule.
func (s *Set) With(files ...File) (set *Set, notes []string, err error) {
	if len(files) == 0 {
		return s, nil, nil
	}
	if s.custom != nil {
		return nil, nil, fmt.Errorf("the set has rules of files already")
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "keyquench custom rules %s\x00%s", customVersion, s.version)
	var sources []rulefile.Source
	for _, f := range files {
		sources = append(sources, rulefile.Source{Name: f.Name, Read: func(name string) ([]byte, error) {
			text, err := f.Read(name)
			fmt.Fprintf(sum, "\x00%d\x00%s", len(text), text)
			return text, err
		}})
	}
	said, engine, err := rulefile.Load(sources, func(id string) bool { return s.rule(id) != nil }, markReach)
	if err != nil {
		return nil, nil, err
	}
	set = &Set{}
	for _, r := range s.rules {
		if slices.Contains(said.Disable, r.ID) {
			continue
		}
		if err := set.add(r); err != nil {
			return nil, nil, err
		}
	}
	set.takeIn(said, engine)
	set.version = hex.EncodeToString(sum.Sum(nil)[:16])
	return set, append(said.Notes, set.slow(said)...), nil
}

// takeIn adds the rules of files.
func (s *Set) takeIn(files *rulefile.Files, engine *custom.Engine) {
	c := &customRules{engine: engine, number: map[*Rule]int{}, allow: map[*Rule][]int{}}
	for i, r := range files.Rules {
		if files.Program.Rules[i].Helper {
			c.rules = append(c.rules, nil)
			continue
		}
		title, _, _ := strings.Cut(r.Description, ". ")
		rule := &Rule{
			ID: r.ID, Title: cmp.Or(r.Title, title, r.ID), Description: cmp.Or(r.Description, r.Title, r.ID), Kind: Credential,
			Span: 1, MinLen: 1, Tags: r.Tags, File: r.File, Examples: r.Examples, CounterExamples: r.CounterExamples, spec: &spec{},
		}
		c.rules = append(c.rules, rule)
		c.number[rule] = i
		s.rules = append(s.rules, rule)
	}
	for id, lists := range files.Targets {
		if r := s.rule(id); r != nil {
			c.allow[r] = lists
		}
	}
	s.custom = c
}

// slow names the rules for which everything is read whole.
func (s *Set) slow(files *rulefile.Files) []string {
	var ids []string
	for _, r := range s.rules {
		if cost, ok := s.Cost(r); ok && cost.Whole {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s: slow: no text stands in each match of %s, which can be as long as it likes, so every version of every file is searched as a whole",
		files.Rules[0].File, strings.Join(ids[:min(len(ids), 5)], ", "))}
}

func (s *Set) rule(id string) *Rule {
	for _, r := range s.rules {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Cost says what it takes to look for a rule of a file.
type Cost struct {
	// Anchors are the texts one of which stands in each match, in lower case. They
	// are searched for, and the expression runs where they stand.
	Anchors []string
	// Keywords must stand in the buffer, too.
	Keywords []string
	// Reach is how many bytes around an anchor the expression sees, or 0 for all.
	Reach int
	// Whole: every buffer is searched, and from end to end.
	Whole bool
	// Name: the rule is about the names of files.
	Name bool
}

// Cost tells it of a rule; ok is false for built-in ones.
func (s *Set) Cost(r *Rule) (cost Cost, ok bool) {
	if s.custom == nil {
		return cost, false
	}
	n, ok := s.custom.number[r]
	if !ok {
		return cost, false
	}
	return Cost(s.custom.engine.About(n)), true
}

// Wanted tells whether the match is to be reported where it stands: some rules of
// files hold for some paths only, or not for what some commits brought in. path
// is slash-separated, commit the full name of a commit; each is empty where there
// is none.
func (m *Match) Wanted(path, commit string) bool { return m.place.Wanted(path, commit) }

// Placed tells whether Wanted depends on anything.
func (m *Match) Placed() bool { return m.place != nil }

// find adds what rules of files match in data to dst[first:], which is what the
// built-in ones did, and takes from it what the files allow. What both find at
// the same bytes is the built-in rule's: it knows more about a key.
func (c *customRules) find(dst []Match, first int, data []byte) (matches []Match, marked bool) {
	hits, marked := c.engine.Look(nil, data)
	if len(hits) == 0 && len(dst) == first {
		return dst, marked
	}
	taken := takenBy(dst[first:])
	kept := dst[:first]
	for _, m := range dst[first:] {
		allowed := false
		if lists := c.allow[m.Rule]; len(lists) > 0 {
			allowed, m.place = c.engine.Judge(lists, data, m.Start, m.End, m.Key.ID)
		}
		if !allowed {
			kept = append(kept, m)
		}
	}
	clear(dst[len(kept):]) // what is gone holds secrets
	dst = kept
	for i := range hits {
		h := &hits[i]
		r := c.rules[h.Rule]
		if r == nil || taken.covers(h.Start, h.End) {
			continue
		}
		dst = append(dst, Match{
			Rule: r, Start: h.Start, End: h.End, Key: Key{Secret: NewSecret(string(data[h.Start:h.End]))},
			Entropy: h.Entropy, Cut: h.Cut, place: h.Place,
		})
	}
	sortMatches(dst[first:])
	return dst, marked
}

// taken are ranges of bytes, sorted by where they start; end is the furthest of
// those up to here.
type taken []Span

func takenBy(matches []Match) (t taken) {
	for i := range matches {
		m := &matches[i]
		t = append(t, Span{m.Start, m.End})
		if m.TokenEnd > 0 {
			t = append(t, Span{m.TokenStart, m.TokenEnd})
		}
		if !m.Key.Secret.IsZero() && len(m.Secrets) > 0 {
			t = append(t, Span{m.Secrets[0].Start, m.Secrets[0].End})
		}
	}
	slices.SortFunc(t, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	for i := 1; i < len(t); i++ {
		t[i].End = max(t[i].End, t[i-1].End)
	}
	return t
}

// covers tells whether one of the ranges holds all of data[start:end].
func (t taken) covers(start, end int) bool {
	i, _ := slices.BinarySearchFunc(t, start+1, func(s Span, at int) int { return cmp.Compare(s.Start, at) })
	return i > 0 && t[i-1].End >= end
}

func sortMatches(list []Match) {
	slices.SortStableFunc(list, func(a, b Match) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
	})
}

// Names tells whether some rule is about the names of files.
func (s *Set) Names() bool { return s.custom != nil && s.custom.engine.Names() }

// WantsName tells whether LookNames may find something in a name.
func (s *Set) WantsName(name []byte) bool { return s.Names() && s.custom.engine.WantsName(name) }

// LookNames appends a match for each of a list of names of files or directories,
// with a NUL between them, and each rule that may be about it. Whether it is, the
// whole path tells: all of these are Placed. The value of such a match is made of
// the name.
func (s *Set) LookNames(dst []Match, list []byte) []Match {
	if !s.Names() {
		return dst
	}
	start := 0
	for name := range strings.SplitSeq(string(list), "\x00") {
		for _, h := range s.custom.engine.LookName(nil, list, start, start+len(name)) {
			dst = append(dst, Match{
				Rule: s.custom.rules[h.Rule], Start: h.Start, End: h.End, Key: Key{Secret: NewSecret("file named " + name)}, place: h.Place,
			})
		}
		start += len(name) + 1
	}
	return dst
}
