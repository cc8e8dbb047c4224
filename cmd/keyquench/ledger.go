package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyquench/keyquench/internal/ledger"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const ledgerHelp = `Ledger shows the record of what keyquench did to keys: every plan, what it was
about to do, and what came of it, each written before the next step.

  keyquench ledger list                a line a case; --key, --account and --since narrow it
  keyquench ledger show CASE           every entry of a case, a key ID or a number, whole
  keyquench ledger verify              was an entry changed, removed or added?

The file only grows, and each entry holds the hash of the one before it. Two
things a ledger cannot tell of itself: that its last entries were cut off, and
that somebody wrote all of it anew. verify prints the head, the number and hash
of the last entry. Note it where nobody who can write the file comes to, and

  keyquench ledger verify --head HEAD

proves later that nothing up to there was touched.

The ledger is keyquench/ledger.db in the user's state directory (XDG_STATE_HOME,
by default ~/.local/state). --ledger FILE names another.

Exit codes
  0  it was shown, or is whole
  2  the command line makes no sense
  3  there is none, it could not be read, or an entry is not as it was written`

// ledgerFlags choose and show a ledger.
type ledgerFlags struct {
	path          string
	key, account  string
	since, format string
	color         string
	heads         []string
}

// addLedgerFlag adds the flag that every command with a ledger has.
func addLedgerFlag(s *pflag.FlagSet, path *string) {
	s.StringVar(path, "ledger", "", "keep the record in `FILE` (default: keyquench/ledger.db in the user's state directory)")
}

// ledgerPath is the file that the flag names, or the user's own.
func (p *program) ledgerPath(s *pflag.FlagSet) (string, error) {
	if f := s.Lookup("ledger"); f != nil && f.Changed {
		if f.Value.String() == "" {
			return "", usageError{"--ledger names no file", "--ledger ledger.db, or leave it out"}
		}
		return f.Value.String(), nil
	}
	return ledger.DefaultPath(p.getenv)
}

func (p *program) ledgerCommand() *cobra.Command {
	var f ledgerFlags
	c := &cobra.Command{
		Use:   "ledger",
		Short: "show and check the record of what was done",
		Long:  ledgerHelp,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Sprintf("ledger has no command %q", args[0]), "keyquench ledger list, show or verify"}
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return usageError{"ledger needs a command", "keyquench ledger list, show or verify"}
		},
	}
	addLedgerFlag(c.PersistentFlags(), &f.path)
	c.PersistentFlags().StringVar(&f.format, "format", "text", "write `"+strings.Join(report.EntryFormats(), "|")+"`")
	c.PersistentFlags().StringVar(&f.color, "color", "auto", "colour the text: `auto|always|never`; auto obeys NO_COLOR")
	c.AddCommand(p.ledgerListCommand(&f), p.ledgerShowCommand(&f), p.ledgerVerifyCommand(&f))
	return c
}

// onLedger opens the ledger to read it, for do.
func (p *program) onLedger(c *cobra.Command, f *ledgerFlags, do func(*ledger.Ledger, report.Options) error) error {
	if !slices.Contains(report.EntryFormats(), f.format) {
		return usageError{fmt.Sprintf("--format %q is not known", f.format), "one of: " + strings.Join(report.EntryFormats(), ", ")}
	}
	if !slices.Contains([]string{"auto", "always", "never"}, f.color) {
		return usageError{fmt.Sprintf("--color %q is not known", f.color), "one of: auto, always, never"}
	}
	path, err := p.ledgerPath(c.Flags())
	if err != nil {
		return err
	}
	l, err := ledger.OpenRead(c.Context(), path, ledger.Options{Now: p.now})
	if err != nil {
		return err
	}
	return errors.Join(do(l, report.Options{Color: p.colored(p.out, f.color)}), l.Close())
}

func noArguments(command, try string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError{command + " takes no arguments", try}
		}
		return nil
	}
}

func (p *program) ledgerListCommand(f *ledgerFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "list the cases",
		Args:  noArguments("ledger list", "keyquench ledger show CASE shows one"),
		RunE: func(c *cobra.Command, _ []string) error {
			since := time.Time{}
			switch {
			case c.Flags().Changed("key") && !isAnyID(f.key):
				return usageError{fmt.Sprintf("--key %q is no key ID", f.key), "as AKIAIOSFODNN7EXAMPLE, the whole of it"}
			case c.Flags().Changed("account") && !isAccount(f.account):
				return usageError{fmt.Sprintf("--account %q is no account number", f.account), "12 digits, as 123456789012"}
			case c.Flags().Changed("since"):
				var err error
				if since, err = parseSince(f.since, p.now()); err != nil {
					return err
				}
			}
			return p.onLedger(c, f, func(l *ledger.Ledger, o report.Options) error {
				return report.Cases(p.out, f.format, l.Entries(c.Context(), ledger.Filter{KeyID: f.key, Account: f.account}), since, o)
			})
		},
	}
	c.Flags().StringVar(&f.key, "key", "", "only cases of the key `ID`")
	c.Flags().StringVar(&f.account, "account", "", "only cases in account `NUMBER`")
	c.Flags().StringVar(&f.since, "since", "", "only cases with an entry since `DATE`: 2026-01-31, \"2 weeks ago\"")
	return c
}

// isAnyID tells whether s can be the ID of an access key or of a credential of
// one service, which IAM makes of 16 to 128 letters and digits.
func isAnyID(s string) bool {
	return len(s) >= 16 && len(s) <= 128 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// isAccount tells whether s is an AWS account number.
func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

func (p *program) ledgerShowCommand(f *ledgerFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "show CASE|KEY-ID|NUMBER",
		Short: "show the entries of a case or a key, or one entry",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return usageError{"ledger show needs a case, a key ID or the number of an entry", "keyquench ledger list names the cases"}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return p.onLedger(c, f, func(l *ledger.Ledger, o report.Options) error {
				return p.ledgerShow(c.Context(), l, f.format, args[0], o)
			})
		},
	}
}

func (p *program) ledgerShow(ctx context.Context, l *ledger.Ledger, format, name string, o report.Options) error {
	filters := []ledger.Filter{{Case: name}, {KeyID: name}}
	if n, err := strconv.ParseInt(name, 10, 64); err == nil && n > 0 {
		filters = append(filters, ledger.Filter{Seq: n})
	}
	for _, f := range filters {
		count, err := report.Entries(p.out, format, l.Entries(ctx, f), o)
		if err != nil || count > 0 {
			return err
		}
	}
	return hinted{fmt.Errorf("the ledger has no case, key or entry %q", name), "keyquench ledger list names the cases and their keys"}
}

func (p *program) ledgerVerifyCommand(f *ledgerFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "check that no entry was changed, removed or added",
		Args:  noArguments("ledger verify", "--ledger FILE names the file, --head HEAD a head noted before"),
		RunE: func(c *cobra.Command, _ []string) error {
			var heads []ledger.Head
			for _, s := range f.heads {
				h, err := ledger.ParseHead(s)
				if err != nil {
					return usageError{"--" + err.Error(), "--head takes what ledger verify printed: 41:5f0c…, the whole of it"}
				}
				heads = append(heads, h)
			}
			return p.onLedger(c, f, func(l *ledger.Ledger, o report.Options) error {
				return p.ledgerVerify(c.Context(), l, f.format, heads, o)
			})
		},
	}
	c.Flags().StringArrayVar(&f.heads, "head", nil, "the ledger must continue from `HEAD`, noted before; may be repeated")
	return c
}

func (p *program) ledgerVerify(ctx context.Context, l *ledger.Ledger, format string, heads []ledger.Head, o report.Options) error {
	check, err := l.Verify(ctx, heads...)
	if err != nil {
		return err
	}
	if err := report.Check(p.out, format, l.Path(), check, len(heads) > 0, o); err != nil {
		return err
	}
	if check.Fault != nil {
		return hinted{errors.New("the ledger is not as it was written"), "keep the file as evidence, compare it with a backup, and go on with a new one: --ledger FILE"}
	}
	return nil
}
