package hooks

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keyquench/keyquench/rules"
)

// trialOptions change what a hook is tried with.
type trialOptions struct {
	path  string // PATH; "" for that of the environment
	alone bool   // without the hook that runs before ours
}

// outcome is what git did with a key.
type outcome struct {
	code int
	file string // what the key was in
	text string // what hooks wrote
}

// stopped: refused, by one who names the file. Nobody else knows its name.
func (o outcome) stopped() bool { return o.code != 0 && strings.Contains(o.text, o.file) }

// ours tells that keyquench wrote something.
func (o outcome) ours() bool { return strings.Contains(o.text, "keyquench: ") }

// says is the first line that was written, that of keyquench if there is one.
func (o outcome) says() string {
	first := ""
	for line := range strings.Lines(o.text) {
		if line = strings.TrimSpace(line); strings.Contains(line, "keyquench: ") {
			return line[:min(len(line), 300)]
		} else if first == "" {
			first = line
		}
	}
	if first == "" {
		return "nothing was written"
	}
	return first[:min(len(first), 300)]
}

// trial is a repository that is made to try one hook.
type trial struct {
	*doctor
	git  gitProgram
	temp string // all of it
	work string // the work tree
	file string
	key  []byte
}

// trialPatience bounds one try: hooks of others may run test suites.
const trialPatience = 2 * time.Minute

// maxSays bounds what is kept of what hooks write.
const maxSays = 256 << 10

func (d *doctor) try(ctx context.Context, name string, o trialOptions) (got outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, trialPatience)
	defer cancel()
	t := &trial{doctor: d, git: *d.git, file: "keyquench-doctor-" + strings.ToLower(rand.Text()[:12]) + ".env"}
	if t.key, err = trialKey(); err != nil {
		return got, err
	}
	if t.temp, err = d.trialDir(ctx); err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(t.temp)) }()
	t.work = filepath.Join(t.temp, "work")
	t.git.dir = t.temp
	t.git.env = append(withoutSettings(WithoutRepository(t.git.env)),
		"GIT_AUTHOR_NAME=keyquench doctor", "GIT_AUTHOR_EMAIL=doctor@example.invalid",
		"GIT_COMMITTER_NAME=keyquench doctor", "GIT_COMMITTER_EMAIL=doctor@example.invalid",
		"GIT_EDITOR=true", "GIT_CEILING_DIRECTORIES="+t.temp)
	got, err = t.fire(ctx, name, o)
	if errors.Is(err, errTooMuch) {
		return got, problem{err, "see what core.hooksPath leads to, and keep hooks apart from other things"}
	}
	if err != nil {
		return got, problem{fmt.Errorf("try %s in a repository made for it: %w", name, err), "see whether git works in " + os.TempDir()}
	}
	got.file = t.file
	return got, nil
}

// withoutSettings leaves out configuration that is in the environment: it goes before
// what is written, and would have git look into the real directory of hooks.
func withoutSettings(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		return strings.HasPrefix(v, "GIT_CONFIG_COUNT=") || strings.HasPrefix(v, "GIT_CONFIG_PARAMETERS=")
	})
}

// trialDir is a temporary directory in which scripts can be run.
func (d *doctor) trialDir(ctx context.Context) (string, error) {
	parents := []string{""}
	if d.repo != nil {
		parents = append(parents, d.repo.commonDir)
	}
	for _, parent := range parents {
		dir, err := os.MkdirTemp(parent, "keyquench-doctor-")
		if err != nil {
			continue
		}
		script := filepath.Join(dir, "script")
		if os.WriteFile(script, nil, 0o700) == nil && canRun(ctx, script) {
			return dir, nil
		}
		_ = os.RemoveAll(dir)
	}
	return "", problem{errors.New("there is no directory for temporary files in which scripts can be run"), "set TMPDIR to one that is not mounted noexec"}
}

// trialKey makes up a key that the rules know for one.
func trialKey() ([]byte, error) {
	for range 100 {
		random := make([]byte, 40)
		_, _ = rand.Read(random) // never fails
		id := "AKIA" + base32.StdEncoding.EncodeToString(random[:10])
		text := []byte("aws_access_key_id = " + id + "\naws_secret_access_key = " + base64.StdEncoding.EncodeToString(random[10:]) + "\n")
		if m := rules.Default().Find(nil, text); len(m) > 0 && m[0].Key.ID == id {
			return text, nil
		}
	}
	return nil, errors.New("no key could be made up that the rules find")
}

// silent are arguments that keep all hooks quiet but those of a commit and a push
// in the configuration, which --no-verify does.
var silent = []string{"-c", "core.hooksPath=" + os.DevNull}

