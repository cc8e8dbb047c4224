package awstest

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxKeys is IAM's limit of access keys a user, active or not.
	maxKeys = 2
	// maxAttached is IAM's limit of managed policies a user or role.
	maxAttached = 10
)

var iamActions = map[string]func(*request) (any, *apiError){
	"CreateAccessKey":      createAccessKey,
	"UpdateAccessKey":      updateAccessKey,
	"DeleteAccessKey":      deleteAccessKey,
	"ListAccessKeys":       listAccessKeys,
	"GetAccessKeyLastUsed": getAccessKeyLastUsed,

	"GetUser":           getUser,
	"ListUsers":         listUsers,
	"DeleteUser":        deleteUser,
	"ListGroupsForUser": listGroupsForUser,

	"GetLoginProfile":    getLoginProfile,
	"CreateLoginProfile": createLoginProfile,
	"UpdateLoginProfile": updateLoginProfile,
	"DeleteLoginProfile": deleteLoginProfile,

	"PutUserPolicy":            putPolicy((*request).userHolder),
	"GetUserPolicy":            getPolicy((*request).userHolder),
	"DeleteUserPolicy":         deletePolicy((*request).userHolder),
	"ListUserPolicies":         listPolicies((*request).userHolder),
	"AttachUserPolicy":         attachPolicy((*request).userHolder),
	"DetachUserPolicy":         detachPolicy((*request).userHolder),
	"ListAttachedUserPolicies": listAttached((*request).userHolder),

	"GetPolicy":                getManaged,
	"GetRole":                  getRole,
	"ListRoles":                listRoles,
	"PutRolePolicy":            putPolicy((*request).roleHolder),
	"GetRolePolicy":            getPolicy((*request).roleHolder),
	"DeleteRolePolicy":         deletePolicy((*request).roleHolder),
	"ListRolePolicies":         listPolicies((*request).roleHolder),
	"AttachRolePolicy":         attachPolicy((*request).roleHolder),
	"DetachRolePolicy":         detachPolicy((*request).roleHolder),
	"ListAttachedRolePolicies": listAttached((*request).roleHolder),

	"ListServiceSpecificCredentials":  listServiceSpecificCredentials,
	"UpdateServiceSpecificCredential": updateServiceSpecificCredential,
	"DeleteServiceSpecificCredential": deleteServiceSpecificCredential,
	"ListSSHPublicKeys":               listSSHPublicKeys,
	"UpdateSSHPublicKey":              updateSSHPublicKey,
	"ListSigningCertificates":         listSigningCertificates,
	"UpdateSigningCertificate":        updateSigningCertificate,
	"ListMFADevices":                  listMFADevices,

	"GetAccountSummary":       getAccountSummary,
	"ListAccountAliases":      listAccountAliases,
	"SimulatePrincipalPolicy": simulatePrincipalPolicy,
}

var nameForm = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)

// user finds the one that the request names and asks whether the caller may do
// this to it. Without a name it is the caller itself, unless the caller is no
// user, or mustName says that temporary credentials have to name it.
func (r *request) user(mustName bool, extra conditionKeys) (*User, *apiError) {
	c := r.caller
	if !r.form.Has("UserName") {
		if c.user == nil || c.temporary() && (mustName || c.session.federated) {
			return nil, invalid("Must specify userName when calling with non-User credentials")
		}
		return c.user, r.authorize(c.user.resource(), extra)
	}
	name := r.param("UserName")
	if !nameForm.MatchString(name) {
		return nil, invalid("The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	}
	u := c.account.users[strings.ToLower(name)]
	resource := c.account.iamARN("user/" + name)
	if u != nil {
		resource = u.resource()
	}
	if err := r.authorize(resource, extra); err != nil {
		return nil, err
	}
	if u == nil {
		return nil, notFound("The user with name %s cannot be found.", name)
	}
	return u, nil
}

// resource is what policies know the user by.
func (u *User) resource() string { return u.ARN() }

// list cuts a page out of items, which are in the order of their names. A marker
// names the last item given, so that a page is right although the list changed.
func list[T any](r *request, items []T, name func(T) string) ([]T, page, *apiError) {
	size := min(r.options.PageSize, 1000)
	if text := r.param("MaxItems"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return nil, page{}, invalid("1 validation error detected: Value '%s' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000", text)
		}
		size = min(size, n)
	}
	items = slices.Clone(items)
	slices.SortStableFunc(items, func(a, b T) int { return strings.Compare(name(a), name(b)) })
	if r.form.Has("Marker") {
		after, ok := r.openMarker()
		if !ok {
			return nil, page{}, invalid("Invalid Marker.")
		}
		for len(items) > 0 && name(items[0]) <= after {
			items = items[1:]
		}
	}
	if len(items) <= size {
		return items, page{}, nil
	}
	return items[:size], page{true, r.marker(name(items[size-1]))}, nil
}

// marker seals the name of a list's last item: a marker is good for the same
// question only.
func (r *request) marker(last string) string {
	return base64.StdEncoding.EncodeToString([]byte(r.action + "\n" + r.param("UserName") + r.param("RoleName") + "\n" + last))
}

func (r *request) openMarker() (last string, ok bool) {
	b, err := base64.StdEncoding.DecodeString(r.param("Marker"))
	rest, ok := strings.CutPrefix(string(b), r.action+"\n"+r.param("UserName")+r.param("RoleName")+"\n")
	return rest, ok && err == nil
}

func limit(format string, args ...any) *apiError {
	return fail(http.StatusConflict, "LimitExceeded", format, args...)
}

func exists(format string, args ...any) *apiError {
	return fail(http.StatusConflict, "EntityAlreadyExists", format, args...)
}
