package review

import (
	"context"
	"net/http"
	"strings"

	"github.com/google/go-github/v60/github"
)

// account is who the token belongs to. A comment is ours if its author is.
type account struct {
	id    int64
	login string // where there is no id
}

// actionsBot writes what workflows write with the token that GitHub gives them. No
// person and no other app can have a name with brackets that GitHub keeps for this one.
const actionsBot = "github-actions[bot]"

// wrote tells whether a comment is by this account.
func (a account) wrote(by *github.User) bool {
	if a.id != 0 {
		return by.GetID() == a.id
	}
	return by.GetLogin() == a.login && by.GetType() == "Bot"
}

// whoami asks whose token it is. GET /user refuses the tokens of apps, and so those
// of workflows; GraphQL answers them. Where neither does, it is a workflow's.
func (c *Client) whoami(ctx context.Context) (account, error) {
	const op = "ask GitHub whose token it is"
	var viewer struct {
		Data struct {
			Viewer struct {
				DatabaseID int64 `json:"databaseId"`
			} `json:"viewer"`
		} `json:"data"`
	}
	err := c.read(ctx, op, func(ctx context.Context) error {
		req, err := c.api.NewRequest(http.MethodPost, c.graphQL(), map[string]string{"query": "query { viewer { databaseId } }"})
		if err != nil {
			return err
		}
		_, err = c.api.Do(ctx, req, &viewer)
		return err
	})
	if id := viewer.Data.Viewer.DatabaseID; err == nil && id > 0 {
		return account{id: id}, nil
	}
	if ctx.Err() != nil || statusOf(err) == http.StatusUnauthorized {
		return account{}, err
	}
	var user *github.User
	err = c.read(ctx, op, func(ctx context.Context) (err error) {
		user, _, err = c.api.Users.Get(ctx, "")
		return err
	})
	switch status := statusOf(err); {
	case err == nil && user.GetID() > 0:
		return account{id: user.GetID()}, nil
	case err == nil, status == http.StatusForbidden, status == http.StatusNotFound:
		return account{login: actionsBot}, nil
	}
	return account{}, err
}

// graphQL is the address of GraphQL beside that of REST: /graphql, or /api/graphql
// on a server of one's own.
func (c *Client) graphQL() string {
	path := strings.TrimSuffix(c.api.BaseURL.Path, "/")
	return strings.TrimSuffix(path, "/v3") + "/graphql"
}
