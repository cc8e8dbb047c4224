package awstest

import (
	"encoding/base64"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// Services that have credentials of their own.
const (
	CodeCommit = "codecommit.amazonaws.com"
	Bedrock    = "bedrock.amazonaws.com"
)

// login is a user's console password.
type login struct {
	password rules.Secret
	created  time.Time
	reset    bool
}

// ServiceCredential is a service-specific credential of a user, for CodeCommit
// or Bedrock. UserName is what it is known by at the service; of Bedrock it
// stands, with the account, inside the secret.
type ServiceCredential struct {
	ID, Service, UserName string
	Secret                rules.Secret
	user                  *User
	status                keyStatus
	created, expires      time.Time
}

// attachment is an SSH key or a signing certificate.
type attachment struct {
	id, body string
	status   keyStatus
	created  time.Time
}

// mfaDevice is a second factor.
type mfaDevice struct {
	serial, code string
	created      time.Time
}

// SetPassword gives the user a console password.
func (u *User) SetPassword() {
	s := u.account.s
	s.mu.Lock()
	defer s.mu.Unlock()
	u.login = &login{rules.NewSecret(rulestest.Text(s.rand, rulestest.Base64Alphabet, 24)), s.clock.Now(), false}
}

// HasPassword tells whether the user can log in to the console.
func (u *User) HasPassword() bool {
	u.account.s.mu.Lock()
	defer u.account.s.mu.Unlock()
	return u.login != nil
}

// ServiceCredential makes a credential for a service, CodeCommit or Bedrock.
func (u *User) ServiceCredential(service string) ServiceCredential {
	s := u.account.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &ServiceCredential{
		ID: s.uniqueID("ACCA"), Service: service, UserName: u.name + "-at-" + u.account.number,
		user: u, status: active, created: s.clock.Now(),
	}
	text := rulestest.Secret(s.rand) + "="
	if service == Bedrock {
		text = "ABSK" + base64.StdEncoding.EncodeToString([]byte(c.UserName+":"+rulestest.Text(s.rand, rulestest.Base64Alphabet, 72)))
	}
	c.Secret = rules.NewSecret(text)
	u.services = append(u.services, c)
	return *c
}

// CredentialState is a credential other than an access key, as IAM shows it.
type CredentialState struct {
	ID      string
	Service string // of service-specific ones
	Active  bool
}

// ServiceCredentials are the user's service-specific credentials.
func (u *User) ServiceCredentials() (list []CredentialState) {
	u.account.s.mu.Lock()
	defer u.account.s.mu.Unlock()
	for _, c := range u.services {
		list = append(list, CredentialState{c.ID, c.Service, c.status == active})
	}
	return list
}

// SSHKey gives the user an SSH public key and returns its ID.
func (u *User) SSHKey() string { return u.hang("APKA", &u.sshKeys) }

// Certificate gives the user a signing certificate and returns its ID.
func (u *User) Certificate() string { return u.hang("ASCA", &u.certs) }

func (u *User) hang(prefix string, to *[]*attachment) string {
	s := u.account.s
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &attachment{id: s.uniqueID(prefix), status: active, created: s.clock.Now()}
	a.body = "-----BEGIN CERTIFICATE-----\n" + rulestest.Text(s.rand, rulestest.HexAlphabet, 60) + "\n-----END CERTIFICATE-----"
	*to = append(*to, a)
	return a.id
}

// SSHKeys are the user's SSH public keys.
func (u *User) SSHKeys() []CredentialState { return u.states(&u.sshKeys) }

// Certificates are the user's signing certificates.
func (u *User) Certificates() []CredentialState { return u.states(&u.certs) }

func (u *User) states(from *[]*attachment) (list []CredentialState) {
	u.account.s.mu.Lock()
	defer u.account.s.mu.Unlock()
	for _, a := range *from {
		list = append(list, CredentialState{ID: a.id, Active: a.status == active})
	}
	return list
}

// MFA gives the user a second factor, and returns its serial number and the one
// code that it shows.
func (u *User) MFA(name string) (serial, code string) {
	s := u.account.s
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &mfaDevice{u.account.iamARN("mfa/" + name), rulestest.Text(s.rand, "0123456789", 6), s.clock.Now()}
	u.mfa = append(u.mfa, m)
	return m.serial, m.code
}
