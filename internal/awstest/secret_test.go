package awstest_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
)

func secretsClient(s *awstest.Server, k rules.Key) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{Region: "us-east-1", BaseEndpoint: aws.String(s.URL()), Credentials: provider(k), Retryer: aws.NopRetryer{}})
}

func describe(id string) *secretsmanager.DescribeSecretInput {
	return &secretsmanager.DescribeSecretInput{SecretId: aws.String(id)}
}

// token is a request token of a valid length.
func token(text string) *string { return aws.String(text + strings.Repeat("0", 32-len(text))) }

func TestVersionsOfASecret(t *testing.T) {
	s := awstest.New(t)
	acc := s.Account("aws", account)
	u := acc.User("u")
	u.Allow("secretsmanager:*")
	c, ctx := secretsClient(s, u.Key()), t.Context()
	made, err := c.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("prod/app"), SecretString: aws.String("one"), ClientRequestToken: token("one")})
	if err != nil || !strings.HasPrefix(aws.ToString(made.ARN), "arn:aws:secretsmanager:us-east-1:"+account+":secret:prod/app-") {
		t.Fatalf("CreateSecret = %+v, %v", made, err)
	}
	put := func(tok, value string, stages ...string) error {
		_, err := c.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
			SecretId: aws.String("prod/app"), ClientRequestToken: token(tok), SecretString: aws.String(value), VersionStages: stages,
		})
		return err
	}
	stages := func(want map[string][]string) {
		t.Helper()
		got, err := c.DescribeSecret(ctx, describe(aws.ToString(made.ARN)))
		if err != nil || !reflect.DeepEqual(got.VersionIdsToStages, want) {
			t.Errorf("stages = %v, %v, want %v", got.VersionIdsToStages, err, want)
		}
	}
	one, two, three := *token("one"), *token("two"), *token("three")
	wantCode(t, "PutSecretValue", put("two", "two", "AWSPENDING"), "")
	wantCode(t, "PutSecretValue again", put("two", "two", "AWSPENDING"), "")
	stages(map[string][]string{one: {"AWSCURRENT"}, two: {"AWSPENDING"}})
	wantCode(t, "PutSecretValue of another value", put("two", "other", "AWSPENDING"), "ResourceExistsException")
	move := func(stage string, to, from *string) error {
		_, err := c.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
			SecretId: aws.String("prod/app"), VersionStage: aws.String(stage), MoveToVersionId: to, RemoveFromVersionId: from,
		})
		return err
	}
	wantCode(t, "moving without saying from where", move("AWSCURRENT", &two, nil), "InvalidParameterException")
	wantCode(t, "moving from where it is not", move("AWSCURRENT", &two, &two), "InvalidParameterException")
	wantCode(t, "removing the current stage", move("AWSCURRENT", nil, &one), "InvalidParameterException")
	wantCode(t, "moving to no version", move("AWSCURRENT", &three, &one), "ResourceNotFoundException")
	wantCode(t, "moving", move("AWSCURRENT", &two, &one), "")
	stages(map[string][]string{one: {"AWSPREVIOUS"}, two: {"AWSCURRENT", "AWSPENDING"}})
	wantCode(t, "removing a stage", move("AWSPENDING", nil, &two), "")
	wantCode(t, "moving back", move("AWSCURRENT", &one, &two), "")
	stages(map[string][]string{one: {"AWSCURRENT"}, two: {"AWSPREVIOUS"}})
	wantCode(t, "a third version", put("three", "three"), "")
	stages(map[string][]string{one: {"AWSPREVIOUS"}, three: {"AWSCURRENT"}})

	get := func(in secretsmanager.GetSecretValueInput) (string, error) {
		in.SecretId = aws.String("prod/app")
		out, err := c.GetSecretValue(ctx, &in)
		if err != nil {
			return "", err
		}
		return aws.ToString(out.SecretString), nil
	}
	for _, tt := range []struct {
		name string
		in   secretsmanager.GetSecretValueInput
		want string
		code string
	}{
		{"the current", secretsmanager.GetSecretValueInput{}, "three", ""},
		{"the previous", secretsmanager.GetSecretValueInput{VersionStage: aws.String("AWSPREVIOUS")}, "one", ""},
		{"one without a stage", secretsmanager.GetSecretValueInput{VersionId: &two}, "two", ""},
		{"both", secretsmanager.GetSecretValueInput{VersionId: &one, VersionStage: aws.String("AWSPREVIOUS")}, "one", ""},
		{"both that do not fit", secretsmanager.GetSecretValueInput{VersionId: &one, VersionStage: aws.String("AWSCURRENT")}, "", "InvalidRequestException"},
		{"no such stage", secretsmanager.GetSecretValueInput{VersionStage: aws.String("AWSPENDING")}, "", "ResourceNotFoundException"},
		{"no such version", secretsmanager.GetSecretValueInput{VersionId: token("x")}, "", "ResourceNotFoundException"},
	} {
		got, err := get(tt.in)
		if got != tt.want || code(err) != tt.code {
			t.Errorf("%s: %q, %q, want %q, %q", tt.name, got, code(err), tt.want, tt.code)
		}
	}
	if got := acc.SecretValue("us-east-1", "prod/app", "AWSCURRENT"); got != rules.NewSecret("three") {
		t.Errorf("SecretValue = %v", got)
	}
	if got := acc.SecretVersions("us-east-1", "prod/app"); len(got) != 3 || len(got[two]) != 0 {
		t.Errorf("SecretVersions = %v", got)
	}
}

