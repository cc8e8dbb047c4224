package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"
)

// Options say how to ask. The zero value asks AWS itself, about every partition.
type Options struct {
	// Reach is the way to AWS, or to the emulator that stands for it.
	Reach awsapi.Reach
	// Now and Sleep are the clock; nil is the machine's.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	// Rate is how many calls may be made a second, over all keys.
	Rate float64
	// Candidates is how many secrets are tried for one key ID.
	Candidates int
	// Partitions are asked in this order.
	Partitions []string
	// Timeout is how long one call may take.
	Timeout time.Duration
}

const (
	// defaultRate is well below the 600 calls a second that AWS lets an account
	// make in a region: the keys of one account share them with its own programs.
	defaultRate = 40
	// defaultCandidates is twice what a Match lists, for keys found in two places.
	defaultCandidates = 2 * rules.MaxSecrets
	// defaultTimeout is far above the tenths of a second that STS takes.
	defaultTimeout = 5 * time.Second
	// parallel is how many keys are asked about at once. Most of them wait: for
	// their turn at the rate, or for the second try of a wrong secret.
	parallel = 64
)

// Checker asks AWS about keys. It may be used by many goroutines: it makes one
// call at a time about one key ID, and remembers what was decided.
type Checker struct {
	reach      awsapi.Reach
	client     *http.Client
	now        func() time.Time
	sleep      func(context.Context, time.Duration) error
	timeout    time.Duration
	candidates int
	partitions []awsapi.Partition
	pace       *pace
	// shift is how far this machine's clock is behind AWS's, in nanoseconds, as
	// far as that had to be found out.
	shift atomic.Int64

	mu      sync.Mutex
	lanes   map[string]*lane
	flights map[string]*flight
}

// flight is one Check that others with the same question wait for.
type flight struct {
	done    chan struct{}
	verdict Verdict // after done
	cut     bool    // its context ended: the others must ask for themselves
}

// New makes a Checker.
func New(o Options) (*Checker, error) {
	client, err := o.Reach.Client()
	if err != nil {
		return nil, err
	}
	c := &Checker{
		reach: o.Reach, client: client, now: o.Now, sleep: o.Sleep, timeout: o.Timeout, candidates: o.Candidates,
		lanes: map[string]*lane{}, flights: map[string]*flight{},
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.sleep == nil {
		c.sleep = awsapi.Sleep
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.candidates == 0 {
		c.candidates = defaultCandidates
	}
	rate := o.Rate
	if rate == 0 {
		rate = defaultRate
	}
	if c.timeout < 0 || c.candidates < 0 || !(rate > 0) || math.IsInf(rate, 0) {
		return nil, errors.New("verify: a rate, a timeout and a number of candidates must be above zero")
	}
	interval := time.Duration(float64(time.Second) / rate)
	c.pace = &pace{now: c.now, sleep: c.sleep, interval: interval, burst: time.Second}
	if c.partitions, err = chosen(o.Partitions); err != nil {
		return nil, err
	}
	return c, nil
}

// chosen are the partitions of these names, each once; without names, all.
func chosen(names []string) (list []awsapi.Partition, err error) {
	if len(names) == 0 {
		return awsapi.Partitions(), nil
	}
	seen := map[string]bool{}
	for _, name := range names {
		p, err := awsapi.PartitionNamed(name)
		if err != nil {
			return nil, err
		}
		if !seen[name] {
			seen[name] = true
			list = append(list, p)
		}
	}
	return list, nil
}

// Check finds out what is known of a key ID. The candidates are all keys with
// that ID that were found, the likeliest first: with other secrets, with other
// session tokens, or with the ID alone. It never fails: what it could not find
// out is a verdict, too, with its reason.
//
// Verdicts that decide are remembered for the same candidates; where nothing was
// decided, the next call asks again.
func (c *Checker) Check(ctx context.Context, candidates ...rules.Key) Verdict {
	keys, verdict, ok := askable(candidates)
	if !ok {
		verdict.At = c.now()
		return verdict
	}
	question := questionOf(keys)
	for {
		c.mu.Lock()
		f := c.flights[question]
		if f == nil {
			f = &flight{done: make(chan struct{})}
			c.flights[question] = f
			c.mu.Unlock()
			return c.fly(ctx, f, question, keys)
		}
		c.mu.Unlock()
		select {
		case <-f.done:
			if !f.cut {
				return f.verdict.copy()
			}
		case <-ctx.Done():
			return c.cutOff(ctx, keys[0].ID)
		}
	}
}

// fly asks, for all who wait with the same question.
func (c *Checker) fly(ctx context.Context, f *flight, question string, keys []rules.Key) Verdict {
	defer func() {
		// A verdict that decides stays; a question without one may be asked again.
		if f.verdict.State == Unknown {
			c.mu.Lock()
			delete(c.flights, question)
			c.mu.Unlock()
		}
		close(f.done)
	}()
	l := c.lane(keys[0].ID)
	if l.take(ctx) != nil {
		f.cut = true
		f.verdict = c.cutOff(ctx, keys[0].ID)
		return f.verdict
	}
	defer l.give()
	f.verdict = c.investigate(ctx, l, keys)
	f.cut = ctx.Err() != nil && f.verdict.State == Unknown
	return f.verdict.copy()
}

// cutOff is the verdict of a key whose turn did not come.
func (c *Checker) cutOff(ctx context.Context, keyID string) Verdict {
	v := newVerdict(keyID)
	v.At, v.Reason = c.now(), interrupted(ctx)
	return v
}

func interrupted(ctx context.Context) string {
	return "it was not asked to the end: " + awsapi.Clean(context.Cause(ctx).Error(), maxMessage)
}

// CheckAll is Check of many key IDs at once; each group holds the candidates of
// one. The verdicts come in the order of the groups.
func (c *Checker) CheckAll(ctx context.Context, groups [][]rules.Key) []Verdict {
	verdicts := make([]Verdict, len(groups))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(parallel, len(groups)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(groups); i = int(next.Add(1)) - 1 {
				verdicts[i] = c.Check(ctx, groups[i]...)
			}
		})
	}
	wg.Wait()
	return verdicts
}

