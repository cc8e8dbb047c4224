package worktree

import (
	"bytes"
	"fmt"
	"strings"
)

const (
	// maxRulesBytes bounds the ignore files that hold at one place together.
	// Unpacked they take some twenty times that, and the longest known ones
	// have a few thousand lines, 100 KiB.
	maxRulesBytes = 1 << 20

	// maxSteps bounds the work for one path. Ordinary rules take a few hundred
	// steps; a million is about two milliseconds. Where a path needs more it
	// counts as not ignored, so that rules made to be slow hide nothing.
	maxSteps = 1 << 20
)

// rules are the ignore rules that hold in a directory: one file's, and those
// with less precedence behind it. A nil *rules excludes nothing.
type rules struct {
	parent    *rules
	set       *ruleSet
	base      int // length of the path, with slash, of the directory it is for
	sizeBytes int // of this file and those behind
}

// with adds the rules of an ignore file, for paths from byte base on.
func (r *rules) with(base int, data []byte) (*rules, error) {
	size := len(data)
	if r != nil {
		size += r.sizeBytes
	}
	if size > maxRulesBytes {
		return nil, fmt.Errorf("%w: over %d bytes with the outer ones", ErrTooLarge, maxRulesBytes)
	}
	return r.withSet(base, parseRules(data)), nil
}

func (r *rules) withSet(base int, set *ruleSet) *rules {
	next := &rules{parent: r, set: set, base: base, sizeBytes: set.sizeBytes}
	if r != nil {
		next.sizeBytes += r.sizeBytes
	}
	return next
}

// ignored tells whether a path is excluded. Its last element begins at nameAt;
// that its directory is not excluded is known. Rules nearer to the path win, and
// in one file the last that fits.
func (r *rules) ignored(path string, nameAt int, isDir bool) bool {
	steps := maxSteps
	for ; r != nil; r = r.parent {
		i := r.set.last(path[r.base:], path[nameAt:], isDir, &steps)
		if steps < 0 {
			return false
		}
		if i >= 0 {
			return !r.set.negated[i]
		}
	}
	return false
}

// ruleSet is one ignore file. Rules are numbered by their order; literal ones
// are found by look-up, the others are tried from the last on.
type ruleSet struct {
	negated    []bool
	names      map[string]number // "name"
	extensions map[string]number // "*.ext", by ".ext"
	paths      map[string]number // "/path", "some/path"
	globs      []globRule
	sizeBytes  int
}

// number is the last rule with some text: for anything, and for directories
// only; -1 for none.
type number struct{ any, dir int32 }

// globRule is a rule that has to be matched.
type globRule struct {
	glob    glob
	number  int32
	byName  bool // no slash in it: matches the last element in any directory
	dirOnly bool
}

// last gives the number of the last rule that fits, or -1. rel is the path from
// the directory of the ignore file, name its last element.
func (s *ruleSet) last(rel, name string, isDir bool, steps *int) int32 {
	best := int32(-1)
	look := func(m map[string]number, key string) {
		if n, ok := m[key]; ok {
			best = max(best, n.any)
			if isDir {
				best = max(best, n.dir)
			}
		}
	}
	look(s.names, name)
	look(s.paths, rel)
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 && len(s.extensions) > 0 {
		look(s.extensions, name[dot:])
	}
	for i := len(s.globs) - 1; i >= 0 && s.globs[i].number > best; i-- {
		if *steps--; *steps < 0 {
			break
		}
		g := &s.globs[i]
		text := rel
		if g.byName {
			text = name
		}
		if (isDir || !g.dirOnly) && g.glob.match(text, steps) {
			return g.number
		}
	}
	return best
}

// parseRules reads an ignore file as gitignore(5) describes it.
func parseRules(data []byte) *ruleSet {
	s := &ruleSet{
		names: map[string]number{}, extensions: map[string]number{}, paths: map[string]number{},
		sizeBytes: len(data),
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		line, _, _ = bytes.Cut(line, []byte{0}) // Git's strings end there
		s.add(string(trimBlanks(line)))
	}
	return s
}

// trimBlanks cuts off trailing blanks, but not one with a backslash before it.
func trimBlanks(line []byte) []byte {
	end := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ':
			continue
		case '\\':
			if i++; i == len(line) {
				return line
			}
		}
		end = i + 1
	}
	return line[:end]
}

// add appends one rule. One that cannot match anything is left out.
func (s *ruleSet) add(pattern string) {
	pattern, negated := strings.CutPrefix(pattern, "!")
	pattern, dirOnly := strings.CutSuffix(pattern, "/")
	n := int32(len(s.negated))
	// A slash anywhere ties the rule to the file's directory, one in front does
	// nothing else.
	byName := strings.IndexByte(pattern, '/') < 0
	pattern = strings.TrimPrefix(pattern, "/")
	star, tail := strings.HasPrefix(pattern, "*"), strings.TrimPrefix(pattern, "*")
	switch {
	case isLiteral(pattern) && byName:
		note(s.names, pattern, n, dirOnly)
	case isLiteral(pattern):
		note(s.paths, pattern, n, dirOnly)
	case byName && star && isLiteral(tail) && strings.LastIndexByte(tail, '.') == 0:
		note(s.extensions, tail, n, dirOnly)
	default:
		g, ok := parseGlob(pattern)
		if !ok {
			return
		}
		s.globs = append(s.globs, globRule{glob: g, number: n, byName: byName, dirOnly: dirOnly})
	}
	s.negated = append(s.negated, negated)
}

func note(m map[string]number, key string, n int32, dirOnly bool) {
	last, ok := m[key]
	if !ok {
		last = number{-1, -1}
	}
	if dirOnly {
		last.dir = n
	} else {
		last.any = n
	}
	m[key] = last
}

func isLiteral(pattern string) bool { return !strings.ContainsAny(pattern, `*?[\`) }
