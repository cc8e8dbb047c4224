package pack

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// openAlone opens the pack that stands behind a head in a file of its own.
func openAlone(t testing.TB, head string, data []byte, f oid.Format, l Limits) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "alone")
	write(t, path, append([]byte(head), data...))
	s, err := OpenFile(t.Context(), path, int64(len(head)), f, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// checkAlone holds what a store has against what it should have.
func checkAlone(t testing.TB, what string, s *Store, want map[gittest.Object]string, problems int) {
	t.Helper()
	got, found := all(t, s, nil)
	if !maps.Equal(got, want) {
		t.Errorf("%s: %d objects, want %d", what, len(got), len(want))
	}
	if len(found) != problems {
		t.Errorf("%s: problems %v, want %d", what, found, problems)
	}
}

func TestAPackAloneHasTheObjectsThatGitSees(t *testing.T) {
	for _, format := range []oid.Format{oid.SHA1, oid.SHA256} {
		for _, byName := range []bool{false, true} {
			g := busy(t, 4, 40, "--object-format="+format.String())
			g.Git("config", "repack.useDeltaBaseOffset", fmt.Sprint(!byName))
			g.Git("repack", "-adfq", "--depth=50")
			want := g.Objects()
			data := read(t, packFiles(t, g.Path(".git", "objects"), ".pack")[0])
			what := fmt.Sprintf("%v, bases by name %t", format, byName)
			checkAlone(t, what, openAlone(t, "", data, format, Limits{}), want, 0)
			checkAlone(t, what+", behind a head", openAlone(t, "a head\n", data, format, Limits{}), want, 0)
		}
	}
}

// Huge objects are named as they go by, bases in temporary files.
func TestAPackAloneNamesHugeObjects(t *testing.T) {
	for seed := range uint64(20) {
		b := mixture(rand.New(rand.NewPCG(seed, 7)), oid.SHA1, 60)
		data, _ := b.bytes()
		s := openAlone(t, "", data, oid.SHA1, tight(t))
		got, problems := drain(t, s)
		for o, content := range b.objects() {
			id, _ := oid.Parse(o.ID)
			if size, ok := got[id]; !ok || size != int64(len(content)) {
				t.Errorf("seed %d: object of %d bytes has %d, there: %t", seed, len(content), size, ok)
			}
		}
		if len(got) != len(b.objects()) || len(problems)+len(s.Problems()) > 0 {
			t.Errorf("seed %d: %d objects, want %d; problems %v %v", seed, len(got), len(b.objects()), problems, s.Problems())
		}
		checkSpills(t, s)
	}
}

// namedChain adds a chain of deltas that name their bases, the last first.
func namedChain(b *builder, depth int) {
	base := []byte("0123456789")
	id := b.format.Sum("blob", base)
	type link struct {
		base, id oid.ID
		ops      []byte
		data     []byte
	}
	var chain []link
	for range depth {
		next := append([]byte("x"), base...)
		l := link{id, b.format.Sum("blob", next), prepend(base, "x"), next}
		chain, base, id = append(chain, l), next, l.id
	}
	for _, l := range slices.Backward(chain) {
		i := b.ref(l.base, l.id, l.ops)
		b.data[i], b.kind[i] = l.data, Blob
	}
	b.whole(Blob, []byte("0123456789"))
}

func TestAPackAloneFollowsDeltasThatNameTheirBase(t *testing.T) {
	b := newBuilder(oid.SHA1)
	namedChain(b, 60)
	data, _ := b.bytes()
	checkAlone(t, "chain", openAlone(t, "", data, oid.SHA1, Limits{}), b.objects(), 0)

	// What the chain stands on is not there: a thin pack.
	thin := newBuilder(oid.SHA1)
	namedChain(thin, 3)
	kept := newBuilder(oid.SHA1)
	kept.whole(Blob, []byte("before what has no name"))
	for i, e := range thin.entries[:3] {
		end := thin.entries[i+1].at
		kept.raw(e.id, bytes.Clone(thin.pack.Bytes()[e.at:end]))
	}
	i := kept.whole(Blob, []byte("behind it"))
	kept.edit(i, "edited ")
	data, _ = kept.bytes()
	s := openAlone(t, "", data, oid.SHA1, Limits{})
	checkAlone(t, "thin", s, kept.objects(), 3)
	missing := thin.entries[3].id.String()
	if p := s.Problems(); !slices.ContainsFunc(p, func(p Problem) bool {
		return errors.Is(p.Err, ErrMissing) && strings.Contains(p.Error(), missing) && strings.Contains(p.Error(), "alone.pack at ")
	}) {
		t.Errorf("%v does not name %s", p, missing)
	}
}

func TestAPackAloneMayHaveAnObjectTwice(t *testing.T) {
	b := newBuilder(oid.SHA1)
	first := b.whole(Blob, []byte("twice"))
	b.edit(first, "a ")
	second := b.whole(Blob, []byte("twice"))
	b.edit(second, "b ")
	data, _ := b.bytes()
	s := openAlone(t, "", data, oid.SHA1, Limits{})
	checkAlone(t, "twice", s, b.objects(), 0)
	if s.Unique() != 3 {
		t.Errorf("%d objects, want 3", s.Unique())
	}
}

func TestAnIndexBesideAPackIsUsed(t *testing.T) {
	g := busy(t, 2, 5)
	g.Git("repack", "-adq")
	want := g.Objects()
	from := packFiles(t, g.Path(".git", "objects"), ".pack")[0]
	dir := t.TempDir()
	write(t, filepath.Join(dir, "pack-a.pack"), read(t, from))
	write(t, filepath.Join(dir, "pack-a.idx"), read(t, strings.TrimSuffix(from, "pack")+"idx"))
	path := filepath.Join(dir, "pack-a.pack")
	open := func(problems int) {
		t.Helper()
		s, err := OpenFile(t.Context(), path, 0, oid.SHA1, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		checkAlone(t, "index", s, want, problems)
	}
	open(0)
	// One that is damaged is not needed.
	replace(t, filepath.Join(dir, "pack-a.idx"), []byte("rubbish"))
	open(0)
}

// What lies before the damage is read, and what is wrong is told.
func TestADamagedPackAloneIsToldAndReadAsFarAsItGoes(t *testing.T) {
	b := small(oid.SHA1)
	data, _ := b.bytes()
	whole, _ := all(t, openAlone(t, "", data, oid.SHA1, Limits{}), nil)
	if len(whole) != len(b.entries) {
		t.Fatalf("%d objects, want %d", len(whole), len(b.entries))
	}
	check := func(what string, data []byte) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "alone")
		write(t, path, data)
		s, err := OpenFile(t.Context(), path, 0, oid.SHA1, Limits{})
		if err != nil {
			if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v", what, err)
			}
			return
		}
		defer s.Close()
		got, _ := all(t, s, nil)
		if len(s.Problems()) == 0 {
			t.Errorf("%s is not told", what)
		}
		for o, content := range got {
			id := oid.SHA1.Sum(o.Kind, []byte(content))
			if o.ID != id.String() {
				t.Errorf("%s: object %s is really %s", what, o.ID, id)
			}
		}
	}
	for i := range data {
		check(fmt.Sprint("cut at ", i), data[:i])
		flipped := bytes.Clone(data)
		flipped[i] ^= 1 << (i % 8)
		check(fmt.Sprint("flipped at ", i), flipped)
	}
	check("more behind", append(bytes.Clone(data), "more"...))
	absurd := bytes.Clone(data)
	copy(absurd[8:], "\x3f\xff\xff\xff")
	check("absurd count", absurd)
	if s := openAlone(t, "", b.sum(absurd[:len(absurd)-20]), oid.SHA1, Limits{}); len(s.Problems()) != 1 {
		t.Errorf("problems %v, want that of the count", s.Problems())
	} else if got, _ := all(t, s, nil); !maps.Equal(got, whole) {
		t.Errorf("with an absurd count %d objects, want %d", len(got), len(whole))
	}
}

