package respond

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keyquench/keyquench/rules"
)

// refusals is how often in a row STS has to refuse a key before it is called
// dead: IAM's changes reach STS's machines one by one.
const refusals = 3

// refusalEvery is the time between two questions.
const refusalEvery = 300 * time.Millisecond

// end asks STS, looks at what is still alive, and writes down how it ended. err is
// what stopped the steps.
func (a *run) end(ctx context.Context, err error) (Outcome, error) {
	switch {
	case errors.Is(err, errWaiting):
		err = nil
	case err == nil:
		a.out.State, err = a.state(ctx)
	case a.rolledBack && a.p.Leaked:
		a.out.State = Inactive
	case a.rolledBack && a.deletedOne():
		a.out.State = Partly
	case !a.rolledBack && a.changed():
		a.out.State = Partly
	}
	if err == nil && a.p.Deed != Undo && !a.s.self && a.p.Owner.User != "" {
		a.out.Alive = a.s.alive(ctx, a.p.Owner.User, a.p.KeyID)
		err = a.unseen()
	}
	a.left()
	return a.out, errors.Join(err, a.close(ctx, err))
}

// state is what the account is in when all steps are done.
func (a *run) state(ctx context.Context) (State, error) {
	switch a.p.Deed {
	case Undo:
		if len(a.p.left) > 0 {
			return Undone, &Error{"not everything could be put back: " + strings.Join(a.p.left, "; "), "keyquench ledger show " + a.p.Undoes + " has how it was", nil}
		}
		return Undone, nil
	case Rotate:
		return Rotated, nil
	}
	state, done := Inactive, Dead
	if a.p.Deed == Isolate {
		state, done = Isolated, Isolated
	}
	if a.p.place.kind != longTerm {
		return state, nil
	}
	refused, err := a.refused(ctx, a.p.target.Key)
	if refused {
		return done, nil
	}
	return state, err
}

// refused asks STS about a key until it is refused often enough. Without the
// secret it cannot ask, and what IAM shows is what is known.
func (a *run) refused(ctx context.Context, k rules.Key) (bool, error) {
	if k.Secret.IsZero() || a.Checker == nil {
		a.out.STS = "not asked: the secret is not known here"
		return false, nil
	}
	from := a.Now()
	for inRow, asked := 0, 1; ; asked++ {
		answer := a.Checker.Ask(ctx, k, a.p.Partition)
		switch {
		case answer.Refused():
			inRow++
		case answer.Accepted():
			inRow = 0
		}
		if inRow == refusals {
			a.out.STS = fmt.Sprintf("refused %d times in a row (%s)", refusals, answer.Code)
			a.out.Refused = a.Now().Sub(a.begun)
			return true, nil
		}
		if a.Now().Sub(from) >= a.Confirm || a.Sleep(ctx, refusalEvery) != nil {
			a.out.STS = fmt.Sprintf("asked %d times, not refused %d times in a row; the last answer was: %s", asked, refusals, said(answer))
			shown := "IAM shows the key as off"
			if a.s.self {
				shown = "AWS took the call that turns the key off" // the key itself cannot look
			}
			return false, &Error{
				fmt.Sprintf("%s, and STS has not refused it %d times in a row: %s", shown, refusals, said(answer)),
				"keyquench verify asks again; the change may take longer to reach STS", nil,
			}
		}
	}
}

// deletedOne tells whether a key was deleted for good to make room.
func (a *run) deletedOne() bool {
	for i, st := range a.p.Steps {
		if st.Op == opNoKey && a.h.results[i].changed() {
			return true
		}
	}
	return false
}

// changed tells whether the case changed anything, or may have.
func (a *run) changed() bool {
	if a.h == nil {
		return false
	}
	for _, o := range a.h.results {
		if o.changed() || o.Result == resultUnknown {
			return true
		}
	}
	return false
}

// ending is the last entry of a case.
type ending struct {
	State  State    `json:"state"`
	STS    string   `json:"sts,omitempty"`
	NewKey string   `json:"new_key,omitempty"`
	Error  string   `json:"error,omitempty"`
	Left   []string `json:"left,omitempty"`
}

// close writes the last entry. A case that waits, or whose steps were cut off,
// stays open: the same command goes on with it.
func (a *run) close(ctx context.Context, failure error) error {
	if a.h == nil || a.p.Case == "" {
		return nil
	}
	e := ending{State: a.out.State, STS: a.out.STS, NewKey: a.out.NewKey, Left: a.out.Left}
	kind := KindDone
	switch {
	case a.out.State == Waiting:
		kind = KindWaiting
	case failure != nil && a.out.State == Partly, failure != nil && ctx.Err() != nil, failure != nil && a.unsure():
		return nil
	case failure != nil && (a.out.State == Unchanged || a.p.Deed == Rotate):
		kind, e.Error = KindFailed, failure.Error()
	case failure != nil:
		e.Error = failure.Error()
	}
	if err := a.keep.write(ctx, a.p, kind, e); err != nil {
		return &Error{"how it ended could not be written down", hintOf(err, "make room for the ledger, and run it again"), err}
	}
	if a.p.Deed == Undo && kind == KindDone {
		return a.keep.writeTo(ctx, a.p, a.p.Undoes, KindUndone, map[string]string{"by": a.p.Case})
	}
	return nil
}

// unsure tells whether some step may have been done without our knowing.
func (a *run) unsure() bool {
	for i := range a.h.intents {
		if o, ok := a.h.results[i]; !ok || o.Result == resultUnknown {
			return true
		}
	}
	return false
}

// left says what a person has to do.
func (a *run) left() {
	if a.out.State != Dead && a.out.State != Inactive {
		return
	}
	if quarantined(a.out.Alive.Things) {
		a.out.Left = append(a.out.Left, "AWS has quarantined the user: leave that policy, and answer AWS's support case")
	}
	if a.p.place.kind == longTerm && !a.p.Owner.Root {
		a.out.Left = append(a.out.Left, "sessions that were made with the key live on for up to 36 hours: keyquench isolate "+a.p.KeyID+" ends what they can do")
	}
}
