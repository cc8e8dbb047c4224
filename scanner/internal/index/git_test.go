package index

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// repo is a repository built with the git program, in an environment that
// nothing on this machine reaches into.
type repo struct {
	t      testing.TB
	dir    string
	format oid.Format
}

func newRepo(t testing.TB, f oid.Format) *repo {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git program to compare with")
	}
	r := &repo{t: t, dir: t.TempDir(), format: f}
	r.git("init", "-q", "--object-format="+f.String())
	return r
}

func (r *repo) git(args ...string) string { return r.gitInput("", args...) }

func (r *repo) gitInput(in string, args ...string) string {
	r.t.Helper()
	out, err := r.try(in, args...)
	if err != nil {
		r.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return out
}

func (r *repo) try(in string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE=1700000000 +0000",
		"GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@example.com", "GIT_COMMITTER_DATE=1700000000 +0000",
	}
	cmd.Stdin = strings.NewReader(in)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return errOut.String(), err
	}
	return out.String(), nil
}

func (r *repo) write(path, text string) {
	r.t.Helper()
	full := filepath.Join(r.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o666); err != nil {
		r.t.Fatal(err)
	}
}

func (r *repo) indexPath() string { return filepath.Join(r.dir, ".git", "index") }

// lsFiles is what git says the index holds, in our types.
func (r *repo) lsFiles() []Entry {
	r.t.Helper()
	out := r.git("ls-files", "--stage", "--debug", "--sparse", "-z")
	var entries []Entry
	for out != "" {
		var e Entry
		head, rest, _ := strings.Cut(out, "\t")
		e.Path, rest, _ = strings.Cut(rest, "\x00")
		var id string
		if _, err := fmt.Sscanf(head, "%o %s %d", &e.Mode, &id, &e.Stage); err != nil {
			r.t.Fatalf("git ls-files printed %q: %v", head, err)
		}
		e.ID, _ = oid.Parse(id)
		lines := strings.SplitN(rest, "\n", 6)
		out = lines[5]
		s, flags := &e.Stat, uint32(0)
		_, err := fmt.Sscanf(strings.Join(lines[:5], "\n"),
			"  ctime: %d:%d\n  mtime: %d:%d\n  dev: %d\tino: %d\n  uid: %d\tgid: %d\n  size: %d\tflags: %x",
			&s.CTime.Sec, &s.CTime.Nsec, &s.MTime.Sec, &s.MTime.Nsec,
			&s.Dev, &s.Ino, &s.UID, &s.GID, &s.SizeBytes, &flags)
		if err != nil {
			r.t.Fatalf("git ls-files printed %q: %v", lines[:5], err)
		}
		// The bits as Git holds them in memory: cache.h, CE_VALID and below.
		e.AssumeValid = flags&0x8000 != 0
		e.IntentToAdd = flags&(1<<29) != 0
		e.SkipWorktree = flags&(1<<30) != 0
		entries = append(entries, e)
	}
	return entries
}

// check reads the index and compares it with git, entry for entry.
func (r *repo) check() *Index {
	r.t.Helper()
	want := r.lsFiles()
	ix, err := Read(r.indexPath(), r.format)
	if err != nil {
		r.t.Fatalf("Read: %v", err)
	}
	if len(ix.Entries) != len(want) {
		r.t.Fatalf("Read gave %d entries, git %d", len(ix.Entries), len(want))
	}
	for i := range want {
		if ix.Entries[i] != want[i] {
			r.t.Errorf("entry %d = %+v, want %+v", i, ix.Entries[i], want[i])
		}
	}
	if err := List(r.indexPath(), r.format, func(l *Listing) error { checkListing(r.t, l, ix); return nil }); err != nil {
		r.t.Errorf("List: %v", err)
	}
	checkNames(r.t, r.indexPath(), r.format)
	info, err := os.Stat(r.indexPath())
	if err != nil || !ix.ModTime.Equal(info.ModTime()) {
		r.t.Errorf("ModTime = %v, want %v (%v)", ix.ModTime, info.ModTime(), err)
	}
	return ix
}

// fill writes files whose names try the path encodings: shared prefixes, none,
// bytes that sort around the slash, and one too long for the length in the flags.
func (r *repo) fill() {
	r.t.Helper()
	for _, name := range []string{
		"A", "a-b", "a.b", "a/b", "a/b2", "a/c/d", "a0", "b/\xff\xfe", "b/new\nline", "b/tab\t",
		"c/" + strings.Repeat("long/", 20) + "x", "z", "é/ü",
	} {
		r.write(name, "content of "+name)
	}
	if err := os.Symlink("A", filepath.Join(r.dir, "link")); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(r.dir, "z"), 0o777); err != nil {
		r.t.Fatal(err)
	}
	r.git("add", ".")
	blob := strings.TrimSpace(r.gitInput("x", "hash-object", "-w", "--stdin"))
	for _, n := range []int{flagNameMask - 1, flagNameMask, flagNameMask + 1, 5000} {
		path := "long/" + strings.Repeat("n", n-5)
		r.gitInput("100644 "+blob+"\t"+path+"\n", "update-index", "--index-info")
	}
}
