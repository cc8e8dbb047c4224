package respond

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/internal/setup"
	"github.com/keyquench/keyquench/rules"
)

// policyOf is the policy that setup prints for a mode.
func policyOf(t *testing.T, mode string) string {
	t.Helper()
	var b bytes.Buffer
	if err := setup.Write(&b, "policy", setup.Options{Mode: mode, Accounts: []string{account}, Role: roleUsed}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The policy that setup prints for a mode is enough for every deed of that mode,
// and for taking it back; and it holds nothing that no deed ever calls.
func TestSetupGivesTheRightsThatDeedsNeed(t *testing.T) {
	used := map[string]bool{}
	for mode, deeds := range map[string][]Deed{"deactivate": {Kill}, "rotate": {Kill, Rotate}, "isolate": {Kill, Rotate, Isolate}} {
		for _, d := range deeds {
			s := newScene(t)
			s.onlyPolicy(policyOf(t, mode))
			s.options.Policy.Mode, s.options.Policy.Protect = Mode(mode), []string{"*:user/ops/*"}
			s.user.SetPassword()
			s.user.ServiceCredential(awstest.CodeCommit)
			s.user.Attach(s.account.Policy("own", awstest.Allow("s3:Get*")))
			out, err := s.do(d, Target{ID: s.key.ID}, Arguments{Store: &shelf{}})
			if err != nil || len(out.Alive.Unread) > 0 {
				t.Errorf("mode %s: %s = %+v, %v", mode, d, out, err)
				continue
			}
			r := s.responder()
			p, err := r.PlanUndo(context.Background(), out.Case, Target{}, Arguments{Password: func(string, rules.Secret) error { return nil }})
			if err == nil {
				_, err = r.Apply(context.Background(), p, Consent{Yes: true})
			}
			if err != nil {
				t.Errorf("mode %s: undo of %s = %v", mode, d, err)
			}
			if mode == "isolate" {
				role := s.account.Role("build", awstest.Trust("arn:aws:iam::"+account+":root", ""))
				session := role.Session("ci", time.Hour)
				if out, err = s.do(Isolate, Target{ID: session.ID, Owner: "role/build"}, Arguments{}); err != nil {
					t.Errorf("isolate of a role = %v", err)
				}
				s.undo(out.Case, Arguments{})
			}
			for _, c := range s.aws.Calls() {
				used[c.Name()] = true
			}
		}
	}
	for _, action := range setup.Actions("isolate") {
		// CreateAccessKey's way back, when something fails, is tested elsewhere.
		if !used[action] && action != "iam:DeleteAccessKey" {
			t.Errorf("setup asks for %s, and no deed calls it", action)
		}
	}
}

// onlyPolicy leaves the role with one policy.
func (s *scene) onlyPolicy(document string) {
	for name := range s.role.Policies() {
		s.role.RemovePolicy(name)
	}
	s.role.Policy("keyquench", document)
}

func TestDoctor(t *testing.T) {
	s := newScene(t)
	actions := setup.Actions("isolate")
	ask := func() []Check { return s.responder().Doctor(context.Background(), account, "aws", actions) }
	before := world(s)
	for _, c := range ask() {
		if !c.OK {
			t.Errorf("Doctor = %+v, want all well", c)
		}
	}
	if got := s.writes(); len(got) > 0 || world(s) != before {
		t.Errorf("Doctor changed something: %v", got)
	}
	s.onlyPolicy(policyOf(t, "deactivate"))
	i := slices.IndexFunc(ask(), func(c Check) bool { return c.What == "rights" })
	rights := ask()[i]
	for _, action := range actions {
		denied := !slices.Contains(setup.Actions("deactivate"), action)
		if action == "iam:GetAccessKeyLastUsed" {
			continue
		}
		if strings.Contains(rights.Detail, action) != denied {
			t.Errorf("Doctor on %s = %q, denied %v", action, rights.Detail, denied)
		}
	}
	if rights.OK || rights.Next == "" {
		t.Errorf("Doctor = %+v", rights)
	}
	s.aws.Clock().Advance(10 * time.Minute)
	i = slices.IndexFunc(ask(), func(c Check) bool { return c.What == "clock" })
	if c := ask()[i]; c.OK && !strings.Contains(c.Detail, "AWS") {
		t.Errorf("Doctor with a wrong clock = %+v", c)
	}
	s.role.Remove()
	if c := ask()[0]; c.OK || !strings.Contains(c.Detail, "AssumeRole") || c.Next == "" {
		t.Errorf("Doctor without the role = %+v", c)
	}
	s.options.Actors = Actors{}
	if c := ask()[0]; c.OK || c.Next == "" {
		t.Errorf("Doctor without anybody = %+v", c)
	}
}
