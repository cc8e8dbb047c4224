package awstest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Call is one request, as it arrived and as it ended. It holds no secret: the
// parameters that carry one are "***".
type Call struct {
	Service, Action, Region string
	// KeyID is whose signature the request claims; Signer is the ARN of who
	// really signed, empty where that was refused.
	KeyID, Signer string
	// Params are the parameters; those of JSON services that are no string are
	// written as JSON.
	Params map[string]string
	At     time.Time
	// Status and Code are the answer: 200 and "" for a success, the status 0 and
	// a word of ours ("closed", "hang", "body") where none of AWS's was given.
	Status int
	Code   string
	// Done tells whether the deed was done, whatever was answered.
	Done      bool
	RequestID string
}

// Name is service:action, as policies write it.
func (c Call) Name() string { return c.Service + ":" + c.Action }

// String is for messages of tests.
func (c Call) String() string {
	return fmt.Sprintf("%s by %s (%s): %d %s", c.Name(), c.KeyID, c.Signer, c.Status, c.Code)
}

// Calls are the requests so far, in the order in which they were answered.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.calls)
	for i := range list {
		list[i].Params = maps.Clone(list[i].Params)
	}
	return list
}

// ForgetCalls empties the list that Calls gives.
func (s *Server) ForgetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// Fault is how the server fails a request. The zero Fault is none. Then goes
// with every other field, and alone.
type Fault struct {
	// Deed has the request done before it fails; otherwise it never is.
	Deed bool
	// Status, Code and Message are an answer in the service's own form. For JSON
	// services, AWS's common codes are translated as AWS does.
	Status        int
	Code, Message string
	// Close ends the connection without an answer.
	Close bool
	// Hang never answers: it waits until the client gives up or the test ends.
	Hang bool
	// Body is written as it is, with Status (200 if that is zero) and Header.
	Body   string
	Header http.Header
	// Endless repeats Body until the client hangs up or 1 GiB is written.
	Endless bool
	// Then is called when the deed is done, or was left out, and before anything
	// is answered. It may wait, and it may kill the client.
	Then func()
}

// Refuse fails a request before anything is done.
func Refuse(status int, code, message string) Fault {
	return Fault{Status: status, Code: code, Message: message}
}

// Throttle is AWS's "slow down".
func Throttle() Fault { return Refuse(http.StatusBadRequest, "Throttling", "Rate exceeded") }

// Broken fails with AWS's internal error before anything is done.
func Broken() Fault {
	return Refuse(http.StatusInternalServerError, "InternalFailure", "We encountered an internal error. Please try again.")
}

// BrokenAfter does the deed and then fails with AWS's internal error.
func BrokenAfter() Fault {
	f := Broken()
	f.Deed = true
	return f
}

// Lost never does the deed: the connection ends.
func Lost() Fault { return Fault{Close: true} }

// LostAfter does the deed, and the connection ends without an answer.
func LostAfter() Fault { return Fault{Deed: true, Close: true} }

// Silent never does the deed and never answers.
func Silent() Fault { return Fault{Hang: true} }

// SilentAfter does the deed and never answers.
func SilentAfter() Fault { return Fault{Deed: true, Hang: true} }

// Say answers with a body that is not AWS's.
func Say(status int, contentType, body string) Fault {
	return Fault{Status: status, Body: body, Header: http.Header{"Content-Type": {contentType}}}
}

// Redirect sends the client elsewhere.
func Redirect(url string) Fault {
	return Fault{Status: http.StatusTemporaryRedirect, Body: "moved", Header: http.Header{"Location": {url}}}
}

// Huge answers with a body that does not end by itself.
func Huge() Fault {
	return Fault{Body: strings.Repeat("<x>huge</x>", 1<<12), Endless: true, Header: http.Header{"Content-Type": {"text/xml"}}}
}

// Inject has every request looked at by f before it is done; nil ends that. f
// may be called at once by many requests, and without the server's lock: it may
// wait and ask the server.
func (s *Server) Inject(f func(Call) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// First gives fault to the first n calls of name ("iam:UpdateAccessKey", or ""
// for any), and none to the others.
func First(n int, name string, fault Fault) func(Call) Fault {
	var count atomic.Int64
	return func(c Call) Fault {
		if name != "" && c.Name() != name || count.Add(1) > int64(n) {
			return Fault{}
		}
		return fault
	}
}

// Nth gives fault to the call number n, counted from 1 over all calls, and none
// to the others.
func Nth(n int, fault Fault) func(Call) Fault {
	var count atomic.Int64
	return func(Call) Fault {
		if count.Add(1) != int64(n) {
			return Fault{}
		}
		return fault
	}
}

// skipsDeed tells whether the request is failed without being done.
func (f Fault) skipsDeed() bool { return !f.Deed && f.fails() }

// fails tells whether there is an answer, or silence, other than the true one.
func (f Fault) fails() bool {
	return f.Close || f.Hang || f.Body != "" || f.Status != 0 || f.Code != ""
}

// answers tells whether misbehave does.
func (f Fault) answers() bool { return f.fails() }

// misbehave answers as the fault says.
func (s *Server) misbehave(w http.ResponseWriter, r *request, f Fault) {
	switch {
	case f.Close:
		panic(http.ErrAbortHandler)
	case f.Hang:
		select {
		case <-r.http.Context().Done():
		case <-s.stopped:
		}
		panic(http.ErrAbortHandler)
	case f.Body == "":
		r.answer(w, nil, &apiError{f.Status, f.Code, f.Message})
		return
	}
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Date", s.clock.Now().Format(http.TimeFormat))
	if !f.Endless {
		w.Header().Set("Content-Length", strconv.Itoa(len(f.Body)))
	}
	w.WriteHeader(max(f.Status, http.StatusOK))
	for written := 0; written < 1<<30; written += len(f.Body) {
		if _, err := io.WriteString(w, f.Body); err != nil || !f.Endless {
			return
		}
	}
}

// record keeps the call with its end.
func (s *Server) record(c Call, f Fault, refusal *apiError) {
	switch {
	case f.Close:
		c.Code = "closed"
	case f.Hang:
		c.Code = "hang"
	case f.Body != "":
		c.Status, c.Code = max(f.Status, http.StatusOK), "body"
	case f.fails():
		c.Status, c.Code = f.Status, f.Code
	case refusal != nil:
		c.Status, c.Code = refusal.status, refusal.code
	default:
		c.Status = http.StatusOK
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
}
