package awstest_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
)

// account is the one that most tests play in.
const account = "123456789012"

func provider(k rules.Key) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(k.ID, k.Secret.Reveal(), k.Token.Reveal())
}

func stsClient(s *awstest.Server, k rules.Key) *sts.Client { return stsIn(s, k, "us-east-1") }

func stsIn(s *awstest.Server, k rules.Key, region string) *sts.Client {
	return sts.New(sts.Options{Region: region, BaseEndpoint: aws.String(s.URL()), Credentials: provider(k), Retryer: aws.NopRetryer{}})
}

func iamClient(s *awstest.Server, k rules.Key) *iam.Client {
	return iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: aws.String(s.URL()), Credentials: provider(k), Retryer: aws.NopRetryer{}})
}

// code is AWS's word for what went wrong, "" for nothing.
func code(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return "no API error: " + err.Error()
}

// status is the HTTP status of a refusal.
func status(err error) int {
	if e, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}

func wantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Errorf("%s = %q, want %q (%v)", what, got, want, err)
	}
}

// identity asks who the key belongs to.
func identity(t *testing.T, s *awstest.Server, k rules.Key) (string, error) {
	t.Helper()
	out, err := stsClient(s, k).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Arn), nil
}

func fromWire(c *ststypes.Credentials) rules.Key {
	return rules.Key{
		ID: aws.ToString(c.AccessKeyId), Secret: rules.NewSecret(aws.ToString(c.SecretAccessKey)),
		Token: rules.NewSecret(aws.ToString(c.SessionToken)),
	}
}
