package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// lie is a pack with sound objects and one entry that is not.
type lie struct {
	name string
	// tell adds the bad entry and gives its name. The pack holds a base of
	// 1000 bytes as entry 0 by then.
	tell func(b *builder) oid.ID
	want error
}

func lies() []lie {
	base := strings.Repeat("0123456789", 100)
	name := func(b *builder, i int) oid.ID { return b.entries[i].id }
	other := func(b *builder, text string) oid.ID { return b.format.Sum("blob", []byte(text)) }
	ops := func(result int, ops ...[]byte) func(b *builder) oid.ID {
		return func(b *builder) oid.ID {
			id := other(b, "what the delta would give")
			raw := append(entryHead(ofsDelta, len(delta(len(base), result, ops...))), backwards(uint64(b.pack.Len())-b.entries[0].at)...)
			b.raw(id, append(raw, stored(delta(len(base), result, ops...))...))
			return id
		}
	}
	entry := func(kind Kind, declared int, content string) func(b *builder) oid.ID {
		return func(b *builder) oid.ID {
			return name(b, b.raw(other(b, content), append(entryHead(kind, declared), stored([]byte(content))...)))
		}
	}
	at := func(back func(b *builder) uint64) func(b *builder) oid.ID {
		return func(b *builder) oid.ID {
			raw := append(entryHead(ofsDelta, 3), backwards(back(b))...)
			return name(b, b.raw(other(b, "delta of nothing"), append(raw, stored([]byte("abc"))...)))
		}
	}
	return []lie{
		{"declared size too large", entry(Blob, 20, "ten bytes!"), ErrCorrupt},
		{"declared size too small", entry(Blob, 5, "ten bytes!"), ErrCorrupt},
		{"declared size of no content", entry(Blob, 0, "ten bytes!"), ErrCorrupt},
		{"declared size beyond belief", entry(Blob, 1<<50, "ten bytes!"), ErrCorrupt},
		{"type 0", entry(0, 10, "ten bytes!"), ErrCorrupt},
		{"type 5", entry(5, 10, "ten bytes!"), ErrCorrupt},
		{"size that does not end", func(b *builder) oid.ID {
			return name(b, b.raw(other(b, "a"), []byte(strings.Repeat("\xbf", 30))))
		}, ErrCorrupt},
		{"stream of nothing", func(b *builder) oid.ID {
			return name(b, b.raw(other(b, "b"), entryHead(Blob, 10)))
		}, ErrTruncated},
		{"stream without zlib", func(b *builder) oid.ID {
			return name(b, b.raw(other(b, "c"), append(entryHead(Blob, 3), "no zlib"...)))
		}, ErrCorrupt},
		{"base is itself", at(func(*builder) uint64 { return 0 }), ErrCorrupt},
		{"base before the pack", at(func(b *builder) uint64 { return uint64(b.pack.Len()) + 1 }), ErrCorrupt},
		{"base far before the pack", at(func(*builder) uint64 { return math.MaxInt64 }), ErrCorrupt},
		{"base in the pack's header", at(func(b *builder) uint64 { return uint64(b.pack.Len()) - 4 }), ErrCorrupt},
		{"base inside an entry", at(func(b *builder) uint64 { return uint64(b.pack.Len()) - b.entries[0].at - 7 }), ErrCorrupt},
		{"base is nowhere", func(b *builder) oid.ID {
			return name(b, b.ref(other(b, "nowhere"), other(b, "d"), prepend(nil, "x")))
		}, ErrMissing},
		{"base size wrong", func(b *builder) oid.ID {
			return name(b, b.ofs(0, []byte("xx"), delta(len(base)-1, 2, copyBytes(0, 2))))
		}, ErrCorrupt},
		{"result too small", ops(5, insertOp("123456")), ErrCorrupt},
		{"result too large", ops(7, insertOp("123456")), ErrCorrupt},
		{"result far larger than the instructions give", ops(1<<40, insertOp("123456")), ErrCorrupt},
		{"result beyond the limit", ops(1<<41, insertOp("123456")), ErrTooLarge},
		{"copy past the base", ops(11, copyBytes(len(base)-10, 11)), ErrCorrupt},
		{"copy from behind the base", ops(1, copyBytes(len(base)+1, 1)), ErrCorrupt},
		{"copy from the end of the world", ops(1, copyBytes(math.MaxUint32, 1)), ErrCorrupt},
		{"copy of 64 KiB by a size of 0", ops(1<<16, []byte{0x80}), ErrCorrupt},
		{"insert past the end", ops(9, []byte("\x09abc")), ErrCorrupt},
		{"opcode 0", ops(4, insertOp("abc"), []byte{0}), ErrCorrupt},
		{"copy without operands", ops(4, []byte{0xff}), ErrCorrupt},
		{"copy with half its operands", ops(4, []byte{0xff, 0, 0, 0}), ErrCorrupt},
		{"delta without sizes", func(b *builder) oid.ID {
			return name(b, b.ofs(0, []byte("e"), nil))
		}, ErrCorrupt},
		{"delta sizes that do not end", func(b *builder) oid.ID {
			return name(b, b.ofs(0, []byte("f"), []byte(strings.Repeat("\xff", 40))))
		}, ErrCorrupt},
		{"delta of itself by name", func(b *builder) oid.ID {
			id := other(b, "g")
			return name(b, b.ref(id, id, prepend(nil, "g")))
		}, ErrDeltaLoop},
		{"two deltas of each other", func(b *builder) oid.ID {
			x, y := other(b, "h"), other(b, "i")
			b.ref(x, y, prepend(nil, "h"))
			return name(b, b.ref(y, x, prepend(nil, "i")))
		}, ErrDeltaLoop},
		{"a ring of 5000 deltas", func(b *builder) oid.ID {
			id := func(i int) oid.ID { return other(b, fmt.Sprint("ring ", i%5000)) }
			for i := range 5000 {
				b.ref(id(i), id(i+1), prepend(nil, "r"))
			}
			return id(2500)
		}, ErrDeltaLoop},
		{"a delta of a loop", func(b *builder) oid.ID {
			x, y := other(b, "j"), other(b, "k")
			b.ref(x, x, prepend(nil, "j"))
			return name(b, b.ref(x, y, prepend(nil, "k")))
		}, ErrDeltaLoop},
		{"a delta of what cannot be read", func(b *builder) oid.ID {
			bad := b.raw(other(b, "l"), append(entryHead(Blob, 3), stored([]byte("long"))...))
			b.kind[bad] = Blob
			return name(b, b.ofs(bad, []byte("m"), prepend([]byte("abc"), "m")))
		}, errBase},
	}
}

