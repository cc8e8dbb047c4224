package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/go-github/v60/github"

	"github.com/keyquench/keyquench/rules"

	"github.com/keyquench/keyquench/internal/form"
)

// gitHub puts the pair into two secrets of GitHub Actions: of a repository, of one
// of its environments, or of an organisation. GitHub gives no secret's value away,
// so what was overwritten cannot be put back, and Restore says so.
type gitHub struct {
	spec             string
	owner, repo, env string // repo is "" for an organisation
	names            [2]string
	api              *github.Client
	calls            caller
	seen             gitHubState
	resumed          bool
}

// gitHubState is what Check saw and Put did.
type gitHubState struct {
	Checked bool
	RepoID  int64 `json:",omitempty"`
	Secrets [2]gitHubSecret
}

// gitHubSecret is all that GitHub tells of a secret. GitHub's own clock gives the
// time of the last change.
type gitHubSecret struct {
	Exists  bool
	Updated string `json:",omitempty"`
	Wrote   bool   `json:",omitempty"`

	Visibility string  `json:",omitempty"` // of an organisation's
	Repos      []int64 `json:",omitempty"` // that may read it, if they are selected
}

var (
	ownerForm = form.New(`^[A-Za-z0-9_-]{1,100}$`)
	repoForm  = form.New(`^[A-Za-z0-9._-]{1,100}$`)
	nameForm  = form.New(`^[A-Za-z_][A-Za-z0-9_]{0,254}$`)
)

func parseGitHub(spec, rest string, o Options) (Store, error) {
	g := &gitHub{spec: spec, names: [2]string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, calls: newCaller(o, gitHubProblem)}
	owner, tail, ok := strings.Cut(rest, "/")
	if !ok || !ownerForm.MatchString(owner) {
		return nil, specError(spec, "that names no repository and no organisation", "write github:OWNER/REPO, or github:ORG/ with the slash at its end")
	}
	// The names of the secrets are behind the last colon; one without a comma
	// behind it belongs to the name of the environment.
	if i := strings.LastIndexByte(tail, ':'); i >= 0 && (strings.Contains(tail[i:], ",") || !strings.Contains(tail[:i], "@")) {
		if g.names, ok = twoNames(tail[i+1:]); !ok || strings.EqualFold(g.names[0], g.names[1]) {
			return nil, specError(spec, "two names of secrets are needed after the colon", "write :ID_NAME,SECRET_NAME")
		}
		tail = tail[:i]
	}
	for _, name := range g.names {
		if !nameForm.MatchString(name) || strings.HasPrefix(strings.ToUpper(name), "GITHUB_") {
			return nil, specError(spec, "GitHub takes no secret of that name", "names have letters, digits and _, and do not begin with a digit or GITHUB_")
		}
	}
	repo, env, inEnv := strings.Cut(tail, "@")
	g.owner, g.repo, g.env = owner, repo, env
	switch {
	case repo == "" && inEnv, repo != "" && !repoForm.MatchString(repo), repo == ".", repo == "..":
		return nil, specError(spec, "that names no repository", "write github:OWNER/REPO")
	case inEnv && (env == "" || env == "." || env == ".." || len(env) > 255):
		return nil, specError(spec, "that names no environment", "write github:OWNER/REPO@ENVIRONMENT")
	case o.GitHubToken.IsZero():
		return nil, specError(spec, "no token for GitHub", "set one that may write secrets")
	}
	var err error
	if g.api, err = gitHubClient(o); err != nil {
		return nil, specError(spec, err.Error(), "")
	}
	return g, nil
}

func (g *gitHub) Name() string { return g.spec }

// path is the address of the secrets below GitHub's API.
func (g *gitHub) path() string {
	switch {
	case g.repo == "":
		return "/orgs/" + g.owner + "/actions/secrets/"
	case g.env == "":
		return "/repos/" + g.owner + "/" + g.repo + "/actions/secrets/"
	}
	// Environments are asked for by the number of the repository.
	id := "ID"
	if g.seen.RepoID != 0 {
		id = strconv.FormatInt(g.seen.RepoID, 10)
	}
	return "/repositories/" + id + "/environments/" + url.PathEscape(g.env) + "/secrets/"
}

func (g *gitHub) Calls() []string {
	var list, reads []string
	if g.env != "" {
		reads = append(reads, "GitHub: GET /repos/"+g.owner+"/"+g.repo)
	}
	reads = append(reads, "GitHub: GET "+g.path()+"public-key")
	for i, name := range g.names {
		reads = append(reads, "GitHub: GET "+g.path()+name)
		if g.seen.Secrets[i].Visibility == "selected" {
			reads = append(reads, "GitHub: GET "+g.path()+name+"/repositories")
		}
		put := "GitHub: PUT " + g.path() + name
		switch {
		case !g.seen.Checked:
		case g.seen.Secrets[i].Exists:
			put += " (overwritten: GitHub gives nobody the old value, so it cannot be put back)"
		default:
			put += " (made: it is not there yet)"
		}
		list = append(list, put)
	}
	return append(list, reads...)
}

// irreversible has Many put this one last.
func (g *gitHub) irreversible() bool { return true }

