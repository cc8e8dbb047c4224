package pack

import (
	"encoding/binary"
	"math/bits"
)

// fan finds the neighbourhood of a name in a list of sorted names: the index's
// own fan-out is of 256 buckets, this one of as many as leave about four names in
// each. A search without it misses the cache three or four times, and there is a
// search for each line that a tree of history ever changed.
type fan struct {
	shift uint
	start []int32 // of each bucket; the last is the end
}

// namesInBucket is how many names share a bucket on average, or up to twice as
// many.
const namesInBucket = 4

// newFan counts names, which are given in order.
func newFan(n int, name func(i int) []byte) *fan {
	size := uint(bits.Len(uint(n) / namesInBucket))
	f := &fan{shift: 32 - size, start: make([]int32, 1<<size+1)}
	last := uint32(0)
	for i := range n {
		for b := f.bucket(name(i)); last < b; {
			last++
			f.start[last] = int32(i)
		}
	}
	for last++; int(last) < len(f.start); last++ {
		f.start[last] = int32(n)
	}
	return f
}

func (f *fan) bucket(name []byte) uint32 {
	return uint32(uint64(binary.BigEndian.Uint32(name)) >> f.shift)
}

// around gives the range of names that name can be among.
func (f *fan) around(name []byte) (lo, hi int) {
	b := f.bucket(name)
	return int(f.start[b]), int(f.start[b+1])
}
