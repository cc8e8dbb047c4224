package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxKeys is how many access keys a user can have.
const maxKeys = 2

// planRotate gives a key's user another, stores it, and turns the old one off: at
// once if strangers have it, else when nobody uses it any more.
func (r *Responder) planRotate(ctx context.Context, p *Plan, s *session) (err error) {
	switch {
	case p.place.kind != longTerm:
		return &Error{p.KeyID + " is no key that can be replaced", "keyquench kill turns off what is not a session; keyquench isolate ends sessions", nil}
	case s.self:
		return &Error{"the leaked key cannot replace itself", "a role or a profile of the account can: --role NAME or --profile NAME", nil}
	case p.args.Store == nil:
		return &Error{"nothing says where the new key goes", "--store secretsmanager:NAME, ssm:/PATH, github:OWNER/REPO, profile:NAME or file:PATH", nil}
	}
	if p.Owner, err = s.owner(ctx, p.target, p.place); err != nil {
		return err
	}
	if p.Owner.Root {
		return &Error{p.KeyID + " is a key of root, which should have none", "keyquench kill " + p.KeyID + " --self turns it off; give the program a user or a role of its own", nil}
	}
	user := p.Owner.User
	if deny, err := s.userPolicy(ctx, user, isolateName); err != nil || deny != "" {
		if err != nil {
			return err
		}
		return &Error{"user " + user + " is isolated, and a new key could do nothing either", "keyquench undo with the case that isolated it, first", nil}
	}
	keys, err := s.keys(ctx, user)
	if err != nil {
		return err
	}
	status := statusOf(keys, p.KeyID)
	if status == deleted {
		return &Error{fmt.Sprintf("user %s has no key %s any more", user, p.KeyID), "there is nothing to replace; make a key by hand if the program still needs one", nil}
	}
	if status == inactive {
		before, err := r.keep.last(ctx, Rotate, p.KeyID, "")
		if err != nil {
			return err
		}
		if before != nil && before.last == KindDone && !before.undone {
			p.Notes = append(p.Notes, "it was replaced in case "+before.plan.Case+", by "+before.newKey())
			return nil
		}
	}
	if p.Leaked {
		if err := p.leakedSteps(ctx, s, user, status, r.Now()); err != nil {
			return err
		}
	}
	if err := p.roomStep(ctx, s, keys); err != nil {
		return err
	}
	if err := r.storeAccounts(ctx, p); err != nil {
		return err
	}
	return p.newKeySteps(ctx, user, status)
}

// storeAccounts makes sure that a new key is only written into accounts that are
// listed, and names them.
func (r *Responder) storeAccounts(ctx context.Context, p *Plan) error {
	accounts, err := p.args.Store.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if !slices.Contains(r.Policy.Accounts, a) {
			return &Error{
				fmt.Sprintf("the new key would be stored in account %s, which is not one of those in which keyquench may change anything", a),
				"if it is yours: --account " + a + ", or list it under [respond] in your keyquench.toml", ErrNotListed,
			}
		}
		p.Notes = append(p.Notes, "the new key is stored in account "+a)
	}
	return nil
}

// leakedSteps come first when strangers have the key.
func (p *Plan) leakedSteps(ctx context.Context, s *session, user, status string, now time.Time) error {
	if status == active {
		p.Steps = append(p.Steps, keyStep(user, p.KeyID, inactive, status))
	}
	was, err := s.userPolicy(ctx, user, sessionsName)
	if err != nil {
		return err
	}
	revoke := userPolicyStep(user, sessionsName, denyOlder(s.now(now)), was)
	revoke.Revokes = true
	revoke.Optional = true // it needs a right that whoever may rotate need not have
	p.Steps = append(p.Steps, revoke)
	p.Notes = append(p.Notes, "the key has leaked: it is turned off first, and what uses it stands still until it has the new one")
	return nil
}

