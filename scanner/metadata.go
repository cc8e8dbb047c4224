package scanner

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/gitdir"
	"github.com/keyquench/keyquench/scanner/internal/worktree"
)

// metadata is the Source of what a repository keeps beside its objects.
type metadata struct {
	repo  *Repo
	files *files // nil for names alone
}

// gitPrefix stands before the paths of files in a git directory, bare or not.
const gitPrefix = ".git/"

// Metadata gives what a repository keeps beside its objects: the names of refs
// and of staged files, reflogs, configuration, hooks, messages of commits in the
// making. Objects are History's, and so are those of repositories inside the git
// directory.
func (r *Repo) Metadata() Source {
	return &metadata{r, &files{
		repo: r, root: r.dirs.CommonDir, kind: GitFile, prefix: gitPrefix, o: worktree.Options{Plain: true},
	}}
}

func (m *metadata) of() *Repo { return m.repo }

func (m *metadata) Parts(ctx context.Context) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		if !yield(m.names, nil) || m.files == nil {
			return
		}
		if m.repo.dirs.RefStorage == gitdir.RefTable && !yield(m.logs, nil) {
			return
		}
		for p, err := range m.files.Parts(ctx) {
			if !yield(p, err) {
				return
			}
		}
	}
}

// names gives names that are in no tree.
func (m *metadata) names(ctx context.Context) iter.Seq2[Blob, error] {
	return func(yield func(Blob, error) bool) {
		for _, ref := range m.repo.refs {
			for _, name := range []string{ref.Name, ref.Symbolic} {
				b, odd := pathName(Blob{}, name)
				if b.Kind = RefName; odd && (ctx.Err() != nil || !yield(b, nil)) {
					return
				}
			}
		}
		for i := range m.repo.staged {
			b, odd := pathName(Blob{}, m.repo.staged[i].Path)
			if b.staged = true; odd && (ctx.Err() != nil || !yield(b, nil)) {
				return
			}
		}
	}
}

// logs gives the reflogs of a repository whose refs are in tables, a Blob each
// line; other reflogs are files.
func (m *metadata) logs(ctx context.Context) iter.Seq2[Blob, error] {
	return func(yield func(Blob, error) bool) {
		for e, err := range m.repo.dirs.Reflogs() {
			b := Blob{Kind: GitFile, Path: gitPrefix + "logs/" + e.Ref, Data: bytes.Join([][]byte{e.Who, e.Message}, []byte("\t"))}
			if p, ok := errors.AsType[gitdir.Problem](err); ok {
				b, err = Blob{}, &SkipError{p.Path, p}
			}
			if ctx.Err() != nil || !yield(b, err) {
				return
			}
		}
	}
}

// passing tells whether an error is none: in a git directory files come and go
// while git works, and what is gone is not there to be found.
func (f *files) passing(err error) bool { return f.kind == GitFile && errors.Is(err, fs.ErrNotExist) }

// elsewhere tells whether a file of a git directory is read in another way: names
// of refs and of staged files are looked at as names.
func (f *files) elsewhere(p string) bool {
	if f.kind != GitFile {
		return false
	}
	base := path.Base(p)
	if base == "index" || base == "packed-refs" || strings.HasPrefix(base, "sharedindex.") {
		return true
	}
	first, _, _ := strings.Cut(p, "/")
	return first == "refs" || first == "reftable"
}
