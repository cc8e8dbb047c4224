package gitdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// busyRepo has references of every ordinary kind.
func busyRepo(t testing.TB, args ...string) string {
	t.Helper()
	dir := filepath.Join(tempDir(t), "repo")
	initRepo(t, dir, args...)
	git(t, dir, "branch", "topic/one")
	git(t, dir, "branch", "topic/two")
	git(t, dir, "tag", "light")
	git(t, dir, "tag", "-m", "note", "heavy")
	git(t, dir, "tag", "-m", "tag of a tag", "heavier", "heavy")
	git(t, dir, "update-ref", "refs/odd/Ünï-code@x/deep/er", "HEAD")
	git(t, dir, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/heads/topic/one")
	git(t, dir, "symbolic-ref", "refs/heads/alias", "refs/remotes/origin/HEAD")
	git(t, dir, "symbolic-ref", "refs/remotes/gone/HEAD", "refs/heads/nowhere")
	git(t, dir, "pack-refs", "--all")
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "second") // loose over packed
	git(t, dir, "branch", "fresh")
	git(t, dir, "branch", "-D", "-q", "topic/two")
	return dir
}

func TestRefsAreWhatGitLists(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		dir := busyRepo(t, "--object-format="+format)
		wantRefs(t, dir)
		r := discover(t, dir, Env{})
		refs, _ := r.Refs()
		for _, name := range []string{"refs/tags/heavy", "refs/tags/heavier"} {
			ref, _ := find(refs, "", name)
			if want := git(t, dir, "rev-parse", name+"^{}"); ref.Peeled.String() != want {
				t.Errorf("%s: %s peeled to %v, want %s", format, name, ref.Peeled, want)
			}
		}
		if ref, ok := find(refs, "", "refs/remotes/gone/HEAD"); !ok || !ref.Target.IsZero() || ref.Symbolic != "refs/heads/nowhere" {
			t.Errorf("%s: dangling reference = %+v, %v", format, ref, ok)
		}
		head, err := r.Head()
		if err != nil || head.Symbolic != "refs/heads/main" || head.Target.String() != git(t, dir, "rev-parse", "HEAD") {
			t.Errorf("%s: Head() = %+v, %v", format, head, err)
		}
		git(t, dir, "checkout", "-q", "--detach")
		if head, err := r.Head(); err != nil || head.Symbolic != "" || head.Target.String() != git(t, dir, "rev-parse", "HEAD") {
			t.Errorf("%s: detached Head() = %+v, %v", format, head, err)
		}
	}
}

func TestHeadOfAnEmptyRepositoryIsUnborn(t *testing.T) {
	dir := tempDir(t)
	git(t, dir, "init", "-q", "-b", "main")
	r := discover(t, dir, Env{})
	head, err := r.Head()
	if err != nil || head.Symbolic != "refs/heads/main" || !head.Target.IsZero() {
		t.Errorf("Head() = %+v, %v, want an unborn main", head, err)
	}
	if refs, bad := r.Refs(); len(refs) != 1 || len(bad) != 0 {
		t.Errorf("Refs() = %v, %v, want HEAD alone", refs, bad)
	}
	if logs := readLogs(t, r); len(logs) != 0 {
		t.Errorf("Reflogs() = %v, want none", logs)
	}
}