// roomStep deletes a key where the user has as many as can be, but only the one
// that was named.
func (p *Plan) roomStep(ctx context.Context, s *session, keys []KeyState) error {
	if len(keys) < maxKeys {
		if p.args.Delete != "" {
			return &Error{"there is room for a new key, so none has to be deleted", "leave out --delete", nil}
		}
		return nil
	}
	if p.args.Delete == "" {
		var list []string
		for _, k := range keys {
			at, what, err := s.lastUse(ctx, k.ID)
			use := "never used"
			switch {
			case err != nil:
				use = "last use not known"
			case !at.IsZero():
				use = "last used " + at.Format(time.DateTime) + " for " + what
			}
			list = append(list, fmt.Sprintf("%s (%s, since %s, %s)", k.ID, strings.ToLower(k.Status), k.Created.Format(time.DateOnly), use))
		}
		return &Error{"user " + p.Owner.User + " has two keys, which is all it can have: " + strings.Join(list, ", "), "choose which one to delete, for good: --delete KEY_ID", nil}
	}
	was := statusOf(keys, p.args.Delete)
	switch {
	case was == deleted:
		return &Error{p.args.Delete + " is none of the user's keys", "--delete with one of " + keys[0].ID + ", " + keys[1].ID, nil}
	case p.args.Delete == p.KeyID && !p.Leaked:
		return &Error{p.KeyID + " is the one in use: it cannot be deleted before there is another", "delete the other one, or say --leaked", nil}
	}
	p.Steps = append(p.Steps, noKeyStep(p.Owner.User, p.args.Delete, was))
	p.Notes = append(p.Notes, p.args.Delete+" is deleted for good: nothing brings it back")
	return nil
}

func (p *Plan) newKeySteps(ctx context.Context, user, status string) error {
	st := p.args.Store
	if err := st.Check(ctx); err != nil {
		return err
	}
	memory, err := st.State()
	if err != nil {
		return err
	}
	p.Memory, p.Stores = memory, p.args.StoreSpecs
	p.Notes = append(p.Notes, "if storing fails or the new key does not work, iam:DeleteAccessKey takes it back, and the store is put back as it was")
	p.Steps = append(p.Steps,
		Step{Op: opNewKey, User: user, Calls: []string{call("iam:CreateAccessKey", userParams(user)...)}},
		Step{Op: opStore, Store: st.Name(), Calls: st.Calls()},
		Step{Op: opWorks, Calls: []string{"sts:GetCallerIdentity with the new key"}},
		Step{Op: opPromote, Store: st.Name(), Calls: []string{"make it the current one in " + st.Name()}})
	if p.Leaked || p.args.Delete == p.KeyID {
		return nil
	}
	if p.args.Grace > 0 {
		p.Steps = append(p.Steps, Step{Op: opUnused, ID: p.KeyID, Grace: p.args.Grace.String(), Calls: []string{call("iam:GetAccessKeyLastUsed", param("AccessKeyId", p.KeyID)) + ": older than " + p.args.Grace.String()}})
		p.Notes = append(p.Notes, "the old key stays on until it was not used for "+p.args.Grace.String()+": run the same command again then")
	}
	if status == active {
		p.Steps = append(p.Steps, keyStep(user, p.KeyID, inactive, status))
	}
	return nil
}

// special gives what carries out a step that is more than one call.
func (a *run) special(op Op) func(context.Context, int) error {
	switch op {
	case opNewKey:
		return a.newKey
	case opStore:
		return a.store
	case opWorks:
		return a.works
	case opPromote:
		return a.promote
	case opUnused:
		return a.unused
	case opLogin:
		return a.newLogin
	case opRestore:
		return a.restore
	}
	return nil
}

// store puts the new pair away, before anything depends on it.
func (a *run) store(ctx context.Context, i int) error {
	ctx = context.WithoutCancel(ctx) // the secret is nowhere else
	if err := a.recover(ctx); err != nil {
		return err
	}
	if err := a.intend(ctx, i, intent{}); err != nil {
		return err // nothing can be put back either, without a record
	}
	from := a.Now()
	if err := a.p.args.Store.Put(ctx, a.pair, a.p.Case); err != nil {
		return a.rollBack(ctx, errors.Join(err, a.outcome(ctx, i, result{Result: resultFailed, Error: err.Error()}, from)))
	}
	return a.outcome(ctx, i, a.remember(result{Result: resultDone}), from)
}

// remember adds what the store needs in another process.
func (a *run) remember(o result) result {
	if memory, err := a.p.args.Store.State(); err == nil {
		o.Memory = memory
	}
	return o
}

