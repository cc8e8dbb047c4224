package hooks

import (
	"context"
	"strings"
)

// Uninstall removes what Install put in place, and puts back what was there
// before. What others have changed since is left as it is, and the Result says so.
// Program is not needed.
func Uninstall(ctx context.Context, o Options) (Result, error) {
	g, err := newGit(ctx, o)
	if err != nil {
		return Result{}, err
	}
	in := &installer{Options: o, git: g}
	found := false
	switch o.Place {
	case Global:
		found, err = in.removeGlobal(ctx)
	case Template:
		found, err = in.removeTemplate(ctx)
	default:
		found, err = in.removeRepository(ctx)
	}
	if err == nil && !found {
		in.did("nothing to do: no hook of keyquench is installed there")
	}
	return in.Result, err
}

func (in *installer) removeRepository(ctx context.Context) (found bool, err error) {
	r, err := in.git.repository(ctx)
	if err != nil {
		return false, err
	}
	scopes := []takeover{{installer: in, scope: "--local", own: r.ownDir("--local")}}
	// Without this, --worktree is another word for --local, or an error.
	apart, err := in.git.run(ctx, "config", "--type=bool", "--default=false", "--get", "extensions.worktreeConfig")
	if err != nil {
		return false, err
	}
	if strings.TrimSpace(string(apart)) == "true" {
		scopes = append(scopes, takeover{installer: in, scope: "--worktree", own: r.ownDir("--worktree")})
	}
	for i := range scopes {
		had, err := scopes[i].remove(ctx)
		if err != nil {
			return found, err
		}
		found = found || had
	}
	before := len(in.Done) + len(in.Notes)
	f := folder{path: r.hooksDir(), result: &in.Result}
	for _, name := range gitHooks {
		if err := f.take(name); err != nil {
			return found, err
		}
	}
	return found || len(in.Done)+len(in.Notes) > before, nil
}
