package respond

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/keyquench/keyquench/internal/awsapi"
)

// Check is what Doctor finds out: one thing that works, or does not.
type Check struct {
	Account string `json:"account,omitempty"`
	What    string `json:"what"`
	OK      bool   `json:"ok"`
	// Detail says more; of what does not work, why.
	Detail string `json:"detail,omitempty"`
	// Next is what to do about it.
	Next string `json:"next,omitempty"`
}

// maxSkew is how far a clock may be off before AWS refuses what it signs.
const maxSkew = 5 * time.Minute

// Doctor finds out what could be done in an account, and changes nothing: who may
// act there, by which clock, and with which of the rights. A right is tried on a
// user or a role that does not exist, with a name that chance made: whoever has
// the right is told that there is no such thing.
func (r *Responder) Doctor(ctx context.Context, account, partition string, actions []string) (list []Check) {
	p, err := awsapi.PartitionNamed(partition)
	if err != nil {
		return []Check{{account, "partition", false, err.Error(), ""}}
	}
	where := place{account: account, partition: p}
	acting := false
	for _, o := range r.openers(Target{}, where) {
		s, err := o.open(ctx)
		if err != nil {
			list = append(list, Check{account, o.how, false, err.Error(), hintOf(err, "keyquench setup aws prints the role and who may take it")})
			continue
		}
		c := Check{Account: account, What: o.how, OK: true, Detail: s.arn}
		if acting {
			c.Detail += "; comes behind the one above"
		}
		list = append(list, c, clockCheck(account, s.skew))
		if !acting {
			list = append(list, s.rights(ctx, actions))
		}
		acting = true
	}
	if len(list) == 0 {
		list = append(list, Check{account, "who acts", false, "nobody is configured", "--role NAME (keyquench setup aws makes one) or --profile NAME"})
	}
	return list
}

func clockCheck(account string, skew time.Duration) Check {
	c := Check{Account: account, What: "clock", OK: skew.Abs() < maxSkew, Detail: "within a minute of AWS's"}
	if skew.Abs() >= time.Minute {
		word := "behind"
		if skew < 0 {
			word = "ahead of"
		}
		c.Detail = fmt.Sprintf("%v %s AWS's", skew.Abs().Round(time.Second), word)
		c.Next = "set this machine's clock (NTP)"
	}
	return c
}

// rights tries each action.
func (s *session) rights(ctx context.Context, actions []string) Check {
	nobody := "keyquench-doctor-" + strings.ToLower(rand.Text()[:16])
	calls := s.onNobody(nobody)
	var denied, unsure, untried []string
	for _, action := range actions {
		try, ok := calls[action]
		if !ok {
			untried = append(untried, action)
			continue
		}
		err := s.patient(ctx, func() error { return try(ctx) })
		if err == nil {
			continue
		}
		switch f := failed(err); {
		case f.Missing(), f.Code == "ValidationError":
		case f.Denied():
			denied = append(denied, action)
		default:
			unsure = append(unsure, action+" ("+f.String()+")")
		}
	}
	c := Check{Account: s.account, What: "rights", OK: len(denied)+len(unsure) == 0, Detail: fmt.Sprintf("%d of %d, tried on %s, who does not exist", len(actions)-len(untried), len(actions), nobody)}
	if len(untried) > 0 {
		// Of a key that is not the account's, everybody is told AccessDenied.
		c.Detail += "; without a key nobody can try " + strings.Join(untried, ", ")
	}
	if !c.OK {
		var parts []string
		if len(denied) > 0 {
			parts = append(parts, "may not: "+strings.Join(denied, ", "))
		}
		if len(unsure) > 0 {
			parts = append(parts, "not certain: "+strings.Join(unsure, ", "))
		}
		c.Detail, c.Next = strings.Join(parts, "; "), "keyquench setup aws prints the policy"
	}
	return c
}

