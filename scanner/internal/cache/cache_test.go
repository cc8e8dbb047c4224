package cache

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type first struct {
	Name string
	N    []int
}

func (v *first) Code(c *Coder) {
	c.String(&v.Name)
	List(c, &v.N, func(n *int, c *Coder) { Number(c, n) })
}

type second struct{ Data []byte }

func (v *second) Code(c *Coder) { c.Bytes(&v.Data) }

func TestWhatIsWrittenIsRead(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "deep", "cache"))
	if _, err := d.Open("x"); !errors.Is(err, ErrNone) {
		t.Fatalf("open before anything was written: %v, want ErrNone", err)
	}
	for _, n := range []int{3, 1000, 1} { // over what was there
		a, b := first{"α", make([]int, n)}, second{make([]byte, n*100)}
		a.N[n-1] = n
		if err := d.Write("x", &a, &b); err != nil {
			t.Fatal(err)
		}
		f, err := d.Open("x")
		if err != nil {
			t.Fatal(err)
		}
		var gotB second
		var gotA first
		if err := errors.Join(f.Read(1, &gotB), f.Read(0, &gotA)); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if gotA.Name != a.Name || len(gotA.N) != n || gotA.N[n-1] != n || len(gotB.Data) != n*100 {
			t.Errorf("read %q, %d numbers and %d bytes; wrote %q, %d, %d", gotA.Name, len(gotA.N), len(gotB.Data), a.Name, n, n*100)
		}
	}
	if _, err := d.Open("y"); !errors.Is(err, ErrNone) {
		t.Errorf("open of another name: %v, want ErrNone", err)
	}
	entries, err := os.ReadDir(string(d))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files are left behind, want one", len(entries))
	}
}

func TestNamesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, about := range [][]string{{}, {""}, {"a"}, {"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}} {
		name := Name(about...)
		if seen[name] || len(name) != 32 {
			t.Errorf("%q is called %q", about, name)
		}
		seen[name] = true
	}
}

func TestDamageIsFoundAndRemoved(t *testing.T) {
	d := Dir(t.TempDir())
	write := func() []byte {
		if err := d.Write("x", &first{"a", []int{1, 2, 3}}, &second{[]byte("payload")}); err != nil {
			t.Fatal(err)
		}
		good, err := os.ReadFile(d.path("x"))
		if err != nil {
			t.Fatal(err)
		}
		return good
	}
	good := write()
	try := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(d.path("x"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := d.Open("x")
		for i := 0; err == nil && i < 2; i++ {
			err = f.Read(i, []Value{new(first), new(second)}[i])
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", what, err)
		}
		if _, err := os.Stat(d.path("x")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the file is still there (%v)", what, err)
		}
	}
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x40
		try("byte flipped", bad)
		try("cut short", good[:i])
	}
	// A sum that fits, over what is no such value.
	if err := d.Write("x", &second{}, &first{}); err != nil {
		t.Fatal(err)
	}
	f, err := d.Open("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Read(0, new(first)); !errors.Is(err, ErrDamaged) {
		t.Errorf("another value: %v, want ErrDamaged", err)
	}
	write()
	if f, err = d.Open("x"); err != nil {
		t.Fatal(err)
	}
	if err := f.Discard("reason"); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "reason") {
		t.Errorf("Discard: %v", err)
	}
	if _, err := d.Open("x"); !errors.Is(err, ErrNone) {
		t.Errorf("open after Discard: %v, want ErrNone", err)
	}
}

func TestOldFilesGo(t *testing.T) {
	d := Dir(t.TempDir())
	for _, f := range []struct {
		name string
		age  time.Duration
		stay bool
	}{
		{"old.cache", keepFor + time.Hour, false},
		{"young.cache", keepFor - time.Hour, true},
		{"left.tmp", abandonedAfter + time.Hour, false},
		{"current.tmp", time.Hour, true},
		{"somebody's file", 100 * keepFor, true},
	} {
		path := filepath.Join(string(d), f.name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-f.age)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
		if err := d.Write("x", &first{}); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); (err == nil) != f.stay {
			t.Errorf("%s: %v, want it to stay: %t", f.name, err, f.stay)
		}
	}
	// To read a file is to want it.
	when := time.Now().Add(-keepFor - time.Hour)
	if err := os.Chtimes(d.path("x"), when, when); err != nil {
		t.Fatal(err)
	}
	f, err := d.Open("x")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := d.Write("y", &first{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open("x"); err != nil {
		t.Errorf("a file that was read is gone: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	d := Dir(f.TempDir())
	if err := d.Write("seed", &first{"a", []int{1}}, &second{[]byte("b")}); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(d.path("seed"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(magic)+sectionHead])
	f.Fuzz(func(t *testing.T, data []byte) {
		d := Dir(t.TempDir())
		if err := os.WriteFile(d.path("x"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := d.Open("x")
		for i := 0; err == nil && i < 3; i++ {
			err = c.Read(i, new(first))
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%v, want ErrDamaged", err)
		}
	})
}
