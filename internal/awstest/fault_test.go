package awstest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault awstest.Fault
		err   string // in the client's error, "" for none
		done  bool
		end   string // Status and Code of the call
	}{
		{"none", awstest.Fault{}, "", true, "200 "},
		{"throttled", awstest.Throttle(), "Throttling", false, "400 Throttling"},
		{"refused", awstest.Refuse(403, "AccessDenied", "no"), "AccessDenied", false, "403 AccessDenied"},
		{"broken before", awstest.Broken(), "InternalFailure", false, "500 InternalFailure"},
		{"broken after", awstest.BrokenAfter(), "InternalFailure", true, "500 InternalFailure"},
		{"lost", awstest.Lost(), "EOF", false, "0 closed"},
		{"lost after", awstest.LostAfter(), "EOF", true, "0 closed"},
		{"silent", awstest.Silent(), "deadline exceeded", false, "0 hang"},
		{"silent after", awstest.SilentAfter(), "deadline exceeded", true, "0 hang"},
		{"a web page", awstest.Say(403, "text/html", "<html><body>proxy</body></html>"), "403", false, "403 body"},
		{"a web page that means well", awstest.Say(200, "text/html", "<html>hi</html>"), "", false, "200 body"},
		{"elsewhere", awstest.Redirect("http://127.0.0.1:1/"), "307", false, "307 body"},
	} {
		s := awstest.New(t)
		u := s.Account("aws", account).User("u")
		u.Allow("iam:*")
		key := u.Key()
		s.Inject(awstest.First(1, "iam:UpdateAccessKey", tt.fault))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if tt.fault.Hang {
			// The client gives up as soon as the deed is done, or was left out.
			tt.fault.Then = cancel
			s.Inject(awstest.First(1, "iam:UpdateAccessKey", tt.fault))
			tt.err = "canceled"
		}
		_, err := noRedirects(s, key).UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{AccessKeyId: aws.String(key.ID), Status: types.StatusTypeInactive})
		cancel()
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
		if active := u.Keys()[0].Active; active == tt.done {
			t.Errorf("%s: the key is active: %v", tt.name, active)
		}
		calls := s.Calls()
		if len(calls) != 1 || calls[0].Done != tt.done || fmt.Sprintf("%d %s", calls[0].Status, calls[0].Code) != tt.end {
			t.Errorf("%s: calls %v, done %v, want %q", tt.name, calls, len(calls) == 1 && calls[0].Done, tt.end)
		}
	}
}

func noRedirects(s *awstest.Server, k rules.Key) *iam.Client {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: aws.String(s.URL()), Credentials: provider(k), Retryer: aws.NopRetryer{}, HTTPClient: client})
}

func TestFaultsCount(t *testing.T) {
	s := awstest.New(t)
	key := s.Account("aws", account).User("u").Key()
	s.Inject(awstest.First(2, "sts:GetCallerIdentity", awstest.Throttle()))
	for i, want := range []string{"Throttling", "Throttling", ""} {
		_, err := identity(t, s, key)
		wantCode(t, fmt.Sprintf("First: call %d", i), err, want)
	}
	s.Inject(awstest.Nth(2, awstest.Broken()))
	for i, want := range []string{"", "InternalFailure", ""} {
		_, err := identity(t, s, key)
		wantCode(t, fmt.Sprintf("Nth: call %d", i), err, want)
	}
}

func TestAHugeAnswerEndsWithItsReader(t *testing.T) {
	s := awstest.New(t)
	key := s.Account("aws", account).User("u").Key()
	s.Inject(func(awstest.Call) awstest.Fault { return awstest.Huge() })
	resp, err := http.DefaultTransport.RoundTrip(signed(t, s, key, "sts", "us-east-1", s.Clock().Now()))
	if err != nil {
		t.Fatal(err)
	}
	n, err := resp.Body.Read(make([]byte, 1<<20))
	if n == 0 {
		t.Errorf("Read = %d, %v", n, err)
	}
	_ = resp.Body.Close()
}