func TestRefusalsOfSecretsManager(t *testing.T) {
	s := awstest.New(t)
	acc := s.Account("aws", account)
	acc.Secret("us-east-1", "app", "value")
	acc.Secret("us-east-1", "dead", "value")
	acc.MarkSecretDeleted("us-east-1", "dead")
	u := acc.User("u")
	u.Policy("p", awstest.AllowOn("arn:aws:secretsmanager:us-east-1:"+account+":secret:[a-z]*", "secretsmanager:*"))
	key := u.Key()
	c, ctx := secretsClient(s, key), t.Context()
	_, err := c.DescribeSecret(ctx, describe("app"))
	wantCode(t, "a resource that is not the policy's", err, "AccessDeniedException")
	if status(err) != 400 {
		t.Errorf("status %d, want 400", status(err))
	}
	u.Policy("p", awstest.AllowOn("arn:aws:secretsmanager:us-east-1:"+account+":secret:*", "secretsmanager:*"))
	_, err = c.DescribeSecret(ctx, describe("nothing"))
	wantCode(t, "no such secret", err, "ResourceNotFoundException")
	_, err = c.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("dead")})
	wantCode(t, "a deleted secret", err, "InvalidRequestException")
	out, err := c.DescribeSecret(ctx, describe("dead"))
	if err != nil || out.DeletedDate == nil {
		t.Errorf("DescribeSecret = %+v, %v", out, err)
	}
	_, err = c.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("app"), SecretString: aws.String("x")})
	wantCode(t, "CreateSecret of one that is there", err, "ResourceExistsException")
	_, err = c.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String("app"), ClientRequestToken: aws.String("short"), SecretString: aws.String("x")})
	wantCode(t, "a short token", err, "InvalidParameterException")
	_, err = c.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String("app")})
	wantCode(t, "no value", err, "InvalidParameterException")
	_, err = c.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String("app"), SecretString: aws.String(strings.Repeat("x", 65537))})
	wantCode(t, "a long value", err, "ValidationException")
	_, err = c.ListSecrets(ctx, nil)
	wantCode(t, "an action that is not known", err, "UnknownOperationException")
	_, err = c.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String("app"), ForceDeleteWithoutRecovery: aws.Bool(true)})
	wantCode(t, "DeleteSecret", err, "")
	_, err = c.DescribeSecret(ctx, describe("app"))
	wantCode(t, "a deleted secret", err, "ResourceNotFoundException")
	u.SetActive(key.ID, false)
	_, err = c.DescribeSecret(ctx, describe("app"))
	wantCode(t, "an inactive key", err, "UnrecognizedClientException")
}
