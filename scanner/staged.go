package scanner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"sync"

	"github.com/keyquench/keyquench/scanner/internal/gitdir"
	"github.com/keyquench/keyquench/scanner/internal/index"
	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// Staged is the Source of what the next commit would contain and HEAD does not
// have at the same path: it compares the index with HEAD's tree and reads the
// blobs that differ. A key that HEAD's version of the same file has already
// is counted as known, and not found. Like any Source it is read once.
//
// It is made for a hook that runs before every commit, and opens as little of
// the repository as the answer needs: no list of refs, no pack but those that
// hold HEAD's commit and the trees on the way to a change.
//
// Directories whose cached tree in the index has the name of HEAD's tree are
// taken for unchanged. The cached tree is what git writes the commit from
// without looking at the entries again, so that what a forged one hides from
// us, the commit does not contain. All else is compared entry by entry.
type Staged struct {
	repo    *Repo
	path    string // of git
	readers sync.Pool
	head    ObjectID // HEAD's tree, or zero
	onlyNew bool     // files that were moved or copied hold no news
	merged  []string // commits whose keys are known, too
}

// OpenStaged opens the repository that path lies in, or that the environment
// names, for a scan of its index. The error wraps ErrNotRepository when there
// is none; a bare repository without an index is an error, too.
func OpenStaged(path string, o Options) (*Staged, error) {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	dirs, err := gitdir.Discover(path, gitdir.EnvFrom(o.Getenv))
	if err != nil {
		return nil, err
	}
	if dirs.WorkTree == "" { // inside .git there is an index, too
		if _, err := os.Lstat(dirs.IndexFile); errors.Is(err, fs.ErrNotExist) {
			return nil, hinted(errNoIndex, "scan its history instead")
		}
	}
	store, err := pack.OpenLazy(dirs.ObjectDir, dirs.AlternateDirs, dirs.Format, pack.Limits{})
	if err != nil {
		return nil, fmt.Errorf("open object store: %w", err)
	}
	return &Staged{repo: &Repo{dirs: dirs, store: store, partial: dirs.Promisor}, path: o.Getenv("PATH")}, nil
}

var errNoIndex = errors.New("bare repository: it has no index, and nothing is committed from it")

// Close gives back what is held open. No Blob may be used afterwards.
func (s *Staged) Close() { s.repo.Close() }

// Root is Repo.Root.
func (s *Staged) Root() string { return s.repo.Root() }

// GitDir is where the repository, or the linked work tree, keeps its own files.
func (s *Staged) GitDir() string { return s.repo.dirs.GitDir }

// OnlyNew has more counted as known: keys in files that HEAD has in that form
// at another path, and those that the commits in merged have as HEAD has them,
// which are named in full: what others have already, and is merged.
func (s *Staged) OnlyNew(merged ...string) { s.onlyNew, s.merged = true, merged }

// A worker takes up to partStaged blobs at a time, and fewer when there would
// not be partsStaged Parts to keep all workers busy.
const (
	partStaged  = 64
	partsStaged = 32
)

// Parts compares the index with HEAD and hands out the blobs that are new.
func (s *Staged) Parts(ctx context.Context) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		more := true
		err := s.compare(ctx, func(d *stagedDiff) {
			if len(d.skips) > 0 {
				more = yield(errorsPart(d.skips), nil)
			}
			s.readers.Put(d.reader)
			step := max(1, min(partStaged, len(d.changes)/partsStaged))
			for some := range slices.Chunk(d.changes, step) {
				if more = more && yield(s.part(some), nil); !more {
					return
				}
			}
		})
		if err != nil && more {
			yield(nil, err)
		}
	}
}

// compare finds out what is staged.
func (s *Staged) compare(ctx context.Context, found func(*stagedDiff)) error {
	d := &stagedDiff{repo: s.repo, reader: s.repo.store.Reader()}
	var err error
	if s.head, err = s.headTree(d.reader); err != nil {
		return fmt.Errorf("read HEAD: %w", err)
	}
	use := func(l *index.Listing) error {
		if err := d.all(ctx, l, s.head); err != nil {
			return err
		}
		found(d)
		return nil
	}
	err = index.List(s.repo.dirs.IndexFile, s.repo.dirs.Format, use)
	if errors.Is(err, index.ErrUnknownExtension) || errors.Is(err, index.ErrVersion) {
		return s.askGit(ctx, err, use)
	}
	return err
}

// headTree names the tree of the commit that is checked out; zero when there is
// no commit yet. Other than Repo.headTree it does not pass over what is broken.
func (s *Staged) headTree(reader *pack.Reader) (ObjectID, error) {
	head, err := s.repo.dirs.Head()
	if err != nil || head.Target.IsZero() {
		return ObjectID{}, err
	}
	return s.treeOf(reader, head.Target)
}

