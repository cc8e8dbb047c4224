package setup

import "slices"

// what rights are about.
type scope uint8

const (
	anything scope = iota
	users
	roles
)

// right is a group of actions that a mode brings.
type right struct {
	mode    string // the first mode that has it
	sid     string
	on      scope
	actions []string
}

// rights is the one table of what keyquench calls in an account, in the order in
// which modes grow. A plan that calls something else cannot be carried out by the
// role; a test holds the two together.
//
// Reading goes beyond what a change needs: what is still alive afterwards is
// listed, and what is changed is saved before.
//
// What IAM cannot restrict: PutUserPolicy and PutRolePolicy, and the two that
// delete, know no condition for the name or the text of an inline policy. So the
// role cannot be held to keyquench's own policies (keyquench-isolate and its
// like), and its policy says no more than that it leaves itself alone.
var rights = []right{
	{"deactivate", "KeyquenchRead", anything, []string{
		"iam:GetAccessKeyLastUsed", "iam:GetLoginProfile", "iam:GetPolicy", "iam:GetRole", "iam:GetRolePolicy", "iam:GetUser", "iam:GetUserPolicy",
		"iam:ListAccessKeys", "iam:ListAttachedUserPolicies", "iam:ListGroupsForUser", "iam:ListMFADevices",
		"iam:ListServiceSpecificCredentials", "iam:ListSigningCertificates", "iam:ListSSHPublicKeys", "iam:ListUserPolicies",
	}},
	{"deactivate", "KeyquenchDeactivate", users, []string{"iam:UpdateAccessKey", "iam:UpdateServiceSpecificCredential"}},
	{"rotate", "KeyquenchRotate", users, []string{"iam:CreateAccessKey", "iam:DeleteAccessKey"}},
	// CreateLoginProfile is the way back.
	{"isolate", "KeyquenchIsolateUsers", users, []string{"iam:CreateLoginProfile", "iam:DeleteLoginProfile", "iam:DeleteUserPolicy", "iam:PutUserPolicy"}},
	{"isolate", "KeyquenchIsolateRoles", roles, []string{"iam:DeleteRolePolicy", "iam:PutRolePolicy"}},
}

// Modes are what a role can be made for, each with the rights of those before it.
func Modes() []string { return []string{"deactivate", "rotate", "isolate"} }

// granted are the groups of a mode.
func granted(mode string) (list []right) {
	level := slices.Index(Modes(), mode)
	for _, r := range rights {
		if slices.Index(Modes(), r.mode) <= level {
			list = append(list, r)
		}
	}
	return list
}

// Actions are all that the role of a mode may do, sorted; none for a mode that is
// not known.
func Actions(mode string) (list []string) {
	for _, r := range granted(mode) {
		list = append(list, r.actions...)
	}
	slices.Sort(list)
	return list
}

// meaning says what a mode's rights come to for whoever holds them.
func (o *Options) meaning() (lines []string) {
	switch o.Mode {
	case "rotate":
		lines = []string{"Whoever takes this role can make a key for any user of the account, and so do what that user may."}
	case "isolate":
		lines = []string{
			"Whoever takes this role can write any inline policy to any user and role but the role itself, since IAM",
			"cannot restrict it to keyquench's own policies, and can make keys for any user.",
		}
	default:
		return nil
	}
	return append(lines, "Guard the operator as you guard an administrator, or choose --mode deactivate.")
}
