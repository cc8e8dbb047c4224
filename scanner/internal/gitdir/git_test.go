package gitdir

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// runGit runs git on a machine that has no configuration and a clock that
// stands still. Extra are more settings for the environment.
func runGit(t testing.TB, dir string, extra []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "GIT_EXEC_PATH=" + os.Getenv("GIT_EXEC_PATH"), "HOME=" + t.TempDir(), "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_COUNT=2",
		"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		"GIT_CONFIG_KEY_1=protocol.file.allow", "GIT_CONFIG_VALUE_1=always",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE=1700000000 +0100",
		"GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com", "GIT_COMMITTER_DATE=1700000000 +0100",
	}, extra...)
	if os.Getenv("GIT_EXEC_PATH") == "" {
		cmd.Env = slices.Delete(cmd.Env, 1, 2)
	}
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		err = errors.New(err.Error() + ": " + errOut.String())
	}
	return strings.TrimSuffix(string(out), "\n"), err
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := runGit(t, dir, nil, args...)
	if err != nil {
		t.Fatalf("git %q in %s: %v", args, dir, err)
	}
	return out
}

// tempDir is a directory without links in its path, which git resolves.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// initRepo makes a repository with one commit on main.
func initRepo(t testing.TB, dir string, args ...string) {
	t.Helper()
	git(t, filepath.Dir(dir), append(append([]string{"init", "-q", "-b", "main"}, args...), dir)...)
	if !slices.Contains(args, "--bare") {
		git(t, dir, "commit", "-q", "--allow-empty", "-m", "first")
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t testing.TB, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func discover(t testing.TB, path string, env Env) *Repo {
	t.Helper()
	r, err := Discover(path, env)
	if err != nil {
		t.Fatalf("Discover(%q, %+v): %v", path, env, err)
	}
	return r
}

// wantRefs fails unless the references of a repository are those git lists,
// with the same objects, and nothing was wrong.
func wantRefs(t testing.TB, dir string, env ...string) {
	t.Helper()
	refs, bad := discover(t, dir, Env{}).Refs()
	for _, p := range bad {
		t.Errorf("Refs() in %s: problem %v", dir, p)
	}
	var got []string
	for _, ref := range refs {
		if strings.HasPrefix(ref.Name, "refs/") && ref.Worktree == "" && !ref.Target.IsZero() {
			line := ref.Name + " " + ref.Target.String()
			if ref.Symbolic != "" {
				line += " symbolic"
			}
			got = append(got, line)
		}
	}
	out, err := runGit(t, dir, env, "for-each-ref", "--format=%(refname) %(objectname)%(if)%(symref)%(then) symbolic%(end)")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(out, "\n")
	if !slices.Equal(got, want) {
		t.Errorf("Refs() in %s =\n%s\nwant\n%s", dir, strings.Join(got, "\n"), out)
	}
}

func find(refs []Ref, worktree, name string) (Ref, bool) {
	at := slices.IndexFunc(refs, func(r Ref) bool { return r.Worktree == worktree && r.Name == name })
	if at < 0 {
		return Ref{}, false
	}
	return refs[at], true
}

// sampleID is an object name made from a number.
func sampleID(f oid.Format, n int) oid.ID {
	return f.Sum("blob", []byte{byte(n), byte(n >> 8), byte(n >> 16)})
}