// Each lie is named, and all else in its pack is read.
func TestLiesAreNamed(t *testing.T) {
	for _, f := range []oid.Format{oid.SHA1, oid.SHA256} {
		for _, l := range lies() {
			t.Run(fmt.Sprint(f, " ", l.name), func(t *testing.T) {
				t.Parallel()
				b := newBuilder(f)
				base := b.whole(Blob, []byte(strings.Repeat("0123456789", 100)))
				b.edit(base, "before the lie ")
				sound := len(b.entries)
				id := l.tell(b)
				bad := len(b.entries)
				b.edit(b.edit(base, "after the lie "), "and after that ")
				s := open(t, b.store(t), f, Limits{})
				got, problems := all(t, s, nil)
				want := b.objects()
				for i := sound; i < bad; i++ {
					o, _ := b.object(i)
					delete(want, o)
				}
				compare(t, l.name, got, want)
				if len(problems) != bad-sound {
					t.Errorf("%d problems, want %d: %v", len(problems), bad-sound, problems)
				}
				if err := named(problems, id.String()); !errors.Is(err, l.want) {
					t.Errorf("problem of %v is %v, want %v", id, err, l.want)
				}
				if kind, data, err := s.Reader().Lookup(id.Bytes()); err == nil {
					t.Errorf("Lookup(%v) = %v, %d bytes, want an error", id, kind, len(data))
				}
			})
		}
	}
}

