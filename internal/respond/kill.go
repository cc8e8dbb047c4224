package respond

import (
	"context"
	"fmt"

	"github.com/keyquench/keyquench/internal/verify"
)

// planKill turns one credential off.
func (r *Responder) planKill(ctx context.Context, p *Plan, s *session) (err error) {
	if p.place.kind == temporary {
		return &Error{p.KeyID + " is of a session, which nobody can turn off by its key", "keyquench isolate " + p.KeyID + " ends what the session can do", nil}
	}
	if s.self {
		return p.killSelf()
	}
	if p.Owner, err = s.owner(ctx, p.target, p.place); err != nil {
		return err
	}
	switch {
	case p.Owner.Root:
		return rootOnly(p)
	case p.place.kind == service:
		return p.killCredential(ctx, s)
	}
	keys, err := s.keys(ctx, p.Owner.User)
	if err != nil && failed(err).Missing() && !p.Owner.Claimed {
		p.Notes = append(p.Notes, p.Owner.String()+" does not exist any more, and with it the key was deleted")
		return nil
	}
	if err != nil {
		return err
	}
	p.confirm(keys)
	switch status := statusOf(keys, p.KeyID); status {
	case deleted:
		if p.Owner.Claimed {
			return notOf(p)
		}
		p.Notes = append(p.Notes, fmt.Sprintf("%s has no key %s any more: it was deleted", p.Owner, p.KeyID))
	case inactive:
		p.Notes = append(p.Notes, "the key is inactive already")
	default:
		p.Steps = append(p.Steps, keyStep(p.Owner.User, p.KeyID, inactive, status))
		p.Notes = append(p.Notes, "the way back: keyquench undo, with the case's name")
	}
	return nil
}

// killSelf lets the key turn itself off: without a user's name that is its own.
func (p *Plan) killSelf() error {
	if p.place.kind != longTerm {
		return &Error{p.KeyID + " cannot turn itself off", "a role or a profile of the account can", nil}
	}
	switch v := p.target.Verdict; v.State {
	case verify.Live:
	case verify.Gone:
		p.Notes = append(p.Notes, "there is nothing to turn off: "+v.Reason)
		return nil
	default:
		// Without knowing in which partition the key lives, a refusal says nothing.
		return &Error{"whether the key works, and where, is not known, so it cannot act: " + v.Reason, "see that STS can be reached, and that the secret is the right one (keyquench verify); or act by --role or --profile", nil}
	}
	p.Owner, _ = ownerOf(p.target.Verdict)
	p.Steps = []Step{keyStep("", p.KeyID, inactive, active)}
	p.Notes = append(p.Notes, "the key signs this itself: what its user has beside it cannot be looked at afterwards")
	return nil
}

// killCredential turns off what goes by that ID or name: the same name can stand
// for credentials of several services, and a leak does not say for which.
func (p *Plan) killCredential(ctx context.Context, s *session) error {
	list, err := s.serviceCredentials(ctx, p.Owner.User)
	if err != nil {
		return err
	}
	found := false
	for _, c := range list {
		if !c.is(p.KeyID) {
			continue
		}
		found = true
		if c.Status == active {
			p.Steps = append(p.Steps, credentialStep(p.Owner.User, c, inactive))
		}
	}
	switch {
	case !found && p.Owner.Claimed:
		return notOf(p)
	case !found:
		return fmt.Errorf("find %s: %w", p.KeyID, errNoOwner)
	case p.Nothing():
		p.Notes = append(p.Notes, "the credential is off already")
	}
	return nil
}

// confirm drops the doubt in whose key it is, if it is among the owner's.
func (p *Plan) confirm(keys []KeyState) {
	p.Owner.Claimed = p.Owner.Claimed && statusOf(keys, p.KeyID) == deleted
}

// notOf is that the one whom the operator named does not have the key. Who has it
// is not known then, so it is not called deleted.
func notOf(p *Plan) error {
	return &Error{
		fmt.Sprintf("%s has no key %s, and AWS does not say whose it is: it may be somebody else's, and live", p.Owner, p.KeyID),
		"look at --owner; or verify the key with its secret (keyquench verify), which tells whose it is", nil,
	}
}

// rootOnly says what root alone can do.
func rootOnly(p *Plan) error {
	return &Error{
		fmt.Sprintf("%s is a key of the root of account %s, which no role can turn off", p.KeyID, p.Account),
		"with its secret, keyquench kill " + p.KeyID + " --self --secret-stdin lets it turn itself off; or sign in as root (console, Security credentials, Access keys: Deactivate); in an organisation, the management account can delete it with sts:AssumeRoot and the task policy IAMDeleteRootUserCredentials", nil,
	}
}
