package hooks

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Wherever core.hooksPath is set, the hooks there go on, by their own names, and
// Uninstall puts every value back.
func TestInstallWhereHooksPathIsSet(t *testing.T) {
	for name, set := range map[string][][]string{
		"local":           {{"config", "core.hooksPath", ".githooks"}},
		"global":          {{"config", "--global", "core.hooksPath", ".githooks"}},
		"twice":           {{"config", "core.hooksPath", "elsewhere"}, {"config", "--add", "core.hooksPath", ".githooks"}},
		"local and below": {{"config", "--global", "core.hooksPath", "elsewhere"}, {"config", "core.hooksPath", ".githooks"}},
		"work tree":       {{"config", "extensions.worktreeConfig", "true"}, {"config", "core.hooksPath", "elsewhere"}, {"config", "--worktree", "core.hooksPath", ".githooks"}},
		"home":            {{"config", "core.hooksPath", "~/repo/.githooks"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			// It goes by its own name and place, as husky's hooks do.
			for _, h := range []string{"pre-commit", "commit-msg"} {
				w.write("repo/.githooks/"+h, "#!/bin/sh\nprintf '%s %s\\n' \"${0##*/}\" \"$#\" >>\"$CALLS\"\n. \"$(dirname \"$0\")/lib\"\n", 0o755)
			}
			w.write("repo/.githooks/lib", "echo lib >>\"$CALLS\"\n", 0o644)
			for _, args := range set {
				w.git("repo", args...)
			}
			configured := w.git("repo", "config", "--list", "--show-origin")
			before := w.state("repo/.githooks")
			w.install(w.options())
			w.same("after Install", w.state("repo/.githooks"), before)
			if out, code := w.commit(); code != 0 {
				t.Errorf("git commit: exit code %d\n%s", code, out)
			}
			if got, want := w.calls(), "pre-commit 0\nlib\nhook run pre-commit <>\ncommit-msg 1\nlib\n"; got != want {
				t.Errorf("calls %q, want %q", got, want)
			}
			w.uninstall(w.options())
			if got := w.git("repo", "config", "--list", "--show-origin"); got != configured {
				t.Errorf("after Uninstall, the configuration is\n%s\nwant\n%s", got, configured)
			}
			if _, err := os.Lstat(filepath.Join(w.repo, ".git/keyquench")); err == nil {
				t.Error("after Uninstall, .git/keyquench is still there")
			}
		})
	}
}

// core.hooksPath that names just the repository's own hooks changes nothing.
func TestInstallWhereHooksPathNamesTheUsualPlace(t *testing.T) {
	w := newWorld(t)
	w.git("repo", "config", "core.hooksPath", ".git/hooks")
	w.install(w.options())
	if _, err := os.Lstat(filepath.Join(w.repo, ".git/hooks/pre-push")); err != nil {
		t.Error(err)
	}
	if got := w.git("repo", "config", "core.hooksPath"); got != ".git/hooks\n" {
		t.Errorf("core.hooksPath is %q", got)
	}
}

// A link in the place of the hooks' directory may lead to tracked files.
func TestInstallWhereTheHooksAreALink(t *testing.T) {
	w := newWorld(t)
	w.write("repo/githooks/pre-commit", hook("tracked"), 0o755)
	if err := os.RemoveAll(filepath.Join(w.repo, ".git/hooks")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../githooks", filepath.Join(w.repo, ".git/hooks")); err != nil {
		t.Fatal(err)
	}
	before := w.state("repo")
	w.install(w.options())
	w.same("the tracked files", w.state("repo/githooks"), map[string]string{"/repo/githooks/pre-commit": before["/repo/githooks/pre-commit"]})
	w.commit()
	if got, want := w.calls(), "tracked \nhook run pre-commit <>\n"; got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
}

func TestInstallWhereAnIncludeComesLater(t *testing.T) {
	w := newWorld(t)
	w.write("repo/.git/included", "[core]\n\thooksPath = .githooks\n", 0o644)
	w.git("repo", "config", "include.path", "included")
	before := w.state("repo")
	_, err := Install(context.Background(), w.options())
	if err == nil || !strings.Contains(err.Error(), "comes after what was written") {
		t.Errorf("Install: %v, want that an included file comes later", err)
	}
	w.same("after a failed Install", w.state("repo"), before)
}

