package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/keyquench/keyquench/scanner"
	"golang.org/x/term"
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
	l := statusLine{w: w}
	start := time.Now()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		turn := 0
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-tick.C:
				told := progressLine(m, now.Sub(start))
				if objects > 0 {
					// One less than all: the work tree may still be read.
					told += bar(min(m.Objects.Load(), int64(objects)-1), int64(objects), l.room(told))
				} else {
					told = spinner[turn%len(spinner)] + " " + told
					turn++
				}
				l.draw(told)
			}
		}
	})
	return &progress{stop: sync.OnceFunc(func() {
		close(done)
		wg.Wait()
		l.clear()
	})}
}

// progressLine tells what was done so far.
func progressLine(m *scanner.Meter, elapsed time.Duration) string {
	rate := float64(m.Bytes.Load()) / 1e6 / max(elapsed.Seconds(), 0.001)
	return fmt.Sprintf("%d scanned, %.0f MB/s, %d hits", m.Blobs.Load(), rate, m.Hits.Load())
}

// Drawing is our own: what the library that did it compiles and sets up each time
// the program starts took half a millisecond, of the ten that a hook which runs
// before every commit has.

// spinner is what turns while nobody knows how much there is to do.
var spinner = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// barWidth is how wide a bar is, and barFrame what stands around it.
const (
	barWidth = 24
	barFrame = len(" 100% ||  ")
)

// bar shows how much of all is done, on a line with that much room.
func bar(done, all int64, room int) string {
	width := max(0, min(barWidth, room-barFrame))
	percent := int(100 * done / all)
	full := width * percent / 100
	return fmt.Sprintf(" %3d%% |%s%s|", percent, strings.Repeat("█", full), strings.Repeat(" ", width-full))
}

// statusLine is a line of a terminal that is written over again and again. All
// that stands on it is one column wide.
type statusLine struct {
	w     io.Writer
	drawn int // columns
}

// room is how many columns there are beside text.
func (l *statusLine) room(text string) int {
	if f, ok := l.w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns - len(text)
		}
	}
	return barWidth + barFrame
}

// draw puts text in place of what was drawn last. A terminal that cannot be
// written to is no reason to end a scan.
func (l *statusLine) draw(text string) {
	_, _ = io.WriteString(l.w, l.blank()+text+"  ")
	l.drawn = utf8.RuneCountInString(text) + 2
}

// clear leaves an empty line.
func (l *statusLine) clear() {
	_, _ = io.WriteString(l.w, l.blank())
	l.drawn = 0
}

// blank is what takes away what was drawn.
func (l *statusLine) blank() string {
	if l.drawn == 0 {
		return ""
	}
	return "\r" + strings.Repeat(" ", l.drawn) + "\r"
}