func TestCallsTellWhoAskedForWhatAndNoSecret(t *testing.T) {
	s := awstest.New(t)
	acc := s.Account("aws", account)
	u := acc.User("u")
	u.Allow("*")
	key := u.Key()
	acc.Secret("us-east-1", "app", "value")
	password, value := rulestest.Text(rulestest.Rand(5), rulestest.LowerAlphabet, 30), rulestest.Secret(rulestest.Rand(6))
	c := iamClient(s, key)
	_, err := c.CreateLoginProfile(t.Context(), &iam.CreateLoginProfileInput{UserName: aws.String("u"), Password: aws.String(password)})
	wantCode(t, "CreateLoginProfile", err, "")
	_, err = secretsClient(s, key).PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("app"), SecretString: aws.String(value), VersionStages: []string{"AWSPENDING"}})
	wantCode(t, "PutSecretValue", err, "")
	_, err = c.GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("nobody")})
	wantCode(t, "GetUser", err, "NoSuchEntity")
	_, err = stsClient(s, rules.Key{ID: key.ID, Secret: rules.NewSecret(value)}).GetCallerIdentity(t.Context(), nil)
	wantCode(t, "GetCallerIdentity", err, "SignatureDoesNotMatch")
	want := []awstest.Call{
		{Service: "iam", Action: "CreateLoginProfile", Signer: u.ARN(), Params: map[string]string{"UserName": "u", "Password": "***"}, Status: 200, Done: true},
		{Service: "secretsmanager", Action: "PutSecretValue", Signer: u.ARN(), Params: map[string]string{"SecretId": "app", "SecretString": "***", "VersionStages": `["AWSPENDING"]`}, Status: 200, Done: true},
		{Service: "iam", Action: "GetUser", Signer: u.ARN(), Params: map[string]string{"UserName": "nobody"}, Status: 404, Code: "NoSuchEntity"},
		{Service: "sts", Action: "GetCallerIdentity", Params: map[string]string{}, Status: 403, Code: "SignatureDoesNotMatch"},
	}
	got := s.Calls()
	if len(got) != len(want) {
		t.Fatalf("%d calls, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		delete(g.Params, "ClientRequestToken")
		if g.Name() != w.Name() || g.KeyID != key.ID || g.Signer != w.Signer || fmt.Sprint(g.Params) != fmt.Sprint(w.Params) || g.Status != w.Status || g.Code != w.Code || g.Done != w.Done || g.Region != "us-east-1" || g.At.IsZero() {
			t.Errorf("call %d = %+v, want %+v", i, g, w)
		}
	}
	all, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{password, value, key.Secret.Reveal()} {
		if strings.Contains(string(all), secret) {
			t.Error("a call holds a secret")
		}
	}
	s.ForgetCalls()
	if got := s.Calls(); len(got) != 0 {
		t.Errorf("after ForgetCalls: %v", got)
	}
}

// spy is a test that may fail.
type spy struct {
	*testing.T
	mu     sync.Mutex
	errors []string
}

func (s *spy) Errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errors = append(s.errors, fmt.Sprintf(format, args...))
}

func (s *spy) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.errors)
}

func TestAnyCallAboutACanaryFailsTheTest(t *testing.T) {
	const canary = 534261010715
	r := rulestest.Rand(2)
	planted := rules.Key{ID: rulestest.KeyIDOf(r, "AKIA", canary), Secret: rules.NewSecret(rulestest.Secret(r))}
	for name, ask := range map[string]func(s *awstest.Server, k rules.Key) error{
		"signed with it": func(s *awstest.Server, _ rules.Key) error { _, err := identity(t, s, planted); return err },
		"naming it": func(s *awstest.Server, k rules.Key) error {
			_, err := iamClient(s, k).GetAccessKeyLastUsed(t.Context(), &iam.GetAccessKeyLastUsedInput{AccessKeyId: aws.String(planted.ID)})
			return err
		},
		"asking for its account": func(s *awstest.Server, k rules.Key) error {
			_, err := stsClient(s, k).GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String(planted.ID)})
			return err
		},
		"a role of its account": func(s *awstest.Server, k rules.Key) error {
			_, err := stsClient(s, k).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(fmt.Sprintf("arn:aws:iam::%d:role/responder", canary)), RoleSessionName: aws.String("name")})
			return err
		},
		"inside a value": func(s *awstest.Server, k rules.Key) error {
			_, err := secretsClient(s, k).PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("app"), SecretString: aws.String(`{"id":"` + planted.ID + `"}`)})
			return err
		},
	} {
		watched := &spy{T: t}
		s := awstest.New(watched)
		u := s.Account("aws", account).User("u")
		key := u.Key()
		_, err := identity(t, s, key)
		if err != nil || watched.count() != 0 {
			t.Fatalf("%s: an innocent call: %v, %q", name, err, watched.errors)
		}
		if err := ask(s, key); err == nil {
			t.Errorf("%s: answered", name)
		}
		if watched.count() == 0 {
			t.Errorf("%s: the test did not fail", name)
		}
	}
}

func TestEveryInjectionSeesTheCallBeforeItIsDone(t *testing.T) {
	s := awstest.New(t)
	u := s.Account("aws", account).User("u")
	u.Allow("iam:*")
	key := u.Key()
	var before, after atomic.Int32
	s.Inject(func(c awstest.Call) awstest.Fault {
		if u.Keys()[0].Active && c.Params["Status"] == "Inactive" {
			before.Add(1)
		}
		return awstest.Fault{Then: func() {
			if !u.Keys()[0].Active {
				after.Add(1)
			}
		}}
	})
	_, err := iamClient(s, key).UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{AccessKeyId: aws.String(key.ID), Status: types.StatusTypeInactive})
	wantCode(t, "UpdateAccessKey", err, "")
	if before.Load() != 1 || after.Load() != 1 {
		t.Errorf("seen %d before and %d after", before.Load(), after.Load())
	}
}

func TestHangingRequestsEndWithTheServer(t *testing.T) {
	var cleanup []func()
	tt := &cleaner{T: t, cleanup: &cleanup}
	s := awstest.New(tt)
	key := s.Account("aws", account).User("u").Key()
	arrived := make(chan struct{})
	s.Inject(func(awstest.Call) awstest.Fault {
		f := awstest.Silent()
		f.Then = func() { close(arrived) }
		return f
	})
	done := make(chan error, 1)
	go func() { _, err := identity(t, s, key); done <- err }()
	<-arrived
	for _, f := range cleanup {
		f()
	}
	if err := <-done; err == nil {
		t.Error("the request was answered")
	}
}

type cleaner struct {
	*testing.T
	cleanup *[]func()
}

func (c *cleaner) Cleanup(f func()) { *c.cleanup = append(*c.cleanup, f) }