// husky sets core.hooksPath whenever it is installed.
func TestUninstallLeavesWhatOthersSetSince(t *testing.T) {
	w := newWorld(t)
	w.git("repo", "config", "core.hooksPath", ".githooks")
	w.install(w.options())
	w.git("repo", "config", "core.hooksPath", ".husky/_")
	if r := w.uninstall(w.options()); len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "was changed since") {
		t.Errorf("Uninstall notes %q", r.Notes)
	}
	if got := w.git("repo", "config", "core.hooksPath"); got != ".husky/_\n" {
		t.Errorf("core.hooksPath is %q", got)
	}
	// To install once more goes by what is in force then.
	w.write("repo/.husky/_/pre-commit", hook("husky"), 0o755)
	w.install(w.options())
	w.commit()
	if got, want := w.calls(), "husky \nhook run pre-commit <>\n"; got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
}

// A moved repository's core.hooksPath leads to where it was.
func TestInstallAfterTheRepositoryMoved(t *testing.T) {
	for _, again := range []bool{true, false} {
		w := newWorld(t)
		w.write("repo/.githooks/pre-commit", hook("tracked"), 0o755)
		w.git("repo", "config", "core.hooksPath", ".githooks")
		w.install(w.options())
		if err := os.Rename(w.repo, filepath.Join(w.dir, "moved")); err != nil {
			t.Fatal(err)
		}
		o := w.options()
		o.Dir = filepath.Join(w.dir, "moved")
		if again {
			w.install(o)
			w.git("moved", "commit", "-q", "--allow-empty", "-m", "x")
			if got, want := w.calls(), "tracked \nhook run pre-commit <>\n"; got != want {
				t.Errorf("calls %q, want %q", got, want)
			}
		}
		w.uninstall(o)
		if got := w.git("moved", "config", "core.hooksPath"); got != ".githooks\n" {
			t.Errorf("core.hooksPath is %q", got)
		}
		if _, err := os.Lstat(filepath.Join(w.dir, "moved/.git/keyquench")); err == nil {
			t.Error("after Uninstall, .git/keyquench is still there")
		}
	}
}

func TestInstallGlobal(t *testing.T) {
	for name, theirs := range map[string]string{"repositories' own": "", "a global directory": "~/globalhooks"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if theirs != "" {
				w.git("", "config", "--global", "core.hooksPath", theirs)
			}
			w.write("globalhooks/pre-commit", hook("global"), 0o755)
			w.write("repo/.git/hooks/pre-commit", hook("mine"), 0o755)
			w.write("repo/.git/hooks/commit-msg", hook("message"), 0o755)
			configured := w.read("gitconfig")
			o := w.options()
			o.Place = Global
			w.install(o)
			w.install(o)
			w.git("repo", "commit", "-q", "--allow-empty", "-m", "x")
			want := "mine \nhook run pre-commit <>\nmessage .git/COMMIT_EDITMSG\n"
			if theirs != "" {
				// Git would not have run the repository's own.
				want = "global \nhook run pre-commit <>\n"
			}
			if got := w.calls(); got != want {
				t.Errorf("calls %q, want %q", got, want)
			}
			if r := w.install(w.options()); len(r.Done) != 1 || !strings.Contains(r.Done[0], "in all repositories") {
				t.Errorf("Install in a repository that is covered says %q", r.Done)
			}
			w.uninstall(o)
			if got := w.read("gitconfig"); got != configured {
				t.Errorf("after Uninstall, the global configuration is\n%s\nwant\n%s", got, configured)
			}
		})
	}
}