func TestRefsIncludePseudoReferences(t *testing.T) {
	dir := busyRepo(t)
	r := discover(t, dir, Env{})
	gitDir := filepath.Join(dir, ".git")
	id := func(n int) string { return sampleID(oid.SHA1, n).String() }
	for i, name := range []string{"ORIG_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD", "BISECT_HEAD", "AUTO_MERGE", "MERGE_AUTOSTASH"} {
		write(t, filepath.Join(gitDir, name), id(i)+"\n")
	}
	write(t, filepath.Join(gitDir, "MERGE_HEAD"), id(20)+"\n"+id(21)+"\n")
	write(t, filepath.Join(gitDir, "FETCH_HEAD"), id(22)+"\t\tbranch 'main' of https://example.com/x\n"+id(23)+"\tnot-for-merge\ttag 'v1'\nbad\n")
	write(t, filepath.Join(gitDir, "COMMIT_EDITMSG"), "no reference\n")
	refs, bad := r.Refs()
	got := map[string][]string{}
	for _, ref := range refs {
		if !strings.HasPrefix(ref.Name, "refs/") {
			got[ref.Name] = append(got[ref.Name], ref.Target.String())
		}
	}
	want := map[string]string{
		"ORIG_HEAD": id(0), "CHERRY_PICK_HEAD": id(1), "REVERT_HEAD": id(2), "REBASE_HEAD": id(3), "BISECT_HEAD": id(4), "AUTO_MERGE": id(5), "MERGE_AUTOSTASH": id(6),
		"MERGE_HEAD": id(20) + " " + id(21), "FETCH_HEAD": id(22) + " " + id(23), "HEAD": git(t, dir, "rev-parse", "HEAD"),
	}
	for name, ids := range want {
		if strings.Join(got[name], " ") != ids {
			t.Errorf("%s = %v, want %s", name, got[name], ids)
		}
	}
	if len(got) != len(want) {
		t.Errorf("root references = %v, want those of %v", got, want)
	}
	if len(bad) != 1 || bad[0].Line != 3 || bad[0].Ref != "FETCH_HEAD" {
		t.Errorf("problems = %v, want line 3 of FETCH_HEAD", bad)
	}
}

func TestRefsOfLinkedWorktreesAreTheirOwn(t *testing.T) {
	for _, format := range []string{"files", "reftable"} {
		t.Run(format, func(t *testing.T) {
			dir := filepath.Join(tempDir(t), "repo")
			refStorageRepo(t, dir, format)
			git(t, dir, "worktree", "add", "-q", "../linked", "-b", "side")
			linked := filepath.Join(filepath.Dir(dir), "linked")
			git(t, linked, "commit", "-q", "--allow-empty", "-m", "on the side")
			git(t, linked, "update-ref", "refs/bisect/bad", "HEAD")
			git(t, linked, "update-ref", "refs/worktree/mine", "HEAD")
			git(t, dir, "update-ref", "refs/bisect/bad", "HEAD")
			git(t, dir, "update-ref", "refs/rewritten/x", "HEAD")
			git(t, dir, "symbolic-ref", "refs/heads/cross", "worktrees/linked/HEAD")
			main, side := git(t, dir, "rev-parse", "HEAD"), git(t, linked, "rev-parse", "HEAD")
			for _, from := range []string{dir, linked} {
				refs, bad := discover(t, from, Env{}).Refs()
				if len(bad) > 0 {
					t.Errorf("Refs() problems = %v", bad)
				}
				for _, want := range []struct{ worktree, name, id string }{
					{"", "HEAD", main},
					{"linked", "HEAD", side},
					{"", "refs/bisect/bad", main},
					{"linked", "refs/bisect/bad", side},
					{"linked", "refs/worktree/mine", side},
					{"", "refs/rewritten/x", main},
					{"", "refs/heads/side", side},
					{"", "refs/heads/cross", side},
				} {
					if ref, _ := find(refs, want.worktree, want.name); ref.Target.String() != want.id {
						t.Errorf("from %s: %q in work tree %q = %v, want %s", from, want.name, want.worktree, ref.Target, want.id)
					}
				}
				if ref, ok := find(refs, "", "refs/worktree/mine"); ok {
					t.Errorf("main work tree has %+v", ref)
				}
			}
			if head, err := discover(t, linked, Env{}).Head(); err != nil || head.Target.String() != side || head.Worktree != "linked" || head.Symbolic != "refs/heads/side" {
				t.Errorf("Head() = %+v, %v", head, err)
			}
			wantRevisions(t, linked, "HEAD", "@", "main-worktree/HEAD", "worktrees/linked/HEAD", "refs/bisect/bad", "bisect/bad", "side", "worktrees/none/HEAD", "main-worktree/refs/heads/main")
		})
	}
}

// refStorageRepo makes a repository with the given storage, where git can.
func refStorageRepo(t testing.TB, dir, storage string, args ...string) {
	t.Helper()
	if storage == RefTable {
		if _, err := runGit(t, filepath.Dir(dir), nil, "init", "-q", "--ref-format=reftable", filepath.Join(t.TempDir(), "try")); err != nil {
			t.Skip("this git writes no reftables")
		}
		args = append(args, "--ref-format=reftable")
	}
	initRepo(t, dir, args...)
}

