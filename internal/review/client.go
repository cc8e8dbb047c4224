package review

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"
)

// Options say how GitHub is reached.
type Options struct {
	// URL is the address of the API, as GITHUB_API_URL has it: https only, http on
	// this machine. "" is GitHub's own.
	URL string
	// Token is sent to that host and to no other, and stands in no error.
	Token rules.Secret
	// Proxy is as in http.Transport; nil is none.
	Proxy func(*http.Request) (*url.URL, error)
	// Sleep waits between tries and while GitHub asks to; nil is the real clock.
	Sleep func(context.Context, time.Duration) error
}

// Client talks to GitHub. Its methods may not be called at the same time.
type Client struct {
	api   *github.Client
	sleep func(context.Context, time.Duration) error
	// waited is how long GitHub was waited for, over all calls; wrote tells that
	// something was written.
	waited time.Duration
	wrote  bool
}

// Times after which an answer is not waited for any more.
const (
	dialTimeout   = 10 * time.Second
	headerTimeout = 30 * time.Second
	callTimeout   = time.Minute
)

// maxRedirects is how often a request is sent on: a repository that was renamed is
// one step away.
const maxRedirects = 3

// New makes a client. It makes no request.
func New(o Options) (*Client, error) {
	base := "https://api.github.com/"
	if o.URL != "" {
		base = strings.TrimSuffix(o.URL, "/") + "/"
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, &Error{Op: "reach GitHub", text: "the address of its API is none", hint: "it is https://api.github.com, or https://HOST/api/v3"}
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !awsapi.Loopback(u.Hostname())) {
		return nil, &Error{Op: "reach GitHub", text: fmt.Sprintf("%s://%s is not encrypted and not on this machine", u.Scheme, u.Host), hint: "use https"}
	}
	if o.Token.IsZero() {
		return nil, &Error{Op: "reach GitHub", text: "there is no token", hint: "give one; in a workflow it is ${{ github.token }}"}
	}
	c := &Client{sleep: o.Sleep}
	if c.sleep == nil {
		c.sleep = awsapi.Sleep
	}
	c.api = github.NewClient(&http.Client{
		Transport: &wire{host: u.Host, scheme: u.Scheme, token: o.Token, next: &http.Transport{
			Proxy:                  o.Proxy,
			DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:    dialTimeout,
			ResponseHeaderTimeout:  headerTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		}},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			// Where a repository has moved to is on the same host. A changed method would
			// turn a comment that is to be made into a list that is read.
			if req.URL.Host != u.Host || req.URL.Scheme != u.Scheme || req.Method != via[0].Method || len(via) > maxRedirects {
				return http.ErrUseLastResponse
			}
			return nil
		},
	})
	c.api.BaseURL, c.api.UserAgent = u, "keyquench"
	return c, nil
}

// Waiting for GitHub.
const (
	// maxTries is how often a call is made at most.
	maxTries = 4
	// maxWait is how long a single call may be told to wait, and maxWaits all of
	// them together: a job is paid by the minute, and the log has everything.
	maxWait, maxWaits = 90 * time.Second, 4 * time.Minute
	// writePause lies between two writes. GitHub asks for a second.
	writePause = time.Second
)

// pauses are the times between tries.
var pauses = [maxTries - 1]time.Duration{time.Second, 3 * time.Second, 9 * time.Second}

// read makes a call that changes nothing, until it goes well or no further try can
// help. The error is an *Error.
func (c *Client) read(ctx context.Context, op string, call func(context.Context) error) error {
	return c.do(ctx, op, call, nil)
}

// write makes a call that changes something. landed looks whether a call without an
// answer was carried out all the same; nil is for calls that may be made twice.
func (c *Client) write(ctx context.Context, op string, call func(context.Context) error, landed func(context.Context) (bool, error)) error {
	if c.wrote {
		if err := c.sleep(ctx, writePause); err != nil {
			return newError(op, err)
		}
	}
	c.wrote = true
	return c.do(ctx, op, call, landed)
}

func (c *Client) do(ctx context.Context, op string, call func(context.Context) error, landed func(context.Context) (bool, error)) error {
	for i := 0; ; i++ {
		err := once(ctx, call)
		if err == nil {
			return nil
		}
		problem := newError(op, err)
		if ctx.Err() != nil {
			return problem
		}
		var pause time.Duration
		if i < len(pauses) {
			pause = pauses[i]
		}
		limit, isLimit := errors.AsType[*limitError](err)
		switch {
		case isLimit:
			if pause = limit.after; pause > maxWait || c.waited+pause > maxWaits {
				return problem
			}
			c.waited += pause
		case problem.Status != 0 && problem.Status < http.StatusInternalServerError:
			return problem
		case landed != nil:
			if ok, err := landed(ctx); ok || err != nil {
				return err
			}
		}
		if i == len(pauses) || c.sleep(ctx, pause) != nil {
			return problem
		}
	}
}

func once(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return call(ctx)
}
