package worktree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Read returns the content of the file at path, or the target of the symbolic
// link there, which is what Git stores for one. No link is followed on the way
// to it either, so nothing outside the tree is ever read. Content goes into
// buf's memory from its beginning, or into new memory when buf is too small.
//
// More than limit bytes give ErrTooLarge and no content: use OpenFile then.
// Directories, pipes, sockets and devices give ErrNotRegular, at once. Errors do
// not repeat the path.
func (t *Tree) Read(path string, buf []byte, limit int64) ([]byte, error) {
	data, err := t.readRegular(path, buf, limit)
	if !errors.Is(err, errSymlink) {
		return data, err
	}
	target, err := t.root.readLink(path)
	if err != nil {
		return nil, fmt.Errorf("read link: %w", err)
	}
	if int64(len(target)) > limit {
		return nil, fmt.Errorf("%w: link of %d bytes", ErrTooLarge, len(target))
	}
	return append(buf[:0], target...), nil
}

// OpenFile opens a regular file as safely as Read does, to be read in pieces.
// A symbolic link is an error.
func (t *Tree) OpenFile(path string) (*os.File, error) {
	if !localPath(path) {
		return nil, errPath
	}
	return t.root.openFile(path)
}

var (
	errSymlink = errors.New("is a symbolic link")
	errPath    = fmt.Errorf("%w: path does not name something in the tree", fs.ErrInvalid)
)

func (t *Tree) readRegular(path string, buf []byte, limit int64) ([]byte, error) {
	if !localPath(path) {
		return nil, errPath
	}
	f, size, err := t.root.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, buf, size, limit)
}

// readAll reads to the end. The size is a hint: files grow and shrink.
func readAll(r io.Reader, buf []byte, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	// One byte more than the file has, to meet its end without growing.
	buf = slices.Grow(buf[:0], int(size)+1)
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, 4096)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, fmt.Errorf("%w: over %d bytes", ErrTooLarge, limit)
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// readOutside reads an ignore file that the caller named. Links are followed,
// as the path is not the scanned repository's.
func readOutside(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	return readAll(f, nil, info.Size(), maxRulesBytes)
}

// localPath tells whether path stays below the root by its text: not empty, not
// absolute, and no element empty, "." or "..".
func localPath(path string) bool {
	for {
		elem, rest, more := strings.Cut(path, "/")
		if elem == "" || elem == "." || elem == ".." || strings.IndexByte(elem, 0) >= 0 {
			return false
		}
		if !more {
			return true
		}
		path = rest
	}
}
