package awstest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

func TestAssumeRoleAsksBothSides(t *testing.T) {
	const other = "210987654321"
	operator := "arn:aws:iam::" + other + ":user/operator"
	for _, tt := range []struct {
		name, trust, own, external string
		from                       string // the operator's account
		code                       string
	}{
		{"across accounts", awstest.Trust(other, ""), awstest.Allow("sts:AssumeRole"), "", other, ""},
		{"an account's ARN", awstest.Trust("arn:aws:iam::"+other+":root", ""), awstest.Allow("sts:AssumeRole"), "", other, ""},
		{"by name", awstest.Trust(operator, ""), awstest.Allow("sts:AssumeRole"), "", other, ""},
		{"not trusted", awstest.Trust(account, ""), awstest.Allow("sts:AssumeRole"), "", other, "AccessDenied"},
		{"another trusted", awstest.Trust(operator+"2", ""), awstest.Allow("sts:AssumeRole"), "", other, "AccessDenied"},
		{"no right of its own", awstest.Trust(operator, ""), awstest.Allow("s3:*"), "", other, "AccessDenied"},
		{"a right to another role", awstest.Trust(other, ""), awstest.AllowOn("arn:aws:iam::"+account+":role/x", "sts:AssumeRole"), "", other, "AccessDenied"},
		{"a deny of its own", awstest.Trust(operator, ""), awstest.Deny("sts:*"), "", other, "AccessDenied"},
		{"external ID", awstest.Trust(other, "hello"), awstest.Allow("sts:AssumeRole"), "hello", other, ""},
		{"no external ID", awstest.Trust(other, "hello"), awstest.Allow("sts:AssumeRole"), "", other, "AccessDenied"},
		{"another external ID", awstest.Trust(other, "hello"), awstest.Allow("sts:AssumeRole"), "Hello", other, "AccessDenied"},
		{"an external ID that nobody asks for", awstest.Trust(other, ""), awstest.Allow("sts:AssumeRole"), "x", other, ""},
		{"same account, by name", awstest.Trust("arn:aws:iam::"+account+":user/operator", ""), awstest.Allow("s3:*"), "", account, ""},
		{"same account, by account", awstest.Trust(account, ""), awstest.Allow("s3:*"), "", account, "AccessDenied"},
		{"a service's", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`, awstest.Allow("*"), "", account, "AccessDenied"},
		{"denied by the role", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:*"},{"Effect":"Deny","Principal":{"AWS":"` + operator + `"},"Action":"sts:AssumeRole"}]}`, awstest.Allow("*"), "", other, "AccessDenied"},
	} {
		s := awstest.New(t)
		u := s.Account("aws", tt.from).User("operator")
		u.Policy("own", tt.own)
		role := s.Account("aws", account).Role("/ir/responder", tt.trust, awstest.Allow("iam:ListUsers"))
		in := &sts.AssumeRoleInput{RoleArn: aws.String(role.ARN()), RoleSessionName: aws.String("case-1")}
		if tt.external != "" {
			in.ExternalId = aws.String(tt.external)
		}
		out, err := stsClient(s, u.Key()).AssumeRole(t.Context(), in)
		wantCode(t, tt.name, err, tt.code)
		if err != nil {
			continue
		}
		if got, err := identity(t, s, fromWire(out.Credentials)); err != nil || got != "arn:aws:sts::"+account+":assumed-role/responder/case-1" {
			t.Errorf("%s: identity = %q, %v", tt.name, got, err)
		}
		if id := aws.ToString(out.AssumedRoleUser.AssumedRoleId); !strings.HasPrefix(id, "AROA") || !strings.HasSuffix(id, ":case-1") {
			t.Errorf("%s: role ID %q", tt.name, id)
		}
		_, err = iamClient(s, fromWire(out.Credentials)).ListUsers(t.Context(), nil)
		wantCode(t, tt.name+": ListUsers", err, "")
	}
}

