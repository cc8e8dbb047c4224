package store

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
)

// git runs the twin of what treeOf says, without the user's own configuration.
func git(t *testing.T, dir string, args ...string) (out string, ok bool) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull}
	data, err := cmd.CombinedOutput()
	if exit, is := errors.AsType[*exec.ExitError](err); err != nil && (!is || exit.ExitCode() != 1) {
		t.Fatalf("git %q: %v\n%s", args, err, data)
	}
	return string(data), err == nil
}

func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, "MkdirAll", os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, "WriteFile", os.WriteFile(path, []byte(text), 0o644))
}

func TestTreeOf(t *testing.T) {
	root := t.TempDir()
	git(t, root, "init", "-q")
	put(t, filepath.Join(root, ".gitignore"), "*.env\nout/\n")
	put(t, filepath.Join(root, "sub", ".gitignore"), "!kept.env\n")
	put(t, filepath.Join(root, ".git", "info", "exclude"), "private\n")
	put(t, filepath.Join(root, "tracked.env"), "x")
	git(t, root, "add", "-f", "tracked.env")
	must(t, "MkdirAll", os.MkdirAll(filepath.Join(root, "out"), 0o755))
	for name, want := range map[string]tree{
		"a.txt":        {},
		"a.env":        {ignored: true},
		"sub/a.env":    {ignored: true},
		"sub/kept.env": {},
		"out/x":        {ignored: true},
		"private":      {ignored: true},
		"tracked.env":  {ignored: true, tracked: true},
	} {
		want.root = root
		if got, err := treeOf(filepath.Join(root, name)); got != want || err != nil {
			t.Errorf("treeOf(%s) = %+v, %v, want %+v", name, got, err, want)
		}
	}
	if got, err := treeOf(filepath.Join(t.TempDir(), "a")); got != (tree{}) || err != nil {
		t.Errorf("treeOf outside of any work tree = %+v, %v", got, err)
	}
}

func TestTreeOfWorktree(t *testing.T) {
	main, linked := t.TempDir(), filepath.Join(t.TempDir(), "linked")
	git(t, main, "init", "-q")
	put(t, filepath.Join(main, "k.env"), "x")
	git(t, main, "add", "k.env")
	git(t, main, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x")
	git(t, main, "worktree", "add", "-q", linked)
	if got, err := treeOf(filepath.Join(linked, "k.env")); !got.tracked || got.root != linked || err != nil {
		t.Errorf("treeOf = %+v, %v, want it tracked", got, err)
	}
	put(t, filepath.Join(main, ".git", "index"), "no index")
	if got, err := treeOf(filepath.Join(main, "other")); err == nil {
		t.Errorf("treeOf with an index that cannot be read = %+v", got)
	}
	put(t, filepath.Join(linked, ".git"), "nonsense")
	if got, err := treeOf(filepath.Join(linked, "other")); err == nil {
		t.Errorf("treeOf with a .git that is none = %+v", got)
	}
}

// What is called ignored here, Git ignores too: anything else would be a leak.
func TestIgnoredIsIgnoredByGit(t *testing.T) {
	root := t.TempDir()
	git(t, root, "init", "-q")
	must(t, "MkdirAll", os.MkdirAll(filepath.Join(root, "a", "b"), 0o755))
	r := rulestest.Rand(7)
	parts := []string{"a", "b", "k.env", "*", "*.env", "?", "/", "/", "**", "!", "[!k]", "[a-c]", `\`, " ", "#", "\r", "k"}
	paths := []string{"k.env", "a/k.env", "a/b/k.env", "a/b/k"}
	ignored := 0
	for range 100 {
		var rules [2]strings.Builder
		for i := range rules {
			for range 1 + r.IntN(3) {
				for range 1 + r.IntN(4) {
					rules[i].WriteString(parts[r.IntN(len(parts))])
				}
				rules[i].WriteString("\n")
			}
		}
		put(t, filepath.Join(root, ".gitignore"), rules[0].String())
		put(t, filepath.Join(root, "a", ".gitignore"), rules[1].String())
		says, _ := git(t, root, append([]string{"check-ignore", "--no-index", "--"}, paths...)...)
		for _, path := range paths {
			got, err := treeOf(filepath.Join(root, path))
			if err != nil {
				t.Fatalf("treeOf(%s): %v", path, err)
			}
			if got.ignored {
				ignored++
			}
			if got.ignored && !strings.Contains("\n"+says, "\n"+path+"\n") {
				t.Errorf("%s is ignored by %q and %q here, and not by Git", path, rules[0].String(), rules[1].String())
			}
		}
	}
	if ignored < 40 {
		t.Errorf("%d paths were ignored: this test sees little", ignored)
	}
}

func TestFileInAWorkTree(t *testing.T) {
	root := t.TempDir()
	git(t, root, "init", "-q")
	put(t, filepath.Join(root, ".gitignore"), "*.env\n")
	o := options(t)
	check := func(spec string, force bool) error {
		o.Force = force
		s, err := Parse(spec, o)
		must(t, "Parse", err)
		return s.Check(t.Context())
	}
	if err := check("file:"+root+"/k.env", false); err != nil {
		t.Errorf("Check of an ignored file: %v", err)
	}
	err := check("file:"+root+"/k.json", false)
	if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Hint(), "--force") {
		t.Errorf("Check of a file that Git would take up = %v", err)
	}
	if err := check("file:"+root+"/k.json", true); err != nil {
		t.Errorf("Check with force: %v", err)
	}
	// A link to the work tree from outside leads to the same refusal.
	link := filepath.Join(t.TempDir(), "link")
	must(t, "Symlink", os.Symlink(root, link))
	if err := check("file:"+link+"/k.json", false); err == nil {
		t.Error("Check took a file in a work tree through a link")
	}
	o.CredentialsFile = filepath.Join(root, "credentials")
	if err := check("profile:app", false); err != nil {
		t.Errorf("Check of a profile in a file that Git does not track: %v", err)
	}
	put(t, o.CredentialsFile, "# mine\n")
	git(t, root, "add", "credentials")
	if err := check("profile:app", false); err == nil {
		t.Error("Check took a credentials file that Git tracks")
	}
	if err := check("profile:app", true); err != nil {
		t.Errorf("Check with force: %v", err)
	}
}
