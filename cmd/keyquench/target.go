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
		return openFile(path, info, f)
	}
	env := p.getenv
	if given {
		env = p.ownEnv
	}
	repo, err := scanner.Open(path, scanner.Options{Getenv: env})
	if errors.Is(err, scanner.ErrNotRepository) && env("GIT_DIR") == "" && !claimsRepository(path, env(ceilings)) {
		if flag := f.historyFlag(); flag != "" {
			return nil, hinted{fmt.Errorf("%s: %w", flag, err), "run it inside a clone, or name one; without " + flag + ", the files are scanned"}
		}
		return plainTarget(folderName(path), scanner.Folder(path)), nil
	}
	if err != nil {
		return nil, err
	}
	t, err := repoTarget(ctx, repo, f, c)
	if err != nil {
		repo.Close()
		return nil, err
	}
	t.close = repo.Close
	return t, nil
}

const ceilings = "GIT_CEILING_DIRECTORIES"

// ownEnv is the environment without what names a repository: only how to search
// for one is left of Git's variables.
func (p *program) ownEnv(key string) string {
	if strings.HasPrefix(key, "GIT_") && key != ceilings && key != "GIT_DISCOVERY_ACROSS_FILESYSTEM" {
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

// openFile takes PATH for a single file.
func openFile(path string, info fs.FileInfo, f *scanFlags) (*target, error) {
	if flag := f.historyFlag(); flag != "" {
		return nil, hinted{fmt.Errorf("%s: %q is a file: %w", flag, path, scanner.ErrNotRepository), "name the directory of a clone"}
	}
	if !info.Mode().IsRegular() {
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
	return plainTarget("file "+path, scanner.File(real)), nil
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

// repoTarget chooses the sources of a repository.
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
	history, files := f.history || !f.worktree, f.worktree || !f.history
	if repo.Bare() && !f.worktree {
		files = false
	}
	if history {
		t.sources, t.scope, t.objects = append(t.sources, repo.History()), report.All, repo.Objects()
	}
	if files {
		src, err := repo.WorkTree(f.ignored)
		if err != nil {
			return nil, hinted{fmt.Errorf("open %q: %w", repo.Root(), err), "leave out --worktree: a bare repository has only history"}
		}
		t.sources = append(t.sources, src)
	}
	switch {
	case history && files:
		t.name += ": history and work tree"
	case history && repo.Bare():
		t.name += ", bare: history"
	case history:
		t.name += ": history"
	default:
		t.name += ": work tree"
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
