package main

import (
	"errors"
	"testing"
	"time"
)

func TestParseSince(t *testing.T) {
	zone := time.FixedZone("", 2*60*60)
	now := time.Date(2026, 3, 31, 15, 4, 5, 0, zone)
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, zone) }
	for _, tt := range []struct {
		in   string
		want time.Time
	}{
		{"2026-01-31", day(2026, 1, 31)},
		{" 2026-01-31 ", day(2026, 1, 31)},
		{"2026-01-31T12:00:00Z", time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)},
		{"2026-01-31t12:00:00z", time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)},
		{"2026-01-31T12:00:00+05:30", time.Date(2026, 1, 31, 6, 30, 0, 0, time.UTC)},
		{"2024-02-29", day(2024, 2, 29)},
		{"today", day(2026, 3, 31)},
		{"Yesterday", day(2026, 3, 30)},
		{"30d", now.AddDate(0, 0, -30)},
		{"2 weeks ago", now.AddDate(0, 0, -14)},
		{"2  Weeks  Ago", now.AddDate(0, 0, -14)},
		{"1w", now.AddDate(0, 0, -7)},
		{"1 month ago", now.AddDate(0, -1, 0)},
		{"2 months", now.AddDate(0, -2, 0)},
		{"3mo", now.AddDate(0, -3, 0)},
		{"10y", now.AddDate(-10, 0, 0)},
		{"1 year ago", now.AddDate(-1, 0, 0)},
		{"90 minutes", now.Add(-90 * time.Minute)},
		{"5min", now.Add(-5 * time.Minute)},
		{"36 hours ago", now.Add(-36 * time.Hour)},
		{"1s", now.Add(-time.Second)},
		{"0d", now},
	} {
		got, err := parseSince(tt.in, now)
		if err != nil || !got.Equal(tt.want) {
			t.Errorf("parseSince(%q) = %v, %v, want %v", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{
		"", " ", "someday", "2026-13-01", "2026-02-30", "2026-1-1", "26-01-01", "2026-01-31 12:00", "2026-01-31T12:00:00",
		"d", "-3d", "3", "3 fortnights", "ago", "3 ago", "1.5d", "9999999d", "101 years ago", "999999 d", "999999mo",
		"2026-04-01", "2026-03-31T23:59:59Z", "9999-12-31", "3m", "99999999999999999999d",
	} {
		if got, err := parseSince(in, now); err == nil {
			t.Errorf("parseSince(%q) = %v, want an error", in, got)
		} else if u, ok := errors.AsType[usageError](err); !ok || u.try == "" {
			t.Errorf("parseSince(%q): %v is no usage error with a next step", in, err)
		}
	}
}

func FuzzParseSince(f *testing.F) {
	f.Add("30d")
	f.Add("2 weeks ago")
	f.Add("2026-01-31T12:00:00Z")
	now := time.Date(2026, 3, 31, 15, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := parseSince(s, now); err == nil && got.After(now) {
			t.Errorf("parseSince(%q) = %v, which is to come", s, got)
		}
	})
}
