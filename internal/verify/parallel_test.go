package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// simulated is a clock for many workers: it goes on to the next one who waits
// when all of them wait, and stands still while any of them works.
type simulated struct {
	clock *awstest.Clock

	mu      sync.Mutex
	working int
	waiting map[chan struct{}]time.Time
}

// work runs f once for each of n workers, and waits for them.
func (s *simulated) work(n int, f func()) {
	s.working, s.waiting = n, map[chan struct{}]time.Time{}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			defer s.rest()
			f()
		})
	}
	wg.Wait()
}

// rest is one worker less. When none works, the first of those who wait goes on.
func (s *simulated) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.working--; s.working > 0 || len(s.waiting) == 0 {
		return
	}
	var first chan struct{}
	for c, until := range s.waiting {
		if first == nil || until.Before(s.waiting[first]) {
			first = c
		}
	}
	if d := s.waiting[first].Sub(s.clock.Now()); d > 0 {
		s.clock.Advance(d)
	}
	delete(s.waiting, first)
	s.working++
	close(first)
}

func (s *simulated) Sleep(_ context.Context, d time.Duration) error {
	c := make(chan struct{})
	s.mu.Lock()
	s.waiting[c] = s.clock.Now().Add(d)
	s.mu.Unlock()
	s.rest()
	<-c
	return nil
}

// sampleKey is a key of the crowd, with the candidates it comes with and what is
// to be found out.
type sampleKey struct {
	name  string
	keys  []rules.Key
	state State
	arn   string
}

// crowd makes n keys in all states, mixed.
func crowd(aws *awstest.Server, n int) (list []sampleKey) {
	r := rulestest.Rand(77)
	secret := func() rules.Secret { return rules.NewSecret(rulestest.Secret(r)) }
	worlds := []string{"aws", "aws", "aws", "aws-cn", "aws-us-gov", "aws-eusc"}
	for i := range n {
		partition := worlds[i%len(worlds)]
		acc := aws.Account(partition, fmt.Sprintf("%012d", 700000000000+i*len(worlds)+i%len(worlds)))
		u := acc.User(fmt.Sprintf("user-%d", i))
		role := acc.Role("role", awstest.Trust(acc.Number(), ""))
		bad := func(k rules.Key) rules.Key { k.Secret = secret(); return k }
		var s sampleKey
		switch i % 13 {
		case 0:
			s = sampleKey{"live", []rules.Key{u.Key()}, Live, u.ARN()}
		case 1:
			s = sampleKey{"live root", []rules.Key{acc.Root().Key()}, Live, acc.Root().ARN()}
		case 2:
			k := u.Key()
			u.SetActive(k.ID, false)
			s = sampleKey{"inactive", []rules.Key{k}, Gone, ""}
		case 3:
			k := u.Key()
			u.RemoveKey(k.ID)
			s = sampleKey{"deleted", []rules.Key{k, bad(k)}, Gone, ""}
		case 4:
			k := u.Key()
			s = sampleKey{"wrong secret", []rules.Key{bad(k), bad(k)}, WrongSecret, ""}
		case 5:
			k := u.Key()
			s = sampleKey{"right among wrong", []rules.Key{bad(k), k, bad(k)}, Live, u.ARN()}
		case 6:
			s = sampleKey{"session", []rules.Key{role.Session("s", 12*time.Hour)}, Live, fmt.Sprintf("arn:%s:sts::%s:assumed-role/role/s", partition, acc.Number())}
		case 7:
			s = sampleKey{"expired", []rules.Key{role.Session("s", time.Nanosecond)}, Expired, ""}
		case 8:
			k := role.Session("s", time.Hour)
			k.Token = rules.Secret{}
			s = sampleKey{"no token", []rules.Key{k}, Unknown, ""}
		case 9:
			s = sampleKey{"canary", []rules.Key{{ID: rulestest.KeyIDOf(r, "AKIA", 992382622183), Secret: secret()}}, Canary, ""}
		case 10:
			s = sampleKey{"old", []rules.Key{u.OldKey()}, Live, u.ARN()}
		case 11:
			s = sampleKey{"ID only", []rules.Key{{ID: u.Key().ID}}, Unknown, ""}
		case 12:
			k := u.OldKey()
			u.SetActive(k.ID, false)
			s = sampleKey{"old and inactive", []rules.Key{k}, Gone, ""}
		}
		list = append(list, s)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// A thousand keys in all states, with AWS throttling, failing and confused about
// secrets: each verdict is right.
func TestAThousandKeys(t *testing.T) {
	clock := awstest.NewClock(start)
	s := &simulated{clock: clock}
	aws, c := newWorld(t, awstest.Options{Clock: clock, Confusion: 5 * time.Second}, func(o *Options) { o.Sleep = s.Sleep })
	list := crowd(aws, 1000)
	clock.Advance(time.Second) // the short sessions are over
	var calls atomic.Int64
	aws.Inject(func(awstest.Call) awstest.Fault {
		switch n := calls.Add(1); {
		case n%17 == 0:
			return awstest.Throttle()
		case n%101 == 0:
			return awstest.Broken()
		}
		return awstest.Fault{}
	})
	verdicts := make([]Verdict, len(list))
	var next atomic.Int64
	s.work(parallel, func() {
		for i := int(next.Add(1)) - 1; i < len(list); i = int(next.Add(1)) - 1 {
			verdicts[i] = c.Check(context.Background(), list[i].keys...)
		}
	})
	unlucky := 0
	for i, v := range verdicts {
		want := list[i]
		if v.State == Unknown && want.state != Unknown && throttledOut(v) {
			unlucky++ // three faults in a row are an answer, too
			continue
		}
		if v.State != want.state || v.ARN != want.arn {
			t.Errorf("%s: Check = %v %q (%s), want %v %q", want.name, v.State, v.ARN, v.Reason, want.state, want.arn)
		}
		checkEvidence(t, want.name, v)
	}
	if unlucky > len(list)/100 {
		t.Errorf("%d keys met three faults in a row", unlucky)
	}
	checkPace(t, aws)
}

func throttledOut(v Verdict) bool {
	n := 0
	for _, a := range v.Asked {
		if n++; a.meaning() != later {
			n = 0
		}
		if n == tries {
			return true
		}
	}
	return false
}

// checkPace: the calls kept to the rate.
func checkPace(t *testing.T, aws *awstest.Server) {
	t.Helper()
	calls := aws.Calls()
	const span = 10 * time.Second
	for i, j := 0, 0; i < len(calls); i++ {
		for calls[i].At.Sub(calls[j].At) > span {
			j++
		}
		if n := i - j + 1; n > defaultRate*int(span/time.Second+1)+parallel {
			t.Fatalf("%d calls in %v", n, span)
		}
	}
	if len(calls) < 2000 {
		t.Errorf("%d calls were made", len(calls))
	}
}

func TestOneCallAtATimeForAKeyID(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{Clock: &awstest.Clock{}})
	u := aws.Account("aws", "123456789012").User("u")
	key, other := u.Key(), u.Key()
	var now, both, most atomic.Int64
	gate := make(chan struct{})
	aws.Inject(func(call awstest.Call) awstest.Fault {
		if call.KeyID != key.ID {
			// The other key is not held up: its call lets the first go on.
			close(gate)
			return awstest.Fault{}
		}
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-gate
		both.Add(1)
		now.Add(-1)
		return awstest.Fault{}
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { c.Ask(t.Context(), key, "aws") })
	}
	if v := c.Check(t.Context(), other); v.State != Live {
		t.Errorf("Check of another key = %v (%s), want live", v.State, v.Reason)
	}
	wg.Wait()
	if most.Load() != 1 || both.Load() != 8 {
		t.Errorf("%d calls at once of %d, want 1 of 8", most.Load(), both.Load())
	}
}

func TestTheSameQuestionIsAskedOnce(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{})
	u := aws.Account("aws", "123456789012").User("u")
	key := u.Key()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			candidates := []rules.Key{key, wrong(key, 1)}
			if i%2 == 1 {
				candidates[0], candidates[1] = candidates[1], candidates[0]
			}
			if v := c.Check(t.Context(), candidates...); v.State != Live {
				t.Errorf("Check = %v (%s), want live", v.State, v.Reason)
			}
		})
	}
	wg.Wait()
	if n := len(aws.Calls()); n > 2 {
		t.Errorf("%d calls for one question", n)
	}
	v := c.Check(t.Context(), key, wrong(key, 1))
	v.Asked[0].Code = "changed"
	if again := c.Check(t.Context(), key, wrong(key, 1)); again.Asked[0].Code == "changed" || len(aws.Calls()) > 2 {
		t.Error("what a caller does to its verdict changes that of others, or it was asked again")
	}
	// Another set of candidates is another question.
	aws.ForgetCalls()
	if v := c.Check(t.Context(), wrong(key, 1)); v.State != WrongSecret || len(aws.Calls()) == 0 {
		t.Errorf("Check = %v (%s) by %d calls, want wrong secret", v.State, v.Reason, len(aws.Calls()))
	}
}

