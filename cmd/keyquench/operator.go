package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/ledger"
	"github.com/keyquench/keyquench/internal/respond"
	"github.com/keyquench/keyquench/internal/respond/store"
	"github.com/keyquench/keyquench/rules"
)

// findTime is how long the operator's credentials are looked for. The last place
// is the metadata of a virtual machine, which other machines wait for in vain.
const findTime = 4 * time.Second

// actors says who may act: the role and the profile that were named, whoever runs
// the program, and the leaked key where that is switched on.
func (p *program) actors(ctx context.Context, f *respondFlags, reach awsapi.Reach) (respond.Actors, error) {
	a := respond.Actors{Role: f.role, ExternalID: f.externalID, Self: f.self || f.selfByFile && (f.key.stdin || f.key.env != "")}
	found, err := p.operator(ctx, f.profile, reach)
	switch {
	case err == nil && f.profile != "":
		a.Profile, a.ProfileCredentials = f.profile, found
	case err == nil:
		a.Operator = found
	case f.profile != "" || f.role != "":
		return a, err
	}
	return a, nil
}

// operator finds the credentials of whoever runs the program, as AWS's own
// programs do: variables, profiles, single sign-on, the machine's role. Only
// credentials are taken from there: no endpoint, no proxy, no certificates.
func (p *program) operator(ctx context.Context, profile string, reach awsapi.Reach) (aws.CredentialsProvider, error) {
	next := "set up AWS credentials (aws configure, aws sso login), or name a profile: --profile NAME"
	for _, v := range os.Environ() {
		// The SDK reads these itself, past all options, when a profile assumes a role.
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_ENDPOINT_URL") || name == "AWS_CA_BUNDLE" {
			if err := os.Unsetenv(name); err != nil {
				return nil, fmt.Errorf("forget %s: %w", name, err)
			}
		}
	}
	if err := os.Setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"); err != nil {
		return nil, err
	}
	client, err := reach.Client()
	if err != nil {
		return nil, err
	}
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithHTTPClient(client), awsconfig.WithDefaultRegion("us-east-1")}
	if profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(profile))
	}
	if url := reach.BaseEndpoint(); url != nil {
		options = append(options, awsconfig.WithBaseEndpoint(*url))
	}
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	found, err := load(ctx, options)
	if err != nil {
		return nil, hinted{fmt.Errorf("find your AWS credentials: %s", awsapi.Clean(err.Error(), 300)), next}
	}
	return found, nil
}

// load finds credentials. The SDK panics at some files of profiles that are wrong,
// such as one with a lone quotation mark.
func load(ctx context.Context, options []func(*awsconfig.LoadOptions) error) (_ aws.CredentialsProvider, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("a file of profiles cannot be read: look for quotation marks that are not closed")
		}
	}()
	c, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	if _, err := c.Credentials.Retrieve(ctx); err != nil {
		return nil, err
	}
	return c.Credentials, nil
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
		args.Password = func(_ string, password rules.Secret) error { return writePassword(f.password, password) }
	}
	return r.PlanUndo(ctx, t.ID, respond.Target{Owner: t.Owner}, args)
}

// writePassword writes a new password where only its reader can see it.
func writePassword(name string, password rules.Secret) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return hinted{fmt.Errorf("write the password: %w", cause(err)), "name a file that does not exist yet"}
	}
	_, err = file.WriteString(password.Reveal() + "\n")
	return errors.Join(err, file.Sync(), file.Close())
}
