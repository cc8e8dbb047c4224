package hooks

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// world is a home with repositories in it, and a keyquench that writes down how
// it is called.
type world struct {
	*testing.T
	dir, repo, program string
	env                []string
}

// fakeProgram writes its arguments and input to $CALLS, and refuses when told to.
const fakeProgram = `#!/bin/sh
{ printf '%s ' "$@"; printf '<'; cat; printf '>\n'; } >>"$CALLS"
exit "${REFUSE:-0}"
`

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, dir: dir, repo: filepath.Join(dir, "repo"), program: filepath.Join(dir, "bin", "keyquench")}
	w.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CONFIG_HOME=" + filepath.Join(dir, ".config"), "TMPDIR=" + os.TempDir(),
		"GIT_CONFIG_GLOBAL=" + filepath.Join(dir, "gitconfig"), "GIT_CONFIG_NOSYSTEM=1", "GIT_CEILING_DIRECTORIES=" + dir,
		"GIT_AUTHOR_NAME=A U Thor", "GIT_AUTHOR_EMAIL=author@example.com",
		"GIT_COMMITTER_NAME=C O Mitter", "GIT_COMMITTER_EMAIL=committer@example.com",
		"CALLS=" + filepath.Join(dir, "calls"),
	}
	w.write("gitconfig", "[init]\n\tdefaultBranch = main\n[advice]\n\tignoredHook = false\n", 0o600)
	w.write("bin/keyquench", fakeProgram, 0o755)
	w.git("", "init", "-q", "repo")
	return w
}

func (w *world) write(name, text string, mode os.FileMode) {
	w.Helper()
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.dir, name)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		w.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		w.Fatal(err)
	}
}

func (w *world) read(name string) string {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.Fatal(err)
	}
	return string(text)
}

