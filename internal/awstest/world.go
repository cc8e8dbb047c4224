package awstest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// Account is one AWS account of the world.
type Account struct {
	s         *Server
	partition *awsPartition
	number    string
	alias     string
	root      *User
	users     map[string]*User // by lower-case name: IAM's names differ by more than case
	roles     map[string]*Role
	groups    map[string]*Group
	managed   map[string]*policy // by ARN
	secrets   map[place]*secret
	params    map[place]*parameter
}

// place is a region and a name in it.
type place struct{ region, name string }

// User is an IAM user, or the root of an account.
type User struct {
	account   *Account
	isRoot    bool
	name      string
	path      string
	id        string
	created   time.Time
	keys      []*accessKey // those that IAM shows
	grants    eventual[grants]
	groups    eventual[[]*Group]
	gone      eventual[bool]
	login     *login
	services  []*ServiceCredential
	sshKeys   []*attachment
	certs     []*attachment
	mfa       []*mfaDevice
	lastLogin time.Time
}

// Role is an IAM role.
type Role struct {
	account    *Account
	name, path string
	id         string
	created    time.Time
	trust      eventual[*policy]
	grants     eventual[grants]
	maxSession time.Duration
}

// Group is an IAM group.
type Group struct {
	account    *Account
	name, path string
	id         string
	created    time.Time
	grants     eventual[grants]
}

// accessKey is a long-term key.
type accessKey struct {
	id      string
	secret  rules.Secret
	user    *User
	created time.Time
	status  eventual[keyStatus]
	used    lastUse
}

type keyStatus string

const (
	absent   keyStatus = ""
	active   keyStatus = "Active"
	inactive keyStatus = "Inactive"
)

type lastUse struct {
	at              time.Time
	service, region string
}

// grants are the policies of a user, role or group. A grants value never
// changes: a change makes another.
type grants struct {
	inline   []namedPolicy // by name
	attached []string      // ARNs, in order
}

type namedPolicy struct {
	name string
	*policy
}

// Account makes the account, or gives the one that is there. partition is "aws",
// "aws-cn", "aws-us-gov" or "aws-eusc", number twelve digits; anything else is a
// mistake in the test and panics.
func (s *Server) Account(partition, number string) *Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.accounts[number]; a != nil {
		if a.partition.name != partition {
			panic("awstest: account " + number + " is in " + a.partition.name)
		}
		return a
	}
	i := slices.IndexFunc(partitions, func(p *awsPartition) bool { return p.name == partition })
	if _, err := strconv.ParseUint(number, 10, 64); err != nil || len(number) != 12 || i < 0 {
		panic(fmt.Sprintf("awstest: no account %q can be in %q", number, partition))
	}
	a := &Account{
		s: s, partition: partitions[i], number: number,
		users: map[string]*User{}, roles: map[string]*Role{}, groups: map[string]*Group{},
		managed: map[string]*policy{}, secrets: map[place]*secret{}, params: map[place]*parameter{},
	}
	a.root = &User{account: a, isRoot: true, id: number, created: s.clock.Now()}
	s.accounts[number] = a
	return a
}

// Number is the account's number.
func (a *Account) Number() string { return a.number }

// Partition is the name of the partition that has the account.
func (a *Account) Partition() string { return a.partition.name }

// Root is the account's root user.
func (a *Account) Root() *User { return a.root }

// SetAlias names the account.
func (a *Account) SetAlias(alias string) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.alias = alias
}

// User makes the user, or gives the one that is there. A name may have its path
// before it: "/team/deploy".
func (a *Account) User(name string) *User {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	path, name := splitPath(name)
	if u := a.users[strings.ToLower(name)]; u != nil {
		return u
	}
	u := &User{account: a, name: name, path: path, id: a.s.uniqueID("AIDA"), created: a.s.clock.Now()}
	a.users[strings.ToLower(name)] = u
	return u
}

