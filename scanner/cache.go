package scanner

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner/internal/cache"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// Cache says where scans of history remember what they saw, so that the next one
// reads only what is new. What they remember is names of objects, places and
// fingerprints of keys, and no secret: what hit is read again.
//
// An object is remembered by its name. Git makes sure that content and name
// agree when it takes an object in, and so does a scan where it finds something;
// whoever writes to the object store, or to the cache, can make a scan with a
// cache overlook things.
type Cache struct {
	// Dir is a directory for nothing else. It need not exist.
	Dir string
	// Program is the version of the program, down to the commit, as another one
	// may see more, and what else changes what a scan tells.
	Program string
	// Rules are those the Scanner has. A scan with others uses no cache.
	Rules *rules.Set
}

// CacheUse tells what a scan had from earlier ones.
type CacheUse struct {
	// Objects is how many objects were not read again.
	Objects int64
	// Err is why the memory of earlier scans was thrown away, or why this one
	// is not remembered. Nothing is missing from the scan for it.
	Err error
}

// earlier is what is known of earlier scans of a repository.
type earlier struct {
	rules *rules.Set
	dir   cache.Dir
	name  string
	file  *cache.File // nil when there is none
	err   error
	// state is that of the repository when it was opened, zero if it cannot be
	// told, and marks are the files of its object store then.
	state  [sha256.Size]byte
	marks  []pack.Mark
	result result
}

// result is the first section of a cache file: what a scan found.
type result struct {
	// State is what the scan read, all zeros if that changed while it did.
	State  [sha256.Size]byte
	Totals totals
	// Objects are those that hit.
	Objects []hitObject
	Hits    []pastHit
	Sights  []sight
	Refs    []keyRefs
	Apart   []apartPair
	Seals   []seal
}

// seal is a container that could not be opened, and why.
type seal struct{ What, Why string }

// seal tells of containers that an earlier scan could not open.
func (run *scan) seal(count int64, list []seal) {
	run.sum.Unopened += count
	for _, s := range list {
		run.sum.Seals = append(run.sum.Seals, Skip{s.What, errors.New(s.Why)})
	}
}

// totals are what a scan counted.
type totals struct {
	Objects               Objects
	Blobs, Bytes, Shallow int64
	Unopened              int64
}

// hitObject is an object that the rules found something in.
type hitObject struct {
	Name []byte
	Kind Kind
	Size int
}

// pastHit is a hit without its key.
type pastHit struct {
	Object, Start int
	Rule          string
	Print         string // fingerprint of the key
}

// sight is one call of groups.add: that Hits[Hit] stands at a place.
type sight struct {
	Hit                 int
	Path                string
	Commit              []byte // nil for none
	Order               int32
	Staged, Unreachable bool
	Head                bool
}

// keyRefs are the refs that lead to a key.
type keyRefs struct {
	Print string
	Names []string
	Count int
}

// known is the second section: the objects that a scan has read, and what
// placing needs to know of those that are not read again. Numbers are places in
// Names.
type known struct {
	Names   []byte // raw, one behind the other, sorted
	Marks   []pack.Mark
	Shallow []byte // likewise
	// Commits, with their trees, or noTree, dates and parents: as many as Degrees
	// says, one list behind the other.
	Commits, Trees []int32
	When           []int64
	Degrees        []uint32
	Parents        []int32
	// Suspects are trees that lead, or may lead, to what hit.
	Suspects []int32
}

const noTree = -1

// remembered opens what is known of earlier scans, and tells whether the last of
// them saw just what is there now. Then the store need not be opened.
func (r *Repo) remembered(c *Cache) bool {
	e := &earlier{rules: c.Rules, dir: cache.Dir(c.Dir)}
	r.earlier = e
	e.name = cache.Name(c.Program, c.Rules.Version(), r.dirs.CommonDir, r.dirs.ObjectDir)
	var ok bool
	if e.state, e.marks, ok = r.state(); !ok {
		return false
	}
	file, err := e.dir.Open(e.name)
	if err == nil {
		err = file.Read(0, &e.result)
	}
	if err != nil {
		e.forget(err)
		return false
	}
	e.file = file
	if e.result.State != e.state {
		return false
	}
	r.store, err = pack.OpenLazy(r.dirs.ObjectDir, r.dirs.AlternateDirs, r.dirs.Format, pack.Limits{})
	return err == nil
}

// forget notes why there is no memory, if that is worth telling.
func (e *earlier) forget(err error) {
	e.file, e.result = nil, result{}
	if !errors.Is(err, cache.ErrNone) {
		e.err = fmt.Errorf("earlier scans are forgotten: %w", err)
	}
}

