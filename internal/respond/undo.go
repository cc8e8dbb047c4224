package respond

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/keyquench/keyquench/rules"
)

// opRestore puts a store back as it was before a rotation.
const opRestore Op = "restore"

// Case reads what a case did, for a caller that needs its stores to undo it.
func (r *Responder) Case(ctx context.Context, id string) (*Plan, error) {
	h, err := r.keep.caseOf(ctx, id)
	if err != nil {
		return nil, err
	}
	return h.plan, nil
}

// PlanUndo works out how to put back what a case changed. Nothing is changed by it.
func (r *Responder) PlanUndo(ctx context.Context, id string, t Target, args Arguments) (*Plan, error) {
	h, err := r.keep.caseOf(ctx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case h.plan.Deed == Undo:
		return nil, &Error{"case " + id + " took another one back itself", "do the deed again instead: keyquench kill " + h.plan.KeyID, nil}
	case h.undone:
		return &Plan{
			Deed: Undo, KeyID: h.plan.KeyID, Account: h.plan.Account, Partition: h.plan.Partition, Owner: h.plan.Owner, At: r.Now().UTC(),
			Undoes: id, Notes: []string{"the case was taken back already"}, partition: h.plan.Partition,
		}, nil
	}
	t.ID = h.plan.KeyID
	where, err := r.locate(ctx, t, h.plan.Partition)
	if err != nil {
		return nil, err
	}
	if where.account != h.plan.Account {
		return nil, fmt.Errorf("case %s is of account %s, and its key of %s", id, h.plan.Account, where.account)
	}
	if err := r.Policy.allow(Undo, where.account); err != nil {
		return nil, err
	}
	p := &Plan{
		Deed: Undo, KeyID: t.ID, Account: where.account, Partition: where.partition.Name, At: r.Now().UTC(), Undoes: id,
		Stores: h.plan.Stores, Leaked: h.plan.Leaked, target: t, args: args, place: where, partition: h.plan.Partition,
	}
	if p.entries, err = r.keep.count(ctx, t.ID); err != nil {
		return nil, err
	}
	if err := r.findSession(ctx, p, func(ctx context.Context, s *session) error { return planUndo(ctx, p, s, h) }); err != nil {
		return nil, err
	}
	r.protect(ctx, p)
	return p, nil
}

func planUndo(ctx context.Context, p *Plan, s *session, h *history) error {
	if s.self {
		return &Error{"the leaked key is off, and cannot put anything back", "a role or a profile of the account can: --role NAME or --profile NAME", nil}
	}
	p.Owner = h.plan.Owner
	for i, st := range slices.Backward(h.plan.Steps) {
		o, ended := h.results[i]
		if _, meant := h.intents[i]; !o.changed() && o.Result != resultUnknown && (ended || !meant) {
			continue // the case did not do it
		}
		if st.Found {
			p.Notes = append(p.Notes, "left as it is, since it came up while the case went on: "+st.Calls[0])
			continue
		}
		if err := p.addInverse(ctx, s, h, st, o); err != nil {
			return err
		}
	}
	// What turns something on comes first, before anything is taken away.
	slices.SortStableFunc(p.Steps, func(a, b Step) int { return order(a) - order(b) })
	if slices.ContainsFunc(p.Steps, func(st Step) bool { return st.Op == opKey && st.ID == p.KeyID && st.Status == active }) {
		p.Notes = append(p.Notes, p.KeyID+" works again after this: if strangers have it, they can use it again")
	}
	return nil
}

func order(s Step) int {
	if s.Status == active {
		return 0
	}
	return 1
}

