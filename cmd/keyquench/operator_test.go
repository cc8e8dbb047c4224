package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// profiles makes files of profiles, and an environment that holds no other
// credentials and everything that would lead a request astray.
func profiles(t *testing.T, config string) *program {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	for name, value := range map[string]string{
		"HOME": dir, "AWS_EC2_METADATA_DISABLED": "true", "AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true",
		"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
		"AWS_CONFIG_FILE": filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "credentials"),
	} {
		t.Setenv(name, value)
	}
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return &program{errOut: &bytes.Buffer{}, getenv: os.Getenv, now: time.Now}
}

// static is a profile with a key.
func static(name string, k rules.Key) string {
	return "[profile " + name + "]\naws_access_key_id = " + k.ID + "\naws_secret_access_key = " + k.Secret.Reveal() + "\n"
}

// A profile's role is assumed at the endpoint that was named, whatever regions and
// endpoints variables and profiles name.
func TestProfilesAssumeRolesAtTheEndpoint(t *testing.T) {
	srv := awstest.New(t)
	oncall := srv.Account("aws", home).User("oncall")
	oncall.Allow("sts:*")
	srv.Account("aws", theirs).Role("first", awstest.Trust(oncall.ARN(), ""), awstest.Allow("sts:*"))
	srv.Account("aws", theirs).Role("second", awstest.Trust("arn:aws:iam::"+theirs+":role/first", ""), awstest.Allow("sts:*"))
	p := profiles(t, static("base", oncall.Key())+`
[profile first]
role_arn = arn:aws:iam::`+theirs+`:role/first
source_profile = base
region = evil.example/
use_fips_endpoint = true
use_dualstack_endpoint = true
endpoint_url = http://127.0.0.1:1
[profile second]
role_arn = arn:aws:iam::`+theirs+`:role/second
source_profile = first
`)
	reach := awsapi.Reach{Endpoint: srv.URL()}
	for _, name := range []string{"first", "second"} {
		found, err := p.operator(t.Context(), name, reach)
		if err != nil {
			t.Errorf("operator(%s) = %v", name, err)
			continue
		}
		out, err := sts.New(sts.Options{Region: "us-east-1", Credentials: found, BaseEndpoint: reach.BaseEndpoint(), Retryer: aws.NopRetryer{}}).GetCallerIdentity(t.Context(), nil)
		if err != nil || !strings.Contains(*out.Arn, ":assumed-role/"+name+"/") {
			t.Errorf("the credentials of %s are of %+v, %v", name, out, err)
		}
	}
}

// Single sign-on has clients of its own: they reach the emulator too, and never AWS.
func TestSingleSignOnGoesToTheEndpoint(t *testing.T) {
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Host+r.URL.Path)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(srv.Close)
	client, err := (awsapi.Reach{}).Client()
	if err != nil {
		t.Fatal(err)
	}
	to, err := http.NewRequest(http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	client.Transport = detour{to.URL, client.Transport}
	for _, address := range []string{"https://portal.sso.eu-west-1.amazonaws.com/federation/credentials", "https://oidc.eu-west-1.amazonaws.com/token", srv.URL + "/here"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		_ = resp.Body.Close()
	}
	want := "portal.sso.eu-west-1.amazonaws.com/federation/credentials oidc.eu-west-1.amazonaws.com/token " + to.URL.Host + "/here"
	if got := strings.Join(asked, " "); got != want {
		t.Errorf("the endpoint was asked %q, want %q", got, want)
	}
}