// state identifies all that a scan of the repository's history depends on, and
// lists the files of its object store. ok is false when some of it cannot be
// read, or is not there by design.
func (r *Repo) state() (sum [sha256.Size]byte, marks []pack.Mark, ok bool) {
	if len(r.problems) > 0 || r.partial {
		return sum, nil, false
	}
	h := sha256.New()
	d := r.dirs
	fmt.Fprintf(h, "%q %q %q %q %d\n", d.GitDir, d.CommonDir, d.ObjectDir, d.IndexFile, d.Format)
	head, err := d.Head()
	if err != nil {
		return sum, nil, false
	}
	fmt.Fprintf(h, "%q %x\n", head.Symbolic, head.Target.Bytes())
	var line []byte
	for _, ref := range r.refs {
		line = fmt.Appendf(line[:0], "%q %q %q %x\n", ref.Name, ref.Symbolic, ref.Worktree, ref.Target.Bytes())
		h.Write(line)
	}
	h.Write(r.shallowNames())
	fmt.Fprintln(h, len(r.staged))
	for i := range r.staged {
		e := &r.staged[i]
		line = append(append(append(line[:0], e.ID.Bytes()...), e.Path...), 0)
		h.Write(line)
	}
	if marks, err = pack.Marks(d.ObjectDir, d.AlternateDirs, d.Format); err != nil {
		return sum, nil, false
	}
	for _, m := range marks {
		line = fmt.Appendf(line[:0], "%q %d %d\n", m.Path, m.Size, m.Time)
		h.Write(line)
	}
	return [sha256.Size]byte(h.Sum(nil)), marks, true
}

// shallowNames are the commits that history is cut at, sorted.
func (r *Repo) shallowNames() (raw []byte) {
	for _, id := range slices.SortedFunc(maps.Keys(r.shallow), ObjectID.Compare) {
		raw = append(raw, id.Bytes()...)
	}
	return raw
}

// now is the state that the repository has by now.
func (r *Repo) now() (sum [sha256.Size]byte) {
	fresh := &Repo{dirs: r.dirs, partial: r.partial}
	if err := fresh.readRefs(); err != nil {
		return sum
	}
	fresh.readIndexes()
	sum, _, _ = fresh.state()
	return sum
}

// mayCache tells whether a scan with a set of rules reads and writes the cache.
func (h *history) mayCache(set *rules.Set) bool {
	e := h.repo.earlier
	return e != nil && h.chosen == nil && e.rules == set && !h.repo.partial
}

// manyObjects is from how many on their names take memory worth making room for.
const manyObjects = 1 << 17

// remember writes what a scan without a fault has found. p is nil when nothing
// hit.
func (h *history) remember(run *scan, hits []hit, p *placing) {
	faults := run.sum.Skipped > run.before.Skipped || run.sum.Missing > run.before.Missing
	if !h.cached || h.repo.partial || faults {
		return
	}
	e := h.repo.earlier
	if slices.ContainsFunc(hits, func(t hit) bool { return t.part }) {
		return // to find it again takes more than to read an object
	}
	res := result{State: e.state, Totals: totals{
		Objects: h.objects, Shallow: run.sum.Shallow - run.before.Shallow,
		Blobs: run.sum.Blobs - run.before.Blobs, Bytes: run.sum.Bytes - run.before.Bytes,
	}}
	res.Totals.Unopened = run.sum.Unopened - run.before.Unopened
	for _, s := range sortedSkips(slices.Clone(run.sum.Seals[min(len(run.before.Seals), len(run.sum.Seals)):])) {
		res.Seals = append(res.Seals, seal{s.What, s.Err.Error()})
	}
	res.setHits(hits)
	if p != nil {
		res.Sights, res.Refs, res.Apart = p.told, p.leading, p.apart
	}
	if h.repo.now() != e.state {
		res.State = [sha256.Size]byte{}
	}
	if h.repo.store.Unique() > manyObjects {
		debug.FreeOSMemory() // what the walk needed makes room for what is written
	}
	if err := e.dir.Write(e.name, &res, h.known(p)); err != nil {
		e.err = errors.Join(e.err, fmt.Errorf("this scan is not remembered: %w", err))
	}
}

// setHits keeps what is told of hits, which are sorted.
func (res *result) setHits(hits []hit) {
	for _, h := range hits {
		name := h.blob.ID.Bytes()
		if n := len(res.Objects); n == 0 || !bytes.Equal(res.Objects[n-1].Name, name) {
			res.Objects = append(res.Objects, hitObject{bytes.Clone(name), h.blob.Kind, h.size})
		}
		res.Hits = append(res.Hits, pastHit{len(res.Objects) - 1, h.match.Start, h.match.Rule.ID, keyPrint(h.key)})
	}
}

// keyPrint is what the cache knows a key by; it gives nothing of it away.
func keyPrint(key string) string { return fingerprint("", key) }

// known lists all objects of the store.
func (h *history) known(p *placing) *known {
	store := h.repo.store
	k := &known{Marks: h.repo.earlier.marks, Names: make([]byte, 0, store.Unique()*store.Format().Size()), Shallow: h.repo.shallowNames()}
	at := make([]int32, store.Len())
	n := int32(0)
	for num, name := range store.Sorted() {
		k.Names = append(k.Names, name...)
		at[num] = n
		n++
	}
	for _, c := range h.nodes {
		tree := int32(noTree)
		if c.tree != pack.None {
			tree = at[c.tree]
		}
		k.Commits, k.Trees, k.When = append(k.Commits, at[c.num]), append(k.Trees, tree), append(k.When, c.when)
		k.Degrees = append(k.Degrees, uint32(len(c.parents)))
		for _, parent := range c.parents {
			k.Parents = append(k.Parents, at[parent])
		}
	}
	if p != nil {
		for n := range pack.Num(store.Len()) {
			if p.suspect.Has(n) && p.state[n] != cold {
				k.Suspects = append(k.Suspects, at[n])
			}
		}
	}
	return k
}
