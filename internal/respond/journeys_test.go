package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
)

// shelf is a store in memory that can be told to fail.
type shelf struct {
	pair, pending, before rules.Key
	failPut, failPromote  error
	checked               bool
	accounts              []string
}

func (s *shelf) Name() string    { return "shelf:x" }
func (s *shelf) Calls() []string { return []string{"shelf:Put x"} }

func (s *shelf) Accounts(context.Context) ([]string, error) { return s.accounts, nil }

func (s *shelf) Check(context.Context) error {
	s.checked, s.before = true, s.pair
	return nil
}

func (s *shelf) Put(_ context.Context, k rules.Key, _ string) error {
	s.pending = k
	return s.failPut
}

func (s *shelf) Promote(context.Context) error {
	if s.failPromote != nil {
		return s.failPromote
	}
	s.pair = s.pending
	return nil
}

func (s *shelf) Get(_ context.Context, id string) (rules.Key, bool, error) {
	return s.pending, s.pending.ID == id, nil
}

func (s *shelf) Restore(context.Context) error {
	s.pair, s.pending = s.before, rules.Key{}
	return nil
}
func (s *shelf) State() (json.RawMessage, error) { return json.RawMessage(`{"shelf":1}`), nil }
func (s *shelf) Resume(m json.RawMessage) error {
	if string(m) != `{"shelf":1}` {
		return fmt.Errorf("memory is %s", m)
	}
	return nil
}

func TestRotate(t *testing.T) {
	for _, leaked := range []bool{false, true} {
		s := newScene(t)
		place := &shelf{}
		out, err := s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: place, StoreSpecs: []string{"shelf:x"}, Leaked: leaked})
		if err != nil || out.State != Rotated || s.status(s.key.ID) != inactive || s.status(out.NewKey) != active {
			t.Fatalf("leaked %v: rotate = %+v, %v; keys %+v", leaked, out, err, s.user.Keys())
		}
		if place.pair.ID != out.NewKey || place.pair.Secret.IsZero() {
			t.Errorf("the store holds %v, want the pair of %s", place.pair.ID, out.NewKey)
		}
		want := []string{"iam:CreateAccessKey", "iam:UpdateAccessKey"}
		if leaked {
			want = []string{"iam:UpdateAccessKey", "iam:PutUserPolicy", "iam:CreateAccessKey"}
		}
		if got := s.writes(); !slices.Equal(got, want) {
			t.Errorf("leaked %v: writes = %v, want %v", leaked, got, want)
		}
		// The new key works under what was attached, and the case can be taken back.
		if a := s.options.Checker.Ask(context.Background(), place.pair, "aws"); !a.Accepted() {
			t.Errorf("leaked %v: the new key is not accepted: %+v", leaked, a)
		}
		s.undo(out.Case, Arguments{Store: place})
		if s.status(s.key.ID) != active || s.status(out.NewKey) != inactive || len(s.user.Policies()) != 1 {
			t.Errorf("leaked %v: after undo: keys %+v, policies %v", leaked, s.user.Keys(), s.user.Policies())
		}
	}
}

// undo takes a case back and fails the test if that does not go well.
func (s *scene) undo(id string, args Arguments) Outcome {
	s.t.Helper()
	r := s.responder()
	p, err := r.PlanUndo(context.Background(), id, Target{}, args)
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := r.Apply(context.Background(), p, Consent{Token: p.Token()})
	if err != nil || out.State != Undone {
		s.t.Fatalf("undo = %+v, %v", out, err)
	}
	return out
}

