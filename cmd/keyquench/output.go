package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/term"
)

// atomicFile is a file that appears under its name whole or not at all. What it
// holds may be secret: nobody but its owner may read it.
type atomicFile struct {
	path string
	tmp  *os.File // nil until something is written
}

// newAtomicFile makes sure that path can be written before a long scan, and
// leaves nothing behind: a work tree that is scanned may be where it lies.
func newAtomicFile(path string) (*atomicFile, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, hinted{fmt.Errorf("write %q: not a regular file", path), "name a file, or leave out --output and redirect"}
	}
	a := &atomicFile{path: path}
	if err := a.create(); err != nil {
		return nil, hinted{err, "name a file in a directory that you may write to"}
	}
	a.discard()
	return a, nil
}

func (a *atomicFile) create() error {
	tmp, err := os.CreateTemp(filepath.Dir(a.path), ".keyquench-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %q: %w", a.path, cause(err))
	}
	a.tmp = tmp
	return nil
}

// Write writes to the file that will take the name.
func (a *atomicFile) Write(b []byte) (int, error) {
	if a.tmp == nil {
		if err := a.create(); err != nil {
			return 0, err
		}
	}
	n, err := a.tmp.Write(b)
	if err != nil {
		return n, fmt.Errorf("write %q: %w", a.path, cause(err))
	}
	return n, nil
}

// commit puts what was written in place; nothing written is an empty file.
func (a *atomicFile) commit() error {
	if _, err := a.Write(nil); err != nil {
		return err
	}
	err := errors.Join(a.tmp.Sync(), a.tmp.Close())
	if err == nil {
		err = os.Rename(a.tmp.Name(), a.path)
	}
	if err != nil {
		_ = os.Remove(a.tmp.Name()) // the first error is told
		return fmt.Errorf("write %q: %w", a.path, cause(err))
	}
	a.tmp = nil
	return nil
}

// discard removes what was not committed.
func (a *atomicFile) discard() {
	if a.tmp != nil {
		_ = a.tmp.Close() // nothing of it is kept
		_ = os.Remove(a.tmp.Name())
		a.tmp = nil
	}
}

// isTerminal tells whether w is a terminal that understands escape sequences.
func (p *program) isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && p.getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// colored decides whether what goes to w is coloured. NO_COLOR is
// no-color.org's: set to anything, it means no, unless a flag says yes.
func (p *program) colored(w io.Writer, when string) bool {
	switch when {
	case "always":
		return true
	case "never":
		return false
	}
	return p.getenv("NO_COLOR") == "" && p.isTerminal(w)
}
