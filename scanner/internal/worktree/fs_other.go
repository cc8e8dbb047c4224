//go:build !linux

package worktree

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// root keeps everything below a directory with os.Root. Links are looked for
// before each open, so a tree that changes meanwhile can send us to another
// place, but to none outside of it.
type root struct{ dir *os.Root }

func openRoot(dir string) (*root, error) {
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &root{r}, nil
}

func (r *root) close() error { return r.dir.Close() }

// check refuses a path with a link on the way, or at its end.
func (r *root) check(path string) error {
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		info, err := r.dir.Lstat(path[:i])
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if i < len(path) {
				return syscall.ENOTDIR
			}
			return errSymlink
		}
	}
	return nil
}

func (r *root) open(path string) (*os.File, int64, error) {
	if err := r.check(path); err != nil {
		return nil, 0, err
	}
	f, err := r.dir.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		f.Close()
		return nil, 0, ErrNotRegular
	}
	return f, info.Size(), nil
}

func (r *root) readLink(path string) (string, error) {
	if dir, _, ok := cutLast(path); ok {
		if err := r.check(dir); err != nil {
			return "", err
		}
	}
	return r.dir.Readlink(path)
}

func cutLast(path string) (dir, name string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

type openFile = *os.File

// folder is a directory, kept as its path.
type folder struct {
	root *root
	path string
}

// openFolder takes a local path, "" for the root.
func (r *root) openFolder(path string) (folder, error) {
	if path != "" {
		err := r.check(path)
		if errors.Is(err, errSymlink) {
			err = syscall.ENOTDIR // only what an opened file is may be told so
		}
		if err != nil {
			return folder{}, err
		}
	}
	return folder{r, path}, nil
}

func (d folder) close() {}

func (d folder) open(name string) (*os.File, int64, error) { return d.root.open(join(d.path, name)) }

func (d folder) readLink(name string) (string, error) { return d.root.readLink(join(d.path, name)) }

// list appends what the directory holds, unsorted. It cannot tell which
// directory it is, so circles end only at maxDepth.
func (d folder) list(entries []dirEntry, _ *[]byte) ([]dirEntry, ancestor, error) {
	name := "."
	if d.path != "" {
		name = d.path
	}
	f, err := d.root.dir.Open(name)
	if err != nil {
		return entries, ancestor{}, err
	}
	defer f.Close()
	list, err := f.ReadDir(-1)
	for _, e := range list {
		entries = append(entries, newDirEntry(e))
	}
	return entries, ancestor{}, err
}

func newDirEntry(d fs.DirEntry) dirEntry {
	switch t := d.Type(); {
	case t.IsRegular():
		return dirEntry{sortKey: d.Name(), kind: kindRegular}
	case t.IsDir():
		return dirEntry{sortKey: d.Name() + "/", kind: kindDir}
	case t&fs.ModeSymlink != 0:
		return dirEntry{sortKey: d.Name(), kind: kindSymlink}
	}
	return dirEntry{sortKey: d.Name()}
}
