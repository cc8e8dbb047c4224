package pack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// tight makes almost everything of a test huge, every base one too many, and every
// tree too large for one unit.
func tight(t testing.TB) Limits {
	return Limits{Object: 2000, Live: 5000, Unit: 1500, TempDir: t.TempDir()}
}

// checkSpills makes sure that no temporary file is left or counted.
func checkSpills(t testing.TB, s *Store) {
	t.Helper()
	if left, err := os.ReadDir(s.limits.TempDir); err != nil || len(left) > 0 || s.spilled != 0 || len(s.spills) > 0 {
		t.Errorf("temporary files are left: %v, %v, %d bytes in %d", left, err, s.spilled, len(s.spills))
	}
}

// mutate gives a delta of random pieces of base and new text, of about size bytes.
func mutate(r *rand.Rand, base []byte, size int) (data, ops []byte) {
	var pieces [][]byte
	for len(data) < size {
		if len(base) > 0 && r.IntN(3) > 0 {
			off := r.IntN(len(base))
			n := 1 + r.IntN(min(len(base)-off, 1+size/2))
			data = append(data, base[off:off+n]...)
			pieces = append(pieces, copyBytes(off, n))
			continue
		}
		text := make([]byte, 1+r.IntN(127))
		for i := range text {
			text[i] = byte(r.Uint32())
		}
		data = append(data, text...)
		pieces = append(pieces, insertOp(string(text)))
	}
	return data, delta(len(base), len(data), pieces...)
}

// mixture is a pack of blobs on one another, small ones and huge ones in any order:
// small on huge, huge on small, long chains, inserts larger than the limit.
func mixture(r *rand.Rand, f oid.Format, n int) *builder {
	b := newBuilder(f)
	size := func() int { return []int{0, 30, 1000, 1999, 2000, 2001, 2500, 9000, 40_000}[r.IntN(9)] }
	seen := map[oid.ID]bool{}
	fresh := func(data []byte) bool { // an index has each name once
		id := f.Sum("blob", data)
		defer func() { seen[id] = true }()
		return !seen[id]
	}
	for len(b.entries) < n {
		if len(b.entries) == 0 || r.IntN(5) == 0 {
			data, _ := mutate(r, nil, size())
			if fresh(data) {
				b.whole(Blob, data)
			}
			continue
		}
		base := len(b.entries) - 1
		if r.IntN(2) == 0 {
			base = r.IntN(len(b.entries))
		}
		if data, ops := mutate(r, b.data[base], size()); fresh(data) {
			b.ofs(base, data, ops)
		}
	}
	return b
}

func TestHugeObjectsAreReadLikeOthers(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 50))
			f := []oid.Format{oid.SHA1, oid.SHA256}[seed%2]
			b := mixture(r, f, 60)
			b.idxOne = f == oid.SHA1 && seed%3 == 0 // nothing but the name to compare with
			dir := b.store(t)
			want := b.objects()
			for i := range 10 { // loose, some of them doubles
				data, _ := mutate(r, nil, 500+i*1000)
				if i%3 == 0 {
					data = b.data[r.IntN(len(b.data))]
				}
				id := saveLoose(t, dir, f, Blob, data)
				o, content := object(id, data)
				want[o] = content
			}
			thin := newBuilder(f)
			for range 5 { // on bases in the other pack
				base := r.IntN(len(b.entries))
				data, ops := mutate(r, b.data[base], 3000)
				id := f.Sum("blob", data)
				thin.ref(b.entries[base].id, id, ops)
				o, content := object(id, data)
				want[o] = content
			}
			thin.save(t, dir, "pack-b")
			s := open(t, dir, f, tight(t))
			got, problems := all(t, s, nil)
			compare(t, "huge", got, want)
			if len(problems) > 0 {
				t.Errorf("problems: %v", problems)
			}
			checkReader(t, s, want)
			s.Close()
			checkSpills(t, s)
		})
	}
}

