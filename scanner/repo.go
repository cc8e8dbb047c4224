package scanner

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/gitdir"
	"github.com/keyquench/keyquench/scanner/internal/index"
	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// ErrNotRepository: a path is in no Git repository.
var ErrNotRepository = gitdir.ErrNotRepository

// Repo is an open repository. Its Sources may be used until Close.
type Repo struct {
	dirs *gitdir.Repo
	// store is whole, or while an earlier scan may do instead of this one, lazy.
	store   *pack.Store
	earlier *earlier
	refs    []gitdir.Ref
	targets map[ObjectID]bool // what refs name
	shallow map[ObjectID]bool // commits whose parents were not fetched
	staged  []index.Entry     // of all work trees
	partial bool
	alone   *alone // set when it is a single file
	// excludes are the user's own ignore files.
	excludes []string
	// within is where in the git directory of another repository this one lies.
	within string
	// problems are what could not be read of refs and indexes.
	problems []Skip
}

// Options say how to open a repository. The zero value is for one that lies
// where it was named.
type Options struct {
	// Getenv looks up what of the environment Git honours: GIT_DIR and the
	// like, and where the user's own configuration lies (HOME, XDG_CONFIG_HOME,
	// GIT_CONFIG_GLOBAL), of which only core.excludesFile counts; nil is an
	// empty environment.
	Getenv func(string) string
	// Cache, if set, spares History what an earlier scan has read.
	Cache *Cache
}

// Open opens the repository that path lies in, or that the environment names.
// The error wraps ErrNotRepository when there is none.
func Open(path string, o Options) (*Repo, error) {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	dirs, err := gitdir.Discover(path, gitdir.EnvFrom(o.Getenv))
	if err != nil {
		return nil, err
	}
	r := &Repo{dirs: dirs, excludes: userExcludes(o.Getenv), partial: dirs.Promisor}
	if err := r.readRefs(); err != nil {
		return nil, err
	}
	r.readIndexes()
	if o.Cache != nil && r.remembered(o.Cache) {
		return r, nil
	}
	if err := r.openStore(); err != nil {
		return nil, err
	}
	return r, nil
}

// openStore opens the object store, if it is not open, and sees that it has
// what refs and indexes name.
func (r *Repo) openStore() error {
	if r.store != nil && !r.store.Lazy() {
		return nil
	}
	store, err := pack.Open(r.dirs.ObjectDir, r.dirs.AlternateDirs, r.dirs.Format, pack.Limits{})
	if err != nil {
		return fmt.Errorf("open object store: %w", err)
	}
	r.closeStore()
	r.store, r.partial = store, r.dirs.Promisor || store.Promised
	r.checkNamed()
	return nil
}

// userExcludes is the user's ignore file for all repositories, if there is one.
func userExcludes(getenv func(string) string) []string {
	if path := gitdir.UserExcludes(getenv); path != "" {
		return []string{path}
	}
	return nil
}

// Close gives back what the repository holds open. No Blob may be used
// afterwards.
func (r *Repo) Close() {
	r.closeStore()
	if r.earlier != nil && r.earlier.file != nil {
		r.earlier.file.Close()
	}
}

func (r *Repo) closeStore() {
	if r.store != nil {
		r.store.Close()
	}
}

// Root is the directory that the repository's files lie in, absolute; for a
// bare repository it is the repository itself.
func (r *Repo) Root() string {
	if r.Bare() {
		return r.dirs.GitDir
	}
	return r.dirs.WorkTree
}

// Bare tells that the repository has no work tree.
func (r *Repo) Bare() bool { return r.dirs.WorkTree == "" }

// Objects is how many objects the store has, each counted once.
func (r *Repo) Objects() int {
	if r.store.Lazy() {
		return int(r.earlier.result.Totals.Objects.Total())
	}
	return r.store.Unique()
}

func (r *Repo) readRefs() error {
	refs, problems := r.dirs.Refs()
	for _, p := range problems {
		r.problems = append(r.problems, Skip{p.Path, p})
	}
	r.refs, r.targets = refs, map[ObjectID]bool{}
	for _, ref := range refs {
		r.targets[ref.Target] = true
	}
	shallow, err := r.dirs.Shallow()
	if err != nil {
		return err
	}
	r.shallow = map[ObjectID]bool{}
	for _, id := range shallow {
		r.shallow[id] = true
	}
	return nil
}

// checkNamed sees that the store has what refs and indexes name.
func (r *Repo) checkNamed() {
	for _, ref := range r.refs {
		if !ref.Target.IsZero() && !r.has(ref.Target) && !transient(ref.Name) {
			r.problems = append(r.problems, Skip{ref.Name, fmt.Errorf("%s: %w", ref.Target, pack.ErrMissing)})
		}
	}
	if r.partial {
		return
	}
	for _, e := range r.staged {
		if !e.ID.IsZero() && !r.has(e.ID) && !e.IntentToAdd {
			r.problems = append(r.problems, Skip{e.Path, fmt.Errorf("staged %s: %w", e.ID, pack.ErrMissing)})
		}
	}
}

// transient refs are traces of what git did last; it does not keep the objects
// they name.
func transient(name string) bool {
	return name == "FETCH_HEAD" || name == "ORIG_HEAD" || name == "AUTO_MERGE" || name == "REBASE_HEAD" || name == "CHERRY_PICK_HEAD"
}

