package pack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

func openLazy(t testing.TB, dir string, f oid.Format) *Store {
	t.Helper()
	s, err := OpenLazy(dir, nil, f, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Object for object what git says, however they are stored.
func TestALazyStoreReadsWhatGitStores(t *testing.T) {
	for _, format := range []oid.Format{oid.SHA1, oid.SHA256} {
		for name, steps := range map[string][][]string{
			"loose":           nil,
			"packed":          {{"repack", "-adfq", "--depth=250"}},
			"index version 1": {{"-c", "pack.indexVersion=1", "repack", "-adq"}},
			"ref deltas":      {{"-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq"}},
			"doubles":         {{"repack", "-aq"}},
			"many packs":      {{"repack", "-dq"}, {"commit", "-q", "--allow-empty", "-m", "x"}, {"repack", "-q"}, {"multi-pack-index", "write"}},
		} {
			t.Run(fmt.Sprint(format, " ", name), func(t *testing.T) {
				t.Parallel()
				g := busy(t, 12, 3, "--object-format="+format.String())
				for _, args := range steps {
					g.Git(args...)
				}
				s := openLazy(t, g.Path(".git", "objects"), format)
				checkReader(t, s, g.Objects())
				for o := range g.Objects() {
					id, _ := oid.Parse(o.ID)
					if n, ok := s.Lookup(id.Bytes()); !ok || s.ID(n) != id {
						t.Errorf("ID of what Lookup(%s) gives is another: %v", o.ID, ok)
					}
				}
			})
		}
	}
}

// What git gc does while a hook runs: loose objects and packs go, others come.
func TestALazyStoreFollowsARepack(t *testing.T) {
	t.Parallel()
	g := busy(t, 6, 4)
	g.Git("repack", "-dq")
	g.Write("late", "loose\n")
	g.Commit("late")
	want := g.Objects()
	s := openLazy(t, g.Path(".git", "objects"), oid.SHA1)
	first, _ := oid.Parse(g.Git("rev-parse", "HEAD"))
	numbered, _ := oid.Parse(g.Git("rev-parse", "HEAD:late"))
	for _, id := range []oid.ID{first, numbered} {
		if _, ok := s.Lookup(id.Bytes()); !ok {
			t.Fatalf("Lookup(%s) finds nothing", id)
		}
	}
	g.Git("repack", "-adq")
	checkReader(t, s, want)
}

func TestALazyStoreReadsAlternates(t *testing.T) {
	t.Parallel()
	g := busy(t, 5, 5)
	want := g.Objects()
	g.Git("repack", "-adq")
	dir := filepath.Join(t.TempDir(), "objects")
	write(t, filepath.Join(dir, "info", "alternates"), []byte(g.Path(".git", "objects")+"\n"))
	checkReader(t, openLazy(t, dir, oid.SHA1), want)
	given, err := OpenLazy(t.TempDir(), []string{g.Path(".git", "objects")}, oid.SHA1, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close()
	checkReader(t, given, want)
}

// A damaged pack or index may lose an object. It never gives another one, and
// an object that is lost is an error.
func TestALazyStoreOfDamagedFilesIsNeverWrong(t *testing.T) {
	shapes(t, func(t *testing.T, dir string, f oid.Format, want map[gittest.Object]string) {
		check := func(what string, at int) {
			t.Helper()
			s, err := OpenLazy(dir, nil, f, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r := s.Reader()
			for o, content := range want {
				id, _ := oid.Parse(o.ID)
				kind, data, err := r.Lookup(id.Bytes())
				if err == nil && (kind.String() != o.Kind || string(data) != content) {
					t.Errorf("%s at %d: Lookup(%s) gives other content without an error", what, at, o.ID)
				}
			}
		}
		for _, ending := range []string{".pack", ".idx"} {
			path := packFiles(t, dir, ending)[0]
			flip := func(data []byte, at int) []byte { data[at] ^= 0xff; return data }
			damage(t, path, 1, *places, flip, func(at int) { check(ending+" flipped", at) })
			cut := func(data []byte, at int) []byte { return data[:at] }
			damage(t, path, 0, *places/4, cut, func(at int) { check(ending+" cut", at) })
		}
	})
}

func TestALazyStoreNamesWhatItCouldNotOpen(t *testing.T) {
	t.Parallel()
	g := busy(t, 3, 6)
	g.Git("repack", "-adq")
	dir := g.Path(".git", "objects")
	write(t, filepath.Join(dir, "pack", "pack-lonely.pack"), []byte("PACK"))
	replace(t, packFiles(t, dir, ".idx")[0], []byte("no index"))
	head, _ := oid.Parse(g.Git("--git-dir", g.Path(".git"), "rev-parse", "HEAD"))
	_, _, err := openLazy(t, dir, oid.SHA1).Reader().Lookup(head.Bytes())
	if err == nil {
		t.Fatal("Lookup in a store without an index gives no error")
	}
	for _, want := range []string{ErrMissing.Error(), "pack-lonely", "pack has no index", "pack index of 8 bytes"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Lookup = %v, want %q in it", err, want)
		}
	}
	if _, err := OpenLazy(filepath.Join(dir, "nowhere"), nil, oid.SHA1, Limits{}); err == nil {
		t.Error("OpenLazy of no directory gives no error")
	}
}

// Files may shrink while they are mapped.
func TestALazyStoreSurvivesShrinkingFiles(t *testing.T) {
	t.Parallel()
	b := newBuilder(oid.SHA1)
	for i := range 400 {
		b.edit(b.whole(Blob, fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 1000))), "a delta ")
	}
	for left := range 6 {
		dir := b.store(t)
		s := openLazy(t, dir, oid.SHA1)
		r := s.Reader()
		if _, _, err := r.Lookup(b.entries[0].id.Bytes()); err != nil {
			t.Fatal(err)
		}
		for _, ending := range []string{".pack", ".idx"} {
			if err := os.Truncate(packFiles(t, dir, ending)[0], int64(left)<<12); err != nil {
				t.Fatal(err)
			}
		}
		lost := 0
		for i := range b.entries {
			if _, _, err := r.Lookup(b.entries[i].id.Bytes()); err != nil {
				lost++
			}
		}
		if lost == 0 {
			t.Errorf("%d pages left: all objects were read", left)
		}
	}
}

func TestALazyStoreServesManyReaders(t *testing.T) {
	t.Parallel()
	g := busy(t, 12, 8)
	g.Git("repack", "-dq")
	g.Write("late", "loose\n")
	g.Commit("late")
	s, want := openLazy(t, g.Path(".git", "objects"), oid.SHA1), g.Objects()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { checkReader(t, s, want) })
	}
	wg.Wait()
}
