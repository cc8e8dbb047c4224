package worktree

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/keyquench/keyquench/scanner/internal/index"
)

// Tree is an open directory tree. Its methods may be called at once, except
// Close. Workers list and read different directories side by side, each with a
// Reader of its own: Walk is no more than one Reader that lists one directory
// after the other.
type Tree struct {
	root     *root
	options  Options
	excludes []*ruleSet // of Options.Excludes, for nested repositories
	rules    *rules     // what holds at the root
}

// Dir is a directory still to be listed, with the ignore rules and the tracked
// files that concern it. It is a value that does not change, good for any
// goroutine and any number of calls until the Tree is closed.
type Dir struct {
	path    string
	rules   *rules
	tracked []index.Name // those below the directory
	above   *ancestor
	depth   int
	place   place
	ignored bool // untracked files are excluded, whatever further rules say
	sparse  bool // below a directory entry of a sparse index
}

// Path is the directory's path relative to the root, "" for the root itself.
func (d Dir) Path() string { return d.path }

// ancestor is an open directory's identity, to notice bind mounts in a circle.
type ancestor struct {
	parent   *ancestor
	dev, ino uint64
}

// Listing is the content of one directory, in the order of the bytes of the
// names, directories as if they ended in a slash. List reuses its memory.
type Listing struct {
	Files   []File
	Dirs    []Dir
	entries []dirEntry
}

// Open opens the tree below root, which may itself be a symbolic link. Of the
// ignore files in the options, InfoExclude is given to skip when it cannot be
// read; skip may be nil when it is "". The user's own, Excludes, lie outside of
// what is scanned, and without them nothing is missed.
func Open(root string, o Options, skip func(path string, err error)) (*Tree, error) {
	r, err := openRoot(root)
	if err != nil {
		return nil, fmt.Errorf("open tree: %w", err)
	}
	t := &Tree{root: r, options: o}
	if o.Plain {
		return t, nil
	}
	for _, path := range o.Excludes {
		if t.add(path) == nil {
			t.excludes = append(t.excludes, t.rules.set)
		}
	}
	if o.InfoExclude == "" {
		return t, nil
	}
	if err := t.add(o.InfoExclude); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		skip(o.InfoExclude, fmt.Errorf("read ignore rules: %w", err))
	}
	return t, nil
}

// add adds the rules of an ignore file from outside the tree.
func (t *Tree) add(path string) error {
	data, err := readOutside(path)
	if err != nil {
		return err
	}
	next, err := t.rules.with(0, data)
	if err != nil {
		return err
	}
	t.rules = next
	return nil
}

// Close releases the tree. No other method may be running, no Reader be in use.
func (t *Tree) Close() error { return t.root.close() }

// Root is the directory to begin with.
func (t *Tree) Root() Dir {
	d := Dir{rules: t.rules}
	if !t.options.Plain {
		d.tracked = t.options.Tracked
	}
	return d
}

// List puts the content of d into l: the files to visit, and the directories
// that may hold more of them. What cannot be read goes to skip.
func (r *Reader) List(d Dir, l *Listing, skip func(path string, err error)) {
	t := r.tree
	l.Files, l.Dirs = l.Files[:0], l.Dirs[:0]
	if d.depth > maxDepth {
		skip(d.path, fmt.Errorf("read directory: %w: over %d", ErrTooDeep, maxDepth))
		return
	}
	entries, self, err := r.entries(d.path, l.entries[:0])
	l.entries = entries
	if err != nil {
		skip(d.path, fmt.Errorf("read directory: %w", err))
		return
	}
	for a := d.above; a != nil; a = a.parent {
		if self.ino != 0 && a.dev == self.dev && a.ino == self.ino {
			skip(d.path, fmt.Errorf("read directory: %w", ErrCycle))
			return
		}
	}
	self.parent = d.above
	d.above = &self
	slices.SortFunc(entries, func(a, b dirEntry) int { return cmp.Compare(a.sortKey, b.sortKey) })
	if t.options.Plain {
		t.listPlain(&d, l, skip)
		return
	}
	t.enter(&d, entries, skip)
	for i := range entries {
		e := &entries[i]
		if e.name() == ".git" {
			continue
		}
		path := join(d.path, e.name())
		switch {
		case e.err != nil:
			skip(path, e.err)
		case e.kind == kindDir:
			t.listDir(&d, path, l)
		default:
			t.listFile(&d, path, e, l, skip)
		}
	}
}

