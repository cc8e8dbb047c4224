package awstest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
)

const askIdentity = "Action=GetCallerIdentity&Version=2011-06-15"

// signed is a request for who the key belongs to, signed by the SDK.
func signed(t *testing.T, s *awstest.Server, k rules.Key, service, region string, at time.Time) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/", strings.NewReader(askIdentity))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256([]byte(askIdentity))
	c := aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret.Reveal(), SessionToken: k.Token.Reveal()}
	if err := v4.NewSigner().SignHTTP(t.Context(), c, r, hex.EncodeToString(sum[:]), service, region, at); err != nil {
		t.Fatal(err)
	}
	return r
}

type refusal struct {
	Code      string `xml:"Error>Code"`
	Message   string `xml:"Error>Message"`
	Type      string `xml:"Error>Type"`
	RequestID string `xml:"RequestId"`
}

// send gives the status and what an error says; the zero refusal for a success.
func send(t *testing.T, r *http.Request) (status int, e refusal, header http.Header) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		if err := xml.Unmarshal(b, &e); err != nil {
			t.Fatalf("the answer is no XML: %v\n%s", err, b)
		}
	}
	return resp.StatusCode, e, resp.Header
}

func TestASignatureChangedInAnyPartIsRefused(t *testing.T) {
	s := awstest.New(t)
	u := s.Account("aws", account).User("u")
	key, other := u.Key(), u.Key()
	now := s.Clock().Now()
	authorization := func(r *http.Request, old, text string) {
		h := r.Header.Get("Authorization")
		if !strings.Contains(h, old) {
			t.Fatalf("no %q in %q", old, h)
		}
		r.Header.Set("Authorization", strings.Replace(h, old, text, 1))
	}
	body := func(r *http.Request, text string) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
	day := now.Format("20060102")
	// These are refused for themselves, not only because the signature is off.
	said := map[string]string{
		"another day":               "Date in Credential scope does not match",
		"the host not signed":       "'Host' or ':authority' must be",
		"the date not signed":       "'x-amz-date' must be",
		"an unsigned header of AWS": "'x-amz-security-token' must be",
		"a bit of the signature":    "The request signature we calculated",
		"a region that is none":     "scoped to a valid region",
		"a service that is none":    "scoped to correct service",
	}
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		status int
		code   string
	}{
		{"nothing", func(*http.Request) {}, 200, ""},
		{"no header", func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingAuthenticationToken"},
		{"another scheme", func(r *http.Request) { r.Header.Set("Authorization", "Basic QQ==") }, 400, "IncompleteSignature"},
		{"no credential", func(r *http.Request) { authorization(r, "Credential=", "Nothing=") }, 400, "IncompleteSignature"},
		{"no signed headers", func(r *http.Request) { authorization(r, "SignedHeaders=", "Nothing=") }, 400, "IncompleteSignature"},
		{"no signature", func(r *http.Request) { authorization(r, "Signature=", "Nothing=") }, 400, "IncompleteSignature"},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, 400, "IncompleteSignature"},
		{"a date that is none", func(r *http.Request) { r.Header.Set("X-Amz-Date", "today") }, 400, "IncompleteSignature"},
		{"a short scope", func(r *http.Request) { authorization(r, "/aws4_request", "") }, 400, "IncompleteSignature"},
		{"the end of the scope", func(r *http.Request) { authorization(r, "/aws4_request", "/aws3_request") }, 400, "IncompleteSignature"},
		{"another ID", func(r *http.Request) { authorization(r, key.ID, other.ID) }, 403, "SignatureDoesNotMatch"},
		{"another day", func(r *http.Request) { authorization(r, "/"+day+"/", "/20200101/") }, 403, "SignatureDoesNotMatch"},
		{"another second", func(r *http.Request) {
			r.Header.Set("X-Amz-Date", now.Add(-time.Second).Format("20060102T150405Z"))
		}, 403, "SignatureDoesNotMatch"},
		{"another region", func(r *http.Request) { authorization(r, "/us-east-1/", "/us-west-2/") }, 403, "SignatureDoesNotMatch"},
		{"a region that is none", func(r *http.Request) { authorization(r, "/us-east-1/", "/aws-global/") }, 403, "SignatureDoesNotMatch"},
		{"another service", func(r *http.Request) { authorization(r, "/sts/", "/iam/") }, 403, "SignatureDoesNotMatch"},
		{"a service that is none", func(r *http.Request) { authorization(r, "/sts/", "/s3/") }, 403, "SignatureDoesNotMatch"},
		{"the body", func(r *http.Request) { body(r, askIdentity+"&x=y") }, 403, "SignatureDoesNotMatch"},
		{"the query", func(r *http.Request) { r.URL.RawQuery = "x=y" }, 403, "SignatureDoesNotMatch"},
		{"the path", func(r *http.Request) { r.URL.Path = "/x" }, 403, "SignatureDoesNotMatch"},
		{"the method", func(r *http.Request) { r.Method = http.MethodPut }, 403, "SignatureDoesNotMatch"},
		{"the host", func(r *http.Request) { r.Host = "sts.amazonaws.com" }, 403, "SignatureDoesNotMatch"},
		{"a signed header", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		}, 403, "SignatureDoesNotMatch"},
		{"an unsigned header of AWS", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }, 403, "SignatureDoesNotMatch"},
		{"an unsigned header", func(r *http.Request) { r.Header.Set("X-Other", "x") }, 200, ""},
		{"the host not signed", func(r *http.Request) { authorization(r, "host;", "") }, 403, "SignatureDoesNotMatch"},
		{"the date not signed", func(r *http.Request) { authorization(r, ";x-amz-date", "") }, 403, "SignatureDoesNotMatch"},
		{"a bit of the signature", func(r *http.Request) {
			h := r.Header.Get("Authorization")
			last := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(h, "0")]
			r.Header.Set("Authorization", h[:len(h)-1]+last)
		}, 403, "SignatureDoesNotMatch"},
		{"a signature that is no number", func(r *http.Request) { authorization(r, "Signature=", "Signature=x") }, 403, "SignatureDoesNotMatch"},
	} {
		r := signed(t, s, key, "sts", "us-east-1", now)
		tt.change(r)
		status, e, header := send(t, r)
		if status != tt.status || e.Code != tt.code {
			t.Errorf("%s changed: %d %q, want %d %q (%s)", tt.name, status, e.Code, tt.status, tt.code, e.Message)
		}
		if text := said[tt.name]; !strings.Contains(e.Message, text) {
			t.Errorf("%s changed: %q, want %q in it", tt.name, e.Message, text)
		}
		if tt.code != "" && (e.RequestID == "" || e.RequestID != header.Get("X-Amzn-Requestid") || e.Type != "Sender") {
			t.Errorf("%s changed: request ID %q, type %q", tt.name, e.RequestID, e.Type)
		}
	}
}

