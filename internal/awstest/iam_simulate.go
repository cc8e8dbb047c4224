package awstest

import (
	"fmt"
	"slices"
	"strings"
)

// evaluation is one answer of SimulatePrincipalPolicy.
type evaluation struct {
	EvalActionName       string
	EvalResourceName     string
	EvalDecision         decision
	MatchedStatements    []struct{} `xml:"MatchedStatements>member"`
	MissingContextValues []string   `xml:"MissingContextValues>member"`
	order                int
}

// simulatePrincipalPolicy asks the policies of a user, role or group about
// actions, without doing them.
func simulatePrincipalPolicy(r *request) (any, *apiError) {
	source := r.param("PolicySourceArn")
	id, ok := parseARN(source)
	if !ok || id.service != "iam" {
		return nil, fail(400, "InvalidInput", "Invalid Entity Arn: %s does not clearly define entity type and name.", source)
	}
	actions := r.members("ActionNames")
	if len(actions) == 0 {
		return nil, missing("actionNames")
	}
	for _, a := range actions {
		if !actionForm.MatchString(a) || strings.ContainsAny(a, "*?") {
			return nil, fail(400, "InvalidInput", "Invalid Action: %s", a)
		}
	}
	if err := r.authorize(source, nil); err != nil {
		return nil, err
	}
	policies, ctx, err := r.simulated(id, source)
	if err != nil {
		return nil, err
	}
	for i := 1; r.form.Has(fmt.Sprintf("ContextEntries.member.%d.ContextKeyName", i)); i++ {
		entry := fmt.Sprintf("ContextEntries.member.%d.", i)
		for _, v := range r.members(entry + "ContextKeyValues") {
			ctx[strings.ToLower(r.param(entry+"ContextKeyName"))] = v
		}
	}
	resources := r.members("ResourceArns")
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	var all []evaluation
	for _, a := range actions {
		for _, res := range resources {
			all = append(all, evaluation{
				EvalActionName: a, EvalResourceName: res, EvalDecision: evaluate(policies, a, res, ctx),
				MissingContextValues: unset(policies, ctx), order: len(all),
			})
		}
	}
	found, end, err := list(r, all, func(e evaluation) string { return fmt.Sprintf("%09d", e.order) })
	if err != nil {
		return nil, err
	}
	return struct {
		EvaluationResults []evaluation `xml:"EvaluationResults>member"`
		page
	}{found, end}, nil
}

// simulated are the policies and the condition keys of the one whose rights are
// asked for.
func (r *request) simulated(id arn, source string) ([]*policy, conditionKeys, *apiError) {
	a := r.caller.account
	kind, _, _ := strings.Cut(id.resource, "/")
	_, name := splitPath(id.resource)
	name = strings.ToLower(name)
	if id.account == a.number && id.partition == a.partition.name {
		switch u, role, g := a.users[name], a.roles[name], a.groups[name]; {
		case kind == "user" && u != nil && u.ARN() == source:
			c := caller{arn: source, userID: u.id, account: a, user: u}
			return u.policies(r.moment), c.conditionKeys(r), nil
		case kind == "role" && role != nil && role.ARN() == source:
			c := caller{arn: source, userID: role.id, account: a, role: role}
			return a.policies(role.grants.seen(r.moment)), c.conditionKeys(r), nil
		case kind == "group" && g != nil:
			return a.policies(g.grants.seen(r.moment)), conditionKeys{}, nil
		}
	}
	return nil, nil, notFound("Entity %s cannot be found.", source)
}

// unset are condition keys that the policies ask for and nobody gave.
func unset(policies []*policy, ctx conditionKeys) (list []string) {
	for _, p := range policies {
		for _, st := range p.statements {
			for _, keys := range st.Condition {
				for key := range keys {
					if _, ok := ctx[strings.ToLower(key)]; !ok && !slices.Contains(list, key) {
						list = append(list, key)
					}
				}
			}
		}
	}
	slices.Sort(list)
	return list
}