// listDir adds a directory unless nothing in it can be visited.
func (t *Tree) listDir(d *Dir, path string, l *Listing) {
	child := d.child(path)
	child.tracked = below(d.tracked, path)
	own := find(d.tracked, path)
	gitlink := own != nil && own.Mode == index.ModeGitlink
	child.ignored = !gitlink && (d.ignored || d.rules.ignored(path, nameAt(path), true))
	if n := child.tracked; len(n) > 0 && n[0].Mode == index.ModeTree && len(n[0].Path) == len(path)+1 {
		child.sparse = true
	}
	if !child.ignored || child.sparse || t.options.Ignored || len(child.tracked) > 0 {
		l.Dirs = append(l.Dirs, child)
	}
}

// listFile adds a file unless it is ignored.
func (t *Tree) listFile(d *Dir, path string, e *dirEntry, l *Listing, skip func(string, error)) {
	entry := find(d.tracked, path)
	f := e.file(path)
	f.Tracked = entry != nil || d.sparse
	if e.kind == kindSpecial {
		if entry != nil {
			skip(path, ErrNotRegular)
		}
		return
	}
	f.Ignored = !f.Tracked && (d.ignored || d.rules.ignored(path, nameAt(path), false))
	if !f.Ignored || t.options.Ignored {
		l.Files = append(l.Files, f)
	}
}

// enter adds to d's rules what the directory itself brings: its .gitignore, and
// where a nested repository begins, that one's rules in place of the outer ones.
func (t *Tree) enter(d *Dir, entries []dirEntry, skip func(string, error)) {
	if d.ignored {
		return // nothing in it can be taken back; Git reads no rules here either
	}
	base := 0
	if d.path != "" {
		base = len(d.path) + 1
	}
	if git := lookup(entries, ".git"); git != nil && d.path != "" {
		if info, ok := t.nested(d.path, git); ok {
			d.rules = nil
			for _, set := range t.excludes {
				d.rules = d.rules.withSet(base, set)
			}
			t.addRules(d, base, info, skip)
		}
	}
	// A .gitignore that is a symbolic link has no effect, as with Git.
	if ignore := lookup(entries, ".gitignore"); ignore != nil && ignore.kind == kindRegular {
		t.addRules(d, base, join(d.path, ".gitignore"), skip)
	}
}

// addRules adds the rules of one file in the tree, if it is there.
func (t *Tree) addRules(d *Dir, base int, path string, skip func(string, error)) {
	if path == "" {
		return
	}
	data, err := t.readRegular(path, maxRulesBytes)
	if err == nil {
		var next *rules
		if next, err = d.rules.with(base, data); err == nil {
			d.rules = next
			return
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		skip(path, fmt.Errorf("read ignore rules: %w", err))
	}
}

func (d *Dir) child(path string) Dir {
	return Dir{path: path, rules: d.rules, above: d.above, depth: d.depth + 1, sparse: d.sparse}
}

// lookup finds a name that is no directory's, or a directory's, in a listing.
func lookup(entries []dirEntry, name string) *dirEntry {
	for _, key := range [2]string{name, name + "/"} {
		i := sort.Search(len(entries), func(i int) bool { return entries[i].sortKey >= key })
		if i < len(entries) && entries[i].sortKey == key {
			return &entries[i]
		}
	}
	return nil
}

// find gives the first entry with that path.
func find(entries []index.Name, path string) *index.Name {
	i := sort.Search(len(entries), func(i int) bool { return entries[i].Path >= path })
	if i < len(entries) && entries[i].Path == path {
		return &entries[i]
	}
	return nil
}

// below gives the entries whose paths begin with dir and a slash. They stand
// together, although others, such as "dir-x", stand between them and dir.
func below(entries []index.Name, dir string) []index.Name {
	from := sort.Search(len(entries), func(i int) bool { return !before(entries[i].Path, dir) })
	n := sort.Search(len(entries)-from, func(i int) bool {
		p := entries[from+i].Path
		return len(p) <= len(dir) || p[:len(dir)] != dir || p[len(dir)] != '/'
	})
	return entries[from : from+n]
}

// before tells whether path < dir + "/" without building that string.
func before(path, dir string) bool {
	n := min(len(path), len(dir))
	if c := strings.Compare(path[:n], dir[:n]); c != 0 {
		return c < 0
	}
	return len(path) <= n || path[n] < '/'
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// nameAt is where the last element of path begins.
func nameAt(path string) int { return strings.LastIndexByte(path, '/') + 1 }
