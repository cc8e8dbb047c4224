package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/keyquench/keyquench/hooks"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
	"github.com/spf13/cobra"
)

// hookRunCommand is what hooks call.
func (p *program) hookRunCommand() *cobra.Command {
	f := scanFlags{format: "text", color: "auto", quiet: true, noProgress: true, noCache: true}
	c := &cobra.Command{
		Use:   "run NAME [ARGS]",
		Short: "scan what the hook NAME is called about: what a hook script runs",
		Long:  hookRunHelp,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || hookScans[args[0]] == nil {
				return usageError{"hook run needs the name of a hook", "keyquench hook run pre-commit (or pre-merge-commit, pre-applypatch, pre-push, pre-receive, framework)"}
			}
			return p.hookRun(c, args[0], args[1:], &f)
		},
	}
	s := c.Flags()
	// What follows the name is git's, whatever it looks like.
	s.SetInterspersed(false)
	s.StringArrayVar(&f.ignores, "ignore", nil, "leave out the findings that `FILE` lists: fingerprints, or a baseline; may be repeated")
	f.addRules(s)
	f.addMarkers(s)
	s.StringVar(&f.color, "color", "auto", "colour the text: `auto|always|never`; auto obeys NO_COLOR")
	s.SortFlags = false
	return c
}

// hookScans find out what a hook's call is about.
var hookScans = map[string]func(*program, context.Context, *hookCall) error{
	"pre-commit":       (*program).hookStaged,
	"pre-merge-commit": (*program).hookStaged,
	"pre-applypatch":   (*program).hookStaged,
	"pre-push":         (*program).hookPush,
	"pre-receive":      (*program).hookReceive,
	"framework":        (*program).hookFramework,
}

// hookCall is one call of a hook.
type hookCall struct {
	args []string
	set  *rules.Set // nil for the built-in rules

	// What the call is about. Without sources there is nothing to scan.
	gate    report.Gate
	scope   report.Scope
	sources []scanner.Source
	close   func()
}

func (p *program) hookRun(c *cobra.Command, name string, args []string, f *scanFlags) error {
	if _, err := f.check(c.Flags(), p.now()); err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(stagedGC))
	defer compiling()()
	if err := p.settle(".", false, f); err != nil {
		return err
	}
	call := &hookCall{args: args, set: f.set, close: func() {}}
	defer func() { call.close() }()
	if err := hookScans[name](p, c.Context(), call); err != nil || len(call.sources) == 0 {
		return err
	}
	return p.hookScan(c.Context(), call, f)
}

// hookScan scans, and says what whoever is stopped has to know.
func (p *program) hookScan(ctx context.Context, call *hookCall, f *scanFlags) error {
	o := report.Options{Color: p.colored(p.errOut, f.color), Scope: call.scope, Version: shortVersion(), Rules: f.ruleSet().Version()}
	w := report.NewBrief(p.errOut, call.gate, o)
	ignored, err := p.ignored(f.lists)
	if err != nil {
		return err
	}
	t := &target{sources: call.sources}
	sum, err := p.find(ctx, t, f, ignored, func(x scanner.Finding) error {
		p.code = exitLeaks
		return w.Finding(x)
	})
	unfinished(&sum, err)
	if err := w.Close(sum); err != nil {
		return err
	}
	if p.code == exitClean && sum.Incomplete() {
		p.code = exitFailed
	}
	if call.gate == report.ByHand && p.code == exitClean {
		fmt.Fprintf(p.errOut, "keyquench: no key in %d bytes\n", sum.Bytes)
	}
	return nil
}

