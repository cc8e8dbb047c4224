package scanner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"sync"

	"github.com/keyquench/keyquench/scanner/internal/index"
	"github.com/keyquench/keyquench/scanner/internal/worktree"
)

const (
	// maxFile is the largest file, in bytes, that is read in one piece; larger
	// ones are named and skipped.
	maxFile = 256 << 20
	// partFiles and partBytes bound what one worker takes at a time.
	partFiles = 64
	partBytes = 4 << 20
)

// ErrBare: a repository without a work tree was asked for its files.
var ErrBare = hinted(errors.New("repository has no work tree"), "scan its history instead")

// files is the Source of a directory. repo is nil when that is no repository.
type files struct {
	repo *Repo
	root string
	o    worktree.Options
	bufs sync.Pool
}

// WorkTree gives the files of the repository's work tree as they lie there: the
// tracked ones, and the untracked ones that no ignore rule excludes; with
// ignored, those too.
func (r *Repo) WorkTree(ignored bool) (Source, error) {
	if r.Bare() {
		return nil, ErrBare
	}
	x, err := index.Read(r.dirs.IndexFile, r.dirs.Format)
	if err != nil {
		// It was named when the repository was opened; without it, every file
		// is an untracked one, and ignore rules could hide a tracked file.
		x, ignored = nil, true
	}
	return &files{repo: r, root: r.dirs.WorkTree, o: worktree.Options{
		Index: x, Ignored: ignored, InfoExclude: filepath.Join(r.dirs.CommonDir, "info", "exclude"), Excludes: r.excludes,
	}}, nil
}

// Folder gives all files below a directory that is no repository.
func Folder(root string) Source {
	return &files{root: root, o: worktree.Options{Plain: true}}
}

func (f *files) of() *Repo { return f.repo }

// Parts lists the directory and hands out files in batches.
func (f *files) Parts(ctx context.Context) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		var skips []error
		skip := func(path string, err error) { skips = append(skips, &SkipError{path, err}) }
		tree, err := worktree.Open(f.root, f.o, skip)
		if err != nil {
			yield(nil, fmt.Errorf("open %s: %w", f.root, err))
			return
		}
		// Workers read from the tree after the last part is handed out.
		shared := &sharedTree{tree: tree, users: 1}
		defer shared.done()
		if !f.list(ctx, shared, skip, yield) {
			return
		}
		if len(skips) > 0 {
			yield(errorsPart(skips), nil)
		}
	}
}

// list goes through all directories, depth first.
func (f *files) list(ctx context.Context, shared *sharedTree, skip func(string, error), yield func(Part, error) bool) bool {
	dirs := []worktree.Dir{shared.tree.Root()}
	var l worktree.Listing
	var batch []worktree.File
	bytes := int64(0)
	send := func() bool {
		if len(batch) == 0 {
			return true
		}
		part := f.part(shared, batch)
		batch, bytes = nil, 0
		if yield(part, nil) {
			return true
		}
		shared.done() // nobody took the part
		return false
	}
	for len(dirs) > 0 {
		if ctx.Err() != nil {
			return false
		}
		d := dirs[len(dirs)-1]
		dirs = dirs[:len(dirs)-1]
		shared.tree.List(d, &l, skip)
		for _, file := range l.Files {
			batch = append(batch, file)
			if bytes += file.Size; len(batch) == partFiles || bytes > partBytes {
				if !send() {
					return false
				}
			}
		}
		for i := len(l.Dirs) - 1; i >= 0; i-- {
			dirs = append(dirs, l.Dirs[i])
		}
	}
	return send()
}

// sharedTree closes a tree when the last of its users is done.
type sharedTree struct {
	tree  *worktree.Tree
	mu    sync.Mutex
	users int
}

func (s *sharedTree) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		_ = s.tree.Close() // opened for reading only
	}
}

func (f *files) part(shared *sharedTree, batch []worktree.File) Part {
	shared.mu.Lock()
	shared.users++
	shared.mu.Unlock()
	return func(ctx context.Context) iter.Seq2[Blob, error] {
		return func(yield func(Blob, error) bool) {
			defer shared.done()
			buf, _ := f.bufs.Get().(*[]byte)
			if buf == nil {
				buf = new([]byte)
			}
			defer f.bufs.Put(buf)
			for i := range batch {
				if ctx.Err() != nil {
					return
				}
				data, err := shared.tree.Read(batch[i].Path, *buf, maxFile)
				if err != nil {
					if errors.Is(err, fs.ErrNotExist) {
						err = fmt.Errorf("vanished during the scan: %w", err)
					}
					if !yield(Blob{}, &SkipError{batch[i].Path, err}) {
						return
					}
					continue
				}
				if cap(data) > cap(*buf) {
					*buf = data
				}
				if !yield(Blob{Kind: WorkTreeFile, Path: batch[i].Path, Data: data}, nil) {
					return
				}
			}
		}
	}
}

// errorsPart is a Part of errors only.
func errorsPart(list []error) Part {
	return func(context.Context) iter.Seq2[Blob, error] {
		return func(yield func(Blob, error) bool) {
			for _, err := range list {
				if !yield(Blob{}, err) {
					return
				}
			}
		}
	}
}

// stream is the Source of one run of bytes.
type stream struct {
	name string
	r    io.Reader
}

// Stream gives what r holds, as one Blob called name: at most 256 MiB, more is
// an error.
func Stream(name string, r io.Reader) Source { return &stream{name, r} }

// File gives one file that lies in no repository.
func File(path string) Source { return &file{path} }

type file struct{ path string }

// Parts opens the file and reads it like a folder of one.
func (f *file) Parts(ctx context.Context) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		dir, name := filepath.Split(f.path)
		if dir == "" {
			dir = "."
		}
		data, err := worktree.Read(dir, name, nil, maxFile)
		if err != nil {
			yield(nil, fmt.Errorf("read %s: %w", f.path, err))
			return
		}
		yield(once(Blob{Kind: WorkTreeFile, Path: filepath.ToSlash(f.path), Data: data}), nil)
	}
}

// Parts reads the stream to its end.
func (s *stream) Parts(context.Context) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		data, err := io.ReadAll(io.LimitReader(s.r, maxFile+1))
		if err == nil && len(data) > maxFile {
			err = hinted(fmt.Errorf("more than %d bytes", maxFile), "write it to a file and split that")
		}
		if err != nil {
			yield(nil, fmt.Errorf("read %s: %w", s.name, err))
			return
		}
		yield(once(Blob{Kind: Input, Path: s.name, Data: data}), nil)
	}
}

// once is a Part of one Blob.
func once(b Blob) Part {
	return func(context.Context) iter.Seq2[Blob, error] {
		return func(yield func(Blob, error) bool) { yield(b, nil) }
	}
}
