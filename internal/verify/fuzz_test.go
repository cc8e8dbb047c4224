package verify

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// scripted is a way to no server: it gives one answer to everything.
type scripted struct {
	status int
	body   string
	header http.Header
}

func (s scripted) RoundTrip(*http.Request) (*http.Response, error) { return s.response(), nil }

// FuzzAnswers: whatever a server says, nothing is claimed without its evidence.
func FuzzAnswers(f *testing.F) {
	for _, status := range []int{200, 302, 400, 403, 429, 500} {
		for _, body := range []string{
			"", "<html></html>", "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error><RequestId>r</RequestId></ErrorResponse>",
			"<ErrorResponse><Error><Code>ExpiredToken</Code></Error><RequestId>r</RequestId></ErrorResponse>",
			"<Response><Errors><Error><Code>AccessDenied</Code><Message>x</Message></Error></Errors><RequestID>r</RequestID></Response>",
			"<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match the signature you provided.</Message></Error><RequestId>r</RequestId></ErrorResponse>",
			"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::000000000005:root</Arn><UserId>5</UserId><Account>000000000005</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
		} {
			f.Add(status, body, "r", "Sun, 22 Nov 2026 12:00:00 GMT")
		}
	}
	r := rulestest.Rand(3)
	key := rules.Key{ID: rulestest.KeyIDOf(r, "AKIA", 5), Secret: rules.NewSecret(rulestest.Secret(r))}
	f.Fuzz(func(t *testing.T, status int, body, requestID, date string) {
		if status < 100 || status > 999 {
			t.Skip()
		}
		clock := awstest.NewClock(start)
		c, err := New(Options{Reach: awsapi.Reach{Endpoint: "http://127.0.0.1:1"}, Now: clock.Now, Sleep: clock.Sleep})
		if err != nil {
			t.Fatal(err)
		}
		c.client.Transport = scripted{status, body, http.Header{"X-Amzn-Requestid": {requestID}, "Date": {date}}}
		v := c.Check(t.Context(), key)
		checkEvidence(t, body, v)
		for _, a := range v.Asked {
			checkAnswer(t, &a, body)
		}
		told(t, v, key)
	})
}

func (s scripted) response() *http.Response {
	return &http.Response{
		StatusCode: s.status, Status: http.StatusText(s.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: s.header, Body: io.NopCloser(strings.NewReader(s.body)), ContentLength: int64(len(s.body)),
	}
}

// checkAnswer: an answer that counts stands in the body as AWS would write it.
func checkAnswer(t *testing.T, a *Answer, body string) {
	t.Helper()
	has := func(words ...string) bool {
		for _, w := range words {
			if !strings.Contains(body, w) {
				return false
			}
		}
		return true
	}
	switch a.meaning() {
	case taken:
		if a.Status != 200 || !has("GetCallerIdentityResponse", "GetCallerIdentityResult") || a.Account != "000000000005" || a.RequestID == "" {
			t.Errorf("accepted: %+v of %q", a, body)
		}
	case noSuchKey, wrongSecret, expired, denied:
		// An entity can stand for any character of a code.
		if a.Status < 400 || a.Status >= 500 || !has("Error>", "Code") || a.Code == "" || a.RequestID == "" {
			t.Errorf("judged: %+v of %q", a, body)
		}
	}
	for _, text := range []string{a.Code, a.Message, a.RequestID, a.ARN, a.UserID, a.Account} {
		if strings.ContainsFunc(text, unicode.IsControl) || len(text) > 1400 {
			t.Errorf("the answer has a text that is not clean: %q", text)
		}
	}
}
