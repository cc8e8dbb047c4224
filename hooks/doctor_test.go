package hooks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/keyquench/keyquench/rules"
)

// seer is a keyquench that takes every file that is staged or pushed for a key.
const seer = `#!/bin/sh
case "$1 $3" in
--version*) echo 'keyquench test' ;;
*pre-push) git ls-tree -r --name-only HEAD >&2; exit 1 ;;
*) git diff --cached --name-only >&2; exit 1 ;;
esac
`

func (w *world) doctor(o Options) []Check {
	w.Helper()
	checks, err := Doctor(w.Context(), o)
	if err != nil {
		w.Fatalf("Doctor: %v", err)
	}
	return checks
}

func wrong(checks []Check) (list []string) {
	for _, c := range checks {
		if !c.OK {
			list = append(list, c.What)
			if c.Next == "" {
				list = append(list, "(without a next step)")
			}
		}
	}
	return list
}

// Hooks run there, and some rewrite themselves; the repository keeps its own.
func TestDoctorChangesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, path := range []string{"", ".githooks"} {
		w := newWorld(t)
		w.write("bin/keyquench", seer, 0o755)
		dir := "repo/.git/hooks"
		if path != "" {
			w.git("repo", "config", "core.hooksPath", path)
			dir = "repo/" + path
		}
		w.write(dir+"/pre-commit", "#!/bin/sh\necho x >>\"$0\"\nmv \"$0\" \"$0.old\"\ngit config keyquench.hurt 1\ngit branch hurt\necho hurt >hurt\n", 0o755)
		w.install(w.options())
		before := w.state("repo")
		if list := wrong(w.doctor(w.options())); list != nil {
			t.Errorf("core.hooksPath %q: wrong are %q", path, list)
		}
		w.same("after Doctor", w.state("repo"), before)
		if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "keyquench-doctor-*")); left != nil {
			t.Errorf("%q are left", left)
		}
	}
}

// Settings of the user that are not about hooks must not decide it.
func TestDoctorIsNotMisled(t *testing.T) {
	w := newWorld(t)
	w.write("bin/keyquench", seer, 0o755)
	w.install(w.options())
	for key, value := range map[string]string{
		"commit.gpgSign": "true", "push.gpgSign": "true", "merge.verifySignatures": "true", "merge.ff": "only", "format.suffix": ".txt",
		"format.coverLetter": "true", "format.attach": "true", "core.editor": "false", "push.default": "nothing", "commit.template": "/none",
		"init.templateDir": "/none", "safe.bareRepository": "explicit", "core.autocrlf": "true", "alias.commit": "!false", "gpg.program": "false",
	} {
		w.git("", "config", "--global", key, value)
	}
	o := w.options()
	// As in a hook of another repository.
	o.Env = append(slices.Clone(o.Env), "GIT_DIR="+filepath.Join(w.repo, ".git"), "GIT_INDEX_FILE="+filepath.Join(w.dir, "index"), "GIT_PREFIX=no/")
	before := w.state("")
	if list := wrong(w.doctor(o)); list != nil {
		t.Errorf("wrong are %q", list)
	}
	w.same("after Doctor", w.state(""), before)
}

// A refusal that is not for the key is no proof, and neither is a word of it.
func TestDoctorBelievesNoOther(t *testing.T) {
	for name, tt := range map[string]struct{ program, want string }{
		"refuses all": {"#!/bin/sh\n[ \"$1\" = --version ] && echo keyquench test && exit\nexit 1\n", "pre-commit"},
		"fails":       {"#!/bin/sh\n[ \"$1\" = --version ] && echo keyquench test && exit\necho 'keyquench: no' >&2\nexit 3\n", "pre-commit"},
		"only says":   {strings.ReplaceAll(seer, "exit 1", "exit 0"), "pre-commit"},
	} {
		w := newWorld(t)
		w.write("bin/keyquench", tt.program, 0o755)
		w.install(w.options())
		if list := wrong(w.doctor(w.options())); !slices.Contains(list, tt.want) || slices.Contains(list, "(without a next step)") {
			t.Errorf("a keyquench that %s: wrong are %q, want %s among them", name, list, tt.want)
		}
	}
}

func TestCopyTreeReadsNoLinks(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	put(t, filepath.Join(from, "a/hook"), "x", 0o711)
	put(t, filepath.Join(from, "hook.sample"), "x", 0o755)
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link": "a/hook", "pipe": pipe, "nowhere": "gone", "root": "/"} {
		if err := os.Symlink(target, filepath.Join(from, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyTree(from, to); err != nil {
		t.Fatal(err)
	}
	var got []string
	entries, err := os.ReadDir(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if want := []string{"a", "link", "pipe", "root"}; !slices.Equal(got, want) {
		t.Errorf("the copy has %q, want %q", got, want)
	}
	if info, err := os.Stat(filepath.Join(to, "a/hook")); err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("the copy of a hook: %v, %v", info, err)
	}
	for i := range maxCopied {
		put(t, filepath.Join(from, "many", fmt.Sprint(i)), "", 0o644)
	}
	if err := copyTree(from, filepath.Join(dir, "again")); !errors.Is(err, errTooMuch) {
		t.Errorf("copyTree of more than hooks: %v, want %v", err, errTooMuch)
	}
}

func TestTrialKeyIsFoundAndNeverTheSame(t *testing.T) {
	a, err := trialKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := trialKey()
	if err != nil || string(a) == string(b) {
		t.Errorf("the same key twice, or %v", err)
	}
	if m := rules.Default().Find(nil, a); len(m) != 1 || m[0].Key.Secret == (rules.Secret{}) {
		t.Errorf("%d matches in a trial key, want one with its secret", len(m))
	}
}
