package respond

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
)

// A refusal in a partition where the key was never seen says nothing of it.
func TestSelfNeedsToKnowWhereTheKeyLives(t *testing.T) {
	s := newScene(t)
	const away = "333344445555"
	user := s.aws.Account("aws-cn", away).User("deploy")
	s.options.Policy.Accounts = []string{away}
	user.Allow("iam:*")
	key := user.Key()
	s.options.Actors = Actors{Self: true}
	out, err := s.do(Kill, Target{ID: key.ID, Key: key}, Arguments{})
	if err == nil || out.State == Dead || !user.Keys()[0].Active {
		t.Errorf("kill by itself of a key of aws-cn, asked in aws = %+v, %v", out, err)
	}
}

// The call was made, and nobody knows: undo looks, and takes it back.
func TestUndoOfWhatIsNotKnown(t *testing.T) {
	s := newScene(t)
	s.options.Timeout = time.Second
	acted := false
	s.aws.Inject(func(c awstest.Call) awstest.Fault {
		switch {
		case c.Name() == "iam:UpdateAccessKey":
			acted = true
			return awstest.LostAfter()
		case acted && c.Name() == "iam:ListAccessKeys":
			return awstest.Broken()
		}
		return awstest.Fault{}
	})
	out, err := s.do(Kill, Target{ID: s.key.ID}, Arguments{})
	s.aws.Inject(nil)
	if err == nil || out.State != Partly || s.status(s.key.ID) != inactive {
		t.Fatalf("kill = %+v, %v", out, err)
	}
	s.undo(out.Case, Arguments{})
	if s.status(s.key.ID) != active {
		t.Error("undo says that it is put back, and it is not")
	}
}

func TestUndoOfKillByItself(t *testing.T) {
	s := newScene(t)
	s.user.Allow("iam:UpdateAccessKey")
	s.options.Actors.Role, s.options.Actors.Operator, s.options.Actors.Self = "", nil, true
	target := Target{ID: s.key.ID, Key: s.key, Verdict: s.options.Checker.Check(context.Background(), s.key)}
	out, err := s.do(Kill, target, Arguments{})
	if err != nil || out.State != Dead {
		t.Fatalf("kill = %+v, %v", out, err)
	}
	admin := s.account.User("admin")
	admin.Allow("iam:*", "sts:*")
	s.options.Actors = Actors{Profile: "ops", ProfileCredentials: static(admin.Key())}
	s.undo(out.Case, Arguments{})
	if s.status(s.key.ID) != active {
		t.Error("the key is not on again")
	}
}

