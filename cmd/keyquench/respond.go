package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/keyquench/keyquench/internal/config"
	"github.com/keyquench/keyquench/internal/ledger"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/internal/respond"
	"github.com/keyquench/keyquench/rules"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// respondFlags are the flags of the commands that change an account.
type respondFlags struct {
	config                    string
	accounts                  []string
	role, externalID, profile string
	self                      bool
	aws                       awsFlags
	owner                     string
	key                       keyFlags
	ledger                    string
	wait                      time.Duration
	waits                     bool // the command has --wait

	yes, dryRun bool
	confirm     string
	format      string

	stores          []string
	grace           time.Duration
	leaked, planned bool
	deleted         string
	region, token   string
	force           bool
	password        string

	policy     respond.Policy
	selfByFile bool
	operator   respond.Actors
}

// keyFlags say where the secret of one key comes from. It is never an argument:
// those can be read by every user of the machine.
type keyFlags struct {
	stdin      bool
	env, token string
}

func (f *keyFlags) add(s *pflag.FlagSet) {
	s.BoolVar(&f.stdin, "secret-stdin", false, "read the key's secret from standard input")
	s.StringVar(&f.env, "secret-env", "", "read the key's secret from the variable `NAME`")
	s.StringVar(&f.token, "token-env", "", "read the session token from the variable `NAME`")
}

// addActors adds the flags for who acts where.
func (f *respondFlags) addActors(s *pflag.FlagSet) {
	s.StringVar(&f.config, "config", "", "read [respond] from `FILE` (default: keyquench/keyquench.toml in the user's configuration directory)")
	s.StringArrayVar(&f.accounts, "account", nil, "allow changes in account `NUMBER`; may be repeated")
	s.StringVar(&f.role, "role", "", "act by the role `NAME` of the key's account")
	s.StringVar(&f.externalID, "external-id", "", "the external `ID` that the role asks for")
	s.StringVar(&f.profile, "profile", "", "use the AWS profile `NAME`: to assume the role, or to act itself where there is none")
	f.aws.add(s)
	addLedgerFlag(s, &f.ledger)
	s.SortFlags = false
}

// addDeed adds the flags of the commands that make a plan.
func (f *respondFlags) addDeed(s *pflag.FlagSet) {
	f.addActors(s)
	s.BoolVar(&f.dryRun, "dry-run", false, "print the plan, and change nothing")
	s.BoolVar(&f.yes, "yes", false, "carry the plan out without asking")
	s.StringVar(&f.confirm, "confirm", "", "carry the plan out if its token is `TOKEN`")
	s.StringVar(&f.format, "format", "text", "write `text|json`")
}

// addTarget adds the flags that say more of the key.
func (f *respondFlags) addTarget(s *pflag.FlagSet) {
	s.BoolVar(&f.self, "self", false, "let the leaked key act for itself, if nobody else can")
	f.key.add(s)
	f.waits = true
	s.DurationVar(&f.wait, "wait", 2*time.Minute, "ask STS about the key for `TIME` at most, such as 30s, before it is said that it was not seen to be off")
	s.StringVar(&f.owner, "owner", "", "whose it is, if nothing else tells: `user/NAME|role/NAME`")
}

// addStore adds the flags that say more of where a key is stored.
func (f *respondFlags) addStore(s *pflag.FlagSet) {
	s.StringVar(&f.region, "region", "us-east-1", "the `REGION` of the secret or parameter")
	s.StringVar(&f.token, "github-token-env", "GITHUB_TOKEN", "read GitHub's token from the variable `NAME`")
}

func (p *program) killCommand() *cobra.Command {
	var f respondFlags
	c := p.deedCommand(&f, respond.Kill, &cobra.Command{Use: "kill KEY_ID [flags]", Short: "turn a leaked key off", Long: killHelp, Example: killExamples})
	f.addTarget(c.Flags())
	return c
}

func (p *program) rotateCommand() *cobra.Command {
	var f respondFlags
	c := p.deedCommand(&f, respond.Rotate, &cobra.Command{Use: "rotate KEY_ID --store PLACE [flags]", Short: "replace a key, and turn the old one off", Long: rotateHelp, Example: rotateExamples})
	s := c.Flags()
	s.StringArrayVar(&f.stores, "store", nil, "put the new pair into `PLACE`; may be repeated")
	s.BoolVar(&f.leaked, "leaked", false, "strangers have the key: turn it off first")
	s.BoolVar(&f.planned, "not-leaked", false, "nobody else has the key, even if keyquench found it: turn it off last")
	s.DurationVar(&f.grace, "grace", 0, "keep the old key until it was not used for `TIME`, such as 24h")
	s.StringVar(&f.deleted, "delete", "", "where the user has two keys, delete `KEY_ID` for good")
	f.addStore(s)
	s.BoolVar(&f.force, "force", false, "overwrite a file, or write one that Git would take up")
	f.addTarget(s)
	return c
}