// works asks STS until it accepts the new key.
func (a *run) works(ctx context.Context, i int) error {
	ctx = context.WithoutCancel(ctx)
	if err := a.recover(ctx); err != nil {
		return err
	}
	if err := a.intend(ctx, i, intent{}); err != nil {
		return err // nothing can be put back either, without a record
	}
	from := a.Now()
	for {
		answer := a.Checker.Ask(ctx, a.pair, a.p.Partition)
		if answer.Accepted() {
			return a.outcome(ctx, i, result{Result: resultDone, State: "accepted"}, from)
		}
		if a.Now().Sub(from) >= a.Confirm || a.Sleep(ctx, refusalEvery) != nil {
			err := &Error{"AWS does not accept the new key: " + said(answer), "run it again later", nil}
			return a.rollBack(ctx, errors.Join(err, a.outcome(ctx, i, result{Result: resultFailed, Error: err.Error()}, from)))
		}
	}
}

// promote makes the new pair the current one.
func (a *run) promote(ctx context.Context, i int) error {
	ctx = context.WithoutCancel(ctx)
	if err := a.intend(ctx, i, intent{}); err != nil {
		return err
	}
	from := a.Now()
	if err := a.p.args.Store.Promote(ctx); err != nil {
		return a.rollBack(ctx, errors.Join(err, a.outcome(ctx, i, a.remember(result{Result: resultFailed, Error: err.Error()}), from)))
	}
	return a.outcome(ctx, i, a.remember(result{Result: resultDone}), from)
}

// rollBack takes the new key back, and what was stored of it. The old one stays
// as it was, but a leaked one stays off.
func (a *run) rollBack(ctx context.Context, cause error) error {
	i := slices.IndexFunc(a.p.Steps, func(s Step) bool { return s.Op == opNewKey })
	back := intent{Step: i, Op: opRestore, Actor: a.s.how, Calls: []string{"put back what " + a.p.args.Store.Name() + " had before"}, Keys: a.h.intents[i].Keys}
	if err := a.keep.write(ctx, a.p, KindIntent, back); err != nil {
		return errors.Join(cause, unwritten("the store was not put back, since that", err))
	}
	if err := a.p.args.Store.Restore(ctx); err != nil {
		return &Error{"the rotation failed, and the store could not be put back; the new key " + a.out.NewKey + " stays, since it is stored", "run the same command again", errors.Join(cause, err)}
	}
	id := a.h.results[i].State
	if err := a.drop(ctx, i, id); err != nil {
		return &Error{"the rotation failed, and the new key " + id + " could not be deleted", "run the same command again", errors.Join(cause, err)}
	}
	a.out.NewKey, a.rolledBack = "", true
	how := "the old one is as it was"
	if a.p.Leaked {
		how = "the old one is off"
	}
	return &Error{"the rotation failed: the new key was deleted again, " + how, hintOf(cause, "mend what failed, and run it again"), cause}
}

// errWaiting ends the steps of a rotation that has to wait. It is no failure.
var errWaiting = errors.New("waiting")

// unused waits, over runs, for the old key not to be used.
func (a *run) unused(ctx context.Context, i int) error {
	st := a.p.Steps[i]
	grace, err := time.ParseDuration(st.Grace)
	if err != nil {
		return fmt.Errorf("case %s: %w", a.p.Case, err)
	}
	from := a.Now()
	if a.p.args.Leaked {
		return a.outcome(ctx, i, result{Result: resultDone, State: "not waited for: the key has leaked"}, from)
	}
	at, what, err := a.s.lastUse(ctx, st.ID)
	if err != nil {
		return err
	}
	if ready := at.Add(grace); !at.IsZero() && a.Now().Before(ready) {
		a.out.State = Waiting
		a.out.Left = append(a.out.Left, fmt.Sprintf("%s is still on: last used %s for %s. Run the same command again after %s", st.ID, at.Format(time.DateTime), what, ready.Format(time.DateTime)))
		return errWaiting
	}
	state := "never used"
	if !at.IsZero() {
		state = "last used " + at.Format(time.RFC3339)
	}
	return a.outcome(ctx, i, result{Result: resultDone, State: state}, from)
}