// Role makes a role with a trust policy and inline policies, all JSON; Trust and
// Allow write simple ones. A name may have its path before it. A policy that
// AWS would refuse panics.
func (a *Account) Role(name, trust string, policies ...string) *Role {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	path, name := splitPath(name)
	r := &Role{account: a, name: name, path: path, id: a.s.uniqueID("AROA"), created: a.s.clock.Now(), maxSession: time.Hour}
	r.trust.fix(mustParse(trust, trustPolicy))
	var g grants
	for i, text := range policies {
		g = g.put(fmt.Sprintf("policy-%d", i), mustParse(text, identityPolicy))
	}
	r.grants.fix(g)
	a.roles[strings.ToLower(name)] = r
	return r
}

// ServiceLinkedRole makes a role that belongs to a service: nobody can change
// its policies.
func (a *Account) ServiceLinkedRole(name, service string) *Role {
	return a.Role("/aws-service-role/"+service+"/"+name, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"`+service+`"},"Action":"sts:AssumeRole"}}`)
}

// Group makes a group whose members may what the inline policies say.
func (a *Account) Group(name string, policies ...string) *Group {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	path, name := splitPath(name)
	g := &Group{account: a, name: name, path: path, id: a.s.uniqueID("AGPA"), created: a.s.clock.Now()}
	var gr grants
	for i, text := range policies {
		gr = gr.put(fmt.Sprintf("policy-%d", i), mustParse(text, identityPolicy))
	}
	g.grants.fix(gr)
	a.groups[strings.ToLower(name)] = g
	return g
}

// Policy makes a managed policy of the account and gives its ARN.
func (a *Account) Policy(name, document string) string {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	id := a.iamARN("policy/" + name)
	a.managed[id] = mustParse(document, identityPolicy)
	return id
}

func splitPath(name string) (path, base string) {
	i := strings.LastIndexByte(name, '/') + 1
	if i == 0 {
		return "/", name
	}
	return name[:i], name[i:]
}

func (a *Account) iamARN(resource string) string {
	return arn{a.partition.name, "iam", "", a.number, resource}.String()
}

func (a *Account) stsARN(resource string) string {
	return arn{a.partition.name, "sts", "", a.number, resource}.String()
}

// uniqueID makes an identifier such as AIDA….
func (s *Server) uniqueID(prefix string) string {
	return prefix + rulestest.Text(s.rand, rulestest.Base32Alphabet, 17)
}

// newKeyID makes an ID that no key has yet.
func (s *Server) newKeyID(prefix, account string, old bool) string {
	n, _ := strconv.ParseUint(account, 10, 64)
	for {
		id := rulestest.KeyIDOf(s.rand, prefix, n)
		if old {
			id = oldKeyID(s.rand, prefix)
		}
		if s.keys[id] == nil && s.sessions[id] == nil {
			return id
		}
	}
}

// oldKeyID makes an ID of the first generation, which says nothing of its
// account: its first character after the prefix is A to P.
func oldKeyID(r *rand.Rand, prefix string) string {
	return prefix + rulestest.Text(r, rulestest.Base32Alphabet[:16], 1) + rulestest.Text(r, rulestest.Base32Alphabet, 15)
}

// put is grants with the inline policy set.
func (g grants) put(name string, p *policy) grants {
	g = g.drop(name)
	g.inline = append(g.inline, namedPolicy{name, p})
	slices.SortFunc(g.inline, func(a, b namedPolicy) int { return strings.Compare(a.name, b.name) })
	return g
}

// drop is grants without the inline policy.
func (g grants) drop(name string) grants {
	g.inline = slices.DeleteFunc(slices.Clone(g.inline), func(p namedPolicy) bool { return p.name == name })
	return g
}

func (g grants) find(name string) *policy {
	for _, p := range g.inline {
		if p.name == name {
			return p.policy
		}
	}
	return nil
}

// attach is grants with the managed policy attached.
func (g grants) attach(id string) grants {
	if !slices.Contains(g.attached, id) {
		g.attached = append(slices.Clone(g.attached), id)
		slices.Sort(g.attached)
	}
	return g
}

// detach is grants without the managed policy.
func (g grants) detach(id string) grants {
	g.attached = slices.DeleteFunc(slices.Clone(g.attached), func(s string) bool { return s == id })
	return g
}
