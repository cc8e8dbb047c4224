package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/rules"
	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitClean = iota
	exitLeaks
	exitUsage
	exitFailed
)

// program is one run: its streams and what it asks the world for.
type program struct {
	in          io.Reader
	out, errOut io.Writer
	getenv      func(string) string
	now         func() time.Time
	// sleep waits by the same clock; nil is the machine's.
	sleep func(context.Context, time.Duration) error
	code  int // of a command that ended without an error
	// secrets are those that flags named; what quotes them is covered.
	secrets []rules.Secret
}

// run is the program: it does what args say and gives the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	p := &program{in: in, out: out, errOut: errOut, getenv: os.Getenv, now: time.Now}
	return p.run(ctx, args)
}

func (p *program) run(ctx context.Context, args []string) int {
	root := p.root(args)
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return p.code
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = hinted{errors.New("interrupted: what was asked for is not complete"), "run it again and let it finish"}
	}
	p.tell(err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// tell writes one line of what went wrong and, where it is known, one of what
// to do. Errors can quote names from a repository.
func (p *program) tell(err error) {
	fmt.Fprintln(p.errOut, "keyquench: "+report.Safe(rules.Cover(err.Error(), p.secrets...)))
	if hint := hintOf(err); hint != "" {
		fmt.Fprintln(p.errOut, "keyquench: try: "+report.Safe(rules.Cover(hint, p.secrets...)))
	}
}

// hinter is an error that knows the next step.
type hinter interface {
	error
	Hint() string
}

func hintOf(err error) string {
	if h, ok := errors.AsType[hinter](err); ok {
		return h.Hint()
	}
	return ""
}

// hinted adds the next step to an error.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// Hint is the next step.
func (h hinted) Hint() string { return h.hint }

// usageError: the command line makes no sense.
type usageError struct{ what, try string }

func (e usageError) Error() string { return e.what }

// Hint is how to write it.
func (e usageError) Hint() string { return e.try }

// root is the command line. A hook waits for it: of the commands only the one that
// args name is made, if they name one.
func (p *program) root(args []string) *cobra.Command {
	tellVersion := false
	root := &cobra.Command{
		Use:               "keyquench",
		Short:             "find AWS keys that leaked into Git",
		Long:              rootHelp,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Sprintf("unknown command %q", args[0]), "keyquench --help lists the commands"}
			}
			return nil
		},
		// No command is no scan, and must not end like a clean one.
		RunE: func(*cobra.Command, []string) error {
			if tellVersion {
				_, err := io.WriteString(p.out, version())
				return err
			}
			return usageError{"no command given", "keyquench scan, or keyquench --help"}
		},
	}
	// Cobra's own flag wants the text at once, and with it the rules compiled.
	root.Flags().BoolVarP(&tellVersion, "version", "v", false, "version for keyquench")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		what, _, _ := strings.Cut(err.Error(), "\n")
		return usageError{what, c.CommandPath() + " --help lists the flags"}
	})
	root.CompletionOptions.DisableDefaultCmd = true
	for _, c := range commands {
		if len(args) > 0 && c.name == args[0] {
			root.AddCommand(c.make(p))
			return root
		}
	}
	for _, c := range commands {
		root.AddCommand(c.make(p))
	}
	root.AddCommand(p.completionCommand(root))
	return root
}

// commands are all but completion, which needs the others.
var commands = []struct {
	name string
	make func(*program) *cobra.Command
}{
	{"scan", (*program).scanCommand},
	{"rules", (*program).rulesCommand},
	{"explain", (*program).explainCommand},
	{"baseline", (*program).baselineCommand},
	{"verify", (*program).verifyCommand},
	{"kill", (*program).killCommand},
	{"rotate", (*program).rotateCommand},
	{"isolate", (*program).isolateCommand},
	{"undo", (*program).undoCommand},
	{"doctor", (*program).doctorCommand},
	{"ledger", (*program).ledgerCommand},
	{"setup", (*program).setupCommand},
	{"hook", (*program).hookCommand},
	{"action", (*program).actionCommand},
}

// completionCommand writes cobra's completion scripts.
func (p *program) completionCommand(root *cobra.Command) *cobra.Command {
	shells := map[string]func(io.Writer) error{
		"bash":       func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":        root.GenZshCompletion,
		"fish":       func(w io.Writer) error { return root.GenFishCompletion(w, true) },
		"powershell": root.GenPowerShellCompletionWithDesc,
	}
	return &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "write a completion script for a shell",
		Long:      completionHelp,
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || shells[args[0]] == nil {
				return usageError{"completion needs the name of one shell", "keyquench completion bash (or zsh, fish, powershell)"}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return shells[args[0]](p.out) },
	}
}
