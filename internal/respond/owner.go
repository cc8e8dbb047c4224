package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/rules"

	"github.com/keyquench/keyquench/internal/form"
)

// kind is what sort of credential an ID names.
type kind uint8

const (
	longTerm  kind = iota // AKIA: a user's or root's access key
	temporary             // ASIA: a session's
	service               // ACCA or a name: CodeCommit, Bedrock and their like
)

// Owner is who a key belongs to.
type Owner struct {
	User string `json:"user,omitempty"`
	Role string `json:"role,omitempty"`
	Root bool   `json:"root,omitempty"`
	ARN  string `json:"arn,omitempty"`
	// Linked: the role belongs to a service of AWS and cannot be changed.
	Linked bool `json:"linked,omitempty"`
	// Claimed: the operator says so, and AWS did not.
	Claimed bool `json:"claimed,omitempty"`
}

// String names the owner.
func (o Owner) String() string {
	switch {
	case o.Root:
		return "the account's root"
	case o.User != "":
		return "user " + o.User
	case o.Role != "":
		return "role " + o.Role
	}
	return "unknown"
}

var (
	ownedName = form.New(`^([A-Za-z0-9_+=,.@-]{1,128}?)(?:\+[0-9]+)?-at-([0-9]{12})$`)
	ownerName = form.New(`^[A-Za-z0-9_+=,.@-]{1,128}$`)
	otherID   = form.New(`^AC[A-Z2-7]{2}[A-Z0-9]{12,124}$`)
)

// place is where a key is: the account, the partition, and what sort it is.
type place struct {
	kind      kind
	account   string
	partition awsapi.Partition
	// assumed: it is the one account that is listed, since nobody could be asked.
	assumed bool
}

// locate finds a key's account: from the ID, from what AWS said of it, or by
// asking for the account of an ID that carries none.
func (r *Responder) locate(ctx context.Context, t Target, partition string) (p place, err error) {
	if p.partition, err = awsapi.PartitionNamed(partition); err != nil {
		return p, err
	}
	named := ownedName.FindStringSubmatch(t.ID)
	switch {
	case named != nil:
		p.kind, p.account = service, named[2]
	case strings.HasPrefix(t.ID, "ACCA") && otherID.MatchString(t.ID):
		p.kind = service
	case !rules.AnyKeyID(t.ID):
		// It is not repeated: somebody may have given the secret itself.
		return p, &Error{"what was given is no access key ID", "give the ID (20 characters, AKIA…), not the secret", nil}
	case strings.HasPrefix(t.ID, "ASIA"):
		p.kind = temporary
	case !strings.HasPrefix(t.ID, "AKIA"):
		return p, &Error{fmt.Sprintf("%s is not an ID that can be turned off", t.ID), "keyquench acts on AKIA, ASIA and ACCA IDs, and on NAME-at-ACCOUNT", nil}
	}
	if p.account == "" {
		p.account, _ = rules.Account(t.ID)
	}
	if v := t.Verdict; v.State == verify.Live {
		if p.account != "" && p.account != v.Account {
			return p, &Error{fmt.Sprintf("the key ID carries account %s, and AWS answered %s", p.account, v.Account), "check by whom the request was answered", nil}
		}
		p.account = v.Account
	}
	if p.account == "" && p.kind != service {
		if p.account, err = r.askAccount(ctx, t.ID, p.partition); err != nil && (ctx.Err() != nil || len(r.Policy.Accounts) != 1) {
			return p, err
		}
	}
	if p.account == "" && len(r.Policy.Accounts) == 1 {
		p.account, p.assumed = r.Policy.Accounts[0], true // IAM says there whether it has it
	}
	if p.account == "" {
		return p, &Error{"nothing tells the account of " + t.ID, "list that account alone (--account), or name the credential as NAME-at-ACCOUNT", nil}
	}
	if by, ok := rules.Canary(p.account); ok || t.Verdict.State == verify.Canary {
		return p, &Error{fmt.Sprintf("%s is a tripwire of account %s (%s)", t.ID, p.account, by), "leave it alone: whoever planted it is told of each use", ErrCanary}
	}
	return p, nil
}

// askAccount asks AWS for the account of an ID that is too old to carry it.
func (r *Responder) askAccount(ctx context.Context, id string, p awsapi.Partition) (string, error) {
	hint := "configure a role or a profile (keyquench setup aws), or verify the key with its secret first"
	credentials := r.Actors.any()
	if credentials == nil {
		return "", &Error{"the ID is of the old kind that carries no account, and nobody can ask for it", hint, ErrNobody}
	}
	client, err := r.sts(credentials, p)
	if err != nil {
		return "", err
	}
	var out *sts.GetAccessKeyInfoOutput
	err = r.patient(ctx, func() (err error) {
		out, err = client.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: &id})
		return err
	})
	if err != nil {
		return "", &Error{"ask for the account of " + id, hint, failure("sts:GetAccessKeyInfo", err)}
	}
	if account := aws.ToString(out.Account); accountNumber.MatchString(account) {
		return account, nil
	}
	return "", &Error{"AWS gave no account for " + id, hint, nil}
}

