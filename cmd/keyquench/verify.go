package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/rules"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/keyquench/keyquench/internal/form"
)

const verifyHelp = `Verify asks AWS whose leaked keys are. It makes one call with each, STS's
GetCallerIdentity, which needs no permission and changes nothing. The owner of
the account sees it in CloudTrail.

  keyquench verify FILE                reads what scan --format json wrote; - or no
                                       FILE is standard input
  keyquench verify --key-id ID         one key: its secret from standard input, or from
                                       the variable that --secret-env names

The secrets stand in findings only with scan --show-secrets. keyquench scan
--verify does both in one step, and writes no secret anywhere. A secret is never
an argument: everybody on the machine sees those.

What is found out
  live              AWS took the key, and said whose it is
  inactive or gone  AWS knows no such active key in the partitions that were asked
  wrong secret      the key ID is active, and none of the secrets is its own
  expired           the session of a temporary key is over
  canary            a tripwire: it is never asked about
  unknown           nobody said anything that decides: take it for live

No variable, profile or proxy of the environment is obeyed, and no redirect is
followed: what they name could answer for AWS.

Exit codes
  0  of every key it is known that it is not live
  1  a key is live
  2  the command line makes no sense
  3  of some keys nothing is known, or the findings could not be read`

const verifyExamples = `  keyquench scan --verify
  keyquench scan --format json --show-secrets | keyquench verify -
  keyquench verify --key-id AKIAIOSFODNN7EXAMPLE --secret-stdin < secret.txt
  keyquench verify --key-id ASIAIOSFODNN7EXAMPLE --secret-env S --token-env T`

// verifyFlags are the flags of verify as they were given.
type verifyFlags struct {
	keyID, format, color string
	key                  keyFlags
	quiet                bool
	aws                  awsFlags
	ledger               string
}

func (p *program) verifyCommand() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:     "verify [FILE]",
		Short:   "ask AWS whose keys are, and whether they are live",
		Long:    verifyHelp,
		Example: verifyExamples,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if f.ledger, err = p.recordPath(c.Flags()); err != nil {
				return err
			}
			return p.verify(c.Context(), args, &f)
		},
	}
	s := c.Flags()
	s.StringVar(&f.keyID, "key-id", "", "ask about the key `ID`")
	f.key.add(s)
	s.StringVar(&f.format, "format", "text", "write verdicts as `"+strings.Join(report.VerdictFormats(), "|")+"`")
	s.BoolVar(&f.quiet, "quiet", false, "write verdicts and errors only")
	s.StringVar(&f.color, "color", "auto", "colour the text: `auto|always|never`; auto obeys NO_COLOR")
	f.aws.add(s)
	addLedgerFlag(s, &f.ledger)
	s.SortFlags = false
	return c
}

// verify asks about what the arguments name, and tells what was said.
func (p *program) verify(ctx context.Context, args []string, f *verifyFlags) error {
	if err := p.checkVerify(args, f); err != nil {
		return err
	}
	c, err := p.checker(&f.aws)
	if err != nil {
		return err
	}
	var q questions
	if f.keyID != "" {
		key, err := p.readKey(f.keyID, &f.key)
		if err != nil {
			return err
		}
		q.add(key)
	} else if err := p.readFindings(args, &q); err != nil {
		return err
	}
	verdicts := append(c.CheckAll(ctx, q.groups), q.unasked...)
	p.recordLive(ctx, f.ledger, verdicts)
	o := report.Options{Color: p.colored(p.out, f.color)}
	if err := report.Verdicts(p.out, f.format, verdicts, o); err != nil {
		return fmt.Errorf("write verdicts: %w", err)
	}
	if !f.quiet {
		fmt.Fprintln(p.errOut, report.VerdictSummary(verdicts))
	}
	return p.judge(verdicts, q.problem)
}

// judge chooses the exit code. A live key is worse than one nothing is known of.
func (p *program) judge(verdicts []verify.Verdict, problem error) error {
	const named = 5
	var unknown []string
	live := false
	for _, v := range verdicts {
		switch v.State {
		case verify.Live:
			live = true
		case verify.Unknown:
			unknown = append(unknown, cmp.Or(v.KeyID, "one without an ID"))
		}
	}
	err := problem
	if n := len(unknown); n > 0 {
		list := strings.Join(unknown[:min(n, named)], ", ")
		if n > named {
			list += fmt.Sprintf(" and %d more", n-named)
		}
		err = hinted{errors.New("nothing is known of " + list), "take them for live; the reason stands with each"}
		if problem != nil {
			err = hinted{fmt.Errorf("%w; %w", err, problem), hintOf(problem)}
		}
	}
	if !live {
		return err
	}
	if err != nil {
		p.tell(err)
	}
	p.code = exitLeaks
	return nil
}

