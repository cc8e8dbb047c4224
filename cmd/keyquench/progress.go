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

// startProgress draws on w, which is a terminal. objects is how many there are
// to read, 0 when that is not known. Whoever calls it calls stop.
func startProgress(w io.Writer, m *scanner.Meter, objects int) *progress {
	total := int64(objects)
	if objects == 0 {
		total = -1 // a spinner
	}
	bar := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSpinnerType(14),
		// Drawn by the loop below only: the library's own ticker would go on for
		// some time after stop.
		progressbar.OptionSetSpinnerChangeInterval(0),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
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
				if objects > 0 {
					// One less than all, or the library takes the bar away while
					// the work tree is still being read.
					_ = bar.Set64(min(m.Objects.Load(), total-1))
				}
				bar.Describe(progressLine(m, now.Sub(start)))
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

// progressLine tells what was done so far.
func progressLine(m *scanner.Meter, elapsed time.Duration) string {
	rate := float64(m.Bytes.Load()) / 1e6 / max(elapsed.Seconds(), 0.001)
	return fmt.Sprintf("%d scanned, %.0f MB/s, %d hits", m.Blobs.Load(), rate, m.Hits.Load())
}
