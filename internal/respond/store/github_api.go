package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-github/v60/github"
	"golang.org/x/crypto/nacl/box"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"
)

const (
	// maxGitHubAnswer bounds an answer; a page of a hundred repositories is below.
	maxGitHubAnswer = 4 << 20
	// maxReaders bounds the pages of repositories that may read a secret, a hundred
	// on each.
	maxReaders = 100
)

// gitHubClient makes a client that sends the token to one address only.
func gitHubClient(o Options) (*github.Client, error) {
	base := "https://api.github.com/"
	if o.GitHubURL != "" {
		base = strings.TrimSuffix(o.GitHubURL, "/") + "/"
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the address of GitHub's API is none: want https://HOST/api/v3/")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !awsapi.Loopback(u.Hostname())) {
		return nil, fmt.Errorf("%s://%s is not encrypted and not on this machine: use https", u.Scheme, u.Host)
	}
	client := o.GitHub
	if client == nil {
		if client, err = (awsapi.Reach{Proxy: o.Reach.Proxy}).Client(); err != nil {
			return nil, err
		}
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if own.Transport == nil {
		own.Transport = &http.Transport{} // the default one obeys the environment
	}
	own.Transport = &authorised{next: own.Transport, token: o.GitHubToken}
	api := github.NewClient(&own)
	api.BaseURL = u
	return api, nil
}

// authorised adds the token and bounds the answers.
type authorised struct {
	next  http.RoundTripper
	token rules.Secret
}

func (a *authorised) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+a.token.Reveal())
	resp, err := a.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{io.LimitReader(resp.Body, maxGitHubAnswer), resp.Body}
	// A server that repeats the token must not get it into a message.
	if token := a.token.Reveal(); resp.StatusCode >= http.StatusBadRequest {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(body), token) {
			body = nil
		}
		resp.Body = &boundedBody{strings.NewReader(string(body)), resp.Body}
	}
	return resp, nil
}

type boundedBody struct {
	io.Reader
	io.Closer
}

// gitHubProblem reads an error of go-github.
func gitHubProblem(err error) problem {
	if limit, ok := errors.AsType[*github.RateLimitError](err); ok {
		return problem{text: "GitHub's rate limit is used up", refused: true, hint: "try again after " + limit.Rate.Reset.UTC().Format("15:04:05 UTC")}
	}
	if _, ok := errors.AsType[*github.AbuseRateLimitError](err); ok {
		return problem{text: "GitHub asks for fewer requests", refused: true, hint: "try again in some minutes"}
	}
	resp, ok := errors.AsType[*github.ErrorResponse](err)
	if !ok || resp.Response == nil {
		return problem{text: "no answer of GitHub: " + awsapi.Clean(causeOf(err), 200), again: true, hint: "see whether GitHub can be reached from here"}
	}
	status := resp.Response.StatusCode
	p := problem{
		text:    strings.TrimSuffix(fmt.Sprintf("HTTP %d: %s", status, awsapi.Clean(resp.Message, 200)), ": "),
		again:   status >= http.StatusInternalServerError,
		refused: status < http.StatusInternalServerError,
		missing: status == http.StatusNotFound,
	}
	switch {
	case status == http.StatusUnauthorized:
		p.hint = "the token is not valid (any more): give another"
	case status == http.StatusForbidden:
		p.hint = "give a token that may read and write secrets here"
	case status == http.StatusNotFound:
		p.hint = "look at the name, and whether the token may see it and write its secrets"
	case status >= 300 && status < 400:
		p.hint = "it was renamed or moved: give its present name"
	}
	return p
}

// causeOf leaves out the address in an error of the client.
func causeOf(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}

// sealer is the public key that a place's secrets are sealed with.
type sealer struct {
	id  string
	key [32]byte
}