func (s *Staged) treeOf(reader *pack.Reader, commit ObjectID) (ObjectID, error) {
	kind, data, err := reader.Lookup(commit.Bytes())
	if err == nil && kind != pack.Commit {
		err = fmt.Errorf("%s is a %s, not a commit: %w", commit, kind, pack.ErrCorrupt)
	}
	if err != nil {
		return ObjectID{}, err
	}
	c, err := parseCommit(data, s.repo.store.Format())
	if err != nil {
		return ObjectID{}, fmt.Errorf("%s: %w", commit, err)
	}
	return oid.FromBytes(c.tree), nil
}

// part reads some of the blobs.
func (s *Staged) part(changes []change) Part {
	return func(ctx context.Context) iter.Seq2[Blob, error] {
		return func(yield func(Blob, error) bool) {
			reader, ok := s.readers.Get().(*pack.Reader)
			if !ok {
				reader = s.repo.store.Reader()
			}
			defer s.readers.Put(reader)
			for _, c := range changes {
				if ctx.Err() != nil {
					return
				}
				if b, odd := pathName(Blob{ID: c.id}, c.path); odd && !yield(b, nil) {
					return
				}
				kind, data, err := reader.Lookup(c.id.Bytes())
				if err == nil && kind != pack.Blob {
					err = fmt.Errorf("a %s, not a file's content: %w", kind, pack.ErrCorrupt)
				}
				b := Blob{Kind: Content, ID: c.id, Path: c.path, Data: data}
				if err != nil {
					b, err = Blob{}, s.unreadable(c, err)
				}
				if !yield(b, err) {
					return
				}
			}
		}
	}
}

// unreadable names a staged file that could not be read.
func (s *Staged) unreadable(c change, err error) error {
	if p, ok := pack.IsProblem(err); ok {
		err = p.Err // it is named below
	}
	err = fmt.Errorf("staged %s: %w", c.id, err)
	if s.repo.partial && errors.Is(err, pack.ErrMissing) {
		err = hinted(err, "this is a partial clone: fetch the object with git cat-file -e "+c.id.String()+", and scan again")
	}
	return &SkipError{c.path, err}
}

func (s *Staged) of() *Repo { return s.repo }

// before are the trees of HEAD and of what is merged into it, so far as they can
// be read.
func (s *Staged) before(reader *pack.Reader) (trees []pack.Num) {
	names := []ObjectID{s.head}
	for _, commit := range s.merged {
		if id, ok := oid.Parse(commit); ok {
			if tree, err := s.treeOf(reader, id); err == nil {
				names = append(names, tree)
			}
		}
	}
	for _, id := range names {
		if n, ok := s.repo.store.Lookup(id.Bytes()); ok && !id.IsZero() {
			trees = append(trees, n)
		}
	}
	return trees
}

// place gives each hit the place where it is staged, or counts it when it was
// there before.
func (s *Staged) place(ctx context.Context, run *scan, hits []hit) error {
	if len(hits) == 0 {
		return nil
	}
	reader := s.repo.store.Reader()
	p := stagedPlacing{s, run, reader, s.before(reader), s.repo.copiesOf(hits, s.repo.store.Reader()), map[string][]hit{}}
	known := map[string]bool{}
	for _, h := range hits {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if h.allowed || !h.wanted(h.blob.Path, nil) {
			continue
		}
		switch place := (Place{Kind: h.blob.Kind, Path: h.blob.Path, Staged: true}); {
		case p.known(ctx, &h):
			if !known[h.key] {
				known[h.key] = true
				run.sum.Known++
			}
		case h.blob.Kind == FileName:
			run.groups.add(h, place, -1, nil)
		default:
			place.Kind, place.Object = Content, h.blob.ID
			run.groups.add(h, place, -1, nil)
		}
	}
	return nil
}

// stagedPlacing is one call of place.
type stagedPlacing struct {
	s      *Staged
	run    *scan
	reader *pack.Reader
	trees  []pack.Num
	copies *copies
	hits   map[string][]hit // in trees, by path
}

// known tells whether a tree that was there before has what was hit.
func (p *stagedPlacing) known(ctx context.Context, h *hit) bool {
	if h.blob.Kind == FileName {
		return slices.ContainsFunc(p.trees, func(t pack.Num) bool { return p.s.repo.pathIn(p.reader, t, h.blob.Path) != pack.None })
	}
	old, ok := p.hits[h.blob.Path]
	if !ok {
		for _, t := range p.trees {
			old = append(old, p.s.repo.hitsAt(ctx, p.reader, p.run, t, h.blob.Path)...)
		}
		p.hits[h.blob.Path] = old
	}
	return knows(old, &h.match) || p.s.onlyNew && slices.ContainsFunc(p.trees, func(t pack.Num) bool { return p.copies.has(t, h.blob.ID) })
}
