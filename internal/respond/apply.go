package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"
)

// Consent is a person's yes to a plan.
type Consent struct {
	// Token is the plan's, typed back.
	Token string
	// Yes is enough for users that are not protected.
	Yes bool
}

// State is how an account is left, in a word.
type State string

// The states in which a deed leaves an account.
const (
	Unchanged State = "unchanged" // nothing was changed, or all of it put back
	Inactive  State = "inactive"  // IAM says so; that STS refuses it is not shown
	Dead      State = "dead"      // IAM says so, and STS refused it again and again
	Rotated   State = "rotated"
	Waiting   State = "waiting" // for the old key not to be used any more
	Isolated  State = "isolated"
	Undone    State = "undone"
	Partly    State = "partly" // the ledger says which steps are done
)

// Outcome is what came of a plan.
type Outcome struct {
	Case  string `json:"case,omitempty"`
	Deed  Deed   `json:"deed"`
	KeyID string `json:"key_id"`
	State State  `json:"state"`
	// Already: there was nothing to change.
	Already bool   `json:"already,omitempty"`
	Actor   string `json:"actor,omitempty"`
	// Steps are the results, in order.
	Steps []Done `json:"steps,omitempty"`
	// STS is what it said of the key behind the last step.
	STS    string `json:"sts,omitempty"`
	NewKey string `json:"new_key,omitempty"`
	// ReadBack and Refused are how long it took from the first call until the
	// account was read back, and until STS refused the key.
	ReadBack time.Duration `json:"read_back_ns,omitempty"`
	Refused  time.Duration `json:"refused_ns,omitempty"`
	Alive    Alive         `json:"alive,omitzero"`
	// Left is what a person has to do.
	Left []string `json:"left,omitempty"`
}

// Done is one step's end, for people.
type Done struct {
	Call   string `json:"call"`
	Result string `json:"result"`
	State  string `json:"state,omitempty"`
}

// planAge is how old a plan may be when it is carried out; an older one is made
// again, and must be the same.
const planAge = time.Minute

// run is a plan being carried out.
type run struct {
	*Responder
	p     *Plan
	h     *history
	s     *session
	out   Outcome
	begun time.Time
	// pair is a new key, between its making and its storing.
	pair       rules.Key
	rolledBack bool
}

// Apply carries a plan out. The outcome says how the account is left, also where
// there is an error. Only one process acts on a key at a time; another one waits.
func (r *Responder) Apply(ctx context.Context, p *Plan, c Consent) (Outcome, error) {
	out := Outcome{Deed: p.Deed, KeyID: p.KeyID, State: Unchanged, Actor: p.Actor}
	if err := r.consent(p, c); err != nil {
		return out, err
	}
	release, err := r.Ledger.Lock(ctx, p.KeyID)
	if err != nil {
		return out, err
	}
	defer release()
	h, err := r.keep.interrupted(ctx, p.Deed, p.KeyID, p.Undoes)
	if err != nil {
		return out, err
	}
	a := &run{Responder: r, p: p, s: p.session, out: out, begun: r.Now()}
	switch {
	case h != nil:
		if err := a.resume(h); err != nil {
			return out, err
		}
	default:
		if p, err = r.unchanged(ctx, p); err != nil {
			return out, err
		}
		a.p, a.s = p, p.session
		if p.Nothing() {
			a.out.Already = true
			return a.end(ctx, nil)
		}
		p.Case = newCase(r.Now())
		a.h = &history{plan: p, intents: map[int]intent{}, results: map[int]result{}}
		if err := r.keep.write(ctx, p, KindPlan, p); err != nil {
			return out, nothingDone(err)
		}
	}
	a.out.Case = p.Case
	err = a.leakedSince(ctx)
	if err == nil {
		err = a.steps(ctx)
	}
	if err == nil {
		err = a.again(ctx)
	}
	return a.end(ctx, err)
}

// consent tells whether a person said yes to this plan.
func (r *Responder) consent(p *Plan, c Consent) error {
	if err := r.Policy.allow(p.Deed, p.Account); err != nil {
		return err
	}
	switch {
	case p.Nothing():
		return nil
	case c.Token != "" && c.Token != p.Token():
		return &Error{fmt.Sprintf("%q is not the token of this plan", awsapi.Clean(c.Token, 20)), "look at the plan again: it may have changed", ErrChanged}
	case c.Token != "":
		return nil
	case p.Protected:
		return &Error{p.Owner.String() + " is protected: a person has to look at the plan", "--confirm " + p.Token() + ", when you have read it", ErrProtected}
	case !c.Yes:
		return &Error{"the plan was not confirmed", "--confirm " + p.Token() + ", or --yes", nil}
	}
	return nil
}

// unchanged makes a plan again that is old, or that another process may have
// carried out meanwhile, and compares.
func (r *Responder) unchanged(ctx context.Context, p *Plan) (*Plan, error) {
	entries, err := r.keep.count(ctx, p.KeyID)
	if err != nil {
		return nil, err
	}
	if r.Now().Sub(p.At) < planAge && entries == p.entries {
		return p, nil
	}
	var q *Plan
	if p.Deed == Undo {
		q, err = r.PlanUndo(ctx, p.Undoes, p.target, p.args)
	} else {
		q, err = r.Plan(ctx, p.Deed, p.target, p.args, p.partition)
	}
	if err != nil {
		return nil, err
	}
	if !q.Nothing() && !p.same(q) {
		return nil, &Error{"something else changed the account meanwhile", "run it again, and look at the new plan", ErrChanged}
	}
	return q, nil
}