func TestASignatureIsGoodForFiveMinutes(t *testing.T) {
	s := awstest.Start(t, awstest.Options{Clock: awstest.NewClock(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))})
	key := s.Account("aws", account).User("u").Key()
	for _, tt := range []struct {
		off     time.Duration
		message string
	}{
		{0, ""},
		{-5 * time.Minute, ""},
		{5 * time.Minute, ""},
		{-5*time.Minute - time.Second, "Signature expired: 20261122T115459Z is now earlier than 20261122T115500Z (20261122T120000Z - 5 min.)"},
		{5*time.Minute + time.Second, "Signature not yet current: 20261122T120501Z is still later than 20261122T120500Z (20261122T120000Z + 5 min.)"},
		{-24 * time.Hour, "Signature expired: 20261121T120000Z is now earlier than 20261122T115500Z (20261122T120000Z - 5 min.)"},
	} {
		status, e, header := send(t, signed(t, s, key, "sts", "us-east-1", s.Clock().Now().Add(tt.off)))
		want := 200
		if tt.message != "" {
			want = 403
		}
		if status != want || e.Message != tt.message || tt.message != "" && e.Code != "SignatureDoesNotMatch" {
			t.Errorf("off by %v: %d %s %q, want %d %q", tt.off, status, e.Code, e.Message, want, tt.message)
		}
		if date := header.Get("Date"); date != "Sun, 22 Nov 2026 12:00:00 GMT" {
			t.Errorf("Date = %q", date)
		}
	}
}

func TestIAMIsSignedForOneRegion(t *testing.T) {
	s := awstest.New(t)
	key := s.Account("aws", account).User("u").Key()
	for region, want := range map[string]string{"us-east-1": "InvalidAction", "eu-west-1": "SignatureDoesNotMatch"} {
		_, e, _ := send(t, signed(t, s, key, "iam", region, s.Clock().Now()))
		if e.Code != want {
			t.Errorf("GetCallerIdentity of IAM in %s = %q, want %q", region, e.Code, want)
		}
	}
}

func TestSignedURLs(t *testing.T) {
	s := awstest.Start(t, awstest.Options{Clock: &awstest.Clock{}})
	acc := s.Account("aws", account)
	long := acc.User("u").Key()
	for name, key := range map[string]rules.Key{"long-term": long, "session": acc.User("u").Session(time.Hour)} {
		made, err := sts.NewPresignClient(stsClient(s, key)).PresignGetCallerIdentity(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		get := func(change func(url.Values)) (int, refusal) {
			u, err := url.Parse(made.URL)
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			change(q)
			u.RawQuery = q.Encode()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = made.SignedHeader
			status, e, _ := send(t, r)
			return status, e
		}
		if status, e := get(func(url.Values) {}); status != 200 {
			t.Errorf("%s: %d %s %s", name, status, e.Code, e.Message)
		}
		if _, e := get(func(q url.Values) { q.Set("X-Amz-Date", "20200101T000000Z") }); e.Code != "SignatureDoesNotMatch" {
			t.Errorf("%s: another date = %q", name, e.Code)
		}
		if _, e := get(func(q url.Values) { q.Del("X-Amz-Signature") }); e.Code != "IncompleteSignature" {
			t.Errorf("%s: no signature = %q", name, e.Code)
		}
		if _, e := get(func(q url.Values) { q.Set("x", "y") }); e.Code != "SignatureDoesNotMatch" {
			t.Errorf("%s: another parameter = %q", name, e.Code)
		}
		s.Clock().Advance(15*time.Minute + time.Second)
		if _, e := get(func(url.Values) {}); !strings.HasPrefix(e.Message, "Signature expired: ") {
			t.Errorf("%s: after a quarter of an hour = %q", name, e.Message)
		}
		s.Clock().Advance(-15*time.Minute - time.Second)
	}
}
