package action_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/action"
)

// repo is a repository that real git works in.
type repo struct {
	t    *testing.T
	dir  string
	home string
	when int64
}

// environ is an environment in which nobody's configuration counts.
func (r *repo) environ() []string {
	date := fmt.Sprintf("%d +0000", r.when)
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.home, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_AUTHOR_NAME=A U Thor", "GIT_AUTHOR_EMAIL=author@example.com", "GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=C O Mitter", "GIT_COMMITTER_EMAIL=committer@example.com", "GIT_COMMITTER_DATE=" + date,
	}
}

// run runs git, which must succeed, with input.
func (r *repo) run(input string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = r.dir, r.environ(), strings.NewReader(input)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, said.String())
	}
	return strings.TrimSpace(string(out))
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	return r.run("", args...)
}

// commit writes files, given as name, text, name, text, and commits them a minute
// after what was committed last.
func (r *repo) commit(message string, files ...string) string {
	r.t.Helper()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(r.dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	r.git("add", "-A")
	r.when += 60
	r.git("commit", "-q", "--allow-empty", "-m", message)
	return r.git("rev-parse", "HEAD")
}

// newOrigin makes what GitHub would have.
func newOrigin(t *testing.T) *repo {
	t.Helper()
	top := t.TempDir()
	r := &repo{t: t, dir: filepath.Join(top, "origin"), home: top, when: 1700000000}
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("init", "-q", "-b", "main")
	// As GitHub's servers allow it.
	r.git("config", "uploadpack.allowAnySHA1InWant", "true")
	r.git("config", "uploadpack.allowFilter", "true")
	return r
}

func (r *repo) url() string { return "file://" + r.dir }

// checkout does what actions/checkout does: a repository with one ref, so deep, or
// with depth 0 all branches and tags.
func (r *repo) checkout(revision string, depth int, options ...string) *repo {
	r.t.Helper()
	dir, err := os.MkdirTemp(r.home, "workspace-")
	if err != nil {
		r.t.Fatal(err)
	}
	c := &repo{t: r.t, dir: dir, home: r.home, when: r.when}
	c.git("init", "-q", "-b", "main")
	c.git("remote", "add", "origin", r.url())
	fetch := append([]string{"fetch", "-q", "--no-tags", "--prune", "--no-recurse-submodules"}, options...)
	if depth > 0 {
		c.git(append(fetch, fmt.Sprintf("--depth=%d", depth), "origin", "+"+r.git("rev-parse", revision)+":refs/remotes/origin/checked-out")...)
	} else {
		c.git(append(fetch, "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*", "+"+r.git("rev-parse", revision)+":refs/remotes/origin/checked-out")...)
	}
	c.git("checkout", "-q", "--detach", "refs/remotes/origin/checked-out")
	return c
}

// notes collects what is told.
type notes struct{ lines []string }

func (n *notes) add(s string) { n.lines = append(n.lines, s) }

func (n *notes) String() string { return strings.Join(n.lines, "\n") }

// open opens a checkout; no wait takes any time, and each is counted.
func (r *repo) open(n *notes, waits *int) *action.Checkout {
	r.t.Helper()
	c, err := action.Open(r.t.Context(), r.dir, action.Options{
		Environ: r.environ(), Ceiling: r.dir, Note: n.add,
		Sleep: counted(waits),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// resolve gives the range of an event, and what was told.
func (r *repo) resolve(e *action.Event, base, head string) (action.Range, *notes, error) {
	r.t.Helper()
	n, waits := new(notes), 0
	rng, err := r.open(n, &waits).Resolve(r.t.Context(), e, base, head)
	return rng, n, err
}

// event reads a payload as if it had come from a runner.
func event(t *testing.T, name, text string) *action.Event {
	t.Helper()
	e, err := action.ReadEvent(name, strings.NewReader(text))
	if err != nil {
		t.Fatalf("ReadEvent(%s): %v", name, err)
	}
	return e
}

const none = "0000000000000000000000000000000000000000"

func pullEvent(base, head string, commits int) string {
	return fmt.Sprintf(`{"number": 7, "repository": {"default_branch": "main", "full_name": "o/r"}, "pull_request": {"number": 7, "commits": %d,
		"title": "::set-output name=x::y", "head": {"sha": %q, "ref": "$(touch pwned)", "repo": {"id": 1, "full_name": "o/r"}}, "base": {"sha": %q, "ref": "main", "repo": {"id": 1, "full_name": "o/r"}}}}`,
		commits, head, base)
}

// pushEvent has as many commits as are listed.
func pushEvent(ref, before, after string, commits ...string) string {
	list := make([]string, len(commits))
	for i, c := range commits {
		list[i] = fmt.Sprintf(`{"id": %q, "message": "m"}`, c)
	}
	return fmt.Sprintf(`{"ref": %q, "before": %q, "after": %q, "created": %t, "deleted": %t, "forced": false, "commits": [%s], "repository": {"default_branch": "main", "full_name": "o/r"}}`,
		ref, before, after, before == none, after == none, strings.Join(list, ","))
}

func queueEvent(base, head string) string {
	return fmt.Sprintf(`{"action": "checks_requested", "merge_group": {"head_sha": %q, "base_sha": %q, "head_ref": "refs/heads/gh-readonly-queue/main/pr-7"}, "repository": {"default_branch": "main"}}`, head, base)
}

// counted waits for nothing, and counts.
func counted(waits *int) func(context.Context, time.Duration) error {
	return func(context.Context, time.Duration) error { *waits++; return nil }
}

// stream is what git fast-import reads.
type stream struct {
	strings.Builder
	marks int
}

// commit adds a commit that changes one file, and gives its mark.
func (s *stream) commit(branch string, when int64, file, text string, parents ...string) string {
	s.marks++
	fmt.Fprintf(s, "commit refs/heads/%s\nmark :%d\ncommitter C <c@example.com> %d +0000\ndata %d\n%s\n", branch, s.marks, when, len(text), text)
	for i, p := range parents {
		fmt.Fprintf(s, "%s %s\n", []string{"from", "merge"}[min(i, 1)], p)
	}
	fmt.Fprintf(s, "M 100644 inline %s\ndata %d\n%s\n\n", file, len(text), text)
	return fmt.Sprint(":", s.marks)
}

// chain adds commits one behind the other, and gives their marks.
func (s *stream) chain(branch string, when int64, count int, parents ...string) (marks []string) {
	for i := range count {
		at := s.commit(branch, when+int64(i)*60, branch+".txt", fmt.Sprint(branch, " ", i), parents...)
		marks, parents = append(marks, at), []string{at}
	}
	return marks
}
