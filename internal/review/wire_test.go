package review

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/rules"
)

func TestNewTakesSafeAddressesOnly(t *testing.T) {
	for _, tt := range []struct {
		url string
		ok  bool
	}{
		{"", true},
		{"https://api.github.com", true},
		{"https://ghe.example.com/api/v3/", true},
		{"http://127.0.0.1:8080", true},
		{"http://[::1]:8080", true},
		{"http://api.github.com", false},
		{"http://127.0.0.1.example.com", false},
		{"ftp://api.github.com", false},
		{"https://user:pass@api.github.com", false},
		{"https://api.github.com?x=", false},
		{"https://", false},
		{"api.github.com", false},
		{"://", false},
	} {
		_, err := New(Options{URL: tt.url, Token: rules.NewSecret(token)})
		if (err == nil) != tt.ok || err != nil && (hintOf(err) == "" || strings.Contains(err.Error(), "pass")) {
			t.Errorf("New(%q) = %v, want ok %t", tt.url, err, tt.ok)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("New takes no token for one")
	}
}

// faulty answers with these instead, one after the other, and then as it should.
func faulty(match string, faults ...func(w http.ResponseWriter, carryOut func())) func(http.ResponseWriter, *http.Request, func()) bool {
	return func(w http.ResponseWriter, r *http.Request, carryOut func()) bool {
		if len(faults) == 0 || !strings.HasPrefix(r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/v3"), match) {
			return false
		}
		now := faults[0]
		faults = faults[1:]
		now(w, carryOut)
		return true
	}
}

func status(code int, message string, headers ...string) func(http.ResponseWriter, func()) {
	return func(w http.ResponseWriter, _ func()) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		say(w, code, map[string]any{"message": message})
	}
}

// silent does what was asked, and says nothing.
func silent(w http.ResponseWriter, carryOut func()) {
	carryOut()
	panic(http.ErrAbortHandler)
}

func down(w http.ResponseWriter, _ func()) { panic(http.ErrAbortHandler) }

const (
	listPath   = "GET /repos/octo/app/pulls/7/comments"
	createPath = "POST /repos/octo/app/pulls/7/comments"
	wholePath  = "POST /repos/octo/app/issues/7/comments"
)

func TestPostGetsOverWhatPasses(t *testing.T) {
	now := time.Now()
	reset := fmt.Sprint(now.Add(20 * time.Second).Unix())
	dated := []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", reset, "Date", now.UTC().Format(http.TimeFormat)}
	for name, tt := range map[string]struct {
		match  string
		faults []func(http.ResponseWriter, func())
		waits  []time.Duration // before the pause between two writes
	}{
		"a server in trouble": {listPath, []func(http.ResponseWriter, func()){status(502, "x"), status(500, "x"), status(503, "x")}, []time.Duration{pauses[0], pauses[1], pauses[2]}},
		// The first time it is a connection of before, and Go's own client tries again.
		"no answer":                {listPath, []func(http.ResponseWriter, func()){down, down}, []time.Duration{pauses[0]}},
		"trouble at a write":       {createPath, []func(http.ResponseWriter, func()){status(502, "x")}, []time.Duration{pauses[0]}},
		"a write without answer":   {createPath, []func(http.ResponseWriter, func()){silent}, nil},
		"the whole without answer": {wholePath, []func(http.ResponseWriter, func()){silent}, []time.Duration{writePause}},
		"trouble after a write": {createPath, []func(http.ResponseWriter, func()){func(w http.ResponseWriter, carryOut func()) {
			carryOut()
			status(502, "x")(w, nil)
		}}, nil},
		"a secondary limit":       {createPath, []func(http.ResponseWriter, func()){status(403, "Forbidden", "Retry-After", "7")}, []time.Duration{7 * time.Second}},
		"a limit without a time":  {createPath, []func(http.ResponseWriter, func()){status(429, "slow down")}, []time.Duration{time.Minute}},
		"a limit by its message":  {createPath, []func(http.ResponseWriter, func()){status(403, "You have exceeded a secondary rate limit.")}, []time.Duration{time.Minute}},
		"too many comments":       {createPath, []func(http.ResponseWriter, func()){status(422, "was submitted too quickly")}, []time.Duration{time.Minute}},
		"the limit of the hour":   {listPath, []func(http.ResponseWriter, func()){status(403, "API rate limit exceeded", dated...)}, []time.Duration{20 * time.Second}},
		"a limit used up by this": {listPath, []func(http.ResponseWriter, func()){func(w http.ResponseWriter, _ func()) { lastOf(w) }}, nil},
	} {
		f := newFake(t)
		f.fault = faulty(tt.match, tt.faults...)
		c, waits := f.client()
		got, err := c.Post(t.Context(), pull, []Comment{comment(1, "a.env", 1), comment(2, "", 0)}, Posting{Whole: true})
		if want := (Result{Created: 1, Gathered: 1}); err != nil || got != want || len(f.review) != 1 || len(f.issue) != 1 {
			t.Errorf("%s: Post = %+v, %v, want %+v; GitHub has %d and %d comments", name, got, err, want, len(f.review), len(f.issue))
		}
		if !slices.Equal((*waits)[:min(len(*waits), len(tt.waits))], tt.waits) || len(*waits) != max(1, len(tt.waits)+1) && name != "the whole without answer" {
			t.Errorf("%s: waited %v, want %v and the pause between two writes", name, *waits, tt.waits)
		}
	}
}

