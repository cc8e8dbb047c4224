package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/ledger"
	"github.com/keyquench/keyquench/internal/respond"
	"github.com/keyquench/keyquench/internal/respond/store"
	"github.com/keyquench/keyquench/rules"
)

// actors says who may act: the role and the profile that were named, whoever runs
// the program, and the leaked key where that is switched on. Where somebody else
// may still act, missing credentials are told and no error.
func (p *program) actors(ctx context.Context, f *respondFlags, reach awsapi.Reach) (respond.Actors, error) {
	a := respond.Actors{Role: f.role, ExternalID: f.externalID, Self: f.self || f.selfByFile && (f.key.stdin || f.key.env != "")}
	found, err := p.operator(ctx, f.profile, reach)
	switch {
	case err == nil && f.profile != "":
		a.Profile, a.ProfileCredentials = f.profile, found
	case err == nil:
		a.Operator = found
	case ctx.Err() != nil || !a.Self && (f.profile != "" || f.role != ""):
		return a, err
	default:
		p.tell(fmt.Errorf("going on without credentials of yours: %w", err))
	}
	return a, nil
}

// whoami names who runs the program, for the record.
func whoami() string {
	name, host := "somebody", "a machine"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

// plan makes the plan of a deed.
func (p *program) plan(ctx context.Context, r *respond.Responder, f *respondFlags, d respond.Deed, t respond.Target) (*respond.Plan, error) {
	if d == respond.Undo {
		return p.planUndo(ctx, r, f, t)
	}
	args := respond.Arguments{Grace: f.grace, Delete: f.deleted}
	if d == respond.Rotate {
		// A key that keyquench found has leaked, unless somebody knows better.
		found, err := p.known(ctx, r.Ledger, t)
		if err != nil {
			return nil, err
		}
		args.Leaked = f.leaked || found && !f.planned && f.grace == 0
		if err := p.openStore(f, f.stores, &args); err != nil {
			return nil, err
		}
	}
	return r.Plan(ctx, d, t, args, f.partition())
}

// known tells whether keyquench found the key before: scan --verify and
// verify write live ones into the ledger.
func (p *program) known(ctx context.Context, l respond.Record, t respond.Target) (bool, error) {
	for e, err := range l.Entries(ctx, ledger.Filter{KeyID: t.ID}) {
		if err != nil {
			return false, err
		}
		if e.Kind == kindVerdict {
			return true, nil
		}
	}
	return false, nil
}

// openStore opens the places for a new key.
func (p *program) openStore(f *respondFlags, specs []string, args *respond.Arguments) error {
	if len(specs) == 0 {
		return nil
	}
	credentials := f.operator.Operator
	if credentials == nil {
		credentials = f.operator.ProfileCredentials
	}
	reach, err := f.aws.reach()
	if err != nil {
		return err
	}
	many, err := store.ParseMany(specs, store.Options{
		Credentials: credentials, Region: f.region, Reach: reach,
		GitHubToken: rules.NewSecret(p.getenv(f.token)), CredentialsFile: p.credentialsFile(), Force: f.force, Sleep: awsapi.Sleep,
	})
	if err != nil {
		return usageError{err.Error(), hintOf(err)}
	}
	args.Store, args.StoreSpecs = many, specs
	return nil
}

// credentialsFile is where AWS's programs look for profiles.
func (p *program) credentialsFile() string {
	if name := p.getenv("AWS_SHARED_CREDENTIALS_FILE"); name != "" {
		return name
	}
	return awsconfig.DefaultSharedCredentialsFilename()
}

// planUndo makes the plan that takes a case back.
func (p *program) planUndo(ctx context.Context, r *respond.Responder, f *respondFlags, t respond.Target) (*respond.Plan, error) {
	was, err := r.Case(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	var args respond.Arguments
	if err := p.openStore(f, was.Stores, &args); err != nil {
		return nil, err
	}
	if f.password != "" {
		args.Password = func(user string, password rules.Secret) error {
			return writePassword(f.password, fmt.Sprintf("# by keyquench: the console password of user %q, case %q", user, t.ID), password)
		}
	}
	return r.PlanUndo(ctx, t.ID, respond.Target{Owner: t.Owner}, args)
}

// maxPassword is above the longest file of writePassword.
const maxPassword = 4 << 10

// writePassword writes a new password where only its reader can see it. mark says
// whose it is and for which case. A run that was stopped before AWS had the
// password leaves such a file, and it is replaced; no other file is.
func writePassword(name, mark string, password rules.Secret) error {
	fail := func(err error) error {
		return hinted{fmt.Errorf("write the password: %w", err), "name a file that does not exist yet, in a directory that you may write to"}
	}
	info, err := os.Lstat(name)
	existed := err == nil
	if existed {
		switch ours, err := isPassword(name, info, mark); {
		case err != nil:
			return fail(cause(err))
		case !ours:
			return fail(fmt.Errorf("%q: file exists", name))
		}
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".keyquench-*") // mode 0600
	if err != nil {
		return fail(cause(err))
	}
	defer os.Remove(tmp.Name()) // after a rename there is nothing to remove
	_, err = tmp.WriteString(password.Reveal() + "\n" + mark + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fail(cause(err))
	}
	if existed {
		err = os.Rename(tmp.Name(), name)
	} else {
		err = os.Link(tmp.Name(), name) // unlike a rename it does not overwrite
	}
	if err != nil {
		return fail(cause(err))
	}
	return nil
}

// isPassword tells whether a file is one that writePassword made for the same
// user and case.
func isPassword(name string, info os.FileInfo, mark string) (bool, error) {
	if !info.Mode().IsRegular() || info.Mode().Perm() != 0o600 || info.Size() > maxPassword {
		return false, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return false, err
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	return rest == mark+"\n", nil
}