// owner finds whose key it is. What the operator says counts where AWS says
// nothing, and is not believed against it.
func (s *session) owner(ctx context.Context, t Target, p place) (Owner, error) {
	told, err := s.toldOwner(ctx, t, p)
	if t.Owner == "" || ctx.Err() != nil {
		return told, err
	}
	given, wrong := givenOwner(t.Owner)
	switch {
	case wrong != nil:
		return given, wrong
	case err != nil:
		given.Claimed = true
		return given, nil
	case given.User != told.User || given.Role != told.Role:
		return Owner{}, &Error{fmt.Sprintf("%s belongs to %s, not to %s", t.ID, told, given), "leave out --owner", nil}
	}
	return told, nil
}

// toldOwner is from what STS said, from the name of the credential, or from IAM.
func (s *session) toldOwner(ctx context.Context, t Target, p place) (Owner, error) {
	if o, ok := ownerOf(t.Verdict); ok {
		return o, nil
	}
	switch p.kind {
	case temporary:
		return Owner{}, &Error{"nothing tells whose session " + t.ID + " is", "give its secret and token (--secret-stdin, --token-env), or say it: --owner role/NAME or user/NAME; CloudTrail names it in the event that made it", nil}
	case service:
		return s.serviceOwner(ctx, t.ID)
	}
	var out *iam.GetAccessKeyLastUsedOutput
	err := s.patient(ctx, func() (err error) {
		out, err = s.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &t.ID})
		return err
	})
	if err != nil {
		return Owner{}, failure("iam:GetAccessKeyLastUsed", err)
	}
	user := aws.ToString(out.UserName)
	if !ownerName.MatchString(user) {
		return Owner{}, &Error{"IAM names no user for " + t.ID, "it may be root's: verify it with its secret, and use --self", nil}
	}
	return Owner{User: user}, nil
}

// givenOwner reads user/NAME or role/NAME.
func givenOwner(text string) (Owner, error) {
	what, name, _ := strings.Cut(text, "/")
	switch {
	case !ownerName.MatchString(name):
	case what == "user":
		return Owner{User: name}, nil
	case what == "role":
		return Owner{Role: name}, nil
	}
	return Owner{}, &Error{fmt.Sprintf("owner %q is not known", text), "--owner user/NAME or --owner role/NAME", nil}
}

// ownerOf reads the owner out of the ARN that STS gave.
func ownerOf(v verify.Verdict) (Owner, bool) {
	if v.State != verify.Live {
		return Owner{}, false
	}
	o := Owner{ARN: v.ARN}
	parts := strings.SplitN(v.ARN, ":", 6)
	if len(parts) != 6 {
		return o, false
	}
	what := strings.Split(parts[5], "/")
	switch {
	case v.Kind == verify.Root:
		o.Root = true
	case v.Kind == verify.User && len(what) > 1:
		o.User = what[len(what)-1]
	case v.Kind == verify.Role && len(what) == 3:
		o.Role = what[1]
	default:
		return o, false
	}
	return o, o.Root || ownerName.MatchString(o.User+o.Role)
}

// ownerARN reads the ARN of a user or a role.
func (s *session) ownerARN(ctx context.Context, o Owner) (arn string, err error) {
	api := "iam:GetUser"
	err = s.patient(ctx, func() error {
		if o.User != "" {
			out, err := s.iam.GetUser(ctx, &iam.GetUserInput{UserName: &o.User})
			if err == nil && out.User != nil {
				arn = aws.ToString(out.User.Arn)
			}
			return err
		}
		api = "iam:GetRole"
		out, err := s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &o.Role})
		if err == nil && out.Role != nil {
			arn = aws.ToString(out.Role.Arn)
		}
		return err
	})
	if err != nil {
		return "", failure(api, err)
	}
	if arn == "" {
		return "", fmt.Errorf("%s: the answer has no ARN", api)
	}
	return arn, nil
}

// errNoOwner: no user has the credential.
var errNoOwner = errors.New("no user of the account has it: it was deleted, or is known by another name")

// serviceOwner looks for who has a service-specific credential of that ID or
// name. A name begins with its user's, and may have a number behind that; but a
// user's own name can end like that too.
func (s *session) serviceOwner(ctx context.Context, id string) (Owner, error) {
	if m := ownedName.FindStringSubmatch(id); m != nil {
		whole, _, _ := strings.Cut(id, "-at-"+m[2])
		for _, user := range []string{whole, m[1]} {
			list, err := s.serviceCredentials(ctx, user)
			if err != nil && !failed(err).Missing() {
				return Owner{}, err
			}
			if slices.ContainsFunc(list, func(c CredentialState) bool { return c.is(id) }) {
				return Owner{User: user}, nil
			}
		}
	}
	var marker *string
	for {
		var out *iam.ListServiceSpecificCredentialsOutput
		err := s.patient(ctx, func() (err error) {
			out, err = s.iam.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{AllUsers: new(true), Marker: marker})
			return err
		})
		if err != nil {
			return Owner{}, failure("iam:ListServiceSpecificCredentials", err)
		}
		for _, c := range out.ServiceSpecificCredentials {
			if id == aws.ToString(c.ServiceSpecificCredentialId) || id == aws.ToString(c.ServiceUserName) || id == aws.ToString(c.ServiceCredentialAlias) {
				return Owner{User: aws.ToString(c.UserName)}, nil
			}
		}
		if !out.IsTruncated {
			return Owner{}, fmt.Errorf("find %s: %w", id, errNoOwner)
		}
		marker = out.Marker
	}
}
