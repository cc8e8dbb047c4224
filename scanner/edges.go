package scanner

import (
	"encoding/binary"
	"slices"

	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// edges say that a tree names an object, or that it was rebuilt from another tree:
// what the edge goes to leads to, what it comes from may lead to. Of a tree rebuilt
// from another, only the entries that differ have edges, which is what keeps them
// few; but there are millions in a large history, and nothing of them is needed
// before something is found. So they are kept in some three bytes each: for a run
// of edges from one tree, its number, the numbers it goes to, each one higher than
// it is, and a zero.
type edges struct {
	coded []byte
	from  pack.Num // of the last run
}

func (e *edges) add(from, to pack.Num) {
	if len(e.coded) == 0 || from != e.from {
		e.end()
		e.coded = binary.AppendUvarint(e.coded, uint64(from))
		e.from = from
	}
	e.coded = binary.AppendUvarint(e.coded, uint64(to)+1)
}

// end closes the last run.
func (e *edges) end() {
	if len(e.coded) > 0 {
		e.coded = append(e.coded, 0)
	}
}

// take gives what was added, in memory of just its size, and begins anew.
func (e *edges) take() codedEdges {
	e.end()
	all := codedEdges(slices.Clone(e.coded))
	e.coded = e.coded[:0]
	return all
}

// codedEdges are edges that no more are added to.
type codedEdges []byte

// each calls visit for each edge.
func (c codedEdges) each(visit func(from, to pack.Num)) {
	for len(c) > 0 {
		from := c.next()
		for to := c.next(); to > 0; to = c.next() {
			visit(pack.Num(from), pack.Num(to-1))
		}
	}
}

func (c *codedEdges) next() uint64 {
	v, n := binary.Uvarint(*c)
	*c = (*c)[n:]
	return v
}
