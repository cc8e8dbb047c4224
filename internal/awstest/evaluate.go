package awstest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// decision is what policies say, in the words of SimulatePrincipalPolicy.
type decision string

const (
	allowed      decision = "allowed"
	explicitDeny decision = "explicitDeny"
	implicitDeny decision = "implicitDeny"
)

// conditionKeys are those of a request, by lower-case name.
type conditionKeys map[string]string

// evaluate asks policies about one action on one resource: a deny wins, then an
// allow, else it is denied for want of one.
func evaluate(policies []*policy, action, resource string, ctx conditionKeys) decision {
	d := implicitDeny
	for _, p := range policies {
		for i := range p.statements {
			st := &p.statements[i]
			if !st.applies(action, resource, ctx) {
				continue
			}
			if st.Effect == "Deny" {
				return explicitDeny
			}
			d = allowed
		}
	}
	return d
}

// applies tells whether the statement speaks of the action, the resource and a
// request with these keys.
func (st *statement) applies(action, resource string, ctx conditionKeys) bool {
	matchAction := func(p string) bool { return wild(strings.ToLower(p), strings.ToLower(action)) }
	if st.Action != nil && !slices.ContainsFunc(st.Action, matchAction) ||
		st.NotAction != nil && slices.ContainsFunc(st.NotAction, matchAction) {
		return false
	}
	matchResource := func(p string) bool { return wildARN(expand(p, ctx), resource) }
	if st.Resource != nil && !slices.ContainsFunc(st.Resource, matchResource) ||
		st.NotResource != nil && slices.ContainsFunc(st.NotResource, matchResource) {
		return false
	}
	return st.conditions(ctx)
}

// literal is put before a * or ? that came out of a variable and stands for
// itself.
const literal = 0

// expand puts the values of ${aws:username} and the like into a text. A variable
// without a value makes a text that matches nothing.
func expand(text string, ctx conditionKeys) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			b.WriteString("${" + rest)
			return b.String()
		}
		text = after
		value, known := ctx[strings.ToLower(name)]
		switch {
		case name == "*" || name == "?" || name == "$":
			value = name
		case !known:
			return "\x00\x00"
		}
		for _, c := range []byte(value) {
			if c == '*' || c == '?' {
				b.WriteByte(literal)
			}
			b.WriteByte(c)
		}
	}
}

// wild matches with * and ?, without recursion: documents come from anyone.
func wild(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		step, ok := 1, false
		if p < len(pattern) {
			switch c := pattern[p]; {
			case c == '*':
				star, mark = p, t
				p++
				continue
			case c == '?':
				ok = true
			case c == literal && p+1 < len(pattern):
				step, ok = 2, pattern[p+1] == text[t]
			default:
				ok = c == text[t]
			}
		}
		if ok {
			p, t = p+step, t+1
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		p, t = star+1, mark
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// wildARN matches part by part: no * reaches over one of an ARN's first five
// colons.
func wildARN(pattern, text string) bool {
	if pattern == "*" {
		return true
	}
	p, t := strings.SplitN(pattern, ":", 6), strings.SplitN(text, ":", 6)
	if len(p) != 6 || len(t) != 6 {
		return false
	}
	for i := range p {
		if !wild(p[i], t[i]) {
			return false
		}
	}
	return true
}

// may asks whether the caller may do the action, without judging the request.
func (r *request) may(action, resource string, extra conditionKeys) decision {
	c := r.caller
	ctx := c.conditionKeys(r)
	for name, value := range extra {
		ctx[strings.ToLower(name)] = value
	}
	d := allowed
	switch {
	case c.role != nil:
		d = evaluate(c.account.policies(c.role.grants.seen(r.moment)), action, resource, ctx)
	case c.user != nil && !c.user.isRoot:
		d = evaluate(c.user.policies(r.moment), action, resource, ctx)
	}
	if d != allowed || c.session == nil || c.session.policies == nil {
		return d
	}
	return evaluate(c.session.policies, action, resource, ctx)
}

// authorize refuses the request unless the caller may do its action on the
// resource. Condition keys come in extra.
func (r *request) authorize(resource string, extra conditionKeys) *apiError {
	r.judged = true
	action := r.service.name + ":" + r.action
	switch r.may(action, resource, extra) {
	case allowed:
		return nil
	case explicitDeny:
		return denied(r.caller.arn, action, resource, "with an explicit deny in an identity-based policy")
	default:
		return denied(r.caller.arn, action, resource, "because no identity-based policy allows the "+action+" action")
	}
}

func denied(who, action, resource, why string) *apiError {
	return fail(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: %s on resource: %s %s", who, action, resource, why)
}

// free marks an operation that needs no permission.
func (r *request) free() { r.judged = true }

// policies are all that speak of a user: its own, the attached and its groups'.
func (u *User) policies(moment time.Time) []*policy {
	list := u.account.policies(u.grants.seen(moment))
	for _, g := range u.groups.seen(moment) {
		list = append(list, u.account.policies(g.grants.seen(moment))...)
	}
	return list
}

func (a *Account) policies(g grants) (list []*policy) {
	for _, p := range g.inline {
		list = append(list, p.policy)
	}
	for _, id := range g.attached {
		if p := a.managedPolicy(id); p != nil {
			list = append(list, p)
		}
	}
	return list
}

// conditionKeys are those that every request of the caller has.
func (c *caller) conditionKeys(r *request) conditionKeys {
	ctx := conditionKeys{
		"aws:userid":           c.userID,
		"aws:principalarn":     c.principalARN(),
		"aws:principalaccount": c.account.number,
		"aws:principaltype":    c.kind(),
		"aws:currenttime":      r.now.Format(time.RFC3339),
		"aws:epochtime":        epochText(r.now),
		"aws:requestedregion":  r.region,
		"aws:securetransport":  "true", // of the real one; loopback has no TLS
		"aws:sourceip":         "127.0.0.1",
		"aws:useragent":        r.http.UserAgent(),
		"aws:viaawsservice":    "false",
	}
	if c.user != nil && !c.user.isRoot && (c.session == nil || !c.session.federated) {
		ctx["aws:username"] = c.user.name
	}
	if c.session != nil {
		ctx["aws:tokenissuetime"] = c.session.issued.Format("2006-01-02T15:04:05Z")
		ctx["aws:multifactorauthpresent"] = boolText(c.session.mfa)
	}
	return ctx
}
