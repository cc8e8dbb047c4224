package respond

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// The names of the policies that we attach. AWS's console gives the second to
// the sessions it revokes, and people look for it.
const (
	isolateName  = "keyquench-isolate"
	revokeName   = "AWSRevokeOlderSessions"
	sessionsName = "keyquench-revoke-sessions"
)

// A policy document, as far as we write one.
type (
	document struct {
		Version   string
		Statement []statement
	}
	statement struct {
		Sid       string
		Effect    string
		Action    string
		Resource  string
		Condition map[string]map[string]string `json:",omitempty"`
	}
)

func deny(sid string, condition map[string]map[string]string) string {
	text, err := json.Marshal(document{"2012-10-17", []statement{{sid, "Deny", "*", "*", condition}}})
	if err != nil {
		panic("policy: " + err.Error()) // it consists of texts
	}
	return string(text)
}

// denyAll forbids everything, also to sessions that the user's keys made.
func denyAll() string { return deny("KeyquenchIsolate", nil) }

// denyOlder forbids everything to sessions issued before at. A request signed
// with a long-term key has no issue time, so a new key works under it.
func denyOlder(at time.Time) string {
	return deny("KeyquenchRevokeSessions", map[string]map[string]string{
		"DateLessThan": {"aws:TokenIssueTime": at.UTC().Format("2006-01-02T15:04:05Z")},
	})
}

// now is the time by AWS's clock, if that is ahead of this machine's: a session
// issued a moment ago must not survive because our clock is behind.
func (s *session) now(here time.Time) time.Time {
	return here.Add(max(s.skew, 0)).Add(time.Second).Truncate(time.Second)
}

// planIsolate takes every right from a key's owner.
func (r *Responder) planIsolate(ctx context.Context, p *Plan, s *session) (err error) {
	if s.self {
		return r.isolateSelf(ctx, p, s)
	}
	if p.Owner, err = s.owner(ctx, p.target, p.place); err != nil {
		return err
	}
	switch {
	case p.Owner.Root && p.place.kind == temporary:
		return &Error{p.KeyID + " is a session that root made: nothing can restrict it, and it ends by itself", "turn off root's access keys, so that no more are made; a policy of the organisation (SCP) can deny the account", nil}
	case p.Owner.Root:
		return rootOnly(p)
	case p.Owner.Role != "":
		return r.isolateRole(ctx, p, s)
	}
	return r.isolateUser(ctx, p, s)
}

// isolateUser: first the policy, which stops everything at once, then each way in.
func (r *Responder) isolateUser(ctx context.Context, p *Plan, s *session) error {
	user := p.Owner.User
	if who := r.acting(ctx, p, s); who != "" {
		return &Error{"user " + user + " is " + who + ", and would shut itself out", "act with another: --role NAME, or --profile NAME", nil}
	}
	was, err := s.userPolicy(ctx, user, isolateName)
	if err != nil {
		return err
	}
	if want := denyAll(); !sameJSON(was, want) {
		p.Steps = append(p.Steps, userPolicyStep(user, isolateName, want, was))
	}
	if err := p.offSteps(ctx, s, user); err != nil {
		return err
	}
	p.Notes = append(p.Notes, "sessions of "+user+" stay valid, and may do nothing; GetCallerIdentity still answers them")
	return nil
}

// acting tells whether the owner is the one who acts, or whose credentials lead
// to the one who does: "" if not. It could not undo what it did.
func (r *Responder) acting(ctx context.Context, p *Plan, s *session) string {
	own := func(arn string) bool {
		parts := strings.SplitN(arn, ":", 6)
		if len(parts) != 6 || parts[4] != p.Account {
			return false
		}
		what := strings.Split(parts[5], "/")
		switch what[0] {
		case "user":
			return p.Owner.User != "" && strings.EqualFold(what[len(what)-1], p.Owner.User)
		case "assumed-role":
			return len(what) > 1 && p.Owner.Role != "" && strings.EqualFold(what[1], p.Owner.Role)
		}
		return false
	}
	if own(s.arn) {
		return "the one who acts"
	}
	if base := r.Actors.any(); base != nil {
		if arn, err := r.whoIs(ctx, base, p.place.partition); err == nil && own(arn) {
			return "you, who takes the role"
		}
	}
	return ""
}

// offSteps turns off every way in of a user that is open.
func (p *Plan) offSteps(ctx context.Context, s *session, user string) error {
	keys, err := s.keys(ctx, user)
	if err != nil {
		return err
	}
	p.confirm(keys)
	for _, k := range keys {
		if k.Status == active {
			p.Steps = append(p.Steps, keyStep(user, k.ID, inactive, k.Status))
		}
	}
	credentials, err := s.serviceCredentials(ctx, user)
	if err != nil {
		p.unread(err)
	}
	for _, c := range credentials {
		if c.Status == active {
			p.Steps = append(p.Steps, credentialStep(user, c, inactive))
		}
	}
	login, err := s.login(ctx, user)
	if err != nil {
		p.unread(err)
	}
	if login.text() != "" {
		p.Steps = append(p.Steps, noLoginStep(user, login))
		p.Notes = append(p.Notes, "the console password cannot be read, so undo makes a new one")
	}
	return nil
}

