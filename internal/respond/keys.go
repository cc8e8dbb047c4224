package respond

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// The states of keys and credentials, as IAM writes them.
const (
	active   = string(types.StatusTypeActive)
	inactive = string(types.StatusTypeInactive)
	deleted  = "deleted" // not IAM's: it is not there any more
)

// KeyState is an access key as IAM lists it.
type KeyState struct {
	ID      string    `json:"id"`
	Status  string    `json:"status"`
	Created time.Time `json:"created"`
}

// maxPages bounds every list: no user has that many of anything, and a server
// that never ends one must not hold us.
const maxPages = 1000

// pages calls next until a list ends.
func pages(next func(marker *string) (more bool, after *string, err error)) error {
	var marker *string
	for range maxPages {
		more, m, err := next(marker)
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		marker = m
	}
	return fmt.Errorf("a list has no end after %d pages", maxPages)
}

// keys lists a user's access keys; the empty user is whoever signs.
func (s *session) keys(ctx context.Context, user string) (list []KeyState, err error) {
	err = pages(func(marker *string) (bool, *string, error) {
		in := &iam.ListAccessKeysInput{Marker: marker, UserName: named(user)}
		var out *iam.ListAccessKeysOutput
		if err := s.patient(ctx, func() (err error) {
			out, err = s.iam.ListAccessKeys(ctx, in)
			return err
		}); err != nil {
			return false, nil, failure("iam:ListAccessKeys", err)
		}
		for _, k := range out.AccessKeyMetadata {
			list = append(list, KeyState{aws.ToString(k.AccessKeyId), string(k.Status), aws.ToTime(k.CreateDate).UTC()})
		}
		return out.IsTruncated, out.Marker, nil
	})
	return list, err
}

// keyStatus reads the state of one key of a user.
func (s *session) keyStatus(ctx context.Context, user, id string) (string, error) {
	list, err := s.keys(ctx, user)
	if err != nil {
		return "", err
	}
	return statusOf(list, id), nil
}

func statusOf(list []KeyState, id string) string {
	if i := slices.IndexFunc(list, func(k KeyState) bool { return k.ID == id }); i >= 0 {
		return list[i].Status
	}
	return deleted
}

// lastUse tells when a key was last used, and for what; zero if never.
func (s *session) lastUse(ctx context.Context, id string) (at time.Time, what string, err error) {
	var out *iam.GetAccessKeyLastUsedOutput
	err = s.patient(ctx, func() (err error) {
		out, err = s.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &id})
		return err
	})
	if err != nil {
		return at, "", failure("iam:GetAccessKeyLastUsed", err)
	}
	if u := out.AccessKeyLastUsed; u != nil && u.LastUsedDate != nil {
		return u.LastUsedDate.UTC(), fmt.Sprintf("%s in %s", aws.ToString(u.ServiceName), aws.ToString(u.Region)), nil
	}
	return at, "", nil
}

// CredentialState is a service-specific credential as IAM lists it.
type CredentialState struct {
	ID      string    `json:"id"`
	Service string    `json:"service"`
	Name    string    `json:"name,omitempty"`
	Status  string    `json:"status"`
	Created time.Time `json:"created"`
}

// is tells whether the credential goes by this ID or name.
func (c CredentialState) is(id string) bool { return c.ID == id || c.Name == id }

// serviceCredentials lists a user's credentials for CodeCommit, Bedrock and
// their like.
func (s *session) serviceCredentials(ctx context.Context, user string) (list []CredentialState, err error) {
	err = pages(func(marker *string) (bool, *string, error) {
		in := &iam.ListServiceSpecificCredentialsInput{Marker: marker, UserName: named(user)}
		var out *iam.ListServiceSpecificCredentialsOutput
		if err := s.patient(ctx, func() (err error) {
			out, err = s.iam.ListServiceSpecificCredentials(ctx, in)
			return err
		}); err != nil {
			return false, nil, failure("iam:ListServiceSpecificCredentials", err)
		}
		for _, c := range out.ServiceSpecificCredentials {
			name := aws.ToString(c.ServiceUserName)
			if name == "" {
				name = aws.ToString(c.ServiceCredentialAlias)
			}
			list = append(list, CredentialState{aws.ToString(c.ServiceSpecificCredentialId), aws.ToString(c.ServiceName), name, string(c.Status), aws.ToTime(c.CreateDate).UTC()})
		}
		return out.IsTruncated, out.Marker, nil
	})
	return list, err
}

// named is a user's name for a request; nil leaves it to be the signer's.
func named(user string) *string {
	if user == "" {
		return nil
	}
	return &user
}
