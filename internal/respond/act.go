package respond

import (
	"context"
	"fmt"
	"time"

	"github.com/keyquench/keyquench/internal/awsapi"
)

// readBackTime is how long a change may take to be read; IAM is consistent in the
// end, which is seconds.
const readBackTime = 30 * time.Second

// readBackEvery is the time between two looks.
const readBackEvery = 200 * time.Millisecond

// act makes a step's call until its state is reached, and reads it back.
func (a *run) act(ctx context.Context, i int, st Step) (state, how string, err error) {
	wait := firstWait
	for try := 1; ; try++ {
		err = a.s.do(ctx, st)
		if err == nil {
			if state, err = a.readBack(ctx, st); err != nil {
				return state, resultUnknown, err
			}
			return state, resultDone, nil
		}
		f := failed(err)
		if f.Denied() && a.next(ctx, f) {
			if err := a.intend(ctx, i, intent{}); err != nil { // by another
				return "", resultFailed, err
			}
			continue
		}
		if a.s.self && f.Code == "InvalidClientTokenId" {
			return "refused", resultFound, nil // it is dead, whoever did it
		}
		if !again(err) {
			return "", "", a.denied(err)
		}
		// No answer does not mean that nothing was done.
		if state, ok, herr := a.s.holds(ctx, st); herr == nil && ok {
			return state, resultFound, nil
		}
		if try == tries || ctx.Err() != nil || a.Sleep(ctx, wait) != nil {
			return "", resultUnknown, &Error{"whether it was done is not known", "run the same command again: it reads how things are, and goes on", err}
		}
		wait *= 2
	}
}

// next lets the one who comes behind act, where the present one may not. It is
// for turning a key off only: other deeds need one who can do all of it.
func (a *run) next(ctx context.Context, f awsapi.Failure) bool {
	if a.p.Deed != Kill {
		return false
	}
	for len(a.p.others) > 0 {
		o := a.p.others[0]
		a.p.others = a.p.others[1:]
		a.p.Passed = append(a.p.Passed, a.s.how+": "+f.String())
		if s, err := o.open(ctx); err == nil {
			a.s, a.p.Actor, a.out.Actor = s, s.how, s.how
			return true
		}
	}
	return false
}

// denied adds the next step to what AWS refused.
func (a *run) denied(err error) error {
	if !failed(err).Denied() {
		return err
	}
	if a.s.self {
		return &Error{"the key may not turn itself off (AWS's quarantine takes that right from it, or it never had it)", "a role or a profile of the account can: --role NAME or --profile NAME; keyquench setup aws prints the role", err}
	}
	return &Error{a.s.how + " may not do it", "keyquench setup aws prints the rights that are needed; keyquench doctor tests them", err}
}

// readBack waits until the account shows what was done.
func (a *run) readBack(ctx context.Context, st Step) (string, error) {
	if a.s.self {
		return "", nil // a key that is off cannot look; STS tells
	}
	until := a.Now().Add(readBackTime)
	for {
		state, ok, err := a.s.holds(ctx, st)
		if err == nil && ok {
			if a.out.ReadBack == 0 {
				a.out.ReadBack = a.Now().Sub(a.begun)
			}
			return state, nil
		}
		if err != nil && !failed(err).Again() {
			return "", &Error{"AWS took the call, and what came of it could not be read", "keyquench setup aws prints the rights that are needed", err}
		}
		if !a.Now().Before(until) || a.Sleep(ctx, readBackEvery) != nil {
			return state, &Error{fmt.Sprintf("AWS took the call, and after %v still shows %q", readBackTime, state), "run the same command again in a minute", err}
		}
	}
}
