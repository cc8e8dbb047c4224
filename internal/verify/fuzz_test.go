package verify

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"
)

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
