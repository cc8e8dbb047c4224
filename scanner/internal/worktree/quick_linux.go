//go:build linux && (amd64 || arm64)

package worktree

import (
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The quick calls are system calls that Go's scheduler is not told of: nothing
// else runs on the processor until they return, so they are only for what
// answers without waiting for others.

// maxName is the length of the longest name that the file systems in
// localSystems have.
const maxName = 255

func quickOpenat(dir int, name string, flags int) (int, error) {
	var path [maxName + 1]byte
	if len(name) > maxName {
		return -1, unix.ENAMETOOLONG
	}
	copy(path[:], name) // what is left are NULs, one at least
	for {
		fd, _, err := unix.RawSyscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(&path[0])), uintptr(flags), 0, 0, 0)
		switch err {
		case 0:
			return int(fd), nil
		case unix.EINTR:
		default:
			return -1, err
		}
	}
}

func quickFstat(fd int, st *unix.Stat_t) error {
	if _, _, err := unix.RawSyscall(unix.SYS_FSTAT, uintptr(fd), uintptr(unsafe.Pointer(st)), 0); err != 0 {
		return err
	}
	return nil
}

func quickRead(fd int, b []byte) (int, error) { return quickFill(unix.SYS_READ, fd, b) }

func quickGetdents(fd int, b []byte) (int, error) { return quickFill(unix.SYS_GETDENTS64, fd, b) }

// quickFill is for calls that put something into b.
func quickFill(call uintptr, fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, fs.ErrInvalid
	}
	for {
		n, _, err := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch err {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, err
		}
	}
}

func quickClose(fd int) error {
	if _, _, err := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0); err != 0 {
		return err
	}
	return nil
}
