package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/scanner"
)

// target is what PATH and the flags come to.
type target struct {
	sources []scanner.Source
	scope   report.Scope
	name    string // in words
	objects int    // in the store; 0 when not known
	close   func()
}

// openTarget finds out what path is. given tells that somebody named it: then
// GIT_DIR and its like, which a hook sets for its own repository, are not meant.
func (p *program) openTarget(ctx context.Context, path string, given bool, f *scanFlags, c scanner.Choice) (*target, error) {
	if f.stdin {
		name := "(stdin)"
		if given {
			name = path
		}
		return plainTarget(name+", from standard input", scanner.Stream(name, p.in)), nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, hinted{fmt.Errorf("open %q: %w", path, cause(err)), "check the path"}
	}
	if !info.IsDir() {
		return openFile(ctx, path, info, f)
	}
	env := p.getenv
	if given {
		env = p.ownEnv
	}
	if f.staged {
		return p.openStaged(path, given)
	}
	t, err := openRepository(ctx, path, env, f, c)
	if errors.Is(err, scanner.ErrNotRepository) && env("GIT_DIR") == "" && !claimsRepository(path, env(ceilings)) {
		if flag := f.historyFlag(); flag != "" {
			return nil, hinted{fmt.Errorf("%s: %w", flag, err), "run it inside a clone, or name one; without " + flag + ", the files are scanned"}
		}
		return plainTarget(folderName(path), scanner.Folder(path)), nil
	}
	return t, err
}

// openRepository opens as much of a repository as the flags ask for.
func openRepository(ctx context.Context, path string, env func(string) string, f *scanFlags, c scanner.Choice) (*target, error) {
	o := scanner.Options{Getenv: env}
	if f.worktree && !f.history && f.partFlag() == "" {
		src, root, err := scanner.OpenWorkTree(path, o, f.ignored)
		if errors.Is(err, scanner.ErrBare) {
			return nil, bareError(root, err)
		}
		if err != nil {
			return nil, err
		}
		return plainTarget("repository "+root+": work tree", src), nil
	}
	if f.partFlag() == "" && !f.noCache {
		o.Cache = scanCache(f.allow(), f.ruleSet())
	}
	repo, err := scanner.Open(path, o)
	if err != nil {
		return nil, err
	}
	t, err := repoTarget(ctx, repo, f, c)
	if err != nil {
		repo.Close()
		return nil, err
	}
	open := []*scanner.Repo{repo}
	if t.scope == report.All {
		for _, n := range repo.Nested(o) {
			open = append(open, n)
			t.sources = append(t.sources, n.History())
			t.objects += n.Objects()
		}
	}
	t.close = func() {
		for _, r := range open {
			r.Close()
		}
	}
	return t, nil
}

func bareError(root string, err error) error {
	return hinted{fmt.Errorf("open %q: %w", root, err), "leave out --worktree: a bare repository has only history"}
}

// openStaged opens the index that PATH means. A hook may name the directory it
// runs in: where that is the repository of the environment, GIT_INDEX_FILE says
// which index the commit is made from, which need not be the repository's own.
func (p *program) openStaged(path string, given bool) (*target, error) {
	env := p.getenv
	if given {
		env = p.ownEnv
	}
	s, err := scanner.OpenStaged(path, scanner.Options{Getenv: env})
	if err != nil {
		return nil, err
	}
	if given && p.getenv("GIT_INDEX_FILE") != "" {
		hook, err := scanner.OpenStaged(".", scanner.Options{Getenv: p.getenv})
		switch {
		case err == nil && hook.GitDir() == s.GitDir():
			s.Close()
			s = hook
		case err == nil:
			hook.Close()
		}
	}
	return &target{
		sources: []scanner.Source{s}, scope: report.Staged,
		name: "repository " + s.Root() + ": staged changes", close: s.Close,
	}, nil
}

const ceilings = "GIT_CEILING_DIRECTORIES"

