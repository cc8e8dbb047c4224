package pack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Whatever stands in the place of a file is named and holds nobody up.
func TestOddFilesAreNamed(t *testing.T) {
	odd := map[string]func(t *testing.T, path string){
		"nothing":    func(*testing.T, string) {},
		"empty file": func(t *testing.T, path string) { write(t, path, nil) },
		"directory": func(t *testing.T, path string) {
			if err := os.MkdirAll(filepath.Join(path, "below"), 0o777); err != nil {
				t.Fatal(err)
			}
		},
		"pipe": func(t *testing.T, path string) {
			if err := syscall.Mkfifo(path, 0o666); err != nil {
				t.Fatal(err)
			}
		},
		"link to nothing":  func(t *testing.T, path string) { symlink(t, "nowhere", path) },
		"link to itself":   func(t *testing.T, path string) { symlink(t, path, path) },
		"link to a device": func(t *testing.T, path string) { symlink(t, "/dev/zero", path) },
		"link to a text":   func(t *testing.T, path string) { symlink(t, "/proc/self/status", path) },
		"link to the log":  func(t *testing.T, path string) { symlink(t, "/proc/kmsg", path) },
	}
	for name, put := range odd {
		for _, place := range []string{"pack/pack-a.pack", "pack/pack-a.idx", "loose", "pack", "info/alternates", "subdirectory"} {
			t.Run(place+" is "+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				b := newBuilder(oid.SHA1)
				b.whole(Blob, []byte("in the pack"))
				b.save(t, dir, "pack-a")
				b.save(t, dir, "pack-b")
				lost := saveLoose(t, dir, oid.SHA1, Blob, []byte("loose"))
				saveLoose(t, dir, oid.SHA1, Blob, []byte("of another name"))
				write(t, filepath.Join(dir, "info", "alternates"), []byte("# none\n"))
				path := filepath.Join(dir, place)
				switch place {
				case "loose":
					path = loosePath(dir, lost)
				case "subdirectory":
					path = filepath.Dir(loosePath(dir, lost))
				}
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
				put(t, path)
				got, problems := all(t, open(t, dir, oid.SHA1, Limits{}), nil)
				// Gone is gone, and these places may be empty.
				gone := name == "nothing" && !strings.HasSuffix(place, ".pack") && !strings.HasSuffix(place, ".idx")
				fine := place == "info/alternates" && (name == "empty file" || name == "link to nothing" || strings.HasPrefix(name, "link to a t") || name == "link to the log") ||
					(place == "pack" || place == "subdirectory") && (name == "directory" || name == "link to nothing")
				if want := !gone && !fine; want != (len(problems) == 1) {
					t.Errorf("problems %v, want one: %v", problems, want)
				}
				least := 2
				if place == "info/alternates" {
					least = 3
				}
				if len(got) < least {
					t.Errorf("%d objects, want at least %d", len(got), least)
				}
			})
		}
	}
}

func symlink(t testing.TB, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// A store of links to the real files is a store.
func TestLinkedFilesAreRead(t *testing.T) {
	t.Parallel()
	b := newBuilder(oid.SHA1)
	b.whole(Blob, []byte("in the pack"))
	real, dir := b.store(t), t.TempDir()
	symlink(t, filepath.Join(real, "pack"), filepath.Join(dir, "pack"))
	got, problems := all(t, open(t, dir, oid.SHA1, Limits{}), nil)
	if len(got) != 1 || len(problems) > 0 {
		t.Errorf("%d objects, problems %v", len(got), problems)
	}
}

func TestAPackWithoutIndexSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := newBuilder(oid.SHA1).store(t)
	if err := os.Remove(packFiles(t, dir, ".idx")[0]); err != nil {
		t.Fatal(err)
	}
	problems := open(t, dir, oid.SHA1, Limits{}).Problems()
	if len(problems) != 1 || problems[0].Where != "pack-a.pack" {
		t.Fatalf("problems %v", problems)
	}
	var hint interface{ Hint() string }
	if !errors.As(problems[0], &hint) || !strings.Contains(hint.Hint(), "index-pack") {
		t.Errorf("problem %v has no hint of git index-pack", problems[0])
	}
}

// A file that claims a terabyte and holds nothing costs nothing.
func TestSparseFilesCostNothing(t *testing.T) {
	t.Parallel()
	for _, ending := range []string{".pack", ".idx"} {
		b := newBuilder(oid.SHA1)
		b.whole(Blob, []byte("in the pack"))
		b.idxOne = ending == ".pack"
		dir := b.store(t)
		path := packFiles(t, dir, ending)[0]
		if err := os.Truncate(path, 1<<40); err != nil {
			t.Skipf("no sparse files here: %v", err)
		}
		before := heapUsed()
		s := open(t, dir, oid.SHA1, Limits{})
		if _, problems := all(t, s, nil); len(problems) == 0 {
			t.Errorf("%s of a terabyte of nothing gave no problem", ending)
		}
		if used := heapUsed() - before; used > 64<<20 {
			t.Errorf("%s of a terabyte of nothing took %d bytes", ending, used)
		}
	}
}

