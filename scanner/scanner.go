// Package scanner looks through Git repositories, folders and streams for AWS
// keys. A Source shares its bytes out in Parts, the rules see every Blob once,
// and what they find is placed (path, line, commit, author) and grouped by key.
//
// It is read-only, opens no connection and believes nothing that a repository's
// configuration says but where things lie. It runs no program, but for git where
// Staged meets an index that only a newer git can read.
package scanner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner/internal/pack"
	"github.com/keyquench/keyquench/scanner/internal/unpack"
)

// Scanner runs rules over Sources. Its zero value works.
type Scanner struct {
	// Rules are rules.Default() when nil.
	Rules *rules.Set
	// Allow are markers: what is found on a line that has one is counted, and
	// not reported.
	Allow []string
	// Workers is GOMAXPROCS when zero.
	Workers int
	// Meter, if set, is kept up to date while a scan runs.
	Meter *Meter
	// Now is time.Now when nil.
	Now func() time.Time
}

// Meter counts what a running scan has done so far. Objects counts trees too,
// which are no Blobs. Any goroutine may read it.
type Meter struct{ Objects, Blobs, Bytes, Hits atomic.Int64 }

// Scan reads all sources, one after the other, and calls found once for each
// key, in an order that depends on nothing but what was scanned. It is never
// called twice at once; an error from it ends the scan. What could not be read
// is in the Summary. When an error is returned, what was found until then has
// been given to found, perhaps without its place in history, and the Summary
// is filled as far as the scan came.
func (s *Scanner) Scan(ctx context.Context, found func(Finding) error, sources ...Source) (Summary, error) {
	run := &scan{set: s.Rules, allow: s.Allow, workers: s.Workers, meter: s.Meter, allowed: map[string]bool{}}
	now := s.Now
	if now == nil {
		now = time.Now
	}
	if run.set == nil {
		run.set = rules.Default()
	}
	if run.workers <= 0 {
		run.workers = runtime.GOMAXPROCS(0)
	}
	if run.meter == nil {
		run.meter = new(Meter)
	}
	start := now()
	err := run.all(ctx, found, sources)
	run.sum.Skips, run.sum.Seals = sortedSkips(run.sum.Skips), sortedSkips(run.sum.Seals)
	run.sum.Elapsed = now().Sub(start)
	return run.sum, err
}

// scan is one call of Scan.
type scan struct {
	set     *rules.Set
	allow   []string
	workers int
	meter   *Meter
	groups  groups

	mu     sync.Mutex
	sum    Summary
	before Summary // what sum was before the source being read
	hits   []hit
	budget unpack.Budget

	allowed map[string]bool // keys on lines that are marked
}

// hit is a Match and the Blob it stands in, without its bytes.
type hit struct {
	blob   Blob // Data is nil
	match  rules.Match
	key    string // groupKey of the match
	member string // of the container that the blob is
	name   string // of a FileName without a path, the one it stands in
	at     Position
	secret *Position
	// ordinal tells apart the places of one key in one blob.
	ordinal int
	size    int  // of the blob in bytes, unless this is
	part    bool // a window of it
	allowed bool // by a marker on its line
}

var errTooMany = errors.New("it matches too often: the rest of the matches is not looked at")

// wanted tells whether the hit is to be reported at a path, as a commit, or nil,
// brought it in: some rules are about some places only.
func (h *hit) wanted(path string, commit *Commit) bool {
	if !h.match.Placed() {
		return true
	}
	if h.member != "" {
		path += "!" + h.member
	}
	id := ""
	if commit != nil {
		id = commit.ID.String()
	}
	return h.match.Wanted(path, id)
}

func compareHits(a, b hit) int {
	return cmp.Or(
		cmp.Compare(a.blob.Kind, b.blob.Kind),
		a.blob.ID.Compare(b.blob.ID),
		cmp.Compare(a.blob.Path, b.blob.Path),
		cmp.Compare(a.member, b.member),
		cmp.Compare(a.match.Start, b.match.Start),
		cmp.Compare(a.match.Rule.ID, b.match.Rule.ID),
	)
}

// placer is a Source that finds out afterwards where its Blobs belong.
type placer interface {
	place(ctx context.Context, run *scan, hits []hit) error
}

func (run *scan) all(ctx context.Context, found func(Finding) error, sources []Source) error {
	err := run.sources(ctx, sources)
	run.sum.Allowed = len(run.allowed)
	for _, f := range run.groups.findings() {
		run.sum.Findings++
		if err := found(f); err != nil {
			return err
		}
	}
	return err
}

