package pack

import (
	"bytes"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Store is an open object store. After Open it is read-only and may be used by
// many goroutines, each with its own Reader or walking its own Units.
type Store struct {
	// Promised tells that the store has a pack that a remote promised to
	// complete: missing objects are expected in it.
	Promised bool

	format     oid.Format
	limits     Limits
	dirs       []string
	packs      []*packFile
	first      []Num // number of packs[i]'s first object
	loose      []looseFile
	looseFirst int
	problems   []Problem

	// byID has all numbers in the order of their names, when there is more
	// than one source; with a single pack its index serves. Doubles follow
	// what they double.
	byID []Num
	fan  *fan     // of byID
	dup  []uint64 // bit n: object n stands in an earlier source too

	lazy *lazy // for a store of OpenLazy, instead of packs and loose

	nameless bool // the names of objects are not theirs, and are not compared

	budget    int64 // what charge gives out in bytes
	amplified atomic.Int64

	mu      sync.Mutex
	later   *Store          // of what has moved since this store was opened, or nil
	spills  map[*spill]bool // temporary files in use
	spilled int64           // their bytes
}

// Close unmaps the packs. No Object may be used afterwards.
func (s *Store) Close() {
	s.closeSpills()
	if s.later != nil {
		s.later.Close()
	}
	for _, p := range s.packs {
		p.close()
	}
	s.packs = nil
	if s.lazy != nil {
		s.lazy.close()
	}
}

// Problems are the things that could not be opened.
func (s *Store) Problems() []Problem { return slices.Clip(s.problems) }

// Format is the hash function of the store.
func (s *Store) Format() oid.Format { return s.format }

// Len is how many numbers the store has given out, doubles included.
func (s *Store) Len() int { return s.looseFirst + len(s.loose) }

// Unique is how many objects the store has, each counted once.
func (s *Store) Unique() int { return s.Len() - Want(s.dup).Len() }

// PackedBytes is the size of all packs.
func (s *Store) PackedBytes() (n int64) {
	for _, p := range s.packs {
		n += int64(len(p.data))
	}
	return n
}

func (s *Store) problem(where string, err error) {
	s.problems = append(s.problems, Problem{where, err})
}

// sortNames fills byID and dup when there is more than one source.
func (s *Store) sortNames() {
	if len(s.packs) == 1 && len(s.loose) == 0 && !s.packs[0].idx.doubled {
		return
	}
	s.byID = s.merge(s.sources())
	s.dup = make([]uint64, (len(s.byID)+63)/64)
	for i, n := range s.byID {
		if i > 0 && bytes.Equal(s.name(s.byID[i-1]), s.name(n)) {
			s.dup[n/64] |= 1 << (n % 64)
		}
	}
	s.fan = newFan(len(s.byID), func(i int) []byte { return s.name(s.byID[i]) })
}

// sources lists the numbers of each source, which are in the order of their
// names already.
func (s *Store) sources() [][]Num {
	var lists [][]Num
	start := Num(0)
	cut := func(end Num) {
		list := make([]Num, 0, end-start)
		for n := start; n < end; n++ {
			list = append(list, n)
		}
		lists = append(lists, list)
		start = end
	}
	for i, p := range s.packs {
		cut(s.first[i] + Num(p.idx.n))
	}
	for i, l := range s.loose {
		if i > 0 && l.dir != s.loose[i-1].dir {
			cut(Num(s.looseFirst + i))
		}
	}
	cut(Num(s.Len()))
	return lists
}

// merge joins sorted lists, two by two. Ties go to the earlier source, so that
// doubles follow what they double.
func (s *Store) merge(lists [][]Num) []Num {
	if len(lists) == 1 {
		return lists[0]
	}
	a, b := s.merge(lists[:len(lists)/2]), s.merge(lists[len(lists)/2:])
	out := make([]Num, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if bytes.Compare(s.name(a[0]), s.name(b[0])) <= 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

func (s *Store) isDouble(n Num) bool { return s.dup != nil && s.dup[n/64]>>(n%64)&1 == 1 }

// packOf finds the pack of object n and its place in that pack's index; nil
// for a loose object.
func (s *Store) packOf(n Num) (*packFile, int) {
	if int(n) >= s.looseFirst {
		return nil, 0
	}
	k := 0
	if len(s.first) > 1 {
		k = sort.Search(len(s.first), func(i int) bool { return s.first[i] > n }) - 1
	}
	return s.packs[k], int(n - s.first[k])
}

// spot is one place that an object is stored in: an entry of a pack or, if pack
// is nil, a file of its own in one of the store's directories.
type spot struct {
	id   oid.ID
	pack *packFile
	at   uint64 // offset in the pack
	dir  int
}

// spot finds where object n is stored.
func (s *Store) spot(n Num) spot {
	if s.lazy != nil {
		return s.lazy.spot(n)
	}
	if p, i := s.packOf(n); p != nil {
		return spot{id: p.idx.id(i), pack: p, at: p.idx.offset(i)}
	}
	l := s.loose[int(n)-s.looseFirst]
	return spot{id: l.id, dir: l.dir}
}

// name is the raw name of object n.
func (s *Store) name(n Num) []byte {
	if s.lazy != nil {
		id := s.lazy.spot(n).id
		return id.Bytes()
	}
	if p, i := s.packOf(n); p != nil {
		return p.idx.name(i)
	}
	return s.loose[int(n)-s.looseFirst].id.Bytes()
}

// Lookup finds the number of an object by its raw name.
func (s *Store) Lookup(name []byte) (Num, bool) {
	if len(name) != s.format.Size() {
		return None, false
	}
	if s.lazy != nil {
		list := s.lazy.find(s, name, false)
		if len(list) == 0 {
			return None, false
		}
		return list[0], true
	}
	if s.byID == nil {
		if len(s.packs) == 0 {
			return None, false
		}
		i, ok := s.packs[0].idx.find(name)
		return Num(i), ok
	}
	if i, ok := s.search(name); ok {
		return s.byID[i], true
	}
	return None, false
}

// several tells whether any object can stand in more than one place.
func (s *Store) several() bool { return s.byID != nil }

// search finds the first place of name in byID.
func (s *Store) search(name []byte) (i int, ok bool) {
	lo, hi := s.fan.around(name)
	i, ok = search(lo, hi, func(i int) []byte { return s.name(s.byID[i]) }, name)
	for ok && i > lo && bytes.Equal(s.name(s.byID[i-1]), name) {
		i--
	}
	return i, ok
}

// copies lists all numbers of one name.
func (s *Store) copies(name []byte) []Num {
	if s.lazy != nil {
		return s.lazy.find(s, name, true)
	}
	if s.byID == nil {
		if n, ok := s.Lookup(name); ok {
			return []Num{n}
		}
		return nil
	}
	if len(name) != s.format.Size() {
		return nil
	}
	i, ok := s.search(name)
	if !ok {
		return nil
	}
	j := i + 1
	for j < len(s.byID) && bytes.Equal(s.name(s.byID[j]), name) {
		j++
	}
	return s.byID[i:j]
}

// Abbreviated lists the objects whose printed name starts with prefix, at most
// max of them.
func (s *Store) Abbreviated(prefix string, limit int) []Num {
	var found []Num
	for n := range Num(s.Len()) {
		if s.isDouble(n) {
			continue
		}
		if id := s.ID(n); strings.HasPrefix(id.String(), prefix) {
			if found = append(found, n); len(found) == limit {
				break
			}
		}
	}
	return found
}

// charge counts an object of size bytes, stored in stored bytes, against the
// budget when it is out of all proportion.
func (s *Store) charge(size, stored int) error {
	if size <= amplifiedSize || size/amplifiedRatio <= stored {
		return nil
	}
	return s.spend(int64(size))
}

func (s *Store) spend(size int64) error {
	if s.amplified.Add(size) > s.budget {
		return ErrAmplified
	}
	return nil
}
