package awstest_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
)

func TestAKeyCanTurnItselfOff(t *testing.T) {
	s := awstest.New(t)
	u := s.Account("aws", account).User("/team/deploy")
	key := u.Key()
	u.Allow("iam:UpdateAccessKey")
	if got, err := identity(t, s, key); err != nil || got != "arn:aws:iam::"+account+":user/team/deploy" {
		t.Fatalf("GetCallerIdentity = %q, %v", got, err)
	}
	if id, ok := rules.Account(key.ID); !ok || id != account {
		t.Errorf("the ID carries account %q", id)
	}
	_, err := iamClient(s, key).UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{AccessKeyId: aws.String(key.ID), Status: types.StatusTypeInactive})
	wantCode(t, "UpdateAccessKey", err, "")
	_, err = identity(t, s, key)
	wantCode(t, "GetCallerIdentity of an inactive key", err, "InvalidClientTokenId")
	if got := u.Keys(); len(got) != 1 || got[0].Active {
		t.Errorf("Keys = %+v", got)
	}
}

func TestKeysOfOneUser(t *testing.T) {
	s := awstest.New(t)
	acc := s.Account("aws", account)
	admin := acc.User("admin")
	admin.Allow("*")
	c := iamClient(s, admin.Key())
	u := acc.User("deploy")
	made, err := c.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("deploy")})
	if err != nil {
		t.Fatal(err)
	}
	k := made.AccessKey
	fresh := rules.Key{ID: aws.ToString(k.AccessKeyId), Secret: rules.NewSecret(aws.ToString(k.SecretAccessKey))}
	if got, err := identity(t, s, fresh); err != nil || got != u.ARN() {
		t.Errorf("identity of a new key = %q, %v", got, err)
	}
	u.Key()
	_, err = c.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("deploy")})
	wantCode(t, "a third key", err, "LimitExceeded")
	out, err := c.ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{UserName: aws.String("deploy")})
	if err != nil || len(out.AccessKeyMetadata) != 2 || out.IsTruncated {
		t.Errorf("ListAccessKeys = %+v, %v", out, err)
	}
	last, err := c.GetAccessKeyLastUsed(t.Context(), &iam.GetAccessKeyLastUsedInput{AccessKeyId: k.AccessKeyId})
	if err != nil || aws.ToString(last.UserName) != "deploy" || aws.ToString(last.AccessKeyLastUsed.ServiceName) != "sts" || last.AccessKeyLastUsed.LastUsedDate == nil {
		t.Errorf("GetAccessKeyLastUsed = %+v, %v", last, err)
	}
	_, err = c.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String("deploy"), AccessKeyId: k.AccessKeyId})
	wantCode(t, "DeleteAccessKey", err, "")
	_, err = identity(t, s, fresh)
	wantCode(t, "a deleted key", err, "InvalidClientTokenId")
}
