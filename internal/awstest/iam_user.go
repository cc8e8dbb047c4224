package awstest

import (
	"maps"
	"slices"
	"strings"
)

type wireUser struct {
	Path             string
	UserName         string `xml:",omitempty"`
	UserID           string `xml:"UserId"`
	Arn              string
	CreateDate       stamp
	PasswordLastUsed *stamp `xml:",omitempty"`
}

func (u *User) wire() wireUser {
	w := wireUser{Path: u.path, UserName: u.name, UserID: u.id, Arn: u.ARN(), CreateDate: stamp(u.created)}
	if u.isRoot {
		w.Path = "/"
	}
	if !u.lastLogin.IsZero() {
		t := stamp(u.lastLogin)
		w.PasswordLastUsed = &t
	}
	return w
}

func getUser(r *request) (any, *apiError) {
	u, err := r.user(false, nil)
	if err != nil {
		return nil, err
	}
	return struct{ User wireUser }{u.wire()}, nil
}

func listUsers(r *request) (any, *apiError) {
	prefix := r.prefix()
	if err := r.authorize(r.caller.account.iamARN("user"+prefix), nil); err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(slices.Collect(maps.Values(r.caller.account.users)), func(u *User) bool { return !strings.HasPrefix(u.path, prefix) })
	users, end, err := list(r, all, func(u *User) string { return strings.ToLower(u.name) })
	if err != nil {
		return nil, err
	}
	out := struct {
		Users []wireUser `xml:"Users>member"`
		page
	}{page: end}
	for _, u := range users {
		out.Users = append(out.Users, u.wire())
	}
	return out, nil
}

// prefix is the path below which a list looks.
func (r *request) prefix() string {
	if p := r.param("PathPrefix"); p != "" {
		return p
	}
	return "/"
}
