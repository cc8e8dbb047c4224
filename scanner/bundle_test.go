package scanner

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// scanPacked scans a file, which must be one that holds a repository.
func scanPacked(t testing.TB, path string) ([]Finding, Summary) {
	t.Helper()
	kind, err := PackedFile(path)
	if err != nil || kind == "" {
		t.Fatalf("PackedFile(%q) = %q, %v", path, kind, err)
	}
	r, err := OpenPacked(t.Context(), path, kind)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var found []Finding
	s := Scanner{Rules: rules.Default(), Now: func() time.Time { return time.Unix(0, 0) }}
	sum, err := s.Scan(t.Context(), func(f Finding) error {
		found = append(found, f)
		return nil
	}, r.History(), r.Names())
	if err != nil {
		t.Fatal(err)
	}
	return found, sum
}

// lived is a repository that things happened to, and a bare copy of what its refs
// lead to, packed.
func lived(t testing.TB, seed uint64, args ...string) (l *life, bare *gittest.Repo) {
	t.Helper()
	l = &life{g: gittest.New(t, args...), r: rulestest.Rand(seed)}
	l.edit(l.key())
	l.g.Commit("first")
	for range 40 {
		l.n++
		steps[l.r.IntN(len(steps))].do(l)
		l.g.Tick()
	}
	l.edit(l.key())
	l.try("merge", "--abort")
	l.try("checkout", "-q", "-f", "main")
	l.g.Commit("last " + l.key())
	dir := t.TempDir()
	l.g.Git("clone", "-q", "--mirror", "file://"+l.g.Dir, dir)
	bare = gittest.At(t, dir)
	bare.Git("repack", "-adfq", "--depth=20")
	return l, bare
}

func TestABundleIsWhatTheRepositoryIs(t *testing.T) {
	for seed, format := range []string{"sha1", "sha256", "sha1"} {
		_, bare := lived(t, uint64(seed)+30, "--object-format="+format)
		want, wantSum := scanHistory(t, bare.Dir, nil)
		if len(want) < 3 {
			t.Fatalf("%d findings are too few to compare", len(want))
		}
		path := filepath.Join(t.TempDir(), "anything")
		for _, version := range []string{"2", "3"} {
			if version == "2" && format == "sha256" {
				continue
			}
			bare.Git("bundle", "create", "-q", "--version="+version, path, "--all", "HEAD")
			got, sum := scanPacked(t, path)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("seed %d: bundle of version %s\n%s\nrepository\n%s", seed, version, describeFindings(got), describeFindings(want))
			}
			if fmt.Sprintf("%+v", sum) != fmt.Sprintf("%+v", wantSum) {
				t.Errorf("seed %d: bundle %+v, repository %+v", seed, sum, wantSum)
			}
		}
	}
}

