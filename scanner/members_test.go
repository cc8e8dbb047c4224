package scanner

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
)

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zipped(t testing.TB, name, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func tarred(t testing.TB, name, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestKeysInsideContainersAreFound(t *testing.T) {
	r := rulestest.Rand(610)
	g := gittest.New(t)
	single, nested, later, plain := newKey(r), newKey(r), newKey(r), newKey(r)
	encrypted := []byte(zipped(t, "locked", strings.Repeat("text ", 100)))
	for head, flags := range map[string]int{"PK\x03\x04": 6, "PK\x01\x02": 8} { // where each has its flags
		encrypted[bytes.Index(encrypted, []byte(head))+flags] |= 1
	}
	encrypted[30+len("locked")] ^= 0x55 // with the flag alone it would be read
	g.Write("one.gz", gzipped(t, "line\n"+single.lines()))
	g.Write("all.tgz", gzipped(t, tarred(t, "lib/app.jar", zipped(t, "conf/aws.env", nested.lines()))))
	g.Write("locked.zip", string(encrypted))
	g.Write("as-is.tar", tarred(t, "f", plain.lines()))
	first := g.Commit("packed")
	g.Write("one.gz", gzipped(t, "line\n"+single.lines()+"more\n"+later.lines()))
	g.Commit("packed again")
	g.Git("repack", "-adfq")
	c := testCache(t)
	for _, src := range []string{"history", "work tree"} {
		repo := openRepo(t, g.Dir)
		source := repo.History()
		if src != "history" {
			var err error
			if source, err = repo.WorkTree(false); err != nil {
				t.Fatal(err)
			}
		}
		found, sum := scanAll(t, 2, source)
		for _, want := range []struct {
			k                  key
			path, member, code string
			line               int
		}{
			{single, "one.gz", "", "gzip", 2},
			{later, "one.gz", "", "gzip", 5},
			{nested, "all.tgz", "lib/app.jar!conf/aws.env", "zip", 1},
			{plain, "as-is.tar", "", "", 1},
		} {
			f, ok := found[want.k.id]
			if !ok || len(f.Places) != 1 {
				t.Errorf("%s: %s in %s has %d places", src, want.k.id, want.path, len(f.Places))
				continue
			}
			p := f.Places[0]
			if p.Path != want.path || p.Member != want.member || p.Encoding != want.code || p.At.Line != want.line || f.Key.Secret.IsZero() {
				t.Errorf("%s: %+v, want %+v", src, p, want)
			}
			if src == "history" && want.k != later && p.Commit.ID.String() != first {
				t.Errorf("%s: %s came with %s, want %s", src, want.path, p.Commit.ID, first)
			}
		}
		if len(found) != 4 || sum.Unopened != 1 || len(sum.Seals) != 1 || sum.Incomplete() {
			t.Errorf("%s: %d findings, %d unopened (%v), incomplete %t; want 4, the locked one, complete", src, len(found), sum.Unopened, sum.Seals, sum.Incomplete())
		}
	}
	sameAsWithout(t, "first", g.Dir, c)
	if use, sum := sameAsWithout(t, "second", g.Dir, c); use.Objects != sum.Objects.Total() || use.Err != nil {
		t.Errorf("second scan: %+v", use)
	}
	g.Write("new", "file")
	g.Commit("later")
	if use, _ := sameAsWithout(t, "third", g.Dir, c); use.Objects == 0 || use.Err != nil {
		t.Errorf("third scan: %+v", use)
	}
}

// What an archive had before it was packed anew is known; what came into it is
// found.
func TestAPackedFileAddsWhatItDidNotHave(t *testing.T) {
	r := rulestest.Rand(611)
	g := gittest.New(t)
	old, added := newKey(r), newKey(r)
	g.Write("app.jar", zipped(t, "conf/aws.env", old.lines()))
	g.Commit("packed")
	g.Write("app.jar", zipped(t, "conf/moved.env", "# version 2\n"+old.lines()+added.lines()))
	g.Git("add", "-A")
	staged, err := OpenStaged(g.Dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(staged.Close)
	only := func(what string, src Source) {
		found, sum := scanAll(t, 2, src)
		if _, ok := found[added.id]; !ok || len(found) != 1 || sum.Known != 1 || sum.Incomplete() {
			t.Errorf("%s: %d findings, %d known, want the key that was added, and the other known", what, len(found), sum.Known)
		}
	}
	only("staged", staged)
	g.Commit("packed again")
	chosen, err := openRepo(t, g.Dir).Chosen(t.Context(), Choice{Range: "HEAD~1..HEAD"})
	if err != nil {
		t.Fatal(err)
	}
	only("range", chosen)
}

func TestABombIsANamedSkip(t *testing.T) {
	g := gittest.New(t)
	bomb := strings.Repeat("\x00", 200<<20)
	g.Write("bomb.gz.gz", gzipped(t, gzipped(t, bomb)))
	g.Commit("boom")
	_, sum := scanAll(t, 1, openRepo(t, g.Dir).History())
	if sum.Skipped != 1 || !sum.Incomplete() {
		t.Errorf("skipped %d: %v; want the bomb by its name", sum.Skipped, sum.Skips)
	}
}
