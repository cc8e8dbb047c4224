package awstest

import (
	"fmt"
	"slices"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// KeyState is an access key as IAM shows it.
type KeyState struct {
	ID     string
	Active bool
}

// Account is the user's account.
func (u *User) Account() *Account { return u.account }

// Name is the user's name, "" for root.
func (u *User) Name() string { return u.name }

// ID is the unique ID of the user, the account's number for root.
func (u *User) ID() string { return u.id }

// ARN is what GetCallerIdentity says of the user's keys.
func (u *User) ARN() string {
	if u.isRoot {
		return u.account.iamARN("root")
	}
	return u.account.iamARN("user" + u.path + u.name)
}

// Key makes an active access key. IAM's limit of two holds here too: a third
// panics.
func (u *User) Key() rules.Key { return u.addKey(false) }

// OldKey makes an active access key of the first generation, whose ID carries no
// account.
func (u *User) OldKey() rules.Key { return u.addKey(true) }

func (u *User) addKey(old bool) rules.Key {
	s := u.account.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(u.keys) >= maxKeys {
		panic("awstest: " + u.ARN() + " has two keys")
	}
	k := u.newKey(old)
	k.status.fix(active)
	return rules.Key{ID: k.id, Secret: k.secret}
}

// newKey makes a key that has no status yet.
func (u *User) newKey(old bool) *accessKey {
	s := u.account.s
	k := &accessKey{
		id:     s.newKeyID("AKIA", u.account.number, old),
		secret: rules.NewSecret(rulestest.Secret(s.rand)),
		user:   u, created: s.clock.Now(),
	}
	s.keys[k.id] = k
	u.keys = append(u.keys, k)
	return k
}

// SetActive changes the status of one of the user's keys, seen at once. A key
// that the user does not have panics.
func (u *User) SetActive(keyID string, on bool) {
	s := u.account.s
	s.mu.Lock()
	defer s.mu.Unlock()
	k := u.key(keyID)
	if k == nil {
		panic("awstest: " + u.ARN() + " has no such key")
	}
	k.status.fix(statusOf(on))
}

func statusOf(on bool) keyStatus {
	if on {
		return active
	}
	return inactive
}

// RemoveKey deletes one of the user's keys, seen at once.
func (u *User) RemoveKey(keyID string) {
	s := u.account.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := u.key(keyID); k != nil {
		k.status.fix(absent)
		u.keys = slices.DeleteFunc(u.keys, func(k *accessKey) bool { return k.id == keyID })
	}
}

// SetUsed makes it the moment when the key was last used, for a service in a
// region.
func (u *User) SetUsed(keyID string, at time.Time, service, region string) {
	s := u.account.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := u.key(keyID); k != nil {
		k.used = lastUse{at, service, region}
	}
}

func (u *User) key(id string) *accessKey {
	for _, k := range u.keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

// Keys are the user's access keys as IAM shows them, the oldest first.
func (u *User) Keys() (list []KeyState) {
	s := u.account.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range u.keys {
		list = append(list, KeyState{k.id, k.status.last() == active})
	}
	return list
}

// Allow gives the user rights, on everything, in a policy of its own.
func (u *User) Allow(actions ...string) { u.add("allow", Allow(actions...)) }

// Deny takes rights from the user, on everything, in a policy of its own.
func (u *User) Deny(actions ...string) { u.add("deny", Deny(actions...)) }

func (u *User) add(prefix, document string) {
	for i := 0; ; i++ {
		if name := fmt.Sprintf("%s-%d", prefix, i); u.Policies()[name] == "" {
			u.Policy(name, document)
			return
		}
	}
}

// Policy sets an inline policy. One that AWS would refuse panics.
func (u *User) Policy(name, document string) {
	u.account.s.mu.Lock()
	defer u.account.s.mu.Unlock()
	u.grants.fix(u.grants.last().put(name, mustParse(document, identityPolicy)))
}

// Attach attaches a managed policy by its ARN; one that does not exist panics.
func (u *User) Attach(policyARN string) {
	u.account.s.mu.Lock()
	defer u.account.s.mu.Unlock()
	if u.account.managedPolicy(policyARN) == nil {
		panic("awstest: no managed policy " + policyARN)
	}
	u.grants.fix(u.grants.last().attach(policyARN))
}

// Quarantine attaches AWS's policy for leaked keys, version 1, 2 or 3.
func (u *User) Quarantine(version int) { u.Attach(u.account.QuarantineARN(version)) }

// Policies are the user's inline policies by name, as IAM shows them.
func (u *User) Policies() map[string]string {
	u.account.s.mu.Lock()
	defer u.account.s.mu.Unlock()
	return u.grants.last().texts()
}

func (g grants) texts() map[string]string {
	m := map[string]string{}
	for _, p := range g.inline {
		m[p.name] = p.text
	}
	return m
}

// Attached are the ARNs of the policies attached to the user, as IAM shows them.
func (u *User) Attached() []string {
	u.account.s.mu.Lock()
	defer u.account.s.mu.Unlock()
	return slices.Clone(u.grants.last().attached)
}

// Join puts the user into a group.
func (u *User) Join(g *Group) {
	u.account.s.mu.Lock()
	defer u.account.s.mu.Unlock()
	u.groups.fix(append(slices.Clone(u.groups.last()), g))
}