// unread notes what could not be looked at. It stops nothing: the policy that is
// attached first takes the rights from that too, and it is said again at the end.
func (p *Plan) unread(err error) { p.Notes = append(p.Notes, "not known: "+err.Error()) }

// unseen is what of an isolated user could not be looked at in the end, or nil.
func (a *run) unseen() error {
	if a.p.Deed != Isolate || len(a.out.Alive.Unread) == 0 {
		return nil
	}
	return &Error{
		a.p.Owner.String() + " has no rights any more, and not everything that it has could be looked at: " + strings.Join(a.out.Alive.Unread, "; "),
		"look at it in the console, and turn off what is there; keyquench setup aws prints the rights that are needed", nil,
	}
}

// isolateRole revokes a role's sessions of before now.
func (r *Responder) isolateRole(ctx context.Context, p *Plan, s *session) error {
	role := p.Owner.Role
	var out *iam.GetRoleOutput
	err := s.patient(ctx, func() (err error) {
		out, err = s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
		return err
	})
	if err != nil {
		return failure("iam:GetRole", err)
	}
	if out.Role == nil {
		return fmt.Errorf("iam:GetRole: the answer has no role")
	}
	p.Owner.ARN = aws.ToString(out.Role.Arn)
	if path := aws.ToString(out.Role.Path); strings.HasPrefix(path, "/aws-service-role/") || strings.HasPrefix(path, "/aws-reserved/") {
		p.Owner.Linked = true
		return &Error{fmt.Sprintf("role %s belongs to AWS (%s): its sessions cannot be revoked by a policy", role, path), "a session lasts 12 hours at most; for a role of IAM Identity Center, revoke the user's sessions there", nil}
	}
	if who := r.acting(ctx, p, s); who != "" {
		return &Error{"role " + role + " is " + who + ", and would shut itself out", "act with another: --role NAME, or --profile NAME", nil}
	}
	was, err := s.rolePolicy(ctx, role, revokeName)
	if err != nil {
		return err
	}
	revoke := rolePolicyStep(role, revokeName, denyOlder(s.now(r.Now())), was)
	revoke.Revokes = true
	p.Steps = append(p.Steps, revoke)
	p.Notes = append(p.Notes,
		"every session of the role of before now loses its rights, also those of honest programs: they get new ones by themselves when the old end, or when restarted",
		"whoever may still assume the role can make a new session: look at its trust policy, and at where the session was taken from")
	return nil
}

// isolateSelf is for root: its key turns itself off, and nothing else is in reach.
func (r *Responder) isolateSelf(ctx context.Context, p *Plan, s *session) error {
	if err := p.killSelf(); err != nil {
		return err
	}
	if !p.Owner.Root {
		return &Error{"the leaked key cannot isolate its own user", "a role or a profile of the account can; keyquench kill " + p.KeyID + " --self turns the key off", nil}
	}
	// The other key first: once this one is off it can do nothing more.
	keys, err := s.keys(ctx, "")
	if err != nil {
		p.Notes = append(p.Notes, "root's other keys could not be listed: "+err.Error())
	}
	var first []Step
	for _, k := range keys {
		if k.ID != p.KeyID && k.Status == active {
			first = append(first, keyStep("", k.ID, inactive, k.Status))
		}
	}
	p.Steps = append(first, p.Steps...)
	p.Notes = append(p.Notes, "root's password, MFA and sessions stay as they are: sign in as root and change the password")
	return nil
}

// again looks a second time for ways in: a stranger who watches may
// have made some meanwhile. It reports whether there were any.
func (a *run) again(ctx context.Context) error {
	if a.p.Deed != Isolate || a.s.self || a.p.Owner.User == "" {
		return nil
	}
	q := &Plan{}
	if err := q.offSteps(ctx, a.s, a.p.Owner.User); err != nil {
		return err
	}
	if len(q.Steps) == 0 {
		return nil
	}
	for i := range q.Steps {
		q.Steps[i].Found = true
	}
	if err := a.more(ctx, q.Steps); err != nil {
		return err
	}
	return a.steps(ctx)
}

// more adds steps that were found on the way, and writes them down.
func (a *run) more(ctx context.Context, steps []Step) error {
	if err := a.keep.write(ctx, a.p, KindMore, steps); err != nil {
		return unwritten("stopped, since further steps", err)
	}
	a.p.Steps = append(a.p.Steps, steps...)
	return nil
}