func (p *program) isolateCommand() *cobra.Command {
	var f respondFlags
	c := p.deedCommand(&f, respond.Isolate, &cobra.Command{Use: "isolate KEY_ID [flags]", Short: "take every right from a key's owner", Long: isolateHelp, Example: isolateExamples})
	f.addTarget(c.Flags())
	return c
}

func (p *program) undoCommand() *cobra.Command {
	var f respondFlags
	c := p.deedCommand(&f, respond.Undo, &cobra.Command{Use: "undo CASE [flags]", Short: "put back what a case changed", Long: undoHelp, Example: undoExamples})
	c.Flags().StringVar(&f.password, "password-file", "", "write the new console password to `FILE` (mode 0600)")
	f.addStore(c.Flags())
	return c
}

// deedCommand completes a command that makes a plan and carries it out.
func (p *program) deedCommand(f *respondFlags, d respond.Deed, c *cobra.Command) *cobra.Command {
	what := "key ID"
	if d == respond.Undo {
		what = "case"
	}
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usageError{fmt.Sprintf("%s needs one %s", d, what), "keyquench " + c.Use}
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error { return p.respond(c, f, d, args[0]) }
	f.addDeed(c.Flags())
	return c
}

// respond makes a plan, shows it, and carries it out if somebody says yes.
func (p *program) respond(c *cobra.Command, f *respondFlags, d respond.Deed, id string) error {
	ctx := c.Context()
	if err := f.check(); err != nil {
		return err
	}
	path, err := p.respondConfig(c.Flags(), f)
	if err != nil {
		return err
	}
	l, err := ledger.Open(ctx, path, ledger.Options{Now: p.now, Waiting: p.waiting})
	if err != nil {
		return err
	}
	defer l.Close()
	r, key, err := p.responder(ctx, f, l, id)
	if err != nil {
		return err
	}
	plan, err := p.plan(ctx, r, f, d, key)
	if err != nil {
		return err
	}
	out := &respondOutput{p: p, format: f.format, plan: plan}
	if err := out.showPlan(f.dryRun); err != nil || f.dryRun {
		return err
	}
	consent, err := p.consent(plan, f)
	if err != nil {
		return err
	}
	o, err := r.Apply(ctx, plan, consent)
	return errors.Join(err, out.showOutcome(o, err))
}

// partition is where the account is if nothing else tells.
func (f *respondFlags) partition() string {
	if len(f.aws.partitions) > 0 {
		return f.aws.partitions[0]
	}
	return "aws"
}

// check refuses flags that contradict each other.
func (f *respondFlags) check() error {
	switch {
	case f.format != "text" && f.format != "json":
		return usageError{fmt.Sprintf("--format %q is not known", f.format), "one of: text, json"}
	case f.yes && f.confirm != "":
		return usageError{"--yes and --confirm contradict each other", "leave out --yes"}
	case f.key.stdin && f.key.env != "":
		return usageError{"--secret-stdin and --secret-env contradict each other", "leave one of them out"}
	case f.leaked && f.planned:
		return usageError{"--leaked and --not-leaked contradict each other", "leave one of them out"}
	case f.leaked && f.grace > 0:
		return usageError{"--leaked and --grace contradict each other", "a key that strangers have cannot wait"}
	case f.grace < 0:
		return usageError{"--grace is below zero", "--grace 24h"}
	case f.waits && f.wait <= 0:
		return usageError{"--wait is not above zero", "--wait 1s is the least that makes sense, --wait 2m the usual"}
	case f.self && !f.key.stdin && f.key.env == "":
		return usageError{"--self needs the key's secret", "--secret-stdin or --secret-env NAME"}
	}
	return nil
}

// waiting tells that another process works on the same key.
func (p *program) waiting(keyID, holder string) {
	fmt.Fprintf(p.errOut, "keyquench: waiting: %s is being worked on by %s\n", keyID, report.Safe(holder))
}

// respondConfig reads the operator's configuration into f, where flags say
// nothing, and gives the ledger's file. A keyquench.toml of the repository that
// lies here is nobody's to follow: whoever can write to it is not the operator.
func (p *program) respondConfig(s *pflag.FlagSet, f *respondFlags) (path string, err error) {
	name, given := f.config, f.config != ""
	if !given {
		name = p.userConfig()
	}
	var c config.Config
	text, err := readFile(name)
	switch {
	case err == nil:
		parsed, err := config.Parse(name, text, config.Operator)
		if err != nil {
			return "", usageError{err.Error(), "mend the file"}
		}
		c = *parsed
	case given || !errors.Is(err, os.ErrNotExist) && name != "":
		return "", usageError{fmt.Sprintf("--config: %v", err), "name a keyquench.toml that can be read"}
	}
	r := c.Respond
	f.accounts = append(f.accounts, r.Accounts...)
	for _, v := range []struct {
		flag string
		to   *string
		from string
	}{{"role", &f.role, r.Role}, {"external-id", &f.externalID, r.ExternalID}, {"profile", &f.profile, r.Profile}} {
		if !s.Changed(v.flag) {
			*v.to = v.from
		}
	}
	f.policy = respond.Policy{Mode: respond.Mode(r.Mode), Accounts: f.accounts, Protect: r.Protect}
	if err := f.policy.Check(); err != nil {
		return "", usageError{err.Error(), "mend [respond] in " + name + ", or --account"}
	}
	f.selfByFile = r.Self
	if r.Ledger != "" && !s.Changed("ledger") {
		return r.Ledger, nil
	}
	return p.ledgerPath(s)
}

