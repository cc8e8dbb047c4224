package gitdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Worktree is one work tree of a repository: the main one, or a linked one.
type Worktree struct {
	Name      string // empty for the main one
	GitDir    string
	Path      string // empty when bare, or when the main one's place is not recorded
	IndexFile string // need not exist
	Head      Ref
	Locked    bool
	Missing   bool // the directory is gone; git would prune the entry
}

// view is the references as one work tree sees them. The first view is the main
// work tree's and holds the shared references too.
type view struct {
	name   string
	dir    string // where its references are
	gitDir string // where its FETCH_HEAD and other files are
	shared bool
}

// maxWorktrees bounds the linked work trees: each has files of its own to read.
const maxWorktrees = 10_000

var errTooManyWorktrees = fmt.Errorf("more linked work trees than are read (%d)", maxWorktrees)

// views lists the work trees of a repository, the main one first.
func (r *Repo) views(p *problems) []view {
	views := []view{{dir: r.refDir, gitDir: r.CommonDir, shared: true}}
	dir := filepath.Join(r.CommonDir, "worktrees")
	var linked []string
	err := eachEntry(dir, newBudget(), func(d fs.DirEntry) bool {
		if isDir(filepath.Join(dir, d.Name())) {
			linked = append(linked, d.Name())
		}
		return len(linked) <= maxWorktrees
	})
	if err != nil && !missing(err) {
		p.at(dir, cause(err))
	}
	if len(linked) > maxWorktrees {
		p.at(dir, errTooManyWorktrees)
		linked = linked[:maxWorktrees]
	}
	slices.Sort(linked)
	for _, name := range linked {
		views = append(views, r.linkedView(name, filepath.Join(dir, name)))
	}
	if r.currentView(views) < 0 {
		// GIT_COMMON_DIR can join any two directories.
		views = append(views, r.linkedView(filepath.Base(r.GitDir), r.GitDir))
	}
	return views
}

func (r *Repo) linkedView(name, gitDir string) view {
	v := view{name: name, dir: gitDir, gitDir: gitDir}
	if r.refDir != r.CommonDir {
		v.dir = filepath.Join(r.refDir, "worktrees", name)
	}
	return v
}

// currentView is the index of this work tree's view, or -1.
func (r *Repo) currentView(views []view) int {
	return slices.IndexFunc(views, func(v view) bool { return v.gitDir == r.GitDir || realPath(v.gitDir) == r.GitDir })
}

// Worktrees lists the main work tree, and the linked ones by name. One whose
// record cannot be read is a problem; one that is only gone is Missing.
func (r *Repo) Worktrees() ([]Worktree, []Problem) {
	lk := r.newLookup()
	p := &lk.problems
	var list []Worktree
	for i, v := range lk.views {
		var err error
		wt := Worktree{Name: v.name, GitDir: v.gitDir, IndexFile: filepath.Join(v.gitDir, "index")}
		if i == lk.current {
			wt.IndexFile = r.IndexFile
		}
		if v.shared {
			wt.Path, err = r.mainPath()
		} else {
			err = wt.readLinked(r)
		}
		if err == nil {
			wt.Head, err = lk.head(i)
		}
		if err != nil {
			p.at(v.gitDir, err)
			if !v.shared && wt.Path == "" {
				continue
			}
		}
		list = append(list, wt)
	}
	return list, p.all()
}

// mainPath is the main work tree. Git records it only by where .git lies or by
// core.worktree, so that after `git init --separate-git-dir` it is not known
// from a linked work tree.
func (r *Repo) mainPath() (string, error) {
	if r.GitDir == r.CommonDir {
		return r.WorkTree, nil
	}
	l, err := readLayout(r.CommonDir, r.CommonDir, false)
	if err != nil {
		return "", err
	}
	switch {
	case l.bare != nil && *l.bare:
		return "", nil
	case l.workTree != nil:
		return realPath(under(r.CommonDir, *l.workTree)), nil
	case filepath.Base(r.CommonDir) == ".git":
		return filepath.Dir(r.CommonDir), nil
	}
	return "", nil
}

var errNoRecord = errors.New("no record of where the work tree is")

// readLinked fills in what a linked work tree's own directory says.
func (wt *Worktree) readLinked(r *Repo) error {
	data, err := readSmall(filepath.Join(wt.GitDir, "gitdir"), maxGitFile)
	if err != nil {
		if missing(err) && wt.GitDir == r.GitDir {
			wt.Path = r.WorkTree
			return nil
		}
		return fmt.Errorf("%w: %w", errNoRecord, cause(err))
	}
	dotGit := strings.TrimRight(string(data), " \t\r\n")
	if dotGit == "" || strings.IndexByte(dotGit, 0) >= 0 {
		return errNoRecord
	}
	dotGit = under(wt.GitDir, dotGit)
	path, ok := strings.CutSuffix(dotGit, string(filepath.Separator)+".git")
	if !ok {
		path = dotGit
	}
	wt.Path = realPath(path)
	if _, err := os.Lstat(dotGit); err != nil {
		wt.Missing = true
	}
	if _, err := os.Lstat(filepath.Join(wt.GitDir, "locked")); err == nil {
		wt.Locked = true
	}
	return nil
}
