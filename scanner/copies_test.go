package scanner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
)

// moves makes a repository in which main~ has keys, main moves and copies their
// files and adds a key, and the index does so once more.
func moves(t *testing.T) (g *gittest.Repo, old, added, staged key) {
	r := rulestest.Rand(47)
	old, added, staged = newKey(r), newKey(r), newKey(r)
	g = gittest.New(t)
	g.Write("a/deep/env", old.lines())
	g.Write("a/deep/copied", old.lines()+"\n# again\n")
	g.Write("other", "x")
	g.Commit("first")
	g.Git("mv", "a", "b")
	g.Write("c/copied", old.lines()+"\n# again\n")
	g.Write("b/deep/new", added.lines())
	g.Commit("moved")
	g.Git("mv", "b", "d")
	g.Write("d/deep/staged", staged.lines())
	g.Git("add", "-A")
	return g, old, added, staged
}

func TestWhatIsMovedIsNoNewsForHooks(t *testing.T) {
	t.Parallel()
	g, _, added, staged := moves(t)
	repo := openRepo(t, g.Dir)
	src, err := repo.Added(t.Context(), Added{Tips: []string{"main"}, Have: []string{"main~"}})
	if err != nil {
		t.Fatal(err)
	}
	found, sum := scanAll(t, 2, src)
	if _, ok := found[added.id]; !ok || len(found) != 1 || sum.Known != 1 {
		t.Errorf("Added found %v, want %s alone; %d known, want 1", found, added.id, sum.Known)
	}
	s := openStaged(t, g.Dir, nil)
	s.OnlyNew()
	found, sum = scanAll(t, 2, s)
	if _, ok := found[staged.id]; !ok || len(found) != 1 || sum.Known != 2 {
		t.Errorf("Staged found %v, want %s alone; %d known, want 2", found, staged.id, sum.Known)
	}
}

// What is merged counts when it is said to be there, and not otherwise.
func TestStagedKnowsWhatIsMerged(t *testing.T) {
	t.Parallel()
	r := rulestest.Rand(48)
	theirs, mine := newKey(r), newKey(r)
	g := gittest.New(t)
	g.Write("a", "x")
	g.Commit("base")
	g.Git("checkout", "-q", "-b", "side")
	name := theirs.id + ".pem"
	g.Write("env", theirs.lines())
	g.Write(name, "x")
	g.Commit("theirs")
	g.Git("checkout", "-q", "main")
	g.Write("b", "x")
	g.Commit("mine")
	g.Git("merge", "-q", "--no-commit", "side")
	g.Write("env", theirs.lines()+"\n"+mine.lines())
	g.Git("add", "env")
	side := g.Git("rev-parse", "side")
	for _, tt := range []struct {
		merged []string
		want   int
	}{{nil, 2}, {[]string{side}, 1}, {[]string{strings.Repeat("1", 40), "--x", g.Git("rev-parse", "main")}, 2}} {
		s := openStaged(t, g.Dir, nil)
		s.OnlyNew(tt.merged...)
		found, sum := scanAll(t, 2, s)
		if _, ok := found[mine.id]; !ok || len(found) != tt.want || sum.Incomplete() {
			t.Errorf("OnlyNew(%v): found %v, want %d; %+v", tt.merged, found, tt.want, sum)
		}
	}
}

func TestLeads(t *testing.T) {
	t.Parallel()
	for _, wrong := range []bool{false, true} {
		g := randomHistory(t, rulestest.Rand(49), 20, wrong)
		repo := openRepo(t, g.Dir)
		yes := 0
		for i := range 20 {
			for j := range 20 {
				have, tip := fmt.Sprintf("c%d", i), fmt.Sprintf("c%d", j)
				_, err := g.Try("", "merge-base", "--is-ancestor", tip, have)
				got, failed := repo.Leads(t.Context(), []string{have}, tip)
				if failed != nil || got != (err == nil) {
					t.Errorf("Leads(%s, %s) = %v, %v; git says %v", have, tip, got, failed, err)
				}
				if got {
					yes++
				}
			}
		}
		if yes < 40 {
			t.Errorf("of 400 pairs only %d lead to each other", yes)
		}
		if got, err := repo.Leads(t.Context(), nil, "c1"); got || err != nil {
			t.Errorf("nothing leads to c1: %v, %v", got, err)
		}
		if _, err := repo.Leads(t.Context(), []string{"c1"}, "nowhere"); err == nil {
			t.Error("Leads to a revision that is not there gave no error")
		}
	}
}
