package worktree

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/keyquench/keyquench/scanner/internal/index"
)

// root is an open directory below which everything is opened, never through a
// symbolic link: the tree may change under us, so a check before the open would
// prove nothing.
type root struct {
	fd int
	// stepwise is set where the kernel (before 5.6) or a sandbox has no openat2
	// and paths are opened element by element.
	stepwise atomic.Bool
}

func openRoot(dir string) (*root, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return &root{fd: fd}, nil
}

func (r *root) close() error { return unix.Close(r.fd) }

// retry repeats a call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// openat opens a local path, "" for the root. A link on the way or at its end
// is an error.
func (r *root) openat(path string, flags int) (int, error) {
	if path == "" {
		path = "."
	}
	flags |= unix.O_NOFOLLOW | unix.O_CLOEXEC
	if !r.stepwise.Load() {
		how := unix.OpenHow{
			Flags:   uint64(flags),
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
		}
		fd, err := retry(func() (int, error) { return unix.Openat2(r.fd, path, &how) })
		if err != unix.ENOSYS && err != unix.EPERM {
			return fd, err
		}
		if err == unix.ENOSYS {
			r.stepwise.Store(true)
		}
	}
	return r.openStepwise(path, flags)
}

func (r *root) openStepwise(path string, flags int) (int, error) {
	at := r.fd
	for {
		elem, rest, more := strings.Cut(path, "/")
		elemFlags := flags
		if more {
			elemFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		}
		fd, err := retry(func() (int, error) { return unix.Openat(at, elem, elemFlags, 0) })
		if at != r.fd {
			unix.Close(at)
		}
		if err != nil || !more {
			return fd, err
		}
		at, path = fd, rest
	}
}

// rawFile reads a descriptor without the poller, which regular files do not
// need and which costs two system calls for each.
type rawFile int

func (f rawFile) Read(b []byte) (int, error) {
	n, err := retry(func() (int, error) { return unix.Read(int(f), b) })
	if err != nil {
		return 0, err
	}
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f rawFile) Close() error { return unix.Close(int(f)) }

// open opens a regular file. O_NONBLOCK keeps it from waiting for the other end
// of a pipe; what was opened is looked at before anything is read.
func (r *root) open(path string) (rawFile, int64, error) {
	fd, err := r.openat(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	switch err {
	case nil:
	case unix.ELOOP:
		return -1, 0, errSymlink
	case unix.ENXIO: // a socket
		return -1, 0, ErrNotRegular
	default:
		return -1, 0, fmt.Errorf("open: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, 0, fmt.Errorf("stat: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return -1, 0, ErrNotRegular
	}
	return rawFile(fd), st.Size, nil
}

func (r *root) openFile(path string) (*os.File, error) {
	f, _, err := r.open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(int(f), false); err != nil {
		f.Close()
		return nil, err
	}
	return os.NewFile(uintptr(f), path), nil
}

func (r *root) readLink(p string) (string, error) {
	dir, name := path.Split(p)
	fd, err := r.openat(strings.TrimSuffix(dir, "/"), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	buf := make([]byte, unix.PathMax) // no link is longer
	n, err := retry(func() (int, error) { return unix.Readlinkat(fd, name, buf) })
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// readDir appends the content of a directory, unsorted, and tells which
// directory it is. A name that cannot be looked at has its error.
func (r *root) readDir(dir string, entries []dirEntry) ([]dirEntry, ancestor, error) {
	fd, err := r.openat(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return entries, ancestor{}, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return entries, ancestor{}, err
	}
	self := ancestor{dev: uint64(st.Dev), ino: st.Ino}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return entries, self, err
	}
	for _, name := range names {
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			entries = append(entries, dirEntry{sortKey: name, err: fmt.Errorf("stat: %w", err)})
			continue
		}
		entries = append(entries, newDirEntry(name, &st))
	}
	return entries, self, nil
}

func newDirEntry(name string, st *unix.Stat_t) dirEntry {
	e := dirEntry{sortKey: name, size: st.Size, executable: st.Mode&0o100 != 0}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.kind = kindRegular
	case unix.S_IFLNK:
		e.kind = kindSymlink
	case unix.S_IFDIR:
		e.kind = kindDir
		e.sortKey = name + "/"
	}
	e.stat = index.Stat{
		CTime: index.Time{Sec: uint32(st.Ctim.Sec), Nsec: uint32(st.Ctim.Nsec)},
		MTime: index.Time{Sec: uint32(st.Mtim.Sec), Nsec: uint32(st.Mtim.Nsec)},
		Dev:   uint32(st.Dev), Ino: uint32(st.Ino), UID: st.Uid, GID: st.Gid,
		SizeBytes: uint32(st.Size),
	}
	return e
}
