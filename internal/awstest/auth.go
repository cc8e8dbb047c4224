package awstest

import (
	"net/http"
	"strings"
	"time"

	"github.com/keyquench/keyquench/rules"
)

// caller is who signed a request.
type caller struct {
	arn, userID string
	account     *Account
	user        *User // the user or root, also behind its sessions
	role        *Role // of an assumed role
	key         *accessKey
	session     *session // nil for long-term keys
}

// session is a set of temporary credentials.
type session struct {
	id              string
	secret, token   rules.Secret
	issued, expires time.Time
	caller          caller
	mfa             bool
	federated       bool
	// policies cut down what the session may; nil does not. A session that may
	// nothing has an empty list.
	policies []*policy
}

// temporary tells whether the caller has a session's credentials.
func (c *caller) temporary() bool { return c.session != nil }

// principalARN is what aws:PrincipalArn has: of an assumed role, the role's.
func (c *caller) principalARN() string {
	if c.role != nil {
		return c.role.ARN()
	}
	return c.arn
}

func (c *caller) kind() string {
	switch {
	case c.role != nil:
		return "AssumedRole"
	case c.session != nil && c.session.federated:
		return "FederatedUser"
	case c.user.isRoot:
		return "Account"
	default:
		return "User"
	}
}

// authenticate finds out who signed the request, in the order: is it signed for
// this service and now, whose ID is it, is its state such that it may sign, is
// the secret right.
func (r *request) authenticate() (*caller, *apiError) {
	p := partitionOf(r.sig.region)
	switch {
	case r.service == nil:
		return nil, mismatch("Credential should be scoped to correct service.")
	case p == nil, r.service.name == "iam" && r.sig.region != p.iamRegion:
		return nil, mismatch("Credential should be scoped to a valid region.")
	}
	if err := r.sig.checkTime(r.http, r.now); err != nil {
		return nil, err
	}
	if k := r.keys[r.sig.keyID]; k != nil {
		return r.longTermKey(k, p)
	}
	if s := r.sessions[r.sig.keyID]; s != nil {
		return r.temporaryKey(s, p)
	}
	return nil, invalidToken()
}

func (r *request) longTermKey(k *accessKey, p *awsPartition) (*caller, *apiError) {
	if k.status.seen(r.moment) != active || k.user.gone.seen(r.moment) || k.user.account.partition != p || r.sig.token != "" {
		return nil, invalidToken()
	}
	if err := r.checkSecret(k.secret); err != nil {
		return nil, err
	}
	return &caller{arn: k.user.ARN(), userID: k.user.id, account: k.user.account, user: k.user, key: k}, nil
}

func (r *request) temporaryKey(s *session, p *awsPartition) (*caller, *apiError) {
	c := s.caller
	if c.account.partition != p || rules.NewSecret(r.sig.token) != s.token {
		return nil, invalidToken()
	}
	if c.user != nil && c.user.gone.seen(r.moment) || c.role != nil && c.account.roles[strings.ToLower(c.role.name)] != c.role {
		return nil, invalidToken()
	}
	// The token tells when it ends, so that is known before the secret is.
	if !r.now.Before(s.expires) {
		return nil, &apiError{http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired"}
	}
	if err := r.checkSecret(s.secret); err != nil {
		return nil, err
	}
	// Sessions that a user or root made have no IAM; with MFA, those of
	// GetSessionToken have.
	if r.service.name == "iam" && c.user != nil && (!s.mfa || s.federated) {
		return nil, invalidToken()
	}
	c.session = s
	return &c, nil
}

// checkSecret verifies the signature. After a wrong one, a right one is refused
// too for as long as Options.Confusion says.
func (r *request) checkSecret(secret rules.Secret) *apiError {
	id := r.sig.keyID
	if sum := r.http.Header.Get("X-Amz-Content-Sha256"); sum != "" && sum != hexHash(r.body) {
		return wrongSignature()
	}
	if !r.sig.matches(r.http, r.body, secret.Reveal()) {
		if r.options.Confusion > 0 {
			r.confusion[id] = r.now
		}
		return wrongSignature()
	}
	if at, ok := r.confusion[id]; ok && r.now.Sub(at) < r.options.Confusion {
		return wrongSignature()
	}
	return nil
}

// note remembers the last use of a long-term key, as IAM shows it. Uses that are
// refused for want of permission count.
func (r *request) note() {
	if r.caller.key != nil {
		r.caller.key.used = lastUse{r.now, r.service.name, r.region}
	}
}
