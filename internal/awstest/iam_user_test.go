package awstest_test

import (
	"slices"
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

func TestUsersOfAnAccount(t *testing.T) {
	s, acc, c := world(t, awstest.Options{})
	ctx := t.Context()
	for _, name := range []string{"/team/b", "c", "/team/a"} {
		acc.User(name)
	}
	names := func(prefix *string) (list []string) {
		pages := iam.NewListUsersPaginator(c, &iam.ListUsersInput{PathPrefix: prefix, MaxItems: aws.Int32(100)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Users) > 2 {
				t.Errorf("a page of %d", len(page.Users))
			}
			for _, u := range page.Users {
				list = append(list, aws.ToString(u.UserName))
			}
		}
		return list
	}
	if got := names(nil); !slices.Equal(got, []string{"a", "admin", "b", "c"}) {
		t.Errorf("ListUsers = %q", got)
	}
	if got := names(aws.String("/team/")); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("ListUsers of /team/ = %q", got)
	}
	s.SetPageSize(3)
	first, err := c.ListUsers(ctx, &iam.ListUsersInput{MaxItems: aws.Int32(1)})
	if err != nil || len(first.Users) != 1 || !first.IsTruncated {
		t.Errorf("ListUsers of one = %+v, %v", first, err)
	}
	_, err = c.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: aws.String("a"), Marker: first.Marker})
	wantCode(t, "another list's marker", err, "ValidationError")
	_, err = c.ListUsers(ctx, &iam.ListUsersInput{Marker: aws.String("x")})
	wantCode(t, "a marker that is none", err, "ValidationError")
	_, err = c.ListUsers(ctx, &iam.ListUsersInput{MaxItems: aws.Int32(1001)})
	wantCode(t, "too many", err, "ValidationError")

	got, err := c.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("b")})
	if err != nil || aws.ToString(got.User.Arn) != "arn:aws:iam::"+account+":user/team/b" || aws.ToString(got.User.Path) != "/team/" || aws.ToString(got.User.UserId) != acc.User("b").ID() {
		t.Errorf("GetUser = %+v, %v", got, err)
	}
	me, err := c.GetUser(ctx, nil)
	if err != nil || aws.ToString(me.User.UserName) != "admin" {
		t.Errorf("GetUser = %+v, %v", me, err)
	}
	root, err := iamClient(s, acc.Root().Key()).GetUser(ctx, nil)
	if err != nil || root.User.UserName != nil || aws.ToString(root.User.Arn) != "arn:aws:iam::"+account+":root" {
		t.Errorf("GetUser of root = %+v, %v", root, err)
	}
	_, err = c.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("a/b")})
	wantCode(t, "a name that is none", err, "ValidationError")
}

func TestOmittedUserNames(t *testing.T) {
	s, acc, _ := world(t, awstest.Options{})
	ctx := t.Context()
	root := acc.Root()
	rootKey := root.Key()
	c := iamClient(s, rootKey)
	_, err := c.CreateAccessKey(ctx, nil)
	wantCode(t, "root makes a key", err, "")
	if got := root.Keys(); len(got) != 2 {
		t.Errorf("root has %d keys", len(got))
	}
	sum, err := c.GetAccountSummary(ctx, nil)
	if err != nil || sum.SummaryMap["AccountAccessKeysPresent"] != 1 || sum.SummaryMap["Users"] != 1 || sum.SummaryMap["AccessKeysPerUserQuota"] != 2 {
		t.Errorf("GetAccountSummary = %+v, %v", sum, err)
	}
	_, err = c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{AccessKeyId: aws.String(rootKey.ID), Status: types.StatusTypeInactive})
	wantCode(t, "root turns itself off", err, "")
	_, err = identity(t, s, rootKey)
	wantCode(t, "root's key", err, "InvalidClientTokenId")

	role := acc.Role("worker", awstest.Trust(account, ""), awstest.Allow("iam:*"))
	r := iamClient(s, role.Session("job", time.Hour))
	_, err = r.CreateAccessKey(ctx, nil)
	wantCode(t, "CreateAccessKey of a role", err, "ValidationError")
	_, err = r.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{AccessKeyId: aws.String(rootKey.ID), Status: types.StatusTypeInactive})
	wantCode(t, "UpdateAccessKey of a role", err, "ValidationError")
	_, err = r.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: aws.String(rootKey.ID)})
	wantCode(t, "DeleteAccessKey of a role", err, "ValidationError")
	_, err = r.ListAccessKeys(ctx, nil)
	wantCode(t, "ListAccessKeys of a role", err, "ValidationError")
	_, err = r.GetUser(ctx, nil)
	wantCode(t, "GetUser of a role", err, "ValidationError")
}

