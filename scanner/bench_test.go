package scanner

import (
	"testing"

	"github.com/keyquench/keyquench/rules"
)

// BenchmarkHistory scans a generated repository: bytes are those of all objects
// the rules saw, as they are unpacked.
func BenchmarkHistory(b *testing.B) {
	g := churn(b, 70, 2000)
	g.Git("repack", "-adfq", "--depth=50")
	repo := openRepo(b, g.Dir)
	b.ReportAllocs()
	var sum Summary
	for b.Loop() {
		var err error
		var s Scanner
		if sum, err = s.Scan(b.Context(), func(Finding) error { return nil }, repo.History()); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(sum.Bytes)
	b.ReportMetric(float64(sum.Objects.Total())*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}

// BenchmarkPlace finds commits, paths and refs for hits in one in a hundred
// objects, and in all of them.
func BenchmarkPlace(b *testing.B) {
	g := churn(b, 71, 2000)
	g.Git("repack", "-adfq", "--depth=50")
	repo := openRepo(b, g.Dir)
	h := repo.history(nil)
	run := &scan{set: rules.Default(), workers: 2, meter: new(Meter)}
	if err := run.read(b.Context(), h); err != nil {
		b.Fatal(err)
	}
	for name, step := range map[string]int{"few": 100, "all": 1} {
		var hits []hit
		for i := 0; i < len(run.hits); i += step {
			hits = append(hits, run.hits[i])
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				again := &scan{set: run.set, meter: run.meter}
				if err := h.place(b.Context(), again, hits); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(hits)), "hits")
		})
	}
}
