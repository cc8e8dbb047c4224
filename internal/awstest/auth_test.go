package awstest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

func TestEveryStateOfAKeyHasItsAnswer(t *testing.T) {
	s := awstest.New(t)
	acc := s.Account("aws", account)
	r := rulestest.Rand(1)
	gone, off := acc.User("gone"), acc.User("off")
	deleted, inactive := gone.Key(), off.Key()
	gone.RemoveKey(deleted.ID)
	off.SetActive(inactive.ID, false)
	live, old := acc.User("live").Key(), acc.User("live").OldKey()
	denied := acc.User("denied")
	denied.Deny("*")
	role := acc.Role("/x/worker", awstest.Trust(account, ""))
	session, over := role.Session("job", time.Hour), role.Session("job", -time.Second)
	elsewhere := s.Account("aws-cn", "210987654321").User("cn").Key()
	with := func(k rules.Key, change func(*rules.Key)) rules.Key { change(&k); return k }
	other := rules.NewSecret(rulestest.Secret(r))
	for _, tt := range []struct {
		name   string
		key    rules.Key
		region string
		arn    string
		status int
		code   string
	}{
		{"live", live, "us-east-1", acc.User("live").ARN(), 200, ""},
		{"live in another region", live, "eu-central-1", acc.User("live").ARN(), 200, ""},
		{"of the first generation", old, "us-east-1", acc.User("live").ARN(), 200, ""},
		{"root", acc.Root().Key(), "us-east-1", "arn:aws:iam::" + account + ":root", 200, ""},
		{"under a deny of everything", denied.Key(), "us-east-1", denied.ARN(), 200, ""},
		{"of a role", session, "us-east-1", "arn:aws:sts::" + account + ":assumed-role/worker/job", 200, ""},
		{"federated", acc.User("live").Federate("guest", time.Hour, ""), "us-east-1", "arn:aws:sts::" + account + ":federated-user/guest", 200, ""},
		{"a user's session", acc.User("live").Session(time.Hour), "us-east-1", acc.User("live").ARN(), 200, ""},
		{"of China", elsewhere, "cn-northwest-1", "arn:aws-cn:iam::210987654321:user/cn", 200, ""},
		{"of China asked elsewhere", elsewhere, "us-east-1", "", 403, "InvalidClientTokenId"},
		{"of nobody", rules.Key{ID: rulestest.KeyIDOf(r, "AKIA", 123456789012), Secret: other}, "us-east-1", "", 403, "InvalidClientTokenId"},
		{"deleted", deleted, "us-east-1", "", 403, "InvalidClientTokenId"},
		{"inactive", inactive, "us-east-1", "", 403, "InvalidClientTokenId"},
		{"asked in Gov", live, "us-gov-west-1", "", 403, "InvalidClientTokenId"},
		{"asked in the sovereign cloud", live, "eusc-de-east-1", "", 403, "InvalidClientTokenId"},
		{"wrong secret", with(live, func(k *rules.Key) { k.Secret = other }), "us-east-1", "", 403, "SignatureDoesNotMatch"},
		{"inactive with a wrong secret", with(inactive, func(k *rules.Key) { k.Secret = other }), "us-east-1", "", 403, "InvalidClientTokenId"},
		{"long-term with a token", with(live, func(k *rules.Key) { k.Token = session.Token }), "us-east-1", "", 403, "InvalidClientTokenId"},
		{"session without a token", with(session, func(k *rules.Key) { k.Token = rules.Secret{} }), "us-east-1", "", 403, "InvalidClientTokenId"},
		{"session with another's token", with(session, func(k *rules.Key) { k.Token = over.Token }), "us-east-1", "", 403, "InvalidClientTokenId"},
		{"session that is over", over, "us-east-1", "", 403, "ExpiredToken"},
		{"session with a wrong secret", with(session, func(k *rules.Key) { k.Secret = other }), "us-east-1", "", 403, "SignatureDoesNotMatch"},
	} {
		out, err := stsIn(s, tt.key, tt.region).GetCallerIdentity(t.Context(), nil)
		if code(err) != tt.code || err != nil && status(err) != tt.status {
			t.Errorf("%s: %d %q, want %d %q", tt.name, status(err), code(err), tt.status, tt.code)
		}
		if err == nil && (aws.ToString(out.Arn) != tt.arn || !strings.Contains(tt.arn, ":"+aws.ToString(out.Account)+":") || aws.ToString(out.UserId) == "") {
			t.Errorf("%s: %s of %s, want %s", tt.name, aws.ToString(out.Arn), aws.ToString(out.Account), tt.arn)
		}
		if tt.code == "SignatureDoesNotMatch" && !strings.Contains(err.Error(), "The request signature we calculated does not match") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestSessionsOutliveTheirKeyAndEndAtTheirTime(t *testing.T) {
	s := awstest.New(t)
	u := s.Account("aws", account).User("u")
	key := u.Key()
	made, err := stsClient(s, key).GetSessionToken(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	session := fromWire(made.Credentials)
	u.SetActive(key.ID, false)
	if _, err := identity(t, s, session); err != nil {
		t.Errorf("session of an inactive key: %v", err)
	}
	if made.Credentials.Expiration.Sub(s.Clock().Now()).Round(time.Minute) != 12*time.Hour {
		t.Errorf("session ends at %v", made.Credentials.Expiration)
	}
	late := s.Clock()
	late.Advance(12 * time.Hour)
	_, e, _ := send(t, signed(t, s, session, "sts", "us-east-1", late.Now()))
	if e.Code != "ExpiredToken" {
		t.Errorf("after its end = %q", e.Code)
	}
}

func TestSessionsOfUsersHaveNoIAMWithoutMFA(t *testing.T) {
	s := awstest.New(t)
	u := s.Account("aws", account).User("u")
	u.Allow("*")
	list := func(k rules.Key) error {
		_, err := iamClient(s, k).ListAccessKeys(t.Context(), nil)
		return err
	}
	wantCode(t, "a session", list(u.Session(time.Hour)), "InvalidClientTokenId")
	wantCode(t, "a federated session", list(u.Federate("guest", time.Hour, awstest.Allow("*"))), "InvalidClientTokenId")
	wantCode(t, "a session with MFA", list(u.MFASession(time.Hour)), "")
	_, err := iamClient(s, u.MFASession(time.Hour)).CreateAccessKey(t.Context(), nil)
	wantCode(t, "CreateAccessKey of a session without a name", err, "ValidationError")
}

func TestChangesSpreadSlowly(t *testing.T) {
	clock := &awstest.Clock{}
	s := awstest.Start(t, awstest.Options{Clock: clock, Delay: 2 * time.Second})
	acc := s.Account("aws", account)
	admin := acc.User("admin")
	admin.Allow("*")
	c := iamClient(s, admin.Key())
	u := acc.User("u")
	key := u.Key()
	update := func(to types.StatusType) {
		t.Helper()
		_, err := c.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{UserName: aws.String("u"), AccessKeyId: aws.String(key.ID), Status: to})
		wantCode(t, "UpdateAccessKey", err, "")
	}
	update(types.StatusTypeInactive)
	out, err := c.ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{UserName: aws.String("u")})
	if err != nil || len(out.AccessKeyMetadata) != 1 || out.AccessKeyMetadata[0].Status != types.StatusTypeInactive {
		t.Errorf("IAM does not see its own change: %+v, %v", out, err)
	}
	_, err = identity(t, s, key)
	wantCode(t, "at once", err, "")
	clock.Advance(2 * time.Second)
	_, err = identity(t, s, key)
	wantCode(t, "later", err, "InvalidClientTokenId")

	made, err := c.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("u")})
	if err != nil {
		t.Fatal(err)
	}
	fresh := rules.Key{ID: aws.ToString(made.AccessKey.AccessKeyId), Secret: rules.NewSecret(aws.ToString(made.AccessKey.SecretAccessKey))}
	_, err = identity(t, s, fresh)
	wantCode(t, "a new key at once", err, "InvalidClientTokenId")
	clock.Advance(2 * time.Second)
	_, err = identity(t, s, fresh)
	wantCode(t, "a new key later", err, "")

	_, err = c.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: aws.String("u"), PolicyName: aws.String("p"), PolicyDocument: aws.String(awstest.Allow("iam:ListAccessKeys"))})
	wantCode(t, "PutUserPolicy", err, "")
	_, err = iamClient(s, fresh).ListAccessKeys(t.Context(), nil)
	wantCode(t, "a new right at once", err, "AccessDenied")
	clock.Advance(2 * time.Second)
	_, err = iamClient(s, fresh).ListAccessKeys(t.Context(), nil)
	wantCode(t, "a new right later", err, "")
}