func TestOwnersOfKeys(t *testing.T) {
	s, acc, c := world(t, awstest.Options{})
	u := acc.User("/deep/deploy")
	key, old := u.Key(), u.OldKey()
	other := s.Account("aws", "210987654321").User("x").Key()
	used := time.Date(2026, 3, 1, 2, 3, 4, 0, time.UTC)
	u.SetUsed(old.ID, used, "s3", "eu-west-1")
	ask := func(id string) (*iam.GetAccessKeyLastUsedOutput, error) {
		return c.GetAccessKeyLastUsed(t.Context(), &iam.GetAccessKeyLastUsedInput{AccessKeyId: aws.String(id)})
	}
	out, err := ask(key.ID)
	if err != nil || aws.ToString(out.UserName) != "deploy" || out.AccessKeyLastUsed.LastUsedDate != nil || aws.ToString(out.AccessKeyLastUsed.ServiceName) != "N/A" {
		t.Errorf("never used: %+v, %v", out, err)
	}
	out, err = ask(old.ID)
	if err != nil || !out.AccessKeyLastUsed.LastUsedDate.Equal(used) || aws.ToString(out.AccessKeyLastUsed.Region) != "eu-west-1" {
		t.Errorf("used: %+v, %v", out, err)
	}
	for name, id := range map[string]string{
		"another account's": other.ID, "nobody's": rulestest.KeyIDOf(rulestest.Rand(4), "AKIA", 123456789012),
		"a session's": acc.Role("worker", awstest.Trust(account, "")).Session("job", time.Hour).ID,
	} {
		_, err := ask(id)
		wantCode(t, name, err, "AccessDenied")
	}
	_, err = ask("short")
	wantCode(t, "no ID", err, "ValidationError")
	_, err = c.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{UserName: aws.String("admin"), AccessKeyId: aws.String(key.ID), Status: types.StatusTypeInactive})
	wantCode(t, "another user's key", err, "NoSuchEntity")
	_, err = c.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{UserName: aws.String("deploy"), AccessKeyId: aws.String(key.ID), Status: "Off"})
	wantCode(t, "another status", err, "ValidationError")
}

func TestLoginProfiles(t *testing.T) {
	_, acc, c := world(t, awstest.Options{})
	ctx, name := t.Context(), aws.String("u")
	u := acc.User("u")
	password := aws.String(rulestest.Text(rulestest.Rand(8), rulestest.LowerAlphabet, 20))
	_, err := c.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: name})
	wantCode(t, "GetLoginProfile of none", err, "NoSuchEntity")
	_, err = c.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: name})
	wantCode(t, "DeleteLoginProfile of none", err, "NoSuchEntity")
	_, err = c.UpdateLoginProfile(ctx, &iam.UpdateLoginProfileInput{UserName: name, Password: password})
	wantCode(t, "UpdateLoginProfile of none", err, "NoSuchEntity")
	_, err = c.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: name, Password: aws.String("short")})
	wantCode(t, "a short password", err, "PasswordPolicyViolation")
	made, err := c.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: name, Password: password, PasswordResetRequired: true})
	if err != nil || aws.ToString(made.LoginProfile.UserName) != "u" || !made.LoginProfile.PasswordResetRequired {
		t.Errorf("CreateLoginProfile = %+v, %v", made, err)
	}
	_, err = c.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: name, Password: password})
	wantCode(t, "CreateLoginProfile again", err, "EntityAlreadyExists")
	_, err = c.UpdateLoginProfile(ctx, &iam.UpdateLoginProfileInput{UserName: name, PasswordResetRequired: aws.Bool(false)})
	wantCode(t, "UpdateLoginProfile", err, "")
	got, err := c.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: name})
	if err != nil || got.LoginProfile.PasswordResetRequired || got.LoginProfile.CreateDate == nil || !u.HasPassword() {
		t.Errorf("GetLoginProfile = %+v, %v", got, err)
	}
	_, err = c.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: name})
	wantCode(t, "DeleteLoginProfile", err, "")
	if u.HasPassword() {
		t.Error("the password is still there")
	}
	u.SetPassword()
	if _, err = c.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: name}); err != nil {
		t.Errorf("GetLoginProfile: %v", err)
	}
}

