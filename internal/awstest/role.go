package awstest

import (
	"encoding/json"
	"slices"
	"time"
)

// Account is the role's account.
func (r *Role) Account() *Account { return r.account }

// Name is the role's name.
func (r *Role) Name() string { return r.name }

// ARN is the role's own, as AssumeRole takes it.
func (r *Role) ARN() string { return r.account.iamARN("role" + r.path + r.name) }

// Policy sets an inline policy. One that AWS would refuse panics.
func (r *Role) Policy(name, document string) {
	r.account.s.mu.Lock()
	defer r.account.s.mu.Unlock()
	r.grants.fix(r.grants.last().put(name, mustParse(document, identityPolicy)))
}

// RemovePolicy removes an inline policy; Role names its own policy-0, policy-1, ….
func (r *Role) RemovePolicy(name string) {
	r.account.s.mu.Lock()
	defer r.account.s.mu.Unlock()
	r.grants.fix(r.grants.last().drop(name))
}

// Attach attaches a managed policy by its ARN; one that does not exist panics.
func (r *Role) Attach(policyARN string) {
	r.account.s.mu.Lock()
	defer r.account.s.mu.Unlock()
	if r.account.managedPolicy(policyARN) == nil {
		panic("awstest: no managed policy " + policyARN)
	}
	r.grants.fix(r.grants.last().attach(policyARN))
}

// SetTrust changes who may assume the role.
func (r *Role) SetTrust(document string) {
	r.account.s.mu.Lock()
	defer r.account.s.mu.Unlock()
	r.trust.fix(mustParse(document, trustPolicy))
}

// SetMaxSession is the longest session that AssumeRole gives; an hour at first.
func (r *Role) SetMaxSession(d time.Duration) {
	r.account.s.mu.Lock()
	defer r.account.s.mu.Unlock()
	r.maxSession = d
}

// Policies are the role's inline policies by name, as IAM shows them.
func (r *Role) Policies() map[string]string {
	r.account.s.mu.Lock()
	defer r.account.s.mu.Unlock()
	return r.grants.last().texts()
}

// Attached are the ARNs of the policies attached to the role, as IAM shows them.
func (r *Role) Attached() []string {
	r.account.s.mu.Lock()
	defer r.account.s.mu.Unlock()
	return slices.Clone(r.grants.last().attached)
}

// Remove deletes the role, seen at once.
func (r *Role) Remove() {
	r.account.s.mu.Lock()
	defer r.account.s.mu.Unlock()
	for name, role := range r.account.roles {
		if role == r {
			delete(r.account.roles, name)
		}
	}
}

// Trust is a trust policy for one principal, an account's number or an ARN, with
// an external ID unless that is empty.
func Trust(principal, externalID string) string {
	st := map[string]any{"Effect": "Allow", "Principal": map[string]string{"AWS": principal}, "Action": "sts:AssumeRole"}
	if externalID != "" {
		st["Condition"] = map[string]any{"StringEquals": map[string]string{"sts:ExternalId": externalID}}
	}
	return document(st)
}

// Allow is a policy that allows the actions on everything.
func Allow(actions ...string) string { return AllowOn("*", actions...) }

// AllowOn is a policy that allows the actions on one resource.
func AllowOn(resource string, actions ...string) string {
	return document(map[string]any{"Effect": "Allow", "Action": actions, "Resource": resource})
}

// Deny is a policy that denies the actions on everything.
func Deny(actions ...string) string {
	return document(map[string]any{"Effect": "Deny", "Action": actions, "Resource": "*"})
}

func document(statements ...map[string]any) string {
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err)
	}
	return string(b)
}
