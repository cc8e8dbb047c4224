package review

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/keyquench/keyquench/rules"
)

// maxAnswer bounds an answer. A page of a hundred comments, each as long as GitHub
// lets it be and with its part of the diff, is below.
const maxAnswer = 32 << 20

// wire puts the token on requests to one host, and reads answers whole, up to a
// bound. It keeps GitHub's limits from go-github, which would refuse requests by a
// clock of its own: limits become errors that say how long to wait.
type wire struct {
	scheme, host string
	token        rules.Secret
	next         http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != w.scheme || req.URL.Host != w.host {
		return nil, errors.New("that is another host, which the token is not for")
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+w.token.Reveal())
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	_ = resp.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("read answer: over %d bytes", maxAnswer)
	}
	// A server that repeats the token must not get it into a message.
	if resp.StatusCode/100 != 2 && bytes.Contains(body, []byte(w.token.Reveal())) {
		body = nil
	}
	if after, ok := limited(resp, body); ok {
		return nil, &limitError{after}
	}
	for name := range resp.Header {
		if strings.HasPrefix(name, "X-Ratelimit-") {
			resp.Header.Del(name)
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// limitError is an answer of a server that wants fewer requests.
type limitError struct{ after time.Duration }

func (e *limitError) Error() string {
	return "GitHub asks to wait for " + e.after.Round(time.Second).String()
}

// unsaidWait is how long to wait when GitHub does not say: its documentation asks
// for a minute at least.
const unsaidWait = time.Minute

// limited reads how long to wait, if that is what an answer asks for
// (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
func limited(resp *http.Response, body []byte) (time.Duration, bool) {
	said := strings.ToLower(string(body[:min(len(body), 4<<10)]))
	used := resp.Header.Get("X-Ratelimit-Remaining") == "0"
	after := resp.Header.Get("Retry-After")
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
	case http.StatusForbidden:
		if after == "" && !used && !strings.Contains(said, "secondary rate limit") && !strings.Contains(said, "abuse detection") {
			return 0, false
		}
	case http.StatusUnprocessableEntity:
		return unsaidWait, strings.Contains(said, "submitted too quickly")
	default:
		return 0, false
	}
	if n, err := strconv.Atoi(after); err == nil && n >= 0 {
		return bounded(n), true
	}
	// By GitHub's own clock, which stands in the answer.
	reset, err := strconv.ParseInt(resp.Header.Get("X-Ratelimit-Reset"), 10, 64)
	if now, bad := http.ParseTime(resp.Header.Get("Date")); used && err == nil && bad == nil {
		return bounded(int(max(reset-now.Unix(), 1))), true
	}
	return unsaidWait, true
}

// bounded is so many seconds, or a day if there are more.
func bounded(seconds int) time.Duration {
	const day = 24 * 60 * 60
	return time.Duration(min(seconds, day)) * time.Second
}
