package pack

import (
	"cmp"
	"iter"
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

// All gives the objects of w, in order.
func (w Want) All() iter.Seq[Num] {
	return func(yield func(Num) bool) {
		for i, word := range w {
			for ; word != 0; word &= word - 1 {
				if !yield(Num(64*i + bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}

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

	store *Store
	want  Want

	mu   sync.Mutex
	idle []*worker // as many as were ever at work at once: sync.Pool makes more
}

// Unit is work for one goroutine: some delta trees of one pack, or some loose
// objects. Weight is the work they are, as so many packed bytes.
type Unit struct {
	Weight int64
	forest *forest
	// trees are the nodes that head what is to be walked: roots, or where a tree
	// was cut, deltas of one node that belongs to another unit.
	trees []int32
	loose []Num
}

const (
	// heavyUnits is how many times as heavy as a unit a tree is that is cut, or
	// that comes first when it could not be.
	heavyUnits = 3
	unitLoose  = 256
)

// Plan shares out the wanted objects. What is heavy comes first, so that it is
// not begun last; the rest follows in the order of the packs.
func (s *Store) Plan(want Want) *Plan {
	p := &Plan{store: s, want: want}
	var small []Unit
	for i := range s.packs {
		small = append(small, p.packUnits(i)...)
	}
	slices.SortStableFunc(p.Units, func(a, b Unit) int { return cmp.Compare(b.Weight, a.Weight) })
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

// hire gives a worker that nobody else has.
func (p *Plan) hire() *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return newWorker(p.store)
	}
	w := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return w
}

func (p *Plan) rest(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, w)
}

// yields tells whether a walk of all units yields object n: it is wanted and not
// the double of another.
func (p *Plan) yields(n Num) bool { return p.want.Has(n) && !p.store.isDouble(n) }

// wants tells whether any of n objects from first on is wanted.
func (p *Plan) wants(first Num, n int) bool {
	if p.want == nil {
		return true
	}
	for m := range Num(n) {
		if p.want.Has(first + m) {
			return true
		}
	}
	return false
}

// packUnits adds the large trees of pack i to the plan and returns units of
// small ones.
func (p *Plan) packUnits(i int) []Unit {
	s := p.store
	if !p.wants(s.first[i], s.packs[i].idx.n) {
		return nil
	}
	f := newForest(s.packs[i], s.first[i], func(name []byte) bool { return len(s.copies(name)) > 1 })
	if err := f.hidden(); err != nil {
		p.Problems = append(p.Problems, Problem{f.pack.name + ".pack", err})
	}
	f.choose(p)
	var small []Unit
	add := func(weight int64, trees []int32) {
		if u := (Unit{Weight: weight * weightUnit, forest: f, trees: trees}); u.Weight >= heavyUnits*s.limits.Unit {
			p.Units = append(p.Units, u)
		} else {
			small = append(small, u)
		}
	}
	var trees []int32
	sum := int64(0)
	for k := range int32(len(f.base)) {
		if f.base[k] >= 0 || !f.need.Has(Num(k)) {
			continue
		}
		weight := int64(f.weight[k])
		if weight*weightUnit >= heavyUnits*s.limits.Unit {
			f.cut(k, s.limits.Unit, add)
			continue
		}
		trees, sum = append(trees, k), sum+weight
		if sum*weightUnit >= s.limits.Unit {
			add(sum, trees)
			trees, sum = nil, 0
		}
	}
	if len(trees) > 0 {
		add(sum, trees)
	}
	f.weight = nil
	return small
}

// choose fills need with the nodes that must be rebuilt so that all wanted ones
// can be.
func (f *forest) choose(p *Plan) {
	if p.want == nil && p.store.dup == nil {
		return
	}
	n := int32(len(f.off))
	need, all := make(Want, (n+63)/64), true
	for i := n - 1; i >= 0; i-- {
		k := f.at(i)
		if !need.Has(Num(k)) && !p.yields(f.first+Num(f.pos[k])) {
			all = false
			continue
		}
		need.Add(Num(k))
		if b := f.base[k]; b >= 0 {
			need.Add(Num(b))
		}
	}
	if !all {
		f.need = need
	}
}