// lastOf answers well, and says that nothing is left for an hour. go-github would
// refuse the next request by itself.
func lastOf(w http.ResponseWriter) {
	w.Header().Set("X-RateLimit-Limit", "1000")
	w.Header().Set("X-RateLimit-Remaining", "0")
	w.Header().Set("X-RateLimit-Reset", fmt.Sprint(time.Now().Add(time.Hour).Unix()))
	say(w, http.StatusOK, []any{})
}

func TestPostGivesUpWithANextStep(t *testing.T) {
	for name, tt := range map[string]struct {
		match    string
		fault    func(http.ResponseWriter, func())
		readOnly bool
		status   int
		hint     string
		tries    int
	}{
		"a fork's token":         {createPath, status(403, "Resource not accessible by integration"), true, 403, "pull-requests: write", 1},
		"a token without rights": {listPath, status(403, "Resource not accessible by integration"), true, 403, "pull-requests: write", 1},
		"a bad token":            {"POST /api/graphql", status(401, "Bad credentials"), false, 401, "not valid", 1},
		"no such pull request":   {listPath, status(404, "Not Found"), false, 404, "look at the names", 1},
		"a long limit":           {createPath, status(403, "secondary rate limit", "Retry-After", "3600"), false, 429, "later", 1},
		"a limit of 100 seconds": {createPath, status(403, "wait", "Retry-After", "100"), false, 429, "later", 1},
		"a limit of years":       {createPath, status(429, "x", "Retry-After", "99999999999"), false, 429, "later", 1},
		"limits without end":     {createPath, status(429, "x", "Retry-After", "80"), false, 429, "later", 4},
		"trouble without end":    {createPath, status(500, "boom"), false, 500, "run it again later", 4},
		"no answer at all":       {listPath, down, false, 0, "can be reached", 5}, // one is of Go's own client
		"gone":                   {createPath, status(410, "Gone"), false, 410, "run it again later", 1},
	} {
		f := newFake(t)
		tries := 0
		all := faulty(tt.match, slices.Repeat([]func(http.ResponseWriter, func()){func(w http.ResponseWriter, c func()) {
			tries++
			tt.fault(w, c)
		}}, 50)...)
		f.fault = all
		c, waits := f.client()
		got, err := c.Post(t.Context(), pull, []Comment{comment(1, "a.env", 1)}, Posting{Whole: true})
		f.mu.Lock() // a handler that gave no answer may still be at its end
		if err == nil || errors.Is(err, ErrReadOnly) != tt.readOnly || statusOf(err) != tt.status || !strings.Contains(hintOf(err), tt.hint) || tries != tt.tries || got != (Result{}) {
			t.Errorf("%s: Post = %+v, %v (status %d, hint %q) after %d tries", name, got, err, statusOf(err), hintOf(err), tries)
		}
		f.mu.Unlock()
		var sum time.Duration
		for _, d := range *waits {
			sum += d
		}
		if sum > maxWaits+time.Minute {
			t.Errorf("%s: waited %v", name, *waits)
		}
	}
}

