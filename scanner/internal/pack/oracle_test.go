package pack

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// goGitObjects lists a repository's objects as go-git reads them.
func goGitObjects(t testing.TB, dir string) map[gittest.Object]string {
	t.Helper()
	repo, err := git.PlainOpen(dir)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := repo.Storer.IterEncodedObjects(plumbing.AnyObject)
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	found := map[gittest.Object]string{}
	err = objects.ForEach(func(o plumbing.EncodedObject) error {
		r, err := o.Reader()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		found[gittest.Object{ID: o.Hash().String(), Kind: o.Type().String()}] = string(content)
		return errors.Join(err, r.Close())
	})
	if err != nil && !errors.Is(err, storer.ErrStop) {
		t.Fatal(err)
	}
	return found
}

func TestWalkYieldsWhatGoGitReads(t *testing.T) {
	for name, shape := range map[string]func(g *gittest.Repo){
		"loose":  func(*gittest.Repo) {},
		"packed": func(g *gittest.Repo) { g.Git("repack", "-adfq", "--depth=50") },
		"by name": func(g *gittest.Repo) {
			g.Git("-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq")
		},
		"two packs and loose": func(g *gittest.Repo) {
			g.Git("repack", "-dq")
			g.Write("more", "second pack")
			g.Commit("more")
			g.Git("repack", "-dq")
			g.Write("more", "loose")
			g.Commit("loose")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := busy(t, 10, 21)
			shape(g)
			want := goGitObjects(t, g.Dir)
			if len(want) < 30 {
				t.Fatalf("go-git lists %d objects only", len(want))
			}
			got, problems := all(t, open(t, g.Path(".git", "objects"), oid.SHA1, Limits{}), nil)
			if len(problems) > 0 {
				t.Errorf("problems: %v", problems)
			}
			compare(t, name, got, want)
		})
	}
}

// forestOf is a store of several packs with trees of deltas, loose objects,
// doubles and one damaged entry.
func forestOf(t testing.TB, trees, size int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for p := range 3 {
		b := newBuilder(oid.SHA1)
		for i := range trees {
			text := fmt.Sprint("tree ", i*(p+1), " ")
			for len(text) < size {
				text += text
			}
			at := b.whole(Blob, []byte(text))
			for k := range 8 {
				at = b.edit(at, fmt.Sprint(p, k, " "))
				b.edit(at, fmt.Sprint(p, k, " side "))
			}
		}
		if p == 1 {
			b.spoil(len(b.entries) / 2)
		}
		b.save(t, dir, fmt.Sprint("pack-", p))
	}
	for i := range 20 {
		saveLoose(t, dir, oid.SHA1, Blob, fmt.Append(nil, "loose ", i))
	}
	return dir
}

// walkWith walks all units with some goroutines and gives the names of all
// objects and problems.
func walkWith(t testing.TB, s *Store, goroutines int) (found []string) {
	plan := s.Plan(nil)
	units := make(chan Unit)
	lists := make([][]string, goroutines)
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for u := range units {
				for o, err := range plan.Walk(t.Context(), u) {
					line := fmt.Sprint(s.ID(o.Num), err)
					if err == nil {
						line = fmt.Sprint(s.ID(o.Num), o.Kind, oid.SHA1.Sum(o.Kind.String(), o.Data))
					}
					lists[i] = append(lists[i], line)
				}
			}
		})
	}
	for _, u := range plan.Units {
		units <- u
	}
	close(units)
	wg.Wait()
	found = slices.Concat(lists...)
	slices.Sort(found)
	return found
}

func TestWalksAgreeOverAnyNumberOfGoroutines(t *testing.T) {
	t.Parallel()
	s := open(t, forestOf(t, 150, 1000), oid.SHA1, Limits{})
	one := walkWith(t, s, 1)
	if distinct := slices.Compact(slices.Clone(one)); len(one) < 1000 || len(distinct) < len(one) {
		t.Fatalf("%d objects and problems, %d distinct", len(one), len(distinct))
	}
	for range 3 {
		if four := walkWith(t, s, 4); !slices.Equal(one, four) {
			t.Errorf("four goroutines found %d objects and problems, one %d, or others", len(four), len(one))
		}
	}
}

// A loop that is left, at whatever object, leaves nothing behind.
func TestALeftWalkGivesItsMemoryBack(t *testing.T) {
	t.Parallel()
	s := open(t, forestOf(t, 3, 100), oid.SHA1, Limits{})
	plan := s.Plan(nil)
	for left := range 60 {
		for _, u := range plan.Units {
			n := 0
			for range plan.Walk(t.Context(), u) {
				if n++; n > left {
					break
				}
			}
			w := plan.hire()
			if w.live != 0 || len(w.stack) > 0 {
				t.Fatalf("left after %d: a worker holds %d bytes and %d frames", left, w.live, len(w.stack))
			}
			plan.rest(w)
		}
	}
}

func BenchmarkWalk(b *testing.B) {
	s := open(b, forestOf(b, 1000, 4000), oid.SHA1, Limits{})
	var sum int64
	var objects int
	b.ReportAllocs()
	for b.Loop() {
		sum, objects = 0, 0
		plan := s.Plan(nil)
		for _, u := range plan.Units {
			for o := range plan.Walk(b.Context(), u) {
				sum += int64(len(o.Data))
				objects++
			}
		}
	}
	b.SetBytes(sum)
	b.ReportMetric(float64(objects*b.N)/b.Elapsed().Seconds(), "objects/s")
}

func BenchmarkReader(b *testing.B) {
	s := open(b, forestOf(b, 200, 4000), oid.SHA1, Limits{})
	r := s.Reader()
	var sum int64
	n := Num(0)
	b.ReportAllocs()
	for b.Loop() {
		_, data, _ := r.Read(n) // one of 10,000 is damaged
		sum += int64(len(data))
		n = (n + 1) % Num(s.Len())
	}
	b.SetBytes(sum / int64(b.N))
}
