package gitdir

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Ref is one reference. FETCH_HEAD and MERGE_HEAD give one Ref for each of
// their lines, all with the same name.
type Ref struct {
	Name     string
	Target   oid.ID // zero for a branch not yet born, or a symbolic reference that leads nowhere
	Peeled   oid.ID // what an annotated tag leads to, where the storage says so
	Symbolic string // the name a symbolic reference holds
	Worktree string // the linked work tree the reference belongs to; empty for the main one and for shared references
}

var (
	errNotRef   = errors.New("neither an object name nor a symbolic reference")
	errBadName  = errors.New("a name git does not allow")
	errZero     = errors.New("the object name is all zeros")
	errTwice    = errors.New("listed twice with different objects")
	errLoop     = errors.New("symbolic references lead in a circle or through too many others")
	errLeadsOut = errors.New("symbolic reference to a name git does not allow")
)

// maxSymbolic is how many symbolic references git follows in a row: it gives up
// when the fifth reference it reads is still not an object.
const maxSymbolic = 4

// Refs reads every reference of the repository, those of all work trees
// included, sorted by name and then by work tree. What could not be read is
// among the problems and not among the references. The caller owns both.
func (r *Repo) Refs() ([]Ref, []Problem) {
	rd := refReader{repo: r, budget: newBudget()}
	views := r.views(&rd.problems)
	sets := make([]refSet, len(views))
	for i, v := range views {
		sets[i] = rd.view(v)
	}
	found := resolver{views: views, find: func(view int, name string) (Ref, bool, error) {
		ref, ok := sets[view].find(name)
		return ref, ok, nil
	}}
	for i := range sets {
		sets[i].refs = found.complete(i, sets[i].refs, &rd.problems)
	}
	// The first set is by far the largest, and in order: most repositories
	// have no other.
	all := sets[0].refs
	for i, set := range sets {
		if i > 0 {
			all = append(all, set.refs...)
		}
		all = append(all, set.many...)
	}
	if !inOrder(all, compareRefs) {
		slices.SortStableFunc(all, func(a, b Ref) int { return compareRefs(&a, &b) })
	}
	return all, rd.problems.all()
}

func compareRefs(a, b *Ref) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return strings.Compare(a.Worktree, b.Worktree)
}

// Head is HEAD of this work tree. On a branch that has no commit yet Target is
// zero and Symbolic names the branch.
func (r *Repo) Head() (Ref, error) {
	lk := r.newLookup()
	return lk.head(lk.current)
}

// refSet is what one view holds, by name without repeats; many are the lines of
// the pseudo references that are lists.
type refSet struct{ refs, many []Ref }

func (s refSet) find(name string) (Ref, bool) {
	at, ok := slices.BinarySearchFunc(s.refs, name, func(r Ref, name string) int { return strings.Compare(r.Name, name) })
	if !ok {
		return Ref{}, false
	}
	return s.refs[at], true
}

// refReader collects the references of one repository and what was wrong.
type refReader struct {
	repo *Repo
	*budget
	problems
}

func (rd *refReader) view(v view) refSet {
	set := refSet{many: rd.manyHeads(v)}
	var entries []entry
	if rd.repo.RefStorage == RefTable {
		entries = rd.stack(v)
	} else {
		// Loose before packed: a reference that `git pack-refs` moves between
		// the two reads is then seen twice and not missed.
		entries = rd.loose(v)
		if v.shared {
			entries = append(entries, rd.packed(v)...)
		}
	}
	set.refs = settle(entries, v.name, func(ref Ref) {
		rd.problems.add(Problem{Path: v.dir, Ref: ref.Name, Err: errTwice})
	})
	return set
}

// checked adds an entry whose name and object were just read, or a problem.
func (rd *refReader) checked(entries []entry, e entry, at Problem) []entry {
	at.Ref = e.Name
	switch {
	case !validName(e.Name):
		at.Err = errBadName
	case e.Symbolic == "" && e.Target.IsZero() && !e.deleted:
		at.Err = errZero
	default:
		if len(entries) == cap(entries) {
			// append would grow a large slice by a quarter, and copy a
			// million entries again and again.
			entries = slices.Grow(entries, len(entries)+16)
		}
		return append(entries, e)
	}
	rd.problems.add(at)
	return entries
}

// resolver follows symbolic references across the views of a repository.
type resolver struct {
	views []view
	find  func(view int, name string) (Ref, bool, error)
}

// locate gives the view that a name seen from another view belongs to, and its
// name there: "worktrees/x/HEAD" is HEAD of the linked work tree x.
func (rs resolver) locate(from int, name string) (int, string, bool) {
	if rest, ok := strings.CutPrefix(name, "main-worktree/"); ok {
		return 0, rest, isOwn(rest)
	}
	if rest, ok := strings.CutPrefix(name, "worktrees/"); ok {
		id, own, ok := strings.Cut(rest, "/")
		at := slices.IndexFunc(rs.views, func(v view) bool { return v.name == id && !v.shared })
		return at, own, ok && at >= 0 && isOwn(own)
	}
	if !isOwn(name) {
		return 0, name, strings.HasPrefix(name, "refs/")
	}
	return from, name, true
}

// complete gives the symbolic references of a view the objects they lead to,
// in place, and takes out those that lead nowhere they may. Those that end at a
// name without an object stay.
func (rs resolver) complete(view int, refs []Ref, p *problems) []Ref {
	var bad []string
	for i := range refs {
		ref := &refs[i]
		if ref.Symbolic == "" {
			continue
		}
		end, err := rs.follow(view, *ref)
		if err != nil {
			p.add(Problem{Path: rs.views[view].dir, Ref: ref.Name, Err: err})
			bad = append(bad, ref.Name)
			continue
		}
		ref.Target, ref.Peeled = end.Target, end.Peeled
	}
	if bad == nil {
		return refs
	}
	return slices.DeleteFunc(refs, func(ref Ref) bool {
		_, found := slices.BinarySearch(bad, ref.Name)
		return found
	})
}

// follow goes from a reference in a view to the one that holds an object, or to
// an empty one where the way ends at a name that does not exist.
func (rs resolver) follow(from int, ref Ref) (Ref, error) {
	for range maxSymbolic {
		if ref.Symbolic == "" {
			return ref, nil
		}
		if !validTarget(ref.Symbolic) {
			return Ref{}, errLeadsOut
		}
		at, name, ok := rs.locate(from, ref.Symbolic)
		if !ok {
			return Ref{}, nil
		}
		next, ok, err := rs.find(at, name)
		if err != nil || !ok {
			return Ref{}, err
		}
		from, ref = at, next
	}
	if ref.Symbolic != "" {
		return Ref{}, errLoop
	}
	return ref, nil
}

// errNoHead is a repository whose HEAD vanished between finding and reading it.
var errNoHead = errors.New("HEAD is missing")

func (lk *lookup) head(view int) (Ref, error) {
	head, ok, err := lk.find(view, "HEAD")
	if err == nil && !ok {
		err = errNoHead
	}
	var end Ref
	if err == nil {
		end, err = lk.follow(view, head)
	}
	if err != nil {
		return Ref{}, fmt.Errorf("read HEAD in %q: %w", lk.views[view].dir, err)
	}
	head.Target, head.Peeled, head.Worktree = end.Target, end.Peeled, lk.views[view].name
	return head, nil
}
