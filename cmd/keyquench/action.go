package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/keyquench/keyquench/action"
	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
	"github.com/spf13/cobra"
)

const actionHelp = `Action is what the GitHub Action runs; action/README.md says how to use that. It
reads what GitHub's runner sets (GITHUB_EVENT_NAME, GITHUB_EVENT_PATH,
GITHUB_WORKSPACE and so on) and the inputs, each in KEYQUENCH_INPUT_NAME.

What is scanned
  pull_request and its kin   every commit of the head that the base does not have
  push                       every commit from before to after; of a new branch or
                             tag, what the default branch does not have
  merge_group                every commit of the group
  anything else              the whole history of all branches and tags

What a shallow or partial checkout lacks of it is fetched from origin, and no more.
When it cannot be had, nothing is called clean.

Inputs
  path, working-directory    where the checkout is, from the workspace
  base, head                 scan this range, whatever the event says
  args                       flags of scan: --rules, --ignore, --workers, --no-allow,
                             --gitleaks-allow, --trust-repo-config, and those for
                             reaching AWS
  config                     a keyquench.toml
  fail-on                    any (the default), live (with verify), none
  format                     how the log shows findings: text, json, sarif, junit, csv
  annotations, summary, sarif            true by default
  comment, upload-sarif, verify, respond false by default
  respond-config             the text of a keyquench.toml with [respond]
  token                      for fetching, comments and upload

Exit codes
  0  clean, or only what fail-on passes over
  1  keys were found
  2  an input makes no sense
  3  not finished, or something was skipped: do not take it for clean`

// actionFormats are those for a log. The others are no use there.
var actionFormats = []string{"text", "json", "sarif", "junit", "csv"}

func (p *program) actionCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "action",
		Short:  "what the GitHub Action runs",
		Long:   actionHelp,
		Hidden: true, // it is nothing for a command line
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{"action takes no arguments", "its inputs are variables: keyquench action --help"}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return p.action(c.Context()) },
	}
}

// actionRun is one run of the GitHub Action.
type actionRun struct {
	*program
	runner   action.Runner
	in       action.Inputs
	event    *action.Event
	checkout *action.Checkout
	rng      action.Range
	// dir is what names of files count from.
	dir string

	f     scanFlags
	o     report.Options
	asked *asking
	found []scanner.Finding
	sum   scanner.Summary
	// scanned tells that sum is that of a scan.
	scanned bool
	sarif   string // the file, or ""
	// ledger is the file that args name, or "".
	ledger string
	// dead are lines of Markdown on the keys that were turned off.
	dead []string
	// problems are what went wrong after the scan.
	problems []error
}

// action runs the Action and leaves its outputs. Until the runner has been told
// what to mask, nothing is written.
func (p *program) action(ctx context.Context) error {
	out, errOut := p.out, p.errOut
	var held, heldErr bytes.Buffer
	p.out, p.errOut = &held, &heldErr
	// An input that makes no sense is told there, too.
	a := &actionRun{program: p, runner: action.Runner{
		Output: p.getenv("GITHUB_OUTPUT"), Summary: p.getenv("GITHUB_STEP_SUMMARY"), Runs: p.getenv("GITHUB_ACTIONS") == "true",
	}}
	err := a.scan(ctx)
	p.out, p.errOut = out, errOut
	// An error may quote what was found, so that masks come first here, too.
	err = errors.Join(err, a.mask())
	for _, b := range []struct {
		to   io.Writer
		from *bytes.Buffer
	}{{out, &held}, {errOut, &heldErr}} {
		if _, failed := b.from.WriteTo(b.to); failed != nil {
			err = errors.Join(err, fmt.Errorf("write the log: %w", failed))
		}
	}
	// First what cannot wait: comments and uploads may take minutes. A scan that
	// could not read all has found what it has found.
	if a.scanned {
		a.respond(ctx)
	}
	if err == nil || a.scanned {
		if failed := a.report(ctx); failed != nil {
			a.tell(failed)
			a.problems = append(a.problems, failed)
		}
	}
	if err == nil {
		a.judge()
	}
	return a.end(err)
}