// What others changed since, undo leaves, and says so; keys of strangers that came
// up on the way stay off.
func TestUndoLeavesWhatOthersDid(t *testing.T) {
	s := newScene(t)
	role := s.account.Role("build", awstest.Trust("arn:aws:iam::"+account+":root", ""))
	session := role.Session("ci", time.Hour)
	out, err := s.do(Isolate, Target{ID: session.ID, Owner: "role/build"}, Arguments{})
	if err != nil {
		t.Fatal(err)
	}
	mine := denyOlder(s.aws.Clock().Now().Add(time.Hour))
	role.Policy(revokeName, mine)
	r := s.responder()
	p, err := r.PlanUndo(context.Background(), out.Case, Target{Owner: "role/build"}, Arguments{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Apply(context.Background(), p, Consent{Yes: true}); err == nil || !sameJSON(role.Policies()[revokeName], mine) {
		t.Errorf("undo = %v, and the policy of another is %s", err, role.Policies()[revokeName])
	}

	s = newScene(t)
	var strange rules.Key
	s.aws.Inject(func(c awstest.Call) awstest.Fault {
		if c.Name() == "iam:UpdateAccessKey" && strange.ID == "" {
			return awstest.Fault{Then: func() { strange = s.user.Key() }}
		}
		return awstest.Fault{}
	})
	if out, err = s.do(Isolate, Target{ID: s.key.ID}, Arguments{}); err != nil {
		t.Fatal(err)
	}
	s.aws.Inject(nil)
	s.undo(out.Case, Arguments{})
	if s.status(s.key.ID) != active || s.status(strange.ID) != inactive {
		t.Errorf("after undo: keys %+v; %s came up on the way", s.user.Keys(), strange.ID)
	}
}

func TestNamesWithNumbers(t *testing.T) {
	s := newScene(t)
	bob := s.account.User("bob+1")
	s.account.User("bob")
	bob.ServiceCredential(awstest.CodeCommit)
	out, err := s.do(Kill, Target{ID: "bob+1-at-" + account}, Arguments{})
	if err != nil || bob.ServiceCredentials()[0].Active {
		t.Errorf("kill = %+v, %v", out, err)
	}
	if out, err := s.do(Kill, Target{ID: "nobody-at-" + account}, Arguments{}); err == nil {
		t.Errorf("kill of what is nowhere = %+v", out)
	}
}

func TestProtection(t *testing.T) {
	for _, pattern := range []string{"arn:aws:iam::*:user/apps/*", "DEPLOY", "*:user/apps/deploy"} {
		s := newScene(t)
		s.options.Policy.Protect = []string{pattern}
		if _, err := s.do(Kill, Target{ID: s.key.ID}, Arguments{}); !errors.Is(err, ErrProtected) {
			t.Errorf("protect %q: kill = %v", pattern, err)
		}
		s.options.Policy.Protect = []string{"someone", "*:user/ops/*"}
		if _, err := s.do(Kill, Target{ID: s.key.ID}, Arguments{}); err != nil {
			t.Errorf("protect of others: kill = %v", err)
		}
	}
	s := newScene(t)
	s.options.Policy.Protect = []string{"*:user/ops/*"}
	s.refuse("iam:GetUser")
	if _, err := s.do(Kill, Target{ID: s.key.ID}, Arguments{}); !errors.Is(err, ErrProtected) {
		t.Errorf("kill of a user whose ARN cannot be read = %v", err)
	}
}

// One step of an isolation that cannot be done leaves the others to do.
func TestIsolateGoesOn(t *testing.T) {
	s := newScene(t)
	s.user.SetPassword()
	s.aws.Inject(func(c awstest.Call) awstest.Fault {
		if c.Name() == "iam:PutUserPolicy" {
			return awstest.Refuse(409, "LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user deploy")
		}
		return awstest.Fault{}
	})
	out, err := s.do(Isolate, Target{ID: s.key.ID}, Arguments{})
	if err == nil || out.State != Partly || s.status(s.key.ID) != inactive || s.user.HasPassword() {
		t.Errorf("isolate = %+v, %v; %s", out, err, world(s))
	}
	s.aws.Inject(nil)
	if out, err = s.do(Isolate, Target{ID: s.key.ID}, Arguments{}); err != nil || out.State != Isolated {
		t.Errorf("isolate again = %+v, %v", out, err)
	}
}

func TestNobodyShutsHimselfOut(t *testing.T) {
	s := newScene(t)
	admin := s.account.User("admin")
	admin.Allow("iam:*", "sts:*")
	own := admin.Key()
	s.options.Actors = Actors{Profile: "ops", ProfileCredentials: static(own)}
	other := admin.Key()
	if _, err := s.do(Isolate, Target{ID: other.ID}, Arguments{}); err == nil || !strings.Contains(err.Error(), "shut itself out") || len(s.writes()) > 0 {
		t.Errorf("isolate of the user who acts = %v", err)
	}
	if _, err := s.do(Kill, Target{ID: own.ID}, Arguments{}); err == nil || !strings.Contains(err.Error(), "the leaked key itself") || len(s.writes()) > 0 {
		t.Errorf("kill of the key that acts = %v", err)
	}
}

// A key that a person made is not taken for one that we lost.
func TestRotateLeavesKeysOfOthers(t *testing.T) {
	s := newScene(t)
	s.aws.Inject(func(c awstest.Call) awstest.Fault {
		if c.Name() == "iam:CreateAccessKey" {
			return awstest.Broken()
		}
		return awstest.Fault{}
	})
	place := &shelf{}
	if out, err := s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: place}); err == nil {
		t.Fatalf("rotate = %+v", out)
	}
	s.aws.Inject(nil)
	s.aws.Clock().Advance(2 * time.Minute)
	theirs := s.user.Key()
	if out, err := s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: place}); err == nil || s.status(theirs.ID) != active {
		t.Errorf("rotate = %+v, %v; the key of a person is %s", out, err, s.status(theirs.ID))
	}
}

