package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyquench/keyquench/scanner"
)

func TestBar(t *testing.T) {
	for _, tt := range []struct {
		done, all int64
		room      int
		want      string
	}{
		{0, 1000, 80, "   0% |" + strings.Repeat(" ", 24) + "|"},
		{500, 1000, 80, "  50% |" + strings.Repeat("█", 12) + strings.Repeat(" ", 12) + "|"},
		{999, 1000, 80, "  99% |" + strings.Repeat("█", 23) + " |"},
		{2, 3, 80, "  66% |" + strings.Repeat("█", 15) + strings.Repeat(" ", 9) + "|"},
		{1, 2, 20, "  50% |" + strings.Repeat("█", 5) + strings.Repeat(" ", 5) + "|"},
		{1, 2, 10, "  50% ||"},
		{1, 2, -5, "  50% ||"},
	} {
		if got := bar(tt.done, tt.all, tt.room); got != tt.want {
			t.Errorf("bar(%d, %d, %d) = %q, want %q", tt.done, tt.all, tt.room, got, tt.want)
		}
	}
}

// What is drawn over must go, also where the new line is shorter.
func TestProgressTurnsAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		var m scanner.Meter
		p := startProgress(&b, &m, 0)
		m.Blobs.Store(1000)
		time.Sleep(pollEvery + time.Millisecond)
		m.Blobs.Store(7)
		time.Sleep(pollEvery)
		p.stop()
		const first, second = "⠋ 1000 scanned, 0 MB/s, 0 hits  ", "⠙ 7 scanned, 0 MB/s, 0 hits  "
		blank := func(n int) string { return "\r" + strings.Repeat(" ", n) + "\r" }
		want := first + blank(32) + second + blank(29)
		if got := b.String(); got != want {
			t.Errorf("progress writes %q, want %q", got, want)
		}
	})
}
