//go:build linux && !amd64 && !arm64

package worktree

import "golang.org/x/sys/unix"

// On other processors some calls have other numbers and layouts; package unix
// knows them.

func quickOpenat(dir int, name string, flags int) (int, error) {
	return retry(func() (int, error) { return unix.Openat(dir, name, flags, 0) })
}

func quickFstat(fd int, st *unix.Stat_t) error { return unix.Fstat(fd, st) }

func quickRead(fd int, b []byte) (int, error) {
	return retry(func() (int, error) { return unix.Read(fd, b) })
}

func quickGetdents(fd int, b []byte) (int, error) {
	return retry(func() (int, error) { return unix.Getdents(fd, b) })
}

func quickClose(fd int) error { return unix.Close(fd) }