func (g *gitHub) fail(op string, err error, hint string) error {
	return &Error{Store: g.spec, Op: op, Err: err, hint: hint}
}

// Accounts implements Store: GitHub is in none of them.
func (g *gitHub) Accounts(context.Context) ([]string, error) { return nil, nil }

// Check implements Store.
func (g *gitHub) Check(ctx context.Context) error {
	if g.resumed {
		_, err := g.publicKey(ctx)
		return err
	}
	g.seen = gitHubState{}
	if g.env != "" {
		repo, err := get(ctx, g.calls, func(ctx context.Context) (*github.Repository, error) {
			r, _, err := g.api.Repositories.Get(ctx, g.owner, g.repo)
			return r, err
		})
		if err != nil {
			return g.fail("read the repository", err, "")
		}
		if g.seen.RepoID = repo.GetID(); g.seen.RepoID < 1 {
			return g.fail("read the repository", errors.New("the answer has no number of it"), "")
		}
	}
	if _, err := g.publicKey(ctx); err != nil {
		return err
	}
	for i, name := range g.names {
		secret, err := g.look(ctx, name)
		if err != nil {
			return g.fail("look for "+name, err, "")
		}
		if g.repo == "" && !secret.Exists {
			return g.fail("look for "+name, errors.New("the organisation has no such secret, and who may read it is not for keyquench to choose"), "make it first, then name it here")
		}
		if g.repo == "" && secret.Visibility == "selected" {
			if secret.Repos, err = g.readers(ctx, name); err != nil {
				return g.fail("read who may read "+name, err, "")
			}
		}
		g.seen.Secrets[i] = secret
	}
	g.seen.Checked = true
	return nil
}

// Put implements Store.
func (g *gitHub) Put(ctx context.Context, key rules.Key, _ string) error {
	if err := checkPair(key); err != nil {
		return g.fail("put the pair", err, "")
	}
	if !g.seen.Checked {
		return g.fail("put the pair", errors.New("it was not looked at before"), "")
	}
	box, err := g.publicKey(ctx)
	if err != nil {
		return err
	}
	for i, value := range []rules.Secret{rules.NewSecret(key.ID), key.Secret} {
		sealed, err := box.seal(value)
		if err != nil {
			return g.fail("seal "+g.names[i], err, "")
		}
		sealed.Name = g.names[i]
		sealed.Visibility = g.seen.Secrets[i].Visibility
		sealed.SelectedRepositoryIDs = g.seen.Secrets[i].Repos
		// From here on it may be written, whatever the answer.
		g.seen.Secrets[i].Wrote = true
		if err := g.calls.do(ctx, value, func(ctx context.Context) error { return g.put(ctx, sealed) }, nil); err != nil {
			if c, ok := errors.AsType[*callError](err); ok && c.refused {
				g.seen.Secrets[i].Wrote = false
			}
			return g.fail("write "+g.names[i], err, "")
		}
	}
	return nil
}

// Promote implements Store: a secret is current as soon as it is written.
func (g *gitHub) Promote(context.Context) error { return nil }

// Get implements Store. GitHub gives no value of a secret to anybody.
func (g *gitHub) Get(context.Context, string) (rules.Key, bool, error) {
	return rules.Key{}, false, nil
}

// Restore implements Store. What was made is deleted, what was overwritten is named.
func (g *gitHub) Restore(ctx context.Context) error {
	var all []error
	for i, name := range g.names {
		before := g.seen.Secrets[i]
		now, err := g.look(ctx, name)
		if err != nil {
			if before.Wrote || g.resumed {
				all = append(all, &Error{Store: g.spec, Op: "put " + name + " back", Err: err, left: name + " may hold the new pair", hint: "write or delete it by hand"})
			}
			continue
		}
		changed := now.Exists != before.Exists || now.Updated != before.Updated
		switch {
		case !changed && !before.Wrote, !now.Exists && !before.Exists:
		case !before.Exists && before.Wrote:
			if err := g.calls.do(ctx, rules.Secret{}, func(ctx context.Context) error { return g.remove(ctx, name) }, nil); err != nil && !isMissing(err) {
				all = append(all, &Error{Store: g.spec, Op: "delete " + name, Err: err, left: name + " holds a part of the new pair", hint: "delete it by hand"})
			}
		case !before.Wrote && !g.resumed: // somebody else's doing
		default:
			all = append(all, &Error{
				Store: g.spec, Op: "put " + name + " back", Err: errors.New("GitHub does not give the old value away"),
				left: name + " holds a part of the new pair", hint: fmt.Sprintf("write %s in %s by hand", name, strings.TrimSuffix(g.path(), "/")),
			})
		}
	}
	return errors.Join(all...)
}

// State implements Store.
func (g *gitHub) State() (json.RawMessage, error) { return json.Marshal(g.seen) }

// Resume implements Store.
func (g *gitHub) Resume(state json.RawMessage) error {
	seen, err := resume[gitHubState](g.spec, state)
	if err != nil {
		return err
	}
	if seen.Checked && (g.env != "") != (seen.RepoID != 0) {
		return g.fail("read what was remembered", errors.New("it is about another place"), "name the same as the case began with")
	}
	g.seen, g.resumed = seen, seen.Checked
	return nil
}
