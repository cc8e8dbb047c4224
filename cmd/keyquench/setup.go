package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/internal/setup"
	"github.com/spf13/cobra"
)

const setupHelp = `Setup aws prints what an AWS account needs before keyquench can turn off its keys:
a role with the fewest rights for what it is to do, and who may take it. It only
prints. It calls nothing, and needs no credentials.

  --format policy          what the role may do (an IAM policy)
  --format role            the role with its trust policy, for one account
  --format cloudformation  the role as a template, for one account or, by a
                           StackSet, for all accounts of an organisation
  --format terraform       that StackSet for Terraform
  --format operator        what whoever runs keyquench needs: to take that role

  --mode deactivate        turns keys and credentials of services off, and on again
  --mode rotate            also makes and deletes keys
  --mode isolate           also removes logins and denies everything by policies

The document goes to standard output, and what to do with it to standard error:
the commands, the lines for keyquench.toml, and what the rights come to in the
wrong hands. --operator is the ARN of the user or role that runs keyquench (aws
sts get-caller-identity prints it). With --external-id, whoever takes the role
must say that word, too.`

const setupExamples = `  keyquench setup aws --format role --operator arn:aws:iam::123456789012:role/security > role.json
  keyquench setup aws --format cloudformation --mode isolate --operator arn:aws:iam::123456789012:role/security
  keyquench setup aws --format operator --accounts 111122223333,444455556666`

func (p *program) setupCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "setup",
		Short: "print what AWS needs before keyquench can act there",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Sprintf("setup knows no %q", args[0]), "keyquench setup aws"}
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return usageError{"setup needs to know for what", "keyquench setup aws"}
		},
	}
	c.AddCommand(p.setupAWSCommand())
	return c
}

func (p *program) setupAWSCommand() *cobra.Command {
	var o setup.Options
	var format string
	var quiet bool
	c := &cobra.Command{
		Use:     "aws",
		Short:   "print the responder's role, its policy, and how to put it into every account",
		Long:    setupHelp,
		Example: setupExamples,
		Args:    noArguments("setup aws", "keyquench setup aws --help lists the flags"),
		RunE: func(c *cobra.Command, _ []string) error {
			// An empty value would be taken for none: a role without the external
			// ID that a script meant to give.
			for _, name := range []string{"mode", "role-name", "external-id", "operator", "accounts"} {
				if f := c.Flags().Lookup(name); f.Changed && strings.Trim(f.Value.String(), "[]") == "" {
					return usageError{"--" + name + " is empty", "give it a value, or leave it out"}
				}
			}
			return p.setupAWS(format, o, quiet)
		},
	}
	s := c.Flags()
	s.StringVar(&format, "format", setup.Formats()[0], "write `"+strings.Join(setup.Formats(), "|")+"`")
	s.StringVar(&o.Mode, "mode", setup.Modes()[0], "the most that the role may do: `"+strings.Join(setup.Modes(), "|")+"`")
	s.StringVar(&o.Operator, "operator", "", "the user or role that runs keyquench, by its `ARN`")
	s.StringVar(&o.Role, "role-name", setup.DefaultRole, "the `NAME` of the role in each account")
	s.StringVar(&o.ExternalID, "external-id", "", "whoever takes the role must know this `ID`")
	s.StringSliceVar(&o.Accounts, "accounts", nil, "only for these account `NUMBERS`, with commas between (default: all of the organisation)")
	s.BoolVar(&quiet, "quiet", false, "write the document only, and not what to do with it")
	s.SortFlags = false
	return c
}

func (p *program) setupAWS(format string, o setup.Options, quiet bool) error {
	steps, err := setup.Steps(format, o)
	if e, ok := errors.AsType[*setup.Error](err); ok {
		return usageError{e.Error(), e.Hint()}
	}
	if err != nil {
		return err
	}
	if err := setup.Write(p.out, format, o); err != nil {
		return err
	}
	if quiet {
		return nil
	}
	for _, line := range steps {
		if _, err := fmt.Fprintln(p.errOut, report.Clean(line)); err != nil {
			return err
		}
	}
	return nil
}