// looseSamples are files of references, those that git reads and those it
// refuses or passes over.
func looseSamples(good string) map[string]string {
	return map[string]string{
		"bad/short": good[:39] + "\n", "bad/long": good + "0\n", "bad/empty": "", "bad/zero": strings.Repeat("0", 40) + "\n",
		"bad/junk": "AKIAIOSFODNN7EXAMPLE", "bad/out": "ref: ../../etc/passwd\n", "bad/nothing": "ref: \n", "bad/name": "ref: refs/heads/a b\n", "bad/config": "ref: config\n",
		"bad/sp ace": good + "\n", "bad/star*": good + "\n", "bad/two..dots": good + "\n", "bad/end.": good + "\n", "bad/@{x": good + "\n", "bad/huge": good + strings.Repeat(" ", maxLoose),
		"bad/loop1": "ref: refs/heads/bad/loop2\n", "bad/loop2": "ref: refs/heads/bad/loop1\n", "bad/self": "ref: refs/heads/bad/self\n",
		"fine/spaced": good + " \n\n", "fine/trailing": good + "\tmore\nand more\n", "fine/sym": "ref:   refs/heads/fine/spaced  \n", "fine/upper": strings.ToUpper(good) + "\n",
		"fine/x.lock": "ignored", "fine/.hidden": "ignored",
	}
}

func TestLooseReferencesThatCannotBeReadAreProblems(t *testing.T) {
	dir := busyRepo(t)
	heads := filepath.Join(dir, ".git", "refs", "heads")
	good := sampleID(oid.SHA1, 1).String()
	for name, text := range looseSamples(good) {
		write(t, filepath.Join(heads, name), text)
	}
	for i := 1; i < 8; i++ {
		write(t, filepath.Join(heads, "chain", fmt.Sprint(i)), fmt.Sprintf("ref: refs/heads/chain/%d\n", i-1))
	}
	write(t, filepath.Join(heads, "chain", "0"), good+"\n")
	links := map[string]string{
		"fine/oldstyle": "refs/heads/fine/spaced", "fine/tofile": "spaced", "bad/dangling": "nothing", "bad/device": "/dev/zero", "bad/up": "../..",
		"fine/linkdir": filepath.Join(dir, "moved"),
	}
	write(t, filepath.Join(dir, "moved", "inner"), good+"\n")
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(heads, name)); err != nil {
			t.Fatal(err)
		}
	}
	refs, bad := discover(t, dir, Env{}).Refs()
	problem := map[string]bool{}
	for _, p := range bad {
		if strings.Contains(p.Error(), "AKIA") {
			t.Errorf("problem %q quotes the file", p.Error())
		}
		name := p.Ref
		if name == "" {
			name = "refs/heads/" + strings.TrimPrefix(p.Path, heads+"/")
		}
		problem[name] = true
	}
	for _, ref := range refs {
		name := strings.TrimPrefix(ref.Name, "refs/heads/")
		if strings.HasPrefix(name, "bad/") {
			t.Errorf("reference %q = %v, want a problem", name, ref.Target)
		}
		if strings.HasPrefix(name, "fine/") && ref.Target.String() != good {
			t.Errorf("reference %q = %v, want %s", name, ref.Target, good)
		}
	}
	for _, name := range []string{"short", "long", "empty", "zero", "junk", "out", "nothing", "name", "config", "sp ace", "star*", "two..dots", "end.", "@{x", "huge", "loop1", "loop2", "self", "dangling", "device", "up"} {
		if !problem["refs/heads/bad/"+name] {
			t.Errorf("no problem for bad/%s in %v", name, bad)
		}
	}
	for _, name := range []string{"spaced", "trailing", "sym", "upper", "oldstyle", "tofile", "linkdir/inner"} {
		if _, ok := find(refs, "", "refs/heads/fine/"+name); !ok {
			t.Errorf("no reference fine/%s", name)
		}
	}
	if len(problem) != 24 {
		t.Errorf("problems = %v, want 24", bad)
	}
	// Four symbolic references in a row are followed, as git does.
	for i, ok := range []bool{true, true, true, true, true, false, false, false} {
		name := fmt.Sprintf("refs/heads/chain/%d", i)
		_, gitErr := runGit(t, dir, nil, "rev-parse", "--verify", "-q", name)
		if _, got := find(refs, "", name); got != ok || problem[name] == ok || (gitErr == nil) != ok {
			t.Errorf("%s found %v, problem %v, git %v, want found %v", name, got, problem[name], gitErr, ok)
		}
	}
}

