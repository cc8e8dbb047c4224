package pack

import (
	"errors"
	"fmt"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// spoil flips a byte in the stream of entry i after it was added.
func (b *builder) spoil(i int) {
	end := b.pack.Len()
	if i+1 < len(b.entries) {
		end = int(b.entries[i+1].at)
	}
	b.pack.Bytes()[end-6] ^= 0x55
}

// A damaged object is named, and its good copy yielded with all that stands on
// it.
func TestAGoodCopyOfADamagedObjectIsYielded(t *testing.T) {
	for _, place := range []string{"loose", "later pack", "earlier pack", "alternate"} {
		for _, bad := range []int{0, 1, 2} {
			t.Run(fmt.Sprint(place, " for ", bad), func(t *testing.T) {
				t.Parallel()
				b := newBuilder(oid.SHA1)
				root := b.whole(Commit, []byte("the root of a tree of deltas, "))
				middle := b.edit(root, "the middle, ")
				b.edit(middle, "the leaf, ")
				b.edit(root, "another leaf, ")
				want := b.objects()
				good := newBuilder(oid.SHA1)
				good.whole(Commit, b.data[bad])
				b.spoil(bad)
				dir := t.TempDir()
				b.save(t, dir, "pack-m")
				switch place {
				case "loose":
					saveLoose(t, dir, oid.SHA1, Commit, b.data[bad])
				case "later pack":
					good.save(t, dir, "pack-z")
				case "earlier pack":
					good.save(t, dir, "pack-a")
				case "alternate":
					write(t, dir+"/info/alternates", []byte(good.store(t)))
				}
				s := open(t, dir, oid.SHA1, Limits{})
				got, problems := all(t, s, nil)
				compare(t, place, got, want)
				if place == "earlier pack" && bad == 2 {
					// The leaf's damaged double is not even looked at.
					if len(problems) > 0 {
						t.Errorf("problems of an object that is not needed: %v", problems)
					}
				} else if len(problems) != 1 || problems[0].Where != b.entries[bad].id.String() {
					t.Errorf("problems %v, want one of %v", problems, b.entries[bad].id)
				}
				id := b.entries[bad].id
				if kind, data, err := s.Reader().Lookup(id.Bytes()); err != nil || kind != Commit || string(data) != string(b.data[bad]) {
					t.Errorf("Lookup(%v) = %v, %d bytes, %v", id, kind, len(data), err)
				}
			})
		}
	}
}

// A copy in the middle of a lost tree brings back what stands on it, and no
// more.
func TestACopyInTheMiddleBringsBackWhatStandsOnIt(t *testing.T) {
	t.Parallel()
	b := newBuilder(oid.SHA1)
	root := b.whole(Blob, []byte("root "))
	lost := b.edit(root, "lost ")
	middle := b.edit(lost, "middle ")
	b.edit(b.edit(middle, "above "), "far above ")
	dir := t.TempDir()
	saveLoose(t, dir, oid.SHA1, Blob, b.data[middle])
	b.spoil(root)
	b.save(t, dir, "pack-a")
	got, problems := all(t, open(t, dir, oid.SHA1, Limits{}), nil)
	compare(t, "copy in the middle", got, b.objects(root, lost))
	if len(problems) != 2 || !errors.Is(named(problems, b.entries[lost].id.String()), errBase) {
		t.Errorf("problems %v, want one of the root and one of what stands on it", problems)
	}
}

// What is stuck in a loop, or has a head that cannot be read, may have a copy
// too.
func TestCopiesBreakLoopsAndStandInForBrokenHeads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := newBuilder(oid.SHA1)
	first, second := []byte("first"), []byte("second first")
	x, y := oid.SHA1.Sum("blob", first), oid.SHA1.Sum("blob", second)
	b.ref(x, y, prepend(first, "second "))
	b.ref(y, x, delta(len(second), len(first), copyBytes(7, 5)))
	saveLoose(t, dir, oid.SHA1, Blob, first)
	broken := []byte("entry of type 5")
	b.raw(oid.SHA1.Sum("blob", broken), append(entryHead(5, len(broken)), stored(broken)...))
	saveLoose(t, dir, oid.SHA1, Blob, broken)
	b.save(t, dir, "pack-a")
	got, problems := all(t, open(t, dir, oid.SHA1, Limits{}), nil)
	want := map[gittest.Object]string{}
	for _, data := range [][]byte{first, second, broken} {
		want[gittest.Object{ID: oid.SHA1.Sum("blob", data).String(), Kind: "blob"}] = string(data)
	}
	compare(t, "loop and broken head", got, want)
	if len(problems) < 2 {
		t.Errorf("problems %v, want one of the loop and one of type 5", problems)
	}
}

// Bases outside the pack: loose, in another pack, behind a chain of packs.
func TestBasesOutsideThePackAreFound(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"loose", "another pack", "a damaged pack and another"} {
		dir := t.TempDir()
		base, data := []byte("a base elsewhere"), []byte("on a base elsewhere")
		id := oid.SHA1.Sum("blob", base)
		thin := newBuilder(oid.SHA1)
		on := oid.SHA1.Sum("blob", data)
		thin.ref(id, on, delta(len(base), len(data), insertOp("on "), copyBytes(0, len(base))))
		top := append([]byte("top "), data...)
		thin.kind[0], thin.data[0] = Blob, data
		thin.edit(0, "top ")
		thin.save(t, dir, "pack-thin")
		other := newBuilder(oid.SHA1)
		other.whole(Blob, base)
		wrong := 0
		switch place {
		case "loose":
			saveLoose(t, dir, oid.SHA1, Blob, base)
		case "a damaged pack and another":
			other.save(t, dir, "pack-other")
			other.spoil(0)
			other.save(t, dir, "pack-bad")
			wrong = 1
		default:
			other.save(t, dir, "pack-other")
		}
		s := open(t, dir, oid.SHA1, Limits{})
		got, problems := all(t, s, nil)
		want := map[gittest.Object]string{}
		for _, d := range [][]byte{base, data, top} {
			want[gittest.Object{ID: oid.SHA1.Sum("blob", d).String(), Kind: "blob"}] = string(d)
		}
		compare(t, place, got, want)
		if len(problems) != wrong {
			t.Errorf("%s: problems %v, want %d", place, problems, wrong)
		}
		if kind, data, err := s.Reader().Lookup(on.Bytes()); wrong == 0 && (err != nil || kind != Blob || len(data) != len(base)+3) {
			t.Errorf("%s: Lookup of the thin delta = %v, %d bytes, %v", place, kind, len(data), err)
		}
	}
}

// Two packs whose deltas stand on each other's, round and round.
func TestALoopOverPacksEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const packs = 100
	id := func(i int) oid.ID { return oid.SHA256.Sum("blob", fmt.Append(nil, i%packs)) }
	for i := range packs {
		b := newBuilder(oid.SHA256)
		b.ref(id(i), id(i+1), prepend(nil, "x"))
		b.save(t, dir, fmt.Sprintf("pack-%03d", i))
	}
	s := open(t, dir, oid.SHA256, Limits{})
	got, problems := all(t, s, nil)
	if len(got) > 0 || len(problems) != packs {
		t.Errorf("%d objects and %d problems, want %d problems", len(got), len(problems), packs)
	}
	for _, p := range problems {
		if !errors.Is(p, ErrDeltaLoop) {
			t.Errorf("problem %v, want %v", p, ErrDeltaLoop)
		}
	}
}
