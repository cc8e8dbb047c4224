//go:build unix

package index

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// kinds are the ways an index comes to be, each from a filled repository.
var kinds = []struct {
	name  string
	build func(r *repo)
}{
	{"plain", func(*repo) {}},
	{"empty", func(r *repo) { r.git("rm", "-rqf", "--cached", ".") }},
	{"flags", func(r *repo) {
		r.git("update-index", "--assume-unchanged", "A", "a/b")
		r.git("update-index", "--skip-worktree", "a-b", "a/b")
		r.write("soon", "x")
		r.git("add", "-N", "soon")
	}},
	{"untracked cache", func(r *repo) {
		r.git("update-index", "--force-untracked-cache")
		r.git("status")
	}},
	{"gitlink", func(r *repo) {
		id := strings.Repeat("12", r.format.Size())
		r.git("update-index", "--add", "--cacheinfo", "160000,"+id+",sub/module")
	}},
	{"conflict", func(r *repo) { conflict(r) }},
	{"resolved conflict", func(r *repo) {
		conflict(r)
		r.write("a/b", "resolved")
		r.git("add", "a/b")
	}},
	{"split", func(r *repo) { r.git("update-index", "--split-index") }},
	{"split and changed", func(r *repo) {
		r.git("config", "splitIndex.maxPercentChange", "100")
		r.git("update-index", "--split-index")
		r.write("a/b", "longer than before, surely")
		r.write("0 first", "x")
		r.write("m/middle", "y")
		r.git("rm", "-q", "--cached", "a-b", "a/c/d")
		r.git("add", ".")
		r.git("update-index", "--assume-unchanged", "z")
	}},
	{"split and conflicting", func(r *repo) {
		r.git("config", "splitIndex.maxPercentChange", "100")
		r.git("update-index", "--split-index")
		conflict(r)
	}},
	{"sparse", func(r *repo) {
		r.git("rm", "-q", "--cached", "-r", "long") // too long to check out
		r.git("commit", "-q", "-m", "x")
		r.git("sparse-checkout", "set", "--cone", "--sparse-index", "b")
	}},
}

// conflict leaves a/b with stages 1 to 3 and a/b2 with 1 and 3.
func conflict(r *repo) {
	in := "0 " + strings.Repeat("00", r.format.Size()) + "\ta/b\n0 " + strings.Repeat("00", r.format.Size()) + "\ta/b2\n"
	for _, line := range []string{"1\ta/b", "2\ta/b", "3\ta/b", "1\ta/b2", "3\ta/b2"} {
		in += "100644 " + strings.TrimSpace(r.gitInput(line, "hash-object", "-w", "--stdin")) + " " + line + "\n"
	}
	r.gitInput(in, "update-index", "--index-info")
}

func TestReadAgreesWithGit(t *testing.T) {
	for _, f := range []oid.Format{oid.SHA1, oid.SHA256} {
		for _, version := range []string{"2", "4"} {
			for _, kind := range kinds {
				t.Run(f.String()+"/v"+version+"/"+kind.name, func(t *testing.T) {
					t.Parallel()
					r := newRepo(t, f)
					r.git("config", "index.version", version)
					r.fill()
					kind.build(r)
					r.git("update-index", "--index-version", version)
					ix := r.check()
					checkKind(t, r, kind.name, version, ix)
				})
			}
		}
	}
}

// checkKind makes sure that a kind is what its name says: comparing with git
// proves nothing when git wrote a plain index after all.
func checkKind(t *testing.T, r *repo, kind, version string, ix *Index) {
	t.Helper()
	wantVersion := int(version[0] - '0')
	stages, trees, flags := 0, 0, 0
	for _, e := range ix.Entries {
		if e.Stage != 0 {
			stages++
		}
		if e.Mode == ModeTree && strings.HasSuffix(e.Path, "/") && e.SkipWorktree {
			trees++
		}
		if e.IntentToAdd || e.SkipWorktree {
			flags++
		}
	}
	if flags > 0 && wantVersion == 2 {
		wantVersion = 3
	}
	if ix.Version != wantVersion {
		t.Errorf("Version = %d, want %d", ix.Version, wantVersion)
	}
	if got, want := ix.Split, strings.HasPrefix(kind, "split"); got != want {
		t.Errorf("Split = %v, want %v", got, want)
	}
	if got, want := ix.Sparse && trees > 0, kind == "sparse"; got != want {
		t.Errorf("Sparse = %v with %d directory entries, want %v", ix.Sparse, trees, want)
	}
	if got, want := stages > 0, strings.Contains(kind, "conflict"); got != want {
		t.Errorf("%d entries with stages, want some: %v", stages, want)
	}
	if kind == "flags" && flags < 3 {
		t.Errorf("%d entries with flags, want 3", flags)
	}
	raw, err := os.ReadFile(r.indexPath())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"untracked cache": "UNTR", "resolved conflict": "REUC", "sparse": "sdir",
		"split": "link", "split and changed": "link", "split and conflicting": "link",
	}[kind]
	if !strings.Contains(string(raw), want) {
		t.Errorf("the file has no %s extension", want)
	}
}