func TestAssumeRoleChecksWhatItIsGiven(t *testing.T) {
	s := awstest.New(t)
	acc := s.Account("aws", account)
	u := acc.User("operator")
	u.Allow("sts:AssumeRole")
	role := acc.Role("responder", awstest.Trust(account, ""), awstest.Allow("*"))
	key := u.Key()
	for _, tt := range []struct {
		name string
		key  rules.Key
		in   sts.AssumeRoleInput
		code string
	}{
		{"a short name", key, sts.AssumeRoleInput{RoleSessionName: aws.String("x")}, "ValidationError"},
		{"a name with a slash", key, sts.AssumeRoleInput{RoleSessionName: aws.String("a/b")}, "ValidationError"},
		{"too short", key, sts.AssumeRoleInput{DurationSeconds: aws.Int32(899)}, "ValidationError"},
		{"too long for the role", key, sts.AssumeRoleInput{DurationSeconds: aws.Int32(3601)}, "ValidationError"},
		{"no ARN", key, sts.AssumeRoleInput{RoleArn: aws.String("responder-of-this-account")}, "ValidationError"},
		{"no such role", key, sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/other")}, "AccessDenied"},
		{"no such account", key, sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::000000000001:role/responder")}, "AccessDenied"},
		{"another path", key, sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/x/responder")}, "AccessDenied"},
		{"another partition", key, sts.AssumeRoleInput{RoleArn: aws.String("arn:aws-cn:iam::" + account + ":role/responder")}, "AccessDenied"},
		{"root", acc.Root().Key(), sts.AssumeRoleInput{}, "AccessDenied"},
		{"a policy that is none", key, sts.AssumeRoleInput{Policy: aws.String("{}")}, "MalformedPolicyDocument"},
		{"a user's session", u.Session(time.Hour), sts.AssumeRoleInput{}, ""},
		{"a federated session", u.Federate("guest", time.Hour, awstest.Allow("*")), sts.AssumeRoleInput{}, "AccessDenied"},
		{"all right", key, sts.AssumeRoleInput{DurationSeconds: aws.Int32(3600)}, ""},
	} {
		in := tt.in
		if in.RoleArn == nil {
			in.RoleArn = aws.String(role.ARN())
		}
		if in.RoleSessionName == nil {
			in.RoleSessionName = aws.String("name")
		}
		_, err := stsClient(s, tt.key).AssumeRole(t.Context(), &in)
		wantCode(t, tt.name, err, tt.code)
	}
	// A session is cut down by the policy that it was asked with.
	out, err := stsClient(s, key).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String(role.ARN()), RoleSessionName: aws.String("name"), Policy: aws.String(awstest.Allow("iam:ListUsers")),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := iamClient(s, fromWire(out.Credentials))
	_, err = c.ListUsers(t.Context(), nil)
	wantCode(t, "inside the policy", err, "")
	_, err = c.GetAccountSummary(t.Context(), nil)
	wantCode(t, "outside the policy", err, "AccessDenied")
	role.Remove()
	_, err = c.ListUsers(t.Context(), nil)
	wantCode(t, "of a deleted role", err, "InvalidClientTokenId")
}

func TestGetAccessKeyInfoKnowsTheAccount(t *testing.T) {
	s := awstest.New(t)
	acc := s.Account("aws", account)
	u := s.Account("aws", "210987654321").User("u")
	old, off := u.OldKey(), u.Key()
	u.SetActive(off.ID, false)
	cn := s.Account("aws-cn", "310987654321").User("u").Key()
	asker := acc.User("asker")
	asker.Allow("sts:GetAccessKeyInfo")
	c := stsClient(s, asker.Key())
	r := rulestest.Rand(9)
	for _, tt := range []struct{ name, id, account, code string }{
		{"old", old.ID, "210987654321", ""},
		{"inactive", off.ID, "210987654321", ""},
		{"a session", u.Session(time.Hour).ID, "210987654321", ""},
		{"unknown, with its account inside", rulestest.KeyIDOf(r, "AKIA", 7), "000000000007", ""},
		{"unknown and old", "AKIA" + strings.Repeat("A", 16), "", "ValidationError"},
		{"of China", cn.ID, "", "ValidationError"},
		{"no ID", "nothing that is an ID", "", "ValidationError"},
	} {
		out, err := c.GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String(tt.id)})
		wantCode(t, tt.name, err, tt.code)
		if err == nil && aws.ToString(out.Account) != tt.account {
			t.Errorf("%s: account %q, want %q", tt.name, aws.ToString(out.Account), tt.account)
		}
	}
	_, err := stsClient(s, acc.User("other").Key()).GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String(old.ID)})
	wantCode(t, "without a right", err, "AccessDenied")
}

func TestGetSessionToken(t *testing.T) {
	s := awstest.New(t)
	acc := s.Account("aws", account)
	u := acc.User("u")
	u.Allow("iam:ListAccessKeys")
	serial, shown := u.MFA("phone")
	key := u.Key()
	c := stsClient(s, key)
	made, err := c.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{SerialNumber: aws.String(serial), TokenCode: aws.String(shown), DurationSeconds: aws.Int32(900)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = iamClient(s, fromWire(made.Credentials)).ListAccessKeys(t.Context(), nil)
	wantCode(t, "IAM with MFA", err, "")
	wrong := strings.Map(func(r rune) rune { return '0' + (r-'0'+1)%10 }, shown)
	_, err = c.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{SerialNumber: aws.String(serial), TokenCode: aws.String(wrong)})
	wantCode(t, "another code", err, "AccessDenied")
	_, err = stsClient(s, fromWire(made.Credentials)).GetSessionToken(t.Context(), nil)
	wantCode(t, "from a session", err, "AccessDenied")
	_, err = c.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(129601)})
	wantCode(t, "too long", err, "ValidationError")
	_, err = stsClient(s, acc.Root().Key()).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(3601)})
	wantCode(t, "too long for root", err, "ValidationError")
	u.Deny("sts:GetSessionToken")
	_, err = c.GetSessionToken(t.Context(), nil)
	wantCode(t, "denied", err, "AccessDenied")
}

func TestGetFederationToken(t *testing.T) {
	s := awstest.New(t)
	acc := s.Account("aws", account)
	u := acc.User("u")
	u.Allow("sts:GetFederationToken", "secretsmanager:*")
	c := stsClient(s, u.Key())
	acc.Secret("us-east-1", "app", "value")
	read := func(cr *ststypes.Credentials) error {
		_, err := secretsClient(s, fromWire(cr)).DescribeSecret(t.Context(), describe("app"))
		return err
	}
	made, err := c.GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("guest"), Policy: aws.String(awstest.Allow("*"))})
	if err != nil || aws.ToString(made.FederatedUser.Arn) != "arn:aws:sts::"+account+":federated-user/guest" || aws.ToString(made.FederatedUser.FederatedUserId) != account+":guest" {
		t.Fatalf("GetFederationToken = %+v, %v", made, err)
	}
	wantCode(t, "with a policy", read(made.Credentials), "")
	none, err := c.GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("guest")})
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "without a policy", read(none.Credentials), "AccessDeniedException")
	_, err = iamClient(s, fromWire(made.Credentials)).ListUsers(t.Context(), &iam.ListUsersInput{})
	wantCode(t, "IAM", err, "InvalidClientTokenId")
	_, err = stsClient(s, acc.User("other").Key()).GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("guest")})
	wantCode(t, "without a right", err, "AccessDenied")
}