// ownEnv is the environment without what names a repository: only how to search
// for one, and where the user's configuration lies, is left of Git's variables.
func (p *program) ownEnv(key string) string {
	kept := key == ceilings || key == "GIT_DISCOVERY_ACROSS_FILESYSTEM" || key == "GIT_CONFIG_GLOBAL"
	if strings.HasPrefix(key, "GIT_") && !kept {
		return ""
	}
	return p.getenv(key)
}

func plainTarget(name string, s scanner.Source) *target {
	return &target{sources: []scanner.Source{s}, name: name, close: func() {}}
}

func folderName(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return "folder " + path + ", which is in no Git repository: files only, no history"
}

// openFile takes PATH for a single file, which may hold a repository.
func openFile(ctx context.Context, path string, info fs.FileInfo, f *scanFlags) (*target, error) {
	if !info.Mode().IsRegular() {
		if flag := f.historyFlag(); flag != "" {
			return nil, noHistory(flag, path)
		}
		return nil, hinted{fmt.Errorf("open %q: neither a file nor a directory", path), "keyquench scan --stdin < FILE"}
	}
	// Somebody who names a link means what it leads to.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, cause(err))
	}
	if filepath.Clean(path) == real {
		real = path
	}
	kind, err := scanner.PackedFile(real)
	if err != nil {
		return nil, hinted{fmt.Errorf("open %q: %w", path, cause(err)), "check who may read it"}
	}
	if kind != "" {
		return openPacked(ctx, path, real, kind, f)
	}
	if flag := f.historyFlag(); flag != "" {
		return nil, noHistory(flag, path)
	}
	return plainTarget("file "+path, scanner.File(real)), nil
}

func noHistory(flag, path string) error {
	return hinted{fmt.Errorf("%s: %q is a file: %w", flag, path, scanner.ErrNotRepository), "name the directory of a clone"}
}

// openPacked opens a bundle or a pack; path is what it was called.
func openPacked(ctx context.Context, path, real string, kind scanner.Packed, f *scanFlags) (*target, error) {
	flag := f.partFlag()
	switch {
	case f.staged:
		flag = "--staged"
	case f.worktree:
		flag = "--worktree"
	}
	if flag != "" {
		return nil, hinted{fmt.Errorf("%s: %q is a %s", flag, path, kind), "leave it out, or make a clone and scan that"}
	}
	repo, err := scanner.OpenPacked(ctx, real, kind)
	if err != nil {
		return nil, err
	}
	return &target{
		sources: []scanner.Source{repo.History(), repo.Names()}, scope: report.All,
		name: fmt.Sprintf("%s %s: history", kind, path), objects: repo.Objects(), close: repo.Close,
	}, nil
}

// claimsRepository tells that the directory, or one above it and below the
// ceilings, has a .git that could not be opened. Scanning its files instead
// would hide the history.
func claimsRepository(path, ceilings string) bool {
	dir, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		parent := filepath.Dir(dir)
		if parent == dir || slices.Contains(filepath.SplitList(ceilings), parent) {
			return false
		}
		dir = parent
	}
}

// repoTarget chooses the sources of a repository of which history is wanted.
func repoTarget(ctx context.Context, repo *scanner.Repo, f *scanFlags, c scanner.Choice) (*target, error) {
	t := &target{name: "repository " + repo.Root()}
	if part := f.partFlag(); part != "" {
		src, err := repo.Chosen(ctx, c)
		if err != nil {
			return nil, err
		}
		t.sources, t.scope = []scanner.Source{src}, report.Part
		t.name += ": the chosen part of its history"
		return t, nil
	}
	t.sources, t.scope, t.objects = append(t.sources, repo.History(), repo.Metadata()), report.All, repo.Objects()
	files := f.worktree || !f.history && !repo.Bare()
	if files {
		src, err := repo.WorkTree(f.ignored)
		if err != nil {
			return nil, bareError(repo.Root(), err)
		}
		t.sources = append(t.sources, src)
	}
	switch {
	case files:
		t.name += ": history and work tree"
	case repo.Bare():
		t.name += ", bare: history"
	default:
		t.name += ": history"
	}
	return t, nil
}

// cause is what went wrong with a file, without its name.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
