package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"github.com/gofrs/flock"
)

// prepare makes sure that there is a ledger at path which only its owner can
// write, and gives its path with symbolic links followed: two names of one file
// must come to one lock.
func prepare(ctx context.Context, path string, o *Options) (string, error) {
	path, err := filepath.Abs(path)
	fail := func(err error) error {
		return &Error{op: "open", path: path, kind: kindOf(err), cause: pathCause(err)}
	}
	if err != nil {
		return "", fail(err)
	}
	if err := makeDirectory(filepath.Dir(path)); err != nil {
		return "", fail(err)
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(ctx, path, o); err != nil {
			return "", err
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return "", fail(err)
	}
	if err := checkFile(path, info); err != nil {
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", fail(err)
	}
	return path, checkOwners(path, info)
}

// checkFile refuses what cannot be a ledger. The file is not opened for that:
// closing it would end the locks that this process holds on it (POSIX).
func checkFile(path string, info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return &Error{op: "open", path: path, kind: ErrNotLedger, cause: errors.New("not a regular file")}
	case info.Size() == 0:
		// A new ledger appears whole (create): an empty file is one that was cut.
		return &Error{op: "open", path: path, kind: ErrNotLedger, cause: errors.New("the file is empty")}
	}
	return nil
}

// checkOwners refuses a ledger that somebody else could change or replace.
func checkOwners(path string, info fs.FileInfo) error {
	dir := filepath.Dir(path)
	folder, err := os.Stat(dir)
	if err != nil {
		return &Error{op: "open", path: path, kind: kindOf(err), cause: pathCause(err)}
	}
	what := strange(info)
	// In a directory with the sticky bit, as /tmp, only owners replace files.
	if what == "" && folder.Mode()&fs.ModeSticky == 0 {
		if what = strange(folder); what != "" {
			what = "its directory: " + what
		}
	}
	if what != "" {
		return &Error{op: "open", path: path, kind: ErrShared, cause: errors.New(what)}
	}
	return nil
}

// makeDirectory makes a directory that only its owner can use, and those it
// lies in. Each is on the disk when it returns: a ledger in a directory that a
// power cut takes away is no record.
func makeDirectory(dir string) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeDirectory(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(parent)
}

// syncDirectory puts the names in a directory on the disk.
func syncDirectory(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // which does not open directories, and needs no such call
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	// Some network file systems know no such call for directories, and keep names
	// in their own way.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// create makes a ledger under another name and renames it: whoever sees it sees
// a whole one, also when this process is killed. A lock keeps a second process
// from renaming over the first one's.
func create(ctx context.Context, path string, o *Options) (err error) {
	fail := func(err error) error {
		return &Error{op: "create", path: path, kind: kindOf(err), cause: pathCause(err)}
	}
	locks := path + locksSuffix
	if err := makeDirectory(locks); err != nil {
		return fail(err)
	}
	lock := flock.New(filepath.Join(locks, "create"), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockPause); err != nil {
		return fail(err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".ledger-*") // mode 0600
	if err != nil {
		return fail(err)
	}
	defer os.Remove(tmp.Name()) // nothing is left to remove when all is well
	if err := tmp.Close(); err != nil {
		return fail(err)
	}
	if err := fill(ctx, tmp.Name(), o); err != nil {
		return fail(err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fail(err)
	}
	if err := syncDirectory(filepath.Dir(path)); err != nil {
		return fail(err)
	}
	return nil
}

// fill writes the schema into an empty file.
func fill(ctx context.Context, path string, o *Options) (err error) {
	l := &Ledger{path: path}
	var pragmas []string
	if o.pageSize > 0 {
		pragmas = append(pragmas, "page_size("+strconv.Itoa(o.pageSize)+")")
	}
	if err := l.connect(ctx, "rw", pragmas...); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.db.Close()) }()
	conn, err := l.conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := createSchema(ctx, conn); err != nil {
		return fmt.Errorf("write the schema: %w", err)
	}
	return nil
}