// Whatever is damaged, what comes out is right or named.
func TestDamagedHugeObjectsAreNamed(t *testing.T) {
	for _, f := range []oid.Format{oid.SHA1, oid.SHA256} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			b := mixture(rand.New(rand.NewPCG(3, uint64(f))), f, 12)
			dir, want := b.store(t), b.objects()
			loose := loosePath(dir, saveLoose(t, dir, f, Blob, bytes.Repeat([]byte("loose "), 900)))
			o, content := object(f.Sum("blob", bytes.Repeat([]byte("loose "), 900)), bytes.Repeat([]byte("loose "), 900))
			want[o] = content
			limits := tight(t)
			for _, path := range []string{packFiles(t, dir, ".pack")[0], loose} {
				damage(t, path, 0, 2**places, func(data []byte, at int) []byte { data[at] ^= 0x11; return data }, func(at int) {
					checkDamagedWithin(t, fmt.Sprint(filepath.Base(path), " flipped at ", at), dir, f, limits, want)
				})
				damage(t, path, 0, *places, func(data []byte, at int) []byte { return data[:at] }, func(at int) {
					checkDamagedWithin(t, fmt.Sprint(filepath.Base(path), " cut at ", at), dir, f, limits, want)
				})
				damage(t, path, 0, 1, func(data []byte, _ int) []byte { return append(data, "more"...) }, func(int) {
					checkDamagedWithin(t, filepath.Base(path)+" with a tail", dir, f, limits, want)
				})
			}
			checkDamagedWithin(t, "whole again", dir, f, limits, want)
		})
	}
}

// A huge object whose stream is fine and whose name is not is named, and so is one
// that stores more or less than it declares.
func TestLiesOfHugeObjectsAreNamed(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 1000)
	other := oid.SHA1.Sum("blob", []byte("other"))
	for name, tell := range map[string]func(b *builder) oid.ID{
		"name": func(b *builder) oid.ID {
			b.raw(other, append(entryHead(Blob, len(data)), stored(data)...))
			return other
		},
		"less": func(b *builder) oid.ID {
			b.raw(other, append(entryHead(Blob, len(data)+1), stored(data)...))
			return other
		},
		"more": func(b *builder) oid.ID {
			b.raw(other, append(entryHead(Blob, len(data)-1), stored(data)...))
			return other
		},
		"tail": func(b *builder) oid.ID {
			id := oid.SHA1.Sum("blob", data)
			b.raw(id, append(append(entryHead(Blob, len(data)), stored(data)...), "hidden"...))
			return id
		},
		"result too small": func(b *builder) oid.ID { return b.lie(other, delta(10, 9000, insertOp("x"))) },
		"result too large": func(b *builder) oid.ID {
			return b.lie(other, delta(10, 3000, bytes.Repeat(copyBytes(0, 10), 301)))
		},
		"copy past the base":  func(b *builder) oid.ID { return b.lie(other, delta(10, 3000, copyBytes(5, 6))) },
		"insert past the end": func(b *builder) oid.ID { return b.lie(other, delta(10, 3000, []byte("\x09abc"))) },
		"half a copy":         func(b *builder) oid.ID { return b.lie(other, delta(10, 3000, []byte{0xff, 1})) },
		"opcode 0":            func(b *builder) oid.ID { return b.lie(other, delta(10, 3000, []byte{0})) },
		"another base":        func(b *builder) oid.ID { return b.lie(other, delta(11, 3000, copyBytes(0, 10))) },
		"instructions end early": func(b *builder) oid.ID {
			ops := delta(10, 3000, bytes.Repeat(insertOp("0123456789"), 300))
			raw := append(entryHead(ofsDelta, len(ops)+1), backwards(uint64(b.pack.Len())-b.entries[0].at)...)
			b.raw(other, append(raw, stored(ops)...))
			return other
		},
		"a huge tree": func(b *builder) oid.ID {
			return b.entries[b.whole(Tree, data)].id
		},
		"a huge commit on a small one": func(b *builder) oid.ID {
			small := b.whole(Commit, []byte("0123456789"))
			return b.entries[b.ofs(small, data, delta(10, len(data), bytes.Repeat(copyBytes(0, 10), 1000)))].id
		},
	} {
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", kept), func(t *testing.T) {
				b := newBuilder(oid.SHA1)
				b.whole(Blob, []byte("0123456789"))
				id := tell(b)
				if kept { // by one that stands on it
					b.kind[len(b.entries)-1], b.data[len(b.entries)-1] = Blob, data
					b.edit(len(b.entries)-1, "after")
				}
				s := open(t, b.store(t), oid.SHA1, tight(t))
				got, problems := all(t, s, nil)
				want := ErrCorrupt
				if strings.HasPrefix(name, "a huge") {
					want = ErrTooLarge
				}
				if err := named(problems, id.String()); !errors.Is(err, want) {
					t.Errorf("problem %v, want %v", err, want)
				}
				for o := range got {
					if o.ID == id.String() && name != "tail" {
						t.Errorf("yielded %v to its end", o)
					}
				}
				if _, _, err := s.Reader().Lookup(id.Bytes()); err == nil && name != "tail" {
					t.Error("a Reader reads it")
				}
				s.Close()
				checkSpills(t, s)
			})
		}
	}
}

