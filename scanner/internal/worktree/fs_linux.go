package worktree

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
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

// folder is an open directory. Its methods take the name of an entry, one
// element, and follow no link.
type folder struct{ fd int }

// openFolder opens the directory at a local path, "" for the root.
func (r *root) openFolder(path string) (folder, error) {
	fd, err := r.openat(path, unix.O_RDONLY|unix.O_DIRECTORY)
	return folder{fd}, err
}

func (d folder) close() { unix.Close(d.fd) }

type openFile = rawFile

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
func (d folder) open(name string) (rawFile, int64, error) {
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := retry(func() (int, error) { return unix.Openat(d.fd, name, flags, 0) })
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

func (d folder) readLink(name string) (string, error) {
	buf := make([]byte, unix.PathMax) // no link is longer
	n, err := retry(func() (int, error) { return unix.Readlinkat(d.fd, name, buf) })
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// list appends what the directory holds, unsorted, and tells which directory it
// is. A name that cannot be looked at has its error. It is called once for each
// opening. buf is scratch memory.
func (d folder) list(entries []dirEntry, buf *[]byte) ([]dirEntry, ancestor, error) {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return entries, ancestor{}, err
	}
	self := ancestor{dev: uint64(st.Dev), ino: st.Ino}
	if *buf == nil {
		*buf = make([]byte, 32<<10) // what libraries of C ask for
	}
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(d.fd, *buf) })
		if err != nil || n <= 0 {
			return entries, self, err
		}
		entries = d.parse(entries, (*buf)[:n])
	}
}

// parse reads records of struct linux_dirent64: the inode and an offset, 8
// bytes each, the record's length, 2 bytes, the type and the name with a NUL.
func (d folder) parse(entries []dirEntry, records []byte) []dirEntry {
	const lengthAt, typeAt, nameAt = 16, 18, 19
	for len(records) > nameAt {
		n := int(binary.NativeEndian.Uint16(records[lengthAt:]))
		if n <= nameAt || n > len(records) {
			break
		}
		name, _, _ := bytes.Cut(records[nameAt:n], []byte{0})
		kind := records[typeAt]
		records = records[n:]
		if string(name) != "." && string(name) != ".." {
			entries = append(entries, d.entry(string(name), kind))
		}
	}
	return entries
}

// entry is one name. File systems that keep no types in their directories have
// it looked up.
func (d folder) entry(name string, kind byte) dirEntry {
	if kind == unix.DT_UNKNOWN {
		var st unix.Stat_t
		if err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return dirEntry{sortKey: name, err: fmt.Errorf("stat: %w", err)}
		}
		kind = byte(st.Mode & unix.S_IFMT >> 12) // DT_ constants are S_IF ones, shifted
	}
	switch kind {
	case unix.DT_REG:
		return dirEntry{sortKey: name, kind: kindRegular}
	case unix.DT_LNK:
		return dirEntry{sortKey: name, kind: kindSymlink}
	case unix.DT_DIR:
		return dirEntry{sortKey: name + "/", kind: kindDir}
	}
	return dirEntry{sortKey: name}
}
