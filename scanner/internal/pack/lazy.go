package pack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/edsrzf/mmap-go"

	"github.com/keyquench/keyquench/scanner/internal/fault"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// lazy finds single objects in a store of which nothing else is wanted: a file
// of the object's own first, which is what a commit in the making has, then
// the packs' indexes, mapped and not verified. To open 200,000 objects as Open
// does takes 130 ms; to find five of them here takes a tenth of one.
//
// An object is numbered when it is found. What is read is compared with its
// name all the same, so that an index that lies can only hide an object, and a
// hidden object is a missing one.
type lazy struct {
	mu    sync.Mutex
	spots []spot
	found map[oid.ID][]Num // first places, or all of them
	whole map[oid.ID]bool  // of found: all of them
	packs []*lazyPack      // nil until a pack is needed; the last that helped comes first
	times int              // that packs were listed
	bad   []error          // what could not be opened
}

// lazyPack is a pack that is opened by the first object found in it.
type lazyPack struct {
	base   string // path without ending
	idx    *index // nil until asked for
	mapped mmap.MMap
	pack   *packFile // nil until something is found
	broken bool
}

// OpenLazy opens the same directories as Open for reading single objects:
// Lookup, ID and Readers work, nothing that goes over all objects does. What
// cannot be opened is told by the error of an object that is missing then.
func OpenLazy(dir string, more []string, f oid.Format, limits Limits) (*Store, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, bare(err)
	}
	s := &Store{format: f, limits: limits.withDefaults()}
	s.lazy = newLazy()
	s.dirs = objectDirs(dir, more, s.lazy.fail)
	s.budget = s.limits.Amplified
	return s, nil
}

func newLazy() *lazy { return &lazy{found: map[oid.ID][]Num{}, whole: map[oid.ID]bool{}} }

func (l *lazy) fail(where string, err error) {
	// A store has few packs; one that has many broken ones needs no list.
	const maxBad = 8
	if len(l.bad) < maxBad {
		l.bad = append(l.bad, Problem{where, err})
	}
}

// missing is the error of an object that Lookup did not find, with what was
// not looked at for it.
func (s *Store) missing() error {
	if s.lazy == nil {
		return ErrMissing
	}
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	if len(s.lazy.bad) == 0 {
		return ErrMissing
	}
	return fmt.Errorf("%w, or in what cannot be read: %w", ErrMissing, errors.Join(s.lazy.bad...))
}

func (l *lazy) spot(n Num) spot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spots[n]
}

// find gives the numbers of an object: the first place, or with all, each.
func (l *lazy) find(s *Store, name []byte, all bool) []Num {
	if len(name) != s.format.Size() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	id := oid.FromBytes(name)
	if list := l.found[id]; len(list) > 0 && (!all || l.whole[id]) {
		return list
	}
	list := l.look(s, id, all)
	if len(list) == 0 && l.times < maxListings {
		// Somebody may have packed what was loose, or packed anew, since
		// packs were listed: git looks twice, too.
		l.list(s)
		list = l.look(s, id, all)
	}
	if len(list) > 0 {
		l.found[id], l.whole[id] = list, all
	}
	return list
}

func (l *lazy) look(s *Store, id oid.ID, all bool) (list []Num) {
	add := func(p spot) bool {
		l.spots = append(l.spots, p)
		list = append(list, Num(len(l.spots)-1))
		return all
	}
	for i, dir := range s.dirs {
		if _, err := os.Lstat(loosePath(dir, id)); err == nil && !add(spot{id: id, dir: i}) {
			return list
		}
	}
	if l.times == 0 {
		l.list(s)
	}
	for i, p := range l.packs {
		at, ok, err := p.find(id, s.format)
		if err != nil {
			l.fail(filepath.Base(p.base), err)
		}
		if !ok {
			continue
		}
		if !all {
			copy(l.packs[1:i+1], l.packs[:i])
			l.packs[0] = p
		}
		if !add(spot{id: id, pack: p.pack, at: at}) {
			return list
		}
	}
	return list
}

// maxListings bounds how often packs are listed for objects that are not there.
const maxListings = 16

// list adds the packs that are not known yet.
func (l *lazy) list(s *Store) {
	l.times++
	for _, dir := range s.dirs {
		dir = filepath.Join(dir, "pack")
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.fail("pack", bare(err))
		}
		for _, e := range entries {
			name, ok := strings.CutSuffix(e.Name(), ".pack")
			base := filepath.Join(dir, name)
			if ok && !slices.ContainsFunc(l.packs, func(p *lazyPack) bool { return p.base == base }) {
				l.packs = append(l.packs, &lazyPack{base: base})
			}
		}
	}
}

// find searches the pack's index. An error is told once.
func (p *lazyPack) find(id oid.ID, f oid.Format) (at uint64, ok bool, err error) {
	if p.broken {
		return 0, false, nil
	}
	defer func() { p.broken = err != nil }()
	defer fault.Panics()()
	defer fault.Guard(&err, ErrTruncated)
	if p.idx == nil {
		if p.mapped, err = mapFile(p.base + ".idx"); errors.Is(err, fs.ErrNotExist) {
			return 0, false, noIndexError{}
		}
		if err != nil {
			return 0, false, err
		}
		if p.idx, err = cutIndex(p.mapped, f); err != nil {
			return 0, false, err
		}
	}
	i, ok := p.idx.find(id.Bytes())
	if !ok {
		return 0, false, nil
	}
	if at, err = p.idx.checkedOffset(i); err != nil {
		return 0, false, err
	}
	if p.pack == nil {
		if err = p.open(f); err != nil {
			return 0, false, err
		}
	}
	return at, true, nil
}

// open maps the pack itself.
func (p *lazyPack) open(f oid.Format) error {
	pack := &packFile{name: filepath.Base(p.base), format: f, idx: p.idx}
	var err error
	if pack.mapped, err = mapFile(p.base + ".pack"); err != nil {
		return err
	}
	// What is odd about the pack does not matter where the object can be read.
	if err := pack.check(pack.mapped, func(error) {}); err != nil {
		pack.close()
		return err
	}
	p.pack = pack
	return nil
}

func (l *lazy) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.packs {
		if p.pack != nil {
			p.pack.close()
		}
		if p.mapped != nil {
			_ = p.mapped.Unmap() // nothing was written
		}
	}
	l.packs = nil
}

// Lazy tells that the store was opened by OpenLazy.
func (s *Store) Lazy() bool { return s.lazy != nil }
