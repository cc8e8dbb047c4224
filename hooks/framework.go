package hooks

import (
	"context"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

// Framework is what the pre-commit framework (pre-commit.com) calls a hook for.
type Framework struct {
	// Push tells that a push is under way. The framework keeps git's list of
	// refs to itself and tells of the first only: Source takes all there are.
	Push bool
	// Commit tells that git commit or git merge is under way.
	Commit bool
	// From and To are the revisions that somebody wants compared, or the first
	// ref of a push: From is empty when the remote has nothing of it.
	From, To string
	remote   string
}

// FrameworkCall reads the variables by which the framework, and git around it,
// say what is going on.
func FrameworkCall(getenv func(string) string) Framework {
	f := Framework{From: getenv("PRE_COMMIT_FROM_REF"), To: getenv("PRE_COMMIT_TO_REF"), remote: getenv("PRE_COMMIT_REMOTE_NAME")}
	f.Push = f.remote != ""
	// Git names the index to the hooks of a commit; nobody else does.
	f.Commit = !f.Push && f.To == "" && getenv("GIT_INDEX_FILE") != ""
	return f
}

// Source gives what To adds to From, or, at a push, what the remote does not have
// of any branch and tag, and of HEAD: one of them may be pushed besides. For remotes,
// see Remotes; only a push needs them.
func (f Framework) Source(ctx context.Context, repo *scanner.Repo, remotes []string, set *rules.Set) (scanner.Source, error) {
	a := scanner.Added{AsFetched: f.Push, Rules: set}
	if f.To != "" {
		a.Tips = append(a.Tips, f.To)
	}
	if f.From != "" && (!f.Push || repo.Has(f.From)) {
		a.Have = append(a.Have, f.From)
	}
	if f.Push {
		for _, prefix := range []string{"refs/heads/", "refs/tags/", "HEAD"} {
			a.Tips = append(a.Tips, repo.Targets(prefix)...)
		}
		// What git says that the remote has now, the framework keeps to itself.
		a.Have = append(a.Have, (&Push{Remote: f.remote, Remotes: remotes}).fetched(repo)...)
	}
	if len(a.Tips) == 0 {
		return nil, nil
	}
	return repo.Added(ctx, a)
}