// hookStaged is about what the next commit would add to HEAD, and to what it merges
// of others.
func (p *program) hookStaged(ctx context.Context, call *hookCall) error {
	o := scanner.Options{Getenv: p.getenv}
	s, err := scanner.OpenStaged(".", o)
	if err != nil {
		return err
	}
	merged, err := hooks.Merging(ctx, s.GitDir(), os.Environ(), func() (*scanner.Repo, error) { return scanner.Open(".", o) })
	if err != nil {
		s.Close()
		return err
	}
	s.OnlyNew(merged...)
	call.gate, call.scope = report.AtCommit, report.Staged
	call.sources, call.close = append(call.sources, s), s.Close
	return nil
}

// hookPush is about what the remote does not have yet. Git gives the remote's name
// and its URL; the name is the URL when it has none.
func (p *program) hookPush(ctx context.Context, call *hookCall) error {
	if len(call.args) == 0 {
		return usageError{"pre-push needs the name of the remote", "keyquench hook run pre-push REMOTE URL, with the refs on standard input, as git calls it"}
	}
	list, err := p.updates(hooks.PushUpdates)
	if err != nil {
		return err
	}
	remotes, err := hooks.Remotes(ctx, os.Environ())
	if err != nil {
		return err
	}
	push := hooks.Push{Remote: call.args[0], Remotes: remotes, Updates: list, Rules: call.set}
	return p.hookHistory(call, report.AtPush, func(r *scanner.Repo) (scanner.Source, error) {
		return push.Source(ctx, r)
	})
}

// hookReceive is about what a push brings here.
func (p *program) hookReceive(ctx context.Context, call *hookCall) error {
	list, err := p.updates(hooks.ReceiveUpdates)
	if err != nil {
		return err
	}
	return p.hookHistory(call, report.AtServer, func(r *scanner.Repo) (scanner.Source, error) {
		return hooks.Received(ctx, r, list, call.set)
	})
}

// hookFramework is about whatever the pre-commit framework calls it for.
func (p *program) hookFramework(ctx context.Context, call *hookCall) error {
	f := hooks.FrameworkCall(p.getenv)
	switch {
	case f.Push:
		remotes, err := hooks.Remotes(ctx, os.Environ())
		if err != nil {
			return err
		}
		return p.hookHistory(call, report.AtPush, func(r *scanner.Repo) (scanner.Source, error) {
			return f.Source(ctx, r, remotes, call.set)
		})
	case f.To != "":
		return p.hookHistory(call, report.ByHand, func(r *scanner.Repo) (scanner.Source, error) {
			return f.Source(ctx, r, nil, call.set)
		})
	case f.Commit:
		return p.hookStaged(ctx, call)
	}
	// Somebody runs it by hand, perhaps with --all-files, of which it is told
	// nothing: to look at what is staged alone would pass for an all-clear.
	if err := p.hookStaged(ctx, call); err != nil {
		return err
	}
	files, _, err := scanner.OpenWorkTree(".", scanner.Options{Getenv: p.getenv}, false)
	if err != nil {
		return err
	}
	call.gate, call.scope, call.sources = report.ByHand, report.Files, append(call.sources, files)
	return nil
}

// updates reads what git writes to the hook.
func (p *program) updates(read func(io.Reader) ([]hooks.Update, error)) ([]hooks.Update, error) {
	if isTerminalReader(p.in) {
		return nil, usageError{"the refs are read from standard input, and that is a terminal", "let git call the hook: git push --dry-run"}
	}
	list, err := read(p.in)
	if err != nil {
		return nil, hinted{fmt.Errorf("read the refs of the push: %w", err), "git writes them to the hook; keyquench hook doctor tells whether another hook takes them away"}
	}
	return list, nil
}

// hookHistory opens the repository for a part of its history.
func (p *program) hookHistory(call *hookCall, gate report.Gate, source func(*scanner.Repo) (scanner.Source, error)) error {
	repo, err := scanner.Open(".", scanner.Options{Getenv: p.getenv})
	if err != nil {
		return err
	}
	call.gate, call.scope, call.close = gate, report.Part, repo.Close
	src, err := source(repo)
	if src != nil {
		call.sources = append(call.sources, src)
	}
	return err
}
