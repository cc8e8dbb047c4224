package respond

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/internal/form"
)

// Mode is the most that may be done. The empty mode leaves it to the person who
// types the command, and lets nothing happen by itself.
type Mode string

// The modes, from least to most.
const (
	ModeReport     Mode = "report"
	ModeDeactivate Mode = "deactivate"
	ModeRotate     Mode = "rotate"
	ModeIsolate    Mode = "isolate"
)

var modes = []Mode{ModeReport, ModeDeactivate, ModeRotate, ModeIsolate}

// needs is the mode that a deed needs at least. To take something back is always
// allowed in an account that is listed.
var needs = map[Deed]Mode{Kill: ModeDeactivate, Rotate: ModeRotate, Isolate: ModeIsolate, Undo: ModeReport}

// Policy is what the operator allows. It is never read from a repository.
type Policy struct {
	Mode Mode
	// Accounts are the only ones in which anything is ever changed.
	Accounts []string
	// Protect are users for whom a person has to type a plan's token: names, or
	// ARNs, with * for any characters.
	Protect []string
}

var accountNumber = form.New(`^[0-9]{12}$`)

// Check tells whether a policy makes sense.
func (p Policy) Check() error {
	if p.Mode != "" && !slices.Contains(modes, p.Mode) {
		return fmt.Errorf("mode %q is not known: there are report, deactivate, rotate, isolate", p.Mode)
	}
	for _, a := range p.Accounts {
		if !accountNumber.MatchString(a) {
			return fmt.Errorf("account %q is no account number: 12 digits", a)
		}
	}
	for _, pattern := range p.Protect {
		if _, err := path.Match(flat(pattern), ""); err != nil || strings.TrimSpace(pattern) == "" {
			return fmt.Errorf("protect %q is no pattern: a user's name or ARN, with * for any characters", pattern)
		}
	}
	return nil
}

// allow tells why a deed is not allowed in an account.
func (p Policy) allow(d Deed, account string) error {
	if !slices.Contains(p.Accounts, account) {
		return &Error{
			fmt.Sprintf("account %s is not one of those in which keyquench may change anything", account),
			fmt.Sprintf("if it is yours: --account %s, or accounts = [\"%s\"] under [respond] in your keyquench.toml", account, account), ErrNotListed,
		}
	}
	if p.Mode != "" && slices.Index(modes, p.Mode) < slices.Index(modes, needs[d]) {
		return &Error{
			fmt.Sprintf("mode = %q does not allow %s", p.Mode, d),
			fmt.Sprintf("set mode = %q under [respond] in your keyquench.toml", needs[d]), ErrMode,
		}
	}
	return nil
}

// protect tells whether a person has to confirm what is done to a plan's owner.
// Whoever is not known, or whose ARN cannot be read where a pattern asks for one,
// may be one of those.
func (r *Responder) protect(ctx context.Context, p *Plan) {
	o := p.Owner
	if len(r.Policy.Protect) == 0 {
		return
	}
	if o.User == "" && o.Role == "" && !o.Root {
		p.Protected = true
		return
	}
	asked := slices.ContainsFunc(r.Policy.Protect, func(pattern string) bool { return strings.ContainsAny(pattern, ":/") })
	if asked && !strings.Contains(o.ARN, ":iam:") && !o.Root && p.session != nil {
		arn, err := p.session.ownerARN(ctx, o)
		if err != nil {
			p.Protected = true
			p.Notes = append(p.Notes, "whether "+o.String()+" is protected could not be read: "+err.Error())
			return
		}
		o.ARN = arn
	}
	p.Protected = r.Policy.protected(o)
}

// protected tells whether a pattern is an owner's. IAM's names are the same in
// capitals and not.
func (p Policy) protected(o Owner) bool {
	names := []string{o.User, o.Role, o.ARN}
	if o.Root {
		names = append(names, "root")
	}
	return slices.ContainsFunc(p.Protect, func(pattern string) bool {
		for _, name := range names {
			if ok, err := path.Match(flat(strings.ToLower(pattern)), flat(strings.ToLower(name))); name != "" && ok && err == nil {
				return true
			}
		}
		return false
	})
}

// flat makes * match slashes too: in an ARN they separate nothing.
func flat(s string) string { return strings.ReplaceAll(s, "/", "\x01") }
