package awstest

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyquench/keyquench/rules"
)

var stsActions = map[string]func(*request) (any, *apiError){
	"GetCallerIdentity":  getCallerIdentity,
	"GetAccessKeyInfo":   getAccessKeyInfo,
	"AssumeRole":         assumeRole,
	"GetSessionToken":    getSessionToken,
	"GetFederationToken": getFederationToken,
}

func getCallerIdentity(r *request) (any, *apiError) {
	r.free()
	return struct {
		Arn     string
		UserID  string `xml:"UserId"`
		Account string
	}{r.caller.arn, r.caller.userID, r.caller.account.number}, nil
}

var keyForm = regexp.MustCompile(`^\w{16,128}$`)

func getAccessKeyInfo(r *request) (any, *apiError) {
	id := r.param("AccessKeyId")
	if !keyForm.MatchString(id) {
		return nil, invalid("1 validation error detected: Value at 'accessKeyId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w]*")
	}
	if err := r.noSTSForUserSessions(); err != nil {
		return nil, err
	}
	if err := r.authorize("*", nil); err != nil {
		return nil, err
	}
	account := ""
	if k := r.keys[id]; k != nil {
		account = k.user.account.number
	} else if s := r.sessions[id]; s != nil {
		account = s.caller.account.number
	} else if number, ok := rules.Account(id); ok {
		account = number
	}
	if a := r.accounts[account]; account == "" || a != nil && a.partition != r.caller.account.partition {
		return nil, invalid("Invalid Access Key Id")
	}
	return struct{ Account string }{account}, nil
}

// noSTSForUserSessions refuses what sessions of users and root may not ask:
// everything but GetCallerIdentity and, unless federated, AssumeRole.
func (r *request) noSTSForUserSessions() *apiError {
	c := r.caller
	if c.temporary() && c.role == nil && (r.action != "AssumeRole" || c.session.federated) {
		r.judged = true
		return fail(http.StatusForbidden, "AccessDenied", "Cannot call %s with session credentials", r.action)
	}
	return nil
}

// duration reads DurationSeconds.
func (r *request) duration(least, most, standard time.Duration) (time.Duration, *apiError) {
	text := r.param("DurationSeconds")
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	d := time.Duration(n) * time.Second
	if err != nil || d < least || d > most {
		return 0, invalid("1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value between %d and %d",
			text, int(least.Seconds()), int(most.Seconds()))
	}
	return d, nil
}

var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

