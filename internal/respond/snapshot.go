package respond

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// LoginState is a user's way into the console; the zero value is none.
type LoginState struct {
	Created time.Time `json:"created,omitzero"`
	Reset   bool      `json:"reset,omitempty"` // the password must be changed
}

func (l LoginState) text() string {
	if l.Created.IsZero() {
		return ""
	}
	return "since " + l.Created.Format(time.DateOnly)
}

// Thing is something else by which a user can get in.
type Thing struct {
	What   string    `json:"what"` // "SSH key", "certificate", "MFA device", …
	ID     string    `json:"id"`
	Status string    `json:"status,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// String is the thing in one line.
func (t Thing) String() string {
	s := t.What + " " + t.ID
	if t.Status != "" {
		s += ", " + strings.ToLower(t.Status)
	}
	if !t.Since.IsZero() {
		s += ", since " + t.Since.Format(time.DateTime)
	}
	return s
}

// Alive is what a key's user can still do something with when the key is dead.
type Alive struct {
	Things []Thing `json:"things"`
	// Unread says what could not be looked at, and why.
	Unread []string `json:"unread,omitempty"`
}

// alive looks at everything by which user can act, but the key except.
func (s *session) alive(ctx context.Context, user, except string) (a Alive) {
	for _, look := range []func(context.Context, string) ([]Thing, error){
		s.otherKeys, s.loginThing, s.credentialThings, s.sshKeys, s.certificates, s.mfaDevices, s.inlinePolicies, s.attachedPolicies, s.groups,
	} {
		things, err := look(ctx, user)
		if err != nil {
			a.Unread = append(a.Unread, err.Error())
		}
		for _, t := range things {
			if t.ID != except {
				a.Things = append(a.Things, t)
			}
		}
	}
	return a
}

func (s *session) otherKeys(ctx context.Context, user string) (list []Thing, err error) {
	keys, err := s.keys(ctx, user)
	for _, k := range keys {
		list = append(list, Thing{"access key", k.ID, k.Status, k.Created})
	}
	return list, err
}

func (s *session) loginThing(ctx context.Context, user string) ([]Thing, error) {
	login, err := s.login(ctx, user)
	if err != nil || login.text() == "" {
		return nil, err
	}
	return []Thing{{What: "console login of", ID: user, Since: login.Created}}, nil
}

func (s *session) credentialThings(ctx context.Context, user string) (list []Thing, err error) {
	found, err := s.serviceCredentials(ctx, user)
	for _, c := range found {
		list = append(list, Thing{"credential for " + c.Service, c.ID, c.Status, c.Created})
	}
	return list, err
}

// login reads whether a user can sign in to the console.
func (s *session) login(ctx context.Context, user string) (l LoginState, err error) {
	var out *iam.GetLoginProfileOutput
	err = s.patient(ctx, func() (err error) {
		out, err = s.iam.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: named(user)})
		return err
	})
	switch {
	case err != nil && failed(err).Missing():
		return l, nil
	case err != nil:
		return l, failure("iam:GetLoginProfile", err)
	case out.LoginProfile == nil:
		return l, fmt.Errorf("iam:GetLoginProfile: the answer has no profile")
	}
	l.Created, l.Reset = aws.ToTime(out.LoginProfile.CreateDate).UTC(), out.LoginProfile.PasswordResetRequired
	if l.Created.IsZero() {
		l.Created = time.Unix(0, 0).UTC() // there is one, whenever it was made
	}
	return l, nil
}

// userPolicy reads an inline policy; "" if there is none.
func (s *session) userPolicy(ctx context.Context, user, name string) (string, error) {
	var out *iam.GetUserPolicyOutput
	err := s.patient(ctx, func() (err error) {
		out, err = s.iam.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: &user, PolicyName: &name})
		return err
	})
	if err != nil {
		if failed(err).Missing() {
			return "", nil
		}
		return "", failure("iam:GetUserPolicy", err)
	}
	return decoded(out.PolicyDocument)
}

// rolePolicy reads an inline policy of a role; "" if there is none.
func (s *session) rolePolicy(ctx context.Context, role, name string) (string, error) {
	var out *iam.GetRolePolicyOutput
	err := s.patient(ctx, func() (err error) {
		out, err = s.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
		return err
	})
	if err != nil {
		if failed(err).Missing() {
			return "", nil
		}
		return "", failure("iam:GetRolePolicy", err)
	}
	return decoded(out.PolicyDocument)
}

// decoded undoes the percent signs that IAM writes documents with.
func decoded(document *string) (string, error) {
	text, err := url.PathUnescape(aws.ToString(document))
	if err != nil {
		return "", fmt.Errorf("read policy: %w", err)
	}
	return text, nil
}

// sameJSON tells whether two documents say the same; two empty ones do.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// list asks a paged list of things of IAM.
func list[Out any](ctx context.Context, s *session, api string, ask func(marker *string) (Out, error), read func(Out) (things []Thing, more bool, marker *string)) (all []Thing, err error) {
	err = pages(func(marker *string) (bool, *string, error) {
		var out Out
		if err := s.patient(ctx, func() (err error) {
			out, err = ask(marker)
			return err
		}); err != nil {
			return false, nil, failure("iam:"+api, err)
		}
		things, more, next := read(out)
		all = append(all, things...)
		return more, next, nil
	})
	return all, err
}

func (s *session) sshKeys(ctx context.Context, user string) ([]Thing, error) {
	return list(ctx, s, "ListSSHPublicKeys", func(m *string) (*iam.ListSSHPublicKeysOutput, error) {
		return s.iam.ListSSHPublicKeys(ctx, &iam.ListSSHPublicKeysInput{UserName: named(user), Marker: m})
	}, func(out *iam.ListSSHPublicKeysOutput) (t []Thing, _ bool, _ *string) {
		for _, k := range out.SSHPublicKeys {
			t = append(t, Thing{"SSH key", aws.ToString(k.SSHPublicKeyId), string(k.Status), aws.ToTime(k.UploadDate).UTC()})
		}
		return t, out.IsTruncated, out.Marker
	})
}

func (s *session) certificates(ctx context.Context, user string) ([]Thing, error) {
	return list(ctx, s, "ListSigningCertificates", func(m *string) (*iam.ListSigningCertificatesOutput, error) {
		return s.iam.ListSigningCertificates(ctx, &iam.ListSigningCertificatesInput{UserName: named(user), Marker: m})
	}, func(out *iam.ListSigningCertificatesOutput) (t []Thing, _ bool, _ *string) {
		for _, c := range out.Certificates {
			t = append(t, Thing{"signing certificate", aws.ToString(c.CertificateId), string(c.Status), aws.ToTime(c.UploadDate).UTC()})
		}
		return t, out.IsTruncated, out.Marker
	})
}

func (s *session) mfaDevices(ctx context.Context, user string) ([]Thing, error) {
	return list(ctx, s, "ListMFADevices", func(m *string) (*iam.ListMFADevicesOutput, error) {
		return s.iam.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: named(user), Marker: m})
	}, func(out *iam.ListMFADevicesOutput) (t []Thing, _ bool, _ *string) {
		for _, d := range out.MFADevices {
			t = append(t, Thing{"MFA device", aws.ToString(d.SerialNumber), "", aws.ToTime(d.EnableDate).UTC()})
		}
		return t, out.IsTruncated, out.Marker
	})
}

func (s *session) inlinePolicies(ctx context.Context, user string) ([]Thing, error) {
	if user == "" {
		return nil, nil
	}
	return list(ctx, s, "ListUserPolicies", func(m *string) (*iam.ListUserPoliciesOutput, error) {
		return s.iam.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: &user, Marker: m})
	}, func(out *iam.ListUserPoliciesOutput) (t []Thing, _ bool, _ *string) {
		for _, name := range out.PolicyNames {
			if name != isolateName {
				t = append(t, Thing{What: "inline policy", ID: name})
			}
		}
		return t, out.IsTruncated, out.Marker
	})
}

func (s *session) attachedPolicies(ctx context.Context, user string) ([]Thing, error) {
	if user == "" {
		return nil, nil
	}
	things, err := list(ctx, s, "ListAttachedUserPolicies", func(m *string) (*iam.ListAttachedUserPoliciesOutput, error) {
		return s.iam.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: &user, Marker: m})
	}, func(out *iam.ListAttachedUserPoliciesOutput) (t []Thing, _ bool, _ *string) {
		for _, p := range out.AttachedPolicies {
			t = append(t, Thing{What: "attached policy", ID: aws.ToString(p.PolicyArn)})
		}
		return t, out.IsTruncated, out.Marker
	})
	for i, t := range things {
		if strings.Contains(t.ID, ":iam::aws:") {
			continue // AWS's own: no stranger wrote it
		}
		var out *iam.GetPolicyOutput
		if err := s.patient(ctx, func() (err error) {
			out, err = s.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &t.ID})
			return err
		}); err == nil && out.Policy != nil {
			things[i].What, things[i].Since = "attached policy, last written", aws.ToTime(out.Policy.UpdateDate).UTC()
		}
	}
	return things, err
}

func (s *session) groups(ctx context.Context, user string) ([]Thing, error) {
	if user == "" {
		return nil, nil
	}
	return list(ctx, s, "ListGroupsForUser", func(m *string) (*iam.ListGroupsForUserOutput, error) {
		return s.iam.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: &user, Marker: m})
	}, func(out *iam.ListGroupsForUserOutput) (t []Thing, _ bool, _ *string) {
		for _, g := range out.Groups {
			t = append(t, Thing{What: "group", ID: aws.ToString(g.GroupName)})
		}
		return t, out.IsTruncated, out.Marker
	})
}

// quarantined tells whether AWS attached one of its quarantine policies.
func quarantined(things []Thing) bool {
	for _, t := range things {
		if strings.Contains(t.ID, ":policy/AWSCompromisedKeyQuarantine") {
			return true
		}
	}
	return false
}
