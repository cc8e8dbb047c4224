package respond

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/keyquench/keyquench/rules"
)

// Op is what one step does.
type Op string

// The steps on an account. Each is a state to be reached, which can be read.
const (
	opKey          Op = "key-status"        // ID of User has Status
	opCredential   Op = "credential-status" // service-specific ID of User has Status
	opNoLogin      Op = "no-login"          // User cannot sign in to the console
	opLogin        Op = "login"             // User can, with a new password
	opUserPolicy   Op = "user-policy"       // User has Policy with Document
	opNoUserPolicy Op = "no-user-policy"    // User has no Policy
	opRolePolicy   Op = "role-policy"       // Role has Policy with Document
	opNoRolePolicy Op = "no-role-policy"    // Role has no Policy
	opNoKey        Op = "no-key"            // ID of User is deleted
	opNewKey       Op = "new-key"           // User has a new key
	opStore        Op = "store"             // which is stored
	opWorks        Op = "works"             // and which AWS accepts
	opPromote      Op = "promote"           // and which is the current one where it is stored
	opUnused       Op = "unused"            // ID was not used for Grace
)

// Step is one state to be reached, what it was before, and by which call.
type Step struct {
	Op       Op     `json:"op"`
	User     string `json:"user,omitempty"` // empty: whoever signs
	Role     string `json:"role,omitempty"`
	ID       string `json:"id,omitempty"`
	Service  string `json:"service,omitempty"`
	Status   string `json:"status,omitempty"`
	Policy   string `json:"policy,omitempty"`
	Document string `json:"document,omitempty"`
	Store    string `json:"store,omitempty"`
	Grace    string `json:"grace,omitempty"`
	// Was is the state before: a status, a document, or "" for nothing. Undo puts
	// it back.
	Was string `json:"was,omitempty"`
	// Revokes: Document holds the time until which sessions are revoked.
	Revokes bool `json:"revokes,omitempty"`
	// Found: it came up while the case went on, so nobody planned it, and undo
	// leaves it.
	Found bool `json:"found,omitempty"`
	// Optional: where the right to it is missing, the rest goes on without.
	Optional bool `json:"optional,omitempty"`
	// Calls are what the step sends, exactly.
	Calls []string `json:"calls"`
}

// call writes one API call as a plan shows it.
func call(api string, params ...string) string {
	return strings.Join(append([]string{api}, params...), " ")
}

func param(name, value string) string { return name + "=" + value }

func userParams(user string, more ...string) []string {
	if user == "" {
		return more
	}
	return append([]string{param("UserName", user)}, more...)
}

// keyStep makes a key of user active or inactive.
func keyStep(user, id, status, was string) Step {
	return Step{
		Op: opKey, User: user, ID: id, Status: status, Was: was,
		Calls: []string{call("iam:UpdateAccessKey", userParams(user, param("AccessKeyId", id), param("Status", status))...)},
	}
}

// credentialStep makes a service-specific credential active or inactive.
func credentialStep(user string, c CredentialState, status string) Step {
	return Step{
		Op: opCredential, User: user, ID: c.ID, Service: c.Service, Status: status, Was: c.Status,
		Calls: []string{call("iam:UpdateServiceSpecificCredential", userParams(user, param("ServiceSpecificCredentialId", c.ID), param("Status", status))...)},
	}
}

func noLoginStep(user string, was LoginState) Step {
	return Step{Op: opNoLogin, User: user, Was: was.text(), Calls: []string{call("iam:DeleteLoginProfile", userParams(user)...)}}
}

func loginStep(user string) Step {
	return Step{Op: opLogin, User: user, Calls: []string{call("iam:CreateLoginProfile", userParams(user, "PasswordResetRequired=true")...)}}
}

func userPolicyStep(user, name, document, was string) Step {
	return Step{
		Op: opUserPolicy, User: user, Policy: name, Document: document, Was: was,
		Calls: []string{call("iam:PutUserPolicy", userParams(user, param("PolicyName", name), param("PolicyDocument", document))...)},
	}
}

func noUserPolicyStep(user, name, was string) Step {
	return Step{Op: opNoUserPolicy, User: user, Policy: name, Was: was, Calls: []string{call("iam:DeleteUserPolicy", userParams(user, param("PolicyName", name))...)}}
}

func rolePolicyStep(role, name, document, was string) Step {
	return Step{
		Op: opRolePolicy, Role: role, Policy: name, Document: document, Was: was,
		Calls: []string{call("iam:PutRolePolicy", param("RoleName", role), param("PolicyName", name), param("PolicyDocument", document))},
	}
}

func noRolePolicyStep(role, name, was string) Step {
	return Step{Op: opNoRolePolicy, Role: role, Policy: name, Was: was, Calls: []string{call("iam:DeleteRolePolicy", param("RoleName", role), param("PolicyName", name))}}
}

func noKeyStep(user, id, was string) Step {
	return Step{Op: opNoKey, User: user, ID: id, Was: was, Calls: []string{call("iam:DeleteAccessKey", userParams(user, param("AccessKeyId", id))...)}}
}

