package pack

import (
	"math/bits"
	"slices"
	"sync"
)

// Want chooses objects by number: bit n of the set stands for object n. A nil
// Want is all of them.
type Want []uint64

// NewWant makes an empty choice among the objects of s.
func (s *Store) NewWant() Want { return make(Want, (s.Len()+63)/64) }

// Add chooses n.
func (w Want) Add(n Num) { w[n/64] |= 1 << (n % 64) }

// Has tells whether n is chosen.
func (w Want) Has(n Num) bool { return w == nil || w[n/64]>>(n%64)&1 == 1 }

// Len is how many are chosen.
func (w Want) Len() (n int) {
	for _, word := range w {
		n += bits.OnesCount64(word)
	}
	return n
}

// A Plan shares out a store: every wanted object is in one unit, once.
type Plan struct {
	Units []Unit
	// Problems are what is wrong with a pack and with none of its objects.
	Problems []Problem

	store   *Store
	want    Want
	workers sync.Pool
}

// Unit is work for one goroutine: some delta trees of one pack, or some loose
// objects. Weight is their stored size in bytes.
type Unit struct {
	Weight int64
	forest *forest
	need   []bool // nodes to rebuild, as they or what stands on them are wanted; nil is all
	trees  []int32
	loose  []Num
}

const (
	// unitWeight is the stored size at which a unit is full. Large enough that
	// handing units out costs nothing, small enough that the last ones do not
	// keep one worker busy alone.
	unitWeight = 1 << 20
	unitLoose  = 256
)

// Plan shares out the wanted objects. Large delta trees come first, so that
// none of them is begun last; the rest follows in the order of the packs.
func (s *Store) Plan(want Want) *Plan {
	p := &Plan{store: s, want: want}
	p.workers.New = func() any { return newWorker(s) }
	var small []Unit
	for i := range s.packs {
		small = append(small, p.packUnits(i)...)
	}
	slices.SortStableFunc(p.Units, func(a, b Unit) int { return int(b.Weight>>10 - a.Weight>>10) })
	p.Units = append(p.Units, small...)
	u := Unit{}
	for i := range s.loose {
		n := Num(s.looseFirst + i)
		if p.yields(n) {
			u.loose = append(u.loose, n)
		}
		if len(u.loose) == unitLoose || i == len(s.loose)-1 && len(u.loose) > 0 {
			p.Units = append(p.Units, u)
			u = Unit{}
		}
	}
	return p
}

// yields tells whether a walk of all units yields object n: it is wanted and not
// the double of another.
func (p *Plan) yields(n Num) bool { return p.want.Has(n) && !p.store.isDouble(n) }

// packUnits adds the large trees of pack i to the plan and returns units of
// small ones.
func (p *Plan) packUnits(i int) []Unit {
	s := p.store
	f := newForest(s.packs[i], s.first[i], func(name []byte) bool { return len(s.copies(name)) > 1 })
	if err := f.hidden(); err != nil {
		p.Problems = append(p.Problems, Problem{f.pack.name + ".pack", err})
	}
	need := f.need(func(k int32) bool { return p.yields(f.first + Num(f.pos[k])) })
	var small []Unit
	u := Unit{forest: f, need: need}
	for k, b := range f.base {
		if b >= 0 || need != nil && !need[k] {
			continue
		}
		if f.weight[k] >= unitWeight {
			p.Units = append(p.Units, Unit{f.weight[k], f, need, []int32{int32(k)}, nil})
			continue
		}
		u.trees = append(u.trees, int32(k))
		if u.Weight += f.weight[k]; u.Weight >= unitWeight {
			small = append(small, u)
			u = Unit{forest: f, need: need}
		}
	}
	if len(u.trees) > 0 {
		small = append(small, u)
	}
	return small
}

// need marks the nodes that must be rebuilt so that all wanted ones can be; nil
// when that is all of them.
func (f *forest) need(wanted func(k int32) bool) []bool {
	need := make([]bool, len(f.off))
	all := true
	order := f.preorder()
	for i := len(order) - 1; i >= 0; i-- {
		k := order[i]
		if need[k] = need[k] || wanted(k); !need[k] {
			all = false
		} else if b := f.base[k]; b >= 0 {
			need[b] = true
		}
	}
	if all {
		return nil
	}
	return need
}
