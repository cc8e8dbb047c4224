package awstest

import (
	"context"
	"sync"
	"time"
)

// Clock is a clock that a test moves. The zero value runs with the real clock;
// NewClock gives one that stands still. It may be used by many goroutines.
type Clock struct {
	mu      sync.Mutex
	still   bool
	at      time.Time // of a clock that stands still
	forward time.Duration
}

// NewClock gives a clock that shows at until it is moved.
func NewClock(at time.Time) *Clock { return &Clock{still: true, at: at} }

// Now is the time that the clock shows, in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.still {
		return c.at.Add(c.forward).UTC()
	}
	return time.Now().Add(c.forward).UTC()
}

// Advance moves the clock; a negative d moves it back.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forward += d
}

// Sleep moves the clock by d instead of waiting, unless ctx has ended. It fits
// where code of ours takes its way of waiting as a function.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.Advance(d)
	return nil
}

// eventual is a value whose changes are seen later by some readers. The zero
// value is the zero T since ever.
type eventual[T any] struct{ past []stamped[T] }

type stamped[T any] struct {
	since time.Time
	value T
}

// last is the value as its own service reads it.
func (e *eventual[T]) last() T { return e.at(time.Time{}, true) }

// seen is the value as it was at the moment.
func (e *eventual[T]) seen(moment time.Time) T { return e.at(moment, false) }

func (e *eventual[T]) at(moment time.Time, last bool) (v T) {
	for i := len(e.past) - 1; i >= 0; i-- {
		if last || !e.past[i].since.After(moment) {
			return e.past[i].value
		}
	}
	return v
}

// set changes the value from now on.
func (e *eventual[T]) set(now time.Time, v T) {
	e.past = append(e.past, stamped[T]{now, v})
}

// fix makes it the value since ever: what a test does to the world.
func (e *eventual[T]) fix(v T) { e.past = []stamped[T]{{time.Time{}, v}} }
