package pack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// bushy is a pack of one tree of n versions of a text, none deeper than depth.
func bushy(n, depth int) *builder {
	r := rand.New(rand.NewPCG(uint64(n), 60))
	b := newBuilder(oid.SHA1)
	text := bytes.Repeat([]byte("a line that stays\n"), 40)
	b.whole(Blob, text)
	levels := []int{0}
	for len(b.entries) < n {
		base := max(0, len(levels)-1-r.IntN(20))
		for levels[base] == depth {
			base = r.IntN(len(levels))
		}
		old := b.data[base]
		at := r.IntN(len(old) - 100)
		line := fmt.Sprintf("version %d %x\n", len(levels), r.Uint64())
		data := bytes.Join([][]byte{old[:at], []byte(line), old[at+len(line):]}, nil)
		b.ofs(base, data, delta(len(old), len(data), copyBytes(0, at), insertOp(line), copyBytes(at+len(line), len(old)-at-len(line))))
		levels = append(levels, levels[base]+1)
	}
	return b
}

// A store that is one delta tree keeps many workers busy: no unit holds much of it,
// what is rebuilt twice is little, and each object is yielded once.
func TestALargeTreeIsSharedOut(t *testing.T) {
	t.Parallel()
	for _, depth := range []int{1, 5, 50, 4000} {
		b := bushy(20_000, depth)
		s := open(t, b.store(t), oid.SHA1, Limits{Unit: 50 << 10})
		plan := s.Plan(nil)
		sum, most := int64(0), int64(0)
		for _, u := range plan.Units {
			sum, most = sum+u.Weight, max(most, u.Weight)
		}
		whole := open(t, b.store(t), oid.SHA1, Limits{Unit: 1 << 40}).Plan(nil).Units[0].Weight
		if most > whole/8 && depth < 1000 || sum > whole+whole/(cutShare-1) {
			t.Errorf("depth %d: %d units of %d, the heaviest of %d; the tree weighs %d", depth, len(plan.Units), sum, most, whole)
		}
		var mu sync.Mutex
		seen := make([]int, s.Len())
		again := 0
		var wg sync.WaitGroup
		for _, u := range plan.Units {
			wg.Go(func() {
				for o, err := range plan.Walk(t.Context(), u) {
					right := err == nil && oid.SHA1.Sum("blob", o.Data) == s.ID(o.Num)
					mu.Lock()
					if !right {
						t.Errorf("depth %d: object %d is another, %v", depth, o.Num, err)
					} else if o.Again {
						again++
					} else {
						seen[o.Num]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for n, times := range seen {
			if times != 1 {
				t.Fatalf("depth %d: object %d was yielded %d times", depth, n, times)
			}
		}
		if again == 0 || again >= len(plan.Units) {
			t.Errorf("depth %d: %d bases came again for %d units", depth, again, len(plan.Units))
		}
	}
}

// What a choice needs of a tree that is cut is rebuilt, and no more is yielded.
func TestAChoiceOfALargeTree(t *testing.T) {
	t.Parallel()
	b := bushy(3000, 20)
	s := open(t, b.store(t), oid.SHA1, Limits{Unit: 4 << 10})
	r := rand.New(rand.NewPCG(1, 61))
	for range 30 {
		want := s.NewWant()
		chosen := b.objects()
		clear(chosen)
		for range 1 + r.IntN(200) {
			i := r.IntN(len(b.entries))
			o, content := b.object(i)
			chosen[o] = content
			n, _ := s.Lookup(b.entries[i].id.Bytes())
			want.Add(n)
		}
		got, problems := all(t, s, want)
		compare(t, "choice", got, chosen)
		if len(problems) > 0 {
			t.Errorf("problems: %v", problems)
		}
	}
}

// A lost node takes with it what stands on it, whatever unit that is in, and all of
// that is named.
func TestWhatStandsOnALostNodeIsNamedInEveryUnit(t *testing.T) {
	t.Parallel()
	most := 0
	for _, bad := range []int{0, 1, 2, 5, 10, 100} {
		b := bushy(3000, 20)
		want := b.objects()
		b.spoil(bad)
		s := open(t, b.store(t), oid.SHA1, Limits{Unit: 1 << 10})
		if n := len(s.Plan(nil).Units); n < 10 {
			t.Fatalf("%d units are not enough", n)
		}
		got, problems := all(t, s, nil)
		for o, content := range got {
			if want[o] != content {
				t.Errorf("%v has other content", o)
			}
		}
		if len(got)+len(problems) != len(want) || len(problems) == 0 {
			t.Errorf("%d objects and %d problems, want %d in all", len(got), len(problems), len(want))
		}
		if len(problems) < len(want) {
			most = max(most, len(problems))
		}
	}
	if most < 20 {
		t.Errorf("no lost node had more than %d on it", most)
	}
}
