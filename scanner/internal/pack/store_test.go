package pack

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// busy makes a repository with n commits that edit files in ways that give
// deltas of every sort.
func busy(t testing.TB, n int, seed uint64, args ...string) *gittest.Repo {
	t.Helper()
	g := gittest.New(t, args...)
	r := rand.New(rand.NewPCG(seed, 7))
	files := map[string][]string{}
	for i := range n {
		for range 1 + r.IntN(3) {
			name := fmt.Sprintf("d%d/f%d.txt", r.IntN(3), r.IntN(5))
			lines := files[name]
			for range 1 + r.IntN(20) {
				line := fmt.Sprintf("%d line of %s %x", i, name, r.Uint64())
				at := r.IntN(len(lines) + 1)
				lines = append(lines[:at:at], append([]string{line}, lines[at:]...)...)
			}
			if len(lines) > 40 {
				lines = lines[r.IntN(20):]
			}
			files[name] = lines
			g.Write(name, strings.Join(lines, "\n"))
		}
		g.Commit(fmt.Sprint("commit ", i))
	}
	g.Git("tag", "-a", "v1", "-m", "a tag")
	g.Write("empty", "")
	g.Commit("an empty file")
	return g
}

func open(t testing.TB, dir string, f oid.Format, limits Limits) *Store {
	t.Helper()
	s, err := Open(dir, nil, f, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// all walks a store and gives every object it yields, and every problem.
func all(t testing.TB, s *Store, want Want) (map[gittest.Object]string, []Problem) {
	t.Helper()
	found := map[gittest.Object]string{}
	plan := s.Plan(want)
	problems := append(s.Problems(), plan.Problems...)
	for _, u := range plan.Units {
		last := map[Num][]byte{}
		for o, err := range plan.Walk(t.Context(), u) {
			if err != nil {
				p, ok := IsProblem(err)
				if !ok {
					t.Fatalf("Walk yielded an error without a place: %v", err)
				}
				problems = append(problems, p)
				continue
			}
			if o.Again {
				last[o.Num] = bytes.Clone(o.Data)
				continue
			}
			if o.Stream != nil {
				data, err := io.ReadAll(o.Stream)
				if err != nil {
					p, ok := IsProblem(err)
					if !ok {
						t.Fatalf("a Stream gave an error without a place: %v", err)
					}
					problems = append(problems, p)
					continue
				}
				o.Data = data
			}
			id := s.ID(o.Num)
			key := gittest.Object{ID: id.String(), Kind: o.Kind.String()}
			if _, ok := found[key]; ok {
				t.Errorf("Walk yielded %v twice", key)
			}
			found[key] = string(o.Data)
			if o.Base != None {
				checkFresh(t, o, last[o.Base])
			}
			last[o.Num] = bytes.Clone(o.Data)
		}
	}
	return found, problems
}

// checkFresh makes sure that between two spans stand bytes of the base, in one
// run, and that nothing of the base is skipped without a span.
func checkFresh(t testing.TB, o Object, base []byte) {
	t.Helper()
	if base == nil {
		t.Errorf("object %d stands on %d, which was not yielded", o.Num, o.Base)
		return
	}
	at := 0
	for _, s := range append(o.Fresh, Span{len(o.Data), len(o.Data)}) {
		if s.Start < at || s.End < s.Start || s.End > len(o.Data) {
			t.Errorf("Fresh %v is out of order or range (%d bytes)", o.Fresh, len(o.Data))
			return
		}
		if !bytes.Contains(base, o.Data[at:s.Start]) {
			t.Errorf("bytes %d to %d are said to be copied, but do not stand in the base", at, s.Start)
		}
		at = s.End
	}
	if len(o.Fresh) == 0 && !bytes.Equal(o.Data, base) {
		t.Errorf("no span, but the object differs from its base")
	}
}

func compare(t testing.TB, what string, got, want map[gittest.Object]string) {
	t.Helper()
	for k, v := range want {
		if g, ok := got[k]; !ok {
			t.Errorf("%s: %v was not yielded", what, k)
		} else if g != v {
			t.Errorf("%s: %v has other content", what, k)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s: %v is not in git's list", what, k)
		}
	}
}

// Object for object what git cat-file says, in every way to store them.
func TestWalkYieldsWhatGitStores(t *testing.T) {
	shapes := map[string]func(g *gittest.Repo){
		"loose":  func(*gittest.Repo) {},
		"packed": func(g *gittest.Repo) { g.Git("repack", "-adq") },
		"deep chains": func(g *gittest.Repo) {
			g.Git("repack", "-adfq", "--depth=250", "--window=50")
		},
		"ref deltas": func(g *gittest.Repo) {
			g.Git("-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq", "--depth=50")
		},
		"index version 1": func(g *gittest.Repo) { g.Git("-c", "pack.indexVersion=1", "repack", "-adq") },
		"packed and loose": func(g *gittest.Repo) {
			g.Git("repack", "-adq")
			g.Write("later", "loose\n")
			g.Commit("later")
		},
		"doubles in pack and loose": func(g *gittest.Repo) { g.Git("repack", "-aq") },
		"many packs, with doubles": func(g *gittest.Repo) {
			g.Git("repack", "-dq")
			for i := range 5 {
				g.Write("more", fmt.Sprint(strings.Repeat("x", 3000), i))
				g.Commit("more")
				if i == 3 {
					g.Git("repack", "-aq")
				} else {
					g.Git("repack", "-q")
				}
			}
			g.Git("multi-pack-index", "write")
		},
		"stored without compression": func(g *gittest.Repo) {
			g.Git("-c", "core.compression=0", "-c", "pack.compression=0", "repack", "-adFq")
		},
	}
	for _, format := range []oid.Format{oid.SHA1, oid.SHA256} {
		for name, shape := range shapes {
			t.Run(fmt.Sprint(format, " ", name), func(t *testing.T) {
				t.Parallel()
				g := busy(t, 25, 1, "--object-format="+format.String())
				shape(g)
				s := open(t, g.Path(".git", "objects"), format, Limits{})
				got, problems := all(t, s, nil)
				if len(problems) > 0 {
					t.Errorf("problems: %v", problems)
				}
				want := g.Objects()
				if len(want) < 60 {
					t.Fatalf("git lists %d objects only", len(want))
				}
				compare(t, name, got, want)
				checkReader(t, s, want)
			})
		}
	}
}

// checkReader reads every object by name in git's order.
func checkReader(t testing.TB, s *Store, want map[gittest.Object]string) {
	t.Helper()
	r := s.Reader()
	for o, content := range want {
		id, _ := oid.Parse(o.ID)
		kind, data, err := r.Lookup(id.Bytes())
		if err != nil || kind.String() != o.Kind || string(data) != content {
			t.Errorf("Lookup(%s) = %v, %d bytes, %v, want %s of %d bytes", o.ID, kind, len(data), err, o.Kind, len(content))
		}
	}
	missing := s.Format().Sum("blob", []byte("nobody stored this"))
	if _, _, err := r.Lookup(missing.Bytes()); err == nil {
		t.Errorf("Lookup of an object that is not there gave no error")
	}
}

func TestWalkOfAChoiceYieldsJustThat(t *testing.T) {
	g := busy(t, 40, 2)
	g.Git("repack", "-adfq", "--depth=50")
	g.Write("loose", "one more")
	g.Commit("loose")
	s := open(t, g.Path(".git", "objects"), oid.SHA1, Limits{})
	everything := g.Objects()
	r := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		want, chosen := s.NewWant(), map[gittest.Object]string{}
		for o, content := range everything {
			if r.IntN(10) == 0 {
				id, _ := oid.Parse(o.ID)
				n, ok := s.Lookup(id.Bytes())
				if !ok {
					t.Fatalf("Lookup(%v) finds nothing", o)
				}
				want.Add(n)
				chosen[o] = content
			}
		}
		got, problems := all(t, s, want)
		if len(problems) > 0 || want.Len() != len(chosen) {
			t.Errorf("problems %v, Len %d, want %d", problems, want.Len(), len(chosen))
		}
		compare(t, "choice", got, chosen)
	}
}

func TestAlternatesNestAndLoopsEnd(t *testing.T) {
	a := busy(t, 10, 4)
	a.Git("repack", "-adq")
	b := gittest.New(t)
	b.Write("of-b", "b")
	c := gittest.New(t)
	alternates := func(g *gittest.Repo, lines string) {
		t.Helper()
		if err := os.WriteFile(g.Path(".git", "objects", "info", "alternates"), []byte(lines), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	b.Commit("b")
	relative, err := filepath.Rel(c.Path(".git", "objects"), b.Path(".git", "objects"))
	if err != nil {
		t.Fatal(err)
	}
	alternates(b, a.Path(".git", "objects")+"\n")
	alternates(c, "# a comment\n"+relative+"\n")
	alternates(a, c.Path(".git", "objects")+"\n") // the loop
	c.Write("of-c", "c")
	c.Commit("c")
	s := open(t, c.Path(".git", "objects"), oid.SHA1, Limits{})
	got, problems := all(t, s, nil)
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	compare(t, "alternates", got, c.Objects())

	alternates(a, "/nowhere/at/all\n")
	s = open(t, c.Path(".git", "objects"), oid.SHA1, Limits{})
	if got, problems := all(t, s, nil); len(problems) != 1 || !strings.Contains(problems[0].Where, "nowhere") || len(got) == 0 {
		t.Errorf("a missing alternate gave problems %v", problems)
	}
}

func TestOpenOfWhatIsNoDirectoryFails(t *testing.T) {
	if s, err := Open(filepath.Join(t.TempDir(), "objects"), nil, oid.SHA1, Limits{}); err == nil {
		t.Errorf("Open of a missing directory = %v, want an error", s)
	}
}
