package awstest

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// IAM's limits of all inline policies together, in characters that are no space.
const (
	maxUserPolicies = 2048
	maxRolePolicies = 10240
)

// holder is a user or a role, as something that has policies.
type holder struct {
	kind, name string // kind is "user" or "role"
	grants     *eventual[grants]
	max        int
	locked     bool // a role that belongs to a service
}

// userHolder and roleHolder find whose policies a request is about, and ask
// whether the caller may.
func (r *request) userHolder(extra conditionKeys) (*holder, *apiError) {
	if !r.form.Has("UserName") {
		return nil, missing("userName")
	}
	u, err := r.user(true, extra)
	if err != nil {
		return nil, err
	}
	return &holder{"user", u.name, &u.grants, maxUserPolicies, false}, nil
}

func (r *request) roleHolder(extra conditionKeys) (*holder, *apiError) {
	role, err := r.role(extra)
	if err != nil {
		return nil, err
	}
	return &holder{"role", role.name, &role.grants, maxRolePolicies, role.linked()}, nil
}

type findHolder func(*request, conditionKeys) (*holder, *apiError)

func missing(name string) *apiError {
	return invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", name)
}

// changeable refuses what nobody but AWS may change.
func (h *holder) changeable() *apiError {
	if !h.locked {
		return nil
	}
	return fail(http.StatusBadRequest, "UnmodifiableEntity", "Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", h.name)
}

