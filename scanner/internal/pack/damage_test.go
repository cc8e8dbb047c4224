package pack

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// checkDamaged walks a store of which something was damaged: whatever comes out
// is what was put in, and whatever does not is named, itself or by its file.
func checkDamaged(t testing.TB, what, dir string, f oid.Format, want map[gittest.Object]string) {
	t.Helper()
	checkDamagedWithin(t, what, dir, f, Limits{}, want)
}

func checkDamagedWithin(t testing.TB, what, dir string, f oid.Format, limits Limits, want map[gittest.Object]string) {
	t.Helper()
	s, err := Open(dir, nil, f, limits)
	if err != nil {
		t.Errorf("%s: Open: %v", what, err)
		return
	}
	defer s.Close()
	got, problems := all(t, s, nil)
	for o, content := range got {
		if w, ok := want[o]; !ok || w != content {
			t.Errorf("%s: yielded %v, which was never stored so", what, o)
		}
	}
	file := slices.ContainsFunc(problems, func(p Problem) bool { return strings.HasPrefix(p.Where, "pack") })
	r := s.Reader()
	named := map[string]bool{}
	for _, p := range problems {
		named[p.Where] = true
	}
	for o, content := range want {
		if _, ok := got[o]; !ok && !file && !named[o.ID] {
			t.Errorf("%s: %v is neither yielded nor named in %v", what, o, problems)
		}
		id, _ := oid.Parse(o.ID)
		kind, data, err := r.Lookup(id.Bytes())
		if err == nil && (kind.String() != o.Kind || string(data) != content) {
			t.Errorf("%s: Lookup(%s) gives other content without an error", what, o.ID)
		}
		if _, ok := got[o]; ok && err != nil && len(problems) == 0 {
			t.Errorf("%s: Lookup(%s): %v, but a walk reads it", what, o.ID, err)
		}
	}
}

// shapes are small stores of real objects, for each format and index version.
func shapes(t *testing.T, run func(t *testing.T, dir string, f oid.Format, want map[gittest.Object]string)) {
	for _, format := range []oid.Format{oid.SHA1, oid.SHA256} {
		g := busy(t, 4, 5, "--object-format="+format.String())
		want := g.Objects()
		g.Git("repack", "-adfq", "--depth=50")
		two := g.Path(".git", "objects")
		one := filepath.Join(t.TempDir(), "objects")
		for _, p := range packFiles(t, two, ".pack") {
			write(t, filepath.Join(one, "pack", filepath.Base(p)), read(t, p))
			g.Git("index-pack", "--index-version=1", filepath.Join(one, "pack", filepath.Base(p)))
		}
		for version, dir := range []string{1: one, 2: two} {
			if dir == "" {
				continue
			}
			t.Run(fmt.Sprintf("%v index version %d", format, version), func(t *testing.T) {
				t.Parallel()
				run(t, dir, format, want)
			})
		}
	}
}

func packFiles(t testing.TB, dir, ending string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "pack", "*"+ending))
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s in %s: %v", ending, dir, err)
	}
	return found
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// replace puts a file in the place of another, which may be read-only.
func replace(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, data)
}

// damage gives up to most places of a file, from the start-th on, to change;
// then the file is whole again.
func damage(t testing.TB, path string, start, most int, change func(data []byte, at int) []byte, check func(at int)) {
	t.Helper()
	whole := read(t, path)
	step := 1 + len(whole)/most
	for at := start % step; at < len(whole); at += step {
		replace(t, path, change(bytes.Clone(whole), at))
		check(at)
	}
	replace(t, path, whole)
}

// places is how many bytes of a file are flipped, one after the other, with
// each mask. All of them, in both formats and index versions, take minutes.
var places = flag.Int("places", 150, "bytes of each file to damage")

// budget asks for the measurement of the default limits.
var budget = flag.Bool("budget", false, "run a delta bomb against the default limits")

