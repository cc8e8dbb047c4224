package hooks

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

// Push is a push as pre-push is told of it.
type Push struct {
	// Remote is the name of where it goes; git gives the URL where there is none.
	Remote string
	// Remotes are the names of all remotes; see Remotes.
	Remotes []string
	Updates []Update
	// Rules are those of the Scanner, nil for rules.Default().
	Rules *rules.Set
}

// Source gives what the push brings to the remote: what its updates lead to, and
// neither what they replace does nor what was last fetched from there. A remote
// without refs here, as one that is named by its URL, is taken to have nothing but
// what is replaced. It is nil when nothing is brought, as by a push that only deletes.
func (p *Push) Source(ctx context.Context, repo *scanner.Repo) (scanner.Source, error) {
	a := scanner.Added{AsFetched: true, Rules: p.Rules, Have: p.fetched(repo)}
	return added(ctx, repo, a, p.Updates)
}

// fetched are the objects that the remote had when something was last fetched from
// it or pushed there, as far as git does not gainsay that now.
func (p *Push) fetched(repo *scanner.Repo) (names []string) {
	if p.Remote == "" {
		return nil
	}
	prefix := tracking(p.Remote)
	list := repo.Refs(prefix)
	gone := p.gainsaid(repo, prefix)
	if gone[mainBranch(list, prefix)] {
		return nil
	}
	for _, ref := range list {
		if !gone[ref.Name] && !gone[ref.Symbolic] && !ofAnother(ref.Name, p.Remote, p.Remotes) {
			names = append(names, ref.Target)
		}
	}
	return names
}

func tracking(remote string) string { return "refs/remotes/" + remote + "/" }

// gainsaid are the refs that should be what the remote has at the branches that
// are pushed, and are not: it has none of that name, or one that was never seen
// here. Another repository may be there now, by git remote set-url.
func (p *Push) gainsaid(repo *scanner.Repo, prefix string) map[string]bool {
	gone := map[string]bool{}
	for _, u := range p.Updates {
		branch, ok := strings.CutPrefix(u.Ref, "refs/heads/")
		if ok && (u.Old == "" || !repo.Has(u.Old)) {
			gone[prefix+branch] = true
		}
	}
	return gone
}

// mainBranch is the ref of the remote's main branch. Others come and go, as when
// they are deleted after a merge. Without that one, it is another repository, and
// what is known of all of its branches is worth nothing.
func mainBranch(list []scanner.Ref, prefix string) string {
	for _, ref := range list {
		if ref.Name == prefix+"HEAD" && ref.Symbolic != "" {
			return ref.Symbolic
		}
	}
	for _, name := range []string{"main", "master"} {
		if slices.ContainsFunc(list, func(r scanner.Ref) bool { return r.Name == prefix+name }) {
			return prefix + name
		}
	}
	return ""
}

// ofAnother: beside a remote origin there may be a remote origin/x, which keeps
// its refs among those of origin.
func ofAnother(ref, remote string, remotes []string) bool {
	return slices.ContainsFunc(remotes, func(other string) bool {
		return len(other) > len(remote) && strings.HasPrefix(ref, tracking(other))
	})
}

// Remotes are the names that git's configuration has for remotes, where the process
// runs and with that environment.
func Remotes(ctx context.Context, env []string) (names []string, err error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return nil, problem{fmt.Errorf("find git: %w", errors.Unwrap(err)), "install git, and have it on the PATH"}
	}
	g := &gitProgram{path: path, env: quiet(env)}
	out, err := g.run(ctx, "config", "--null", "--name-only", "--get-regexp", `^remote\..*\.(url|pushurl|fetch)$`)
	if err = unlessUnset(err); err != nil {
		return nil, configProblem(err)
	}
	for key := range strings.SplitSeq(string(out), "\x00") {
		name, _ := strings.CutPrefix(key, "remote.")
		if i := strings.LastIndexByte(name, '.'); i > 0 {
			names = append(names, name[:i])
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Received gives what a push brings to the repository in which pre-receive runs:
// what updates lead to, and none of its refs does yet. New objects lie in the
// quarantine that the environment names; the repository was opened with it.
func Received(ctx context.Context, repo *scanner.Repo, list []Update, set *rules.Set) (scanner.Source, error) {
	return added(ctx, repo, scanner.Added{AsFetched: true, Rules: set, Have: repo.Targets("refs/")}, list)
}

func added(ctx context.Context, repo *scanner.Repo, a scanner.Added, list []Update) (scanner.Source, error) {
	for _, u := range list {
		if u.New != "" {
			a.Tips = append(a.Tips, u.New)
		}
		// After a push by somebody else it is not here.
		if u.Old != "" && repo.Has(u.Old) {
			a.Have = append(a.Have, u.Old)
		}
	}
	if len(a.Tips) == 0 {
		return nil, nil
	}
	return repo.Added(ctx, a)
}
