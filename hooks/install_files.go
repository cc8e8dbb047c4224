package hooks

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxScript bounds what is read of a hook to recognise it. Ours have some
// hundred bytes; a hook may be a program of many megabytes.
const maxScript = 64 << 10

// folder is a directory in which scripts of ours stand beside others'.
type folder struct {
	path   string
	result *Result
}

// file is what stands under a hook's name.
type file struct {
	exists, ours bool
	mode         fs.FileMode
	text         []byte // the beginning
	program      string // that a script of ours calls; "" when it only hands over
}

// look reads what it takes to recognise a hook. A link is never ours, also when
// it leads to a script that is.
func look(path string) (f file, err error) {
	info, err := os.Lstat(path)
	// /dev/null in the place of the directory is how hooks are switched off.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return file{}, nil
	}
	if err != nil {
		return file{}, problem{fmt.Errorf("look at %q: %w", path, cause(err)), "see who may read it"}
	}
	f.exists, f.mode = true, info.Mode()
	if !f.mode.IsRegular() {
		return f, nil
	}
	r, err := os.Open(path)
	if err != nil {
		// It runs where it can be run but not read; ours can be read.
		return f, nil
	}
	defer r.Close()
	if f.text, err = io.ReadAll(io.LimitReader(r, maxScript)); err != nil {
		return file{}, fmt.Errorf("read %q: %w", path, cause(err))
	}
	if f.ours = isOurs(string(f.text)); f.ours {
		f.program, _ = programOf(string(f.text))
	}
	return f, nil
}

// managers are known by what their scripts say in every version.
var managers = []struct{ name, sign string }{
	{"the pre-commit framework", "hook-impl"},
	{"lefthook", "LEFTHOOK"},
}

// manager is who wrote a hook, "" if unknown.
func (f file) manager() string {
	for _, m := range managers {
		if !f.ours && bytes.Contains(f.text, []byte(m.sign)) {
			return m.name
		}
	}
	return ""
}

// same tells that one hook stands for the other: nothing is lost with it.
func (f file) same(g file) bool {
	if !f.mode.IsRegular() || !g.mode.IsRegular() {
		return false
	}
	if m := f.manager(); m != "" && m == g.manager() {
		return true
	}
	return len(f.text) < maxScript && bytes.Equal(f.text, g.text)
}

// put installs one script. A hook that is there already is renamed, so that it
// keeps its mode, and is run first from then on.
func (f *folder) put(s *script) (changed bool, err error) {
	path := filepath.Join(f.path, s.name)
	behind, changed, err := f.settle(s.name, true)
	if err != nil {
		return false, err
	}
	if behind {
		path += legacy
	}
	now, err := look(path)
	if err != nil {
		return false, err
	}
	if now.ours && string(now.text) == s.text() && now.mode.Perm()&0o111 == 0o111 {
		return changed, nil
	}
	if !now.exists || now.ours {
		return true, f.write(path, s.text())
	}
	if err := f.setAside(s.name, now); err != nil {
		return false, err
	}
	if err := f.write(path, s.text()); err != nil {
		return false, errors.Join(err, os.Rename(path+chainedSuffix, path))
	}
	return true, nil
}

// setAside renames a hook of others to where a script of ours runs it.
func (f *folder) setAside(name string, now file) error {
	path := filepath.Join(f.path, name)
	chained, err := look(path + chainedSuffix)
	if err != nil {
		return err
	}
	if chained.exists && !chained.same(now) {
		// Ours was overwritten, and with it went what it ran.
		saved := path + ".keyquench-saved-" + strings.ToLower(rand.Text()[:6])
		if err := f.rename(path+chainedSuffix, saved); err != nil {
			return err
		}
		f.result.note("another program had replaced the hook %s of keyquench; what ran before it then is kept as %s, and is not run", name, filepath.Base(saved))
	}
	if err := f.rename(path, path+chainedSuffix); err != nil {
		return err
	}
	who := ""
	if m := now.manager(); m != "" {
		who = " (of " + m + ")"
	}
	if now.mode.IsRegular() && now.mode&0o111 == 0 {
		f.result.note("%s%s was there and cannot be run, so git passed it over, and so does keyquench; it is kept as %s", name, who, name+chainedSuffix)
	} else {
		f.result.did("%s%s, which was there, runs first, as %s", name, who, name+chainedSuffix)
	}
	if now.manager() == "lefthook" && !slices.Contains(f.result.Notes, lefthookNote) {
		f.result.note(lefthookNote)
	}
	return nil
}

