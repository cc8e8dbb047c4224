package respond

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/internal/ledger"
	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

const (
	account  = "123456789012"
	central  = "210987654321" // where the operator is at home
	roleUsed = "keyquench-responder"
)

// scene is an account with a leaked key, an operator and a ledger.
type scene struct {
	t        *testing.T
	aws      *awstest.Server
	account  *awstest.Account
	user     *awstest.User
	role     *awstest.Role
	operator rules.Key
	key      rules.Key // the leaked one
	options  Options
	context  context.Context // of do, if not nil
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, aws: awstest.New(t)}
	s.account = s.aws.Account("aws", account)
	op := s.aws.Account("aws", central).User("oncall")
	op.Allow("sts:*")
	s.operator = op.Key()
	s.user = s.account.User("/apps/deploy")
	s.user.Allow("s3:*")
	s.key = s.user.Key()
	s.role = s.account.Role(roleUsed, awstest.Trust(op.ARN(), "ext-1"), awstest.Allow("iam:*"))
	reach := awsapi.Reach{Endpoint: s.aws.URL()}
	checker, err := verify.New(verify.Options{Reach: reach, Now: s.aws.Clock().Now, Sleep: s.aws.Clock().Sleep, Rate: 1000})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), filepath.Join(awstest.Dir(t), "ledger.db"), ledger.Options{Now: s.aws.Clock().Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s.options = Options{
		Policy: Policy{Accounts: []string{account}},
		Actors: Actors{Operator: static(s.operator), Role: roleUsed, ExternalID: "ext-1"},
		Reach:  reach, Ledger: l, Checker: checker, Now: s.aws.Clock().Now, Sleep: s.aws.Clock().Sleep, By: "a test",
	}
	return s
}

func static(k rules.Key) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(k.ID, k.Secret.Reveal(), k.Token.Reveal())
}

