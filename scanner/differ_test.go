package scanner

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// flatten is a tree as git ls-tree -r sees it, read without haste.
func flatten(t *testing.T, repo *Repo, tree pack.Num, prefix string, files map[string]string) {
	t.Helper()
	list, err := repo.readTree(repo.store.Reader(), tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if path := prefix + string(e.Name); e.isBlob() {
			files[path] = fmt.Sprintf("%x", e.ID)
		} else if n, ok := repo.store.Lookup(e.ID); ok && e.isTree() {
			flatten(t, repo, n, path+"/", files)
		}
	}
}

// The names are those whose order in a tree is easily got wrong: files that become
// directories, and what sorts between a name and the name with a slash.
func shiftingHistory(t testing.TB, r *rand.Rand, commits int) *gittest.Repo {
	g := gittest.New(t)
	names := []string{"a", "a-b", "a.b", "a0", "a/a", "a/b", "a/b/c", "ab", "b", "b/a", "b!", "b0/a", "b0"}
	var b strings.Builder
	for i := range commits {
		fmt.Fprintf(&b, "commit refs/heads/c%d\nmark :%d\ncommitter C <c@example.com> %d +0000\ndata 1\nx\n", i, i+1, 1600000000+i)
		if i > 0 {
			fmt.Fprintf(&b, "from :%d\n", max(1, i-r.IntN(min(i, 4))))
			for range r.IntN(3) {
				fmt.Fprintf(&b, "merge :%d\n", 1+r.IntN(i))
			}
		}
		for range r.IntN(4) {
			name := names[r.IntN(len(names))]
			if r.IntN(4) == 0 {
				fmt.Fprintf(&b, "D %s\n", name)
			} else {
				fmt.Fprintf(&b, "M %s inline %s\ndata 1\n%d\n", []string{"644", "755", "120000"}[r.IntN(3)], name, r.IntN(8))
			}
		}
	}
	g.GitIn(b.String(), "fast-import", "--quiet", "--force")
	return g
}

func TestDifferAddsWhatNoParentHas(t *testing.T) {
	r := rulestest.Rand(44)
	for range 8 {
		g := shiftingHistory(t, r, 80)
		repo := openRepo(t, g.Dir)
		src, err := repo.Chosen(t.Context(), Choice{})
		if err != nil {
			t.Fatal(err)
		}
		ch := src.(*history).chosen
		got := map[int32][]string{}
		for _, a := range ch.added {
			id := repo.store.ID(a.blob)
			got[a.commit] = append(got[a.commit], a.path+" "+id.String())
		}
		files := make([]map[string]string, len(ch.graph.nodes))
		for i, n := range ch.graph.nodes {
			files[i] = map[string]string{}
			flatten(t, repo, n.tree, "", files[i])
			var want []string
			for path, id := range files[i] {
				if !slices.ContainsFunc(n.parents, func(p pack.Num) bool { return files[ch.graph.at[p]][path] == id }) {
					want = append(want, path+" "+id)
				}
			}
			slices.Sort(want)
			slices.Sort(got[int32(i)])
			if !slices.Equal(got[int32(i)], want) {
				t.Fatalf("commit %d of %v adds %q, want %q", i, slices.Sorted(maps.Keys(files[i])), got[int32(i)], want)
			}
		}
	}
}

// Trees that are not sorted are no trees of git's; what is in them is read all
// the same.
func TestDifferTakesUnsortedTrees(t *testing.T) {
	g := gittest.New(t)
	blob := func(text string) string { return g.GitIn(text, "hash-object", "-w", "--stdin") }
	entry := func(name, id string) string {
		raw := ""
		for i := 0; i < len(id); i += 2 {
			var b byte
			fmt.Sscanf(id[i:i+2], "%02x", &b)
			raw += string([]byte{b})
		}
		return "100644 " + name + "\x00" + raw
	}
	commit := func(tree string, parents ...string) string {
		args := []string{"commit-tree", "-m", "x"}
		for _, p := range parents {
			args = append(args, "-p", p)
		}
		return g.Git(append(args, g.GitIn(tree, "hash-object", "-w", "-t", "tree", "--literally", "--stdin"))...)
	}
	old, fresh := blob("old"), blob("fresh")
	first := commit(entry("z", old) + entry("a", old) + entry("m", old))
	second := commit(entry("m", old)+entry("z", old)+entry("new", fresh)+entry("a", old), first)
	repo := openRepo(t, g.Dir)
	src, err := repo.Added(t.Context(), Added{Tips: []string{second}, Have: []string{first}})
	if err != nil {
		t.Fatal(err)
	}
	var added []string
	for _, a := range src.(*history).chosen.added {
		added = append(added, a.path)
	}
	if !slices.Contains(added, "new") {
		t.Errorf("added %q, want new among it", added)
	}
}

// Sixty objects that unfold to 4^20 files, and then to as many others: what they
// hold is found, and soon.
func TestDifferWithTreesThatUnfold(t *testing.T) {
	t.Parallel()
	r := rulestest.Rand(45)
	g := gittest.New(t)
	nested := func(text string) string {
		tree := g.GitIn("100644 blob "+g.GitIn(text, "hash-object", "-w", "--stdin")+"\tf\n", "mktree")
		for range 20 {
			var list strings.Builder
			for i := range 4 {
				fmt.Fprintf(&list, "040000 tree %s\t%d\n", tree, i)
			}
			tree = g.GitIn(list.String(), "mktree")
		}
		return tree
	}
	first, second := newKey(r), newKey(r)
	base := g.Git("commit-tree", nested(first.lines()), "-m", "unfolds")
	g.Git("update-ref", "refs/heads/main", g.Git("commit-tree", nested(second.lines()), "-p", base, "-m", "and again"))
	src, err := openRepo(t, g.Dir).Added(t.Context(), Added{Tips: []string{"main"}})
	if err != nil {
		t.Fatal(err)
	}
	found, sum := scanAll(t, 2, src)
	for _, k := range []key{first, second} {
		if f, ok := found[k.id]; !ok || len(f.Places) == 0 || f.Key.Secret.IsZero() {
			t.Errorf("%s: found %+v", k.id, f)
		}
	}
	if sum.Objects.Blobs != 2 || sum.Incomplete() {
		t.Errorf("%+v", sum)
	}
}
