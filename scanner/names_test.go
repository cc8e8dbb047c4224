package scanner

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
)

func TestOddNames(t *testing.T) {
	r := rulestest.Rand(70)
	for range 200 {
		k := newKey(r)
		for _, name := range []string{k.id, "x-" + k.id + ".txt", k.id + "_" + k.id} {
			if !oddName([]byte(name)) {
				t.Errorf("a key in the name %q is not seen", name)
			}
		}
	}
	for _, name := range []string{
		"", "README.md", "AbstractSingletonProxyFactoryBeanTestCase.java", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"0001-a-long-patch-name-with-many-words-in-it.patch", "A_CONSTANT_NAME_THAT_IS_LONG.h", strings.Repeat("x", 300),
	} {
		if oddName([]byte(name)) {
			t.Errorf("%q is odd", name)
		}
	}
}

// A key in the name of a file or directory is found in every version of the tree
// that has it, and placed in the oldest commit, whatever delta it is stored as.
func TestKeysInNamesAreFoundAndPlaced(t *testing.T) {
	for _, pack := range [][]string{nil, {"repack", "-adfq", "--depth=50", "--window=50"}} {
		r := rulestest.Rand(71)
		g := gittest.New(t)
		for i := range 300 {
			g.Write(fmt.Sprintf("many/file%d", i), fmt.Sprint(i))
		}
		g.Commit("first")
		file, dir, gone := newKey(r), newKey(r), newKey(r)
		g.Write("many/sub/"+file.id+".txt", "nothing")
		g.Write("top/"+gone.id, "x")
		first := g.Commit("a file")
		g.Write("many/in-"+dir.id+"/deep/er", "nothing either")
		g.Remove("top/" + gone.id)
		second := g.Commit("a directory")
		for i := range 30 {
			g.Write(fmt.Sprintf("many/file%d", i*7), fmt.Sprint("changed ", i))
			g.Write(fmt.Sprintf("many/sub/new%d", i), fmt.Sprint("changed ", i))
			g.Commit("other things")
		}
		if pack != nil {
			g.Git(pack...)
		}
		check := func(what string, found map[string]Finding) {
			t.Helper()
			for _, w := range []struct {
				id, path, commit string
				head             bool
			}{
				{file.id, "many/sub/" + file.id + ".txt", first, true},
				{dir.id, "many/in-" + dir.id, second, true},
				{gone.id, "top/" + gone.id, first, false},
			} {
				f := found[w.id]
				if len(f.Places) != 1 {
					t.Errorf("%s: %s has %d places", what, w.id, len(f.Places))
					continue
				}
				p := f.Places[0]
				if p.Kind != FileName || p.Path != w.path || p.Commit == nil || p.Commit.ID.String() != w.commit || p.At.Line != 1 ||
					p.At.Column != 1+strings.Index(w.path[strings.LastIndex(w.path, "/")+1:], w.id) || (p.Head != nil) != w.head ||
					p.Unreachable || !slices.Equal(f.Refs, []string{"refs/heads/main"}) {
					t.Errorf("%s: %s is at %+v (refs %v), want %+v", what, w.id, p, f.Refs, w)
				}
			}
			if len(found) != 3 {
				t.Errorf("%s: %d findings, want 3", what, len(found))
			}
		}
		found, _ := scanAll(t, 2, openRepo(t, g.Dir).History())
		check("history", found)
		c := testCache(t)
		sameAsWithout(t, "names", g.Dir, c)
		if use, sum := sameAsWithout(t, "names again", g.Dir, c); use.Objects != sum.Objects.Total() {
			t.Errorf("%d of %d objects from the cache: %v", use.Objects, sum.Objects.Total(), use.Err)
		}
		g.Write("one/more", "file")
		g.Commit("later")
		if use, _ := sameAsWithout(t, "names later", g.Dir, c); use.Objects == 0 || use.Err != nil {
			t.Errorf("after a commit: %+v", use)
		}

		src, err := openRepo(t, g.Dir).Chosen(t.Context(), Choice{Range: first + "~1.." + second})
		if err != nil {
			t.Fatal(err)
		}
		found, _ = scanAll(t, 2, src)
		check("range", found)
		src, err = openRepo(t, g.Dir).Chosen(t.Context(), Choice{Range: second + ".."})
		if err != nil {
			t.Fatal(err)
		}
		if found, sum := scanAll(t, 2, src); len(found) != 0 || sum.Known == 0 {
			t.Errorf("a range that adds no name: %d findings, %d known", len(found), sum.Known)
		}
	}
}

func TestStagedNamesAreLookedAt(t *testing.T) {
	r := rulestest.Rand(72)
	g := gittest.New(t)
	old, added := newKey(r), newKey(r)
	g.Write("dir/"+old.id+"/a", "a")
	g.Commit("first")
	g.Write("dir/"+old.id+"/b", "b")
	g.Write("dir/"+added.id, "c")
	g.Git("add", "-A")
	s, err := OpenStaged(g.Dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	found, sum := scanAll(t, 1, s)
	if len(found) != 1 || found[added.id].Places[0].Path != "dir/"+added.id || sum.Known != 1 {
		t.Errorf("found %v, %d known; want the name that HEAD does not have", found, sum.Known)
	}
}