func (s *scene) responder() *Responder {
	s.t.Helper()
	r, err := New(s.options)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// do plans and applies with a plain yes.
func (s *scene) do(d Deed, t Target, args Arguments) (Outcome, error) {
	s.t.Helper()
	ctx := s.context
	if ctx == nil {
		ctx = context.Background()
	}
	r := s.responder()
	p, err := r.Plan(ctx, d, t, args, "")
	if err != nil {
		return Outcome{}, err
	}
	return r.Apply(ctx, p, Consent{Yes: true})
}

func (s *scene) status(id string) string {
	for _, k := range s.user.Keys() {
		if k.ID == id {
			if k.Active {
				return active
			}
			return inactive
		}
	}
	return deleted
}

// writes are the calls that changed something, by name.
func (s *scene) writes() (list []string) {
	for _, c := range s.aws.Calls() {
		if c.Done && changes(c) {
			list = append(list, c.Name())
		}
	}
	return list
}

// changes tells whether a call is one that changes something.
func changes(c awstest.Call) bool {
	return slices.ContainsFunc([]string{"Update", "Create", "Delete", "Put", "Attach", "Detach"}, func(verb string) bool {
		return strings.HasPrefix(c.Action, verb)
	})
}

// record gives the kinds of the ledger's entries on a key, in order.
func (s *scene) record(id string) (kinds []string) {
	s.t.Helper()
	for e, err := range s.options.Ledger.Entries(context.Background(), ledger.Filter{KeyID: id}) {
		if err != nil {
			s.t.Fatal(err)
		}
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func TestKill(t *testing.T) {
	for _, withSecret := range []bool{true, false} {
		s := newScene(t)
		s.user.Quarantine(3) // AWS came first; the role does not care
		target := Target{ID: s.key.ID}
		want := Inactive
		if withSecret {
			target.Key, want = s.key, Dead
		}
		out, err := s.do(Kill, target, Arguments{})
		if err != nil || out.State != want || s.status(s.key.ID) != inactive {
			t.Fatalf("kill = %+v, %v; the key is %s, want %s", out, err, s.status(s.key.ID), want)
		}
		if got := s.writes(); !slices.Equal(got, []string{"iam:UpdateAccessKey"}) {
			t.Errorf("writes = %v", got)
		}
		if got := s.record(s.key.ID); !slices.Equal(got, []string{KindPlan, KindIntent, KindOutcome, KindDone}) {
			t.Errorf("record = %v", got)
		}
		if out.Case == "" || out.ReadBack <= 0 || len(out.Alive.Unread) > 0 || !quarantined(out.Alive.Things) {
			t.Errorf("outcome = %+v", out)
		}
		// Once more changes nothing, and says the same.
		again, err := s.do(Kill, target, Arguments{})
		if err != nil || again.State != want || !again.Already || len(s.writes()) != 1 || len(s.record(s.key.ID)) != 4 {
			t.Errorf("kill again = %+v, %v, writes %v", again, err, s.writes())
		}
	}
}

// The key is not called dead before STS refuses it, however long that takes.
func TestKillWaitsForSTS(t *testing.T) {
	s := newScene(t)
	s.aws.SetDelay(7 * time.Second)
	out, err := s.do(Kill, Target{ID: s.key.ID, Key: s.key}, Arguments{})
	if err != nil || out.State != Dead || out.Refused < 7*time.Second || out.ReadBack > time.Second {
		t.Errorf("kill = %+v, %v", out, err)
	}
	s = newScene(t)
	s.aws.SetDelay(10 * time.Minute)
	out, err = s.do(Kill, Target{ID: s.key.ID, Key: s.key}, Arguments{})
	if err == nil || out.State != Inactive || !strings.Contains(err.Error(), "has not refused") {
		t.Errorf("kill of a key that STS still takes = %+v, %v", out, err)
	}
}

func TestActorsInTheirOrder(t *testing.T) {
	insider := func(s *scene) rules.Key {
		u := s.account.User("insider")
		u.Allow("iam:*", "sts:*")
		return u.Key()
	}
	for name, tt := range map[string]struct {
		set   func(*scene)
		actor string
		err   string
	}{
		"role":              {func(*scene) {}, "role arn:aws:iam::" + account + ":role/" + roleUsed, ""},
		"wrong external ID": {func(s *scene) { s.options.Actors.ExternalID = "other" }, "", "nobody can act"},
		"revoked role":      {func(s *scene) { s.role.Remove() }, "", "sts:AssumeRole: AccessDenied"},
		"profile behind the role": {func(s *scene) {
			s.options.Actors.ExternalID = "other"
			s.options.Actors.Profile, s.options.Actors.ProfileCredentials = "ops", static(insider(s))
		}, "profile ops", ""},
		"role that may not": {func(s *scene) {
			s.account.Role(roleUsed+"-2", awstest.Trust("arn:aws:iam::"+central+":user/oncall", ""), awstest.Allow("iam:Get*", "iam:List*"))
			s.options.Actors.Role, s.options.Actors.ExternalID = roleUsed+"-2", ""
			s.options.Actors.Profile, s.options.Actors.ProfileCredentials = "ops", static(insider(s))
		}, "profile ops", ""},
		"own credentials":    {func(s *scene) { s.options.Actors = Actors{Operator: static(insider(s))} }, "your own credentials", ""},
		"of another account": {func(s *scene) { s.options.Actors.Role = "" }, "", "belongs to account " + central},
		"itself": {func(s *scene) {
			s.user.Allow("iam:UpdateAccessKey")
			s.options.Actors = Actors{Self: true}
		}, "the leaked key itself", ""},
		"itself, quarantined": {func(s *scene) {
			s.user.Allow("iam:UpdateAccessKey")
			s.user.Quarantine(2)
			s.options.Actors = Actors{Self: true}
		}, "", "may not turn itself off"},
		"itself behind a role that is gone": {func(s *scene) {
			s.role.Remove()
			s.user.Allow("iam:*")
			s.options.Actors.Self = true
		}, "the leaked key itself", ""},
		"nobody": {func(s *scene) { s.options.Actors = Actors{} }, "", "nobody is configured"},
	} {
		s := newScene(t)
		tt.set(s)
		target := Target{ID: s.key.ID, Key: s.key, Verdict: s.options.Checker.Check(context.Background(), s.key)}
		out, err := s.do(Kill, target, Arguments{})
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || s.status(s.key.ID) != active || hintOf(err, "") == "" {
				t.Errorf("%s: kill = %+v, %v (hint %q), want %q", name, out, err, hintOf(err, ""), tt.err)
			}
			continue
		}
		if err != nil || out.Actor != tt.actor || out.State != Dead || s.status(s.key.ID) != inactive {
			t.Errorf("%s: kill = %+v, %v", name, out, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		set  func(*scene, *Target)
		want error
		text string
	}{
		"not listed":     {func(s *scene, _ *Target) { s.options.Policy.Accounts = []string{central} }, ErrNotListed, "account " + account},
		"none listed":    {func(s *scene, _ *Target) { s.options.Policy.Accounts = nil }, ErrNotListed, ""},
		"mode report":    {func(s *scene, _ *Target) { s.options.Policy.Mode = ModeReport }, ErrMode, "report"},
		"canary":         {func(_ *scene, t *Target) { t.ID = rulestest.KeyIDOf(rulestest.Rand(7), "AKIA", 171436882533) }, ErrCanary, "tripwire"},
		"protected user": {func(s *scene, _ *Target) { s.options.Policy.Protect = []string{"dep*"} }, ErrProtected, "--confirm"},
		"no key":         {func(_ *scene, t *Target) { t.ID = "hunter2" }, nil, "is no access key ID"},
		"session":        {func(s *scene, t *Target) { t.ID = "ASIA" + s.key.ID[4:] }, nil, "isolate"},
		"of nobody":      {func(s *scene, t *Target) { t.ID = s.account.User("x").Key().ID; s.account.User("x").RemoveKey(t.ID) }, nil, "GetAccessKeyLastUsed"},
	} {
		s := newScene(t)
		target := Target{ID: s.key.ID, Key: s.key}
		tt.set(s, &target)
		out, err := s.do(Kill, target, Arguments{})
		text := ""
		if err != nil {
			text = err.Error() + hintOf(err, "")
		}
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(text, tt.text) {
			t.Errorf("%s: kill = %+v, %v, want %v %q", name, out, err, tt.want, tt.text)
		}
		if len(s.writes()) > 0 || s.status(s.key.ID) != active || len(s.record(target.ID)) > 0 {
			t.Errorf("%s: something was done: %v, %v", name, s.writes(), s.record(target.ID))
		}
	}
}
