package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/keyquench/keyquench/internal/config"
	"github.com/keyquench/keyquench/internal/ledger"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/internal/respond"
	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
	"github.com/spf13/pflag"
)

// flags reads the input args, and takes over the others.
func (a *actionRun) flags() error {
	s := pflag.NewFlagSet("args", pflag.ContinueOnError)
	s.Usage = func() {}
	f := &a.f
	s.StringArrayVar(&f.ignores, "ignore", nil, "")
	s.StringArrayVar(&f.rules, "rules", nil, "")
	s.BoolVar(&f.trustRepo, "trust-repo-config", false, "")
	f.addMarkers(s)
	s.IntVar(&f.workers, "workers", 0, "")
	addLedgerFlag(s, &f.ledger)
	f.aws.add(s)
	const try = "keyquench action --help lists the flags that args may have"
	if err := s.Parse(a.in.Args); err != nil {
		what, _, _ := strings.Cut(err.Error(), "\n")
		return usageError{"the input args: " + what, try}
	}
	if s.NArg() > 0 {
		return usageError{fmt.Sprintf("the input args: %q is no flag", s.Arg(0)), try}
	}
	f.format, f.color, f.noProgress, f.noCache, f.verify = a.in.Format, "never", true, true, a.in.Verify
	if _, err := f.check(s, a.now()); err != nil {
		return err
	}
	var err error
	if f.ledger, err = a.recordPath(s); err != nil {
		return err
	}
	if s.Changed("ledger") {
		f.ledger = under(a.dir, f.ledger)
		a.ledger = f.ledger
	}
	for _, list := range [][]string{f.rules, f.ignores} {
		for i := range list {
			list[i] = under(a.dir, list[i])
		}
	}
	if a.in.Config != "" {
		f.config = under(a.dir, a.in.Config)
	}
	return nil
}

// judge chooses the exit code.
func (a *actionRun) judge() {
	failing := len(a.found)
	switch a.in.FailOn {
	case "live":
		live, unknown := a.lives()
		if failing = len(live) + len(unknown); len(unknown) > 0 {
			a.note(fmt.Sprintf("fail-on: live: of %d of the keys nothing is known, and they are taken for live", len(unknown)))
		}
	case "none":
		failing = 0
	}
	if passed := len(a.found) - failing; passed > 0 {
		a.note(fmt.Sprintf("fail-on: %s: %d of %d leaked keys do not fail this step", a.in.FailOn, passed, len(a.found)))
	}
	switch {
	case failing > 0:
		a.code = exitLeaks
	case a.scanned && a.sum.Incomplete() || len(a.problems) > 0:
		a.code = exitFailed
	}
}

// respond turns live keys off, where the operator wants that and the event is one
// that can be trusted. What goes wrong is told, and changes the exit code only of a
// step that would not fail.
func (a *actionRun) respond(ctx context.Context) {
	if !a.in.Respond {
		return
	}
	if why := a.event.Mistrust(a.runner.Repository); why != "" {
		a.note("respond: nothing is turned off: " + why)
		return
	}
	live, _ := a.lives()
	if len(live) == 0 {
		a.note("respond: no key is known to be live")
		return
	}
	if err := a.turnOff(ctx); err != nil {
		a.tell(err)
		a.problems = append(a.problems, err)
	}
}

// turnOff kills the live keys.
func (a *actionRun) turnOff(ctx context.Context) (err error) {
	var f respondFlags
	s := pflag.NewFlagSet("respond", pflag.ContinueOnError)
	f.addDeed(s)
	f.addTarget(s)
	f.aws = a.f.aws
	if a.in.RespondConfig != "" {
		dir, failed := os.MkdirTemp(a.runner.Temp, "keyquench-respond-")
		if failed != nil {
			return fmt.Errorf("keep respond-config: %w", cause(failed))
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		f.config = filepath.Join(dir, config.Name)
		if err := os.WriteFile(f.config, []byte(a.in.RespondConfig), 0o600); err != nil {
			return fmt.Errorf("keep respond-config: %w", cause(err))
		}
	}
	path, err := a.respondConfig(s, &f)
	if err != nil {
		return err
	}
	// The way back must not go with the file, which lies where it is thrown away.
	if rest, ok := strings.CutPrefix(path, filepath.Dir(f.config)+string(filepath.Separator)); ok && a.in.RespondConfig != "" {
		path = under(a.dir, rest)
	}
	path = cmp.Or(a.ledger, path)
	f.self = f.selfByFile
	l, err := ledger.Open(ctx, path, ledger.Options{Now: a.now, Waiting: a.waiting})
	if err != nil {
		return err
	}
	defer l.Close()
	done := map[string]bool{}
	for i := range a.found {
		x := &a.found[i]
		v := a.asked.verdict(x)
		if v == nil || v.State != verify.Live || done[x.Key.ID] {
			continue
		}
		done[x.Key.ID] = true
		if failed := a.kill(ctx, l, f, x, v); failed != nil {
			err = errors.Join(err, hinted{fmt.Errorf("respond: %s: %w", x.Key.ID, failed), hintOf(failed)})
		}
	}
	return err
}

// kill turns off one key.
func (a *actionRun) kill(ctx context.Context, l *ledger.Ledger, f respondFlags, x *scanner.Finding, v *verify.Verdict) error {
	r, t, err := a.responder(ctx, &f, l, x.Key.ID)
	if err != nil {
		return err
	}
	t.Verdict = *v
	t.Key = rules.Key{ID: x.Key.ID, Secret: v.Secret, Token: x.Key.Token}
	if t.Key.Secret.IsZero() {
		t.Key.Secret = x.Key.Secret
	}
	plan, err := r.Plan(ctx, respond.Kill, t, respond.Arguments{}, f.partition())
	if err != nil {
		return err
	}
	if err := report.WritePlan(a.out, plan); err != nil {
		return err
	}
	o, err := r.Apply(ctx, plan, respond.Consent{Yes: true})
	if err == nil {
		a.dead = append(a.dead, fmt.Sprintf("`%s`, case `%s`", report.Clean(x.Key.ID), plan.Case))
	}
	return errors.Join(err, report.WriteOutcome(a.out, plan, o))
}