// onNobody are calls, by action, on a user and a role that do not exist.
func (s *session) onNobody(nobody string) map[string]func(context.Context) error {
	c := s.iam
	name, id := aws.String(nobody), aws.String("AKIAIOSFODNN7EXAMPLE")
	return map[string]func(context.Context) error{
		"iam:ListAccessKeys": func(ctx context.Context) error {
			_, err := c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: name})
			return err
		},
		"iam:GetUser": func(ctx context.Context) error {
			_, err := c.GetUser(ctx, &iam.GetUserInput{UserName: name})
			return err
		},
		"iam:GetLoginProfile": func(ctx context.Context) error {
			_, err := c.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: name})
			return err
		},
		"iam:ListUserPolicies": func(ctx context.Context) error {
			_, err := c.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: name})
			return err
		},
		"iam:GetUserPolicy": func(ctx context.Context) error {
			_, err := c.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: name, PolicyName: name})
			return err
		},
		"iam:ListAttachedUserPolicies": func(ctx context.Context) error {
			_, err := c.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: name})
			return err
		},
		"iam:GetPolicy": func(ctx context.Context) error {
			_, err := c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")})
			return err
		},
		"iam:ListGroupsForUser": func(ctx context.Context) error {
			_, err := c.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: name})
			return err
		},
		"iam:ListServiceSpecificCredentials": func(ctx context.Context) error {
			_, err := c.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{UserName: name})
			return err
		},
		"iam:ListSSHPublicKeys": func(ctx context.Context) error {
			_, err := c.ListSSHPublicKeys(ctx, &iam.ListSSHPublicKeysInput{UserName: name})
			return err
		},
		"iam:ListSigningCertificates": func(ctx context.Context) error {
			_, err := c.ListSigningCertificates(ctx, &iam.ListSigningCertificatesInput{UserName: name})
			return err
		},
		"iam:ListMFADevices": func(ctx context.Context) error {
			_, err := c.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: name})
			return err
		},
		"iam:GetRole": func(ctx context.Context) error {
			_, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
			return err
		},
		"iam:GetRolePolicy": func(ctx context.Context) error {
			_, err := c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: name})
			return err
		},
		"iam:UpdateAccessKey": func(ctx context.Context) error {
			_, err := c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: name, AccessKeyId: id, Status: types.StatusTypeInactive})
			return err
		},
		"iam:UpdateServiceSpecificCredential": func(ctx context.Context) error {
			_, err := c.UpdateServiceSpecificCredential(ctx, &iam.UpdateServiceSpecificCredentialInput{UserName: name, ServiceSpecificCredentialId: id, Status: types.StatusTypeInactive})
			return err
		},
		"iam:CreateAccessKey": func(ctx context.Context) error {
			_, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
			return err
		},
		"iam:DeleteAccessKey": func(ctx context.Context) error {
			_, err := c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: id})
			return err
		},
		"iam:CreateLoginProfile": func(ctx context.Context) error {
			return s.createLogin(ctx, nobody, newPassword())
		},
		"iam:DeleteLoginProfile": func(ctx context.Context) error {
			_, err := c.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: name})
			return err
		},
		"iam:PutUserPolicy": func(ctx context.Context) error {
			_, err := c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: aws.String(isolateName), PolicyDocument: aws.String(denyAll())})
			return err
		},
		"iam:DeleteUserPolicy": func(ctx context.Context) error {
			_, err := c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: aws.String(isolateName)})
			return err
		},
		"iam:PutRolePolicy": func(ctx context.Context) error {
			_, err := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String(revokeName), PolicyDocument: aws.String(denyAll())})
			return err
		},
		"iam:DeleteRolePolicy": func(ctx context.Context) error {
			_, err := c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String(revokeName)})
			return err
		},
	}
}

// Operator tells whether there are credentials of the operator's at all.
func (r *Responder) Operator(ctx context.Context) Check {
	c := r.Actors.any()
	if c == nil {
		return Check{What: "your AWS credentials", Detail: "none were found", Next: "aws configure, aws sso login, or --profile NAME"}
	}
	p, err := awsapi.PartitionNamed("aws")
	if err != nil {
		return Check{What: "your AWS credentials", Detail: err.Error()}
	}
	arn, err := r.whoIs(ctx, c, p)
	if err != nil {
		return Check{What: "your AWS credentials", Detail: err.Error(), Next: "look at the credentials, at the network and at the clock"}
	}
	return Check{What: "your AWS credentials", OK: true, Detail: arn}
}