func TestCredentialsOfServices(t *testing.T) {
	s, acc, c := world(t, awstest.Options{})
	ctx, name := t.Context(), aws.String("u")
	u := acc.User("u")
	git, model, other := u.ServiceCredential(awstest.CodeCommit), u.ServiceCredential(awstest.Bedrock), acc.User("v").ServiceCredential(awstest.Bedrock)
	if m := rules.Default().Find(nil, []byte("key = "+model.Secret.Reveal())); len(m) != 1 || m[0].Account != account || m[0].User != "u-at-"+account {
		t.Errorf("Bedrock's credential is found as %d matches: %+v", len(m), m)
	}
	list := func(in iam.ListServiceSpecificCredentialsInput) (ids []string) {
		for {
			out, err := c.ListServiceSpecificCredentials(ctx, &in)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range out.ServiceSpecificCredentials {
				ids = append(ids, aws.ToString(m.ServiceSpecificCredentialId)+" "+string(m.Status)+" "+aws.ToString(m.UserName))
			}
			if in.Marker = out.Marker; !out.IsTruncated {
				slices.Sort(ids)
				return ids
			}
		}
	}
	sorted := func(ids ...string) []string { slices.Sort(ids); return ids }
	if got, want := list(iam.ListServiceSpecificCredentialsInput{UserName: name}), sorted(git.ID+" Active u", model.ID+" Active u"); !slices.Equal(got, want) {
		t.Errorf("of one user = %q, want %q", got, want)
	}
	if got, want := list(iam.ListServiceSpecificCredentialsInput{UserName: name, ServiceName: aws.String(awstest.CodeCommit)}), []string{git.ID + " Active u"}; !slices.Equal(got, want) {
		t.Errorf("of one service = %q, want %q", got, want)
	}
	s.SetPageSize(1)
	if got, want := list(iam.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true)}), sorted(git.ID+" Active u", model.ID+" Active u", other.ID+" Active v"); !slices.Equal(got, want) {
		t.Errorf("of all users = %q, want %q", got, want)
	}
	_, err := c.UpdateServiceSpecificCredential(ctx, &iam.UpdateServiceSpecificCredentialInput{UserName: name, ServiceSpecificCredentialId: aws.String(model.ID), Status: types.StatusTypeInactive})
	wantCode(t, "UpdateServiceSpecificCredential", err, "")
	_, err = c.UpdateServiceSpecificCredential(ctx, &iam.UpdateServiceSpecificCredentialInput{UserName: name, ServiceSpecificCredentialId: aws.String(other.ID), Status: types.StatusTypeInactive})
	wantCode(t, "another user's", err, "NoSuchEntity")
	_, err = c.DeleteServiceSpecificCredential(ctx, &iam.DeleteServiceSpecificCredentialInput{UserName: name, ServiceSpecificCredentialId: aws.String(git.ID)})
	wantCode(t, "DeleteServiceSpecificCredential", err, "")
	if got := u.ServiceCredentials(); len(got) != 1 || got[0] != (awstest.CredentialState{ID: model.ID, Service: awstest.Bedrock}) {
		t.Errorf("ServiceCredentials = %+v", got)
	}
}

func TestOtherCredentialsOfAUser(t *testing.T) {
	_, acc, c := world(t, awstest.Options{})
	ctx, name := t.Context(), aws.String("u")
	u := acc.User("u")
	key, cert := u.SSHKey(), u.Certificate()
	serial, _ := u.MFA("phone")
	keys, err := c.ListSSHPublicKeys(ctx, &iam.ListSSHPublicKeysInput{UserName: name})
	if err != nil || len(keys.SSHPublicKeys) != 1 || aws.ToString(keys.SSHPublicKeys[0].SSHPublicKeyId) != key || keys.SSHPublicKeys[0].UploadDate == nil {
		t.Errorf("ListSSHPublicKeys = %+v, %v", keys, err)
	}
	_, err = c.UpdateSSHPublicKey(ctx, &iam.UpdateSSHPublicKeyInput{UserName: name, SSHPublicKeyId: aws.String(key), Status: types.StatusTypeInactive})
	wantCode(t, "UpdateSSHPublicKey", err, "")
	_, err = c.UpdateSSHPublicKey(ctx, &iam.UpdateSSHPublicKeyInput{UserName: name, SSHPublicKeyId: aws.String(cert), Status: types.StatusTypeInactive})
	wantCode(t, "UpdateSSHPublicKey of none", err, "NoSuchEntity")
	certs, err := c.ListSigningCertificates(ctx, &iam.ListSigningCertificatesInput{UserName: name})
	if err != nil || len(certs.Certificates) != 1 || aws.ToString(certs.Certificates[0].CertificateId) != cert || !strings.Contains(aws.ToString(certs.Certificates[0].CertificateBody), "CERTIFICATE") {
		t.Errorf("ListSigningCertificates = %+v, %v", certs, err)
	}
	_, err = c.UpdateSigningCertificate(ctx, &iam.UpdateSigningCertificateInput{UserName: name, CertificateId: aws.String(cert), Status: types.StatusTypeInactive})
	wantCode(t, "UpdateSigningCertificate", err, "")
	_, err = c.UpdateSigningCertificate(ctx, &iam.UpdateSigningCertificateInput{UserName: name, CertificateId: aws.String("none"), Status: types.StatusTypeInactive})
	wantCode(t, "UpdateSigningCertificate of none", err, "NoSuchEntity")
	if a, b := u.SSHKeys()[0], u.Certificates()[0]; a.Active || b.Active || a.ID != key || b.ID != cert {
		t.Errorf("SSHKeys = %+v, Certificates = %+v", a, b)
	}
	mfa, err := c.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: name})
	if err != nil || len(mfa.MFADevices) != 1 || aws.ToString(mfa.MFADevices[0].SerialNumber) != serial {
		t.Errorf("ListMFADevices = %+v, %v", mfa, err)
	}
	aliases, err := c.ListAccountAliases(ctx, nil)
	if err != nil || len(aliases.AccountAliases) != 0 {
		t.Errorf("ListAccountAliases = %+v, %v", aliases, err)
	}
	acc.SetAlias("prod")
	if aliases, err = c.ListAccountAliases(ctx, nil); err != nil || !slices.Equal(aliases.AccountAliases, []string{"prod"}) {
		t.Errorf("ListAccountAliases = %+v, %v", aliases, err)
	}
}

