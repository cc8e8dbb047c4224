package worktree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Reader lists directories and reads files for one goroutine. It keeps the
// directory it was in last open: the next file of it is then found without
// going through the whole path again, which for files of a few kilobytes is a
// good part of the work.
type Reader struct {
	tree    *Tree
	folder  folder
	path    string // of folder
	inside  bool   // folder is open
	scratch []byte
}

// Reader gives a new Reader, to be closed before the Tree is.
func (t *Tree) Reader() *Reader { return &Reader{tree: t} }

// Close releases what the Reader holds open; it can be used on.
func (r *Reader) Close() {
	if r.inside {
		r.folder.close()
		r.inside = false
	}
}

// enter makes dir, a local path or "" for the root, the directory to be in.
func (r *Reader) enter(dir string) error {
	if r.inside && r.path == dir {
		return nil
	}
	r.Close()
	folder, err := r.tree.root.openFolder(dir)
	if err != nil {
		return err
	}
	r.folder, r.path, r.inside = folder, dir, true
	return nil
}

// entries appends the content of a directory, unsorted.
func (r *Reader) entries(dir string, list []dirEntry) ([]dirEntry, ancestor, error) {
	r.Close() // a directory that was listed before would be at its end
	if err := r.enter(dir); err != nil {
		return list, ancestor{}, err
	}
	return r.folder.list(list, &r.scratch)
}

// Read returns the content of the file at path, or the target of the symbolic
// link there, which is what Git stores for one. No link is followed on the way
// to it either, so nothing outside the tree is ever read. Content goes into
// buf's memory from its beginning, or into new memory when buf is too small.
//
// More than limit bytes give ErrTooLarge and no content: use Open then.
// Directories, pipes, sockets and devices give ErrNotRegular, at once. Errors do
// not repeat the path.
func (r *Reader) Read(path string, buf []byte, limit int64) ([]byte, error) {
	data, err := r.readRegular(path, buf, limit)
	if !errors.Is(err, errSymlink) {
		return data, err
	}
	target, err := r.folder.readLink(path[nameAt(path):])
	if err != nil {
		return nil, fmt.Errorf("read link: %w", err)
	}
	if int64(len(target)) > limit {
		return nil, fmt.Errorf("%w: link of %d bytes", ErrTooLarge, len(target))
	}
	return append(buf[:0], target...), nil
}

// Open opens a regular file as safely as Read does, to be read in pieces. A
// symbolic link is an error. The file stays good after the Reader is closed.
func (r *Reader) Open(path string) (io.ReadCloser, error) {
	f, _, err := r.open(path)
	if err != nil {
		return nil, err // not f: an interface that holds nothing is not nil
	}
	return f, nil
}

var (
	errSymlink = errors.New("is a symbolic link")
	errPath    = fmt.Errorf("%w: path does not name something in the tree", fs.ErrInvalid)
)

func (r *Reader) open(path string) (f openFile, sizeBytes int64, err error) {
	if !localPath(path) {
		return f, 0, errPath
	}
	at := nameAt(path)
	if err := r.enter(path[:max(0, at-1)]); err != nil {
		return f, 0, fmt.Errorf("open: %w", err)
	}
	return r.folder.open(path[at:])
}

func (r *Reader) readRegular(path string, buf []byte, limit int64) ([]byte, error) {
	f, size, err := r.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, buf, size, limit)
}

// readRegular is for files that stand alone.
func (t *Tree) readRegular(path string, limit int64) ([]byte, error) {
	r := t.Reader()
	defer r.Close()
	return r.readRegular(path, nil, limit)
}

// readAll reads to the end. The size is a hint: files grow and shrink. One that
// gives as many bytes as it has, into room for more, is at its end: asking again
// would be one system call in five.
func readAll(r io.Reader, buf []byte, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	// At least one byte more than the file has, to meet its end without growing;
	// and by doubling, so that a worker soon has memory that fits every file.
	buf = buf[:0]
	if int64(cap(buf)) <= size {
		buf = make([]byte, 0, max(size+1, min(1<<bits.Len64(uint64(size)), limit)))
	}
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, 4096)
		}
		room := cap(buf) - len(buf)
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, fmt.Errorf("%w: over %d bytes", ErrTooLarge, limit)
		}
		if err == io.EOF || err == nil && n < room && int64(len(buf)) == size {
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
