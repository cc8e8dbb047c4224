package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/keyquench/keyquench/hooks"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/spf13/cobra"
)

const hookInstallHelp = `Install puts hooks in place that scan with this keyquench: pre-commit,
pre-merge-commit, pre-applypatch and pre-push; in a bare repository, and with
--server, pre-receive.

Hooks that are there already run first and keep their say: those in the
repository, and those that core.hooksPath leads to (husky's, for instance).
keyquench hook uninstall puts everything back as it was.

  PATH         the repository; by default the one of the current directory
  --global     for all your repositories: in git's configuration from Git 2.54
               on, before that by core.hooksPath
  --template   for repositories that you make or clone from now on

keyquench hook doctor then tries whether a key is really stopped.

Exit codes
  0  installed, or it was so before
  2  the command line makes no sense
  3  not installed; the error says what to do`

const hookUninstallHelp = `Uninstall removes the hooks that install put in place, and puts back what was
there before. What others have changed since is left alone, and it says so.

Exit codes
  0  removed, or nothing was there
  2  the command line makes no sense
  3  not all was removed; the error says what to do`

const hookDoctorHelp = `Doctor tries whether a key is really stopped: in a repository that it makes for
this and deletes, with the hooks and the configuration that are in force here, it
commits, merges, applies and pushes a file with a key that chance made up. In your
repository, it changes nothing. Hooks of others run too, in that other repository.

If a key gets through, it says why: no hook, no run bit, another directory in
force, another program in the hook's place, a program that is gone.

With --global, it tries a repository that has nothing of its own.

Exit codes
  0  all is well
  2  the command line makes no sense
  3  something is wrong; each line says what to do`

// hookPlace are the flags that say where.
type hookPlace struct{ global, template, server bool }

func (h *hookPlace) place() (hooks.Place, error) {
	switch {
	case h.global && h.template:
		return 0, usageError{"--global and --template are two things", "run it once with each"}
	case h.global:
		return hooks.Global, nil
	case h.template:
		return hooks.Template, nil
	}
	return hooks.Repository, nil
}

func (p *program) hookInstallCommand() *cobra.Command {
	var h hookPlace
	named := ""
	c := &cobra.Command{
		Use: "install [flags] [PATH]", Short: "have Git call keyquench before commits and pushes", Long: hookInstallHelp,
		Args: atMostOnePath("hook install"),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := p.hookOptions(&h, args)
			if err != nil {
				return err
			}
			if o.Program, err = ownProgram(named, c.Flags().Changed("program")); err != nil {
				return err
			}
			return p.hookChange(c.Context(), o, hooks.Install)
		},
	}
	h.add(c)
	c.Flags().BoolVar(&h.server, "server", false, "pre-receive, for a repository that is pushed to")
	c.Flags().StringVar(&named, "program", "", "have hooks call the program at `PATH` (default: this one)")
	c.Flags().SortFlags = false
	return c
}

func (h *hookPlace) add(c *cobra.Command) {
	c.Flags().BoolVar(&h.global, "global", false, "for all your repositories")
	c.Flags().BoolVar(&h.template, "template", false, "for repositories made from now on")
}

func (p *program) hookUninstallCommand() *cobra.Command {
	var h hookPlace
	c := &cobra.Command{
		Use: "uninstall [flags] [PATH]", Short: "remove the hooks, and put back what was there", Long: hookUninstallHelp,
		Args: atMostOnePath("hook uninstall"),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := p.hookOptions(&h, args)
			if err != nil {
				return err
			}
			return p.hookChange(c.Context(), o, hooks.Uninstall)
		},
	}
	h.add(c)
	c.Flags().SortFlags = false
	return c
}

func (p *program) hookDoctorCommand() *cobra.Command {
	var h hookPlace
	c := &cobra.Command{
		Use: "doctor [flags] [PATH]", Short: "try whether a key is really stopped", Long: hookDoctorHelp,
		Args: atMostOnePath("hook doctor"),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := p.hookOptions(&h, args)
			if err != nil {
				return err
			}
			return p.hookDoctor(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&h.global, "global", false, "what holds for a repository without hooks of its own")
	return c
}

func (p *program) hookOptions(h *hookPlace, args []string) (o hooks.Options, err error) {
	if o.Place, err = h.place(); err != nil {
		return o, err
	}
	o.Env, o.Server, o.Version = os.Environ(), h.server, version()
	if len(args) > 0 {
		if o.Place != hooks.Repository {
			return o, usageError{"--global and --template are for no single repository", "leave out the path"}
		}
		o.Dir = args[0]
		// Somebody who names a repository does not mean that of the environment.
		o.Env = hooks.WithoutRepository(o.Env)
	}
	if dir, err := os.UserConfigDir(); err == nil {
		o.ConfigDir = filepath.Join(dir, "keyquench")
	}
	return o, nil
}

func (p *program) hookChange(ctx context.Context, o hooks.Options, change func(context.Context, hooks.Options) (hooks.Result, error)) error {
	done, err := change(ctx, o)
	for _, line := range done.Done {
		if _, err := fmt.Fprintln(p.out, report.Safe(line)); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	for _, line := range done.Notes {
		fmt.Fprintln(p.errOut, "keyquench: note: "+report.Safe(line))
	}
	return err
}

func (p *program) hookDoctor(ctx context.Context, o hooks.Options) error {
	checks, err := hooks.Doctor(ctx, o)
	if err != nil {
		return err
	}
	for _, c := range checks {
		word := "ok   "
		if !c.OK {
			word, p.code = "wrong", exitFailed
		}
		if _, err := fmt.Fprintf(p.out, "%s  %s: %s\n", word, c.What, report.Safe(c.Detail)); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if c.Next != "" {
			fmt.Fprintf(p.out, "       try: %s\n", report.Safe(c.Next))
		}
	}
	return nil
}

// ownProgram is the path by which hooks call keyquench. It is the one that was
// called, not what links lead to: behind a link, an upgrade changes the program.
func ownProgram(named string, given bool) (string, error) {
	if given {
		path, err := filepath.Abs(named)
		if named == "" || err != nil {
			return "", usageError{"--program is empty", "give it the path of keyquench"}
		}
		return path, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", hinted{fmt.Errorf("find out where this program is: %w", err), "name it with --program PATH"}
	}
	called, err := exec.LookPath(os.Args[0])
	if err != nil {
		return self, nil
	}
	if called, err = filepath.Abs(called); err != nil {
		return self, nil
	}
	a, err := os.Stat(called)
	if err != nil {
		return self, nil
	}
	if b, err := os.Stat(self); err != nil || !os.SameFile(a, b) {
		return self, nil
	}
	return called, nil
}