// Whatever fails before the old key goes, the account is as it was.
func TestRotateTakesBackTheNewKey(t *testing.T) {
	broken := errors.New("no room")
	for name, set := range map[string]func(*scene, *shelf){
		"put":     func(_ *scene, p *shelf) { p.failPut = broken },
		"promote": func(_ *scene, p *shelf) { p.failPromote = broken },
		"STS": func(s *scene, _ *shelf) {
			s.aws.Inject(func(c awstest.Call) awstest.Fault {
				if c.Name() == "sts:GetCallerIdentity" && c.KeyID != s.key.ID {
					return awstest.Refuse(403, "InvalidClientTokenId", "no")
				}
				return awstest.Fault{}
			})
		},
	} {
		for _, leaked := range []bool{false, true} {
			s := newScene(t)
			before := rules.Key{ID: "before", Secret: rules.NewSecret("x")}
			place := &shelf{pair: before}
			set(s, place)
			out, err := s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: place, Leaked: leaked})
			state, status := Unchanged, active
			if leaked {
				state, status = Inactive, inactive
			}
			if err == nil || out.State != state || s.status(s.key.ID) != status || len(s.user.Keys()) != 1 || out.NewKey != "" {
				t.Errorf("%s, leaked %v: rotate = %+v, %v; keys %+v", name, leaked, out, err, s.user.Keys())
			}
			if place.pair != before {
				t.Errorf("%s, leaked %v: the store holds %v", name, leaked, place.pair)
			}
			if kinds := s.record(s.key.ID); kinds[len(kinds)-1] != KindFailed {
				t.Errorf("%s, leaked %v: record = %v", name, leaked, kinds)
			}
		}
	}
}

// A new key is stored in accounts that are listed, and nowhere else.
func TestRotateStoresInListedAccounts(t *testing.T) {
	s := newScene(t)
	place := &shelf{accounts: []string{account, central}}
	_, err := s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: place})
	if !errors.Is(err, ErrNotListed) || !strings.Contains(err.Error(), central) || len(s.writes()) > 0 {
		t.Errorf("rotate into an account that is not listed = %v, writes %v", err, s.writes())
	}
	s.options.Policy.Accounts = []string{account, central}
	if out, err := s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: place}); err != nil || out.State != Rotated {
		t.Errorf("rotate = %+v, %v", out, err)
	}
}

// The answer with the secret is lost: no key is left that nobody has.
func TestRotateWithLostAnswers(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{"closed": awstest.LostAfter(), "broken": awstest.BrokenAfter()} {
		s := newScene(t)
		s.aws.Inject(awstest.First(2, "iam:CreateAccessKey", fault))
		place := &shelf{}
		out, err := s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: place})
		if err != nil || out.State != Rotated || len(s.user.Keys()) != 2 || s.status(place.pair.ID) != active {
			t.Errorf("%s: rotate = %+v, %v; keys %+v, stored %v", name, out, err, s.user.Keys(), place.pair)
		}
	}
}

func TestRotateWithTwoKeys(t *testing.T) {
	s := newScene(t)
	second := s.user.Key()
	place := &shelf{}
	_, err := s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: place})
	if err == nil || !strings.Contains(err.Error(), second.ID) || !strings.Contains(hintOf(err, ""), "--delete") || len(s.writes()) > 0 {
		t.Fatalf("rotate with two keys = %v, writes %v", err, s.writes())
	}
	if _, err = s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: place, Delete: s.key.ID}); err == nil || len(s.writes()) > 0 {
		t.Fatalf("rotate that deletes the key in use = %v, writes %v", err, s.writes())
	}
	out, err := s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: place, Delete: second.ID})
	if err != nil || s.status(second.ID) != deleted || s.status(s.key.ID) != inactive || s.status(out.NewKey) != active {
		t.Errorf("rotate = %+v, %v; keys %+v", out, err, s.user.Keys())
	}
}

func TestRotateWithGrace(t *testing.T) {
	s := newScene(t)
	s.user.SetUsed(s.key.ID, s.aws.Clock().Now().Add(-time.Hour), "s3", "eu-central-1")
	place := &shelf{}
	args := Arguments{Store: place, Grace: 24 * time.Hour}
	out, err := s.do(Rotate, Target{ID: s.key.ID}, args)
	if err != nil || out.State != Waiting || s.status(s.key.ID) != active || len(out.Left) == 0 {
		t.Fatalf("rotate = %+v, %v", out, err)
	}
	first := place.pair
	out, err = s.do(Rotate, Target{ID: s.key.ID}, args)
	if err != nil || out.State != Waiting || place.pair != first || len(s.user.Keys()) != 2 {
		t.Fatalf("rotate again = %+v, %v", out, err)
	}
	s.user.SetUsed(s.key.ID, s.aws.Clock().Now().Add(-25*time.Hour), "s3", "eu-central-1")
	out, err = s.do(Rotate, Target{ID: s.key.ID}, args)
	if err != nil || out.State != Rotated || s.status(s.key.ID) != inactive || place.pair != first {
		t.Errorf("rotate in the end = %+v, %v", out, err)
	}
}