// scan finds out what to scan, and does.
func (a *actionRun) scan(ctx context.Context) (err error) {
	a.in, err = action.InputsFrom(a.getenv, actionFormats)
	if !a.in.Token.IsZero() {
		a.secrets = append(a.secrets, a.in.Token)
	}
	if err != nil {
		return err
	}
	if a.runner, err = action.RunnerFrom(a.getenv); err != nil {
		return err
	}
	a.dir = under(a.runner.Workspace, a.in.WorkingDirectory)
	if err := a.flags(); err != nil {
		return err
	}
	if a.event, err = action.OpenEvent(a.runner); err != nil {
		return err
	}
	sleep := a.sleep
	if sleep == nil {
		sleep = awsapi.Sleep
	}
	a.checkout, err = action.Open(ctx, under(a.dir, a.in.Path), action.Options{
		Environ: os.Environ(), Ceiling: a.runner.Workspace, Server: a.runner.Server, Token: a.in.Token,
		Sleep: sleep, Note: func(s string) { a.note(s) },
	})
	if err != nil {
		return err
	}
	if a.rng, err = a.checkout.Resolve(ctx, a.event, a.in.Base, a.in.Head); err != nil || a.rng.Nothing != "" {
		return err
	}
	return a.scanRange(ctx)
}

// under is path, counted from dir.
func under(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return filepath.Clean(cmp.Or(path, dir))
	}
	return filepath.Join(dir, path)
}

// scanRange opens the repository and reads what the range has.
func (a *actionRun) scanRange(ctx context.Context) error {
	root := a.checkout.Root()
	if err := a.settle(root, true, &a.f); err != nil {
		return err
	}
	t, err := a.openRange(ctx, root)
	if err != nil {
		return err
	}
	defer t.close()
	if a.asked, err = a.asking(&a.f); err != nil {
		return err
	}
	ignored, err := a.ignored(a.f.lists)
	if err != nil {
		return err
	}
	a.o = a.reportOptions(a.out, t, &a.f)
	if a.asked != nil {
		a.o.Verdict = a.asked.verdict
	}
	if a.runner.Repository != "" {
		a.o.Repository = a.runner.Server + "/" + a.runner.Repository
	}
	a.sum, err = a.find(ctx, t, &a.f, ignored, func(x scanner.Finding) error {
		a.asked.keep(x)
		a.found = append(a.found, x)
		return nil
	})
	a.scanned = true
	if err == nil {
		err = unread(&a.rng, &a.sum)
	}
	unfinished(&a.sum, err)
	a.asked.ask(ctx)
	return err
}

// unread is an error where git counts commits in a range and the scan saw none, or
// saw nothing at all.
func unread(r *action.Range, s *scanner.Summary) error {
	// A scan of everything counts commits as objects.
	commits := max(s.Commits, s.Objects.Commits)
	if (r.Commits == 0 || commits > 0) && s.Objects.Total() > 0 {
		return nil
	}
	return hinted{
		fmt.Errorf("the scan read %d objects and %d commits, where git counts %d commits", s.Objects.Total(), commits, r.Commits),
		"git fsck tells what is broken in the checkout; make a new one",
	}
}

// openRange makes sources of a range.
func (a *actionRun) openRange(ctx context.Context, root string) (*target, error) {
	if a.rng.All {
		a.f.history = true
		return openRepository(ctx, root, a.ownEnv, &a.f, scanner.Choice{})
	}
	repo, err := scanner.Open(root, scanner.Options{Getenv: a.ownEnv})
	if err != nil {
		return nil, err
	}
	added := scanner.Added{Tips: a.rng.Tips, Have: a.rng.Have, Rules: a.f.set}
	if a.event.Kind == action.Pull {
		// What is checked out is a merge that GitHub made; people see the head.
		added.Head = a.rng.Head()
	}
	src, err := repo.Added(ctx, added)
	if err != nil {
		repo.Close()
		return nil, err
	}
	return &target{
		sources: []scanner.Source{src}, scope: report.Part,
		name: "repository " + root + ": " + a.rng.Name, close: repo.Close,
	}, nil
}

// end leaves the outputs, and tells where people look why it could not finish.
func (a *actionRun) end(err error) error {
	if wrong, ok := errors.AsType[*action.InputError](err); ok {
		err = usageError{wrong.Error(), wrong.Hint()}
	}
	code := a.code
	if err != nil {
		code = exitFailed
		if _, ok := errors.AsType[usageError](err); ok {
			code = exitUsage
		}
		if hintOf(err) == "" && !errors.Is(err, context.Canceled) {
			err = hinted{err, "run the job again; if it ends the same way, let actions/checkout fetch all: fetch-depth: 0, and no filter"}
		}
		if !a.scanned {
			a.rng.Name = "could not finish"
			a.readLine()
		}
		err = errors.Join(err, a.tellFailure(err))
	}
	if failed := a.outputs(code); failed != nil {
		if code != exitLeaks {
			return errors.Join(err, failed)
		}
		a.tell(failed)
	}
	return err
}

// shown is an error as it may be shown anywhere.
func (a *actionRun) shown(err error) string {
	return report.Safe(rules.Cover(err.Error(), a.secrets...))
}
