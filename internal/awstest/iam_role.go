package awstest

import (
	"maps"
	"slices"
	"strings"
)

// role finds the one that the request names and asks whether the caller may do
// this to it.
func (r *request) role(extra conditionKeys) (*Role, *apiError) {
	name, a := r.param("RoleName"), r.caller.account
	if !r.form.Has("RoleName") {
		return nil, missing("roleName")
	}
	if !nameForm.MatchString(name) || len(name) > 64 {
		return nil, invalid("The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	}
	role := a.roles[strings.ToLower(name)]
	resource := a.iamARN("role/" + name)
	if role != nil {
		resource = role.ARN()
	}
	if err := r.authorize(resource, extra); err != nil {
		return nil, err
	}
	if role == nil {
		return nil, notFound("The role with name %s cannot be found.", name)
	}
	return role, nil
}

// linked tells whether the role belongs to a service of AWS's.
func (r *Role) linked() bool { return strings.HasPrefix(r.path, "/aws-service-role/") }

type wireRole struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	Arn                      string
	CreateDate               stamp
	AssumeRolePolicyDocument string
	MaxSessionDuration       int
}

func (r *Role) wire() wireRole {
	return wireRole{
		r.path, r.name, r.id, r.ARN(), stamp(r.created),
		urlDocument(r.trust.last().text), int(r.maxSession.Seconds()),
	}
}

func getRole(r *request) (any, *apiError) {
	role, err := r.role(nil)
	if err != nil {
		return nil, err
	}
	return struct{ Role wireRole }{role.wire()}, nil
}

func listRoles(r *request) (any, *apiError) {
	prefix := r.prefix()
	if err := r.authorize(r.caller.account.iamARN("role"+prefix), nil); err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(slices.Collect(maps.Values(r.caller.account.roles)), func(o *Role) bool { return !strings.HasPrefix(o.path, prefix) })
	roles, end, err := list(r, all, func(o *Role) string { return strings.ToLower(o.name) })
	if err != nil {
		return nil, err
	}
	out := struct {
		Roles []wireRole `xml:"Roles>member"`
		page
	}{page: end}
	for _, o := range roles {
		out.Roles = append(out.Roles, o.wire())
	}
	return out, nil
}