func putPolicy(find findHolder) func(*request) (any, *apiError) {
	return func(r *request) (any, *apiError) {
		name, text := r.param("PolicyName"), r.param("PolicyDocument")
		if !nameForm.MatchString(name) {
			return nil, invalid("The specified value for policyName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
		}
		if text == "" || len(text) > 131072 {
			return nil, invalid("1 validation error detected: Value at 'policyDocument' failed to satisfy constraint: Member must have length between 1 and 131072")
		}
		h, err := find(r, nil)
		if err != nil {
			return nil, err
		}
		if err := h.changeable(); err != nil {
			return nil, err
		}
		p, err := parsePolicy(text, identityPolicy)
		if err != nil {
			return nil, err
		}
		g := h.grants.last().put(name, p)
		if g.size() > h.max {
			return nil, limit("Maximum policy size of %d bytes exceeded for %s %s", h.max, h.kind, h.name)
		}
		h.grants.set(r.now, g)
		return nil, nil
	}
}

// size is what IAM counts of inline policies.
func (g grants) size() (n int) {
	for _, p := range g.inline {
		for _, c := range p.text {
			if !unicode.IsSpace(c) {
				n++
			}
		}
	}
	return n
}

func getPolicy(find findHolder) func(*request) (any, *apiError) {
	return func(r *request) (any, *apiError) {
		h, err := find(r, nil)
		if err != nil {
			return nil, err
		}
		name := r.param("PolicyName")
		p := h.grants.last().find(name)
		if p == nil {
			return nil, notFound("The %s policy with name %s cannot be found.", h.kind, name)
		}
		out := struct {
			UserName       string `xml:",omitempty"`
			RoleName       string `xml:",omitempty"`
			PolicyName     string
			PolicyDocument string
		}{PolicyName: name, PolicyDocument: urlDocument(p.text)}
		if h.kind == "user" {
			out.UserName = h.name
		} else {
			out.RoleName = h.name
		}
		return out, nil
	}
}

func deletePolicy(find findHolder) func(*request) (any, *apiError) {
	return func(r *request) (any, *apiError) {
		h, err := find(r, nil)
		if err != nil {
			return nil, err
		}
		if err := h.changeable(); err != nil {
			return nil, err
		}
		name := r.param("PolicyName")
		if h.grants.last().find(name) == nil {
			return nil, notFound("The %s policy with name %s cannot be found.", h.kind, name)
		}
		h.grants.set(r.now, h.grants.last().drop(name))
		return nil, nil
	}
}

func listPolicies(find findHolder) func(*request) (any, *apiError) {
	return func(r *request) (any, *apiError) {
		h, err := find(r, nil)
		if err != nil {
			return nil, err
		}
		inline, end, err := list(r, h.grants.last().inline, func(p namedPolicy) string { return p.name })
		if err != nil {
			return nil, err
		}
		out := struct {
			PolicyNames []string `xml:"PolicyNames>member"`
			page
		}{page: end}
		for _, p := range inline {
			out.PolicyNames = append(out.PolicyNames, p.name)
		}
		return out, nil
	}
}

// policyARN is the managed policy that a request names, for the condition key
// that lets a right hold for some policies only.
func (r *request) policyARN() (string, conditionKeys, *apiError) {
	id := r.param("PolicyArn")
	if a, ok := parseARN(id); !ok || a.service != "iam" || !strings.HasPrefix(a.resource, "policy/") {
		return "", nil, fail(http.StatusBadRequest, "InvalidInput", "ARN %s is not valid.", id)
	}
	return id, conditionKeys{"iam:policyarn": id}, nil
}

func attachPolicy(find findHolder) func(*request) (any, *apiError) {
	return func(r *request) (any, *apiError) {
		id, extra, err := r.policyARN()
		if err != nil {
			return nil, err
		}
		h, err := find(r, extra)
		if err != nil {
			return nil, err
		}
		if err := h.changeable(); err != nil {
			return nil, err
		}
		if r.caller.account.managedPolicy(id) == nil {
			return nil, notFound("Policy %s does not exist or is not attachable.", id)
		}
		g := h.grants.last().attach(id)
		if len(g.attached) > maxAttached {
			return nil, limit("Cannot exceed quota for PoliciesPer%s: %d", strings.ToUpper(h.kind[:1])+h.kind[1:], maxAttached)
		}
		h.grants.set(r.now, g)
		return nil, nil
	}
}

func detachPolicy(find findHolder) func(*request) (any, *apiError) {
	return func(r *request) (any, *apiError) {
		id, extra, err := r.policyARN()
		if err != nil {
			return nil, err
		}
		h, err := find(r, extra)
		if err != nil {
			return nil, err
		}
		if err := h.changeable(); err != nil {
			return nil, err
		}
		if !slices.Contains(h.grants.last().attached, id) {
			return nil, notFound("Policy %s was not found.", id)
		}
		h.grants.set(r.now, h.grants.last().detach(id))
		return nil, nil
	}
}

func listAttached(find findHolder) func(*request) (any, *apiError) {
	return func(r *request) (any, *apiError) {
		h, err := find(r, nil)
		if err != nil {
			return nil, err
		}
		attached, end, err := list(r, h.grants.last().attached, func(id string) string { return id })
		if err != nil {
			return nil, err
		}
		type wire struct{ PolicyName, PolicyArn string }
		out := struct {
			AttachedPolicies []wire `xml:"AttachedPolicies>member"`
			page
		}{page: end}
		for _, id := range attached {
			_, name := splitPath(id)
			out.AttachedPolicies = append(out.AttachedPolicies, wire{name, id})
		}
		return out, nil
	}
}

// getManaged is iam:GetPolicy. The dates are those of the world's beginning: no
// request of ours writes managed policies.
func getManaged(r *request) (any, *apiError) {
	id := r.param("PolicyArn")
	if err := r.authorize(id, nil); err != nil {
		return nil, err
	}
	if r.caller.account.managedPolicy(id) == nil {
		return nil, notFound("Policy %s was not found.", id)
	}
	type wire struct {
		PolicyName, Arn, DefaultVersionId string
		CreateDate, UpdateDate            stamp
	}
	_, name := splitPath(id)
	began := stamp(r.caller.account.root.created)
	return struct{ Policy wire }{wire{name, id, "v1", began, began}}, nil
}
