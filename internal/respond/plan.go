package respond

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Plan is what would be done, all of it. It was made by reading only.
type Plan struct {
	Case      string    `json:"case"`
	Deed      Deed      `json:"deed"`
	KeyID     string    `json:"key_id"`
	Account   string    `json:"account"`
	Partition string    `json:"partition"`
	Owner     Owner     `json:"owner"`
	At        time.Time `json:"at"`
	// Actor acts; Passed says who comes before it and cannot, and why.
	Actor  string   `json:"actor"`
	Passed []string `json:"passed,omitempty"`
	Steps  []Step   `json:"steps"`
	// Notes are what to know before it is done: what stays alive, what cannot be
	// taken back.
	Notes  []string `json:"notes,omitempty"`
	Leaked bool     `json:"leaked,omitempty"`
	// Stores are where a new key goes, and Memory what the stores need to put
	// things back in another process.
	Stores []string        `json:"stores,omitempty"`
	Memory json.RawMessage `json:"memory,omitempty"`
	// Undoes is the case that is taken back.
	Undoes string `json:"undoes,omitempty"`
	// Protected: somebody has to type the token.
	Protected bool `json:"protected,omitempty"`
	// Resumes: the case was begun and interrupted.
	Resumes bool `json:"-"`

	target    Target
	args      Arguments
	place     place
	session   *session
	others    []opener // that come behind session
	partition string
	entries   int      // on the key, in the ledger
	left      []string // that an undo cannot put back
}

// Nothing tells whether there is nothing to change.
func (p *Plan) Nothing() bool { return len(p.Steps) == 0 }

// Token is short, and changes with anything that the plan would do. Who types it
// has seen the plan.
func (p *Plan) Token() string {
	steps := make([]Step, len(p.Steps))
	for i, s := range p.Steps {
		steps[i] = s.timeless()
	}
	text, err := json.Marshal(struct {
		Deed                   Deed
		KeyID, Account, Undoes string
		Owner                  Owner
		Steps                  []Step
		Stores                 []string
	}{p.Deed, p.KeyID, p.Account, p.Undoes, p.Owner, steps, p.Stores})
	if err != nil {
		panic("plan: " + err.Error()) // it consists of texts
	}
	sum := sha256.Sum256(text)
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:6])
}

// Calls are the API calls that change something, in order.
func (p *Plan) Calls() (list []string) {
	for _, s := range p.Steps {
		list = append(list, s.Calls...)
	}
	return list
}

// Plan works out what a deed on a key would do. Nothing is changed by it. The
// partition is where the key is if nothing else tells; "" is aws.
func (r *Responder) Plan(ctx context.Context, d Deed, t Target, args Arguments, partition string) (*Plan, error) {
	if t.Verdict.Partition != "" {
		partition = t.Verdict.Partition
	}
	if partition == "" {
		partition = "aws"
	}
	where, err := r.locate(ctx, t, partition)
	if err != nil {
		return nil, err
	}
	if err := r.Policy.allow(d, where.account); err != nil {
		return nil, err
	}
	p := &Plan{
		Deed: d, KeyID: t.ID, Account: where.account, Partition: where.partition.Name, At: r.Now().UTC(),
		Leaked: args.Leaked, target: t, args: args, place: where, partition: partition,
	}
	if p.entries, err = r.keep.count(ctx, t.ID); err != nil {
		return nil, err
	}
	h, err := r.keep.interrupted(ctx, d, t.ID, "")
	if err != nil {
		return nil, err
	}
	steps := p.make(r)
	if h != nil {
		steps = p.resume(h)
	}
	if err := r.findSession(ctx, p, steps); err != nil {
		return nil, err
	}
	if p.Owner.Claimed {
		p.Notes = append(p.Notes, "that it belongs to "+p.Owner.String()+" is what --owner says, and not AWS")
	}
	r.protect(ctx, p)
	return p, nil
}

// make gives what makes this plan's steps by a session.
func (p *Plan) make(r *Responder) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		switch p.Deed {
		case Kill:
			return r.planKill(ctx, p, s)
		case Rotate:
			return r.planRotate(ctx, p, s)
		case Isolate:
			return r.planIsolate(ctx, p, s)
		}
		return fmt.Errorf("deed %q has no plan", p.Deed)
	}
}

// resume gives what makes a plan of a case that was interrupted: the one that was
// written down, by whoever can look at the owner.
func (p *Plan) resume(h *history) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		p.take(h)
		p.Notes = append(p.Notes, "goes on with case "+p.Case+", which was interrupted")
		if s.self || p.Owner.User == "" {
			return nil
		}
		_, err := s.keys(ctx, p.Owner.User)
		return err
	}
}

// take makes p what was written down of a case that is gone on with.
func (p *Plan) take(h *history) {
	p.Case, p.Resumes = h.plan.Case, true
	p.Steps, p.Owner, p.Leaked, p.Stores, p.Memory = h.plan.Steps, h.plan.Owner, h.plan.Leaked, h.plan.Stores, h.memory()
}

// findSession tries those who may act, in order, until one can make the plan.
func (r *Responder) findSession(ctx context.Context, p *Plan, make func(context.Context, *session) error) error {
	list := r.openers(p.target, p.place)
	var last error
	for i, o := range list {
		s, err := o.open(ctx)
		if err == nil {
			p.Steps, p.Notes, p.Owner = nil, nil, Owner{}
			err = make(ctx, s)
		}
		if err == nil {
			p.session, p.Actor, p.others = s, s.how, list[i+1:]
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		last = err
		p.Passed = append(p.Passed, o.how+": "+err.Error())
	}
	return nobody(p, last)
}

// nobody says why nobody can act, and what would help.
func nobody(p *Plan, last error) error {
	if len(p.Passed) == 0 {
		return &Error{
			"nobody is configured who may act in account " + p.Account,
			"name a role (--role, keyquench setup aws makes one) or an AWS profile (--profile); --self with the secret lets the key turn itself off", ErrNobody,
		}
	}
	// A reason that has a next step of its own is the one to tell.
	if len(p.Passed) == 1 && hintOf(last, "") != "" {
		return last
	}
	return &Error{
		"nobody can act in account " + p.Account,
		hintOf(last, "keyquench doctor says what works from here; keyquench setup aws prints the role that is needed"), &reasons{p.Passed, last},
	}
}

// reasons are why each of those who may act cannot, in one line.
type reasons struct {
	passed []string
	last   error
}

func (r *reasons) Error() string { return strings.Join(r.passed, "; ") }

// Unwrap makes it an ErrNobody, and the last reason.
func (r *reasons) Unwrap() []error { return []error{ErrNobody, r.last} }

// same tells whether two plans would do the same.
func (p *Plan) same(q *Plan) bool { return p.Token() == q.Token() }
