//go:build !linux

package worktree

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/keyquench/keyquench/scanner/internal/index"
)

// root keeps everything below a directory with os.Root. Links are looked for
// before each open, so a tree that changes meanwhile can send us to another
// place, but to none outside of it. Of the stat data Git compares only the
// modification time and the size are portable; the rest stays zero.
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

func (r *root) openFile(path string) (*os.File, error) {
	f, _, err := r.open(path)
	return f, err
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

// readDir appends the content of a directory, unsorted. It cannot tell which
// directory it is, so circles end only at maxDepth.
func (r *root) readDir(dir string, entries []dirEntry) ([]dirEntry, ancestor, error) {
	self := ancestor{}
	name := "."
	if dir != "" {
		name = dir
		if err := r.check(dir); err != nil {
			return entries, self, err
		}
	}
	f, err := r.dir.Open(name)
	if err != nil {
		return entries, self, err
	}
	defer f.Close()
	list, err := f.ReadDir(-1)
	if err != nil {
		return entries, self, err
	}
	for _, d := range list {
		info, err := d.Info()
		if err != nil {
			entries = append(entries, dirEntry{sortKey: d.Name(), err: fmt.Errorf("stat: %w", err)})
			continue
		}
		entries = append(entries, newDirEntry(info))
	}
	return entries, self, nil
}

func newDirEntry(info fs.FileInfo) dirEntry {
	e := dirEntry{sortKey: info.Name(), size: info.Size(), executable: info.Mode()&0o100 != 0}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		e.kind = kindRegular
	case mode.IsDir():
		e.kind = kindDir
		e.sortKey += "/"
	case mode&fs.ModeSymlink != 0:
		e.kind = kindSymlink
	}
	t := info.ModTime()
	e.stat = index.Stat{
		MTime:     index.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())},
		SizeBytes: uint32(info.Size()),
	}
	return e
}
