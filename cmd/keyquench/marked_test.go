package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyquench/keyquench/internal/awstest"
)

// Every command is run with a secret, also against servers that repeat what they
// were sent, or that never answer: it stands in nothing that is written but in
// what was asked for.
func TestNoCommandWritesTheSecret(t *testing.T) {
	x := newIncident(t)
	secret := x.key.Secret.Reveal()
	x.user.SetPassword()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(x.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(x.dir, "tree"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("tree/env", "AWS_ACCESS_KEY_ID="+x.key.ID+"\nAWS_SECRET_ACCESS_KEY="+secret+"\n")
	ask := []string{"--aws-endpoint", x.aws.URL()}
	echo := func(c awstest.Call) awstest.Fault {
		if c.KeyID != x.key.ID {
			return awstest.Fault{} // others were not sent it
		}
		code := "AccessDenied"
		if c.Service == "sts" {
			code = "InvalidClientTokenId"
		}
		return awstest.Refuse(403, code, "you sent "+secret+" and \x1b[31m"+secret[:20])
	}
	for _, fault := range []func(awstest.Call) awstest.Fault{echo, nil} {
		x.aws.Inject(fault)
		for _, format := range []string{"text", "json", "sarif", "junit", "csv", "html", "github", "markdown"} {
			x.run(append([]string{"scan", "tree", "--verify", "--format", format}, ask...)...)
		}
		x.run(append([]string{"verify", "--key-id", x.key.ID, "--secret-env", "LEAKED"}, ask...)...)
		for _, args := range [][]string{
			{"kill", x.key.ID, "--secret-env", "LEAKED"},
			{"kill", x.key.ID, "--secret-env", "LEAKED", "--self"},
			{"isolate", x.key.ID, "--secret-env", "LEAKED", "--format", "json"},
			{"rotate", x.key.ID, "--leaked", "--secret-env", "LEAKED", "--store", "file:kept.json", "--format", "json"},
			{"undo", "20260101-aaaaaaaa"},
		} {
			x.run(x.respond(args...)...)
		}
		x.run("doctor", "--account", theirs, "--role", "keyquench-responder", "--aws-endpoint", x.aws.URL())
	}
	x.aws.Inject(nil)
	x.run("kill", secret, "--account", theirs, "--aws-endpoint", x.aws.URL())
	x.run("kill", x.key.ID, secret)
	x.run("kill", x.key.ID, "--secret-env", secret, "--account", theirs)
	x.run("ledger", "list")
	x.run("ledger", "show", x.key.ID, "--format", "json")
	x.run("ledger", "verify")
	x.run("setup", "aws", "--accounts", theirs, "--format", "policy")
	x.quit()
	if x.output.Len() < 10_000 {
		t.Errorf("the commands wrote %d bytes: were they run?\n%s", x.output.Len(), &x.output)
	}
	x.secretless("all commands")
	err := filepath.WalkDir(x.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "env" || d.Name() == "kept.json" {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), secret[:16]) || strings.Contains(string(text), secret[20:36]) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// quit ends a command while it waits for AWS, in the way that makes Go write the
// stacks of all goroutines.
func (x *incident) quit() {
	x.t.Helper()
	waiting := make(chan struct{}, 100)
	x.aws.Inject(func(awstest.Call) awstest.Fault {
		return awstest.Fault{Hang: true, Then: func() { waiting <- struct{}{} }}
	})
	c := x.command(x.respond("kill", x.key.ID, "--secret-env", "LEAKED")...)
	c.Env = append(c.Env, "GOTRACEBACK=all")
	var b strings.Builder
	c.Stdout, c.Stderr = &b, &b
	if err := c.Start(); err != nil {
		x.t.Fatal(err)
	}
	select {
	case <-waiting:
	case <-time.After(time.Minute):
		x.t.Error("the command asks nobody")
	}
	_ = c.Process.Signal(syscall.SIGQUIT)
	_ = c.Wait()
	x.aws.Inject(nil)
	if !strings.Contains(b.String(), "goroutine ") {
		x.t.Errorf("no stacks were written:\n%s", b.String())
	}
	x.output.WriteString(b.String())
}