// with is the step with another document.
func (s Step) with(document string) Step {
	calls := make([]string, len(s.Calls))
	for i, c := range s.Calls {
		calls[i] = strings.ReplaceAll(c, s.Document, document)
	}
	s.Document, s.Calls = document, calls
	return s
}

// timeless is the step without the time at which it was planned, for comparing.
func (s Step) timeless() Step {
	if s.Revokes {
		return s.with("")
	}
	return s
}

// inverse gives the step that puts back what s changed; ok is false where
// nothing can.
func (s Step) inverse() (back Step, ok bool) {
	switch s.Op {
	case opKey:
		return keyStep(s.User, s.ID, s.Was, s.Status), s.Was == active || s.Was == inactive
	case opCredential:
		return credentialStep(s.User, CredentialState{ID: s.ID, Service: s.Service, Status: s.Status}, s.Was), s.Was == active || s.Was == inactive
	case opNoLogin:
		return loginStep(s.User), true
	case opUserPolicy:
		if s.Was == "" {
			return noUserPolicyStep(s.User, s.Policy, s.Document), true
		}
		return userPolicyStep(s.User, s.Policy, s.Was, s.Document), true
	case opRolePolicy:
		if s.Was == "" {
			return noRolePolicyStep(s.Role, s.Policy, s.Document), true
		}
		return rolePolicyStep(s.Role, s.Policy, s.Was, s.Document), true
	}
	return Step{}, false
}

// do sends the step's call, once.
func (s *session) do(ctx context.Context, st Step) (err error) {
	switch st.Op {
	case opKey:
		_, err = s.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: named(st.User), AccessKeyId: &st.ID, Status: types.StatusType(st.Status)})
	case opCredential:
		_, err = s.iam.UpdateServiceSpecificCredential(ctx, &iam.UpdateServiceSpecificCredentialInput{UserName: named(st.User), ServiceSpecificCredentialId: &st.ID, Status: types.StatusType(st.Status)})
	case opNoLogin:
		_, err = s.iam.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: named(st.User)})
	case opUserPolicy:
		_, err = s.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &st.User, PolicyName: &st.Policy, PolicyDocument: &st.Document})
	case opNoUserPolicy:
		_, err = s.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &st.User, PolicyName: &st.Policy})
	case opRolePolicy:
		_, err = s.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &st.Role, PolicyName: &st.Policy, PolicyDocument: &st.Document})
	case opNoRolePolicy:
		_, err = s.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &st.Role, PolicyName: &st.Policy})
	case opNoKey:
		_, err = s.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: named(st.User), AccessKeyId: &st.ID})
	default:
		err = fmt.Errorf("step %q is not one call", st.Op)
	}
	if err != nil && st.gone() && failed(err).Missing() {
		return nil // what should not be there, is not
	}
	if err != nil {
		name, _, _ := strings.Cut(st.Calls[0], " ")
		return failure(name, err)
	}
	return nil
}

// gone tells whether the step's state is that something is not there, or may as
// well not be: a deleted key is as dead as an inactive one.
func (s Step) gone() bool {
	switch s.Op {
	case opNoLogin, opNoUserPolicy, opNoRolePolicy, opNoKey:
		return true
	case opKey, opCredential:
		return s.Status == inactive
	}
	return false
}

// holds reads whether the step's state is reached. state is what was read.
func (s *session) holds(ctx context.Context, st Step) (state string, ok bool, err error) {
	switch st.Op {
	case opKey, opNoKey:
		if state, err = s.keyStatus(ctx, st.User, st.ID); err != nil {
			return "", false, err
		}
		return state, state == st.Status || state == deleted && st.gone(), nil
	case opCredential:
		list, err := s.serviceCredentials(ctx, st.User)
		if err != nil {
			return "", false, err
		}
		state = deleted
		for _, c := range list {
			if c.ID == st.ID {
				state = c.Status
			}
		}
		return state, state == st.Status || state == deleted && st.gone(), nil
	case opNoLogin, opLogin:
		login, err := s.login(ctx, st.User)
		return login.text(), err == nil && (login.text() == "") == (st.Op == opNoLogin), err
	case opUserPolicy, opNoUserPolicy:
		state, err = s.userPolicy(ctx, st.User, st.Policy)
	case opRolePolicy, opNoRolePolicy:
		state, err = s.rolePolicy(ctx, st.Role, st.Policy)
	default:
		return "", false, fmt.Errorf("step %q has no state to read", st.Op)
	}
	return state, err == nil && sameJSON(state, st.Document), err
}

// createLogin makes a login with a password that its user must change at once.
func (s *session) createLogin(ctx context.Context, user string, password rules.Secret) error {
	_, err := s.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{
		UserName: &user, Password: aws.String(password.Reveal()), PasswordResetRequired: true,
	})
	if err != nil {
		return failure("iam:CreateLoginProfile", err)
	}
	return nil
}
