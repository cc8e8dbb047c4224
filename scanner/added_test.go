package scanner

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// randomHistory makes commits c0, c1, … with files in some places, merges, roots
// and annotated tags t0, t1, …; with wrong, their dates are in no order.
func randomHistory(t testing.TB, r *rand.Rand, commits int, wrong bool) *gittest.Repo {
	g := gittest.New(t)
	var b strings.Builder
	for i := range commits {
		when := 1600000000 + i*100
		if wrong && r.IntN(3) == 0 {
			when = 1000000000 + r.IntN(1000000000)
		}
		fmt.Fprintf(&b, "commit refs/heads/c%d\nmark :%d\ncommitter C O Mitter <c@example.com> %d +0000\ndata <<.\ncommit %d\n.\n", i, i+1, when, i)
		if i > 0 && r.IntN(15) > 0 {
			fmt.Fprintf(&b, "from :%d\n", max(1, i-r.IntN(min(i, 6))))
			for range r.IntN(4) / 2 {
				fmt.Fprintf(&b, "merge :%d\n", 1+r.IntN(i))
			}
		}
		for range r.IntN(3) {
			fmt.Fprintf(&b, "M 644 inline d%d/e%d/f%d\ndata <<.\n%d\n.\n", r.IntN(3), r.IntN(2), r.IntN(4), r.IntN(40))
		}
		if r.IntN(5) == 0 {
			fmt.Fprintf(&b, "tag t%d\nfrom :%d\ntagger C O Mitter <c@example.com> %d +0000\ndata <<.\ntag %d\n.\n", i, i+1, when, i)
		}
	}
	g.GitIn(b.String(), "fast-import", "--quiet", "--force")
	return g
}

// sourceNames lists what a Source yields by kind, names of files left out.
func sourceNames(t *testing.T, src Source) map[Kind][]string {
	t.Helper()
	names := map[Kind][]string{}
	for part, err := range src.Parts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for b, err := range part(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			names[b.Kind] = append(names[b.Kind], b.ID.String())
		}
	}
	for _, list := range names {
		slices.Sort(list)
	}
	return names
}

// listed are the objects that tips lead to and have do not, by kind. Git is asked for
// each side alone: where dates go backwards, it takes some for new that are not.
func listed(g *gittest.Repo, tips, have []string) map[Kind][]string {
	reach := func(from []string) []string {
		return strings.Fields(g.GitIn(strings.Join(from, "\n")+"\n", "rev-list", "--objects", "--no-object-names", "--stdin"))
	}
	had := map[string]bool{}
	if len(have) > 0 {
		for _, name := range reach(have) {
			had[name] = true
		}
	}
	added := slices.DeleteFunc(reach(tips), func(name string) bool { return had[name] })
	kinds := map[string]Kind{"commit": CommitText, "tag": TagText, "blob": Content}
	names := map[Kind][]string{}
	for line := range strings.Lines(g.GitIn(strings.Join(added, "\n"), "cat-file", "--batch-check=%(objecttype) %(objectname)")) {
		kind, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if k, ok := kinds[kind]; ok {
			names[k] = append(names[k], name)
		}
	}
	for _, list := range names {
		slices.Sort(list)
	}
	return names
}

func TestAddedIsWhatGitWouldSend(t *testing.T) {
	r := rulestest.Rand(41)
	for round := range 8 {
		wrong := round%2 == 1
		const commits = 60
		g := randomHistory(t, r, commits, wrong)
		if round%4 < 2 {
			g.Git("repack", "-qad")
		}
		repo := openRepo(t, g.Dir)
		names := strings.Fields(g.Git("for-each-ref", "--format=%(refname:short)"))
		some := func(most int) (list []string) {
			for range r.IntN(most + 1) {
				list = append(list, names[r.IntN(len(names))])
			}
			return list
		}
		for range 15 {
			tips, have := append(some(2), names[r.IntN(len(names))]), some(3)
			src, err := repo.Added(t.Context(), Added{Tips: tips, Have: have})
			if err != nil {
				t.Fatalf("Added(%v, %v) = %v", tips, have, err)
			}
			got, want := sourceNames(t, src), listed(g, tips, have)
			for kind, all := range want {
				for _, id := range all {
					if _, ok := slices.BinarySearch(got[kind], id); !ok {
						t.Fatalf("round %d: Added(%v, %v) lacks %v %s", round, tips, have, kind, id)
					}
				}
				if kind != Content && len(got[kind]) != len(all) {
					t.Errorf("round %d: Added(%v, %v) = %d of %v, git has %d", round, tips, have, len(got[kind]), kind, len(all))
				}
			}
		}
	}
}

