package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/keyquench/keyquench/internal/ignore"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
	"github.com/spf13/cobra"
)

// How much the heap may grow before it is looked through, in percent of what is
// in use or, to begin with, of 4 MB. A commit waits for what is staged, and a scan
// of it is done before a look would be worth while. A scan of files makes little
// garbage: a look at it every 16 MB costs a millisecond or two of twenty.
const (
	stagedGC = 800
	filesGC  = 400
)

func (p *program) scanCommand() *cobra.Command {
	var f scanFlags
	c := &cobra.Command{
		Use:     "scan [PATH]",
		Short:   "look for keys in a repository, a folder, a file or standard input",
		Long:    scanHelp,
		Example: scanExamples,
		Args:    atMostOnePath("scan"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.onTarget(c, args, &f, func(t *target) error { return p.scan(c.Context(), t, &f) })
		},
	}
	f.add(c.Flags())
	return c
}

// onTarget opens what a command's arguments and flags mean, for do.
func (p *program) onTarget(c *cobra.Command, args []string, f *scanFlags, do func(*target) error) error {
	choice, err := f.check(c.Flags(), p.now())
	if err != nil {
		return err
	}
	if f.ledger, err = p.recordPath(c.Flags()); err != nil {
		return err
	}
	path, given := ".", len(args) == 1
	if given {
		path = args[0]
	}
	switch {
	case f.staged:
		defer debug.SetGCPercent(debug.SetGCPercent(stagedGC))
	case f.worktree && !f.history:
		defer debug.SetGCPercent(debug.SetGCPercent(filesGC))
	}
	defer compiling()()
	if err := p.settle(path, given, f); err != nil {
		return err
	}
	choice.Rules = f.set
	t, err := p.openTarget(c.Context(), path, given, f, choice)
	if err != nil {
		return err
	}
	defer t.close()
	return do(t)
}

// compiling begins to compile the rules, which takes as long as opening a
// repository, and gives what waits for the end of it.
func compiling() (wait func()) {
	var wg sync.WaitGroup
	wg.Go(func() { rules.Default() })
	return wg.Wait
}

// atMostOnePath refuses more than one argument of a command.
func atMostOnePath(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageError{fmt.Sprintf("%s takes one path, not %d", command, len(args)), "call it once for each path"}
		}
		if len(args) == 1 && args[0] == "" {
			return usageError{"the path is empty", "keyquench " + command + " ."}
		}
		return nil
	}
}

// scan runs the scan and reports it.
func (p *program) scan(ctx context.Context, t *target, f *scanFlags) error {
	out := p.out
	if f.outGiven {
		file, err := newAtomicFile(f.output)
		if err != nil {
			return err
		}
		defer file.discard()
		out = file
	}
	o := p.reportOptions(out, t, f)
	asked, err := p.asking(f)
	if err != nil {
		return err
	}
	if asked != nil {
		o.Verdict = asked.verdict
	}
	w, _ := report.New(f.format, out, o) // flags have been checked
	p.warn(f)
	ignored, err := p.ignored(f.lists)
	if err != nil {
		return err
	}
	sum, err := p.find(ctx, t, f, ignored, func(x scanner.Finding) error {
		asked.keep(x)
		return w.Finding(x)
	})
	asked.ask(ctx)
	unfinished(&sum, err)
	err = errors.Join(err, w.Close(sum))
	if file, ok := out.(*atomicFile); ok && err == nil {
		err = file.commit()
	}
	if err != nil {
		return err
	}
	asked.summarize(f.quiet)
	return p.finish(&sum, o, f)
}

// find is read without the findings on a list, which are counted.
func (p *program) find(ctx context.Context, t *target, f *scanFlags, ignored *ignore.List, found func(scanner.Finding) error) (scanner.Summary, error) {
	count := 0
	sum, err := p.read(ctx, t, f, f.ruleSet(), func(x scanner.Finding) error {
		if ignored.Has(x.Fingerprint) {
			count++
			return nil
		}
		return found(x)
	})
	sum.Findings -= count
	sum.Ignored = count
	return sum, err
}

// unfinished has a summary tell of the error that ended its scan: who reads a report
// alone learns that this is not all.
func unfinished(sum *scanner.Summary, err error) {
	if err != nil {
		sum.Skipped++
		sum.Skips = append(sum.Skips, scanner.Skip{What: "scan", Err: err})
	}
}

// reportOptions say how a scan of t is reported to out.
func (p *program) reportOptions(out io.Writer, t *target, f *scanFlags) report.Options {
	return report.Options{
		Color: p.colored(out, f.color), ShowSecrets: f.secrets, Quiet: f.quiet, Scope: t.scope, Target: t.name,
		Version: shortVersion(), Rules: f.ruleSet().Version(), Time: p.now(),
	}
}

// warn says what whoever gave the flags should mind.
func (p *program) warn(f *scanFlags) {
	if f.secrets {
		fmt.Fprintln(p.errOut, "keyquench: warning: secrets are written in full: mind who reads the output")
	}
}

// read runs the scanner and shows its progress; the report is written later.
func (p *program) read(ctx context.Context, t *target, f *scanFlags, set *rules.Set, found func(scanner.Finding) error) (scanner.Summary, error) {
	s := scanner.Scanner{Rules: set, Allow: f.allow(), Workers: f.workers, Meter: new(scanner.Meter), Now: p.now}
	stop := func() {}
	if !f.quiet && !f.noProgress && p.isTerminal(p.errOut) {
		stop = startProgress(p.errOut, s.Meter, t.objects).stop
	}
	defer stop()
	return s.Scan(ctx, found, t.sources...)
}

// finish writes the summary and chooses the exit code.
func (p *program) finish(sum *scanner.Summary, o report.Options, f *scanFlags) error {
	o.Color = p.colored(p.errOut, f.color)
	if !f.quiet {
		if sum.Findings > 0 && p.isTerminal(p.out) && p.isTerminal(p.errOut) {
			if _, err := io.WriteString(p.errOut, "\n"); err != nil {
				return err
			}
		}
		if err := report.Summarize(p.errOut, *sum, o); err != nil {
			return fmt.Errorf("write summary: %w", err)
		}
	} else if sum.Incomplete() {
		p.tell(hinted{errors.New("not everything was read"), "run it without --quiet to see what was skipped"})
	}
	switch {
	case sum.Findings > 0:
		p.code = exitLeaks
	case sum.Incomplete():
		p.code = exitFailed
	}
	return nil
}
