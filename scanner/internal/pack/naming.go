package pack

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Objects get their names by a walk like any other, over a store in which they
// have names that nobody could know, and nothing is compared with them. A delta
// that names its base, as git has not written them for long where both are in one
// pack, is walked in the round after the one that has named it.

// maxNamingWork bounds the rounds, times the entries that each goes over. It lets a
// pack of five million objects have the fifty rounds of git's default depth; what
// was made to need more is not worth the hours.
const maxNamingWork = 1 << 28

// maxUnnamed bounds the objects without a name that are told one by one.
const maxUnnamed = 1000

// errDeepNames: an index would say at once where each base is.
var errDeepNames = errors.New("too many deltas name bases that stand on such deltas themselves; git index-pack makes an index that helps")

// name names what can be rebuilt, and tells of the rest.
func (n *naming) name(ctx context.Context) error {
	var lost unnamed
	charged := int64(0)
	for round, left := 1, len(n.bases); ; round++ {
		if round > 2 && round*len(n.starts) > maxNamingWork {
			n.problem(errDeepNames)
			break
		}
		s := n.roundStore()
		s.amplified.Store(charged)
		lost = unnamed{}
		err := n.round(ctx, s, &lost)
		charged = s.amplified.Load()
		s.closeSpills()
		if err != nil {
			return err
		}
		// Deltas whose base has a name by now are worth another round.
		waiting := n.waiting()
		if waiting == 0 || waiting == left && round > 1 {
			break
		}
		left = waiting
	}
	for _, err := range lost.first {
		n.problem(err)
	}
	if more := lost.count - len(lost.first); more > 0 {
		n.problem(fmt.Errorf("%d more objects cannot be rebuilt: %w", more, errBase))
	}
	return nil
}

// unnamed is what a round could not rebuild.
type unnamed struct {
	mu    sync.Mutex
	first []error
	count int
}

func (u *unnamed) add(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count++; u.count <= maxUnnamed {
		u.first = append(u.first, err)
	}
}

// waiting counts the deltas without a name that name their base.
func (n *naming) waiting() (count int) {
	for _, b := range n.bases {
		if n.names[b.entry].IsZero() {
			count++
		}
	}
	return count
}

// roundStore is a store in which all entries have a name.
func (n *naming) roundStore() *Store {
	p := *n.pack
	size := p.format.Size()
	unknown := make([]byte, size)
	_, _ = rand.Read(unknown) // never fails
	list := make([]entryName, len(n.starts))
	for k := range list {
		if n.names[k].IsZero() {
			name := bytes.Clone(unknown)
			binary.BigEndian.PutUint64(name[size-8:], uint64(k))
			list[k] = entryName{int32(k), name}
		} else {
			list[k] = entryName{int32(k), n.names[k].Bytes()}
		}
	}
	p.idx = n.build(list)
	p.starts = n.starts
	n.places = make([]int32, len(list))
	for i := range list {
		n.places[i] = list[i].entry
	}
	s := &Store{format: p.format, limits: n.store.limits, nameless: true, packs: []*packFile{&p}, first: []Num{0}, looseFirst: len(list)}
	s.budget = s.limits.Amplified + amplifiedShare*s.PackedBytes()
	return s
}

// round walks what has no name yet.
func (n *naming) round(ctx context.Context, s *Store, lost *unnamed) error {
	want := s.NewWant()
	for i, k := range n.places {
		if n.names[k].IsZero() {
			want.Add(Num(i))
		}
	}
	plan := s.Plan(want)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(plan.Units) && ctx.Err() == nil; i = next.Add(1) - 1 {
				for o, err := range plan.Walk(ctx, plan.Units[i]) {
					n.take(o, err, lost)
				}
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// take names an object of a walk.
func (n *naming) take(o Object, err error, lost *unnamed) {
	if err == nil && o.Again {
		return
	}
	id := oid.ID{}
	switch {
	case err != nil:
	case o.Stream != nil:
		id, err = o.Stream.nameAtEnd()
	default:
		id = n.pack.format.Sum(o.Kind.String(), o.Data)
	}
	if err != nil {
		if p, ok := IsProblem(err); ok {
			err = p.Err // where the entry is says more than the name it does not have
		}
		lost.add(err)
		return
	}
	n.names[n.places[o.Num]] = id
}

// nameAtEnd reads a stream to its end for its name.
func (s *Stream) nameAtEnd() (oid.ID, error) {
	if s.sum == nil {
		return s.name, nil
	}
	_, err := io.Copy(io.Discard, s)
	return s.id(), err
}

// index is the index of all that has a name.
func (n *naming) index() *index {
	list := make([]entryName, 0, len(n.starts))
	for k := range n.names {
		if !n.names[k].IsZero() {
			list = append(list, entryName{int32(k), n.names[k].Bytes()})
		}
	}
	return n.build(list)
}

// build makes an index of entries and their names, which it sorts.
func (n *naming) build(list []entryName) *index {
	slices.SortFunc(list, func(a, b entryName) int {
		return cmp.Or(bytes.Compare(a.name, b.name), cmp.Compare(a.entry, b.entry))
	})
	x := &index{
		format: n.pack.format, version: 2, n: len(list),
		fanout: make([]byte, fanoutSize), names: make([]byte, 0, len(list)*n.pack.format.Size()),
		crcs: make([]byte, 0, 4*len(list)), offsets: make([]byte, 0, 4*len(list)),
	}
	var upTo [256]uint32
	for i, e := range list {
		x.names = append(x.names, e.name...)
		x.crcs = binary.BigEndian.AppendUint32(x.crcs, n.sums[e.entry])
		if at := n.starts[e.entry]; at < 1<<31 {
			x.offsets = binary.BigEndian.AppendUint32(x.offsets, uint32(at))
		} else {
			x.offsets = binary.BigEndian.AppendUint32(x.offsets, 1<<31|uint32(len(x.large)/8))
			x.large = binary.BigEndian.AppendUint64(x.large, at)
		}
		upTo[e.name[0]]++
		x.doubled = x.doubled || i > 0 && bytes.Equal(e.name, list[i-1].name)
	}
	sum := uint32(0)
	for b, count := range upTo {
		sum += count
		binary.BigEndian.PutUint32(x.fanout[4*b:], sum)
	}
	x.fan = newFan(x.n, x.name)
	return x
}