// lie adds a delta of the first entry, of ten bytes, that does not give what its
// name says.
func (b *builder) lie(id oid.ID, ops []byte) oid.ID {
	raw := append(entryHead(ofsDelta, len(ops)), backwards(uint64(b.pack.Len())-b.entries[0].at)...)
	b.raw(id, append(raw, stored(ops)...))
	return id
}

// A damaged huge object and what stands on it have a copy, itself huge.
func TestAGoodCopyOfAHugeObjectIsYielded(t *testing.T) {
	for _, place := range []string{"loose", "pack", "alternate"} {
		for bad := range 3 {
			t.Run(fmt.Sprint(place, " for ", bad), func(t *testing.T) {
				b := newBuilder(oid.SHA1)
				root := b.whole(Blob, bytes.Repeat([]byte("root "), 1000))
				b.edit(b.edit(root, "middle "), "leaf ")
				want := b.objects()
				good := newBuilder(oid.SHA1)
				good.whole(Blob, b.data[bad])
				b.spoil(bad)
				dir := t.TempDir()
				b.save(t, dir, "pack-m")
				switch place {
				case "loose":
					saveLoose(t, dir, oid.SHA1, Blob, b.data[bad])
				case "pack":
					good.save(t, dir, "pack-z")
				case "alternate":
					write(t, dir+"/info/alternates", []byte(good.store(t)))
				}
				s := open(t, dir, oid.SHA1, tight(t))
				got, problems := all(t, s, nil)
				compare(t, place, got, want)
				if len(problems) != 1 || problems[0].Where != b.entries[bad].id.String() {
					t.Errorf("problems %v, want one of %v", problems, b.entries[bad].id)
				}
				id := b.entries[bad].id
				if kind, data, err := s.Reader().Lookup(id.Bytes()); err != nil || kind != Blob || !bytes.Equal(data, b.data[bad]) {
					t.Errorf("Lookup(%v) = %v, %d bytes, %v", id, kind, len(data), err)
				}
				s.Close()
				checkSpills(t, s)
			})
		}
	}
}