// A pack has no refs, and no commit of it is taken for lost.
func TestAPackIsWhatTheRepositoryIsButForRefs(t *testing.T) {
	for seed, format := range []string{"sha1", "sha256"} {
		_, bare := lived(t, uint64(seed)+40, "--object-format="+format)
		want, wantSum := scanHistory(t, bare.Dir, nil)
		packs, err := filepath.Glob(filepath.Join(bare.Dir, "objects", "pack", "*.pack"))
		if err != nil || len(packs) != 1 {
			t.Fatalf("packs %v, %v", packs, err)
		}
		data, err := os.ReadFile(packs[0])
		if err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(t.TempDir(), "other")
		if err := os.WriteFile(other, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{packs[0], other} { // with an index beside it, and without
			got, sum := scanPacked(t, path)
			if !reflect.DeepEqual(bareOfRefs(got), bareOfRefs(want)) {
				t.Errorf("%s:\n%s\nrepository\n%s", path, describeFindings(bareOfRefs(got)), describeFindings(bareOfRefs(want)))
			}
			for _, f := range got {
				for _, p := range f.Places {
					if p.Commit != nil && p.Unreachable {
						t.Errorf("%s: %s is taken for unreachable", path, p.Path)
					}
				}
			}
			if sum.Objects != wantSum.Objects || sum.Incomplete() {
				t.Errorf("%s: %+v, repository %+v", path, sum, wantSum)
			}
		}
	}
}

// bareOfRefs takes from findings what refs tell.
func bareOfRefs(list []Finding) []Finding {
	out := make([]Finding, len(list))
	for i, f := range list {
		f.Refs, f.RefCount = nil, 0
		f.Places = append([]Place(nil), f.Places...)
		for k := range f.Places {
			f.Places[k].Head, f.Places[k].Unreachable = nil, false
		}
		out[i] = f
	}
	return out
}

func TestABundleOfAPartSaysWhatItLacks(t *testing.T) {
	g := gittest.New(t)
	r := rulestest.Rand(50)
	for i := range 4 {
		g.Write(fmt.Sprint("dir/", i), newKey(r).lines()+strings.Repeat(fmt.Sprint("text ", i, "\n"), 100))
		g.Write("same", fmt.Sprint(i))
		g.Commit(fmt.Sprint("commit ", i))
	}
	base := g.Git("rev-parse", "HEAD~1")
	path := g.Path("part")
	for _, tt := range []struct {
		args []string
		want []string
		keys int
	}{
		{[]string{"HEAD~1..main"}, []string{"it needs commit " + base, "objects that it refers to are not in it"}, 1},
		{[]string{"--filter=blob:none", "--all"}, []string{"made with a filter", "objects that it refers to are not in it"}, 0},
	} {
		g.Git(append([]string{"bundle", "create", "-q", path}, tt.args...)...)
		found, sum := scanPacked(t, path)
		said := fmt.Sprint(sum.Skips)
		for _, want := range tt.want {
			if !strings.Contains(said, want) {
				t.Errorf("%v: %s does not say %q", tt.args, said, want)
			}
		}
		if !sum.Incomplete() || len(found) != tt.keys || len(sum.Skips) > 3 {
			t.Errorf("%v: %d findings, want %d; %+v", tt.args, len(found), tt.keys, sum)
		}
	}
}

func TestDamagedBundlesAreNotClean(t *testing.T) {
	g := gittest.New(t)
	g.Write("a", newKey(rulestest.Rand(51)).lines())
	g.Commit("one")
	path := g.Path("x")
	g.Git("bundle", "create", "-q", path, "--all")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := OpenPacked(t.Context(), path, Bundle)
		if err != nil {
			if h, ok := errors.AsType[interface {
				error
				Hint() string
			}](err); !ok || h.Hint() == "" {
				t.Errorf("%s: %v, without a next step", what, err)
			}
			return
		}
		defer r.Close()
		var s Scanner
		sum, err := s.Scan(t.Context(), func(Finding) error { return nil }, r.History())
		if err != nil || !sum.Incomplete() {
			t.Errorf("%s: %v, %+v", what, err, sum)
		}
	}
	head := bytes.Index(good, []byte("\n\nPACK"))
	for i := range good {
		try(fmt.Sprint("cut at ", i), good[:i])
		if i > head { // a name that is another one is no damage that shows in the head
			bad := bytes.Clone(good)
			bad[i] ^= 0x10
			try(fmt.Sprint("flipped at ", i), bad)
		}
	}
	if _, err := OpenPacked(t.Context(), g.Path("none"), Bundle); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestPackedFilesAreKnownByTheirContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for content, want := range map[string]Packed{
		"": "", "PACK": "", "PACK and more": "", "PACK\x00\x00\x00\x02\x00\x00\x00\x01": Pack, "PACK\x00\x00\x00\x04\x00\x00\x00\x01": "",
		"# v2 git bundle\n": Bundle, "# v3 git bundle\n": Bundle, "# v9 git bundle\n": Bundle, "# v2 git bundles": "", "# very": "",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := PackedFile(path); got != want || err != nil {
			t.Errorf("PackedFile(%q) = %q, %v, want %q", content, got, err, want)
		}
	}
}

// A pack stands on what is not there: each object is told, and what names them.
func TestAThinPackSaysWhatItLacks(t *testing.T) {
	g := gittest.New(t)
	text := strings.Repeat("some text that deltas can stand on\n", 100)
	g.Write("a", text)
	first := g.Commit("one")
	g.Write("a", text+newKey(rulestest.Rand(52)).lines())
	g.Commit("two")
	thin, err := g.Try("main\n^"+first+"\n", "pack-objects", "--stdout", "--thin", "--revs", "-q")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "thin")
	if err := os.WriteFile(path, []byte(thin), 0o600); err != nil {
		t.Fatal(err)
	}
	_, sum := scanPacked(t, path)
	blob := g.Git("rev-parse", first+":a")
	if said := fmt.Sprint(sum.Skips); !sum.Incomplete() || !strings.Contains(said, "delta's base: "+blob) {
		t.Errorf("%s does not name %s", said, blob)
	}
	if !errors.Is(sum.Skips[0].Err, pack.ErrMissing) {
		t.Errorf("%v, want ErrMissing", sum.Skips[0].Err)
	}
}
