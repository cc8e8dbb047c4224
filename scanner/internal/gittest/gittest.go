// Package gittest builds small Git repositories for tests with the git program,
// cut off from the user's and the system's configuration. Same steps, same
// object names: dates and authors are fixed.
package gittest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Repo is a repository in a directory of the test's own.
type Repo struct {
	Dir string

	t     testing.TB
	clock time.Time
	env   []string
}

// New makes an empty repository; args go to git init.
func New(t testing.TB, args ...string) *Repo {
	t.Helper()
	return NewAt(t, t.TempDir(), args...)
}

// NewAt is New in a directory of the caller's.
func NewAt(t testing.TB, dir string, args ...string) *Repo {
	t.Helper()
	r := At(t, dir)
	r.Git(append([]string{"init", "-q", "-b", "main"}, args...)...)
	return r
}

// At gives a Repo for a directory that exists, whatever it holds.
func At(t testing.TB, dir string) *Repo {
	return &Repo{Dir: dir, t: t, clock: time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC), env: Env()}
}

// Env is the environment in which git reads no configuration but the
// repository's own.
func Env() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GIT_") && !strings.HasPrefix(v, "HOME=") && !strings.HasPrefix(v, "XDG_") {
			env = append(env, v)
		}
	}
	return append(env,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "HOME="+os.DevNull, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=A U Thor", "GIT_AUTHOR_EMAIL=author@example.com",
		"GIT_COMMITTER_NAME=C O Mitter", "GIT_COMMITTER_EMAIL=committer@example.com")
}

// Git runs git in the repository and gives its output without the last line
// end. A failure ends the test.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	return r.GitIn("", args...)
}

// GitIn is Git with an input.
func (r *Repo) GitIn(in string, args ...string) string {
	r.t.Helper()
	out, err := r.Try(in, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSuffix(out, "\n")
}

// Try runs git and gives its raw output.
func (r *Repo) Try(in string, args ...string) (string, error) {
	date := r.clock.Format(time.RFC3339)
	cmd := exec.Command("git", append([]string{"-c", "core.autocrlf=false", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = r.Dir
	cmd.Env = append(r.env, "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
	cmd.Stdin = strings.NewReader(in)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, errOut.String())
	}
	return out.String(), nil
}

// Write writes a file of the work tree, with the directories above it.
func (r *Repo) Write(path, content string) {
	r.t.Helper()
	full := filepath.Join(r.Dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o666); err != nil {
		r.t.Fatal(err)
	}
}

// Remove removes a file of the work tree.
func (r *Repo) Remove(path string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.Dir, filepath.FromSlash(path))); err != nil {
		r.t.Fatal(err)
	}
}

// Commit commits the whole work tree, an hour after the last commit, and gives
// the commit's name.
func (r *Repo) Commit(message string) string {
	r.t.Helper()
	r.Tick()
	r.Git("add", "-A", "-f")
	r.Git("commit", "-q", "--allow-empty", "-m", message)
	return r.Git("rev-parse", "HEAD")
}

// Tick moves the repository's clock on by an hour.
func (r *Repo) Tick() { r.clock = r.clock.Add(time.Hour) }

// Path joins a path below the repository.
func (r *Repo) Path(elem ...string) string {
	return filepath.Join(append([]string{r.Dir}, elem...)...)
}

// Object is one object as git names it.
type Object struct{ ID, Kind string }

// Objects lists every object of the store as git sees it, with its content.
func (r *Repo) Objects() map[Object]string {
	r.t.Helper()
	out, err := r.Try("", "cat-file", "--batch-all-objects", "--batch")
	if err != nil {
		r.t.Fatal(err)
	}
	all := map[Object]string{}
	for len(out) > 0 {
		head, rest, _ := strings.Cut(out, "\n")
		var o Object
		var size int
		if _, err := fmt.Sscan(head, &o.ID, &o.Kind, &size); err != nil {
			r.t.Fatalf("git cat-file: %q: %v", head, err)
		}
		all[o] = rest[:size]
		out = rest[size+1:]
	}
	return all
}
