package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/scanner"
	"github.com/spf13/cobra"
)

// shortestPrint is how many digits of a fingerprint must be given.
const shortestPrint = 8

func (p *program) explainCommand() *cobra.Command {
	f := scanFlags{format: "text", color: "auto"}
	cmd := &cobra.Command{
		Use:     "explain FINGERPRINT|KEY-ID [PATH] [flags]",
		Short:   "say why a key is a finding, and name every place of it",
		Long:    explainHelp,
		Example: explainExamples,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || !isPrint(args[0]) && !isKeyID(args[0]) {
				return usageError{
					fmt.Sprintf("explain needs a fingerprint, at least %d digits of it, or a key ID", shortestPrint),
					"keyquench scan --format json gives the fingerprints",
				}
			}
			return atMostOnePath("explain FINGERPRINT")(c, args[1:])
		},
		RunE: func(c *cobra.Command, args []string) error {
			return p.onTarget(c, args[1:], &f, func(t *target) error { return p.explain(c.Context(), t, &f, args[0]) })
		},
	}
	f.addTarget(cmd.Flags())
	f.addManner(cmd.Flags())
	return cmd
}

// isPrint tells whether s is a fingerprint or the beginning of one.
func isPrint(s string) bool {
	return len(s) >= shortestPrint && len(s) <= 32 && strings.Trim(s, "0123456789abcdef") == ""
}

func isKeyID(s string) bool {
	return len(s) == 20 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// explain scans, and writes what there is to say about one finding.
func (p *program) explain(ctx context.Context, t *target, f *scanFlags, name string) error {
	var found []scanner.Finding
	sum, err := p.read(ctx, t, f, f.ruleSet(), func(x scanner.Finding) error {
		if x.Key.ID == name || isPrint(name) && strings.HasPrefix(x.Fingerprint, name) {
			found = append(found, x)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		err := fmt.Errorf("no key with %q is found here", name)
		if sum.Incomplete() {
			err = fmt.Errorf("%w, but not everything was read", err)
		}
		return hinted{err, "give the same path and flags that scan was given, --rules and --ignored too; a marker on its line needs --no-allow"}
	}
	p.warn(f)
	o := p.reportOptions(p.out, t, f)
	for i, x := range found {
		if i > 0 {
			if _, err := fmt.Fprintln(p.out); err != nil {
				return err
			}
		}
		if err := report.Explain(p.out, x, o); err != nil {
			return err
		}
	}
	if sum.Incomplete() {
		return hinted{errors.New("not everything was read: there may be more places"), "keyquench scan names what was skipped"}
	}
	return nil
}
