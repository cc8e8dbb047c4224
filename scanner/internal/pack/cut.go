package pack

// cutShare bounds what it costs to cut trees: a unit that is not headed by a root
// must rebuild all that its trees stand on, and that is at most one part in
// cutShare of its own weight.
const cutShare = 16

// cut shares a large tree out to several units, so that several workers can walk
// it at once. It goes over the tree from the leaves down to the root; wherever
// what stands on one node, without what was cut off already, is enough for a
// unit, it is cut off there. How many workers there are makes no difference.
func (f *forest) cut(root int32, unit int64, add func(weight int64, trees []int32)) {
	nodes := f.breadth([]int32{root})
	first := make([]int32, len(nodes)+1) // the children of nodes[i] are nodes[first[i]:first[i+1]]
	rest := make([]int64, len(nodes))    // of the tree that nodes[i] heads, what is not cut off
	chain := make([]int64, len(nodes))   // nodes[i] and all that it stands on
	end := int32(1)
	for i, k := range nodes {
		own := int64(f.weight[k])
		first[i] = end
		for c := f.child[k]; c >= 0; c = f.next[c] {
			own -= int64(f.weight[c])
			if f.need.Has(Num(c)) {
				end++
			}
		}
		rest[i] = max(own, nodeWeight) // it can be less where weights have met their maximum
		chain[i] += rest[i]
		for j := first[i]; j < end; j++ {
			chain[j] = chain[i]
		}
	}
	first[len(nodes)] = end
	for i := len(nodes) - 1; i >= 0; i-- {
		sum, from := int64(0), first[i]
		for j := from; j < first[i+1]; j++ {
			if sum += rest[j]; sum*weightUnit < unit || sum < cutShare*chain[i] {
				continue
			}
			trees := append([]int32(nil), nodes[from:j+1]...)
			add(sum+chain[i], trees)
			f.unneed(trees)
			sum, from = 0, j+1
		}
		rest[i] += sum
	}
	add(rest[0], []int32{root})
}

// unneed takes nodes out of need.
func (f *forest) unneed(nodes []int32) {
	if f.need == nil {
		f.need = make(Want, (len(f.off)+63)/64)
		for i := range f.need {
			f.need[i] = ^uint64(0)
		}
	}
	for _, k := range nodes {
		f.need[k/64] &^= 1 << (k % 64)
	}
}

// visits gives c or, when that is not needed, the first of its siblings behind it
// that is; -1 if there is none.
func (f *forest) visits(c int32) int32 {
	for c >= 0 && !f.need.Has(Num(c)) {
		c = f.next[c]
	}
	return c
}