// Too little room in temporary files, or none, is told of every object that needs
// some, and of no other.
func TestAFullDiskIsNamed(t *testing.T) {
	b := newBuilder(oid.SHA1)
	huge := b.whole(Blob, bytes.Repeat([]byte("huge "), 1000))
	b.edit(huge, "on huge ")
	b.whole(Blob, bytes.Repeat([]byte("alone "), 1000))
	dir := b.store(t)
	for name, limits := range map[string]Limits{
		"budget": {Object: 2000, Spilled: 4000, TempDir: t.TempDir()},
		"place":  {Object: 2000, TempDir: filepath.Join(t.TempDir(), "none")},
	} {
		got, problems := all(t, open(t, dir, oid.SHA1, limits), nil)
		compare(t, name, got, b.objects(huge, 1))
		want := map[string]error{"budget": ErrSpilled, "place": os.ErrNotExist}[name]
		if err := named(problems, b.entries[huge].id.String()); !errors.Is(err, want) || len(problems) != 2 {
			t.Errorf("%s: problems %v, want two, one of %v", name, problems, want)
		}
	}
	// What the system says when the disk is full.
	s := open(t, dir, oid.SHA1, tight(t))
	f, err := s.newSpill(10)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.file.Close(); err != nil {
		t.Fatal(err)
	}
	if f.file, err = os.OpenFile("/dev/full", os.O_WRONLY, 0); err != nil {
		t.Skip(err)
	}
	if err := f.fill(bytes.NewReader(make([]byte, 10))); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing to a full disk: %v", err)
	}
}

// A stream is right for a reader of any pace, and says so again when it has ended.
func TestAStreamGivesTheSameInAnyPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b := mixture(r, oid.SHA1, 40)
	s := open(t, b.store(t), oid.SHA1, tight(t))
	plan := s.Plan(nil)
	want := b.objects()
	for _, u := range plan.Units {
		for o, err := range plan.Walk(t.Context(), u) {
			if err != nil {
				t.Fatal(err)
			}
			if o.Stream == nil {
				continue
			}
			var data []byte
			for err == nil {
				piece, n := make([]byte, r.IntN(3000)), 0
				n, err = o.Stream.Read(piece)
				data = append(data, piece[:n]...)
			}
			if _, again := o.Stream.Read(make([]byte, 1)); err != io.EOF || again != io.EOF {
				t.Errorf("streams ends with %v and %v, want EOF", err, again)
			}
			if key, _ := object(s.ID(o.Num), nil); want[key] != string(data) || o.Stream.Size != int64(len(data)) {
				t.Errorf("stream of %v gives %d bytes of %d that are others", key, len(data), o.Stream.Size)
			}
		}
	}
}

// Who stops in the middle of a stream, or of what stands on one, leaves nothing
// behind.
func TestAStoppedWalkLeavesNoTemporaryFiles(t *testing.T) {
	b := mixture(rand.New(rand.NewPCG(4, 4)), oid.SHA1, 40)
	for stop := range len(b.entries) {
		s := open(t, b.store(t), oid.SHA1, tight(t))
		plan := s.Plan(nil)
		n := 0
		for _, u := range plan.Units {
			for o := range plan.Walk(t.Context(), u) {
				if n++; n > stop {
					if o.Stream != nil {
						_, _ = o.Stream.Read(make([]byte, 10)) // and no more
					}
					break
				}
			}
		}
		if len(s.spills) > 0 {
			t.Fatalf("stopped at %d: %d temporary files", stop, len(s.spills))
		}
		s.Close()
		checkSpills(t, s)
	}
}

func TestTemporaryFilesLieOnADisk(t *testing.T) {
	t.Setenv("TMPDIR", "")
	st, err := os.Stat("/var/tmp")
	if got := (Limits{}).tempDir(); err == nil && st.IsDir() && got != "/var/tmp" {
		t.Errorf("tempDir() = %q, want /var/tmp", got)
	}
	t.Setenv("TMPDIR", "/elsewhere")
	if got := (Limits{}).tempDir(); got != "/elsewhere" {
		t.Errorf("tempDir() = %q, want what TMPDIR says", got)
	}
	if got := (Limits{TempDir: "/mine"}).tempDir(); got != "/mine" {
		t.Errorf("tempDir() = %q, want that of the limits", got)
	}
}