// addInverse adds what puts back one step, if the account is not so already.
func (p *Plan) addInverse(ctx context.Context, s *session, h *history, st Step, o result) error {
	switch st.Op {
	case opWorks, opUnused, opStore:
		return nil
	case opNoKey:
		p.lost(st.ID + " was deleted, and nothing brings it back")
		return nil
	case opPromote:
		if p.args.Store == nil {
			p.Notes = append(p.Notes, st.Store+" keeps the new key")
			return nil
		}
		p.Memory = h.memory()
		p.Steps = append(p.Steps, Step{Op: opRestore, Store: st.Store, Calls: []string{"put back what " + st.Store + " had before"}})
		return nil
	case opNewKey:
		if o.State == "" {
			return nil
		}
		st = keyStep(st.User, o.State, active, active)
		st.Was = inactive
	}
	if st.User == "" && st.Role == "" {
		// The key signed for itself, and its name for its user is its own.
		if p.Owner.Root {
			p.lost(st.ID + " is a key of root, and only root can turn it on: console, Security credentials")
			return nil
		}
		st.User = p.Owner.User
		if st.User == "" {
			return &Error{"the case does not say whose key " + st.ID + " is", "--owner user/NAME", nil}
		}
	}
	back, ok := st.inverse()
	if !ok {
		p.lost("cannot be put back: " + st.Calls[0])
		return nil
	}
	if back.Op == opLogin && p.args.Password == nil {
		return &Error{"the case removed the console login of " + st.User + ", and its password cannot be read", "--password-file FILE takes a new one", nil}
	}
	state, holds, err := s.holds(ctx, back)
	if err != nil {
		return err
	}
	if state == deleted {
		p.lost(st.ID + " was deleted meanwhile, and nothing brings it back")
		return nil
	}
	if holds {
		return nil
	}
	if _, ours, err := s.holds(ctx, st); err != nil {
		return err
	} else if !ours {
		p.lost("left as it is, since somebody else has changed it since: " + st.Calls[0])
		return nil
	}
	p.Steps = append(p.Steps, back)
	return nil
}

// lost notes what an undo cannot put back.
func (p *Plan) lost(what string) {
	p.Notes = append(p.Notes, what)
	p.left = append(p.left, what)
}

// memory is the newest that a store asked to be remembered.
func (h *history) memory() []byte {
	memory := h.plan.Memory
	for i := range h.plan.Steps {
		if o := h.results[i]; len(o.Memory) > 0 {
			memory = o.Memory
		}
	}
	return memory
}

// restore puts a store back.
func (a *run) restore(ctx context.Context, i int) error {
	st := a.p.args.Store
	if st == nil {
		return fmt.Errorf("case %s: the store %s is not at hand", a.p.Case, a.p.Steps[i].Store)
	}
	if err := a.intend(ctx, i, intent{}); err != nil {
		return err
	}
	from := a.Now()
	err := st.Resume(a.p.Memory)
	if err == nil {
		err = st.Restore(ctx)
	}
	if err != nil {
		err = &Error{"the store could not be put back, so the new key stays on", hintOf(err, "put the old pair there by hand"), err}
		return errors.Join(err, a.outcome(ctx, i, result{Result: resultFailed, Error: err.Error()}, from))
	}
	return a.outcome(ctx, i, result{Result: resultDone}, from)
}

// passwordLength is above every policy's least length that IAM allows (128 is
// the most).
const passwordLength = 40

// newPassword makes a password with characters of every kind that a password
// policy can ask for.
func newPassword() rules.Secret {
	return rules.NewSecret("aA1!" + rand.Text()[:20] + rand.Text()[:passwordLength-24])
}

// newLogin gives a user a console login again. The password is put away before
// it is of any use.
func (a *run) newLogin(ctx context.Context, i int) error {
	st := a.p.Steps[i]
	if login, err := a.s.login(ctx, st.User); err != nil {
		return err
	} else if login.text() != "" {
		return a.outcome(ctx, i, result{Result: resultAlready, State: login.text()}, a.Now())
	}
	if err := a.intend(ctx, i, intent{}); err != nil {
		return err
	}
	from := a.Now()
	password := newPassword()
	err := a.p.args.Password(st.User, password)
	if err == nil {
		err = a.patient(ctx, func() error { return a.s.createLogin(ctx, st.User, password) })
	}
	// Lost answers make the second try find what the first one made.
	if err != nil && failed(err).Code == "EntityAlreadyExists" {
		err = nil
	}
	if err != nil {
		err = a.denied(err)
		return errors.Join(err, a.outcome(ctx, i, result{Result: resultFailed, Error: err.Error()}, from))
	}
	return a.outcome(ctx, i, result{Result: resultDone}, from)
}
