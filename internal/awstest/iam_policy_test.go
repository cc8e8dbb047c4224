package awstest_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
)

// world is an account with an administrator and a user.
func world(t *testing.T, o awstest.Options) (*awstest.Server, *awstest.Account, *iam.Client) {
	t.Helper()
	s := awstest.Start(t, o)
	acc := s.Account("aws", account)
	admin := acc.User("admin")
	admin.Allow("*")
	return s, acc, iamClient(s, admin.Key())
}

// plain undoes the encoding of a policy that IAM gives out.
func plain(t *testing.T, text *string) string {
	t.Helper()
	p, err := url.PathUnescape(aws.ToString(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPoliciesOfUsers(t *testing.T) {
	_, acc, c := world(t, awstest.Options{})
	ctx, name := t.Context(), aws.String("u")
	u := acc.User("u")
	doc := awstest.Allow("s3:Get*")
	for _, p := range []string{"c", "a", "b"} {
		_, err := c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: aws.String(p), PolicyDocument: aws.String(doc)})
		wantCode(t, "PutUserPolicy", err, "")
	}
	var names []string
	pages := iam.NewListUserPoliciesPaginator(c, &iam.ListUserPoliciesInput{UserName: name})
	for n := 0; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(ctx)
		if err != nil || n > 1 {
			t.Fatalf("page %d: %v", n, err)
		}
		names = append(names, page.PolicyNames...)
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("ListUserPolicies = %q", names)
	}
	got, err := c.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: name, PolicyName: aws.String("b")})
	if err != nil || plain(t, got.PolicyDocument) != doc || strings.ContainsAny(aws.ToString(got.PolicyDocument), " {+") {
		t.Errorf("GetUserPolicy = %+v, %v", got, err)
	}
	_, err = c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: aws.String("b")})
	wantCode(t, "DeleteUserPolicy", err, "")
	_, err = c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: aws.String("b")})
	wantCode(t, "DeleteUserPolicy again", err, "NoSuchEntity")
	_, err = c.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: name, PolicyName: aws.String("b")})
	wantCode(t, "GetUserPolicy of none", err, "NoSuchEntity")
	if got := u.Policies(); len(got) != 2 || got["a"] != doc {
		t.Errorf("Policies = %v", got)
	}
	_, err = c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("nobody"), PolicyName: aws.String("p"), PolicyDocument: aws.String(doc)})
	wantCode(t, "PutUserPolicy of nobody", err, "NoSuchEntity")
	long := awstest.Allow("s3:" + strings.Repeat("a", 2048))
	_, err = c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: aws.String("p"), PolicyDocument: aws.String(long)})
	wantCode(t, "a long policy", err, "LimitExceeded")
}

func TestAttachedPolicies(t *testing.T) {
	_, acc, c := world(t, awstest.Options{})
	ctx, name := t.Context(), aws.String("u")
	u := acc.User("u")
	own := acc.Policy("own", awstest.Allow("s3:*"))
	want := []string{own, acc.QuarantineARN(2), acc.QuarantineARN(3)}
	slices.Sort(want)
	for _, id := range append(want, own) { // attaching twice is attaching once
		_, err := c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String(id)})
		wantCode(t, "AttachUserPolicy", err, "")
	}
	var got []string
	pages := iam.NewListAttachedUserPoliciesPaginator(c, &iam.ListAttachedUserPoliciesInput{UserName: name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.AttachedPolicies {
			got = append(got, aws.ToString(p.PolicyArn))
			if !strings.HasSuffix(aws.ToString(p.PolicyArn), "/"+aws.ToString(p.PolicyName)) {
				t.Errorf("name %q of %q", aws.ToString(p.PolicyName), aws.ToString(p.PolicyArn))
			}
		}
	}
	if !slices.Equal(got, want) || !slices.Equal(u.Attached(), want) {
		t.Errorf("attached %q, %q, want %q", got, u.Attached(), want)
	}
	for _, id := range []string{"arn:aws:iam::aws:policy/NoneOfThese", "arn:aws-cn:iam::aws:policy/AdministratorAccess"} {
		_, err := c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String(id)})
		wantCode(t, "AttachUserPolicy "+id, err, "NoSuchEntity")
	}
	_, err := c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String("arn:aws:iam::aws:user/nobody")})
	wantCode(t, "AttachUserPolicy of a user", err, "InvalidInput")
	_, err = c.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: aws.String(own)})
	wantCode(t, "DetachUserPolicy", err, "")
	_, err = c.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: aws.String(own)})
	wantCode(t, "DetachUserPolicy again", err, "NoSuchEntity")
	for i := range 9 {
		id := acc.Policy("more"+string(rune('a'+i)), awstest.Allow("s3:*"))
		_, err = c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String(id)})
		wantCode(t, "AttachUserPolicy "+id, err, map[bool]string{true: "LimitExceeded"}[i == 8])
	}
}

