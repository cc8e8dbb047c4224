package hooks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the scripts of the two managers have in common in all versions, as far as
// ours go by it. The real ones are tried in ci/hooks.
const (
	// The framework calls what it found when it was installed, and refuses to be
	// called by that itself.
	frameworkHook = `#!/bin/sh
# hook-impl
if [ "${PRE_COMMIT_RUNNING_LEGACY-}" = 1 ]; then echo loop >>"$CALLS"; exit 1; fi
if [ -x "${0%/*}/pre-commit.legacy" ]; then PRE_COMMIT_RUNNING_LEGACY=1 "${0%/*}/pre-commit.legacy" "$@" || exit $?; fi
echo framework >>"$CALLS"
`
	lefthookHook = "#!/bin/sh\n# LEFTHOOK\necho lefthook >>\"$CALLS\"\n"
)

// overtake does what a manager does when it is installed: what is there, and is
// not its own, is put aside.
func (w *world) overtake(text, sign, suffix string) {
	w.Helper()
	path := filepath.Join(w.repo, ".git/hooks/pre-commit")
	if now, err := os.ReadFile(path); err == nil && !strings.Contains(string(now), sign) {
		if err := os.Rename(path, path+suffix); err != nil {
			w.Fatal(err)
		}
	}
	w.write(path, text, 0o755)
}

func TestInstallBesideTheFramework(t *testing.T) {
	framework := func(w *world) { w.overtake(frameworkHook, "hook-impl", legacy) }
	install := func(w *world) { w.install(w.options()) }
	mine := func(w *world) { w.write("repo/.git/hooks/pre-commit", hook("mine"), 0o755) }
	for name, tt := range map[string]struct {
		steps []func(*world)
		want  string // what a commit calls
		left  string // what it calls after Uninstall
	}{
		"before it":          {[]func(*world){install, framework}, "hook run pre-commit <>\nframework\n", "framework\n"},
		"after it":           {[]func(*world){framework, install}, "framework\nhook run pre-commit <>\n", "framework\n"},
		"both, twice":        {[]func(*world){framework, install, framework, install}, "hook run pre-commit <>\nframework\n", "framework\n"},
		"it is set up again": {[]func(*world){framework, install, framework}, "hook run pre-commit <>\nframework\n", "framework\n"},
		"with another":       {[]func(*world){mine, install, framework}, "mine \nhook run pre-commit <>\nframework\n", "mine \nframework\n"},
		"with another first": {[]func(*world){mine, framework, install}, "mine \nframework\nhook run pre-commit <>\n", "mine \nframework\n"},
		"with all, twice":    {[]func(*world){mine, install, framework, install, framework}, "mine \nhook run pre-commit <>\nframework\n", "mine \nframework\n"},
	} {
		w := newWorld(t)
		for _, step := range tt.steps {
			step(w)
		}
		if out, code := w.commit(); code != 0 {
			t.Errorf("%s: git commit: exit code %d\n%s", name, code, out)
		}
		if got := w.calls(); got != tt.want {
			t.Errorf("%s: calls %q, want %q", name, got, tt.want)
		}
		w.uninstall(w.options())
		w.commit()
		if got := w.calls(); got != tt.left {
			t.Errorf("%s: calls %q after Uninstall, want %q", name, got, tt.left)
		}
		for file := range w.state("repo/.git") {
			if strings.Contains(file, "keyquench") {
				t.Errorf("%s: %s is left after Uninstall", name, file)
			}
		}
	}
}

func TestInstallBesideLefthook(t *testing.T) {
	lefthook := func(w *world) { w.overtake(lefthookHook, "LEFTHOOK", old) }
	install := func(w *world) { w.install(w.options()) }
	mine := func(w *world) { w.write("repo/.git/hooks/pre-commit", hook("mine"), 0o755) }
	for name, tt := range map[string]struct {
		steps      []func(*world)
		want, left string
		old        string // what pre-commit.old holds in the end
	}{
		"before it":          {[]func(*world){install, lefthook}, "lefthook\n", "lefthook\n", ""},
		"before and after":   {[]func(*world){install, lefthook, install}, "lefthook\nhook run pre-commit <>\n", "lefthook\n", ""},
		"after it":           {[]func(*world){lefthook, install}, "lefthook\nhook run pre-commit <>\n", "lefthook\n", ""},
		"it is set up again": {[]func(*world){lefthook, install, lefthook, install}, "lefthook\nhook run pre-commit <>\n", "lefthook\n", ""},
		"with another":       {[]func(*world){mine, install, lefthook, install}, "lefthook\nhook run pre-commit <>\n", "lefthook\n", hook("mine")},
	} {
		w := newWorld(t)
		for _, step := range tt.steps {
			step(w)
		}
		w.commit()
		if got := w.calls(); got != tt.want {
			t.Errorf("%s: calls %q, want %q", name, got, tt.want)
		}
		w.uninstall(w.options())
		w.commit()
		if got := w.calls(); got != tt.left {
			t.Errorf("%s: calls %q after Uninstall, want %q", name, got, tt.left)
		}
		if got := w.read("repo/.git/hooks/pre-commit.old"); got != tt.old {
			t.Errorf("%s: pre-commit.old is %q, want %q", name, got, tt.old)
		}
	}
}

// Some overwrite what they find. Nothing of what was there may be lost.
func TestInstallAfterItWasOverwritten(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(w.repo, ".git/hooks/pre-commit")
	w.write(path, hook("first"), 0o755)
	w.install(w.options())
	w.write(path, hook("second"), 0o755)
	if r := w.uninstall(w.options()); len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "is kept as pre-commit.keyquench-chained") {
		t.Errorf("Uninstall notes %q", r.Notes)
	}
	r := w.install(w.options())
	w.commit()
	if got, want := w.calls(), "second \nhook run pre-commit <>\n"; got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
	saved, err := filepath.Glob(path + ".keyquench-saved-*")
	if err != nil || len(saved) != 1 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], filepath.Base(saved[0])) {
		t.Fatalf("the first hook is kept as %q, and the notes are %q", saved, r.Notes)
	}
	if text, err := os.ReadFile(saved[0]); err != nil || string(text) != hook("first") {
		t.Errorf("%s holds %q, %v", saved[0], text, err)
	}
	// Deleted by hand: what it ran is put back.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.uninstall(w.options())
	if got := w.read("repo/.git/hooks/pre-commit"); got != hook("second") {
		t.Errorf("after Uninstall, the hook is %q", got)
	}
}

// lefthook puts ours aside while ours runs it.
func TestAHookThatIsReplacedWhileItRunsSaysSo(t *testing.T) {
	w := newWorld(t)
	w.write("repo/.git/hooks/pre-commit", "#!/bin/sh\nd=$(dirname \"$0\")\nmv \"$d/pre-commit\" \"$d/pre-commit.old\"\nprintf '#!/bin/sh\\n# LEFTHOOK\\n' >\"$d/pre-commit\"\nchmod +x \"$d/pre-commit\"\n", 0o755)
	w.install(w.options())
	out, code := w.commit()
	if got, want := w.calls(), "hook run pre-commit <>\n"; code != 0 || got != want || !strings.Contains(out, "another program took the place of this hook") {
		t.Errorf("exit code %d, calls %q, want %q, and that it was replaced\n%s", code, got, want, out)
	}
}