// Git writes EOIE and IEOT only for large indexes; the limit is lowered here.
func TestReadSkipsThreadExtensions(t *testing.T) {
	for _, version := range []string{"2", "4"} {
		r := newRepo(t, oid.SHA1)
		r.fill()
		var in strings.Builder
		blob := strings.TrimSpace(r.gitInput("x", "hash-object", "-w", "--stdin"))
		for i := range 25_000 {
			in.WriteString("100644 " + blob + "\tdir" + string(rune('a'+i%26)) + "/" + strings.Repeat("f", i%40) + strconv.Itoa(i) + "\n")
		}
		r.git("config", "index.threads", "4")
		r.git("config", "index.version", version)
		r.gitInput(in.String(), "update-index", "--index-info")
		r.git("update-index", "--index-version", version)
		r.check()
		raw, err := os.ReadFile(r.indexPath())
		if err != nil {
			t.Fatal(err)
		}
		for _, ext := range []string{"EOIE", "IEOT"} {
			if !strings.Contains(string(raw), ext) {
				t.Errorf("version %s: the file has no %s extension", version, ext)
			}
		}
	}
}

func TestTreeAgreesWithGit(t *testing.T) {
	r := newRepo(t, oid.SHA1)
	r.fill()
	r.git("rm", "-q", "--cached", "-r", "long")
	root := strings.TrimSpace(r.git("write-tree"))
	r.write("a/c/new", "x") // marks a and a/c as out of date
	r.git("add", "a/c/new")
	ix := r.check()
	if len(ix.Tree) == 0 {
		t.Fatal("Tree is empty")
	}
	valid, stale := 0, 0
	var walk func(i int, dir string) int
	walk = func(i int, dir string) int {
		node := ix.Tree[i]
		dir = path.Join(dir, node.Name)
		if node.Entries < 0 {
			stale++
		} else {
			valid++
			if want := strings.TrimSpace(r.git("rev-parse", root+":"+dir)); node.ID.String() != want {
				t.Errorf("Tree[%q] = %v, want %s", dir, node.ID, want)
			}
			files := strings.Count(r.git("ls-files", "-z", "--", dir), "\x00")
			if node.Entries != files {
				t.Errorf("Tree[%q] has %d entries, want %d", dir, node.Entries, files)
			}
		}
		at := i + 1
		for range node.Children {
			at = walk(at, dir)
		}
		if at != node.Next {
			t.Errorf("Tree[%q].Next = %d, want %d", dir, node.Next, at)
		}
		return at
	}
	if end := walk(0, ""); end != len(ix.Tree) {
		t.Errorf("the root's subtree ends at %d of %d", end, len(ix.Tree))
	}
	if valid < 5 || stale != 3 {
		t.Errorf("Tree has %d valid nodes and %d stale ones, want at least 5 and 3", valid, stale)
	}
}

func TestReadOfNoFileIsEmpty(t *testing.T) {
	ix, err := Read(filepath.Join(t.TempDir(), "index"), oid.SHA1)
	if err != nil || ix == nil || ix.Version != 0 || len(ix.Entries) != 0 {
		t.Errorf("Read(no file) = %+v, %v, want an empty index", ix, err)
	}
}

func TestReadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/dev/zero", link); err != nil {
		t.Fatal(err)
	}
	huge := filepath.Join(dir, "huge")
	if err := os.WriteFile(huge, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, maxFileSize+1); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{fifo: ErrNotIndex, link: ErrNotIndex, dir: ErrNotIndex, huge: ErrTooLarge} {
		if _, err := Read(name, oid.SHA1); !errors.Is(err, want) {
			t.Errorf("Read(%s) error = %v, want %v", filepath.Base(name), err, want)
		}
	}
}

func TestReadWithoutSharedIndexFails(t *testing.T) {
	r := newRepo(t, oid.SHA1)
	r.fill()
	r.git("update-index", "--split-index")
	names, err := filepath.Glob(filepath.Join(r.dir, ".git", "sharedindex.*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("shared indexes: %q, %v", names, err)
	}
	data, err := os.ReadFile(r.indexPath())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(data, oid.SHA1, nil); !errors.Is(err, ErrShared) {
		t.Errorf("Parse without shared: error = %v, want %v", err, ErrShared)
	}
	// The index itself is a sound file, but not the one asked for.
	if err := os.WriteFile(names[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(r.indexPath(), oid.SHA1); !errors.Is(err, ErrShared) {
		t.Errorf("Read with a wrong shared index: error = %v, want %v", err, ErrShared)
	}
	if err := os.Remove(names[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(r.indexPath(), oid.SHA1); !errors.Is(err, ErrShared) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Read without the shared index: error = %v, want %v and %v", err, ErrShared, os.ErrNotExist)
	}
}
