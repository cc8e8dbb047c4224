package pack

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Chains longer than git makes them, and wider trees, cost no recursion and no
// memory for each level.
func TestLongChainsAreRead(t *testing.T) {
	for _, length := range []int{5000, 60_000} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			t.Parallel()
			b := newBuilder(oid.SHA1)
			data := bytes.Repeat([]byte("base "), 40)
			i := b.whole(Blob, data)
			for k := range length {
				// A byte for a byte, so that nothing grows.
				next := append([]byte{byte(k)}, data[1:]...)
				next[1+k%100] = byte(k >> 8)
				at := 1 + k%100
				ops := delta(len(data), len(data), insertOp(string(next[:1])), copyBytes(1, at-1),
					insertOp(string(next[at:at+1])), copyBytes(at+1, len(data)-at-1))
				i, data = b.ofs(i, next, ops), next
			}
			s := open(t, b.store(t), oid.SHA1, Limits{Live: 1 << 20})
			before := heapUsed()
			n := 0
			plan := s.Plan(nil)
			for _, u := range plan.Units {
				for o, err := range plan.Walk(t.Context(), u) {
					if err != nil {
						t.Fatal(err)
					}
					if id := oid.SHA1.Sum("blob", o.Data); id != s.ID(o.Num) {
						t.Fatalf("%v has the content of %v", s.ID(o.Num), id)
					}
					if !o.Again {
						n++
					}
				}
			}
			if used := heapUsed() - before; used > 64<<20 {
				t.Errorf("a walk of a chain of %d took %d bytes", length, used)
			}
			if n != length+1 {
				t.Errorf("walked %d objects, want %d", n, length+1)
			}
			r := s.Reader()
			rnd := rand.New(rand.NewPCG(uint64(length), 1))
			for range 200 {
				k := rnd.IntN(length + 1)
				if _, got, err := r.Lookup(b.entries[k].id.Bytes()); err != nil || !bytes.Equal(got, b.data[k]) {
					t.Fatalf("Lookup at depth %d: %d bytes, %v", k, len(got), err)
				}
			}
		})
	}
}

func TestAHundredThousandDeltasOfOneBase(t *testing.T) {
	t.Parallel()
	const children = 100_000
	b := newBuilder(oid.SHA1)
	base := b.whole(Tree, []byte("base of many"))
	want := map[oid.ID]bool{b.entries[base].id: true}
	for i := range children {
		want[b.entries[b.edit(base, fmt.Sprint(i, " "))].id] = true
	}
	s := open(t, b.store(t), oid.SHA1, Limits{})
	plan := s.Plan(nil)
	for _, u := range plan.Units {
		for o, err := range plan.Walk(t.Context(), u) {
			if err != nil {
				t.Fatal(err)
			}
			if id := s.ID(o.Num); !want[id] || oid.SHA1.Sum("tree", o.Data) != id {
				t.Fatalf("%v was yielded twice or with other content", id)
			} else {
				delete(want, id)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("%d objects were not yielded", len(want))
	}
}

// A full binary tree of deltas keeps a base for each level in memory.
func TestADeltaTreeOverItsMemoryIsNamed(t *testing.T) {
	t.Parallel()
	const size = 1 << 16
	b := newBuilder(oid.SHA1)
	// grow puts two deltas of about size bytes on a node, and two on each.
	var grow func(base, levels int)
	grow = func(base, levels int) {
		if levels == 0 {
			return
		}
		for k := range 2 {
			grow(b.edit(base, fmt.Sprint(levels, k, " ")), levels-1)
		}
	}
	grow(b.whole(Blob, bytes.Repeat([]byte("x"), size-64)), 6)
	other := b.whole(Blob, []byte("something else"))
	want := b.objects()
	s := open(t, b.store(t), oid.SHA1, Limits{Live: 4 * size, TempDir: t.TempDir()})
	got, problems := all(t, s, nil)
	compare(t, "bases in temporary files", got, want)
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	s.Close()
	checkSpills(t, s)
	got, problems = all(t, open(t, b.store(t), oid.SHA1, Limits{Live: 4 * size, Spilled: 1}), nil)
	refused := 0
	for _, p := range problems {
		if errors.Is(p, ErrSpilled) {
			refused++
		} else if !errors.Is(p, errBase) {
			t.Errorf("problem: %v", p)
		}
	}
	o, _ := b.object(other)
	if refused == 0 || len(got)+len(problems) != len(want) || got[o] == "" {
		t.Errorf("%d objects and %d problems (%d of temporary files), want %d in all, some of those", len(got), len(problems), refused, len(want))
	}
	for o, content := range got {
		if want[o] != content {
			t.Errorf("%v has other content", o)
		}
	}
	if got, problems := all(t, open(t, b.store(t), oid.SHA1, Limits{Live: 12 * size, Spilled: 1}), nil); len(problems) > 0 {
		t.Errorf("with room for a base a level: %d objects, problems %v", len(got), problems)
	}
}

// One entry of much content under many names is unpacked once, not for each.
func TestManyNamesForOneEntryCostOneRead(t *testing.T) {
	t.Parallel()
	b := newBuilder(oid.SHA1)
	b.whole(Blob, make([]byte, 8<<20))
	one := b.entries[0]
	for i := range 20_000 {
		b.entries = append(b.entries, built{b.format.Sum("blob", fmt.Append(nil, i)), one.at, one.crc})
	}
	got, problems := all(t, open(t, b.store(t), oid.SHA1, Limits{}), nil)
	compare(t, "the right name", got, b.objects())
	if len(problems) < 20_000 {
		t.Errorf("%d problems for 20,000 wrong names", len(problems))
	}
}