// The pack shrinks while the store is open, at every moment: an error, no crash.
func TestAShrinkingPackIsAnError(t *testing.T) {
	t.Parallel()
	const pages = 8
	b := newBuilder(oid.SHA1)
	var last int
	for i := range 40 {
		last = b.whole(Blob, fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 1000)))
		b.edit(last, "a delta ")
	}
	for left := range pages {
		for _, when := range []string{"plan", "walk", "read", "nothing but names"} {
			dir := b.store(t)
			s := open(t, dir, oid.SHA1, Limits{})
			shrink := func() {
				for _, ending := range []string{".pack", ".idx"} {
					if err := os.Truncate(packFiles(t, dir, ending)[0], int64(left)<<12); err != nil {
						t.Fatal(err)
					}
				}
			}
			if when != "walk" {
				shrink()
			}
			for i := range b.entries { // names are asked in any goroutine
				if n, ok := s.Lookup(b.entries[i].id.Bytes()); !ok || s.ID(n) != b.entries[i].id {
					t.Errorf("%d pages left: Lookup(%v) finds nothing", left, b.entries[i].id)
				}
			}
			if when == "nothing but names" {
				continue
			}
			if when == "read" {
				if _, _, err := s.Reader().Lookup(b.entries[last].id.Bytes()); err == nil {
					t.Errorf("%d pages left: the last object was read", left)
				}
				continue
			}
			plan := s.Plan(nil)
			shrink()
			checkShrunk(t, s, plan, b)
		}
	}
}

func checkShrunk(t testing.TB, s *Store, plan *Plan, b *builder) {
	t.Helper()
	want := b.objects()
	seen := map[string]bool{}
	for _, u := range plan.Units {
		for o, err := range plan.Walk(t.Context(), u) {
			id := s.ID(o.Num)
			seen[id.String()] = true
			if err == nil && want[gittest.Object{ID: id.String(), Kind: o.Kind.String()}] != string(o.Data) {
				t.Errorf("%v has other content", id)
			}
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d objects were yielded or named, want %d", len(seen), len(want))
	}
	for _, w := range plan.idle { // the walk's memory is given back in spite of the faults
		if w.live != 0 {
			t.Errorf("a worker still holds %d bytes", w.live)
		}
	}
}

func TestAlternatesAreBoundedAndAsGitReadsThem(t *testing.T) {
	t.Parallel()
	var repos []*gittest.Repo
	for i := range 9 {
		g := gittest.New(t)
		g.GitIn(fmt.Sprint("of ", i), "hash-object", "-w", "--stdin")
		repos = append(repos, g)
	}
	for i, g := range repos[:8] {
		write(t, g.Path(".git", "objects", "info", "alternates"), []byte(repos[i+1].Path(".git", "objects")))
	}
	got, problems := all(t, open(t, repos[0].Path(".git", "objects"), oid.SHA1, Limits{}), nil)
	compare(t, "nested stores", got, repos[0].Objects())
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "deeper") {
		t.Errorf("problems %v, want one of nesting", problems)
	}

	dir := t.TempDir()
	id := saveLoose(t, dir, oid.SHA1, Blob, []byte("own"))
	write(t, filepath.Join(dir, "info", "alternates"), []byte(strings.Repeat("x\n", maxAlternatesFile/2)))
	s := open(t, dir, oid.SHA1, Limits{})
	if n := len(s.Problems()); n > maxObjectDirs+1 {
		t.Errorf("%d problems from one file", n)
	}
	if _, ok := s.Lookup(id.Bytes()); !ok {
		t.Errorf("the store's own object is not found")
	}
	more := t.TempDir()
	asked := saveLoose(t, more, oid.SHA1, Blob, []byte("of a directory that was asked for"))
	s, err := Open(dir, []string{more}, oid.SHA1, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, ok := s.Lookup(asked.Bytes()); !ok {
		t.Errorf("alternates took the place of a directory that was asked for")
	}
	write(t, filepath.Join(dir, "info", "alternates"), []byte(strings.Repeat("x\n", maxAlternatesFile)))
	if p := open(t, dir, oid.SHA1, Limits{}).Problems(); len(p) != 1 {
		t.Errorf("an alternates file over the limit gave %v", p)
	}
}