func assumeRole(r *request) (any, *apiError) {
	target, name := r.param("RoleArn"), r.param("RoleSessionName")
	if !sessionName.MatchString(name) {
		return nil, invalid("1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", name)
	}
	id, ok := parseARN(target)
	if !ok || len(target) < 20 || id.service != "iam" {
		return nil, invalid("%s is invalid", target)
	}
	d, err := r.duration(15*time.Minute, 12*time.Hour, time.Hour)
	if err != nil {
		return nil, err
	}
	limits, err := r.sessionPolicies()
	if err != nil {
		return nil, err
	}
	role, err := r.assumable(id, target)
	if err != nil {
		return nil, err
	}
	if d > role.maxSession || r.caller.role != nil && d > time.Hour {
		return nil, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	e := r.newSession(role.sessionCaller(name), d, func(e *session) {
		e.policies = limits
		e.mfa = r.caller.session != nil && r.caller.session.mfa
	})
	type assumed struct {
		AssumedRoleID string `xml:"AssumedRoleId"`
		Arn           string
	}
	return struct {
		Credentials     credentials
		AssumedRoleUser assumed
	}{e.wire(), assumed{e.caller.userID, e.caller.arn}}, nil
}

// assumable finds the role and judges both sides: what the role trusts, and what
// the caller may. In the caller's own account a trust that names the caller is
// enough; one that names the account leaves it to the caller's policies.
func (r *request) assumable(id arn, target string) (*Role, *apiError) {
	r.judged = true
	c := r.caller
	refusal := denied(c.arn, "sts:AssumeRole", target, "")
	refusal.message = strings.TrimSpace(refusal.message)
	if c.user != nil && c.user.isRoot {
		return nil, fail(http.StatusForbidden, "AccessDenied", "Roles may not be assumed by root accounts.")
	}
	if err := r.noSTSForUserSessions(); err != nil {
		return nil, err
	}
	a := r.accounts[id.account]
	_, name := splitPath(id.resource)
	if a == nil || a.partition != c.account.partition || id.partition != a.partition.name {
		return nil, refusal
	}
	role := a.roles[strings.ToLower(name)]
	if role == nil || role.ARN() != target {
		return nil, refusal
	}
	extra := conditionKeys{"sts:rolesessionname": r.param("RoleSessionName")}
	if external := r.param("ExternalId"); external != "" {
		extra["sts:externalid"] = external
	}
	own := r.may("sts:AssumeRole", target, extra)
	trusted, byName := role.trusts(r, extra)
	if !trusted || own == explicitDeny || own == implicitDeny && (!byName || a != c.account) {
		return nil, refusal
	}
	return role, nil
}

// trusts asks the role's trust policy about the caller. byName tells that it
// names the caller itself, not only its account.
func (role *Role) trusts(r *request, extra conditionKeys) (trusted, byName bool) {
	ctx := r.caller.conditionKeys(r)
	for name, value := range extra {
		ctx[name] = value
	}
	for i := range role.trust.seen(r.moment).statements {
		st := &role.trust.seen(r.moment).statements[i]
		account, self := st.names(r.caller)
		if !account && !self || !st.applies("sts:AssumeRole", "", ctx) {
			continue
		}
		if st.Effect == "Deny" {
			return false, false
		}
		trusted, byName = true, byName || self
	}
	return trusted, byName
}

// names tells whether a trust policy's statement means the caller, by its
// account or by its own ARN.
func (st *statement) names(c *caller) (account, self bool) {
	if st.Principal == nil {
		return false, false
	}
	if st.Principal.all || slices.Contains(st.Principal.aws, "*") {
		return true, false
	}
	for _, p := range st.Principal.aws {
		account = account || p == c.account.number || p == c.account.iamARN("root")
		self = self || p == c.arn || p == c.principalARN()
	}
	return account, self
}

// sessionPolicies are those that the request wants to limit the session by.
func (r *request) sessionPolicies() (list []*policy, _ *apiError) {
	if text := r.param("Policy"); text != "" {
		p, err := parsePolicy(text, identityPolicy)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	for i := 1; r.form.Has("PolicyArns.member." + strconv.Itoa(i) + ".arn"); i++ {
		id := r.param("PolicyArns.member." + strconv.Itoa(i) + ".arn")
		p := r.caller.account.managedPolicy(id)
		if p == nil {
			return nil, invalid("Policy %s does not exist", id)
		}
		list = append(list, p)
	}
	return list, nil
}

func getSessionToken(r *request) (any, *apiError) {
	c := r.caller
	most, standard := 36*time.Hour, 12*time.Hour
	if c.user != nil && c.user.isRoot {
		most, standard = time.Hour, time.Hour
	}
	d, err := r.duration(15*time.Minute, most, standard)
	if err != nil {
		return nil, err
	}
	r.judged = true
	if c.temporary() {
		return nil, fail(http.StatusForbidden, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	// It wants no permission, but a deny holds.
	if r.may("sts:GetSessionToken", "*", nil) == explicitDeny {
		return nil, denied(c.arn, "sts:GetSessionToken", "*", "with an explicit deny in an identity-based policy")
	}
	mfa, err := r.secondFactor()
	if err != nil {
		return nil, err
	}
	e := r.newSession(caller{arn: c.arn, userID: c.userID, account: c.account, user: c.user}, d, func(e *session) { e.mfa = mfa })
	return struct{ Credentials credentials }{e.wire()}, nil
}

// secondFactor checks the device and its code, if the request has them.
func (r *request) secondFactor() (bool, *apiError) {
	serial, code := r.param("SerialNumber"), r.param("TokenCode")
	if serial == "" && code == "" {
		return false, nil
	}
	for _, m := range r.caller.user.mfa {
		if m.serial == serial && m.code == code {
			return true, nil
		}
	}
	return false, fail(http.StatusForbidden, "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")
}

var federatedName = regexp.MustCompile(`^[\w+=,.@-]{2,32}$`)

func getFederationToken(r *request) (any, *apiError) {
	c, name := r.caller, r.param("Name")
	if !federatedName.MatchString(name) {
		return nil, invalid("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", name)
	}
	most, standard := 36*time.Hour, 12*time.Hour
	if c.user != nil && c.user.isRoot {
		most, standard = time.Hour, time.Hour
	}
	d, err := r.duration(15*time.Minute, most, standard)
	if err != nil {
		return nil, err
	}
	if c.temporary() {
		r.judged = true
		return nil, fail(http.StatusForbidden, "AccessDenied", "Cannot call GetFederationToken with session credentials")
	}
	if err := r.authorize(c.account.stsARN("federated-user/"+name), nil); err != nil {
		return nil, err
	}
	limits, err := r.sessionPolicies()
	if err != nil {
		return nil, err
	}
	if limits == nil {
		limits = []*policy{}
	}
	e := r.newSession(c.user.federatedCaller(name), d, func(e *session) { e.federated, e.policies = true, limits })
	type federated struct {
		FederatedUserID string `xml:"FederatedUserId"`
		Arn             string
	}
	return struct {
		Credentials   credentials
		FederatedUser federated
	}{e.wire(), federated{e.caller.userID, e.caller.arn}}, nil
}
