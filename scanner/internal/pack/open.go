package pack

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Open opens the object directory dir (.git/objects), its alternates, and the
// directories in more. It fails only when dir itself cannot be read: all else
// is in Problems.
//
// Somebody may pack the store anew at the same time. Each object is found all the
// same, and what is gone for being somewhere else is no Problem.
func Open(dir string, more []string, f oid.Format, limits Limits) (*Store, error) {
	return opener{}.open(dir, more, f, limits)
}

// opener is what Open keeps in mind.
type opener struct {
	tried   map[string]bool // packs by path that were opened, or never will be
	passing []Problem       // of packs that come or go, so that they may be over
	// unlisted are directories that could not be listed the last time.
	unlisted, unlistedLoose []Problem
	// at, if set, is called between two steps: tests change the store there.
	at func(step string)
}

func (o opener) open(dir string, more []string, f oid.Format, limits Limits) (*Store, error) {
	if _, err := os.ReadDir(dir); err != nil {
		return nil, err
	}
	s := &Store{format: f, limits: limits.withDefaults()}
	s.dirs = objectDirs(dir, more, s.problem)
	o.tried = map[string]bool{}
	o.settle(s)
	n := 0
	for _, p := range s.packs {
		s.first = append(s.first, Num(n))
		n += p.idx.n
	}
	s.looseFirst = n
	s.budget = s.limits.Amplified + amplifiedShare*s.PackedBytes()
	if n+len(s.loose) > maxObjects {
		s.Close()
		return nil, errors.New("more than 2^30 objects")
	}
	s.sortNames()
	return s, nil
}

const (
	// maxRounds bounds how often a store is listed that changes all the time.
	maxRounds = 8
	// roundPause is how long to wait, in the n-th round n times as long, before
	// looking again at a pack without an index: git moves and removes the two one
	// after the other.
	roundPause = 2 * time.Millisecond
)

// errChanging: nobody packs a store that often.
var errChanging = errors.New("packs come and go too fast to be read")

// settle opens all packs and lists all loose objects. git puts an object in its new
// place before it takes it from the old one; so when loose objects were listed, and
// then packs once more, and none of these is new, each object was seen in some
// place. Packs that were opened can be read whoever removes them.
func (o *opener) settle(s *Store) {
	for round := range maxRounds {
		o.unlisted, o.passing = nil, nil
		came := o.packs(s)
		if round > 0 && !came && len(o.passing) == 0 {
			break
		}
		if round > 0 && !came {
			time.Sleep(time.Duration(round) * roundPause)
		}
		o.step("packs")
		s.loose, o.unlistedLoose = nil, nil
		for i, d := range s.dirs {
			for _, id := range listLoose(d, s.format, func(where string, err error) {
				o.unlistedLoose = append(o.unlistedLoose, Problem{where, err})
			}) {
				s.loose = append(s.loose, looseFile{id, i})
			}
		}
		o.step("loose")
		if round == maxRounds-1 && came {
			s.problem("pack", errChanging)
		}
	}
	s.problems = slices.Concat(s.problems, o.unlisted, o.unlistedLoose, o.passing)
}

func (o *opener) step(name string) {
	if o.at != nil {
		o.at(name)
	}
}

// packs opens the packs that were not there before, and tells whether there are any.
func (o *opener) packs(s *Store) (came bool) {
	for _, d := range s.dirs {
		dir := filepath.Join(d, "pack")
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			o.unlisted = append(o.unlisted, Problem{"pack", bare(err)})
		}
		o.step("listed")
		for _, e := range entries { // those read before an error too
			s.Promised = s.Promised || strings.HasSuffix(e.Name(), ".promisor")
			if name, ok := strings.CutSuffix(e.Name(), ".idx"); ok {
				if _, found := slices.BinarySearchFunc(entries, name+".pack", byName); !found {
					o.passing = append(o.passing, Problem{e.Name(), errNoPack})
				}
			}
			if name, ok := strings.CutSuffix(e.Name(), ".pack"); ok && !o.tried[filepath.Join(dir, name)] {
				came = o.pack(s, dir, name) || came
			}
		}
	}
	return came
}

// pack opens one pack.
func (o *opener) pack(s *Store, dir, name string) bool {
	path := filepath.Join(dir, name)
	p, err := openPack(path, name, s.format, func(err error) { s.problem(name+".pack", err) })
	if _, none := errors.AsType[noIndexError](err); none || errors.Is(err, fs.ErrNotExist) {
		o.passing = append(o.passing, Problem{name + ".pack", err})
		return false
	}
	o.tried[path] = true
	if err != nil {
		s.problem(name+".pack", err)
		return true
	}
	s.packs = append(s.packs, p)
	return true
}

func byName(e os.DirEntry, name string) int { return strings.Compare(e.Name(), name) }

// errNoPack: what an index lists was in the store once and is not now.
var errNoPack = errors.New("index has no pack")

// noIndexError is a pack without index: git does not read it either, but it
// may hold what somebody looks for.
type noIndexError struct{}

func (noIndexError) Error() string { return "pack has no index" }

func (noIndexError) Hint() string { return "git index-pack makes one" }

// latest is a store of the same directories that finds what came to them since
// this one was opened. It is the same for all who ask.
func (s *Store) latest() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.later == nil {
		s.later = &Store{format: s.format, limits: s.limits, dirs: s.dirs, budget: s.budget, lazy: newLazy()}
	}
	return s.later
}
