package gitdir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

func TestWorktreesAreWhatGitLists(t *testing.T) {
	for _, storage := range []string{"files", "reftable"} {
		t.Run(storage, func(t *testing.T) {
			top := tempDir(t)
			dir := filepath.Join(top, "repo")
			refStorageRepo(t, dir, storage)
			git(t, dir, "worktree", "add", "-q", "../one", "-b", "one")
			git(t, dir, "worktree", "add", "-q", "--detach", "../two")
			git(t, dir, "worktree", "add", "-q", "../gone", "-b", "gone")
			git(t, dir, "worktree", "lock", "../two")
			if err := os.RemoveAll(filepath.Join(top, "gone")); err != nil {
				t.Fatal(err)
			}
			// As extensions.relativeWorktrees writes it.
			write(t, filepath.Join(dir, ".git", "worktrees", "one", "gitdir"), "../../../../one/.git\n")
			for _, from := range []string{dir, filepath.Join(top, "one")} {
				list, bad := discover(t, from, Env{}).Worktrees()
				if len(bad) > 0 {
					t.Errorf("Worktrees() problems = %v", bad)
				}
				var got []string
				for _, wt := range list {
					got = append(got, porcelain(wt))
					if wt.Missing {
						continue
					}
					if want := realPath(git(t, wt.Path, "rev-parse", "--path-format=absolute", "--git-path", "index")); wt.IndexFile != want {
						t.Errorf("work tree %q has index %q, want %q", wt.Name, wt.IndexFile, want)
					}
				}
				want := strings.Split(git(t, dir, "worktree", "list", "--porcelain"), "\n\n")
				for i := range want {
					want[i] = strings.TrimSpace(want[i])
					if storage == "files" {
						want[i] = strings.ReplaceAll(want[i], filepath.Join(dir, ".git", "worktrees", "one")+"/../../../../", top+"/")
						want[i] = strings.ReplaceAll(want[i], "worktree ../../../../one", "worktree "+filepath.Join(top, "one"))
						if strings.HasSuffix(strings.SplitN(want[i], "\n", 2)[0], "/one") {
							want[i] = strings.Split(want[i], "\nprunable")[0] // gits before 2.48 read the path otherwise
						}
					}
				}
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("Worktrees() from %s =\n%s\nwant\n%s", from, strings.Join(got, "\n\n"), strings.Join(want, "\n\n"))
				}
			}
		})
	}
}

// porcelain prints a work tree as `git worktree list --porcelain` does.
func porcelain(wt Worktree) string {
	s := fmt.Sprintf("worktree %s\nHEAD %s\n", wt.Path, wt.Head.Target)
	if wt.Head.Symbolic != "" {
		s += "branch " + wt.Head.Symbolic
	} else {
		s += "detached"
	}
	if wt.Locked {
		s += "\nlocked"
	}
	if wt.Missing {
		s += "\nprunable gitdir file points to non-existent location"
	}
	return s
}

func TestMainWorktreeIsSeenFromALinkedOne(t *testing.T) {
	top := tempDir(t)
	dir := filepath.Join(top, "repo")
	initRepo(t, dir)
	git(t, dir, "worktree", "add", "-q", "../linked")
	mkdir(t, filepath.Join(top, "moved"))
	for config, want := range map[string]string{"worktree = ../../moved": filepath.Join(top, "moved"), "bare = true": "", "bare = false": dir} {
		write(t, filepath.Join(dir, ".git", "config"), "[core]\nrepositoryformatversion = 0\n"+config+"\n")
		list, bad := discover(t, filepath.Join(top, "linked"), Env{}).Worktrees()
		if len(bad) > 0 || len(list) != 2 || list[0].Path != want {
			t.Errorf("Worktrees() with %q = %+v, %v, want main at %q", config, list, bad, want)
		}
	}
}

func TestWorktreesNameDamage(t *testing.T) {
	dir := busyRepo(t)
	entries := filepath.Join(dir, ".git", "worktrees")
	write(t, filepath.Join(entries, "norecord", "HEAD"), "ref: refs/heads/main\n")
	write(t, filepath.Join(entries, "nohead", "gitdir"), "/nowhere/.git\n")
	write(t, filepath.Join(entries, "huge", "gitdir"), strings.Repeat("a", maxGitFile+1))
	write(t, filepath.Join(entries, "nul", "gitdir"), "a\x00b")
	write(t, filepath.Join(entries, "file"), "no directory")
	list, bad := discover(t, dir, Env{}).Worktrees()
	if len(list) != 2 || list[1].Name != "nohead" || !list[1].Missing {
		t.Errorf("Worktrees() = %+v, want main and nohead", list)
	}
	if len(bad) != 4 {
		t.Errorf("Worktrees() problems = %v, want 4", bad)
	}
}

