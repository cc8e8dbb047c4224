package awstest

import (
	"net/http"

	"github.com/keyquench/keyquench/rules"
)

type wireLogin struct {
	UserName              string `xml:",omitempty"`
	CreateDate            stamp
	PasswordResetRequired bool
}

func (u *User) wireLogin() any {
	return struct{ LoginProfile wireLogin }{wireLogin{u.name, stamp(u.login.created), u.login.reset}}
}

// shortestPassword is IAM's own policy for passwords, where an account has none.
const shortestPassword = 8

func checkPassword(text string) *apiError {
	if len(text) < shortestPassword || len(text) > 128 {
		return fail(http.StatusBadRequest, "PasswordPolicyViolation", "Password should have a minimum length of %d", shortestPassword)
	}
	return nil
}

// profiled is the user of the request, which must have a password.
func (r *request) profiled() (*User, *apiError) {
	u, err := r.user(false, nil)
	if err != nil {
		return nil, err
	}
	if u.login == nil {
		return nil, notFound("Login Profile for User %s cannot be found.", u.name)
	}
	return u, nil
}

func getLoginProfile(r *request) (any, *apiError) {
	u, err := r.profiled()
	if err != nil {
		return nil, err
	}
	return u.wireLogin(), nil
}

func createLoginProfile(r *request) (any, *apiError) {
	u, err := r.user(false, nil)
	if err != nil {
		return nil, err
	}
	if err := checkPassword(r.param("Password")); err != nil {
		return nil, err
	}
	if u.login != nil {
		return nil, exists("Login Profile for user %s already exists.", u.name)
	}
	u.login = &login{rules.NewSecret(r.param("Password")), r.now, r.param("PasswordResetRequired") == "true"}
	return u.wireLogin(), nil
}

func updateLoginProfile(r *request) (any, *apiError) {
	u, err := r.profiled()
	if err != nil {
		return nil, err
	}
	changed := *u.login
	if r.form.Has("Password") {
		if err := checkPassword(r.param("Password")); err != nil {
			return nil, err
		}
		changed.password = rules.NewSecret(r.param("Password"))
	}
	if r.form.Has("PasswordResetRequired") {
		changed.reset = r.param("PasswordResetRequired") == "true"
	}
	u.login = &changed
	return nil, nil
}

func deleteLoginProfile(r *request) (any, *apiError) {
	u, err := r.profiled()
	if err != nil {
		return nil, err
	}
	u.login = nil
	return nil, nil
}