func TestGroupsGiveRights(t *testing.T) {
	s, acc, c := world(t, awstest.Options{})
	u := acc.User("u")
	key := u.Key()
	_, err := iamClient(s, key).ListUsers(t.Context(), nil)
	wantCode(t, "before", err, "AccessDenied")
	u.Join(acc.Group("/x/staff", awstest.Allow("iam:ListUsers")))
	u.Join(acc.Group("others"))
	_, err = iamClient(s, key).ListUsers(t.Context(), nil)
	wantCode(t, "after", err, "")
	got, err := c.ListGroupsForUser(t.Context(), &iam.ListGroupsForUserInput{UserName: aws.String("u")})
	if err != nil || len(got.Groups) != 2 || aws.ToString(got.Groups[1].Arn) != "arn:aws:iam::"+account+":group/x/staff" {
		t.Errorf("ListGroupsForUser = %+v, %v", got, err)
	}
}

func TestAUserIsDeletedWhenNothingIsLeft(t *testing.T) {
	s, acc, c := world(t, awstest.Options{})
	u := acc.User("u")
	key := u.Key()
	session := u.Session(time.Hour)
	u.Allow("s3:*")
	remove := func() error {
		_, err := c.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("u")})
		return err
	}
	wantCode(t, "with a key", remove(), "DeleteConflict")
	u.RemoveKey(key.ID)
	wantCode(t, "with a policy", remove(), "DeleteConflict")
	_, err := c.DeleteUserPolicy(t.Context(), &iam.DeleteUserPolicyInput{UserName: aws.String("u"), PolicyName: aws.String("allow-0")})
	wantCode(t, "DeleteUserPolicy", err, "")
	if _, err := identity(t, s, session); err != nil {
		t.Errorf("session: %v", err)
	}
	wantCode(t, "with nothing", remove(), "")
	wantCode(t, "again", remove(), "NoSuchEntity")
	_, err = identity(t, s, session)
	wantCode(t, "session of a deleted user", err, "InvalidClientTokenId")
}

func TestRightsHoldForResources(t *testing.T) {
	s := awstest.New(t)
	acc := s.Account("aws", account)
	acc.User("/team/v")
	u := acc.User("u")
	u.Policy("p", awstest.AllowOn("arn:aws:iam::"+account+":user/${aws:username}", "iam:*"))
	c, ctx := iamClient(s, u.Key()), t.Context()
	_, err := c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: aws.String("u")})
	wantCode(t, "itself", err, "")
	_, err = c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: aws.String("v")})
	wantCode(t, "another", err, "AccessDenied")
	_, err = c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: aws.String("nobody")})
	wantCode(t, "nobody, whose absence is not told", err, "AccessDenied")
	u.Policy("q", awstest.AllowOn("arn:aws:iam::"+account+":user/team/*", "iam:ListAccessKeys"))
	_, err = c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: aws.String("v")})
	wantCode(t, "another of the path", err, "")
	only := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:AttachUserPolicy","Resource":"*","Condition":{"ArnNotEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/AWSDenyAll"}}}]}`
	u.Policy("r", only)
	_, err = c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("u"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
	wantCode(t, "a policy that is not allowed", err, "AccessDenied")
	_, err = c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("u"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AWSDenyAll")})
	wantCode(t, "the policy that is", err, "")
}
