package respond

import (
	"strings"
	"testing"

	"github.com/keyquench/keyquench/internal/awstest"
)

// refuse makes one API of a scene fail.
func (s *scene) refuse(api string) {
	s.aws.Inject(func(c awstest.Call) awstest.Fault {
		if c.Name() == api {
			return awstest.Refuse(403, "AccessDenied", "not authorized to perform this")
		}
		return awstest.Fault{}
	})
}

// A wrong --owner makes no live key a deleted one.
func TestOwnerThatIsNot(t *testing.T) {
	for _, told := range []bool{true, false} {
		for _, d := range []Deed{Kill, Isolate, Rotate} {
			s := newScene(t)
			s.account.User("other").Key()
			want := "belongs to user deploy, not to user other"
			if !told {
				s.refuse("iam:GetAccessKeyLastUsed")
				want = "user other has no key " + s.key.ID
				if d == Isolate {
					continue // of whom the operator names
				}
			}
			_, err := s.do(d, Target{ID: s.key.ID, Owner: "user/other"}, Arguments{Store: &shelf{}})
			if err == nil || !strings.Contains(err.Error(), want) || hintOf(err, "") == "" || len(s.writes()) > 0 {
				t.Errorf("told %v: %s = %v, want %q; writes %v", told, d, err, want, s.writes())
			}
		}
	}
	s := newScene(t)
	s.refuse("iam:GetAccessKeyLastUsed")
	for owner, doubted := range map[string]bool{"user/other": true, "user/deploy": false} {
		s.account.User("other")
		p, err := s.responder().Plan(t.Context(), Isolate, Target{ID: s.key.ID, Owner: owner}, Arguments{}, "")
		if err != nil || strings.Contains(strings.Join(p.Notes, "\n"), "is what --owner says") != doubted {
			t.Errorf("isolate of %s: notes %q, %v", owner, p.Notes, err)
		}
	}
	out, err := s.do(Kill, Target{ID: s.key.ID, Owner: "user/deploy"}, Arguments{})
	if err != nil || out.State != Inactive || s.status(s.key.ID) != inactive {
		t.Errorf("kill with the right owner = %+v, %v", out, err)
	}
}

// Of an old key nobody but AWS knows the account. The one that is listed will do
// for those who can look there, and not for the key itself.
func TestOldKeyWithoutItsAccount(t *testing.T) {
	s := newScene(t)
	s.key = s.user.OldKey()
	s.refuse("sts:GetAccessKeyInfo")
	s.options.Policy.Accounts = []string{account, central}
	if out, err := s.do(Kill, Target{ID: s.key.ID}, Arguments{}); err == nil || s.status(s.key.ID) != active {
		t.Errorf("kill with two accounts listed = %+v, %v", out, err)
	}
	s.options.Policy.Accounts = []string{central}
	s.options.Actors.Self = true
	s.user.Allow("iam:UpdateAccessKey")
	if out, err := s.do(Kill, Target{ID: s.key.ID, Key: s.key}, Arguments{}); err == nil || s.status(s.key.ID) != active || len(s.writes()) > 0 {
		t.Errorf("kill with another account listed = %+v, %v", out, err)
	}
	s.options.Policy.Accounts = []string{account}
	if out, err := s.do(Kill, Target{ID: s.key.ID}, Arguments{}); err != nil || out.State != Inactive || s.status(s.key.ID) != inactive {
		t.Errorf("kill with its account listed = %+v, %v", out, err)
	}
}
