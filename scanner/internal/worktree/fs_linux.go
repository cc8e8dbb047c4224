package worktree

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
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
	// local tells that what lies on the root's own mount can be called quickly.
	local bool
}

// localSystems are the file systems that answer by themselves: none of them
// waits for another machine or a program, which may never answer. An overlay is
// taken for what it nearly always lies on.
var localSystems = []int64{
	unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC,
	unix.TMPFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC,
}

func openRoot(dir string) (*root, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	r := &root{fd: fd}
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) == nil {
		r.local = slices.Contains(localSystems, int64(st.Type))
	}
	return r, nil
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

// openFolder opens the directory at a local path, "" for the root. A link on the
// way or at its end is an error.
func (r *root) openFolder(path string) (folder, error) {
	if path == "" {
		path = "."
	}
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if !r.stepwise.Load() {
		how := unix.OpenHow{
			Flags:   flags,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
		}
		if r.local {
			how.Resolve |= unix.RESOLVE_NO_XDEV
			fd, err := retry(func() (int, error) { return unix.Openat2(r.fd, path, &how) })
			if err == nil {
				return folder{fd, true}, nil
			}
			how.Resolve &^= unix.RESOLVE_NO_XDEV
		}
		fd, err := retry(func() (int, error) { return unix.Openat2(r.fd, path, &how) })
		if err != unix.ENOSYS && err != unix.EPERM {
			return folder{fd, false}, err
		}
		if err == unix.ENOSYS {
			r.stepwise.Store(true)
		}
	}
	fd, err := r.openStepwise(path, flags)
	return folder{fd, false}, err
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
//
// A quick one lies on a file system that is known to answer. What is asked of it
// is asked by the quick calls: for a file of a few kilobytes, telling Go's
// scheduler of four calls that end at once, and its monitor's waking up to see
// whether they did, is a tenth of the work.
type folder struct {
	fd    int
	quick bool
}

func (d folder) close() {
	if d.quick {
		quickClose(d.fd)
	} else {
		unix.Close(d.fd)
	}
}

func (d folder) openat(name string, flags int) (int, error) {
	if d.quick {
		return quickOpenat(d.fd, name, flags)
	}
	return retry(func() (int, error) { return unix.Openat(d.fd, name, flags, 0) })
}

func (d folder) fstat(fd int, st *unix.Stat_t) error {
	if d.quick {
		return quickFstat(fd, st)
	}
	return unix.Fstat(fd, st)
}

type openFile = rawFile

// rawFile reads a descriptor without the poller, which regular files do not
// need and which costs two system calls for each.
type rawFile struct {
	fd    int
	quick bool
}

// quickBytes bounds the files that are read by quick calls, and each call. Copying
// more takes long enough for the others to gain nothing, and reading it from a
// cold disk would keep the garbage collector waiting.
const quickBytes = 128 << 10

func (f rawFile) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	var n int
	var err error
	if f.quick {
		n, err = quickRead(f.fd, b[:min(len(b), 2*quickBytes)]) // it may have grown
	} else {
		n, err = retry(func() (int, error) { return unix.Read(f.fd, b) })
	}
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f rawFile) Close() error {
	if f.quick {
		return quickClose(f.fd)
	}
	return unix.Close(f.fd)
}

// open opens a regular file. O_NONBLOCK keeps it from waiting for the other end
// of a pipe; what was opened is looked at before anything is read.
func (d folder) open(name string) (rawFile, int64, error) {
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := d.openat(name, flags)
	none := rawFile{fd: -1}
	switch err {
	case nil:
	case unix.ELOOP:
		return none, 0, errSymlink
	case unix.ENXIO: // a socket
		return none, 0, ErrNotRegular
	default:
		return none, 0, fmt.Errorf("open: %w", err)
	}
	var st unix.Stat_t
	if err := d.fstat(fd, &st); err != nil {
		unix.Close(fd)
		return none, 0, fmt.Errorf("stat: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return none, 0, ErrNotRegular
	}
	return rawFile{fd, d.quick && st.Size <= quickBytes}, st.Size, nil
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
	if err := d.fstat(d.fd, &st); err != nil {
		return entries, ancestor{}, err
	}
	self := ancestor{dev: uint64(st.Dev), ino: st.Ino}
	if *buf == nil {
		*buf = make([]byte, 32<<10) // what libraries of C ask for
	}
	for {
		n, err := d.getdents(*buf)
		if err != nil || n <= 0 {
			return entries, self, err
		}
		entries = d.parse(entries, (*buf)[:n])
	}
}

func (d folder) getdents(buf []byte) (int, error) {
	if d.quick {
		return quickGetdents(d.fd, buf)
	}
	return retry(func() (int, error) { return unix.Getdents(d.fd, buf) })
}

// parse reads records of struct linux_dirent64: the inode and an offset, 8
// bytes each, the record's length, 2 bytes, the type and the name with a NUL.
// It writes over them: the sort keys are gathered in front, each with a NUL, to
// become parts of one string.
func (d folder) parse(entries []dirEntry, records []byte) []dirEntry {
	const lengthAt, typeAt, nameAt = 16, 18, 19
	first, keys := len(entries), records[:0]
	for len(records) > nameAt {
		n := int(binary.NativeEndian.Uint16(records[lengthAt:]))
		if n <= nameAt || n > len(records) {
			break
		}
		name, _, _ := bytes.Cut(records[nameAt:n], []byte{0})
		kind := records[typeAt]
		records = records[n:]
		if string(name) == "." || string(name) == ".." {
			continue
		}
		e := d.entry(name, kind)
		keys = append(keys, name...)
		if e.kind == kindDir {
			keys = append(keys, '/')
		}
		keys = append(keys, 0)
		entries = append(entries, e)
	}
	rest := string(keys)
	for i := first; i < len(entries); i++ {
		entries[i].sortKey, rest, _ = strings.Cut(rest, "\x00")
	}
	return entries
}

// entry says what a name stands for; the sort key is left to the caller. File
// systems that keep no types in their directories have it looked up.
func (d folder) entry(name []byte, kind byte) dirEntry {
	if kind == unix.DT_UNKNOWN {
		var st unix.Stat_t
		if err := unix.Fstatat(d.fd, string(name), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return dirEntry{err: fmt.Errorf("stat: %w", err)}
		}
		kind = byte(st.Mode & unix.S_IFMT >> 12) // DT_ constants are S_IF ones, shifted
	}
	switch kind {
	case unix.DT_REG:
		return dirEntry{kind: kindRegular}
	case unix.DT_LNK:
		return dirEntry{kind: kindSymlink}
	case unix.DT_DIR:
		return dirEntry{kind: kindDir}
	}
	return dirEntry{}
}
