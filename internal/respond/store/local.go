package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxLocal bounds a file of ours: credentials files are some lines per profile.
const maxLocal = 1 << 20

var (
	errBusy    = errors.New("another keyquench writes this file at the moment")
	errChanged = errors.New("somebody else has changed the file since it was looked at")
)

// local is a file on this machine that is read, and replaced as a whole.
//
// Its directory is resolved once, links included; the last name is taken as it
// is. Only a plain file of one name that belongs to who runs keyquench is read or
// replaced: a link, a pipe or a device in its place is refused, and so is a
// directory that anybody may rename things in.
type local struct {
	path string // absolute, without links
	// beforeRename is called by tests when the new content is on the disk and the
	// old one still in its place.
	beforeRename func()
}

// openLocal resolves the directory of a path. A link at the last place is
// followed if that is asked for, so that it stays a link.
func openLocal(path string, follow bool) (local, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return local{}, plain(err)
	}
	if info, err := os.Lstat(path); follow && err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return local{}, fmt.Errorf("it is a link to nothing: %w", plain(err))
		}
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return local{}, fmt.Errorf("find its directory: %w", plain(err))
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return local{}, plain(err)
	}
	if err := safeDir(info); err != nil {
		return local{}, err
	}
	return local{path: filepath.Join(dir, filepath.Base(path))}, nil
}

// read gives the content; ok is false if there is no file.
func (l local) read() (text string, ok bool, err error) {
	f, err := openPlain(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, plain(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", false, plain(err)
	}
	if err := ownFile(info); err != nil {
		return "", false, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxLocal+1))
	switch {
	case err != nil:
		return "", false, plain(err)
	case len(data) > maxLocal:
		return "", false, fmt.Errorf("it is longer than %d bytes", maxLocal)
	case strings.ContainsRune(string(data), 0):
		return "", false, errors.New("it is not a text file")
	}
	return string(data), true, nil
}

// stamp is by what a file is known again: replaced or changed, it has another.
func (l local) stamp() string {
	info, err := os.Lstat(l.path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d %d %d", fileNumber(info), info.Size(), info.ModTime().UnixNano())
}

// writable tells whether a new content could be put beside the file and in its
// place, without doing so.
func (l local) writable() error {
	return plain(mayWrite(filepath.Dir(l.path)))
}

// replace puts a new content in the place of the one that was read: it is written
// beside it, readable by its owner only, forced to the disk and renamed. Whoever
// reads the path sees the old content or the new one, also when the process is
// killed or the power fails. check looks at the new file before it is renamed.
// existed and before are what was read; if the file is not so any more, nothing is
// done.
func (l local) replace(before string, existed bool, text string, check func(path string) error) (err error) {
	f, err := l.beside()
	if err != nil {
		return err
	}
	name := f.Name()
	defer func() {
		if err != nil {
			err = errors.Join(err, plain(ignoreMissing(os.Remove(name))))
		}
		_ = f.Close()
	}()
	if _, err := io.WriteString(f, text); err != nil {
		return plain(err)
	}
	if err := plain(f.Sync()); err != nil {
		return err
	}
	if err := private(f); err != nil {
		return err
	}
	if check != nil {
		if err := check(name); err != nil {
			return err
		}
	}
	if l.beforeRename != nil {
		l.beforeRename()
	}
	if now, ok, err := l.read(); err != nil {
		return err
	} else if ok != existed || now != before {
		return errChanged
	}
	if existed {
		err = os.Rename(name, l.path)
	} else if err = os.Link(name, l.path); err == nil { // unlike a rename it does not overwrite
		err = os.Remove(name)
	}
	if err != nil {
		return plain(err)
	}
	return l.syncDir()
}

// remove deletes the file if it still is as it was written.
func (l local) remove(text string) error {
	now, ok, err := l.read()
	switch {
	case err != nil:
		return err
	case !ok:
		return nil
	case now != text:
		return errChanged
	}
	if err := os.Remove(l.path); err != nil {
		return plain(err)
	}
	return l.syncDir()
}

// besideName is where the new content is written first. It is always the same, so
// that a run finds what one that was killed has left, and no secret lies about.
func (l local) besideName() string {
	return filepath.Join(filepath.Dir(l.path), "."+strings.TrimPrefix(filepath.Base(l.path), ".")+".keyquench-new")
}

// beside makes the file for the new content and claims it. The claim ends with
// the process, so a file without one was left behind and is removed.
func (l local) beside() (*os.File, error) {
	name := l.besideName()
	for range 3 {
		f, err := createPlain(name)
		if err == nil {
			if err = claim(f); err == nil {
				if mine, same := os.Lstat(name); same == nil {
					if info, err := f.Stat(); err == nil && os.SameFile(mine, info) {
						return f, nil
					}
				}
			}
			_ = f.Close()
			continue
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, plain(err)
		}
		if err := l.sweep(); err != nil {
			return nil, err
		}
	}
	return nil, errBusy
}

// sweep removes what a run that was killed has left beside the file.
func (l local) sweep() error {
	old, err := openPlain(l.besideName())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return plain(err)
	}
	defer old.Close()
	info, err := old.Stat()
	if err != nil {
		return plain(err)
	}
	// It may be a second name of the file itself: then the run was killed between
	// giving a new file its name and taking away this one.
	there, missing := os.Lstat(l.path)
	if err := ownFile(info); err != nil && (missing != nil || !os.SameFile(info, there)) {
		return fmt.Errorf("%s: %w", filepath.Base(l.besideName()), err)
	}
	if claim(old) != nil {
		return errBusy
	}
	return plain(ignoreMissing(os.Remove(l.besideName())))
}

// private makes sure that nobody but the owner can read the file: some file
// systems keep no modes.
func private(f *os.File) error {
	if err := f.Chmod(0o600); err != nil {
		return plain(err)
	}
	info, err := f.Stat()
	if err != nil {
		return plain(err)
	}
	if info.Mode().Perm() != 0o600 {
		return errors.New("this file system does not keep it from the eyes of others")
	}
	return nil
}

func (l local) syncDir() error {
	d, err := os.Open(filepath.Dir(l.path))
	if err != nil {
		return plain(err)
	}
	defer d.Close()
	return plain(d.Sync())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// plain drops the path from an error: the store's name says it, and a path may
// hold what a terminal obeys.
func plain(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
