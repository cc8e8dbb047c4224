package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/keyquench/keyquench/scanner"
	"github.com/schollz/progressbar/v3"
)

// pollEvery is how often progress is drawn: often enough to look alive.
const pollEvery = 100 * time.Millisecond

// progress draws what a Meter counts, until stop.
type progress struct {
	stop func() // clears the line; may be called more than once
}

// startProgress draws on w, which is a terminal. objects is how many the store
// has, 0 when not known. Whoever calls it calls stop.
func startProgress(w io.Writer, m *scanner.Meter, objects int) *progress {
	bar := progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSpinnerType(14),
		// Drawn by the loop below only: the library's own ticker would go on for
		// some time after stop.
		progressbar.OptionSetSpinnerChangeInterval(0),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionClearOnFinish(),
	)
	start := time.Now()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-tick.C:
				bar.Describe(progressLine(m.Blobs.Load(), m.Bytes.Load(), m.Hits.Load(), objects, now.Sub(start)))
			}
		}
	})
	return &progress{stop: sync.OnceFunc(func() {
		close(done)
		wg.Wait()
		// A terminal that cannot be written to is no reason to end a scan.
		_ = bar.Finish()
	})}
}

// progressLine tells what was done so far. Trees are objects too, and are read
// without being looked through, so the two counts do not meet.
func progressLine(blobs, bytes, hits int64, objects int, elapsed time.Duration) string {
	of := ""
	if objects > 0 {
		of = fmt.Sprintf(" (the store has %d objects)", objects)
	}
	return fmt.Sprintf("%d scanned%s, %.0f MB/s, %d hits", blobs, of, float64(bytes)/1e6/max(elapsed.Seconds(), 0.001), hits)
}