// userConfig is the configuration of whoever runs the program, or "".
func (p *program) userConfig() string {
	dir := p.getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "keyquench", config.Name)
}

// responder joins what a deed needs, and gives the key with what is known of it.
func (p *program) responder(ctx context.Context, f *respondFlags, l *ledger.Ledger, id string) (*respond.Responder, respond.Target, error) {
	target := respond.Target{ID: id, Owner: f.owner}
	reach, err := f.aws.reach()
	if err != nil {
		return nil, target, err
	}
	key, err := p.readKey(id, &f.key)
	if err != nil {
		return nil, target, err
	}
	target.Key = key
	checker, err := p.checker(&f.aws)
	if err != nil {
		return nil, target, err
	}
	if !key.Secret.IsZero() {
		target.Verdict = checker.Check(ctx, key)
	}
	actors, err := p.actors(ctx, f, reach)
	if err != nil {
		return nil, target, err
	}
	f.operator = actors
	r, err := respond.New(respond.Options{
		Policy: f.policy, Actors: actors, Reach: reach, Ledger: l, Checker: checker,
		Now: p.now, Sleep: p.sleep, By: whoami(), Confirm: f.wait,
	})
	if err != nil {
		return nil, target, usageError{err.Error(), "mend the flag, or [respond] in your keyquench.toml"}
	}
	return r, target, nil
}

// readKey reads the secret and the token of a key, as far as flags tell where
// they are.
func (p *program) readKey(id string, f *keyFlags) (key rules.Key, err error) {
	key.ID = id
	switch {
	case f.stdin:
		key.Secret, err = p.secretFromInput()
	case f.env != "":
		key.Secret, err = p.secretFromEnv("--secret-env", f.env)
	}
	if err == nil && f.token != "" {
		key.Token, err = p.secretFromEnv("--token-env", f.token)
	}
	return key, err
}

// consent asks a person, where no flag says yes.
func (p *program) consent(plan *respond.Plan, f *respondFlags) (respond.Consent, error) {
	given := respond.Consent{Yes: f.yes, Token: f.confirm}
	stdin, ok := p.in.(*os.File)
	if plan.Nothing() || f.yes || f.confirm != "" {
		return given, nil
	}
	if f.key.stdin || !ok || !term.IsTerminal(int(stdin.Fd())) {
		return given, usageError{"the plan was not confirmed, and nothing was changed", "--confirm " + plan.Token() + ", or --yes"}
	}
	fmt.Fprintf(p.errOut, "Type %s to carry this out: ", plan.Token())
	line, err := bufio.NewReader(io.LimitReader(p.in, 100)).ReadString('\n')
	if given.Token = strings.TrimSpace(line); err != nil || given.Token == "" {
		return given, hinted{errors.New("the plan was not confirmed, and nothing was changed"), "run it again, and type the token"}
	}
	return given, nil
}

// respondOutput shows plans and outcomes.
type respondOutput struct {
	p      *program
	format string
	plan   *respond.Plan
}

func (o *respondOutput) showPlan(last bool) error {
	switch {
	case o.format == "text":
		return report.WritePlan(o.p.out, o.plan)
	case last:
		return o.json(nil, nil)
	}
	return nil // with the outcome
}

func (o *respondOutput) showOutcome(done respond.Outcome, failure error) error {
	if o.format == "text" {
		return report.WriteOutcome(o.p.out, o.plan, done)
	}
	return o.json(&done, failure)
}

func (o *respondOutput) json(done *respond.Outcome, failure error) error {
	line := struct {
		Plan    *respond.Plan    `json:"plan"`
		Token   string           `json:"token"`
		Outcome *respond.Outcome `json:"outcome,omitempty"`
		Error   string           `json:"error,omitempty"`
		Hint    string           `json:"hint,omitempty"`
	}{Plan: o.plan, Token: o.plan.Token(), Outcome: done}
	if failure != nil {
		line.Error = report.Safe(rules.Cover(failure.Error(), o.p.secrets...))
		line.Hint = report.Safe(rules.Cover(hintOf(failure), o.p.secrets...))
	}
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	_, err = o.p.out.Write(append(text, '\n'))
	return err
}
