// Package awstest is a small AWS for tests: one server on loopback that answers
// STS, IAM, Secrets Manager and Parameter Store as AWS does, for all partitions
// and regions at once. It verifies signatures, judges policies, keeps the limits
// and answers with AWS's own error codes. Where AWS is lax or nothing is known of
// it, the fake is strict: what works here must work there.
//
// A test builds a world (accounts, users, keys, roles), points its clients at
// URL, and asks Calls what was done. What a test does to the world holds at
// once; what arrives as a request spreads as slowly as Options.Delay says.
//
// It is no emulator for other purposes: what no test of ours needs is refused as
// an unknown action, never answered with something made up.
package awstest

import (
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/keyquench/keyquench/rules/rulestest"
)

// T is what the server needs of a test. *testing.T is one; a script's test can
// be made one.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Cleanup(func())
}

// Options are a server's settings. The zero value gives a clock that runs with
// the real one, changes that are visible at once and pages of two items.
type Options struct {
	// Clock is the server's; signatures and sessions are judged by it.
	Clock *Clock
	// Delay is how long changes made by requests stay unseen by authentication
	// and authorisation. IAM's own reads see them at once.
	Delay time.Duration
	// PageSize is the most items a list gives in one answer, whatever is asked.
	PageSize int
	// Confusion is how long after a wrong signature for a key ID a right one is
	// refused too, as AWS was seen to do for about five seconds.
	Confusion time.Duration
	// Seed makes another world of IDs and secrets.
	Seed uint64
}

// defaultPage is small, so that every list of three is a test of paging.
const defaultPage = 2

// Server is one fake AWS. Its methods may be called at any time by any goroutine.
type Server struct {
	t       T
	clock   *Clock
	http    *httptest.Server
	stopped chan struct{} // closed at the end, for requests that hang

	mu        sync.Mutex // guards all below, and the world
	options   Options
	rand      *rand.Rand
	accounts  map[string]*Account // by number
	keys      map[string]*accessKey
	sessions  map[string]*session // by key ID
	fault     func(Call) Fault
	calls     []Call
	confusion map[string]time.Time // last wrong signature of a key ID
}

// New starts a server with the zero Options. It stops with the test.
func New(t T) *Server { return Start(t, Options{}) }

// Start starts a server. It stops with the test, and requests that still hang
// then are cut off.
func Start(t T, o Options) *Server {
	t.Helper()
	if o.Clock == nil {
		o.Clock = &Clock{}
	}
	if o.PageSize < 1 {
		o.PageSize = defaultPage
	}
	s := &Server{
		t: t, clock: o.Clock, options: o, stopped: make(chan struct{}),
		rand:      rulestest.Rand(o.Seed),
		accounts:  map[string]*Account{},
		keys:      map[string]*accessKey{},
		sessions:  map[string]*session{},
		confusion: map[string]time.Time{},
	}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	// A client that hangs up in the middle is part of many tests.
	s.http.Config.ErrorLog = log.New(discard{}, "", 0)
	s.http.Start()
	t.Cleanup(func() {
		close(s.stopped)
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// URL is where the server listens, for every service and region.
func (s *Server) URL() string { return s.http.URL }

// Clock is the server's clock.
func (s *Server) Clock() *Clock { return s.clock }

// SetDelay changes Options.Delay from now on.
func (s *Server) SetDelay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options.Delay = d
}

// SetPageSize changes Options.PageSize from now on.
func (s *Server) SetPageSize(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options.PageSize = max(1, n)
}
