package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"github.com/go-git/go-git/v5/plumbing/format/index"
)

// maxIndex bounds the index of a work tree: that of a million files is below.
const maxIndex = 512 << 20

// tree is what Git would make of a file.
type tree struct {
	root             string // of the work tree that it is in, "" if there is none
	tracked, ignored bool
}

// treeOf looks for the nearest Git work tree around a path without links. Where
// it does not know Git's answer it says what keeps the file out of the tree: not
// ignored. Rules of the user's own configuration are not read.
func treeOf(path string) (tree, error) {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Lstat(filepath.Join(dir, ".git"))
		if err == nil {
			return readTree(dir, info, path)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return tree{}, plain(err)
		}
		if dir == filepath.Dir(dir) {
			return tree{}, nil
		}
	}
}

func readTree(root string, dotGit fs.FileInfo, path string) (tree, error) {
	t := tree{root: root}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return t, err
	}
	gitDir := filepath.Join(root, ".git")
	if !dotGit.IsDir() {
		text, err := readRules(gitDir)
		if err != nil {
			return t, fmt.Errorf("read .git: %w", err)
		}
		to, ok := strings.CutPrefix(strings.TrimSpace(text), "gitdir:")
		if !ok {
			return t, errors.New(".git is neither a directory nor names one")
		}
		if gitDir = strings.TrimSpace(to); !filepath.IsAbs(gitDir) {
			gitDir = filepath.Join(root, gitDir)
		}
	}
	if t.tracked, err = inIndex(filepath.Join(gitDir, "index"), filepath.ToSlash(rel)); err != nil {
		return t, fmt.Errorf("read Git's index: %w", err)
	}
	t.ignored, err = isIgnored(root, gitDir, strings.Split(rel, string(filepath.Separator)))
	return t, err
}

func inIndex(path, name string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, plain(err)
	}
	defer f.Close()
	idx := &index.Index{}
	if err := index.NewDecoder(io.LimitReader(f, maxIndex)).Decode(idx); err != nil {
		return false, err
	}
	for _, e := range idx.Entries {
		if e.Name == name {
			return true, nil
		}
	}
	return false, nil
}

// isIgnored reads the rules on the way to a path, the strongest last.
func isIgnored(root, gitDir string, rel []string) (bool, error) {
	files := []struct {
		path   string
		domain []string
	}{{filepath.Join(gitDir, "info", "exclude"), nil}}
	dir := root
	for i := range rel {
		files = append(files, struct {
			path   string
			domain []string
		}{filepath.Join(dir, ".gitignore"), rel[:i]})
		dir = filepath.Join(dir, rel[i])
	}
	ignored := false
	for _, f := range files {
		text, err := readRules(f.path)
		if err != nil {
			return false, fmt.Errorf("read %s: %w", filepath.Base(f.path), err)
		}
		for line := range strings.SplitSeq(text, "\n") {
			ignored = apply(strings.TrimSuffix(line, "\r"), f.domain, rel, ignored)
		}
	}
	return ignored, nil
}

// apply is what one rule makes of a path. The library differs from Git over
// brackets, backslashes, empty names and some uses of **: such a rule may take a
// file out of what is ignored, but puts none in.
func apply(rule string, domain, path []string, ignored bool) bool {
	if rule == "" || strings.HasPrefix(rule, "#") {
		return ignored
	}
	odd := strings.ContainsAny(rule, `[]\`) || strings.Contains(rule, "//") || strings.Contains(strings.TrimPrefix(rule, "**/"), "**")
	includes := strings.HasPrefix(rule, "!")
	if includes && (odd || strings.Contains(rule, "**")) {
		return false
	}
	if odd {
		return ignored
	}
	switch gitignore.ParsePattern(rule, domain).Match(path, false) {
	case gitignore.Exclude:
		return true
	case gitignore.Include:
		return false
	}
	return ignored
}

// readRules reads a small file of Git's; none is an empty one. Git does not follow
// a link here.
func readRules(path string) (string, error) {
	f, err := openPlain(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", plain(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", plain(err)
	}
	if !info.Mode().IsRegular() {
		return "", nil
	}
	data, err := io.ReadAll(io.LimitReader(f, maxLocal))
	return string(data), plain(err)
}
