package scanner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// openWithin opens the repository in dir with other limits on objects.
func openWithin(t testing.TB, dir string, limits pack.Limits) *Repo {
	t.Helper()
	r := openRepo(t, dir)
	store, err := pack.Open(r.dirs.ObjectDir, r.dirs.AlternateDirs, r.dirs.Format, limits)
	if err != nil {
		t.Fatal(err)
	}
	r.store.Close()
	r.store = store
	return r
}

// inPieces is a repository's history with small units and, of blobs larger than a
// small window, windows.
func inPieces(t testing.TB, dir string) Source {
	h := openWithin(t, dir, pack.Limits{Unit: 4 << 10, Object: int64(small.size), Live: 200 << 10, TempDir: t.TempDir()}).history(nil)
	h.large = small
	return h
}

// compareScans makes sure that two scans tell the same.
func compareScans(t *testing.T, what string, got, want Source) {
	t.Helper()
	a, sumA := scanAll(t, 2, got)
	b, sumB := scanAll(t, 2, want)
	if !reflect.DeepEqual(a, b) || len(b) == 0 {
		t.Errorf("%s: %d keys, want %d", what, len(a), len(b))
		for k, f := range b {
			if !reflect.DeepEqual(a[k], f) {
				t.Errorf("%s: %s:\n%+v\nwant\n%+v", what, k, a[k], f)
			}
		}
	}
	if sumA.Elapsed, sumB.Elapsed = 0, 0; !reflect.DeepEqual(sumA, sumB) {
		t.Errorf("%s: summary\n%+v\nwant\n%+v", what, sumA, sumB)
	}
}

// Trees cut to pieces of a few versions lose nothing of what a delta joins, moves
// or leaves as it was.
func TestCutTreesLoseNothing(t *testing.T) {
	for seed, depth := range []string{"--depth=50", "--depth=250", "--depth=4"} {
		t.Run(depth, func(t *testing.T) {
			t.Parallel()
			g := churn(t, uint64(150+seed), 400)
			g.Git("repack", "-adfq", "--window=100", depth)
			compareScans(t, depth, inPieces(t, g.Dir), openRepo(t, g.Dir).History())
		})
	}
}

// A key that stands in all versions of a file is found in those that a unit of their
// own rebuilds from one of them.
func TestCutTreesKeepWhatStaysAsItWas(t *testing.T) {
	r := rulestest.Rand(158)
	g := gittest.New(t)
	var lines []string
	for range 20 {
		lines = append(lines, rulestest.Text(r, rulestest.LowerAlphabet, 150))
	}
	k := newKey(r)
	const versions = 600
	var in strings.Builder
	for i := range versions {
		at := r.IntN(len(lines)) // of all versions the same, so that they are one tree
		text := k.lines() + strings.Join(slices.Insert(slices.Clone(lines), at, rulestest.Text(r, rulestest.LowerAlphabet, 300)), "\n")
		fmt.Fprintf(&in, "commit refs/heads/main\ncommitter C <c@example.com> %d +0000\ndata 0\nM 100644 inline f\ndata %d\n%s\n", 1_600_000_000+i, len(text), text)
	}
	g.GitIn(in.String(), "fast-import", "--quiet")
	g.Git("repack", "-adfq", "--window=250", "--depth=5")
	source := inPieces(t, g.Dir).(*history)
	found, _ := scanAll(t, 2, source)
	if f := found[k.id]; len(f.Places) != 1 || f.First().Versions != versions {
		t.Errorf("found %d keys in %+v, want one in %d versions", len(found), f.Places, versions)
	}
	plan, again := source.repo.store.Plan(nil), 0
	for _, u := range plan.Units {
		for o := range plan.Walk(t.Context(), u) {
			if o.Again {
				again++
			}
		}
	}
	if again < 3 {
		t.Errorf("%d bases came again in %d units: too few to tell", again, len(plan.Units))
	}
}

// Keys at every border that a window over a stored blob has are found as in the
// whole of it, however it is stored, and with the same places.
func TestHugeBlobsHaveWhatTheWholeHas(t *testing.T) {
	r := rulestest.Rand(160)
	g := gittest.New(t)
	step := small.size - small.overlap
	text := filler(r, small.size+6*step)
	for border := range 5 {
		for _, at := range []int{small.size, small.size - small.overlap, small.size - small.overlap/2} {
			// One key in each version: windows do not join what is far apart.
			data := append(filler(r, r.IntN(300)), text...)
			plant(r, data, at+border*step)
			g.Write("dir/large", string(data))
			g.Write("small", string(data[:1000+at%500])) // on a huge one, or under it
			g.Commit(fmt.Sprint("a key near ", at+border*step))
		}
	}
	for what, args := range map[string][]string{
		"loose":  {"count-objects"},
		"whole":  {"repack", "-adfq", "--window=0"},
		"deltas": {"repack", "-adfq", "--window=50", "--depth=50"},
		"chain":  {"repack", "-adfq", "--window=2", "--depth=250"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := gittest.NewAt(t, t.TempDir(), "--bare")
			c.Git("-c", "fetch.unpackLimit=1000", "fetch", "-q", g.Dir, "main:main")
			c.Git(args...)
			compareScans(t, what, inPieces(t, c.Dir), openRepo(t, c.Dir).History())
		})
	}
}

// What of a huge blob can be read is searched, and that there is more is said.
func TestADamagedHugeBlobIsSearchedAndNamed(t *testing.T) {
	r := rulestest.Rand(161)
	g := gittest.New(t)
	early := newKey(r)
	g.Write("large", early.lines()+string(filler(r, 6*small.size)))
	g.Commit("large")
	id := g.Git("rev-parse", "HEAD:large")
	path := g.Path(".git", "objects", id[:2], id[2:])
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil { // it is read-only
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw[:len(raw)*4/5], 0o666); err != nil {
		t.Fatal(err)
	}
	found, sum := scanAll(t, 2, inPieces(t, g.Dir))
	if f := found[early.id]; len(found) != 1 || len(f.Places) != 1 || f.First().Path != "large" {
		t.Errorf("found %v, want the key before the damage", found)
	}
	if sum.Skipped != 1 || sum.Skips[0].What != id || !errors.Is(sum.Skips[0].Err, pack.ErrTruncated) {
		t.Errorf("skips %v, want one of %s", sum.Skips, id)
	}
}

// A disk without room is told by each object that needed some.
func TestAHugeBlobWithoutRoomIsNamed(t *testing.T) {
	r := rulestest.Rand(162)
	g := gittest.New(t)
	data := string(filler(r, 3*small.size))
	for i := range 3 {
		g.Write("large", fmt.Sprint(i)+data)
		g.Commit(fmt.Sprint(i))
	}
	g.Git("repack", "-adfq", "--depth=50")
	h := openWithin(t, g.Dir, pack.Limits{Object: 1000, TempDir: filepath.Join(t.TempDir(), "none")}).history(nil)
	_, sum := scanAll(t, 2, h)
	if sum.Skipped < 2 || !errors.Is(sum.Skips[0].Err, os.ErrNotExist) {
		t.Errorf("skips %v, want those of what stands on another", sum.Skips)
	}
}