// sources reads all sources and groups what they hit. One that cannot be read
// does not keep the others from being read.
func (run *scan) sources(ctx context.Context, sources []Source) (err error) {
	told := map[*Repo]bool{}
	for _, src := range sources {
		run.before = run.sum
		h, _ := src.(*history)
		if h != nil {
			h.meter, h.set, h.cached = run.meter, run.set, h.mayCache(run.set)
			if h.replay(ctx, run) {
				continue
			}
		}
		if r, ok := src.(interface{ of() *Repo }); ok && r.of() != nil && !told[r.of()] {
			told[r.of()] = true
			for _, p := range r.of().problems {
				run.skip(p.What, p.Err)
			}
		}
		run.hits = nil
		failed := run.read(ctx, src)
		// Which worker was first is chance; what comes out must not be.
		slices.SortFunc(run.hits, compareHits)
		run.note(run.hits)
		if p, ok := src.(placer); ok && failed == nil {
			failed = p.place(ctx, run, run.hits)
		} else {
			for _, h := range run.hits {
				if h.allowed || !h.wanted(h.blob.Path, nil) {
					continue
				}
				run.groups.add(h, Place{Kind: h.blob.Kind, Path: h.blob.Path, Object: h.blob.ID, Staged: h.blob.staged}, -1, nil)
			}
		}
		if h != nil && h.cached {
			run.sum.Cache.Err = errors.Join(run.sum.Cache.Err, h.repo.earlier.err)
		}
		if err = errors.Join(err, failed); ctx.Err() != nil {
			return err
		}
	}
	return err
}

// read runs the rules over all parts of a source.
func (run *scan) read(ctx context.Context, src Source) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := make(chan Part)
	var wg sync.WaitGroup
	for range run.workers {
		wg.Go(func() {
			for p := range parts {
				run.part(ctx, p)
			}
		})
	}
	err := func() error {
		defer wg.Wait()
		defer close(parts)
		for p, err := range src.Parts(ctx) {
			if err != nil {
				return err
			}
			select {
			case parts <- p:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}()
	if err != nil {
		return err
	}
	return ctx.Err()
}

// flushEvery is how many blobs a worker reads between two looks at what all
// share.
const flushEvery = 512

// part reads one part.
func (run *scan) part(ctx context.Context, p Part) {
	w := worker{set: run.set, allow: run.allow, budget: &run.budget}
	defer run.flush(&w)
	seen := 0
	for b, err := range p(ctx) {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.skip(err)
		} else {
			w.look(&b)
			w.open(ctx, &b)
		}
		if seen++; seen%flushEvery == 0 {
			run.flush(&w)
		}
	}
}

// worker runs the rules over one part, and keeps what it found since it last
// told.
type worker struct {
	set     *rules.Set
	allow   []string
	budget  *unpack.Budget
	matches []rules.Match
	changed []rules.Span
	// marked are the objects of the part that the rules do not call clean. What
	// is rebuilt from a clean one is looked at only where it changed.
	marked map[pack.Num]bool

	tally
}

// tally is what a worker has not told yet.
type tally struct {
	blobs, bytes, files int64
	hits                []hit
	skips               []Skip
	skipped             int64
	seals               []Skip // containers that stay closed
	sealed              int64
}

// look counts a blob and runs the rules over it.
func (w *worker) look(b *Blob) {
	if b.Kind.counted() && !b.again {
		w.bytes += b.window.bytes(b.Data)
		if b.window.first() {
			w.blobs++
			if b.Kind == WorkTreeFile {
				w.files++
			}
		}
	}
	if w.cleanLikeBase(b) {
		return
	}
	var clean bool
	if w.matches, clean = w.set.Look(w.matches[:0], b.Data); !clean && b.stored() {
		if w.marked == nil {
			w.marked = map[pack.Num]bool{}
		}
		w.marked[b.num] = true
	}
	if w.matches = b.window.own(w.matches); len(w.matches) > 0 && !b.again {
		w.keep(b)
	}
	w.lookNames(b)
}

// stored tells whether the blob is an object of a store.
func (b *Blob) stored() bool { return !b.ID.IsZero() }

// cleanLikeBase tells whether b was rebuilt from a clean object by changes that
// leave it clean.
func (w *worker) cleanLikeBase(b *Blob) bool {
	if !b.rebuilt || w.marked[b.base] {
		return false
	}
	w.changed = w.changed[:0]
	for _, s := range b.fresh {
		w.changed = append(w.changed, rules.Span(s))
	}
	return w.set.CleanNear(b.Data, w.changed)
}

func (w *worker) skip(err error) {
	w.skipped++
	w.skips = append(w.skips, skipOf(err))
}