func TestIsolateAndUndo(t *testing.T) {
	s := newScene(t)
	second := s.user.Key()
	s.user.SetPassword()
	s.user.ServiceCredential(awstest.Bedrock)
	was := world(s)
	out, err := s.do(Isolate, Target{ID: s.key.ID, Key: s.key}, Arguments{})
	if err != nil || out.State != Isolated || s.status(s.key.ID) != inactive || s.status(second.ID) != inactive {
		t.Fatalf("isolate = %+v, %v", out, err)
	}
	if s.user.Policies()[isolateName] == "" || s.user.HasPassword() || s.user.ServiceCredentials()[0].Active {
		t.Errorf("isolate left a way in: %v", world(s))
	}
	again, err := s.do(Isolate, Target{ID: s.key.ID}, Arguments{})
	if err != nil || !again.Already {
		t.Errorf("isolate again = %+v, %v", again, err)
	}
	if _, err := s.responder().PlanUndo(context.Background(), out.Case, Target{}, Arguments{}); err == nil {
		t.Error("undo of a removed login without a place for the password makes a plan")
	}
	var password rules.Secret
	s.undo(out.Case, Arguments{Password: func(_ string, p rules.Secret) error { password = p; return nil }})
	if got := world(s); got != was || password.IsZero() {
		t.Errorf("after undo: %s\nbefore: %s", got, was)
	}
	before := len(s.writes())
	if again := s.undo(out.Case, Arguments{}); !again.Already || len(s.writes()) != before {
		t.Errorf("undo again = %+v, writes %v", again, s.writes()[before:])
	}
}

// world is a user as a test compares it.
func world(s *scene) string {
	return fmt.Sprint(s.user.Keys(), s.user.Policies(), s.user.Attached(), s.user.HasPassword(), s.user.ServiceCredentials())
}

// A stranger makes a key while the others are turned off.
func TestIsolateLooksTwice(t *testing.T) {
	s := newScene(t)
	var strange rules.Key
	s.aws.Inject(func(c awstest.Call) awstest.Fault {
		if c.Name() == "iam:UpdateAccessKey" && strange.ID == "" {
			return awstest.Fault{Then: func() { strange = s.user.Key() }}
		}
		return awstest.Fault{}
	})
	out, err := s.do(Isolate, Target{ID: s.key.ID}, Arguments{})
	if err != nil || out.State != Isolated || s.status(strange.ID) != inactive || s.status(s.key.ID) != inactive {
		t.Errorf("isolate = %+v, %v; keys %+v", out, err, s.user.Keys())
	}
}

func TestIsolateRoleSessions(t *testing.T) {
	s := newScene(t)
	role := s.account.Role("build", awstest.Trust("arn:aws:iam::"+account+":root", ""), awstest.Allow("s3:*", "iam:ListUsers"))
	old := role.Session("ci", time.Hour)
	target := Target{ID: old.ID, Key: old, Verdict: s.options.Checker.Check(context.Background(), old)}
	out, err := s.do(Isolate, target, Arguments{})
	if err != nil || out.State != Isolated || role.Policies()[revokeName] == "" {
		t.Fatalf("isolate = %+v, %v", out, err)
	}
	s.undo(out.Case, Arguments{})
	if got := role.Policies()[revokeName]; got != "" {
		t.Errorf("after undo the role has %s", got)
	}
	linked := s.account.ServiceLinkedRole("AWSServiceRoleForX", "x.amazonaws.com")
	session := linked.Session("x", time.Hour)
	_, err = s.do(Isolate, Target{ID: session.ID, Owner: "role/" + linked.Name()}, Arguments{})
	if err == nil || !strings.Contains(err.Error(), "cannot be revoked") {
		t.Errorf("isolate of a service-linked role = %v", err)
	}
}

