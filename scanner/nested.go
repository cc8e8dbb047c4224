package scanner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// maxNestedDepth bounds how deep directories are searched for repositories:
	// git puts submodules at modules/NAME, those inside one another at
	// modules/A/modules/B, and names have slashes.
	maxNestedDepth = 24
	// maxNested bounds how many are opened.
	maxNested = 1000
)

// Nested opens the repositories that r keeps inside its git directory: those of
// submodules, also of submodules that no commit names any more. What cannot be
// opened is told when r is scanned. They belong to the caller.
func (r *Repo) Nested(o Options) []*Repo {
	n := nesting{repo: r, cache: o.Cache}
	n.search(filepath.Join(r.dirs.CommonDir, "modules"), 0)
	return n.list
}

type nesting struct {
	repo  *Repo
	cache *Cache
	list  []*Repo
	full  bool
}

func (n *nesting) problem(path string, err error) {
	n.repo.problems = append(n.repo.problems, Skip{n.repo.inside(path), err})
}

// inside is a path below the git directory as it is told.
func (r *Repo) inside(path string) string {
	if rel, err := filepath.Rel(r.dirs.CommonDir, path); err == nil {
		return gitPrefix + filepath.ToSlash(rel)
	}
	return path
}

// search opens the repositories in dir and below. Links are not followed: git
// makes none here.
func (n *nesting) search(dir string, depth int) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			n.problem(dir, err)
		}
		return
	}
	if depth > maxNestedDepth {
		n.problem(dir, fmt.Errorf("repositories nest deeper than %d directories", maxNestedDepth))
		return
	}
	if depth > 0 && isRepository(entries) {
		n.open(dir)
		n.search(filepath.Join(dir, "modules"), depth+1)
		return
	}
	for _, e := range entries {
		if e.IsDir() && !n.full {
			n.search(filepath.Join(dir, e.Name()), depth+1)
		}
	}
}

func isRepository(entries []os.DirEntry) bool {
	found := 0
	for _, e := range entries {
		switch e.Name() {
		case "HEAD":
			found++
		case "objects", "refs":
			if e.IsDir() {
				found++
			}
		}
	}
	return found == 3
}

func (n *nesting) open(dir string) {
	if len(n.list) == maxNested {
		n.full = true
		n.problem(dir, fmt.Errorf("more than %d repositories inside this one", maxNested))
		return
	}
	env := func(key string) string {
		if key == "GIT_DIR" {
			return dir
		}
		return ""
	}
	r, err := Open(dir, Options{Getenv: env, Cache: n.cache})
	if err != nil {
		n.problem(dir, err)
		return
	}
	r.within = n.repo.inside(dir)
	n.list = append(n.list, r)
}
