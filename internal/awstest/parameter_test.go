package awstest_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
)

func ssmClient(s *awstest.Server, k rules.Key) *ssm.Client {
	return ssm.New(ssm.Options{Region: "eu-west-1", BaseEndpoint: aws.String(s.URL()), Credentials: provider(k), Retryer: aws.NopRetryer{}})
}

func TestParameters(t *testing.T) {
	s := awstest.New(t)
	acc := s.Account("aws", account)
	u := acc.User("u")
	u.Allow("ssm:*")
	c, ctx, name := ssmClient(s, u.Key()), t.Context(), aws.String("/prod/app")
	get := func(name string, plain bool) (*types.Parameter, error) {
		out, err := c.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(name), WithDecryption: aws.Bool(plain)})
		if err != nil {
			return nil, err
		}
		return out.Parameter, nil
	}
	_, err := get("/prod/app", true)
	wantCode(t, "GetParameter of none", err, "ParameterNotFound")
	_, err = c.PutParameter(ctx, &ssm.PutParameterInput{Name: name, Value: aws.String("one")})
	wantCode(t, "PutParameter without a type", err, "ValidationException")
	put, err := c.PutParameter(ctx, &ssm.PutParameterInput{Name: name, Value: aws.String("one"), Type: types.ParameterTypeSecureString, KeyId: aws.String("alias/mine")})
	if err != nil || put.Version != 1 || put.Tier != types.ParameterTierStandard {
		t.Errorf("PutParameter = %+v, %v", put, err)
	}
	_, err = c.PutParameter(ctx, &ssm.PutParameterInput{Name: name, Value: aws.String("two"), Type: types.ParameterTypeSecureString})
	wantCode(t, "PutParameter again", err, "ParameterAlreadyExists")
	list, err := c.DescribeParameters(ctx, &ssm.DescribeParametersInput{ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("Name"), Option: aws.String("Equals"), Values: []string{"/prod/app"}}}})
	if err != nil || len(list.Parameters) != 1 || aws.ToString(list.Parameters[0].KeyId) != "alias/mine" {
		t.Errorf("DescribeParameters = %+v, %v", list, err)
	}
	put, err = c.PutParameter(ctx, &ssm.PutParameterInput{Name: name, Value: aws.String("two"), Overwrite: aws.Bool(true)})
	if err != nil || put.Version != 2 {
		t.Errorf("PutParameter = %+v, %v", put, err)
	}
	if value, version, kms := acc.ParameterValue("eu-west-1", "/prod/app"); value != rules.NewSecret("two") || version != 2 || kms != "alias/aws/ssm" {
		t.Errorf("ParameterValue = %v, %d, %q: an overwrite without a key is under AWS's own", value, version, kms)
	}
	for _, tt := range []struct {
		name  string
		plain bool
		want  string
		code  string
	}{
		{"/prod/app", true, "two", ""},
		{"/prod/app:1", true, "one", ""},
		{"/prod/app:3", true, "", "ParameterVersionNotFound"},
		{"prod/app", true, "", "ValidationException"},
		{"/prod/other", true, "", "ParameterNotFound"},
	} {
		p, err := get(tt.name, tt.plain)
		wantCode(t, tt.name, err, tt.code)
		if err == nil && (aws.ToString(p.Value) != tt.want || p.Type != types.ParameterTypeSecureString || aws.ToString(p.ARN) != "arn:aws:ssm:eu-west-1:"+account+":parameter/prod/app") {
			t.Errorf("GetParameter(%s) = %q, %s, %s", tt.name, aws.ToString(p.Value), p.Type, aws.ToString(p.ARN))
		}
	}
	if p, err := get("/prod/app", false); err != nil || strings.Contains(aws.ToString(p.Value), "two") || aws.ToString(p.Value) == "" {
		t.Errorf("GetParameter without decryption = %v", err)
	}
	_, err = c.PutParameter(ctx, &ssm.PutParameterInput{Name: name, Value: aws.String("x"), Overwrite: aws.Bool(true), Type: types.ParameterTypeString})
	wantCode(t, "another type", err, "HierarchyTypeMismatchException")
	_, err = c.PutParameter(ctx, &ssm.PutParameterInput{Name: name, Value: aws.String(strings.Repeat("x", 4097)), Overwrite: aws.Bool(true)})
	wantCode(t, "a long value", err, "ValidationException")
	_, err = c.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: name})
	wantCode(t, "DeleteParameter", err, "")
	_, err = c.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: name})
	wantCode(t, "DeleteParameter again", err, "ParameterNotFound")
}

func TestParametersArePagedAndGuarded(t *testing.T) {
	s := awstest.New(t)
	acc := s.Account("aws", account)
	u := acc.User("u")
	u.Policy("p", awstest.AllowOn("arn:aws:ssm:eu-west-1:"+account+":parameter/a", "ssm:GetParameter"))
	u.Allow("ssm:DescribeParameters")
	for _, name := range []string{"a", "b", "c"} {
		acc.Parameter("eu-west-1", "/"+name, name, "")
	}
	acc.Parameter("us-east-1", "/d", "d", "")
	c := ssmClient(s, u.Key())
	var got []string
	pages := ssm.NewDescribeParametersPaginator(c, nil)
	for n := 0; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(t.Context())
		if err != nil || n > 1 {
			t.Fatalf("page %d: %v", n, err)
		}
		for _, p := range page.Parameters {
			got = append(got, aws.ToString(p.Name))
		}
	}
	if strings.Join(got, " ") != "/a /b /c" {
		t.Errorf("DescribeParameters = %q", got)
	}
	_, err := c.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/a")})
	wantCode(t, "GetParameter /a", err, "")
	_, err = c.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/b")})
	wantCode(t, "GetParameter /b", err, "AccessDeniedException")
}