func (r *Repo) has(id ObjectID) bool {
	_, ok := r.store.Lookup(id.Bytes())
	return ok
}

// readIndexes reads the indexes of all work trees: what is staged may be in no
// commit yet.
func (r *Repo) readIndexes() {
	trees, problems := r.dirs.Worktrees()
	for _, p := range problems {
		r.problems = append(r.problems, Skip{p.Path, p})
	}
	files := []string{r.dirs.IndexFile}
	for _, t := range trees {
		if !slices.Contains(files, t.IndexFile) {
			files = append(files, t.IndexFile)
		}
	}
	for _, f := range files {
		if f == "" {
			continue
		}
		x, err := index.Read(f, r.dirs.Format)
		if err != nil {
			r.problems = append(r.problems, Skip{f, err})
			continue
		}
		for _, e := range x.Entries {
			if e.Mode != index.ModeGitlink {
				r.staged = append(r.staged, e)
			}
		}
	}
}

// tips are the objects that everything still in use can be reached from.
func (r *Repo) tips(reader *pack.Reader) []pack.Num {
	var tips []pack.Num
	for _, ref := range r.refs {
		if n := r.peel(reader, ref.Target); n != pack.None && ref.Name != "FETCH_HEAD" {
			tips = append(tips, n)
		}
	}
	return tips
}

// maxPeel bounds tags of tags.
const maxPeel = 64

// peel follows annotated tags to what they name; None when that is missing.
func (r *Repo) peel(reader *pack.Reader, id ObjectID) pack.Num {
	n, ok := r.store.Lookup(id.Bytes())
	for range maxPeel {
		if !ok {
			return pack.None
		}
		kind, data, err := reader.Read(n)
		if err != nil || kind != pack.Tag {
			return n
		}
		raw, err := tagTarget(data, r.store.Format())
		if err != nil {
			return pack.None
		}
		n, ok = r.store.Lookup(raw)
	}
	return pack.None
}

// namedRef is a ref that is told to people.
type namedRef struct {
	name           string
	target, peeled pack.Num
}

// namedRefs lists refs, branches first, without HEADs and what git keeps for
// itself.
func (r *Repo) namedRefs(reader *pack.Reader) []namedRef {
	var list []namedRef
	for _, ref := range r.refs {
		if !strings.HasPrefix(ref.Name, "refs/") || ref.Symbolic != "" {
			continue
		}
		n, ok := r.store.Lookup(ref.Target.Bytes())
		if !ok {
			continue
		}
		list = append(list, namedRef{ref.Name, n, r.peel(reader, ref.Target)})
	}
	slices.SortStableFunc(list, func(a, b namedRef) int { return compareRefs(a.name, b.name) })
	return list
}

// compareRefs puts branches before tags, tags before what remotes have, and
// that before all other refs.
func compareRefs(a, b string) int {
	return cmp.Or(refRank(a)-refRank(b), strings.Compare(a, b))
}

func refRank(name string) int {
	for i, prefix := range []string{"refs/heads/", "refs/tags/", "refs/remotes/"} {
		if strings.HasPrefix(name, prefix) {
			return i
		}
	}
	return 3
}

// headCommit is the commit that is checked out, or None.
func (r *Repo) headCommit(reader *pack.Reader) pack.Num {
	if r.alone != nil {
		return r.peel(reader, r.alone.head)
	}
	head, err := r.dirs.Head()
	if err != nil || head.Target.IsZero() {
		return pack.None
	}
	return r.peel(reader, head.Target)
}

// headTree is its tree, or None.
func (r *Repo) headTree(reader *pack.Reader) pack.Num {
	return r.treeOf(reader, r.headCommit(reader))
}

// treeOf is the tree of a commit, or None.
func (r *Repo) treeOf(reader *pack.Reader, commit pack.Num) pack.Num {
	if commit == pack.None {
		return pack.None
	}
	kind, data, err := reader.Read(commit)
	if err != nil || kind != pack.Commit {
		return pack.None
	}
	c, err := parseCommit(data, r.store.Format())
	if err != nil {
		return pack.None
	}
	n, ok := r.store.Lookup(c.tree)
	if !ok {
		return pack.None
	}
	return n
}

// pathIn finds the object at path below a tree, or None.
func (r *Repo) pathIn(reader *pack.Reader, tree pack.Num, path string) pack.Num {
	for tree != pack.None {
		name, rest, more := strings.Cut(path, "/")
		kind, data, err := reader.Read(tree)
		if err != nil || kind != pack.Tree {
			return pack.None
		}
		next := pack.None
		entries, _ := treeEntries(data, r.store.Format())
		for e := range entries {
			if string(e.Name) == name && (e.isTree() || !more) {
				if n, ok := r.store.Lookup(e.ID); ok && e.Mode&modeType != modeGitlink {
					next = n
				}
				break
			}
		}
		if !more {
			return next
		}
		tree, path = next, rest
	}
	return pack.None
}

// formatOf is the hash function that made an ID.
func formatOf(id ObjectID) oid.Format {
	if len(id.Bytes()) == oid.SHA256.Size() {
		return oid.SHA256
	}
	return oid.SHA1
}

// hintError adds the next step to an error.
type hintError struct {
	error
	hint string
}

func (e hintError) Unwrap() error { return e.error }

// Hint is what to do about the error.
func (e hintError) Hint() string { return e.hint }

func hinted(err error, hint string) error { return hintError{err, hint} }

var errRange = errors.New("bad range")
