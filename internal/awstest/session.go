package awstest

import (
	"encoding/xml"
	"fmt"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// Session makes temporary credentials as GetSessionToken does, that end after d.
// A negative d makes ones that have ended.
func (u *User) Session(d time.Duration) rules.Key { return u.session(d, false) }

// MFASession is Session with a second factor: such a session may use IAM.
func (u *User) MFASession(d time.Duration) rules.Key { return u.session(d, true) }

func (u *User) session(d time.Duration, mfa bool) rules.Key {
	s := u.account.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newSession(caller{arn: u.ARN(), userID: u.id, account: u.account, user: u}, d, func(e *session) { e.mfa = mfa }).key()
}

// Federate makes temporary credentials as GetFederationToken does. They may what
// both the user and the policy allow; an empty policy allows nothing.
func (u *User) Federate(name string, d time.Duration, policyDocument string) rules.Key {
	s := u.account.s
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []*policy{}
	if policyDocument != "" {
		list = append(list, mustParse(policyDocument, identityPolicy))
	}
	return s.newSession(u.federatedCaller(name), d, func(e *session) { e.federated, e.policies = true, list }).key()
}

func (u *User) federatedCaller(name string) caller {
	return caller{
		arn:    u.account.stsARN("federated-user/" + name),
		userID: u.account.number + ":" + name, account: u.account, user: u,
	}
}

// Session makes temporary credentials of the role, as AssumeRole does, that end
// after d. A negative d makes ones that have ended.
func (r *Role) Session(name string, d time.Duration) rules.Key {
	s := r.account.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newSession(r.sessionCaller(name), d, nil).key()
}

func (r *Role) sessionCaller(name string) caller {
	return caller{
		arn:    r.account.stsARN("assumed-role/" + r.name + "/" + name),
		userID: r.id + ":" + name, account: r.account, role: r,
	}
}

// newSession makes a session that starts now.
func (s *Server) newSession(c caller, d time.Duration, change func(*session)) *session {
	now := s.clock.Now().Truncate(time.Second)
	e := &session{
		id:     s.newKeyID("ASIA", c.account.number, false),
		secret: rules.NewSecret(rulestest.Secret(s.rand)),
		token:  rules.NewSecret(rulestest.Token(s.rand)),
		issued: now, expires: now.Add(d), caller: c,
	}
	if d < 0 {
		e.issued = e.expires.Add(-time.Hour)
	}
	if change != nil {
		change(e)
	}
	s.sessions[e.id] = e
	return e
}

func (e *session) key() rules.Key { return rules.Key{ID: e.id, Secret: e.secret, Token: e.token} }

// credentials are a session on the wire.
type credentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey open
	SessionToken    open
	Expiration      stamp
}

// open is a secret that is written out: to the one it was made for.
type open struct{ rules.Secret }

// MarshalXML writes the secret itself.
func (o open) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeElement(o.Reveal(), start); err != nil {
		return fmt.Errorf("write a secret: %w", err)
	}
	return nil
}

func (e *session) wire() credentials {
	return credentials{e.id, open{e.secret}, open{e.token}, stamp(e.expires)}
}
