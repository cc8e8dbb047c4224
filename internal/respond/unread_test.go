package respond

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/internal/awstest"
)

// What cannot be looked at holds nothing up, and is not kept quiet about.
func TestUnreadHoldsNothingUp(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"denied":      awstest.Refuse(403, "AccessDenied", "not authorized to perform this"),
		"not offered": awstest.Refuse(501, "NotImplemented", "no such action here"),
	} {
		for _, api := range []string{"iam:ListServiceSpecificCredentials", "iam:GetLoginProfile", "iam:ListSSHPublicKeys"} {
			s := newScene(t)
			was := world(s)
			s.aws.Inject(func(c awstest.Call) awstest.Fault {
				if c.Name() == api {
					return fault
				}
				return awstest.Fault{}
			})
			out, err := s.do(Kill, Target{ID: s.key.ID}, Arguments{})
			if err != nil || out.State != Inactive || len(out.Alive.Unread) != 1 || !strings.HasPrefix(out.Alive.Unread[0], api) {
				t.Errorf("%s, %s: kill = %+v, %v", name, api, out, err)
			}
			s.undo(out.Case, Arguments{})

			out, err = s.do(Isolate, Target{ID: s.key.ID}, Arguments{})
			if out.State != Isolated || s.status(s.key.ID) != inactive || s.user.Policies()[isolateName] == "" {
				t.Errorf("%s, %s: isolate = %+v, %v; %s", name, api, out, err, world(s))
			}
			if err == nil || !strings.Contains(err.Error(), api) || hintOf(err, "") == "" {
				t.Errorf("%s, %s: isolate says %v, want what it could not look at", name, api, err)
			}
			if kinds := s.record(s.key.ID); kinds[len(kinds)-1] != KindDone || !slices.Contains(kinds, KindIntent) {
				t.Errorf("%s, %s: record = %v", name, api, kinds)
			}
			s.undo(out.Case, Arguments{})
			if got := world(s); got != was {
				t.Errorf("%s, %s: after undo: %s\nbefore: %s", name, api, got, was)
			}
		}
	}
}
