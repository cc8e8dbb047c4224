package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ago matches "2 weeks ago", "30d", "1 month". It is compiled when it is needed:
// a hook runs before every commit and needs none.
var ago = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\d{1,6}) ?([a-z]+?)s?( ago)?$`)
})

// maxAgo is how far back a relative date may go, in years: Git's dates begin
// with 1970.
const maxAgo = 100

// parseSince reads a date of --since: RFC 3339, a day in the time zone of now,
// or a time before now. A date to come would choose nothing and pass for clean.
func parseSince(s string, now time.Time) (time.Time, error) {
	when, err := parseDate(s, now)
	if err != nil {
		return time.Time{}, err
	}
	if when.After(now) {
		return time.Time{}, sinceError(s, "lies in the future")
	}
	return when, nil
}

func parseDate(s string, now time.Time) (time.Time, error) {
	text := strings.Join(strings.Fields(strings.ToLower(s)), " ")
	if when, err := time.Parse(time.RFC3339, strings.ToUpper(text)); err == nil {
		return when, nil
	}
	if when, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return when, nil
	}
	year, month, day := now.Date()
	switch text {
	case "today":
		return time.Date(year, month, day, 0, 0, 0, 0, now.Location()), nil
	case "yesterday":
		return time.Date(year, month, day-1, 0, 0, 0, 0, now.Location()), nil
	}
	m := ago().FindStringSubmatch(text)
	if m == nil {
		return time.Time{}, sinceError(s, "is no date")
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return time.Time{}, sinceError(s, "is no date")
	}
	when, ok := before(now, n, m[2])
	if !ok {
		return time.Time{}, sinceError(s, "has no unit that is known")
	}
	if when.Year() < now.Year()-maxAgo {
		return time.Time{}, sinceError(s, fmt.Sprintf("is more than %d years ago", maxAgo))
	}
	return when, nil
}

// before is n units before now.
func before(now time.Time, n int, unit string) (time.Time, bool) {
	switch unit {
	case "s", "sec", "second":
		return now.Add(-time.Duration(n) * time.Second), true
	case "min", "minute":
		return now.Add(-time.Duration(n) * time.Minute), true
	case "h", "hour":
		return now.Add(-time.Duration(n) * time.Hour), true
	case "d", "day":
		return now.AddDate(0, 0, -n), true
	case "w", "week":
		return now.AddDate(0, 0, -7*n), true
	case "mo", "month":
		return now.AddDate(0, -n, 0), true
	case "y", "year":
		return now.AddDate(-n, 0, 0), true
	}
	return now, false
}

func sinceError(s, what string) error {
	return usageError{fmt.Sprintf("--since %q %s", s, what), `2026-01-31, 2026-01-31T12:00:00Z, "2 weeks ago" or 30d`}
}
