package gitdir

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Rev is a revision as a person writes it, split where reading references ends
// and reading objects begins: "main~3^{tree}" is main and ~3^{tree}.
type Rev struct {
	Base   string // a reference, a full object name, or an abbreviated one
	Suffix string // what to do from there: ~ ^ : or @{…}, or empty
}

var (
	// ErrUnknownRevision is wrapped when no reference has the name. The caller
	// may still find an object whose name begins so.
	ErrUnknownRevision = errors.New("unknown revision")
	errRevision        = errors.New("not a revision that can be read")
)

// ParseRev splits a revision. It refuses those that start from no name at all,
// such as ":/text" or "^main", and ranges.
func ParseRev(s string) (Rev, error) {
	end := strings.IndexAny(s, "~^:")
	if end < 0 {
		end = len(s)
	}
	if at := strings.Index(s[:end], "@{"); at >= 0 {
		end = at
	}
	rev := Rev{Base: s[:end], Suffix: s[end:]}
	switch {
	case rev.Base == "@", rev.Base == "" && strings.HasPrefix(rev.Suffix, "@{"):
		rev.Base = "HEAD"
	case rev.Base == "", rev.Base[0] == '-', strings.Contains(rev.Base, ".."), strings.IndexByte(s, 0) >= 0:
		return Rev{}, fmt.Errorf("parse revision %q: %w", s, errRevision)
	}
	return rev, nil
}

// ResolveRevision finds the object that a full object name or a reference
// stands for, a short name in git's order: itself, then below refs, refs/tags,
// refs/heads, refs/remotes, and HEAD of a remote. The name must be a Rev's Base.
func (r *Repo) ResolveRevision(name string) (oid.ID, error) {
	if len(name) == r.Format.HexSize() {
		// Git too lets an object name win over a reference of the same name.
		if id, ok := oid.Parse(name); ok {
			return id, nil
		}
	}
	if name == "@" {
		name = "HEAD"
	}
	lk := r.newLookup()
	var broken error
	for _, full := range []string{name, "refs/" + name, "refs/tags/" + name, "refs/heads/" + name, "refs/remotes/" + name, "refs/remotes/" + name + "/HEAD"} {
		if !validTarget(full) {
			continue
		}
		ref, err := lk.resolve(full)
		if err != nil {
			// A broken reference does not hide a good one further on, as
			// in git, but is worth more in an error than "unknown".
			broken = errors.Join(broken, err)
			continue
		}
		if !ref.Target.IsZero() {
			return ref.Target, nil
		}
	}
	if broken != nil {
		return oid.ID{}, fmt.Errorf("resolve %q: %w", name, broken)
	}
	return oid.ID{}, &hinted{
		fmt.Errorf("resolve %q: %w", name, ErrUnknownRevision),
		"check the spelling, or fetch the branch or tag first",
	}
}

// lookup reads single references. What it had to read whole it keeps, so that
// one lookup serves one call.
type lookup struct {
	resolver
	problems
	repo    *Repo
	current int
	stacks  map[int]refSet
}

func (r *Repo) newLookup() *lookup {
	lk := &lookup{repo: r, stacks: make(map[int]refSet)}
	lk.views = r.views(&lk.problems)
	lk.current = r.currentView(lk.views)
	lk.resolver.find = lk.read
	return lk
}

func (lk *lookup) resolve(name string) (Ref, error) {
	at, own, ok := lk.locate(lk.current, name)
	if !ok {
		return Ref{}, nil
	}
	ref, ok, err := lk.find(at, own)
	if err != nil || !ok {
		return Ref{}, err
	}
	return lk.follow(at, ref)
}

// read finds one reference on disk.
func (lk *lookup) read(at int, name string) (Ref, bool, error) {
	v := lk.views[at]
	if isMany(name) {
		return lk.firstOf(v, name)
	}
	if lk.repo.RefStorage == RefTable {
		set, ok := lk.stacks[at]
		if !ok {
			rd := refReader{repo: lk.repo, budget: newBudget()}
			set.refs = settle(rd.stack(v), v.name, func(Ref) {})
			// A table that cannot be read may have held a newer value.
			if bad := rd.problems.all(); len(bad) > 0 {
				return Ref{}, false, bad[0]
			}
			lk.stacks[at] = set
		}
		ref, ok := set.find(name)
		return ref, ok, nil
	}
	path := filepath.Join(v.dir, filepath.FromSlash(name))
	ref, ok, err := readLoose(path, name, lk.repo.Format)
	if err != nil {
		return Ref{}, false, Problem{Path: path, Ref: name, Err: cause(err)}
	}
	if ok || !v.shared {
		return ref, ok, nil
	}
	return lk.packedRef(v, name)
}

func (lk *lookup) firstOf(v view, name string) (Ref, bool, error) {
	rd := refReader{repo: lk.repo, budget: newBudget()}
	for _, ref := range rd.manyHeads(v) {
		if ref.Name == name {
			return ref, true, nil
		}
	}
	if bad := rd.problems.all(); len(bad) > 0 {
		return Ref{}, false, bad[0]
	}
	return Ref{}, false, nil
}

func (lk *lookup) packedRef(v view, name string) (ref Ref, ok bool, err error) {
	path := filepath.Join(v.dir, "packed-refs")
	var bad error
	err = eachPacked(path, lk.repo.Format, func(line int, got []byte, target, peeled oid.ID, wrong error) bool {
		if wrong != nil && bad == nil {
			bad = Problem{Path: path, Line: line, Err: wrong}
		}
		if string(got) != name {
			return true
		}
		ref, ok = Ref{Name: name, Target: target, Peeled: peeled}, !target.IsZero()
		return false
	})
	if err != nil {
		return Ref{}, false, Problem{Path: path, Err: err}
	}
	if !ok && bad != nil {
		return Ref{}, false, bad // the bad line may have been the one
	}
	return ref, ok, nil
}