// try runs git below the world's directory, and gives its exit code.
func (w *world) try(dir string, args ...string) (string, int) {
	w.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = filepath.Join(w.dir, dir), w.env
	out, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		w.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (w *world) git(dir string, args ...string) string {
	w.Helper()
	out, code := w.try(dir, args...)
	if code != 0 {
		w.Fatalf("git %q: exit code %d\n%s", args, code, out)
	}
	return out
}

// calls are how keyquench was called since the last time.
func (w *world) calls() string {
	w.Helper()
	text := w.read("calls")
	if err := os.RemoveAll(filepath.Join(w.dir, "calls")); err != nil {
		w.Fatal(err)
	}
	return text
}

func (w *world) options() Options {
	return Options{Dir: w.repo, Program: w.program, Env: w.env, ConfigDir: filepath.Join(w.dir, ".config", "keyquench"), gitVersion: 2039}
}

func (w *world) install(o Options) Result {
	w.Helper()
	r, err := Install(context.Background(), o)
	if err != nil {
		w.Fatalf("Install: %v", err)
	}
	return r
}

func (w *world) uninstall(o Options) Result {
	w.Helper()
	r, err := Uninstall(context.Background(), o)
	if err != nil {
		w.Fatalf("Uninstall: %v", err)
	}
	return r
}

// state is all files below a directory with their modes, and its configuration.
func (w *world) state(dir string) map[string]string {
	w.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(filepath.Join(w.dir, dir), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || d.IsDir() {
			return err
		}
		text := ""
		if d.Type()&os.ModeSymlink != 0 {
			text, err = os.Readlink(path)
		} else {
			var b []byte
			b, err = os.ReadFile(path)
			text = string(b)
		}
		all[strings.TrimPrefix(path, w.dir)] = info.Mode().String() + " " + text
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return all
}

func (w *world) same(what string, got, want map[string]string) {
	w.Helper()
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if v, ok := want[name]; !ok || v != got[name] {
			w.Errorf("%s: %s is %q, want %q", what, name, got[name], v)
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			w.Errorf("%s: %s is gone", what, name)
		}
	}
}

func (w *world) commit() (string, int) {
	w.Helper()
	return w.try("repo", "commit", "-q", "--allow-empty", "-m", "x")
}

// hook is one that says what it is called with before keyquench is.
func hook(says string) string {
	return "#!/bin/sh\nprintf '" + says + " %s\\n' \"$*\" >>\"$CALLS\"\n"
}

func TestInstalledHooksAreCalledByGit(t *testing.T) {
	w := newWorld(t)
	w.install(w.options())
	if out, code := w.commit(); code != 0 || w.calls() != "hook run pre-commit <>\n" {
		t.Errorf("git commit: exit code %d\n%s", code, out)
	}
	w.env = append(w.env, "REFUSE=1")
	if out, code := w.commit(); code != 1 || w.calls() != "hook run pre-commit <>\n" {
		t.Errorf("git commit with a key: exit code %d\n%s", code, out)
	}
	w.git("", "init", "-q", "--bare", "remote")
	w.calls()
	head := strings.TrimSpace(w.git("repo", "rev-parse", "HEAD"))
	out, code := w.try("repo", "push", "-q", "../remote", "main", "main:refs/heads/a")
	want := "hook run pre-push ../remote ../remote <" +
		"refs/heads/main " + head + " refs/heads/main " + strings.Repeat("0", len(head)) + "\n" +
		"refs/heads/main " + head + " refs/heads/a " + strings.Repeat("0", len(head)) + "\n>\n"
	if got := w.calls(); code == 0 || got != want {
		t.Errorf("git push: exit code %d, calls %q, want %q\n%s", code, got, want, out)
	}
	w.git("repo", "checkout", "-q", "-b", "side")
	w.git("repo", "commit", "-q", "--no-verify", "--allow-empty", "-m", "side")
	w.git("repo", "checkout", "-q", "main")
	out, code = w.try("repo", "merge", "--no-ff", "--no-edit", "side")
	if got := w.calls(); code == 0 || got != "hook run pre-merge-commit <>\n" {
		t.Errorf("git merge: exit code %d, calls %q\n%s", code, got, out)
	}
}

func TestInstallTwiceChangesNothing(t *testing.T) {
	for _, hooksPath := range []string{"", ".githooks"} {
		w := newWorld(t)
		w.write("repo/.git/hooks/pre-commit", hook("mine"), 0o755)
		w.write("repo/.githooks/pre-commit", hook("tracked"), 0o755)
		if hooksPath != "" {
			w.git("repo", "config", "core.hooksPath", hooksPath)
		}
		w.install(w.options())
		before := w.state("")
		if r := w.install(w.options()); len(r.Done) != 1 || !strings.HasPrefix(r.Done[0], "nothing to do") {
			t.Errorf("core.hooksPath %q: a second Install says %q", hooksPath, r.Done)
		}
		w.same("a second Install", w.state(""), before)
		if _, code := w.commit(); code != 0 || strings.Count(w.calls(), "hook run pre-commit") != 1 {
			t.Errorf("core.hooksPath %q: keyquench was not called once", hooksPath)
		}
	}
}

// What was there runs first, keeps its say, and comes back as it was.
func TestHooksThatWereThere(t *testing.T) {
	const executable = 0o755
	for name, tt := range map[string]struct {
		text string
		mode os.FileMode
		link bool
		call string // what it writes
		code int
	}{
		"a script":          {hook("mine"), executable, false, "mine \n", 0},
		"an odd mode":       {hook("mine"), 0o711, false, "mine \n", 0},
		"one that refuses":  {hook("mine") + "exit 7\n", executable, false, "mine \n", 1},
		"not executable":    {hook("mine"), 0o644, false, "", 0},
		"a link":            {hook("mine"), executable, true, "mine \n", 0},
		"without a shebang": {"printf 'mine \\n' >>\"$CALLS\"\n", executable, false, "mine \n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			path := filepath.Join(w.repo, ".git/hooks/pre-commit")
			if tt.link {
				w.write("repo/scripts/check", tt.text, tt.mode)
				if err := os.Symlink("../../scripts/check", path); err != nil {
					t.Fatal(err)
				}
			} else {
				w.write(path, tt.text, tt.mode)
			}
			before := w.state("repo/.git/hooks")
			w.install(w.options())
			out, code := w.commit()
			want := tt.call
			if tt.code == 0 {
				want += "hook run pre-commit <>\n"
			}
			if got := w.calls(); code != tt.code || got != want {
				t.Errorf("git commit: exit code %d, calls %q, want %d, %q\n%s", code, got, tt.code, want, out)
			}
			w.uninstall(w.options())
			w.same("after Uninstall", w.state("repo/.git/hooks"), before)
		})
	}
}

func TestUninstallLeavesNothing(t *testing.T) {
	for _, o := range []Options{{Place: Repository}, {Place: Global}, {Place: Template}, {Place: Global, gitVersion: 2054}, {Server: true}} {
		w := newWorld(t)
		before := w.state("")
		all := w.options()
		all.Place, all.Server = o.Place, o.Server
		if o.gitVersion != 0 {
			all.gitVersion = o.gitVersion
		}
		w.install(all)
		if maps.Equal(before, w.state("")) {
			t.Errorf("%+v: Install changed nothing", o)
		}
		w.uninstall(all)
		w.same("after Uninstall", w.state(""), before)
		if r := w.uninstall(all); len(r.Done) != 1 || !strings.HasPrefix(r.Done[0], "nothing to do") {
			t.Errorf("%+v: a second Uninstall says %q", o, r.Done)
		}
	}
}