func FuzzOpenFile(f *testing.F) {
	b := small(oid.SHA1)
	data, _ := b.bytes()
	f.Add(data[packHeader:len(data)-20], uint32(len(b.entries)))
	c := newBuilder(oid.SHA1)
	namedChain(c, 4)
	data, _ = c.bytes()
	f.Add(data[packHeader:len(data)-20], uint32(len(c.entries)))
	f.Fuzz(func(t *testing.T, body []byte, count uint32) {
		b := newBuilder(oid.SHA1)
		b.pack.Write(body)
		b.count = int(count)
		data, _ := b.bytes()
		path := filepath.Join(t.TempDir(), "alone")
		write(t, path, data)
		s, err := OpenFile(t.Context(), path, 0, oid.SHA1, Limits{Object: 1 << 12, Live: 1 << 13, Spilled: 1 << 20, Amplified: 64 << 20})
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v, want ErrCorrupt", err)
			}
			return
		}
		defer s.Close()
		if len(s.Problems()) == 0 && s.Len() != int(count) {
			t.Errorf("%d objects of %d, and nothing is told", s.Len(), count)
		}
		if _, problems := all(t, s, nil); len(problems) > len(s.Problems()) {
			t.Errorf("what has a name cannot be read: %v", problems)
		}
	})
}