// A rotation that waits does not, once the key has leaked.
func TestRotateThatWaitsForALeakedKey(t *testing.T) {
	s := newScene(t)
	s.user.SetUsed(s.key.ID, s.aws.Clock().Now(), "s3", "us-east-1")
	place := &shelf{}
	if out, err := s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: place, Grace: 24 * time.Hour}); err != nil || out.State != Waiting {
		t.Fatalf("rotate = %+v, %v", out, err)
	}
	out, err := s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: place, Leaked: true})
	if err != nil || out.State != Rotated || s.status(s.key.ID) != inactive {
		t.Errorf("rotate of the leaked key = %+v, %v", out, err)
	}
}

// A revocation that is gone on with counts from then.
func TestRevocationCountsFromWhenItIsDone(t *testing.T) {
	s := newScene(t)
	role := s.account.Role("build", awstest.Trust("arn:aws:iam::"+account+":root", ""))
	session := role.Session("ci", time.Hour)
	target := Target{ID: session.ID, Owner: "role/build"}
	ctx, stop := context.WithCancel(context.Background())
	s.context = ctx
	s.aws.Inject(func(c awstest.Call) awstest.Fault {
		if c.Name() == "iam:PutRolePolicy" {
			return awstest.Fault{Close: true, Then: stop}
		}
		return awstest.Fault{}
	})
	if out, err := s.do(Isolate, target, Arguments{}); err == nil {
		t.Fatalf("isolate = %+v", out)
	}
	s.context = nil
	s.aws.Inject(nil)
	s.aws.Clock().Advance(4 * time.Minute)
	later := s.aws.Clock().Now()
	out, err := s.do(Isolate, target, Arguments{})
	if err != nil {
		t.Fatalf("isolate again = %+v, %v", out, err)
	}
	if got := role.Policies()[revokeName]; sameJSON(got, "") || got < denyOlder(later.Add(-time.Second)) {
		t.Errorf("the revocation is %s, begun at %v", got, later)
	}
	s.undo(out.Case, Arguments{})
	if got := role.Policies()[revokeName]; got != "" {
		t.Errorf("after undo the role has %s", got)
	}
}

// The token of a plan does not change with the time.
func TestTokensHoldNoTime(t *testing.T) {
	s := newScene(t)
	target := Target{ID: s.key.ID}
	args := Arguments{Store: &shelf{}, Leaked: true}
	r := s.responder()
	p, err := r.Plan(t.Context(), Rotate, target, args, "")
	if err != nil {
		t.Fatal(err)
	}
	token := p.Token()
	s.aws.Clock().Advance(2 * time.Minute)
	if p, err = r.Plan(t.Context(), Rotate, target, args, ""); err != nil {
		t.Fatal(err)
	}
	s.aws.Clock().Advance(2 * time.Minute)
	out, err := r.Apply(t.Context(), p, Consent{Token: token})
	if err != nil || out.State != Rotated {
		t.Errorf("Apply with the token of before = %+v, %v", out, err)
	}
}

// A policy of ours that was there before is there again.
func TestUndoKeepsAnEarlierRevocation(t *testing.T) {
	s := newScene(t)
	before := denyOlder(s.aws.Clock().Now().Add(-time.Hour))
	s.user.Policy(sessionsName, before)
	out, err := s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: &shelf{}, Leaked: true})
	if err != nil {
		t.Fatal(err)
	}
	s.undo(out.Case, Arguments{})
	if got := s.user.Policies()[sessionsName]; !sameJSON(got, before) {
		t.Errorf("after undo the policy is %s, and was %s", got, before)
	}
}

// Who acts in the end is who the record names.
func TestTheRecordNamesWhoActed(t *testing.T) {
	s := newScene(t)
	insider := s.account.User("insider")
	insider.Allow("iam:*", "sts:*")
	s.onlyPolicy(awstest.Allow("iam:Get*", "iam:List*"))
	s.options.Actors.Profile, s.options.Actors.ProfileCredentials = "ops", static(insider.Key())
	out, err := s.do(Kill, Target{ID: s.key.ID}, Arguments{})
	if err != nil || out.Actor != "profile ops" {
		t.Fatalf("kill = %+v, %v", out, err)
	}
	h, err := s.responder().keep.caseOf(t.Context(), out.Case)
	if err != nil || h.intents[0].Actor != "profile ops" {
		t.Errorf("the record names %q, %v", h.intents[0].Actor, err)
	}
	if kinds := s.record(s.key.ID); !slices.Contains(kinds, KindDone) {
		t.Errorf("record = %v", kinds)
	}
}