func TestInstallServerAddsToTheOthers(t *testing.T) {
	for _, path := range []string{"", ".githooks"} {
		w := newWorld(t)
		if path != "" {
			w.git("repo", "config", "core.hooksPath", path)
		}
		o := w.options()
		w.install(o)
		o.Server = true
		w.install(o)
		w.commit()
		w.git("", "clone", "-q", "repo", "clone")
		w.git("clone", "push", "-q", "origin", "HEAD:refs/heads/other")
		if got := w.calls(); !strings.Contains(got, "hook run pre-commit") || !strings.Contains(got, "hook run pre-receive <") {
			t.Errorf("core.hooksPath %q: calls %q", path, got)
		}
	}
}

func TestInstallInABareRepository(t *testing.T) {
	w := newWorld(t)
	w.git("", "init", "-q", "--bare", "server")
	w.write("server/hooks/pre-receive", "#!/bin/sh\nprintf 'mine <' >>\"$CALLS\"; cat >>\"$CALLS\"; echo '>' >>\"$CALLS\"\n", 0o755)
	o := w.options()
	o.Dir = filepath.Join(w.dir, "server")
	w.install(o)
	w.commit()
	w.env = append(w.env, "REFUSE=1")
	out, code := w.try("repo", "push", "-q", "../server", "main", "main:refs/tags/t")
	head := strings.TrimSpace(w.git("repo", "rev-parse", "HEAD"))
	zeros := strings.Repeat("0", len(head))
	lines := "<" + zeros + " " + head + " refs/heads/main\n" + zeros + " " + head + " refs/tags/t\n>\n"
	if got, want := w.calls(), "mine "+lines+"hook run pre-receive "+lines; code == 0 || got != want {
		t.Errorf("git push: exit code %d, calls %q, want %q\n%s", code, got, want, out)
	}
	if _, code := w.try("server", "rev-parse", "-q", "--verify", "main"); code == 0 {
		t.Error("the push was taken")
	}
}

func TestInstallErrorsNameTheNextStep(t *testing.T) {
	w := newWorld(t)
	w.write("bin/go-build1234/b001/exe/keyquench", fakeProgram, 0o755)
	w.write("bin/data", "no program", 0o644)
	for name, tt := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"not a repository":   {func(o *Options) { o.Dir = w.dir }, "not a git repository"},
		"no directory":       {func(o *Options) { o.Dir = w.dir + "/none" }, "no such file"},
		"go run":             {func(o *Options) { o.Program = w.dir + "/bin/go-build1234/b001/exe/keyquench" }, "temporary build"},
		"no program":         {func(o *Options) { o.Program = w.dir + "/bin/none" }, "no such file"},
		"not a program":      {func(o *Options) { o.Program = w.dir + "/bin/data" }, "not a program"},
		"a relative program": {func(o *Options) { o.Program = "keyquench" }, "whole path"},
		"no configuration":   {func(o *Options) { o.Place, o.ConfigDir = Global, "" }, "configuration is not known"},
		"a hooksPath by -c": {func(o *Options) {
			o.Env = append(o.Env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=core.hooksPath", "GIT_CONFIG_VALUE_0=/x")
		}, "by the environment"},
		"global is read-only": {func(o *Options) { o.Place = Global; o.Env = append(o.Env, "GIT_CONFIG_GLOBAL=/dev/null/config") }, "git config"},
	} {
		o := w.options()
		o.Env = slices.Clone(o.Env)
		tt.change(&o)
		_, err := Install(context.Background(), o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Install: %v, want %q", name, err, tt.want)
			continue
		}
		if h, ok := errors.AsType[problem](err); !ok || h.Hint() == "" {
			t.Errorf("%s: %v has no next step", name, err)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]int{
		"git version 2.39.5": 2039, "git version 2.54.0.rc1": 2054, "git version 2.39.5 (Apple Git-154)": 2039, "git version 3.0.0": 3000,
		"": 0, "git version x.y": 0, "git version 2": 0, "git version 2.1000.1": 0,
	} {
		if got, err := parseVersion(text); got != want || (err != nil) != (want == 0) {
			t.Errorf("parseVersion(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	// A program in git's place that is too old, or says nothing of sense.
	w := newWorld(t)
	for _, says := range []string{"git version 2.17.1", "hello"} {
		w.write("old/git", "#!/bin/sh\necho "+says+"\n", 0o755)
		t.Setenv("PATH", filepath.Join(w.dir, "old")+":"+os.Getenv("PATH"))
		o := w.options()
		o.gitVersion = 0
		_, err := Install(t.Context(), o)
		if h, ok := errors.AsType[problem](err); !ok || !strings.Contains(h.Hint(), "2.26") {
			t.Errorf("Install by a git that says %q: %v, want that it is too old", says, err)
		}
	}
}