func TestAFlippedByteIsNeverSilent(t *testing.T) {
	shapes(t, func(t *testing.T, dir string, f oid.Format, want map[gittest.Object]string) {
		for _, ending := range []string{".pack", ".idx"} {
			path := packFiles(t, dir, ending)[0]
			for i, mask := range []byte{0x01, 0x80, 0xff} {
				flip := func(data []byte, at int) []byte { data[at] ^= mask; return data }
				damage(t, path, i, *places, flip, func(at int) {
					checkDamaged(t, fmt.Sprintf("%s with %#x at %d", ending, mask, at), dir, f, want)
				})
			}
		}
		checkDamaged(t, "whole again", dir, f, want)
	})
}

func TestACutIsNeverSilent(t *testing.T) {
	shapes(t, func(t *testing.T, dir string, f oid.Format, want map[gittest.Object]string) {
		for _, ending := range []string{".pack", ".idx"} {
			path := packFiles(t, dir, ending)[0]
			damage(t, path, 0, *places, func(data []byte, at int) []byte { return data[:at] }, func(at int) {
				checkDamaged(t, fmt.Sprint(ending, " cut at ", at), dir, f, want)
			})
		}
	})
}

// A pack that was cut gives up what lies before the cut.
func TestACutPackYieldsWhatIsLeft(t *testing.T) {
	t.Parallel()
	b := newBuilder(oid.SHA1)
	for i := range 10 {
		b.whole(Blob, fmt.Appendf(nil, "content %d", i))
	}
	dir := b.store(t)
	path := packFiles(t, dir, ".pack")[0]
	at := b.entries[6].at + 3
	replace(t, path, read(t, path)[:at])
	got, problems := all(t, open(t, dir, oid.SHA1, Limits{}), nil)
	compare(t, "cut in the seventh", got, b.objects(6, 7, 8, 9))
	for _, e := range b.entries[6:] {
		if err := named(problems, e.id.String()); err == nil {
			t.Errorf("%v is not named in %v", e.id, problems)
		}
	}
}

func TestDamagedLooseObjectsAreNamed(t *testing.T) {
	t.Parallel()
	for _, f := range []oid.Format{oid.SHA1, oid.SHA256} {
		dir := t.TempDir()
		want := map[gittest.Object]string{}
		for _, kind := range []Kind{Blob, Commit} {
			data := fmt.Appendf(nil, "a %v with some content", kind)
			id := saveLoose(t, dir, f, kind, data)
			want[gittest.Object{ID: id.String(), Kind: kind.String()}] = string(data)
		}
		for o := range maps.Clone(want) {
			id, _ := oid.Parse(o.ID)
			path := loosePath(dir, id)
			for _, mask := range []byte{0x01, 0x80, 0xff} {
				flip := func(data []byte, at int) []byte { data[at] ^= mask; return data }
				damage(t, path, 0, 1000, flip, func(at int) {
					checkDamaged(t, fmt.Sprintf("%v loose, %#x at %d", f, mask, at), dir, f, want)
				})
			}
			damage(t, path, 0, 1000, func(data []byte, at int) []byte { return data[:at] }, func(at int) {
				checkDamaged(t, fmt.Sprintf("%v loose cut at %d", f, at), dir, f, want)
			})
			damage(t, path, 0, 1, func(data []byte, _ int) []byte { return append(data, "more"...) }, func(int) {
				checkDamaged(t, "loose with a tail", dir, f, want)
			})
		}
	}
}

// A loose object under another's name is not that other object.
func TestAMisnamedLooseObjectIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := saveLoose(t, dir, oid.SHA1, Blob, []byte("good"))
	other := oid.SHA1.Sum("blob", []byte("other"))
	write(t, loosePath(dir, other), read(t, loosePath(dir, good)))
	got, problems := all(t, open(t, dir, oid.SHA1, Limits{}), nil)
	if len(got) != 1 || len(problems) != 1 || problems[0].Where != other.String() {
		t.Errorf("walk gave %v and problems %v, want the good one and a problem of %v", got, problems, other)
	}
}
