package hooks

import (
	"context"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

// Pushed gives what a push of updates brings to the remote of that name: what
// they lead to, and neither what they replace does nor what was last fetched from
// there. A remote without refs here, as one that is named by its URL, is taken to
// have nothing but what is replaced. It is nil when nothing is brought, as by a push
// that only deletes.
func Pushed(ctx context.Context, repo *scanner.Repo, remote string, list []Update, set *rules.Set) (scanner.Source, error) {
	a := scanner.Added{AsFetched: true, Rules: set}
	if remote != "" {
		a.Have = repo.Targets("refs/remotes/" + remote + "/")
	}
	return added(ctx, repo, a, list)
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
