package index

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// checkListing compares a Listing with its slow twin.
func checkListing(t testing.TB, l *Listing, want *Index) {
	t.Helper()
	if l.Len() != len(want.Entries) || !reflect.DeepEqual(l.Tree, want.Tree) {
		t.Fatalf("List gives %d entries and %d cached trees, Read %d and %d", l.Len(), len(l.Tree), len(want.Entries), len(want.Tree))
	}
	for i, e := range want.Entries {
		e.Stat = Stat{}
		got := l.Entry(i)
		got.Stat = Stat{}
		if got != e {
			t.Errorf("entry %d = %+v, want %+v", i, got, e)
		}
		for _, at := range []int{0, len(e.Path) / 2, len(e.Path)} {
			for _, rest := range []string{e.Path[at:], "", "/", "0", e.Path[at:] + "x"} {
				if got, want := l.Compare(i, e.Path[:at], rest), cmp.Compare(e.Path, e.Path[:at]+rest); got != want {
					t.Errorf("Compare(%d, %q, %q) = %d, want %d", i, e.Path[:at], rest, got, want)
				}
			}
		}
	}
}

// lists runs both readers over one file.
func lists(t testing.TB, data []byte, f oid.Format, shared func(string) ([]byte, error)) {
	t.Helper()
	want, failed := Parse(data, f, shared)
	err := list(data, f, shared, func(l *Listing) error {
		if failed == nil {
			checkListing(t, l, want)
		}
		return nil
	})
	if (err == nil) != (failed == nil) && !errors.Is(failed, ErrChecksum) {
		t.Errorf("list = %v, Parse = %v", err, failed)
	}
}

func TestListRefusesWhatParseRefuses(t *testing.T) {
	two := v2("a", "b/c", "b/d", "e")
	two.sum = true
	whole := two.extension("TREE", "\x004 1\n01234567890123456789b\x002 0\n01234567890123456789").bytes()
	four := v4("a", "b/c", "b/d").bytes()
	for _, data := range [][]byte{whole, four} {
		lists(t, data, oid.SHA1, nil)
		for at := range data {
			lists(t, data[:at], oid.SHA1, nil)
			bad := slices.Clone(data)
			for _, mask := range []byte{1, 0x80, 0xff} {
				bad[at] = data[at] ^ mask
				lists(t, bad, oid.SHA1, nil)
			}
		}
	}
}

func TestListGivesTheErrorOfItsUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index")
	if err := os.WriteFile(path, v2("a", "b").bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	mine := errors.New("of the user")
	if err := List(path, oid.SHA1, func(*Listing) error { return mine }); !errors.Is(err, mine) || err.Error() != mine.Error() {
		t.Errorf("List = %v, want what its user said", err)
	}
	called := 0
	if err := List(path+" not there", oid.SHA1, func(l *Listing) error { called += 1 + l.Len(); return nil }); err != nil || called != 1 {
		t.Errorf("List of no file = %v after %d calls, want an empty one", err, called)
	}
	if err := List(filepath.Dir(path), oid.SHA1, func(*Listing) error { return nil }); err == nil {
		t.Error("List of a directory gives no error")
	}
}

// Git commits what an index says whose checksum is wrong, and so that is looked at.
func TestListReadsAnIndexAsGitCommitsIt(t *testing.T) {
	g := gittest.New(t)
	g.Write("a", "content\n")
	g.Git("add", "a")
	path := g.Path(".git", "index")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("a\x00"))
	data[at] = 'b' // the name of the file
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path, oid.SHA1); !errors.Is(err, ErrChecksum) {
		t.Errorf("Read = %v, want %v", err, ErrChecksum)
	}
	g.Git("commit", "-q", "-m", "whatever it sums up to")
	want := g.Git("ls-tree", "--name-only", "HEAD")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	err = List(path, oid.SHA1, func(l *Listing) error {
		if got := l.Entry(0).Path; got != want || got != "b" {
			t.Errorf("the index lists %q, the commit %q", got, want)
		}
		return nil
	})
	if err != nil {
		t.Errorf("List = %v", err)
	}
}

func TestListSurvivesAShrinkingFile(t *testing.T) {
	w := v2()
	for i := range 3000 {
		w.add("dir/"+string([]byte{'a' + byte(i/676), 'a' + byte(i/26%26), 'a' + byte(i%26)}), 0)
	}
	path := filepath.Join(t.TempDir(), "index")
	if err := os.WriteFile(path, w.bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	err := List(path, oid.SHA1, func(l *Listing) error {
		if err := os.Truncate(path, 4096); err != nil {
			t.Fatal(err)
		}
		_ = l.Entry(l.Len() - 1)
		return nil
	})
	if !errors.Is(err, ErrTruncated) {
		t.Errorf("List = %v, want %v", err, ErrTruncated)
	}
}

func TestNewListingWantsOrder(t *testing.T) {
	entries := []Entry{{Path: "b"}, {Path: "a"}}
	if _, err := NewListing(entries); !errors.Is(err, ErrCorrupt) {
		t.Errorf("NewListing of unordered entries = %v, want %v", err, ErrCorrupt)
	}
	slices.Reverse(entries)
	l, err := NewListing(entries)
	if err != nil {
		t.Fatal(err)
	}
	checkListing(t, l, &Index{Entries: entries})
}

func FuzzList(f *testing.F) {
	f.Add(v2("a", "b/c").extension("TREE", "\x002 1\n01234567890123456789b\x001 0\n01234567890123456789").bytes(), []byte(nil))
	f.Add(v4("a", "a/b", "a/c").bytes(), []byte(nil))
	f.Add(build(3).add("x", flagExtended).bytes(), []byte(nil))
	f.Fuzz(func(t *testing.T, data, shared []byte) {
		for _, format := range []oid.Format{oid.SHA1, oid.SHA256} {
			lists(t, data, format, func(string) ([]byte, error) { return slices.Clone(shared), nil })
		}
	})
}

// checkNames compares Names with Read.
func checkNames(t testing.TB, path string, f oid.Format) {
	t.Helper()
	x, err := Read(path, f)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]Name, 0, len(x.Entries))
	for _, e := range x.Entries {
		want = append(want, Name{e.Path, e.Mode})
	}
	if got, err := Names(path, f); err != nil || !slices.Equal(got, want) {
		t.Errorf("Names = %v, %v, want %v", got, err, want)
	}
}

func TestNamesAreThoseOfEntries(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "index")
	for _, data := range [][]byte{
		v2("a", "b/c", strings.Repeat("d", 5000), "e").bytes(), v4("a", "b/c", "b/d").bytes(),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		checkNames(t, path, oid.SHA1)
	}
	if names, err := Names(filepath.Join(dir, "none"), oid.SHA1); err != nil || len(names) != 0 {
		t.Errorf("Names(no file) = %v, %v, want none", names, err)
	}
	if err := os.WriteFile(path, v2("a", "b").bytes()[:70], 0o600); err != nil {
		t.Fatal(err)
	}
	if names, err := Names(path, oid.SHA1); err == nil || names != nil {
		t.Errorf("Names(half a file) = %v, %v, want an error", names, err)
	}
}
