package scanner

import (
	"slices"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

func TestEdgesComeBackAsTheyWereAdded(t *testing.T) {
	type edge struct{ from, to pack.Num }
	r := rulestest.Rand(90)
	var e edges
	for range 50 {
		var want, got []edge
		from := pack.Num(0)
		for range r.IntN(300) {
			if r.IntN(3) == 0 {
				from = pack.Num(r.Int32N(1 << (1 + r.IntN(30))))
			}
			want = append(want, edge{from, pack.Num(r.Int32N(1 << (1 + r.IntN(30))))})
			e.add(want[len(want)-1].from, want[len(want)-1].to)
		}
		e.take().each(func(from, to pack.Num) { got = append(got, edge{from, to}) })
		if !slices.Equal(got, want) {
			t.Fatalf("edges %v came back as %v", want, got)
		}
	}
}
