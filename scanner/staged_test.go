package scanner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

func openStaged(t testing.TB, dir string, env map[string]string) *Staged {
	t.Helper()
	s, err := OpenStaged(dir, Options{Getenv: func(k string) string { return env[k] }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// stagedBlobs lists what the Source gives as "path id", and what it skips.
func stagedBlobs(t testing.TB, s *Staged) (blobs []string, skips []error) {
	t.Helper()
	for p, err := range s.Parts(t.Context()) {
		if err != nil {
			t.Fatalf("Parts: %v", err)
		}
		for b, err := range p(t.Context()) {
			if err != nil {
				skips = append(skips, err)
				continue
			}
			if got := s.repo.store.Format().Sum("blob", b.Data); got != b.ID {
				t.Errorf("%s: the bytes are %s, not %s", b.Path, got, b.ID)
			}
			blobs = append(blobs, b.Path+" "+b.ID.String())
		}
	}
	slices.Sort(blobs)
	return blobs, skips
}

// gitStaged lists the same by git's word: the index's entries that are no
// submodules, but those that HEAD's whole tree has at the same path.
func gitStaged(g *gittest.Repo) (blobs []string) {
	head := map[string]bool{}
	if _, err := g.Try("", "rev-parse", "-q", "--verify", "HEAD"); err == nil {
		for line := range strings.SplitSeq(g.Git("ls-tree", "-r", "-z", "--full-tree", "HEAD"), "\x00") {
			if info, path, ok := strings.Cut(line, "\t"); ok {
				head[path+" "+strings.Fields(info)[2]] = true
			}
		}
	}
	empty := g.GitIn("", "hash-object", "--stdin")
	for line := range strings.SplitSeq(g.Git("ls-files", "--stage", "-z", "--full-name"), "\x00") {
		info, path, ok := strings.Cut(line, "\t")
		if !ok {
			continue
		}
		f := strings.Fields(info)
		if b := path + " " + f[1]; f[0] != "160000" && f[1] != empty && !head[b] {
			blobs = append(blobs, b)
		}
	}
	slices.Sort(blobs)
	return blobs
}

func checkStaged(t testing.TB, what string, g *gittest.Repo) {
	t.Helper()
	got, skips := stagedBlobs(t, openStaged(t, g.Dir, nil))
	if want := gitStaged(g); !slices.Equal(got, want) || len(skips) > 0 {
		t.Errorf("%s: staged are\n%s\nwant\n%s\nskips %v", what, strings.Join(got, "\n"), strings.Join(want, "\n"), skips)
	}
}

// Any index that git can be brought to write, blob for blob what git says.
func TestStagedGivesWhatGitWouldCommit(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		for _, shape := range []string{"2", "3", "4", "split", "untracked cache", "no cached tree", "packed"} {
			t.Run(format+" "+shape, func(t *testing.T) {
				t.Parallel()
				g := gittest.New(t, "--object-format="+format)
				checkStaged(t, "nothing at all", g)
				switch shape {
				case "3", "4":
					g.Git("config", "index.version", shape)
				case "split":
					g.Git("config", "core.splitIndex", "true")
				case "untracked cache":
					g.Git("update-index", "--force-untracked-cache")
				}
				change := stagedChanges(t, g, 11)
				for i := range 40 {
					what := change()
					switch {
					case shape == "no cached tree":
						g.Git("update-index", "--force-write-index") // leaves it out where it is invalid
					case shape == "packed" && i%10 == 5:
						g.Git("repack", "-adq")
					}
					checkStaged(t, fmt.Sprint(i, " ", what), g)
				}
			})
		}
	}
}

// stagedChanges gives a function that changes an index somehow.
func stagedChanges(t testing.TB, g *gittest.Repo, seed uint64) func() string {
	r := rulestest.Rand(seed)
	paths := []string{"a", "a-b", "a.d/x", "ab/c/d/e", "ab/c/f", "ab-c", "dir/0", "dir/sub/deep/er/file", "z/z/z"}
	n := 0
	pick := func() string { return paths[r.IntN(len(paths))] }
	free := func(path string) { // a file may stand where a directory is wanted, or the other way
		if err := os.RemoveAll(g.Path(path)); err != nil {
			t.Fatal(err)
		}
	}
	return func() string {
		n++
		p := pick()
		switch k := r.IntN(12); k {
		case 0:
			g.Commit(fmt.Sprint("commit ", n))
			return "commit"
		case 1:
			g.Git("rm", "-q", "--cached", "--ignore-unmatch", p)
			return "rm " + p
		case 2:
			free(p)
			if err := errors.Join(os.MkdirAll(filepath.Dir(g.Path(p)), 0o777), os.Symlink("to nowhere", g.Path(p))); err != nil {
				t.Fatal(err)
			}
			g.Git("add", "-A", p)
			return "link " + p
		case 3:
			g.Git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("12", oid.SHA1.Size())+strings.Repeat("0", len(g.GitIn("", "hash-object", "--stdin"))-40)+",module")
			return "submodule"
		case 4:
			free("new")
			g.Write("new", fmt.Sprint("intent ", n))
			g.Git("add", "-N", "new")
			return "intent to add"
		case 5:
			var in strings.Builder
			for stage := 1; stage <= 3; stage++ {
				fmt.Fprintf(&in, "100644 %s %d\t%s\n", g.GitIn(fmt.Sprint("side ", stage, n), "hash-object", "-w", "--stdin"), stage, "conflict")
			}
			g.GitIn("0 "+strings.Repeat("0", len(g.GitIn("", "hash-object", "--stdin")))+"\tconflict\n"+in.String(), "update-index", "--index-info")
			return "conflict"
		case 6:
			g.Git("read-tree", "--empty")
			return "empty index"
		case 7:
			if _, err := g.Try("", "read-tree", "HEAD"); err != nil {
				return "no HEAD"
			}
			return "index of HEAD"
		default:
			free(p)
			g.Write(p, fmt.Sprint("content ", r.IntN(4)))
			g.Git("add", "-A", p)
			return "write " + p
		}
	}
}

// A sparse index has whole directories as one entry.
func TestStagedReadsSparseIndexes(t *testing.T) {
	t.Parallel()
	g := gittest.New(t)
	for _, p := range []string{"in/a", "out/a", "out/b/c", "out/b/d", "far/x", "top"} {
		g.Write(p, "first "+p)
	}
	first := g.Commit("first")
	g.Write("out/b/c", "second")
	g.Write("far/y", "second")
	g.Commit("second")
	g.Git("sparse-checkout", "set", "--cone", "--sparse-index", "in")
	if g.Git("ls-files", "--sparse", "out/") != "out/" {
		t.Skip("this git writes no sparse index")
	}
	checkStaged(t, "clean", g)
	g.Write("in/a", "changed")
	g.Git("add", "in/a")
	checkStaged(t, "a file of the cone", g)
	// HEAD moves under the index: the sparse directories differ as trees.
	g.Git("update-ref", "HEAD", first)
	got, skips := stagedBlobs(t, openStaged(t, g.Dir, nil))
	want := []string{"far/y " + g.GitIn("second", "hash-object", "--stdin"), "in/a " + g.GitIn("changed", "hash-object", "--stdin"), "out/b/c " + g.GitIn("second", "hash-object", "--stdin")}
	if !slices.Equal(got, want) || len(skips) > 0 {
		t.Errorf("staged are\n%s\nwant\n%s\nskips %v", strings.Join(got, "\n"), strings.Join(want, "\n"), skips)
	}
}

// Whichever way git commit is called, the hook sees what that commit will hold.
func TestStagedInAHookSeesTheCommit(t *testing.T) {
	t.Parallel()
	g := gittest.New(t)
	g.Write("a", "first\n")
	g.Write("sub/b", "first\n")
	g.Commit("first")
	linked := filepath.Join(t.TempDir(), "linked")
	g.Git("worktree", "add", "-q", linked)
	seen := filepath.Join(t.TempDir(), "seen")
	g.Write(".git/hooks/pre-commit", "#!/bin/sh\nenv | grep ^GIT_ > '"+seen+"'\npwd >> '"+seen+"'\ncp \"$GIT_INDEX_FILE\" '"+seen+".index'\nexit 1\n")
	if err := os.Chmod(g.Path(".git", "hooks", "pre-commit"), 0o777); err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		args []string
		want string
	}{
		{[]string{}, "a"},
		{[]string{"-a"}, "a sub/b"},
		{[]string{"-i", "sub/b"}, "a sub/b"},
		{[]string{"--", "sub/b"}, "sub/b"},
		{[]string{"--amend"}, "a"},
	} {
		for _, w := range []*gittest.Repo{g, gittest.At(t, linked)} {
			w.Write("a", fmt.Sprint("staged ", i))
			w.Git("add", "a")
			w.Write("sub/b", fmt.Sprint("not staged ", i))
			if _, err := w.Try("", append([]string{"commit", "-m", "x"}, tt.args...)...); err == nil {
				t.Fatal("the hook did not run")
			}
			env := map[string]string{}
			dir := ""
			text, err := os.ReadFile(seen)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				dir = strings.TrimSuffix(line, "\n")
				if k, v, ok := strings.Cut(dir, "="); ok {
					env[k] = v
				}
			}
			// git takes its temporary index away when the hook has failed: put
			// it back where the hook was told that it is.
			index := env["GIT_INDEX_FILE"]
			if !filepath.IsAbs(index) {
				index = filepath.Join(dir, index)
			}
			keep, _ := os.ReadFile(index) // there is none after a lock
			data, err := os.ReadFile(seen + ".index")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(index, data, 0o600); err != nil {
				t.Fatal(err)
			}
			blobs, skips := stagedBlobs(t, openStaged(t, dir, env))
			var got []string
			for _, b := range blobs {
				path, _, _ := strings.Cut(b, " ")
				got = append(got, path)
			}
			if strings.Join(got, " ") != tt.want || len(skips) > 0 {
				t.Errorf("commit %v in %s: staged are %v, want %s; skips %v", tt.args, w.Dir, got, tt.want, skips)
			}
			if keep == nil {
				err = os.Remove(index)
			} else {
				err = os.WriteFile(index, keep, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What HEAD has in the same file is known; a secret that joins its ID is not.
func TestStagedTellsNewKeysFromKnownOnes(t *testing.T) {
	t.Parallel()
	r := rulestest.Rand(21)
	old, lone, fresh, moved := newKey(r), newKey(r), newKey(r), newKey(r)
	g := gittest.New(t)
	g.Write("env", old.lines()+"\naws_access_key_id = "+lone.id+"\n")
	g.Write("from", moved.lines())
	g.Commit("first")
	g.Write("env", "# a new first line\n"+old.lines()+"\n"+lone.lines())
	g.Write("sub/new", fresh.lines())
	g.Git("mv", "from", "to")
	g.Git("add", "-A")
	g.Write("sub/new", "not staged\n")
	found, sum := scanAll(t, 2, openStaged(t, g.Path("sub"), nil))
	want := map[string]string{lone.id: "env:5", fresh.id: "sub/new:1", moved.id: "to:1"}
	got := map[string]string{}
	for id, f := range found {
		p := f.First()
		got[id] = fmt.Sprintf("%s:%d", p.Path, p.At.Line)
		if p.Kind != Content || !p.Staged || p.Commit != nil || p.Object.IsZero() || f.Key.Secret.IsZero() || f.RefCount != 0 {
			t.Errorf("%s stands at %+v", id, p)
		}
	}
	if !maps.Equal(got, want) || sum.Known != 1 || sum.Findings != 3 || sum.Incomplete() {
		t.Errorf("found %v, want %v; summary %+v", got, want, sum)
	}
}

func TestStagedNamesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	g := gittest.New(t)
	g.Write("dir/kept", "kept\n")
	g.Write("top", "top\n")
	g.Commit("first")
	g.Write("dir/gone", "gone\n")
	g.Write("dir/read", "read\n")
	g.Git("add", "-A")
	remove := func(id string) {
		t.Helper()
		if err := os.Remove(g.Path(".git", "objects", id[:2], id[2:])); err != nil {
			t.Fatal(err)
		}
	}
	remove(g.Git("rev-parse", ":dir/gone"))
	blobs, skips := stagedBlobs(t, openStaged(t, g.Dir, nil))
	if len(blobs) != 1 || len(skips) != 1 || !errors.Is(skips[0], pack.ErrMissing) || !strings.HasPrefix(skips[0].Error(), "dir/gone: staged ") {
		t.Errorf("without a blob: %v, skips %v", blobs, skips)
	}
	// Without HEAD's tree, all below it is new, and the scan is not whole.
	remove(g.Git("rev-parse", "HEAD:dir"))
	blobs, skips = stagedBlobs(t, openStaged(t, g.Dir, nil))
	if len(blobs) != 2 || len(skips) != 2 {
		t.Errorf("without a tree: %v, skips %v", blobs, skips)
	}
	remove(g.Git("rev-parse", "HEAD"))
	for _, err := range openStaged(t, g.Dir, nil).Parts(t.Context()) {
		if !errors.Is(err, pack.ErrMissing) {
			t.Errorf("without HEAD: Parts = %v, want %v", err, pack.ErrMissing)
		}
	}
	if _, err := OpenStaged(t.TempDir(), Options{}); !errors.Is(err, ErrNotRepository) && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OpenStaged of no repository = %v", err)
	}
}

func TestStagedStopsWithItsContext(t *testing.T) {
	t.Parallel()
	g := gittest.New(t)
	g.Write("a", "a\n")
	g.Git("add", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range openStaged(t, g.Dir, nil).Parts(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Parts = %v, want %v", err, context.Canceled)
		}
	}
}