// resume goes on with a case that was interrupted: its steps and what they were
// before are those written down then. What is read now may be half of it.
func (a *run) resume(h *history) error {
	p := a.p
	leaked := p.args.Leaked
	p.take(h)
	p.Leaked = p.Leaked || leaked
	a.h = h
	if memory := h.memory(); p.args.Store != nil && len(memory) > 0 {
		if err := p.args.Store.Resume(memory); err != nil {
			return fmt.Errorf("go on with case %s: %w", p.Case, err)
		}
	}
	return nil
}

// leakedSince turns the old key off at once, where a rotation was begun for a key
// that had not leaked yet.
func (a *run) leakedSince(ctx context.Context) error {
	if !a.p.Resumes || a.p.Deed != Rotate || !a.p.args.Leaked {
		return nil
	}
	for i, st := range a.p.Steps {
		if st.Op == opKey && st.ID == a.p.KeyID && st.Status == inactive && !a.h.results[i].reached() {
			return a.step(ctx, i)
		}
	}
	return nil
}

func nothingDone(err error) error {
	return &Error{"nothing was done, since it could not be written down first", hintOf(err, "give a ledger that can be written: --ledger FILE"), err}
}

// unwritten is that something was not done, since it could not be written first.
func unwritten(what string, err error) error {
	return &Error{what + " could not be written down first", hintOf(err, "make room for the ledger, and run it again"), err}
}

// hintOf is the next step that an error knows, or else another.
func hintOf(err error, other string) string {
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok && h.Hint() != "" {
		return h.Hint()
	}
	return other
}

// steps carries out what is left.
func (a *run) steps(ctx context.Context) error {
	var broken []error
	for i := 0; i < len(a.p.Steps); i++ {
		if a.h.results[i].reached() {
			a.tell(i)
			continue
		}
		if err := ctx.Err(); err != nil {
			return &Error{"interrupted", "run the same command again: it goes on where it stopped", context.Cause(ctx)}
		}
		err := a.step(ctx, i)
		if errors.Is(err, errAnother) {
			i = -1
			continue
		}
		if err != nil && a.p.Deed == Isolate && a.h.results[i].Result == resultFailed && ctx.Err() == nil {
			// Each of the others takes away something too.
			broken = append(broken, err)
			continue
		}
		if err != nil && a.p.Steps[i].Optional && failed(err).Denied() && a.h.results[i].Result == resultFailed {
			a.out.Left = append(a.out.Left, "not done, for want of the right: "+a.p.Steps[i].Calls[0])
			continue
		}
		if err != nil {
			return errors.Join(append(broken, err)...)
		}
	}
	return errors.Join(broken...)
}

// step carries out one.
func (a *run) step(ctx context.Context, i int) error {
	st := a.p.Steps[i]
	if f := a.special(st.Op); f != nil {
		err := f(ctx, i)
		a.tell(i)
		return err
	}
	if a.p.Resumes {
		// What is so already is left, and whose doing it was is written down.
		state, ok, err := a.s.holds(ctx, st)
		if err != nil && !a.s.self {
			return err
		}
		if ok {
			how := resultAlready
			if _, meant := a.h.intents[i]; meant {
				how = resultFound
			}
			return a.outcome(ctx, i, result{Result: how, State: state}, a.Now())
		}
	}
	var in intent
	if a.p.Resumes && st.Revokes {
		// Sessions that were made since the first try must end too.
		in.Document = denyOlder(a.s.now(a.Now()))
		st = st.with(in.Document)
		a.p.Steps[i] = st
	}
	if err := a.intend(ctx, i, in); err != nil {
		return err
	}
	from := a.Now()
	state, how, err := a.act(ctx, i, st)
	if err == nil {
		return a.outcome(ctx, i, result{Result: how, State: state}, from)
	}
	if how == "" {
		how = resultFailed
	}
	// The first error is told; that it could not be written too, beside it.
	return errors.Join(err, a.outcome(ctx, i, result{Result: how, Error: err.Error()}, from))
}

// intend writes down what is about to be done. If it cannot, nothing is.
func (a *run) intend(ctx context.Context, i int, in intent) error {
	st := a.p.Steps[i]
	in.Step, in.Op, in.Actor, in.Calls = i, st.Op, a.s.how, st.Calls
	if err := a.keep.write(ctx, a.p, KindIntent, in); err != nil {
		if i == 0 && len(a.h.results) == 0 {
			return nothingDone(err)
		}
		return unwritten("stopped, since the next step", err)
	}
	in.at = a.Now()
	a.h.intents[i] = in
	return nil
}

// outcome writes down what was done.
func (a *run) outcome(ctx context.Context, i int, o result, from time.Time) error {
	o.Step, o.Op, o.Millis = i, a.p.Steps[i].Op, a.Now().Sub(from).Milliseconds()
	a.h.results[i] = o
	a.tell(i)
	if err := a.keep.write(ctx, a.p, KindOutcome, o); err != nil {
		return &Error{fmt.Sprintf("%s: %s, but that could not be written down", a.p.Steps[i].Calls[0], o.Result), hintOf(err, "make room for the ledger") + "; then run the same command again: it reads how things are and writes it down", err}
	}
	return nil
}

// tell adds a step's result to the outcome, once.
func (a *run) tell(i int) {
	o, ok := a.h.results[i]
	if !ok {
		return
	}
	d := Done{Call: a.p.Steps[i].Calls[0], Result: o.Result, State: o.State}
	if at := slices.IndexFunc(a.out.Steps, func(e Done) bool { return e.Call == d.Call }); at >= 0 {
		a.out.Steps[at] = d
		return
	}
	a.out.Steps = append(a.out.Steps, d)
}