// Two links at each of forty levels make a tree of 2^40 paths.
func TestRefsEndInATreeOfLinks(t *testing.T) {
	dir := busyRepo(t)
	heads := filepath.Join(dir, ".git", "refs", "heads")
	for i := range 40 {
		level := mkdir(t, filepath.Join(heads, "l", fmt.Sprint(i)))
		for _, side := range []string{"a", "b"} {
			if err := os.Symlink(fmt.Sprintf("../%d", i+1), filepath.Join(level, side)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, bad := discover(t, dir, Env{}).Refs(); len(bad) < 40 || len(bad) > maxProblems+1 {
		t.Errorf("Refs() has %d problems, want those of the links", len(bad))
	}
}

func TestRefsStopAtTheBudgetAndSaySo(t *testing.T) {
	dir := busyRepo(t)
	r := discover(t, dir, Env{})
	whole, _ := r.Refs()
	for _, tt := range []struct {
		budget budget
		want   error
	}{
		{budget{refs: 2, nameBytes: 1 << 20, entries: 1 << 20}, errTooManyRefs},
		{budget{refs: 99, nameBytes: 20, entries: 1 << 20}, errTooManyRefs},
		{budget{refs: 99, nameBytes: 1 << 20, entries: 3}, errTooManyEntries},
	} {
		rd := refReader{repo: r, budget: &tt.budget}
		set := rd.view(view{dir: r.CommonDir, gitDir: r.CommonDir, shared: true})
		bad := rd.problems.all()
		if len(set.refs) >= len(whole) || len(bad) == 0 || !errors.Is(bad[0], tt.want) {
			t.Errorf("view with %+v = %d references of %d, %v, want %v", tt.budget, len(set.refs), len(whole), bad, tt.want)
		}
	}
}

func TestProblemsAreCountedPastTheLimit(t *testing.T) {
	dir := busyRepo(t)
	write(t, filepath.Join(dir, ".git", "packed-refs"), strings.Repeat("bad\n", maxProblems+500))
	_, bad := discover(t, dir, Env{}).Refs()
	if len(bad) != maxProblems+1 || !strings.Contains(bad[maxProblems].Error(), "500 more") {
		t.Errorf("Refs() has %d problems, last %v, want %d and a count of 500", len(bad), bad[len(bad)-1], maxProblems+1)
	}
}

func TestValidNameAsGit(t *testing.T) {
	dir := tempDir(t)
	for _, part := range []string{
		"a", "a/b", "a//b", "/a", "a/", ".a", "a/.b", "a.lock", "a.lock/b", "a.lockb", "a..b", "a.b", "a.", "a./b", "a b", "a~", "a^", "a:", "a?", "a*", "a[", "a]", `a\b`,
		"@", "a@{b", "a@b", "a{b", "-a", "a\x01", "a\x7f", "ü", "\xff", "a\tb", "HEAD",
	} {
		name := "refs/heads/" + part
		_, gitErr := runGit(t, dir, nil, "check-ref-format", name)
		if got := validName(name); got != (gitErr == nil) {
			t.Errorf("validName(%q) = %v, git says %v", name, got, gitErr)
		}
	}
	for name, want := range map[string]bool{"HEAD": true, "ORIG_HEAD": true, "config": false, "": false, "@": false, "heads/x": false, "refs": false, "refs/a\x00b": false, "refs/" + strings.Repeat("a", maxName): false} {
		if got := validName(name); got != want {
			t.Errorf("validName(%q) = %v, want %v", name, got, want)
		}
	}
}

func FuzzLooseRef(f *testing.F) {
	id := sampleID(oid.SHA1, 1).String()
	for _, s := range []string{id, id + "\n", "ref: refs/heads/main\n", "ref:refs/x", "ref: worktrees/x/HEAD", id + "0", "ref: ../x", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ref, err := parseLoose(data, oid.SHA1)
		if err == nil && ref.Symbolic == "" && len(ref.Target.Bytes()) != oid.SHA1.Size() {
			t.Errorf("parseLoose(%q) = %+v", data, ref)
		}
		if err == nil && ref.Symbolic != "" && (!validTarget(ref.Symbolic) || strings.Contains(ref.Symbolic, "..")) {
			t.Errorf("parseLoose(%q) = %+v", data, ref)
		}
	})
}
