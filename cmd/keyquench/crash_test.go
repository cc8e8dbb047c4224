package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/internal/ledger"
	"github.com/keyquench/keyquench/rules"
)

// incident is a fake AWS with a leaked key, and what a user has at hand. Commands
// are run as processes of their own, so that they can be killed.
type incident struct {
	t      *testing.T
	aws    *awstest.Server
	user   *awstest.User
	key    rules.Key
	dir    string
	env    []string
	output bytes.Buffer // of all commands
}

const theirs = "123456789012"

func newIncident(t *testing.T) *incident {
	t.Helper()
	x := &incident{t: t, aws: awstest.New(t), dir: awstest.Dir(t)}
	operator := x.aws.Account("aws", home).User("oncall")
	operator.Allow("sts:*", "secretsmanager:*", "ssm:*")
	account := x.aws.Account("aws", theirs)
	account.Role("keyquench-responder", awstest.Trust(operator.ARN(), ""), awstest.Allow("iam:*"))
	x.user = account.User("deploy")
	x.key = x.user.Key()
	own := operator.Key()
	x.env = append(os.Environ(),
		"HOME="+x.dir, "XDG_CONFIG_HOME="+x.dir, "XDG_STATE_HOME="+x.dir, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID="+own.ID, "AWS_SECRET_ACCESS_KEY="+own.Secret.Reveal(), "LEAKED="+x.key.Secret.Reveal())
	return x
}

// command is a process of the program; it runs in the incident's directory.
func (x *incident) command(args ...string) *exec.Cmd {
	x.t.Helper()
	self, err := os.Executable()
	if err != nil {
		x.t.Fatal(err)
	}
	c := exec.CommandContext(context.Background(), self, args...)
	c.Args[0] = "keyquench" // by which name testscript runs the program
	c.Dir, c.Env = x.dir, x.env
	return c
}

// respond are the arguments of a command that changes something.
func (x *incident) respond(args ...string) []string {
	return append(args, "--account", theirs, "--role", "keyquench-responder", "--aws-endpoint", x.aws.URL(), "--yes")
}

// run runs a command and gives its exit code.
func (x *incident) run(args ...string) (out string, code int) {
	x.t.Helper()
	c := x.command(args...)
	b, err := c.CombinedOutput()
	x.output.Write(b)
	if c.ProcessState == nil {
		x.t.Fatal(err)
	}
	return string(b), c.ProcessState.ExitCode()
}

func (x *incident) status(id string) string {
	for _, k := range x.user.Keys() {
		if k.ID == id {
			return fmt.Sprint(k.Active)
		}
	}
	return "deleted"
}

// The process is killed at each call, before the deed and after it: the account is
// in a state that the ledger tells, and the same command finishes.
func TestKilledAtEveryCall(t *testing.T) {
	for name, journey := range map[string]struct {
		args func(*incident) []string
		done func(*incident) bool
	}{
		"kill": {
			func(x *incident) []string { return x.respond("kill", x.key.ID, "--secret-env", "LEAKED") },
			func(x *incident) bool { return x.status(x.key.ID) == "false" },
		},
		"rotate": {
			func(x *incident) []string {
				return x.respond("rotate", x.key.ID, "--leaked", "--store", "file:new.json", "--force")
			},
			func(x *incident) bool {
				text, err := os.ReadFile(filepath.Join(x.dir, "new.json"))
				keys := x.user.Keys()
				return err == nil && len(keys) == 2 && x.status(x.key.ID) == "false" && bytes.Contains(text, []byte(keys[1].ID)) != bytes.Contains(text, []byte(keys[0].ID))
			},
		},
		"isolate": {
			func(x *incident) []string { return x.respond("isolate", x.key.ID) },
			func(x *incident) bool {
				return x.status(x.key.ID) == "false" && x.user.Policies()["keyquench-isolate"] != "" && !x.user.HasPassword()
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				for _, deed := range []bool{false, true} {
					if !killedAt(t, n, deed, journey.args, journey.done) {
						return
					}
				}
			}
		})
	}
}

// killedAt kills the process at its nth call. It reports whether there was one.
func killedAt(t *testing.T, n int, deed bool, args func(*incident) []string, done func(*incident) bool) bool {
	t.Helper()
	x := newIncident(t)
	x.user.SetPassword()
	c := x.command(args(x)...)
	started, killed := make(chan struct{}), make(chan struct{}, 1)
	x.aws.Inject(awstest.Nth(n, awstest.Fault{Deed: deed, Close: true, Then: func() {
		<-started
		_ = c.Process.Kill()
		killed <- struct{}{}
	}}))
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	_ = c.Wait() // by whatever it ended
	x.output.Write(out.Bytes())
	x.aws.Inject(nil)
	select {
	case <-killed:
	default:
		return false
	}
	at := fmt.Sprintf("killed at call %d, deed done %v", n, deed)
	x.checkLedger(at)
	if out, code := x.run(args(x)...); code != 0 || !done(x) {
		t.Errorf("%s: once more gives %d, keys %+v\n%s", at, code, x.user.Keys(), out)
	}
	x.checkLedger(at)
	x.secretless(at)
	return true
}

// checkLedger fails the test if there is a ledger and it is not whole.
func (x *incident) checkLedger(at string) {
	x.t.Helper()
	l, err := ledger.OpenRead(x.t.Context(), filepath.Join(x.dir, "keyquench", "ledger.db"), ledger.Options{})
	if errors.Is(err, ledger.ErrMissing) {
		return
	}
	if err != nil {
		x.t.Errorf("%s: %v", at, err)
		return
	}
	defer l.Close()
	if check, err := l.Verify(x.t.Context()); err != nil {
		x.t.Errorf("%s: the ledger is %+v, %v", at, check, err)
	}
}

// secretless fails the test if the leaked secret, or a part of it, stands in what
// was printed or recorded.
func (x *incident) secretless(at string) {
	x.t.Helper()
	record, _ := os.ReadFile(filepath.Join(x.dir, "keyquench", "ledger.db"))
	text := x.output.String() + string(record)
	secret := x.key.Secret.Reveal()
	for i := 0; i+12 <= len(secret); i++ {
		if place := strings.Index(text, secret[i:i+12]); place >= 0 {
			x.t.Fatalf("%s: a part of the secret was written behind %q", at, text[max(0, place-100):place])
		}
	}
}

// Two processes at once: one does it, both say it is done.
func TestTwoKillsAtOnce(t *testing.T) {
	x := newIncident(t)
	const n = 4
	codes := make(chan int, n)
	for range n {
		c := x.command(x.respond("kill", x.key.ID)...)
		go func() {
			_ = c.Run()
			codes <- c.ProcessState.ExitCode()
		}()
	}
	for range n {
		if code := <-codes; code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	updates := 0
	for _, c := range x.aws.Calls() {
		if c.Action == "UpdateAccessKey" {
			updates++
		}
	}
	if updates != 1 || x.status(x.key.ID) != "false" {
		t.Errorf("the key was turned off %d times, and active is %s", updates, x.status(x.key.ID))
	}
}
