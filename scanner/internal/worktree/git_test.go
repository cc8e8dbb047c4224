package worktree

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/index"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// repo is a repository built with the git program, in an environment that
// nothing on this machine reaches into.
type repo struct {
	t   testing.TB
	dir string
}

func newRepo(t testing.TB, dir string) *repo {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git program to compare with")
	}
	r := &repo{t: t, dir: dir}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	r.git("", "init", "-q", "--template=")
	return r
}

func (r *repo) git(in string, args ...string) string {
	r.t.Helper()
	out, errOut, err := r.try(in, args...)
	if err != nil {
		r.t.Fatalf("git %q: %v\n%s", args, err, errOut)
	}
	return out
}

func (r *repo) try(in string, args ...string) (out, errOut string, err error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE=1700000000 +0000",
		"GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@example.com", "GIT_COMMITTER_DATE=1700000000 +0000",
	}
	cmd.Stdin = strings.NewReader(in)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

// list runs git ls-files and replaces nested repositories, which git names but
// does not enter, by their own files.
func (r *repo) list(excludes string, args ...string) []string {
	r.t.Helper()
	all := append([]string{"-c", "core.excludesFile=" + excludes, "ls-files", "-z"}, args...)
	var paths []string
	for path := range strings.SplitSeq(strings.TrimSuffix(r.git("", all...), "\x00"), "\x00") {
		full := filepath.Join(r.dir, path)
		info, err := os.Lstat(full)
		if path == "" || err != nil {
			continue // tracked, but deleted
		}
		if !info.IsDir() {
			paths = append(paths, path)
			continue
		}
		path = strings.TrimSuffix(path, "/")
		nested := repo{r.t, full}
		for _, p := range nested.list(excludes, args...) {
			paths = append(paths, path+"/"+p)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

func (r *repo) tracked() []index.Name {
	r.t.Helper()
	names, err := index.Names(filepath.Join(r.dir, ".git", "index"), oid.SHA1)
	if err != nil {
		r.t.Fatal(err)
	}
	return names
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// walked is what a walk gave.
type walked struct {
	files []File
	skips map[string]error
}

func (w walked) paths(keep func(File) bool) []string {
	var out []string
	for _, f := range w.files {
		if keep == nil || keep(f) {
			out = append(out, f.Path)
		}
	}
	return out
}

// walk walks and checks what holds for every walk.
func walk(t testing.TB, root string, o Options) walked {
	t.Helper()
	w := walked{skips: map[string]error{}}
	err := Walk(t.Context(), root, o, func(f File) error {
		w.files = append(w.files, f)
		return nil
	}, func(path string, err error) {
		if err == nil || w.skips[path] != nil {
			t.Errorf("skip(%q, %v), before that %v", path, err, w.skips[path])
		}
		w.skips[path] = err
	})
	if err != nil {
		t.Errorf("Walk: %v", err)
	}
	for i, f := range w.files {
		if i > 0 && w.files[i-1].Path >= f.Path {
			t.Errorf("Walk gave %q after %q", f.Path, w.files[i-1].Path)
		}
		if f.Tracked && f.Ignored {
			t.Errorf("Walk gave %+v, which contradicts itself", f)
		}
	}
	return w
}

func diff(t testing.TB, what string, got, want []string) bool {
	t.Helper()
	if slices.Equal(got, want) {
		return true
	}
	for _, p := range got {
		if !slices.Contains(want, p) {
			t.Errorf("%s: %q is one too many", what, p)
		}
	}
	for _, p := range want {
		if !slices.Contains(got, p) {
			t.Errorf("%s: %q is missing", what, p)
		}
	}
	return false
}