func TestSingleSignOnOfAProfile(t *testing.T) {
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Host+r.URL.Path)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(srv.Close)
	const start = "https://keyquench.awsapps.com/start"
	p := profiles(t, "[profile s]\nsso_start_url = "+start+"\nsso_region = eu-west-1\nsso_account_id = "+theirs+"\nsso_role_name = r\n")
	cache := filepath.Join(os.Getenv("HOME"), ".aws", "sso", "cache")
	token := `{"accessToken":"none","expiresAt":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`
	name := fmt.Sprintf("%x.json", sha1.Sum([]byte(start)))
	if err := errors.Join(os.MkdirAll(cache, 0o700), os.WriteFile(filepath.Join(cache, name), []byte(token), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := p.operator(t.Context(), "s", awsapi.Reach{Endpoint: srv.URL})
	if got := strings.Join(asked, " "); err == nil || got != "portal.sso.eu-west-1.amazonaws.com/federation/credentials" {
		t.Errorf("operator = %v, and the endpoint was asked %q", err, got)
	}
}

// Without an endpoint the role's partition says where it is assumed.
func TestTheRoleDecidesItsRegion(t *testing.T) {
	for role, want := range map[string]string{
		"arn:aws:iam::123456789012:role/r":        "us-east-1",
		"arn:aws-cn:iam::123456789012:role/r":     "cn-northwest-1",
		"arn:aws-us-gov:iam::123456789012:role/r": "us-gov-west-1",
		"arn:evil/:iam::123456789012:role/r":      "us-east-1",
		"none":                                    "us-east-1",
	} {
		c := stsFor(role, credentials.NewStaticCredentialsProvider("a", "b", ""), http.DefaultClient, awsapi.Reach{})
		if o := c.Options(); o.Region != want || o.BaseEndpoint != nil {
			t.Errorf("%s is assumed in %q, want %q", role, o.Region, want)
		}
	}
}

func TestProfilesThatCannotBeUsed(t *testing.T) {
	key := rules.Key{ID: rulestest.KeyID(rulestest.Rand(3), "AKIA"), Secret: rules.NewSecret(rulestest.Secret(rulestest.Rand(3)))}
	for name, tt := range map[string]struct {
		prepare       func(t *testing.T)
		profile       string
		what, hintHas string
	}{
		"a device":            {func(t *testing.T) { t.Setenv("AWS_CONFIG_FILE", "/dev/zero") }, "", "not a regular file", "AWS_CONFIG_FILE"},
		"a device as a token": {func(t *testing.T) { t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/dev/zero") }, "", "not a regular file", "AWS_WEB_IDENTITY_TOKEN_FILE"},
		"a directory":         {func(t *testing.T) { t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()) }, "", "not a regular file", "AWS_SHARED_CREDENTIALS_FILE"},
		"a large file": {func(t *testing.T) {
			if err := os.Truncate(os.Getenv("AWS_CONFIG_FILE"), maxProfiles+1); err != nil {
				t.Fatal(err)
			}
		}, "", "longer than", "AWS_CONFIG_FILE"},
		"certificates":         {func(*testing.T) {}, "bundle", "ca_bundle in your profile is not obeyed", "take ca_bundle out"},
		"certificates, by env": {func(t *testing.T) { t.Setenv("AWS_PROFILE", "bundle") }, "", "ca_bundle in your profile is not obeyed", "take ca_bundle out"},
		"nobody":               {func(*testing.T) {}, "nobody", "nobody", "--profile NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			p := profiles(t, static("bundle", key)+"ca_bundle = "+filepath.Join(t.TempDir(), "none.pem")+"\n")
			bundle := filepath.Join(t.TempDir(), "none.pem")
			if err := os.WriteFile(bundle, []byte("none"), 0o600); err != nil {
				t.Fatal(err)
			}
			tt.prepare(t)
			_, err := p.operator(t.Context(), tt.profile, awsapi.Reach{Endpoint: "http://127.0.0.1:1"})
			if err == nil || !strings.Contains(err.Error(), tt.what) || !strings.Contains(hintOf(err), tt.hintHas) {
				t.Errorf("operator = %v (%s), want %s (%s)", err, hintOf(err), tt.what, tt.hintHas)
			}
		})
	}
}

// A program that a profile names may hang for ever: neither its time nor an
// interruption is exceeded by much.
func TestASearchThatHangsIsAbandoned(t *testing.T) {
	stuck := make(chan struct{})
	defer close(stuck)
	hang := func(context.Context) (aws.CredentialsProvider, error) {
		<-stuck
		return nil, nil
	}
	if _, err := search(t.Context(), time.Millisecond, hang); !errors.Is(err, errSlow) {
		t.Errorf("search = %v, want %v", err, errSlow)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := search(ctx, time.Hour, hang); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted search = %v", err)
	}
	// What hangs is a grandchild that holds the output open.
	p := profiles(t, "[profile slow]\ncredential_process = sh -c \"sleep 20 & wait\"\n")
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	from := time.Now()
	if _, err := p.operator(ctx, "slow", awsapi.Reach{}); !errors.Is(err, context.DeadlineExceeded) || time.Since(from) > findTime {
		t.Errorf("operator = %v after %v", err, time.Since(from))
	}
}

func TestPasswordFiles(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "password")
	const mark = "# of a test"
	one, two := rules.NewSecret(rulestest.Secret(rulestest.Rand(1))), rules.NewSecret(rulestest.Secret(rulestest.Rand(2)))
	is := func(want string) {
		t.Helper()
		text, err := os.ReadFile(name)
		info, _ := os.Stat(name)
		entries, _ := os.ReadDir(dir)
		if err != nil || string(text) != want || info.Mode().Perm() != 0o600 || len(entries) != 1 {
			t.Errorf("the file is %q (%v) among %d, want %q", text, err, len(entries), want)
		}
	}
	for _, password := range []rules.Secret{one, two} { // the second is of a run after one that was stopped
		if err := writePassword(name, mark, password); err != nil {
			t.Fatal(err)
		}
		is(password.Reveal() + "\n" + mark + "\n")
	}
	if err := writePassword(name, "# of another case", one); err == nil || hintOf(err) == "" {
		t.Errorf("a password of another case was replaced: %v", err)
	}
	is(two.Reveal() + "\n" + mark + "\n")
	for what, prepare := range map[string]func() error{
		"of somebody else": func() error { return os.WriteFile(name, []byte("x\n"), 0o600) },
		"empty":            func() error { return os.WriteFile(name, nil, 0o600) },
		"readable by all": func() error {
			return errors.Join(os.WriteFile(name, []byte("x\n"+mark+"\n"), 0o644), os.Chmod(name, 0o644))
		},
		"a link":      func() error { return os.Symlink("/dev/null", name) },
		"a directory": func() error { return os.Mkdir(name, 0o600) },
	} {
		if err := errors.Join(os.RemoveAll(name), prepare()); err != nil {
			t.Fatal(err)
		}
		was, _ := os.Lstat(name)
		err := writePassword(name, mark, one)
		now, _ := os.Lstat(name)
		if err == nil || !os.SameFile(was, now) || was.Size() != now.Size() {
			t.Errorf("a file that is %s was replaced: %v", what, err)
		}
	}
}
