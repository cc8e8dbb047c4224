package scanner

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
)

func TestChosenFindsJustWhatTheRangeAdds(t *testing.T) {
	r := rulestest.Rand(23)
	before, added, moved, merged, message := newKey(r), newKey(r), newKey(r), newKey(r), newKey(r)
	g := gittest.New(t)
	g.Write("old", before.lines())
	g.Write("move-me", moved.lines())
	base := g.Commit("base")
	g.Git("tag", "base")
	g.Write("old", "another line\n"+before.lines())
	g.Commit("edits a file with an old key")
	g.Write("new", added.lines())
	addedAt := g.Commit("adds " + "\n\n" + message.lines())
	g.Remove("new")
	g.Git("mv", "move-me", "moved")
	g.Commit("removes and moves")
	g.Git("checkout", "-q", "-b", "side", "base")
	g.Write("side", "side\n")
	g.Commit("side")
	g.Git("checkout", "-q", "main")
	g.Tick()
	g.Git("merge", "-q", "--no-commit", "--no-ff", "side")
	g.Write("evil", merged.lines())
	mergedAt := g.Commit("merge")
	repo := openRepo(t, g.Dir)
	scan := func(c Choice) (map[string]Finding, Summary) {
		t.Helper()
		src, err := repo.Chosen(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return scanAll(t, 2, src)
	}
	for _, spec := range []string{"base..main", base + "..", base[:10] + "..HEAD", "main~4..main^{commit}", "base..." + "main"} {
		found, sum := scan(Choice{Range: spec})
		if len(found) != 4 || sum.Known != 1 || sum.Commits != 5 || sum.Incomplete() {
			t.Errorf("%s: %d findings, %d known, %d commits, skipped %v", spec, len(found), sum.Known, sum.Commits, sum.Skips)
		}
		for k, want := range map[key]string{added: addedAt, message: addedAt, merged: mergedAt} {
			if f := found[k.id]; len(f.Places) == 0 || f.First().Commit.ID.String() != want {
				t.Errorf("%s: %s is placed at %+v, want commit %s", spec, k.id, f.Places, want)
			}
		}
		if f := found[moved.id]; len(f.Places) != 1 || f.First().Path != "moved" {
			t.Errorf("%s: the moved key is placed at %+v", spec, f.Places)
		}
	}
	if found, sum := scan(Choice{Range: "main..main"}); len(found) != 0 || sum.Commits != 0 {
		t.Errorf("an empty range finds %d in %d commits", len(found), sum.Commits)
	}
	if found, _ := scan(Choice{Branches: []string{"side"}}); len(found) != 2 {
		t.Errorf("branch side: %d findings, want 2", len(found))
	}
	since := time.Date(2020, 1, 1, 14, 30, 0, 0, time.UTC) // after the second commit
	if found, sum := scan(Choice{Since: since}); len(found) != 4 || sum.Commits != 4 {
		t.Errorf("since: %d findings in %d commits, want 4 in 4", len(found), sum.Commits)
	}
	for _, bad := range []string{"nowhere..main", "main", "base..deadbeef", "base..main~99", "..main:old"} {
		if _, err := repo.Chosen(t.Context(), Choice{Range: bad}); err == nil {
			t.Errorf("range %q gave no error", bad)
		}
	}
}

func TestMissingObjectsAreNamedWhenHistoryNeedsThem(t *testing.T) {
	g := gittest.New(t)
	g.Write("f", "content\n")
	g.Write("d/g", "other\n")
	g.Commit("first")
	blob := g.Git("rev-parse", "HEAD:d/g")
	g.Write("d/g", "third\n")
	g.Commit("second")
	if err := os.Remove(g.Path(".git", "objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	_, sum := scanAll(t, 2, openRepo(t, g.Dir).History())
	if !sum.Incomplete() || len(sum.Skips) != 1 || sum.Skips[0].What != blob {
		t.Errorf("skips %v, want the missing blob %s", sum.Skips, blob)
	}
	// What only a dangling tree needs may be gone: git prunes like that.
	h := gittest.New(t)
	h.Write("f", "content\n")
	h.Commit("first")
	h.Write("f", "amended away\n")
	h.Git("add", "f")
	lost := h.Git("rev-parse", ":f")
	h.Git("write-tree")
	h.Git("reset", "-q", "--hard")
	if err := os.Remove(h.Path(".git", "objects", lost[:2], lost[2:])); err != nil {
		t.Fatal(err)
	}
	if _, sum := scanAll(t, 2, openRepo(t, h.Dir).History()); sum.Incomplete() {
		t.Errorf("skips %v, want none for a dangling tree", sum.Skips)
	}
}

func TestShallowAndPartialClonesSayWhatIsMissing(t *testing.T) {
	g := gittest.New(t)
	for i := range 5 {
		g.Write("f", fmt.Sprint("version ", i, "\n"))
		g.Commit(fmt.Sprint(i))
	}
	g.Git("config", "uploadpack.allowFilter", "true")
	shallow := gittest.At(t, t.TempDir())
	shallow.Git("clone", "-q", "--depth=2", "file://"+g.Dir, "c")
	_, sum := scanAll(t, 2, openRepo(t, shallow.Path("c")).History())
	if sum.Shallow != 1 || !sum.Incomplete() || len(sum.Skips) != 0 {
		t.Errorf("shallow clone: %d boundaries, skips %v", sum.Shallow, sum.Skips)
	}
	partial := gittest.At(t, t.TempDir())
	partial.Git("clone", "-q", "--filter=blob:none", "file://"+g.Dir, "c")
	_, sum = scanAll(t, 2, openRepo(t, partial.Path("c")).History())
	if sum.Missing != 4 || !sum.Incomplete() || len(sum.Skips) != 0 {
		t.Errorf("partial clone: %d missing, want 4; skips %v", sum.Missing, sum.Skips)
	}
}

func TestCheckNameSeesAForgedIndex(t *testing.T) {
	b := Blob{Kind: Content, Data: []byte("hello world")}
	b.ID = formatOf(ObjectID{}).Sum("blob", b.Data)
	if err := checkName(&b); err != nil {
		t.Errorf("checkName of a true name: %v", err)
	}
	b.Data = bytes.ToUpper(b.Data)
	if err := checkName(&b); err == nil {
		t.Errorf("checkName of a false name gave no error")
	}
}
