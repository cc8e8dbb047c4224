package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/keyquench/keyquench/internal/ledger"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/internal/respond"
	"github.com/keyquench/keyquench/internal/setup"
	"github.com/spf13/cobra"
)

const doctorHelp = `Doctor says what could be done from here if a key leaked now: whether there are
AWS credentials, whether the role or profile works in each account that is listed,
with which of the rights, by which clock, and whether the ledger can be written.

It changes nothing. A right is tried on a user with a name that chance made and
that does not exist: whoever has the right is told so, whoever has not is refused.
Those calls stand in CloudTrail.

Exit codes
  0  all is well
  2  the command line makes no sense
  3  something does not work; each line says what to do`

func (p *program) doctorCommand() *cobra.Command {
	var f respondFlags
	mode := ""
	c := &cobra.Command{
		Use: "doctor [flags]", Short: "say what could be done from here if a key leaked", Long: doctorHelp,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{"doctor takes no arguments", "keyquench doctor --account NUMBER"}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return p.doctor(c, &f, mode) },
	}
	f.addActors(c.Flags())
	c.Flags().StringVar(&mode, "mode", "", "try the rights for `deactivate|rotate|isolate` (default: the configured mode, or isolate)")
	c.Flags().StringVar(&f.format, "format", "text", "write `text|json`")
	return c
}

func (p *program) doctor(c *cobra.Command, f *respondFlags, mode string) error {
	if err := f.check(); err != nil {
		return err
	}
	path, err := p.respondConfig(c.Flags(), f)
	if err != nil {
		return err
	}
	if mode == "" {
		mode = string(f.policy.Mode)
	}
	if mode == "" || mode == string(respond.ModeReport) {
		mode = string(respond.ModeIsolate)
	}
	actions := setup.Actions(mode)
	if actions == nil {
		return usageError{fmt.Sprintf("--mode %q is not known", mode), "one of: deactivate, rotate, isolate"}
	}
	checks, err := p.examine(c.Context(), f, path, actions)
	if err != nil {
		return err
	}
	if err := p.writeChecks(checks, f.format); err != nil {
		return err
	}
	if slices.ContainsFunc(checks, func(c respond.Check) bool { return !c.OK }) {
		p.code = exitFailed
	}
	return nil
}

func (p *program) examine(ctx context.Context, f *respondFlags, path string, actions []string) ([]respond.Check, error) {
	record := respond.Check{What: "ledger", Detail: path}
	l, err := ledger.Open(ctx, path, ledger.Options{Now: p.now})
	if err != nil {
		record.Detail, record.Next = err.Error(), hintOf(err)
		return []respond.Check{record}, nil
	}
	defer l.Close()
	record.OK = true
	reach, err := f.aws.reach()
	if err != nil {
		return nil, err
	}
	actors, err := p.actors(ctx, f, reach)
	if err != nil {
		return []respond.Check{record, {What: "your AWS credentials", Detail: err.Error(), Next: hintOf(err)}}, nil
	}
	r, err := respond.New(respond.Options{Policy: f.policy, Actors: actors, Reach: reach, Ledger: l, Now: p.now, Sleep: p.sleep, By: whoami()})
	if err != nil {
		return nil, usageError{err.Error(), "mend the flag, or [respond] in your keyquench.toml"}
	}
	checks := []respond.Check{record, r.Operator(ctx)}
	for _, account := range f.policy.Accounts {
		checks = append(checks, r.Doctor(ctx, account, f.partition(), actions)...)
	}
	if len(f.policy.Accounts) == 0 {
		checks = append(checks, respond.Check{What: "accounts", Detail: "none is listed, so nothing will ever be changed", Next: "accounts = [...] under [respond] in your keyquench.toml, or --account NUMBER"})
	}
	return checks, nil
}

func (p *program) writeChecks(checks []respond.Check, format string) error {
	for _, c := range checks {
		if format == "json" {
			if err := json.NewEncoder(p.out).Encode(c); err != nil {
				return fmt.Errorf("write: %w", err)
			}
			continue
		}
		word, account := "ok  ", ""
		if !c.OK {
			word = "FAIL"
		}
		if c.Account != "" {
			account = c.Account + " "
		}
		if _, err := fmt.Fprintf(p.out, "%s  %s%s: %s\n", word, account, report.Safe(c.What), report.Safe(c.Detail)); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if c.Next != "" {
			fmt.Fprintf(p.out, "      try: %s\n", report.Safe(c.Next))
		}
	}
	return nil
}