func TestQuarantineStopsSelfRescue(t *testing.T) {
	for version := 1; version <= 3; version++ {
		s := awstest.New(t)
		acc := s.Account("aws-us-gov", account)
		u := acc.User("u")
		key := u.Key()
		u.Allow("*")
		u.Quarantine(version)
		c := iam.New(iam.Options{Region: "us-gov-west-1", BaseEndpoint: aws.String(s.URL()), Credentials: provider(key), Retryer: aws.NopRetryer{}})
		ctx, id := t.Context(), aws.String(key.ID)
		_, err := c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{AccessKeyId: id, Status: types.StatusTypeInactive})
		wantCode(t, "UpdateAccessKey", err, "AccessDenied")
		_, err = c.CreateAccessKey(ctx, nil)
		wantCode(t, "CreateAccessKey", err, "AccessDenied")
		_, err = c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: id})
		wantCode(t, "DeleteAccessKey", err, "AccessDenied")
		_, err = c.ListUsers(ctx, nil)
		wantCode(t, "ListUsers", err, "AccessDenied")
		_, err = c.ListAccessKeys(ctx, nil)
		wantCode(t, "ListAccessKeys", err, "")
		_, err = c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: aws.String("u"), PolicyName: aws.String("allow-0")})
		wantCode(t, "DeleteUserPolicy", err, "")
	}
}

func TestMalformedPolicies(t *testing.T) {
	_, acc, c := world(t, awstest.Options{})
	acc.User("u")
	statement := func(s string) string { return `{"Version":"2012-10-17","Statement":[` + s + `]}` }
	for _, doc := range []string{
		`{`, `[]`, `null`, `"x"`, `{}`, `{"Statement":[]}`, `{"Version":"2012-10-17"}`,
		statement(`{"Effect":"Deny","Action":"*","Resource":"*"}`) + "x",
		`{"Version":"2020-01-01","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`,
		`{"Version":"2012-10-17","Statements":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`,
		statement(`{"Effect":"deny","Action":"*","Resource":"*"}`),
		statement(`{"Effect":"Deny","Resource":"*"}`),
		statement(`{"Effect":"Deny","Action":"*"}`),
		statement(`{"Effect":"Deny","Action":"*","NotAction":"*","Resource":"*"}`),
		statement(`{"Effect":"Deny","Action":"everything","Resource":"*"}`),
		statement(`{"Effect":"Deny","Action":"*","Resource":"bucket"}`),
		statement(`{"Effect":"Deny","Action":"*","Resource":"*","Principal":"*"}`),
		statement(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateBefore":{"aws:TokenIssueTime":"2026-01-01T00:00:00Z"}}}`),
		statement(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"TokenIssueTime":"2026-01-01T00:00:00Z"}}}`),
		statement(`{"Effect":"Deny","Action":"*","Resource":"*","Other":1}`),
		statement(`{"Effect":"Deny","Action":{"a":"b"},"Resource":"*"}`),
		statement(`{"Sid":"a b","Effect":"Deny","Action":"*","Resource":"*"}`),
		statement(`{"Sid":"a","Effect":"Deny","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Deny","Action":"*","Resource":"*"}`),
	} {
		_, err := c.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: aws.String("u"), PolicyName: aws.String("p"), PolicyDocument: aws.String(doc)})
		if code(err) != "MalformedPolicyDocument" || status(err) != 400 {
			t.Errorf("PutUserPolicy(%s) = %q", doc, code(err))
		}
	}
	if got := acc.User("u").Policies(); len(got) != 0 {
		t.Errorf("Policies = %v", got)
	}
}

func TestOlderSessionsOfARoleAreRevoked(t *testing.T) {
	clock := awstest.NewClock(time.Now())
	s, acc, c := world(t, awstest.Options{Clock: clock})
	role := acc.Role("worker", awstest.Trust(account, ""), awstest.Allow("iam:*"))
	list := func(k rules.Key) error {
		_, err := iamClient(s, k).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("worker")})
		return err
	}
	older := role.Session("older", time.Hour)
	wantCode(t, "before", list(older), "")
	clock.Advance(10 * time.Second)
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateLessThan":{"aws:TokenIssueTime":"` +
		clock.Now().Format("2006-01-02T15:04:05.000Z") + `"}}}]}`
	_, err := c.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("worker"), PolicyName: aws.String("AWSRevokeOlderSessions"), PolicyDocument: aws.String(doc)})
	wantCode(t, "PutRolePolicy", err, "")
	clock.Advance(10 * time.Second)
	wantCode(t, "the older session", list(older), "AccessDenied")
	wantCode(t, "a newer session", list(role.Session("newer", time.Hour)), "")
	if _, err := identity(t, s, older); err != nil {
		t.Errorf("GetCallerIdentity of the older session: %v", err)
	}
}