func TestMainWorktreeOfBareRepositoryHasNoPath(t *testing.T) {
	top := tempDir(t)
	dir := filepath.Join(top, "repo")
	initRepo(t, dir)
	git(t, top, "clone", "-q", "--bare", dir, "bare.git")
	git(t, filepath.Join(top, "bare.git"), "worktree", "add", "-q", "../linked")
	for _, from := range []string{"bare.git", "linked"} {
		list, bad := discover(t, filepath.Join(top, from), Env{}).Worktrees()
		if len(bad) > 0 || len(list) != 2 || list[0].Path != "" || list[1].Path != filepath.Join(top, "linked") {
			t.Errorf("Worktrees() from %s = %+v, %v", from, list, bad)
		}
	}
}

type logLine struct{ worktree, ref, old, new, who, message string }

func readLogs(t testing.TB, r *Repo) []logLine {
	t.Helper()
	var got []logLine
	for e, err := range r.Reflogs() {
		if err != nil {
			t.Errorf("Reflogs(): %v", err)
			continue
		}
		got = append(got, logLine{e.Worktree, e.Ref, e.Old.String(), e.New.String(), string(e.Who), string(e.Message)})
	}
	return got
}

func TestReflogsAreWhatGitShows(t *testing.T) {
	for _, storage := range []string{"files", "reftable"} {
		for _, format := range []string{"sha1", "sha256"} {
			t.Run(storage+"/"+format, func(t *testing.T) {
				dir := filepath.Join(tempDir(t), "repo")
				refStorageRepo(t, dir, storage, "--object-format="+format)
				for i := range 12 {
					git(t, dir, "commit", "-q", "--allow-empty", "-m", fmt.Sprintf("commit %d with a tab\there", i))
				}
				git(t, dir, "branch", "topic/x")
				git(t, dir, "worktree", "add", "-q", "../linked", "-b", "side")
				linked := filepath.Join(filepath.Dir(dir), "linked")
				git(t, linked, "commit", "-q", "--allow-empty", "-m", "side")
				lines := readLogs(t, discover(t, linked, Env{}))
				for _, log := range []struct{ dir, worktree, ref string }{
					{dir, "", "HEAD"}, {dir, "", "refs/heads/main"}, {dir, "", "refs/heads/topic/x"}, {dir, "", "refs/heads/side"}, {linked, "linked", "HEAD"},
				} {
					var got []string
					for _, l := range lines {
						if l.worktree == log.worktree && l.ref == log.ref {
							got = append(got, l.new+" "+l.who+" "+l.message)
						}
					}
					want := strings.Split(git(t, log.dir, "reflog", "show", "--date=raw", "--format=%H %gn <%ge> %gd %gs", log.ref), "\n")
					for i := range want {
						at, end := strings.Index(want[i], "> "), strings.Index(want[i], "}")
						time := want[i][strings.Index(want[i], "@{")+2 : end]
						want[i] = want[i][:at+2] + time + want[i][end+1:]
					}
					slices.Sort(got)
					slices.Sort(want)
					if !slices.Equal(got, want) {
						t.Errorf("reflog of %s in %q =\n%s\nwant\n%s", log.ref, log.worktree, strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
				}
			})
		}
	}
}

func TestReflogsGoOnBehindBadLines(t *testing.T) {
	dir := filepath.Join(tempDir(t), "repo")
	initRepo(t, dir)
	a, b := sampleID(oid.SHA1, 1).String(), sampleID(oid.SHA1, 2).String()
	path := filepath.Join(dir, ".git", "logs", "refs", "heads", "odd")
	write(t, path, strings.Join([]string{
		a + " " + b + " A <a@example.com> 1 +0000\tfirst", "junk", a + " " + b[:39], strings.Repeat("x", maxLogLine+5),
		a + " " + b + " A <a@example.com> 2 +0000", a + " " + b + " A\tcut off",
	}, "\n"))
	write(t, filepath.Join(filepath.Dir(path), "x.lock"), "ignored")
	var got []string
	for e, err := range discover(t, dir, Env{}).Reflogs() {
		if p, ok := errors.AsType[Problem](err); ok {
			got = append(got, fmt.Sprintf("problem %d", p.Line))
		} else if e.Ref == "refs/heads/odd" {
			got = append(got, string(e.Message))
		}
	}
	if want := []string{"first", "problem 2", "problem 3", "problem 4", "", "cut off"}; !slices.Equal(got, want) {
		t.Errorf("Reflogs() = %q, want %q", got, want)
	}
	n := 0
	for range discover(t, dir, Env{}).Reflogs() {
		if n++; n == 2 {
			break // must end the walk, and not panic
		}
	}
}

func FuzzReflogLine(f *testing.F) {
	a := sampleID(oid.SHA1, 1).String()
	f.Add([]byte(a + " " + a + " A <a@example.com> 1 +0000\tmessage"))
	f.Add([]byte(a + " " + a + " "))
	f.Fuzz(func(t *testing.T, line []byte) {
		if e, ok := parseLogLine(line, oid.SHA1); ok && !bytes.HasSuffix(line, e.Message) {
			t.Errorf("parseLogLine(%q) = %+v", line, e)
		}
	})
}