func TestTwoSecretsWithinSecondsConfuse(t *testing.T) {
	clock := &awstest.Clock{}
	s := awstest.Start(t, awstest.Options{Clock: clock, Confusion: 5 * time.Second})
	key := s.Account("aws", account).User("u").Key()
	wrong := rules.Key{ID: key.ID, Secret: rules.NewSecret(rulestest.Secret(rulestest.Rand(3)))}
	_, err := identity(t, s, wrong)
	wantCode(t, "wrong secret", err, "SignatureDoesNotMatch")
	_, err = identity(t, s, key)
	wantCode(t, "right secret at once", err, "SignatureDoesNotMatch")
	clock.Advance(5 * time.Second)
	_, err = identity(t, s, key)
	wantCode(t, "right secret later", err, "")
}

func TestThousandsOfKeysAreCheap(t *testing.T) {
	s := awstest.New(t)
	seen := map[string]bool{}
	for i := range 50 {
		acc := s.Account("aws", fmt.Sprintf("%012d", 500000000000+i))
		for j := range 50 {
			u := acc.User(fmt.Sprintf("u%d", j))
			for _, k := range []rules.Key{u.Key(), u.OldKey()} {
				if seen[k.ID] || !rules.ValidKeyID(k.ID) {
					t.Fatalf("key ID %s is not new, or not valid", k.ID)
				}
				seen[k.ID] = true
			}
		}
	}
	last := s.Account("aws", "500000000049").User("u49")
	last.RemoveKey(last.Keys()[1].ID)
	if got, err := identity(t, s, last.OldKey()); err != nil || got != last.ARN() {
		t.Errorf("identity = %q, %v", got, err)
	}
}