// Ask makes one call with a key, without a second try, and judges nothing. A key
// that must not or cannot be asked about gives an Answer without a status.
func (c *Checker) Ask(ctx context.Context, key rules.Key, partition string) Answer {
	no := func(why string) Answer {
		return Answer{Partition: awsapi.Clean(partition, 32), At: c.now(), Message: "not asked: " + why}
	}
	p, err := awsapi.PartitionNamed(partition)
	if err != nil {
		return no(awsapi.Clean(err.Error(), maxMessage))
	}
	keys, v, ok := askable([]rules.Key{key})
	if !ok {
		return no(v.Reason)
	}
	l := c.lane(key.ID)
	if err := l.take(ctx); err != nil {
		return no(awsapi.Clean(err.Error(), maxMessage))
	}
	defer l.give()
	return c.call(ctx, l, keys[0], p)
}

// signingTime is what AWS's clock shows, as far as that is known.
func (c *Checker) signingTime() time.Time { return c.now().Add(time.Duration(c.shift.Load())) }

// clockTolerance is near where AWS's own ends: it takes signatures that are five
// minutes old.
const clockTolerance = 4 * time.Minute

// correct tells whether the clock of the server explains why it did not believe
// the time of a signature that was made with a shift, and signs for that clock
// from now on.
func (c *Checker) correct(a Answer, shift int64) bool {
	if off := a.Skew - time.Duration(shift); off.Abs() <= clockTolerance {
		return false
	}
	c.shift.Store(int64(a.Skew))
	return true
}

// copy gives the caller evidence of its own.
func (v Verdict) copy() Verdict {
	v.Asked = slices.Clone(v.Asked)
	return v
}

// questionOf identifies a set of candidates, whatever their order.
func questionOf(keys []rules.Key) string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = fmt.Sprintf("%x %x", k.Secret.Hash(), k.Token.Hash())
	}
	slices.Sort(list)
	return keys[0].ID + " " + strings.Join(list, " ")
}