// fire does what the hook is for, with a key.
func (t *trial) fire(ctx context.Context, name string, o trialOptions) (outcome, error) {
	if err := t.make(ctx); err != nil {
		return outcome{}, err
	}
	hooked := t.work
	if name == "pre-receive" {
		hooked = filepath.Join(t.temp, "remote")
		if _, err := t.git.run(ctx, "init", "-q", "--bare", "--template=", hooked); err != nil {
			return outcome{}, err
		}
	}
	base := func() error { return t.commit(ctx, "base") }
	key := func() error {
		if err := os.WriteFile(filepath.Join(t.work, t.file), t.key, 0o600); err != nil {
			return err
		}
		return t.quietly(ctx, "add", "--", t.file)
	}
	var steps []func() error
	var act []string
	switch name {
	case "pre-commit":
		steps, act = []func() error{base, key}, []string{"commit", "-q", "-m", "trial"}
	case "pre-merge-commit":
		steps = []func() error{base, t.doing(ctx, "checkout", "-q", "-b", "side"), key, t.committing(ctx, "side"), t.doing(ctx, "checkout", "-q", "main")}
		act = []string{"merge", "-q", "--no-ff", "--no-edit", "side"}
	case "pre-applypatch":
		steps = []func() error{base, key, t.committing(ctx, "patch"), t.patch(ctx, filepath.Join(t.temp, "patch")), t.doing(ctx, "reset", "-q", "--hard", "HEAD~1")}
		act = []string{"am", "-q", filepath.Join(t.temp, "patch")}
	case "pre-push", "pre-receive":
		steps = []func() error{base, key, t.committing(ctx, "leak"), t.remote(ctx)}
		if act = []string{"push", "-q", "origin", "main"}; name == "pre-receive" {
			act = append(append([]string{}, silent...), "push", "-q", "--no-verify", "origin", "main")
		}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return outcome{}, err
		}
	}
	if err := t.hooks(ctx, hooked, name, o.alone); err != nil {
		return outcome{}, err
	}
	return t.watch(ctx, o.path, act)
}

// make is a repository with the files by which programs that manage hooks find
// their way.
func (t *trial) make(ctx context.Context) error {
	if _, err := t.git.run(ctx, "init", "-q", "--template=", t.work); err != nil {
		return err
	}
	t.git.dir = t.work
	for _, args := range [][]string{
		{"symbolic-ref", "HEAD", "refs/heads/main"},
		{"config", "commit.gpgSign", "false"},
		{"config", "push.gpgSign", "false"},
		{"config", "merge.verifySignatures", "false"},
		{"config", "gc.auto", "0"},
	} {
		if _, err := t.git.run(ctx, args...); err != nil {
			return err
		}
	}
	if t.repo == nil || t.repo.root == "" {
		return nil
	}
	return copyManaged(t.repo.root, t.work)
}

func (t *trial) commit(ctx context.Context, message string) error {
	if err := t.quietly(ctx, "add", "-A"); err != nil {
		return err
	}
	return t.quietly(ctx, "commit", "-q", "--no-verify", "--allow-empty", "-m", message)
}

func (t *trial) committing(ctx context.Context, message string) func() error {
	return func() error { return t.commit(ctx, message) }
}

func (t *trial) doing(ctx context.Context, args ...string) func() error {
	return func() error { return t.quietly(ctx, args...) }
}

func (t *trial) quietly(ctx context.Context, args ...string) error {
	_, err := t.git.run(ctx, append(append([]string{}, silent...), args...)...)
	return err
}

func (t *trial) patch(ctx context.Context, path string) func() error {
	return func() error {
		text, err := t.git.run(ctx, "format-patch", "-q", "-1", "--stdout", "--no-cover-letter", "--no-attach")
		if err != nil {
			return err
		}
		return os.WriteFile(path, text, 0o600)
	}
}

// remote makes the place that is pushed to, unless it is there.
func (t *trial) remote(ctx context.Context) func() error {
	return func() error {
		path := filepath.Join(t.temp, "remote")
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			if _, err := t.git.run(ctx, "init", "-q", "--bare", "--template=", path); err != nil {
				return err
			}
		}
		return t.quietly(ctx, "remote", "add", "origin", path)
	}
}

// watch runs git with the hooks, and keeps what they write.
func (t *trial) watch(ctx context.Context, path string, args []string) (outcome, error) {
	cmd := exec.CommandContext(ctx, t.git.path, args...)
	said := &head{}
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = t.work, t.git.env, said, said, time.Second
	if path != "" {
		cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], "PATH="+path)
	}
	err := cmd.Run()
	if ctx.Err() != nil {
		return outcome{}, fmt.Errorf("git %s has not ended after %v: %w", args[0], trialPatience, ctx.Err())
	}
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok && !errors.Is(err, exec.ErrWaitDelay) {
		return outcome{}, err
	}
	return outcome{code: cmd.ProcessState.ExitCode(), text: said.String()}, nil
}

// head keeps the beginning of what is written to it.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	h.Buffer.Write(p[:min(len(p), maxSays-h.Len())])
	return len(p), nil
}