func TestAddedReadsNoMoreThanItNeeds(t *testing.T) {
	g := gittest.New(t)
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "commit refs/heads/main\nmark :%d\ncommitter C <c@example.com> %d +0000\ndata 1\nx\n", i+1, 1600000000+i)
	}
	g.GitIn(b.String(), "fast-import", "--quiet")
	repo := openRepo(t, g.Dir)
	w := &walk{repo: repo, reader: repo.store.Reader(), seen: map[pack.Num]*step{}, theirs: map[pack.Num]bool{}}
	for name, have := range map[string]bool{"main~3": true, "main": false} {
		if err := w.start(name, have); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.run(t.Context()); err != nil || len(w.seen) > extraSteps+6 {
		t.Errorf("the walk over 3 commits saw %d, %v", len(w.seen), err)
	}
}

func TestAddedTakesTagsTreesAndBlobs(t *testing.T) {
	r := rulestest.Rand(42)
	inTag, inTree, inBlob, old := newKey(r), newKey(r), newKey(r), newKey(r)
	g := gittest.New(t)
	g.Write("old", old.lines())
	g.Commit("base")
	g.Git("branch", "base")
	blob := g.GitIn(inBlob.lines(), "hash-object", "-w", "--stdin")
	inner := g.GitIn(inTree.lines(), "hash-object", "-w", "--stdin")
	tree := g.GitIn("100644 blob "+inner+"\tdeep\n", "mktree")
	tree = g.GitIn("040000 tree "+tree+"\tdir\n", "mktree")
	g.Git("tag", "-a", "-m", inTag.lines(), "inner")
	g.Git("tag", "-a", "-m", "tag of a tag", "outer", "inner")
	repo := openRepo(t, g.Dir)
	scan := func(a Added) (map[string]Finding, Summary) {
		t.Helper()
		src, err := repo.Added(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		return scanAll(t, 2, src)
	}
	found, sum := scan(Added{Tips: []string{"outer", tree, blob}, Have: []string{"base"}})
	if len(found) != 3 || sum.Objects.Tags != 2 || sum.Commits != 0 || sum.Incomplete() {
		t.Errorf("%d findings in %+v", len(found), sum)
	}
	if f := found[inTag.id]; len(f.Places) != 1 || f.First().Kind != TagText {
		t.Errorf("the key in the tag is placed at %+v", f.Places)
	}
	if f := found[inTree.id]; len(f.Places) != 1 || f.First().Path != "dir/deep" {
		t.Errorf("the key in the tree is placed at %+v", f.Places)
	}
	if f := found[inBlob.id]; len(f.Places) != 1 || f.First().Object.String() != blob {
		t.Errorf("the key in the blob is placed at %+v", f.Places)
	}
	if found, sum := scan(Added{Tips: []string{"outer"}, Have: []string{"outer"}}); len(found) != 0 || sum.Objects.Total() != 0 {
		t.Errorf("what is had is read: %+v", sum)
	}
	for _, bad := range []Added{{Tips: []string{"nowhere"}}, {Tips: []string{strings.Repeat("1", 40)}}, {Tips: []string{"main"}, Have: []string{"nowhere"}}} {
		if _, err := repo.Added(t.Context(), bad); err == nil {
			t.Errorf("Added(%+v) gave no error", bad)
		}
	}
	if !repo.Has(blob) || repo.Has(strings.Repeat("1", 40)) || repo.Has("main") {
		t.Error("Has is wrong")
	}
	if got, want := repo.Targets("refs/heads/"), g.Git("rev-parse", "main"); len(got) != 2 || got[0] != want {
		t.Errorf("Targets = %v, want twice %s", got, want)
	}
}

func TestAddedInAShallowClone(t *testing.T) {
	r := rulestest.Rand(43)
	k := newKey(r)
	g := gittest.New(t)
	for i := range 4 {
		g.Write("f", fmt.Sprint(i))
		g.Commit("c")
	}
	g.Git("clone", "-q", "--depth", "2", "file://"+g.Dir, g.Path("clone"))
	c := gittest.At(t, g.Path("clone"))
	c.Write("g", k.lines())
	c.Commit("leak")
	repo := openRepo(t, c.Dir)
	for _, tt := range []struct {
		a       Added
		shallow int64
	}{
		{Added{Tips: []string{"HEAD"}}, 1},
		{Added{Tips: []string{"HEAD"}, AsFetched: true}, 0},
		{Added{Tips: []string{"HEAD"}, Have: []string{"HEAD~2"}}, 0},
	} {
		src, err := repo.Added(t.Context(), tt.a)
		if err != nil {
			t.Fatal(err)
		}
		if found, sum := scanAll(t, 1, src); len(found) != 1 || sum.Shallow != tt.shallow {
			t.Errorf("%+v: %d found, cut at %d, want 1 and %d", tt.a, len(found), sum.Shallow, tt.shallow)
		}
	}
}

func TestAddedWithAParentThatIsGone(t *testing.T) {
	g := gittest.New(t)
	for i := range 4 {
		g.Write("f", fmt.Sprint(i))
		g.Commit("c")
	}
	gone := g.Git("rev-parse", "HEAD~2")
	if err := os.Remove(g.Path(".git", "objects", gone[:2], gone[2:])); err != nil {
		t.Fatal(err)
	}
	repo := openRepo(t, g.Dir)
	if _, err := repo.Added(t.Context(), Added{Tips: []string{"HEAD"}}); !errors.Is(err, pack.ErrMissing) {
		t.Errorf("Added without a parent = %v, want %v", err, pack.ErrMissing)
	}
	// What is had need not be whole.
	src, err := repo.Added(t.Context(), Added{Tips: []string{"HEAD"}, Have: []string{"HEAD~"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, sum := scanAll(t, 1, src); sum.Commits != 1 || sum.Incomplete() {
		t.Errorf("%+v", sum)
	}
}

// What a partial clone has not fetched is not passed over.
func TestWhatAPartialCloneLacksOfARangeIsCounted(t *testing.T) {
	g := gittest.New(t)
	g.Git("config", "uploadpack.allowFilter", "true")
	g.Write("f", "before")
	g.Commit("base")
	g.Write("g", "after")
	g.Write("d/h", "after, too")
	g.Commit("adds two")
	g.Git("clone", "-q", "--no-checkout", "--filter=blob:none", "file://"+g.Dir, g.Path("clone"))
	repo := openRepo(t, g.Path("clone"))
	added, err := repo.Added(t.Context(), Added{Tips: []string{"HEAD"}, Have: []string{"HEAD~"}})
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := repo.Chosen(t.Context(), Choice{Range: "HEAD~..HEAD"})
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range []Source{added, chosen} {
		if _, sum := scanAll(t, 1, src); sum.Missing != 2 || !sum.Incomplete() {
			t.Errorf("%d objects are missing, want 2", sum.Missing)
		}
	}
}

// Where a key stands now is asked of the commit that is named, not of a merge that
// is checked out.
func TestAddedTellsOfAnotherHead(t *testing.T) {
	r := rulestest.Rand(45)
	k := newKey(r)
	g := gittest.New(t)
	g.Write("f", "\n\n\n\nmiddle\n\n\n\n")
	g.Commit("base")
	g.Git("checkout", "-q", "-b", "topic")
	g.Write("f", "\n\n\n\nmiddle\n\n\n\n"+k.lines())
	g.Commit("topic")
	g.Git("checkout", "-q", "main")
	g.Write("f", "above\n\n\n\n\nmiddle\n\n\n\n")
	g.Commit("meanwhile")
	g.Git("merge", "-q", "--no-edit", "topic")
	repo := openRepo(t, g.Dir)
	for head, want := range map[string]bool{"": false, "topic": true} {
		src, err := repo.Added(t.Context(), Added{Tips: []string{"topic"}, Have: []string{"main~"}, Head: head})
		if err != nil {
			t.Fatal(err)
		}
		found, _ := scanAll(t, 1, src)
		f := found[k.id]
		if len(f.Places) != 1 || f.InHead() != want || want && f.First().Head.Line != 9 {
			t.Errorf("with the head %q: %+v, in it is %t", head, f.Places, want)
		}
	}
	if _, err := repo.Added(t.Context(), Added{Tips: []string{"topic"}, Head: "nowhere"}); err == nil {
		t.Error("a head that is not there is no error")
	}
}