const lefthookNote = "lefthook takes its hooks back when its configuration changes: a job in lefthook.yml that calls keyquench hook run lasts"

// Where other programs put a hook that they replace: the pre-commit framework
// goes on running it, lefthook does not.
const (
	legacy = ".legacy"
	old    = ".old"
)

// settle looks for scripts of ours that another program put aside. What they ran
// goes where it would be had they never been there. Only one that the pre-commit
// framework still runs may stay, when it is wanted: behind tells of that.
func (f *folder) settle(name string, wanted bool) (behind, changed bool, err error) {
	path := filepath.Join(f.path, name)
	now, err := look(path)
	if err != nil {
		return false, false, err
	}
	for _, suffix := range []string{legacy, old} {
		aside, err := look(path + suffix)
		if err != nil {
			return false, false, err
		}
		if !aside.ours {
			continue
		}
		chained, err := look(path + chainedSuffix)
		if err != nil {
			return false, false, err
		}
		behind = wanted && suffix == legacy && now.manager() == managers[0].name
		switch {
		case chained.exists && chained.same(now):
			err = f.remove(path + chainedSuffix)
			changed = true
		case chained.exists && !behind:
			return false, true, f.rename(path+chainedSuffix, path+suffix)
		}
		if err == nil && !behind {
			err, changed = f.remove(path+suffix), true
		}
		return behind, changed, err
	}
	return false, false, nil
}

// take removes the script of ours for name, wherever it is by now, and puts back
// what was there before it.
func (f *folder) take(name string) error {
	path := filepath.Join(f.path, name)
	_, changed, err := f.settle(name, false)
	if err != nil {
		return err
	}
	now, err := look(path)
	if err != nil {
		return err
	}
	chained, err := look(path + chainedSuffix)
	if err != nil {
		return err
	}
	switch {
	case now.exists && !now.ours && chained.exists:
		f.result.note("the hook %s is no longer keyquench's: it was left alone, and what was there before keyquench is kept as %s", name, name+chainedSuffix)
	case chained.exists:
		if err := f.rename(path+chainedSuffix, path); err != nil {
			return err
		}
		f.result.did("put back %s, as it was before keyquench", path)
	case now.ours:
		if err := f.remove(path); err != nil {
			return err
		}
		f.result.did("removed %s", path)
	case changed:
		f.result.did("removed %s from where another program had put it aside", path)
	}
	return nil
}

// write puts a script in place at once: git must not meet half of it.
func (f *folder) write(path, text string) error {
	temp := filepath.Join(filepath.Dir(path), ".keyquench-"+rand.Text())
	// As git writes hooks: what the umask leaves.
	w, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o777)
	if err != nil {
		return f.problem("write", path, err)
	}
	_, err = io.WriteString(w, text)
	err = errors.Join(err, w.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return f.problem("write", path, err)
	}
	return nil
}

func (f *folder) rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return f.problem("rename", from, err)
	}
	return nil
}

func (f *folder) remove(path string) error {
	if err := os.Remove(path); err != nil {
		return f.problem("remove", path, err)
	}
	return nil
}

func (f *folder) problem(what, path string, err error) error {
	return problem{fmt.Errorf("%s %q: %w", what, path, cause(err)), "see who may write in that directory (ls -ld), and do it as that user"}
}