// Whoever waits for somebody else's question asks it when that one gave up.
func TestAQuestionThatWasGivenUp(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{})
	key := aws.Account("aws", "123456789012").User("u").Key()
	ctx, cancel := context.WithCancel(t.Context())
	arrived := make(chan struct{})
	aws.Inject(awstest.Nth(1, awstest.Fault{Hang: true, Then: func() { close(arrived) }}))
	var wg sync.WaitGroup
	wg.Go(func() {
		if v := c.Check(ctx, key); v.State != Unknown {
			t.Errorf("the Check that was given up = %v", v.State)
		}
	})
	<-arrived
	wg.Go(func() {
		if v := c.Check(t.Context(), key); v.State != Live {
			t.Errorf("the Check behind it = %v (%s), want live", v.State, v.Reason)
		}
	})
	cancel()
	wg.Wait()
}

func TestCheckAllKeepsTheOrder(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{})
	var groups [][]rules.Key
	for i := range 100 {
		k := aws.Account("aws", fmt.Sprintf("%012d", i+1)).User("u").Key()
		groups = append(groups, []rules.Key{k})
	}
	for i, v := range c.CheckAll(t.Context(), groups) {
		if v.State != Live || v.KeyID != groups[i][0].ID {
			t.Errorf("verdict %d = %v of another key, %s", i, v.State, v.Reason)
		}
	}
	if got := c.CheckAll(t.Context(), nil); len(got) != 0 {
		t.Errorf("CheckAll of nothing = %v", got)
	}
}