// The repository's own hooks are found from wherever git runs a hook.
func TestInstallGlobalFindsTheRepositorysOwnHooks(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Place = Global
	w.install(o)
	own := hook("mine")
	w.write("repo/.git/hooks/pre-commit", own, 0o755)
	w.commit()
	w.calls()
	const want = "mine \nhook run pre-commit <>\n"
	w.git("repo", "worktree", "add", "-q", "-b", "linked", "../linked tree")
	for dir, args := range map[string][]string{
		"linked tree": {"commit"},
		"repo/.git":   {"--work-tree=..", "commit"},
		"":            {"--git-dir=repo/.git", "--work-tree=repo", "commit"},
	} {
		w.git(dir, append(args, "-q", "--allow-empty", "-m", "x")...)
		if got := w.calls(); got != want {
			t.Errorf("git %q in %q: calls %q, want %q", args, dir, got, want)
		}
	}
	w.git("", "init", "-q", "--separate-git-dir", "apart", "separate")
	w.write("apart/hooks/pre-commit", own, 0o755)
	w.git("separate", "commit", "-q", "--allow-empty", "-m", "x")
	if got := w.calls(); got != want {
		t.Errorf("in a repository with its git directory elsewhere: calls %q, want %q", got, want)
	}
	w.git("", "init", "-q", "--bare", "bare")
	w.write("bare/hooks/update", hook("update"), 0o755)
	w.git("repo", "push", "-q", "../bare", "HEAD:refs/heads/new")
	if got := w.calls(); !strings.Contains(got, "update refs/heads/new ") {
		t.Errorf("in a bare repository: calls %q", got)
	}
}

// A hook of this name that is merely there keeps git from its own way.
func TestInstallGlobalKeepsPushesToACheckout(t *testing.T) {
	w := newWorld(t)
	w.write("repo/a", "one\n", 0o644)
	w.write("repo/b", "one\n", 0o644)
	w.git("repo", "add", "a", "b")
	w.git("repo", "commit", "-q", "-m", "one")
	w.git("", "clone", "-q", "repo", "clone")
	w.git("repo", "config", "receive.denyCurrentBranch", "updateInstead")
	o := w.options()
	o.Place = Global
	w.install(o)
	push := func(text string) (string, int) {
		w.write("clone/a", text, 0o644)
		w.git("clone", "commit", "-q", "-a", "-m", "more")
		return w.try("clone", "push", "-q", "origin", "HEAD:main")
	}
	if out, code := push("two\n"); code != 0 || w.read("repo/a") != "two\n" {
		t.Errorf("git push: exit code %d, the file is %q\n%s", code, w.read("repo/a"), out)
	}
	// Not even where the change is in another file.
	w.write("repo/b", "mine\n", 0o644)
	if out, code := push("three\n"); code == 0 || !strings.Contains(out, "unstaged changes") || w.read("repo/a") != "two\n" {
		t.Errorf("git push over unstaged changes: exit code %d, the file is %q\n%s", code, w.read("repo/a"), out)
	}
	w.git("repo", "add", "b")
	if out, code := push("four\n"); code == 0 || !strings.Contains(out, "staged changes") || w.read("repo/a") != "two\n" {
		t.Errorf("git push over staged changes: exit code %d, the file is %q\n%s", code, w.read("repo/a"), out)
	}
	w.git("", "init", "-q", "unborn")
	w.git("unborn", "config", "receive.denyCurrentBranch", "updateInstead")
	if out, code := w.try("clone", "push", "-q", "../unborn", "HEAD:main"); code != 0 || w.read("unborn/a") != "four\n" {
		t.Errorf("git push to an unborn branch: exit code %d, the file is %q\n%s", code, w.read("unborn/a"), out)
	}
}