// What is wrong with a pack or its index as a whole is named by the file.
func TestLiesOfIndexAndHeaderAreNamed(t *testing.T) {
	id := func(b *builder, i int) string { return b.entries[i].id.String() }
	const all3 = 3
	tests := []struct {
		name string
		lie  func(b *builder)
		read int // of the three objects
		// where a problem must be: an object, or the file when nil; "" is none.
		where func(b *builder) string
	}{
		{"nothing", func(*builder) {}, all3, func(*builder) string { return "" }},
		{"pack of version 3", func(b *builder) { b.version = 3 }, all3, func(*builder) string { return "" }},
		{"pack of version 4", func(b *builder) { b.version = 4 }, 0, nil},
		{"header counts one more", func(b *builder) { b.count = 1 }, all3, nil},
		{"index lacks the last entry", func(b *builder) { b.entries, b.count = b.entries[:2], 1 }, 2, nil},
		{"index and header lack the last entry", func(b *builder) { b.entries = b.entries[:2] }, 2, func(b *builder) string { return id(b, 1) }},
		{"index lacks the first entry", func(b *builder) { b.entries, b.count = b.entries[1:], 1 }, 2, nil},
		{"index lacks all entries", func(b *builder) { b.entries, b.count = nil, 3 }, 0, nil},
		{"index lacks an entry and so does the header", func(b *builder) {
			b.entries = append(b.entries[:1:1], b.entries[2])
		}, 2, func(b *builder) string { return id(b, 0) }},
		{"offsets of 64 bits", func(b *builder) { b.large = true }, all3, func(*builder) string { return "" }},
		{"an offset past the pack", func(b *builder) { b.entries[1].at = 1 << 20 }, 2, func(b *builder) string { return id(b, 1) }},
		{"an offset past all packs", func(b *builder) { b.entries[1].at = math.MaxUint64 }, 2, func(b *builder) string { return id(b, 1) }},
		{"an offset into the header", func(b *builder) { b.entries[1].at = 4 }, 2, func(b *builder) string { return id(b, 1) }},
		{"two names for one entry", func(b *builder) { b.entries[1].at = b.entries[0].at }, 2, func(b *builder) string { return id(b, 1) }},
		{"wrong checksum of one entry", func(b *builder) { b.entries[1].crc++ }, all3, func(b *builder) string { return id(b, 1) }},
		{"index of version 1", func(b *builder) { b.idxOne = true }, all3, func(*builder) string { return "" }},
		{"names out of order", func(b *builder) { b.unsorted = true }, 0, nil},
		{"index of version 3", func(b *builder) {
			b.editIdx = func(idx []byte) []byte { idx[7] = 3; return idx }
		}, 0, nil},
		{"falling fan-out", func(b *builder) {
			b.editIdx = func(idx []byte) []byte { binary.BigEndian.PutUint32(idx[8:], math.MaxUint32); return idx }
		}, 0, nil},
		{"fan-out in the wrong bucket", func(b *builder) {
			b.editIdx = func(idx []byte) []byte { clear(idx[8 : 8+255*4]); return idx }
		}, 0, nil},
		{"fan-out of a billion", func(b *builder) {
			b.editIdx = func(idx []byte) []byte { binary.BigEndian.PutUint32(idx[8+255*4:], 1<<30); return idx }
		}, 0, nil},
		{"large offset out of its table", func(b *builder) {
			b.editIdx = func(idx []byte) []byte { idx[len(idx)-4] |= 0x80; return idx }
		}, 0, nil},
		{"index with more large offsets than entries", func(b *builder) {
			b.editIdx = func(idx []byte) []byte { return append(idx, make([]byte, 64)...) }
		}, 0, nil},
		{"index of another pack", func(b *builder) { b.pack.Bytes()[packHeader+5] ^= 1 }, 2, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBuilder(oid.SHA1)
			for _, text := range []string{"one", "three", "two"} {
				b.whole(Blob, []byte(text))
			}
			whole := b.objects()
			tt.lie(b)
			dir := b.store(t)
			if tt.name == "index of another pack" {
				pack := read(t, packFiles(t, dir, ".pack")[0])
				pack[len(pack)-1]++
				write(t, packFiles(t, dir, ".pack")[0], pack)
			}
			got, problems := all(t, open(t, dir, oid.SHA1, Limits{}), nil)
			for o, content := range got {
				if whole[o] != content {
					t.Errorf("yielded %v with content it never had", o)
				}
			}
			if len(got) != tt.read {
				t.Errorf("%d objects, want %d; problems: %v", len(got), tt.read, problems)
			}
			where := "pack-a.pack"
			if tt.where != nil {
				where = tt.where(b)
			}
			if where == "" && len(problems) > 0 || where != "" && named(problems, where) == nil {
				t.Errorf("problems %v, want one of %q", problems, where)
			}
		})
	}
}

// Bytes that belong to no entry could hide anything, also where all checksums
// are right.
func TestHiddenBytesAreNamed(t *testing.T) {
	t.Parallel()
	b := newBuilder(oid.SHA1)
	b.whole(Blob, []byte("first"))
	secret := append(entryHead(Blob, 6), stored([]byte("hidden"))...)
	data := []byte("second")
	host := b.raw(b.format.Sum("blob", data), append(append(entryHead(Blob, 6), stored(data)...), secret...))
	b.data[host], b.kind[host] = data, Blob
	b.edit(host, "third ")
	got, problems := all(t, open(t, b.store(t), oid.SHA1, Limits{}), nil)
	compare(t, "hidden bytes", got, b.objects())
	if len(problems) != 1 || !errors.Is(named(problems, b.entries[host].id.String()), ErrCorrupt) {
		t.Errorf("problems %v, want one of %v", problems, b.entries[host].id)
	}
}

// An entry that begins inside another is read; the one it cuts off is named.
func TestOverlappingEntriesAreNamed(t *testing.T) {
	t.Parallel()
	b := newBuilder(oid.SHA1)
	inner := append(entryHead(Blob, 5), stored([]byte("inner"))...)
	outer := b.whole(Blob, append([]byte("outer "), inner...))
	b.entries = append(b.entries, b.entries[outer])
	b.entries[1].id = b.format.Sum("blob", []byte("inner"))
	b.entries[1].at += uint64(len(entryHead(Blob, 6+len(inner))) + 2 + 5 + 6)
	got, problems := all(t, open(t, b.store(t), oid.SHA1, Limits{}), nil)
	want := gittest.Object{ID: b.entries[1].id.String(), Kind: "blob"}
	if len(got) != 1 || got[want] != "inner" {
		t.Errorf("walk gave %v, want the inner object", got)
	}
	if !errors.Is(named(problems, b.entries[outer].id.String()), ErrTruncated) {
		t.Errorf("problems %v, want one of %v", problems, b.entries[outer].id)
	}
}
