package verify

import (
	"context"
	"sync"
	"time"
)

// pace lets calls through at a rate, after a first few at once. It keeps time by
// the clock it is given.
type pace struct {
	now      func() time.Time
	sleep    func(context.Context, time.Duration) error
	interval time.Duration
	burst    time.Duration // how far it may be ahead of the rate

	mu   sync.Mutex
	next time.Time // when the next call may go
}

// wait returns when the caller may call, or when ctx ends.
func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	now := p.now()
	if earliest := now.Add(-p.burst); p.next.Before(earliest) {
		p.next = earliest
	}
	d := p.next.Sub(now)
	p.next = p.next.Add(p.interval)
	p.mu.Unlock()
	if d <= 0 {
		return context.Cause(ctx)
	}
	return p.sleep(ctx, d)
}

// lane makes calls about one key ID wait for each other.
type lane struct {
	turn chan struct{} // holds one token while nobody has the turn
	last time.Time     // when the last call ended; of whoever has the turn
}

// lane gives that of a key ID.
func (c *Checker) lane(keyID string) *lane {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lanes[keyID]
	if l == nil {
		l = &lane{turn: make(chan struct{}, 1)}
		l.turn <- struct{}{}
		c.lanes[keyID] = l
	}
	return l
}

// take waits for the turn. Whoever has it gives it back.
func (l *lane) take(ctx context.Context) error {
	select {
	case <-l.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *lane) give() { l.turn <- struct{}{} }