// publicKey asks for the key at every turn: GitHub changes it now and then.
func (g *gitHub) publicKey(ctx context.Context) (s sealer, err error) {
	const op = "read the public key"
	out, err := get(ctx, g.calls, func(ctx context.Context) (key *github.PublicKey, err error) {
		switch {
		case g.repo == "":
			key, _, err = g.api.Actions.GetOrgPublicKey(ctx, g.owner)
		case g.env == "":
			key, _, err = g.api.Actions.GetRepoPublicKey(ctx, g.owner, g.repo)
		default:
			key, _, err = g.api.Actions.GetEnvPublicKey(ctx, int(g.seen.RepoID), url.PathEscape(g.env))
		}
		return key, err
	})
	if err != nil {
		return s, g.fail(op, err, "")
	}
	raw, err := base64.StdEncoding.DecodeString(out.GetKey())
	if err != nil || len(raw) != len(s.key) || out.GetKeyID() == "" {
		return s, g.fail(op, errors.New("the answer holds none"), "see whether this is GitHub's API")
	}
	s.id = out.GetKeyID()
	copy(s.key[:], raw)
	return s, nil
}

// seal encrypts a value so that only GitHub can read it.
func (s sealer) seal(value rules.Secret) (*github.EncryptedSecret, error) {
	sealed, err := box.SealAnonymous(nil, []byte(value.Reveal()), &s.key, rand.Reader)
	if err != nil {
		return nil, err
	}
	return &github.EncryptedSecret{KeyID: s.id, EncryptedValue: base64.StdEncoding.EncodeToString(sealed)}, nil
}

// look reads what GitHub tells of a secret.
func (g *gitHub) look(ctx context.Context, name string) (gitHubSecret, error) {
	out, err := get(ctx, g.calls, func(ctx context.Context) (s *github.Secret, err error) {
		switch {
		case g.repo == "":
			s, _, err = g.api.Actions.GetOrgSecret(ctx, g.owner, name)
		case g.env == "":
			s, _, err = g.api.Actions.GetRepoSecret(ctx, g.owner, g.repo, name)
		default:
			s, _, err = g.api.Actions.GetEnvSecret(ctx, int(g.seen.RepoID), url.PathEscape(g.env), name)
		}
		return s, err
	})
	if isMissing(err) {
		return gitHubSecret{}, nil
	}
	if err != nil {
		return gitHubSecret{}, err
	}
	if !strings.EqualFold(out.Name, name) {
		return gitHubSecret{}, errors.New("the answer is about another secret")
	}
	switch out.Visibility {
	case "", "all", "private", "selected":
	default:
		return gitHubSecret{}, errors.New("the answer names a visibility that is not known")
	}
	return gitHubSecret{Exists: true, Updated: out.UpdatedAt.UTC().Format("2006-01-02T15:04:05Z"), Visibility: out.Visibility}, nil
}

// readers lists the repositories that may read an organisation's secret: writing
// it without them would take their right away.
func (g *gitHub) readers(ctx context.Context, name string) (ids []int64, err error) {
	for page := 1; page <= maxReaders; {
		next := 0
		list, err := get(ctx, g.calls, func(ctx context.Context) (*github.SelectedReposList, error) {
			list, resp, err := g.api.Actions.ListSelectedReposForOrgSecret(ctx, g.owner, name, &github.ListOptions{Page: page, PerPage: 100})
			if err == nil {
				next = resp.NextPage
			}
			return list, err
		})
		if err != nil {
			return nil, err
		}
		for _, r := range list.Repositories {
			ids = append(ids, r.GetID())
		}
		if next <= page {
			return ids, nil
		}
		page = next
	}
	return nil, errors.New("more repositories than keyquench reads")
}

func (g *gitHub) put(ctx context.Context, sealed *github.EncryptedSecret) (err error) {
	switch {
	case g.repo == "":
		_, err = g.api.Actions.CreateOrUpdateOrgSecret(ctx, g.owner, sealed)
	case g.env == "":
		_, err = g.api.Actions.CreateOrUpdateRepoSecret(ctx, g.owner, g.repo, sealed)
	default:
		_, err = g.api.Actions.CreateOrUpdateEnvSecret(ctx, int(g.seen.RepoID), url.PathEscape(g.env), sealed)
	}
	return err
}

func (g *gitHub) remove(ctx context.Context, name string) (err error) {
	switch {
	case g.repo == "":
		_, err = g.api.Actions.DeleteOrgSecret(ctx, g.owner, name)
	case g.env == "":
		_, err = g.api.Actions.DeleteRepoSecret(ctx, g.owner, g.repo, name)
	default:
		_, err = g.api.Actions.DeleteEnvSecret(ctx, int(g.seen.RepoID), url.PathEscape(g.env), name)
	}
	return err
}