// A job is paid by the minute: all waits together have an end.
func TestPostWaitsSoLongAndNoLonger(t *testing.T) {
	f := newFake(t)
	limit := status(429, "x", "Retry-After", "85")
	f.fault = faulty(listPath, limit, limit, limit)
	c, waits := f.client()
	_, err := c.Post(t.Context(), pull, nil, Posting{})
	if statusOf(err) != http.StatusTooManyRequests || len(*waits) != 2 {
		t.Errorf("Post = %v after %v", err, *waits)
	}
}

func TestPostStopsWhenItIsTold(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.fault = faulty(createPath, func(w http.ResponseWriter, _ func()) {
		cancel()
		status(502, "x")(w, nil)
	})
	c, _ := f.client()
	if _, err := c.Post(ctx, pull, []Comment{comment(1, "a.env", 1)}, Posting{}); err == nil || len(f.asked) != 4 {
		t.Errorf("Post = %v, asked %v", err, f.asked)
	}
}

func TestTheTokenGoesToOneHost(t *testing.T) {
	var others []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		others = append(others, r.Method+" "+r.Header.Get("Authorization"))
		say(w, http.StatusOK, []any{})
	}))
	defer other.Close()
	for _, code := range []int{301, 302, 307, 308} {
		for _, match := range []string{listPath, createPath} {
			f := newFake(t)
			f.fault = faulty(match, status(code, "Moved", "Location", other.URL+"/x"))
			if _, err := f.post([]Comment{comment(1, "a.env", 1)}, Posting{}); statusOf(err) != code || !strings.Contains(hintOf(err), "present name") {
				t.Errorf("%d of %s: Post = %v", code, match, err)
			}
		}
	}
	if len(others) != 0 {
		t.Errorf("the other host was asked %v", others)
	}
	// On the same host a step is followed, if it stays what it is.
	for _, tt := range []struct {
		code  int
		match string
		ok    bool
	}{{301, listPath, true}, {307, listPath, true}, {307, createPath, true}, {308, createPath, true}, {301, createPath, false}, {302, createPath, false}} {
		f := newFake(t)
		_, path, _ := strings.Cut(tt.match, " ")
		f.fault = faulty(tt.match, status(tt.code, "Moved", "Location", f.url+path+"?per_page=100"))
		got, err := f.post([]Comment{comment(1, "a.env", 1)}, Posting{})
		if (err == nil) != tt.ok || tt.ok && (got.Created != 1 || len(f.review) != 1) || !tt.ok && len(f.review) != 0 {
			t.Errorf("%d of %s: %+v, %v", tt.code, tt.match, got, err)
		}
	}
}

