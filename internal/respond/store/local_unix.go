//go:build unix

package store

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openPlain opens a file for reading without following a link and without
// waiting for the other end of a pipe.
func openPlain(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) {
		return nil, errors.New("it is a symbolic link")
	}
	return f, err
}

func createPlain(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
}

// claim locks a file until it is closed; the kernel unlocks it when the process
// ends.
func claim(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}

// ownFile tells whether a file may be read and replaced.
func ownFile(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errors.New("it is not a plain file")
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return errors.New("its owner cannot be told")
	case int(stat.Uid) != os.Geteuid():
		return errors.New("it belongs to another user")
	case stat.Nlink > 1:
		return errors.New("it has a second name (a hard link), under which the old pair would stay")
	}
	return nil
}

// fileNumber is the inode, which a file keeps for life.
func fileNumber(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Ino)
	}
	return 0
}

func safeDir(info fs.FileInfo) error {
	switch {
	case !info.IsDir():
		return errors.New("its directory is none")
	case info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0:
		return errors.New("anybody may rename files in its directory")
	}
	return nil
}

func mayWrite(dir string) error {
	return unix.Access(dir, unix.W_OK|unix.X_OK)
}
