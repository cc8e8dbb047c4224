package scanner

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// node is a commit in the graph: its object, its tree, its parents as far as
// the store has them.
type node struct {
	num, tree pack.Num
	when      int64
	parents   []pack.Num
}

// graph is the commits of a store, oldest first. Positions in nodes are what
// the rest of the package counts commits by.
type graph struct {
	nodes []node
	at    map[pack.Num]int32 // object → position
	// reached: some ref, HEAD or index leads to the commit. Reached commits
	// come before all others, so that what is found first is found in history
	// that somebody can still check out.
	reached []bool
	live    int // how many are reached
}

// newGraph orders commits: reached before unreachable, parents before
// children, then by date, then by name.
func newGraph(s *pack.Store, nodes []node, tips []pack.Num) *graph {
	g := &graph{nodes: nodes}
	// The order in which workers found them is chance.
	slices.SortFunc(g.nodes, func(a, b node) int { return cmp.Compare(a.num, b.num) })
	g.index()
	g.reach(tips)
	g.order(s)
	g.index()
	g.reach(tips)
	return g
}

func (g *graph) index() {
	g.at = make(map[pack.Num]int32, len(g.nodes))
	for i, n := range g.nodes {
		g.at[n.num] = int32(i)
	}
}

// reach marks what tips lead to.
func (g *graph) reach(tips []pack.Num) {
	g.reached, g.live = make([]bool, len(g.nodes)), 0
	g.ancestors(tips, func(i int32) { g.reached[i] = true; g.live++ })
}

// ancestors calls visit once for each commit that tips lead to, tips included.
func (g *graph) ancestors(tips []pack.Num, visit func(i int32)) {
	seen := make([]bool, len(g.nodes))
	var queue []int32
	push := func(n pack.Num) {
		if i, ok := g.at[n]; ok && !seen[i] {
			seen[i] = true
			queue = append(queue, i)
		}
	}
	for _, t := range tips {
		push(t)
	}
	for len(queue) > 0 {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		visit(i)
		for _, p := range g.nodes[i].parents {
			push(p)
		}
	}
}

// order sorts nodes by Kahn's algorithm. A store whose index lies about names
// can hold a loop of commits; those come last, by date.
func (g *graph) order(s *pack.Store) {
	waiting := make([]int32, len(g.nodes))
	children := make([][]int32, len(g.nodes))
	for i, n := range g.nodes {
		for _, p := range n.parents {
			if j, ok := g.at[p]; ok {
				waiting[i]++
				children[j] = append(children[j], int32(i))
			}
		}
	}
	q := &ready{g: g, s: s}
	for i, w := range waiting {
		if w == 0 {
			q.list = append(q.list, int32(i))
		}
	}
	heap.Init(q)
	sorted := make([]node, 0, len(g.nodes))
	done := make([]bool, len(g.nodes))
	for q.Len() > 0 {
		i := heap.Pop(q).(int32)
		sorted, done[i] = append(sorted, g.nodes[i]), true
		for _, c := range children[i] {
			if waiting[c]--; waiting[c] == 0 {
				heap.Push(q, c)
			}
		}
	}
	q.list = q.list[:0]
	for i := range g.nodes {
		if !done[i] {
			q.list = append(q.list, int32(i))
		}
	}
	slices.SortFunc(q.list, q.compare)
	for _, i := range q.list {
		sorted = append(sorted, g.nodes[i])
	}
	g.nodes = sorted
}

// ready is a heap of commits all of whose parents are placed.
type ready struct {
	g    *graph
	s    *pack.Store
	list []int32
}

func (q *ready) compare(a, b int32) int {
	x, y := q.g.nodes[a], q.g.nodes[b]
	if rx, ry := q.g.reached[a], q.g.reached[b]; rx != ry {
		if rx {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(x.when, y.when); c != 0 {
		return c
	}
	return q.s.ID(x.num).Compare(q.s.ID(y.num))
}

func (q *ready) Len() int           { return len(q.list) }
func (q *ready) Less(i, j int) bool { return q.compare(q.list[i], q.list[j]) < 0 }
func (q *ready) Swap(i, j int)      { q.list[i], q.list[j] = q.list[j], q.list[i] }
func (q *ready) Push(x any)         { q.list = append(q.list, x.(int32)) }
func (q *ready) Pop() any {
	last := q.list[len(q.list)-1]
	q.list = q.list[:len(q.list)-1]
	return last
}