func TestNothingSaysTheToken(t *testing.T) {
	for _, code := range []int{400, 401, 403, 404, 422, 500} {
		f := newFake(t)
		f.fault = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
			sent := r.Header.Get("Authorization")
			if code%2 == 0 {
				sent = "something"
			}
			say(w, code, map[string]any{"message": "you sent " + sent + "\x1b[31m\n::error::x", "errors": []any{map[string]any{"message": "\x1b"}}})
			return true
		}
		c, _ := f.client()
		_, err := c.Post(t.Context(), pull, []Comment{comment(1, "a.env", 1)}, Posting{})
		_, also := c.Upload(t.Context(), analysis)
		for _, e := range []error{err, also} {
			if said := fmt.Sprintf("%v %+v %#v", e, e, e); e == nil || strings.Contains(said, token) || strings.ContainsAny(e.Error(), "\x1b\n") {
				t.Errorf("%d: %s", code, said)
			}
		}
		if said := fmt.Sprintf("%v %+v %#v", c, c.api, *c); strings.Contains(said, token) {
			t.Error("the client prints its token")
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	f := newFake(t)
	f.fault = faulty(listPath, slices.Repeat([]func(http.ResponseWriter, func()){func(w http.ResponseWriter, _ func()) {
		block := []byte(strings.Repeat(" ", 1<<20))
		for range maxAnswer>>20 + 1 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}}, 4)...)
	if _, err := f.post(nil, Posting{}); err == nil || !strings.Contains(err.Error(), "over 33554432 bytes") {
		t.Errorf("Post = %v", err)
	}
	// A list without end.
	f = newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		if !strings.HasSuffix(r.URL.Path, "/pulls/7/comments") {
			return false
		}
		page := 1
		_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
		w.Header().Set("Link", fmt.Sprintf(`<http://x.invalid/?page=%d>; rel="next"`, page+1))
		say(w, http.StatusOK, []any{})
		return true
	}
	if _, err := f.post(nil, Posting{}); err == nil || len(f.asked) > maxPages+5 {
		t.Errorf("Post = %v after %d requests", err, len(f.asked))
	}
	f.fault = faulty(listPath, status(200, ""), status(200, ""), status(200, ""), status(200, ""))
	if _, err := f.post(nil, Posting{}); err == nil {
		t.Error("an object is taken for a list of comments")
	}
}

func TestAProxyIsTheOneThatIsNamed(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	proxy := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen++
		say(w, http.StatusForbidden, map[string]any{"message": "not here"})
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = proxy.Serve(l)
	}()
	c, err := New(Options{URL: "http://localhost:1/", Token: rules.NewSecret(token), Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: l.Addr().String()})})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Upload(t.Context(), analysis); !errors.Is(err, ErrReadOnly) || seen != 1 {
		t.Errorf("Upload = %v, and the proxy saw %d requests", err, seen)
	}
	_ = proxy.Close()
	<-done
	f := newFake(t)
	if _, err := f.post(nil, Posting{}); err != nil {
		t.Errorf("with a proxy in the environment: %v", err)
	}
}

// Whatever a server says: no panic, and no token in what is told of it.
func FuzzAnswers(f *testing.F) {
	f.Add(200, `[{"id":1,"body":"<!-- keyquench `+print(1)+` -->\nx","user":{"id":41898282}}]`, `<http://x/?page=2>; rel="next"`)
	f.Add(200, `{"data":{"viewer":{"databaseId":41898282}},"id":5}`, "")
	f.Add(403, `{"message":"`+token+`"}`, "")
	f.Add(393, `{"message":"`+token+`"}`, "")
	f.Add(422, `{"errors":[{"code":"x"}]}`, "")
	f.Add(202, `{"id":"an-id"}`, "")
	f.Add(200, `{"processing_status":"failed","errors":["x"]}`, "")
	f.Add(429, ``, `<`)
	var code int
	var body, link string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", link)
		w.Header().Set("Retry-After", link)
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}))
	defer srv.Close()
	f.Fuzz(func(t *testing.T, status int, text, more string) {
		if status < 200 || status > 599 || strings.ContainsAny(more, "\r\n\x00") {
			t.Skip()
		}
		code, body, link = status, text, more
		c, err := New(Options{URL: srv.URL, Token: rules.NewSecret(token), Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Post(t.Context(), pull, []Comment{comment(1, "a.env", 1), comment(2, "", 0)}, Posting{Whole: true})
		up, also := c.Upload(t.Context(), analysis)
		said := fmt.Sprint(err, also, up.ID, up.Status)
		if strings.Contains(said, token) || strings.ContainsAny(said, "\x1b\n\r\x00") {
			t.Errorf("%q", said)
		}
	})
}
