package pack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// openWhile opens a store and calls change at the n-th step that has the name.
func openWhile(t *testing.T, dir, step string, n int, change func()) *Store {
	t.Helper()
	s, err := opener{at: func(name string) {
		if name == step {
			if n--; n == 0 {
				change()
			}
		}
	}}.open(dir, nil, oid.SHA1, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// scattered is a repository with several packs, loose objects, and objects that
// nothing leads to.
func scattered(t *testing.T) *gittest.Repo {
	t.Helper()
	g := busy(t, 5, 80)
	g.Git("repack", "-dq")
	g.Write("dropped", "nothing leads here\n")
	g.Commit("dropped")
	g.Git("repack", "-dq")
	g.Git("reset", "-q", "--hard", "HEAD~1")
	g.Git("reflog", "expire", "--expire=now", "--all")
	g.Write("loose", "one more\n")
	g.Commit("loose")
	return g
}

// What git gc does at any moment makes no difference.
func TestARepackWhileOpeningLosesNothing(t *testing.T) {
	for name, args := range map[string][]string{
		"one pack":             {"repack", "-Adfq"},
		"loose to a pack":      {"repack", "-dq"},
		"gc":                   {"gc", "-q", "--no-prune"},
		"unreachable are kept": {"repack", "-adkq"},
	} {
		for _, step := range []string{"listed", "packs", "loose", "end"} {
			t.Run(name+" after "+step, func(t *testing.T) {
				t.Parallel()
				g := scattered(t)
				want := g.Objects()
				repack := func() { g.Git(args...) }
				s := openWhile(t, g.Path(".git", "objects"), step, 1, repack)
				if step == "end" {
					repack()
				}
				got, problems := all(t, s, nil)
				compare(t, name, got, want)
				if len(problems) > 0 {
					t.Errorf("problems: %v", problems)
				}
				checkReader(t, s, want)
			})
		}
	}
}

// What is in a pack that goes before it is opened, twice, is looked for as loose
// objects at the end.
func TestAStoreThatIsPackedAndUnpackedIsRead(t *testing.T) {
	t.Parallel()
	g := busy(t, 3, 81)
	g.Git("repack", "-adq")
	want := g.Objects()
	dir := g.Path(".git", "objects")
	n := 0
	s, err := opener{at: func(step string) {
		if step != "listed" {
			return
		}
		switch n++; n {
		case 1:
			g.Git("repack", "-adfq", "--window=1", "--depth=1")
		case 2:
			path := packFiles(t, dir, ".pack")[0]
			pack := read(t, path)
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
			if err := os.Remove(packFiles(t, dir, ".idx")[0]); err != nil {
				t.Error(err)
			}
			g.GitIn(string(pack), "unpack-objects", "-q")
		}
	}}.open(dir, nil, oid.SHA1, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, problems := all(t, s, nil)
	compare(t, "packed and unpacked", got, want)
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
}

// Repacks come while what the one before has moved is being read.
func TestRepacksWhileReadingLoseNothing(t *testing.T) {
	loose := func(t *testing.T) (g *gittest.Repo, s *Store, change func()) {
		g = gittest.New(t)
		for i := range 40 {
			g.Write(fmt.Sprint("f", i), fmt.Sprint("content ", i))
		}
		g.Commit("all loose")
		n := 0
		return g, open(t, g.Path(".git", "objects"), oid.SHA1, Limits{}), func() {
			if n++; n%10 == 0 {
				g.Git("repack", "-adfq", fmt.Sprint("--window=", n))
			}
		}
	}
	t.Run("walk", func(t *testing.T) {
		t.Parallel()
		g, s, change := loose(t)
		want, seen := g.Objects(), 0
		plan := s.Plan(nil)
		for _, u := range plan.Units {
			for o, err := range plan.Walk(t.Context(), u) {
				id := s.ID(o.Num)
				if err != nil || want[gittest.Object{ID: id.String(), Kind: o.Kind.String()}] != string(o.Data) {
					t.Errorf("%v: %d bytes, %v", id, len(o.Data), err)
				}
				seen++
				change()
			}
		}
		if seen != len(want) {
			t.Errorf("walked %d objects, want %d", seen, len(want))
		}
	})
	t.Run("reader", func(t *testing.T) {
		t.Parallel()
		g, s, change := loose(t)
		r := s.Reader()
		for o, content := range g.Objects() {
			change()
			id, _ := oid.Parse(o.ID)
			if _, data, err := r.Lookup(id.Bytes()); err != nil || string(data) != content {
				t.Errorf("Lookup(%s) = %d bytes, %v", o.ID, len(data), err)
			}
		}
	})
}

// A loose object that is nowhere any more is named.
func TestALooseObjectThatIsGoneIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gone := saveLoose(t, dir, oid.SHA1, Blob, []byte("gone"))
	saveLoose(t, dir, oid.SHA1, Blob, []byte("stays"))
	s := open(t, dir, oid.SHA1, Limits{})
	if err := os.Remove(loosePath(dir, gone)); err != nil {
		t.Fatal(err)
	}
	got, problems := all(t, s, nil)
	if len(got) != 1 || len(problems) != 1 || !errors.Is(named(problems, gone.String()), os.ErrNotExist) {
		t.Errorf("walk gave %d objects and problems %v, want one of %v", len(got), problems, gone)
	}
	if _, _, err := s.Reader().Lookup(gone.Bytes()); err == nil {
		t.Error("Lookup of what is gone gave no error")
	}
}

// git moves a pack and then its index: for a moment there is one without the other.
func TestAPackWhoseIndexComesIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilder(oid.SHA1)
		b.whole(Blob, []byte("in a pack that is being moved"))
		dir := b.store(t)
		idx := filepath.Join(dir, "pack", "pack-a.idx")
		away := filepath.Join(t.TempDir(), "idx")
		if err := os.Rename(idx, away); err != nil {
			t.Fatal(err)
		}
		s := openWhile(t, dir, "listed", 4, func() {
			if err := os.Rename(away, idx); err != nil {
				t.Error(err)
			}
		})
		got, problems := all(t, s, nil)
		compare(t, "index comes", got, b.objects())
		if len(problems) > 0 {
			t.Errorf("problems: %v", problems)
		}
	})
}

// Whoever keeps adding packs does not keep a scan from beginning, or from saying
// that it may have missed some.
func TestAStoreThatNeverRestsIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, n := t.TempDir(), 0
		write(t, filepath.Join(dir, "info", "none"), nil)
		s, err := opener{at: func(step string) {
			if step == "listed" {
				n++
				b := newBuilder(oid.SHA1)
				b.whole(Blob, fmt.Append(nil, n))
				b.save(t, dir, fmt.Sprint("pack-", n))
			}
		}}.open(dir, nil, oid.SHA1, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		got, problems := all(t, s, nil)
		if len(got) < maxRounds-1 || !errors.Is(named(problems, "pack"), errChanging) {
			t.Errorf("%d objects, problems %v, want one of %v", len(got), problems, errChanging)
		}
	})
}