func TestInstallGlobalInConfiguration(t *testing.T) {
	w := newWorld(t)
	w.program = filepath.Join(w.dir, "a 'b' \"$(touch hurt)\"\nc", "keyquench")
	w.write(w.program, fakeProgram, 0o755)
	o := w.options()
	o.Place = Global
	w.install(o) // as before git was upgraded
	o.gitVersion = configHooks
	w.install(o)
	if got, code := w.try("repo", "config", "core.hooksPath"); code == 0 {
		t.Errorf("core.hooksPath is still %q: everything would run twice", got)
	}
	for _, name := range workHooks {
		if got, want := w.git("repo", "config", "--get-all", "hook.keyquench-"+name+".event"), name+"\n"; got != want {
			t.Errorf("the event is %q, want %q", got, want)
		}
		got := w.git("repo", "config", "--get-all", "hook.keyquench-"+name+".command")
		if want := command(name, w.program) + "\n"; got != want {
			t.Errorf("the command is %q, want %q", got, want)
		}
		if path, ok := programOf(got); !ok || path != w.program {
			t.Errorf("programOf = %q, %v, want %q", path, ok, w.program)
		}
	}
	if r := w.install(o); !strings.HasPrefix(r.Done[0], "nothing to do") {
		t.Errorf("a second Install says %q", r.Done)
	}
	here := w.options()
	here.gitVersion = configHooks
	if r := w.install(here); len(r.Done) != 1 || !strings.Contains(r.Done[0], "in all repositories") {
		t.Errorf("Install in a repository that is covered says %q", r.Done)
	}
	w.git("repo", "config", "hook.keyquench-pre-push.enabled", "false")
	if r := w.install(here); len(r.Done) != 1 || !strings.HasPrefix(r.Done[0], "installed") {
		t.Errorf("Install in a repository that has it switched off says %q", r.Done)
	}
}

// For real, where git is new enough.
func TestConfigurationHooksAreCalledByGit(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Place, o.gitVersion = Global, 0
	g, err := newGit(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if g.version < configHooks {
		t.Skip("this git has no hooks in its configuration")
	}
	w.program = filepath.Join(w.dir, "a 'b' \"$(touch hurt)\"\nc", "keyquench")
	w.write(w.program, fakeProgram, 0o755)
	o.Program = w.program
	w.install(o)
	w.write("repo/.git/hooks/pre-commit", hook("mine"), 0o755)
	w.git("repo", "config", "core.hooksPath", ".git/hooks")
	if out, code := w.commit(); code != 0 {
		t.Errorf("git commit: exit code %d\n%s", code, out)
	}
	if got, want := w.calls(), "hook run pre-commit <>\nmine \n"; got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
	w.git("", "init", "-q", "--bare", "remote")
	w.git("repo", "push", "-q", "../remote", "main")
	if got := w.calls(); !strings.HasPrefix(got, "hook run pre-push ../remote ../remote <refs/heads/main ") {
		t.Errorf("calls %q", got)
	}
	w.env = append(w.env, "REFUSE=1")
	if _, code := w.commit(); code == 0 {
		t.Error("git commit passes with a key")
	}
	if err := os.Remove(w.program); err != nil {
		t.Fatal(err)
	}
	if out, code := w.commit(); code == 0 || !strings.Contains(out, "nothing was scanned") {
		t.Errorf("git commit without the program: exit code %d\n%s", code, out)
	}
}

func TestInstallTemplate(t *testing.T) {
	for _, theirs := range []bool{false, true} {
		w := newWorld(t)
		w.git("", "init", "-q", "plain")
		if theirs {
			w.write("template/hooks/pre-commit", hook("mine"), 0o755)
			w.write("template/info/mine", "x\n", 0o644)
			w.git("", "config", "--global", "init.templateDir", "~/template")
		}
		before := w.state("")
		o := w.options()
		o.Place = Template
		w.install(o)
		w.install(o)
		w.git("", "init", "-q", "new")
		w.git("new", "commit", "-q", "--allow-empty", "-m", "x")
		got, want := w.calls(), "hook run pre-commit <>\n"
		if theirs {
			want = "mine \n" + want
		}
		if got != want {
			t.Errorf("calls %q, want %q", got, want)
		}
		if !theirs {
			plain := w.state("plain/.git")
			for name := range w.state("new/.git/hooks") {
				if strings.HasSuffix(name, ".sample") {
					t.Errorf("a new repository has %s", name)
				}
			}
			for name := range plain {
				in := strings.Replace(name, "/plain/", "/new/", 1)
				if _, err := os.Lstat(filepath.Join(w.dir, in)); err != nil && !strings.HasSuffix(name, ".sample") {
					t.Errorf("a new repository has no %s", in)
				}
			}
		}
		if err := os.RemoveAll(filepath.Join(w.dir, "new")); err != nil {
			t.Fatal(err)
		}
		w.uninstall(o)
		if after := w.state(""); !maps.Equal(before, after) {
			w.same("after Uninstall", after, before)
		}
	}
}