func TestPoliciesOfRoles(t *testing.T) {
	_, acc, c := world(t, awstest.Options{})
	ctx, name := t.Context(), aws.String("worker")
	trust := awstest.Trust(account, "x")
	role := acc.Role("/path/worker", trust, awstest.Allow("s3:*"))
	got, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	if err != nil || plain(t, got.Role.AssumeRolePolicyDocument) != trust || aws.ToString(got.Role.Arn) != role.ARN() || aws.ToInt32(got.Role.MaxSessionDuration) != 3600 {
		t.Errorf("GetRole = %+v, %v", got, err)
	}
	_, err = c.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("nobody")})
	wantCode(t, "GetRole of none", err, "NoSuchEntity")
	_, err = c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("p"), PolicyDocument: aws.String(awstest.Deny("*"))})
	wantCode(t, "PutRolePolicy", err, "")
	pages := iam.NewListRolePoliciesPaginator(c, &iam.ListRolePoliciesInput{RoleName: name})
	page, err := pages.NextPage(ctx)
	if err != nil || !slices.Equal(page.PolicyNames, []string{"p", "policy-0"}) || page.IsTruncated {
		t.Errorf("ListRolePolicies = %+v, %v", page, err)
	}
	one, err := c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String("p")})
	if err != nil || plain(t, one.PolicyDocument) != role.Policies()["p"] || aws.ToString(one.RoleName) != "worker" {
		t.Errorf("GetRolePolicy = %+v, %v", one, err)
	}
	_, err = c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("p")})
	wantCode(t, "DeleteRolePolicy", err, "")
	_, err = c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String("p")})
	wantCode(t, "GetRolePolicy of none", err, "NoSuchEntity")
	id := aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")
	_, err = c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: id})
	wantCode(t, "AttachRolePolicy", err, "")
	attached, err := c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name})
	if err != nil || len(attached.AttachedPolicies) != 1 || aws.ToString(attached.AttachedPolicies[0].PolicyName) != "ReadOnlyAccess" {
		t.Errorf("ListAttachedRolePolicies = %+v, %v", attached, err)
	}
	_, err = c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: id})
	wantCode(t, "DetachRolePolicy", err, "")
	if len(role.Attached()) != 0 {
		t.Errorf("Attached = %q", role.Attached())
	}
	acc.ServiceLinkedRole("AWSServiceRoleForX", "x.amazonaws.com")
	roles, err := c.ListRoles(ctx, nil)
	if err != nil || len(roles.Roles) != 2 || aws.ToString(roles.Roles[1].RoleName) != "worker" {
		t.Errorf("ListRoles = %+v, %v", roles, err)
	}
	roles, err = c.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: aws.String("/path/")})
	if err != nil || len(roles.Roles) != 1 || aws.ToString(roles.Roles[0].Arn) != role.ARN() {
		t.Errorf("ListRoles of /path/ = %+v, %v", roles, err)
	}
	_, err = c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("AWSServiceRoleForX"), PolicyName: aws.String("p"), PolicyDocument: aws.String(awstest.Deny("*"))})
	wantCode(t, "PutRolePolicy of a service's role", err, "UnmodifiableEntity")
}