func TestRoot(t *testing.T) {
	s := newScene(t)
	key := s.account.Root().Key()
	target := Target{ID: key.ID, Key: key, Verdict: s.options.Checker.Check(context.Background(), key)}
	_, err := s.do(Kill, target, Arguments{})
	if err == nil || !strings.Contains(err.Error(), "root of account") || !strings.Contains(hintOf(err, ""), "AssumeRoot") {
		t.Errorf("kill of root's key by a role = %v (%s)", err, hintOf(err, ""))
	}
	s.options.Actors.Self = true
	out, err := s.do(Kill, target, Arguments{})
	if err != nil || out.State != Dead || s.account.Root().Keys()[0].Active {
		t.Errorf("kill of root's key by itself = %+v, %v", out, err)
	}
}

func TestKillServiceCredential(t *testing.T) {
	s := newScene(t)
	for i, service := range []string{awstest.CodeCommit, awstest.Bedrock, awstest.Bedrock} {
		c := s.user.ServiceCredential(service)
		target := Target{ID: c.UserName}
		if i == 2 {
			target.ID = c.ID // whose it is has to be looked for
		}
		out, err := s.do(Kill, target, Arguments{})
		if err != nil || out.State != Inactive || s.user.ServiceCredentials()[i].Active {
			t.Errorf("kill of a credential for %s = %+v, %v", service, out, err)
		}
	}
}

// An ID of the old kind carries no account: AWS is asked for it.
func TestKillOldKey(t *testing.T) {
	s := newScene(t)
	old := s.user.OldKey()
	out, err := s.do(Kill, Target{ID: old.ID, Key: old}, Arguments{})
	if err != nil || out.State != Dead || s.status(old.ID) != inactive {
		t.Errorf("kill of a key of the old kind = %+v, %v", out, err)
	}
	s.options.Policy.Accounts = []string{central}
	if _, err := s.do(Kill, Target{ID: old.ID}, Arguments{}); !errors.Is(err, ErrNotListed) {
		t.Errorf("kill in an account that AWS named and nobody listed = %v", err)
	}
}

// Everything is done in the key's own partition.
func TestKillInAnotherPartition(t *testing.T) {
	s := newScene(t)
	const number = "333344445555"
	away := s.aws.Account("aws-cn", number)
	user := away.User("deploy")
	key := user.Key()
	admin := away.User("admin")
	admin.Allow("iam:*", "sts:*")
	s.options.Policy.Accounts = []string{number}
	s.options.Actors = Actors{Profile: "cn", ProfileCredentials: static(admin.Key())}
	target := Target{ID: key.ID, Key: key, Verdict: s.options.Checker.Check(context.Background(), key)}
	out, err := s.do(Kill, target, Arguments{})
	if err != nil || out.State != Dead || user.Keys()[0].Active {
		t.Errorf("kill in aws-cn = %+v, %v", out, err)
	}
}

// A session of a user is stopped by what stops the user.
func TestIsolateSessionOfUser(t *testing.T) {
	s := newScene(t)
	s.user.Allow("iam:ListUsers")
	session := s.user.Session(time.Hour)
	target := Target{ID: session.ID, Key: session, Verdict: s.options.Checker.Check(context.Background(), session)}
	out, err := s.do(Isolate, target, Arguments{})
	if err != nil || out.State != Isolated || s.status(s.key.ID) != inactive || s.user.Policies()[isolateName] == "" {
		t.Errorf("isolate = %+v, %v", out, err)
	}
	federated := s.user.Federate("guest", time.Hour, "")
	target = Target{ID: federated.ID, Key: federated, Verdict: s.options.Checker.Check(context.Background(), federated)}
	if _, err := s.do(Isolate, target, Arguments{}); err == nil || !strings.Contains(hintOf(err, ""), "user/NAME") {
		t.Errorf("isolate of a federated session = %v (%s)", err, hintOf(err, ""))
	}
}

// A machine with a wrong clock can still turn a key off.
func TestKillWithAWrongClock(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		s := newScene(t)
		s.aws.Clock().Advance(by)
		s.options.Now = time.Now
		out, err := s.do(Kill, Target{ID: s.key.ID, Key: s.key}, Arguments{})
		if err != nil || s.status(s.key.ID) != inactive {
			t.Errorf("AWS's clock off by %v: kill = %+v, %v", by, out, err)
		}
	}
}
