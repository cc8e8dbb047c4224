package scanner

import (
	"bytes"
	"strings"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// Names of files and directories are looked at like contents: those of one tree
// that a key could be in are one Blob, with a NUL, which no name has, behind
// each.

// treeNames collects the odd names of the trees of a unit.
type treeNames struct {
	list []byte            // of the tree being walked
	of   map[pack.Num]bool // trees that have some
	set  *rules.Set
}

func (t *treeNames) add(name []byte) {
	if wantsName(t.set, name) {
		t.list = append(append(t.list, name...), 0)
	}
}

func (t *treeNames) mark(n pack.Num) {
	if t.of == nil {
		t.of = map[pack.Num]bool{}
	}
	t.of[n] = true
}

// wantsName tells whether a name is looked at: it is odd, or a rule is about names
// like it. set may be nil.
func wantsName(set *rules.Set, name []byte) bool {
	return oddName(name) || set != nil && set.WantsName(name)
}

// oddNames are all names of a tree that are looked at, as a walk yields them.
func oddNames(set *rules.Set, data []byte, f oid.Format) []byte {
	t := treeNames{set: set}
	entries, _ := treeEntries(data, f)
	for e := range entries {
		t.add(e.Name)
	}
	return t.list
}

const (
	// minUpper is the length of a key ID, minMixed that of the shortest value
	// with other letters in it: a key ID in base64.
	minUpper = 20
	minMixed = 26
)

// oddName tells whether a key can stand in a name: it has a run of capitals and
// digits as long as a key ID, or a longer one of base64 characters with a capital
// and a digit in it, which hashes, words and identifiers lack.
func oddName(name []byte) bool {
	if len(name) < minUpper {
		return false
	}
	upper, mixed := 0, 0
	capital, digit := false, false
	for _, c := range name {
		switch {
		case c >= 'A' && c <= 'Z':
			upper, mixed, capital = upper+1, mixed+1, true
		case c >= '0' && c <= '9':
			upper, mixed, digit = upper+1, mixed+1, true
		case c >= 'a' && c <= 'z' || c == '+':
			upper, mixed = 0, mixed+1
		default:
			upper, mixed, capital, digit = 0, 0, false, false
		}
		if upper >= minUpper || mixed >= minMixed && capital && digit {
			return true
		}
	}
	return false
}

// pathName is a path as a Blob of names: false when no part of it is odd.
func pathName(b Blob, path string) (Blob, bool) {
	if !oddName([]byte(path)) { // a slash ends a run
		return b, false
	}
	b.Kind, b.Path, b.Data = FileName, path, []byte(strings.ReplaceAll(path, "/", "\x00"))
	return b, true
}

// lookNames runs the rules about names over those of a Blob: a list of them, or its
// path.
func (w *worker) lookNames(b *Blob) {
	switch {
	case !w.set.Names() || b.again || b.member != nil || !b.window.first():
		return
	case b.Kind == FileName && b.Path != "" || b.Kind != FileName && b.Path == "":
		return // the file itself is looked at, or has its name in a tree
	}
	names := *b
	if b.Kind != FileName {
		if b.Kind != Content && b.Kind != WorkTreeFile {
			return
		}
		names.Kind, names.window, names.ID, names.num = FileName, nil, ObjectID{}, 0
		names.Data = []byte(strings.ReplaceAll(b.Path, "/", "\x00"))
	}
	w.matches = w.set.LookNames(w.matches[:0], names.Data)
	if len(w.matches) > 0 {
		w.keep(&names)
	}
}

// inName gives a hit in a list of names its place in one of them.
func (h *hit) inName(b *Blob) {
	name, start := nameAt(b.Data, h.match.Start)
	at := h.match.Start - start
	h.at, h.secret = Position{Line: 1, Column: at + 1, Offset: at}, nil
	if b.Path == "" {
		h.name = string(name)
	} else {
		h.blob.Path = b.Path[:start+len(name)]
	}
}

// nameAt finds the name that has the byte at i, and where it begins.
func nameAt(list []byte, i int) (name []byte, start int) {
	start = bytes.LastIndexByte(list[:i], 0) + 1
	end := len(list)
	if n := bytes.IndexByte(list[i:], 0); n >= 0 {
		end = i + n
	}
	return list[start:end], start
}