// checkVerify refuses what makes no sense.
func (p *program) checkVerify(args []string, f *verifyFlags) error {
	if err := oneOf("format", f.format, report.VerdictFormats()); err != nil {
		return err
	}
	if err := oneOf("color", f.color, []string{"auto", "always", "never"}); err != nil {
		return err
	}
	switch {
	case len(args) > 1:
		return usageError{fmt.Sprintf("verify takes one file, not %d", len(args)), "a key and its secret are no arguments: keyquench verify --key-id ID --secret-stdin"}
	case len(args) == 1 && args[0] == "":
		return usageError{"the name of the file is empty", "keyquench verify findings.jsonl"}
	case len(args) == 1 && len(args[0]) == 20 && rules.ValidKeyID(args[0]):
		return usageError{"verify takes a file of findings, not a key ID", "keyquench verify --key-id " + args[0] + " --secret-stdin"}
	case f.keyID == "" && (f.key.stdin || f.key.env != "" || f.key.token != ""):
		return usageError{"a secret without the ID of its key", "--key-id ID"}
	case f.keyID == "" && len(args) == 0 && isTerminalReader(p.in):
		return usageError{"nothing to verify: no file, no --key-id, and standard input is a terminal", "keyquench scan --verify"}
	case f.keyID == "":
		return nil
	case len(args) > 0:
		return usageError{"--key-id and a file contradict each other", "leave one of them out"}
	case f.key.stdin && f.key.env != "":
		return usageError{"--secret-stdin and --secret-env contradict each other", "leave one of them out"}
	case !f.key.stdin && f.key.env == "":
		return usageError{"--key-id needs the secret of the key", "--secret-stdin, or --secret-env NAME"}
	case f.key.token != "" && !strings.HasPrefix(f.keyID, "ASIA"):
		return usageError{"only temporary keys, whose IDs begin with ASIA, have a session token", "leave out --token-env"}
	}
	return nil
}

// oneOf refuses a value of a flag that is none of those it can have.
func oneOf(flag, value string, allowed []string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return usageError{fmt.Sprintf("--%s %q is not known", flag, value), "one of: " + strings.Join(allowed, ", ")}
}

func isTerminalReader(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// maxSecret bounds what is read as a secret: far above the longest token.
const maxSecret = 64 << 10

// variable is what a variable can be called.
var variable = form.New(`^[A-Za-z_][A-Za-z0-9_]{0,254}$`)

// secretFromEnv reads a variable. Its name is not repeated: somebody may have
// given the secret itself.
func (p *program) secretFromEnv(flag, name string) (rules.Secret, error) {
	if !variable.MatchString(name) {
		return rules.Secret{}, usageError{flag + " wants the name of a variable", flag + " LEAKED, and the value in the variable LEAKED"}
	}
	text := strings.TrimSpace(p.getenv(name))
	if text == "" {
		return rules.Secret{}, usageError{"the variable that " + flag + " names is empty or not set", "export it first"}
	}
	return p.keep(text), nil
}

// keep makes a secret of a text, and remembers to show it nowhere.
func (p *program) keep(text string) rules.Secret {
	s := rules.NewSecret(text)
	p.secrets = append(p.secrets, s)
	return s
}

// secretFromInput reads standard input; of a terminal, without showing it.
func (p *program) secretFromInput() (rules.Secret, error) {
	var text []byte
	var err error
	if f, ok := p.in.(*os.File); ok && isTerminalReader(f) {
		fmt.Fprint(p.errOut, "keyquench: secret access key: ")
		text, err = term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(p.errOut)
	} else {
		text, err = io.ReadAll(io.LimitReader(p.in, maxSecret+1))
	}
	if err != nil {
		return rules.Secret{}, fmt.Errorf("read the secret: %w", err)
	}
	switch s := strings.TrimSpace(string(text)); {
	case s == "":
		return rules.Secret{}, usageError{"there is no secret on standard input", "printenv LEAKED | keyquench verify --key-id ID --secret-stdin"}
	case len(text) > maxSecret || strings.ContainsAny(s, "\r\n"):
		return rules.Secret{}, usageError{"standard input holds more than one secret", "give the secret access key alone, on one line"}
	default:
		return p.keep(s), nil
	}
}
