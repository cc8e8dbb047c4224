package gitdir

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// wantRevisions holds names against `git rev-parse --verify`.
func wantRevisions(t *testing.T, dir string, names ...string) {
	t.Helper()
	r := discover(t, dir, Env{})
	for _, name := range names {
		want, gitErr := runGit(t, dir, nil, "rev-parse", "--verify", "-q", name)
		got, err := r.ResolveRevision(name)
		if (err == nil) != (gitErr == nil) || err == nil && got.String() != want {
			t.Errorf("ResolveRevision(%q) = %v, %v; git says %q, %v", name, got, err, want, gitErr)
		}
	}
}

func TestResolveRevisionAsGit(t *testing.T) {
	for _, storage := range []string{"files", "reftable"} {
		for _, format := range []string{"sha1", "sha256"} {
			t.Run(storage+"/"+format, func(t *testing.T) {
				dir := filepath.Join(tempDir(t), "repo")
				refStorageRepo(t, dir, storage, "--object-format="+format)
				git(t, dir, "branch", "both")
				git(t, dir, "commit", "-q", "--allow-empty", "-m", "second")
				git(t, dir, "tag", "both")
				git(t, dir, "tag", "-m", "note", "noted")
				git(t, dir, "branch", "deep/er")
				git(t, dir, "update-ref", "refs/remotes/origin/main", "HEAD~1")
				git(t, dir, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
				git(t, dir, "symbolic-ref", "refs/tags/nowhere", "refs/heads/none")
				git(t, dir, "update-ref", "refs/heads/nowhere", "HEAD")
				git(t, dir, "update-ref", "refs/top", "HEAD~1")
				git(t, dir, "fetch", "-q", ".", "both")
				git(t, dir, "pack-refs", "--all")
				git(t, dir, "branch", "later")
				wantRevisions(t, dir, "HEAD", "@", "main", "both", "heads/both", "tags/both", "refs/heads/both", "noted", "deep/er", "origin/main", "origin", "remotes/origin",
					"nowhere", "top", "later", "FETCH_HEAD", "ORIG_HEAD", "none", "config", "../HEAD", "refs/../HEAD", "head", git(t, dir, "rev-parse", "HEAD"), strings.ToUpper(git(t, dir, "rev-parse", "HEAD~1")))
				_, err := discover(t, dir, Env{}).ResolveRevision("none")
				if h, ok := errors.AsType[*hinted](err); !errors.Is(err, ErrUnknownRevision) || !ok || h.Hint() == "" {
					t.Errorf("ResolveRevision(none) = %v, want %v with a hint", err, ErrUnknownRevision)
				}
			})
		}
	}
}

func TestParseRevSplitsNameFromSteps(t *testing.T) {
	for _, tt := range []struct{ in, base, suffix string }{
		{"main", "main", ""},
		{"main~3", "main", "~3"},
		{"v1^{}", "v1", "^{}"},
		{"a/b^2~1", "a/b", "^2~1"},
		{"@", "HEAD", ""},
		{"@~1", "HEAD", "~1"},
		{"@{1}", "HEAD", "@{1}"},
		{"main@{upstream}~2", "main", "@{upstream}~2"},
		{"HEAD:a@{b", "HEAD", ":a@{b"},
		{"a@b", "a@b", ""},
		{"HEAD^:x..y", "HEAD", "^:x..y"},
		{"", "", ""},
		{":/text", "", ""},
		{"^main", "", ""},
		{"~1", "", ""},
		{"-x", "", ""},
		{"a..b", "", ""},
		{"a\x00b", "", ""},
		{":0:file", "", ""},
	} {
		rev, err := ParseRev(tt.in)
		if (err == nil) != (tt.base != "") || rev.Base != tt.base || rev.Suffix != tt.suffix {
			t.Errorf("ParseRev(%q) = %+v, %v, want %q and %q", tt.in, rev, err, tt.base, tt.suffix)
		}
	}
}

func TestBrokenReferenceIsNotUnknown(t *testing.T) {
	dir := busyRepo(t)
	write(t, filepath.Join(dir, ".git", "refs", "heads", "broken"), "what")
	r := discover(t, dir, Env{})
	if _, err := r.ResolveRevision("broken"); !errors.Is(err, errNotRef) || errors.Is(err, ErrUnknownRevision) {
		t.Errorf("ResolveRevision(broken) = %v, want %v", err, errNotRef)
	}
	write(t, filepath.Join(dir, ".git", "HEAD"), "ref: refs/heads/broken")
	if _, err := r.Head(); !errors.Is(err, errNotRef) {
		t.Errorf("Head() = %v, want %v", err, errNotRef)
	}
}

func TestShallowListsTheCutCommits(t *testing.T) {
	top := tempDir(t)
	dir := filepath.Join(top, "repo")
	initRepo(t, dir)
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "second")
	git(t, top, "clone", "-q", "--depth=1", "file://"+dir, "cut")
	cut := filepath.Join(top, "cut")
	r := discover(t, cut, Env{})
	got, err := r.Shallow()
	if err != nil || len(got) != 1 || got[0].String() != git(t, cut, "rev-parse", "HEAD") {
		t.Errorf("Shallow() = %v, %v, want HEAD", got, err)
	}
	if got, err := discover(t, dir, Env{}).Shallow(); err != nil || got != nil {
		t.Errorf("Shallow() of a whole clone = %v, %v", got, err)
	}
	for _, text := range []string{"junk\n", got[0].String() + "0\n", got[0].String() + "\n\n", strings.Repeat("a", maxShallowLine+1)} {
		write(t, filepath.Join(cut, ".git", "shallow"), text)
		if list, err := r.Shallow(); err == nil || list != nil {
			t.Errorf("Shallow() with %.50q = %v, %v, want an error", text, list, err)
		}
	}
}