// skipOf names what an error is about.
func skipOf(err error) Skip {
	if p, ok := pack.IsProblem(err); ok {
		return Skip{p.Where, p.Err}
	}
	if s, ok := errors.AsType[*SkipError](err); ok {
		return Skip{s.What, s.Err}
	}
	return Skip{"", err}
}

// SkipError is an error that a Part yields for one Blob it could not read.
type SkipError struct {
	What string // from the repository
	Err  error
}

func (e *SkipError) Error() string { return e.What + ": " + e.Err.Error() }

func (e *SkipError) Unwrap() error { return e.Err }

// keep turns matches into hits while the bytes are there.
func (w *worker) keep(b *Blob) {
	if b.stored() && b.window == nil && b.member == nil { // what comes in windows is checked at its end
		if err := checkName(b); err != nil {
			w.skip(err)
		}
	}
	seen, lines := b.window.seen(), b.window.lines(b.Data)
	for _, m := range w.matches {
		if m.Cut {
			w.skip(&SkipError{b.name(), fmt.Errorf("rule %s: %w", m.Rule.ID, errTooMany)})
		}
		h := hit{blob: *b, match: m, key: groupKey(&m), at: lines.position(m.Start), size: len(b.Data), part: b.window != nil, allowed: w.allows(b.Data, m.Start)}
		if b.member != nil {
			h.inMember(b.member)
		}
		h.blob.Data, h.blob.fresh, h.blob.window = nil, nil, nil
		if m.Key.ID != "" && !m.Key.Secret.IsZero() && len(m.Secrets) > 0 {
			if p := lines.position(m.Secrets[0].Start); p.Line != h.at.Line {
				h.secret = &p
			}
		}
		if b.Kind == FileName {
			h.inName(b)
		}
		b.window.shift(&h.match)
		h.ordinal = seen[h.key]
		seen[h.key]++
		w.hits = append(w.hits, h)
	}
}

// maxMarkedLine bounds how far from a key a marker counts.
const maxMarkedLine = 4 << 10

// allows tells whether the line of data[at] has a marker.
func (w *worker) allows(data []byte, at int) bool {
	if len(w.allow) == 0 {
		return false
	}
	from := max(0, at-maxMarkedLine)
	line := data[from:min(len(data), at+maxMarkedLine)]
	start := bytes.LastIndexByte(line[:at-from], '\n') + 1
	line, _, _ = bytes.Cut(line[start:], []byte{'\n'})
	return slices.ContainsFunc(w.allow, func(marker string) bool { return bytes.Contains(line, []byte(marker)) })
}

// note counts what is allowed.
func (run *scan) note(hits []hit) {
	for i := range hits {
		if hits[i].allowed {
			run.allowed[hits[i].key] = true
		}
	}
}

// checkName makes sure that an object is what its name says: an index can claim
// anything, and what is reported should be what others find under that name.
func checkName(b *Blob) error {
	format := formatOf(b.ID)
	kind := map[Kind]string{Content: "blob", CommitText: "commit", TagText: "tag"}[b.Kind]
	if kind == "" || format.Sum(kind, b.Data) == b.ID {
		return nil
	}
	return pack.Problem{Where: b.ID.String(), Err: fmt.Errorf("content does not have this name: %w", pack.ErrCorrupt)}
}

func (run *scan) flush(w *worker) {
	run.meter.Blobs.Add(w.blobs)
	run.meter.Bytes.Add(w.bytes)
	run.meter.Hits.Add(int64(len(w.hits)))
	run.mu.Lock()
	defer run.mu.Unlock()
	run.sum.Blobs += w.blobs
	run.sum.Bytes += w.bytes
	run.sum.Files += w.files
	run.sum.Skipped += w.skipped
	run.keepSkips(w.skips...)
	run.sum.Unopened += w.sealed
	run.sum.Seals = keepFirst(append(run.sum.Seals, w.seals...))
	run.hits = append(run.hits, w.hits...)
	w.tally = tally{}
}

// skip counts something that a source found out to be unreadable.
func (run *scan) skip(what string, err error) {
	run.sum.Skipped++
	run.keepSkips(Skip{what, err})
}

// keepSkips keeps the first MaxSkips in the order of their names, so that
// which ones are told does not depend on who was first.
func (run *scan) keepSkips(more ...Skip) {
	run.sum.Skips = keepFirst(append(run.sum.Skips, more...))
}

func keepFirst(list []Skip) []Skip {
	if len(list) > 2*MaxSkips {
		return sortedSkips(list)
	}
	return list
}

func sortedSkips(list []Skip) []Skip {
	slices.SortFunc(list, func(a, b Skip) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Err.Error(), b.Err.Error()))
	})
	return slices.Clip(list[:min(len(list), MaxSkips)])
}
