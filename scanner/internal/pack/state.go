package pack

import (
	"bytes"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/keyquench/keyquench/scanner/internal/fault"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Mark is what a file looked like: its size in bytes and the time of its last
// change in nanoseconds.
type Mark struct {
	Path       string
	Size, Time int64
}

// Marks lists the files that an object directory and its alternates consist of,
// in an order that depends on nothing but them: packs with their indexes, and
// loose objects. It opens none of them. When two lists are equal, no object came
// or went in between, and none was written to, as far as file times tell. What
// cannot be listed is an error.
func Marks(dir string, more []string, f oid.Format) (list []Mark, err error) {
	note := func(where string, e error) { err = errors.Join(err, Problem{where, e}) }
	mark := func(path string) {
		info, e := os.Stat(path)
		if e != nil {
			note(filepath.Base(path), bare(e))
			return
		}
		list = append(list, Mark{path, info.Size(), info.ModTime().UnixNano()})
	}
	for _, d := range objectDirs(dir, more, note) {
		packs := filepath.Join(d, "pack")
		entries, e := os.ReadDir(packs)
		if e != nil && !errors.Is(e, fs.ErrNotExist) {
			note("pack", bare(e))
		}
		for _, e := range entries {
			switch filepath.Ext(e.Name()) {
			case ".pack", ".idx", ".promisor":
				mark(filepath.Join(packs, e.Name()))
			}
		}
		for _, id := range listLoose(d, f, note) {
			mark(loosePath(d, id))
		}
	}
	return list, err
}

// Sorted gives the numbers of all objects, each object once, in the order of
// their names, which it gives too. They belong to the store.
func (s *Store) Sorted() iter.Seq2[Num, []byte] {
	return func(yield func(Num, []byte) bool) {
		if s.byID == nil { // one pack, or nothing at all
			for n := range Num(s.Len()) {
				if !yield(n, s.name(n)) {
					return
				}
			}
			return
		}
		for _, n := range s.byID {
			if !s.isDouble(n) && !yield(n, s.name(n)) {
				return
			}
		}
	}
}

// Intact tells whether the files that hold objects other than those in except
// are as they were when they were marked or, where they are not, have the
// checksum they claim to have: a pack its own, a loose object its name.
func (s *Store) Intact(marks []Mark, except Want) bool {
	old := make(map[string]Mark, len(marks))
	for _, m := range marks {
		old[m.Path] = m
	}
	same := func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && old[path] == Mark{path, info.Size(), info.ModTime().UnixNano()}
	}
	for _, p := range s.packs {
		if !same(p.path+".pack") && !p.intact() {
			return false
		}
	}
	var reader looseReader
	for i, l := range s.loose {
		n := Num(s.looseFirst + i)
		path := loosePath(s.dirs[l.dir], l.id)
		if s.isDouble(n) || except.Has(n) || same(path) {
			continue
		}
		kind, data, err := reader.read(path, s.limits.Object)
		if err != nil || s.format.Sum(kind.String(), data) != l.id {
			return false
		}
	}
	return true
}

// intact compares the pack with the checksum at its end.
func (p *packFile) intact() bool {
	defer fault.Panics()()
	sum := p.format.New()
	var err error
	func() {
		defer fault.Guard(&err, ErrTruncated)
		sum.Write(p.data)
		if size := p.format.Size(); !bytes.Equal(sum.Sum(nil), p.mapped[len(p.mapped)-size:]) {
			err = ErrCorrupt
		}
	}()
	return err == nil
}
