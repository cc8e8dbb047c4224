package report

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/keyquench/keyquench/scanner"
)

const (
	// maxLines is how many keys the picture of history has; it is a picture, and
	// the cards have every date.
	maxLines = 40
	// maxDots is how many commits it marks for each.
	maxDots = 60
	// maxTicks is how many dates fit under it on a telephone.
	maxTicks = 6
)

// historyView is the picture of when keys came in. From its first commit on a key is
// in history, whether its file still has it or not: every line runs to the end.
type historyView struct {
	page       *page
	start, end time.Time
	lines      []int // indices of keys with a date
	Ticks      []tick
	Left       string // what it does not show, or ""
}

// tick is a date under the picture.
type tick struct{ At, Anchor, Text string }

// historyLine is a key in the picture.
type historyLine struct {
	Number      int
	Label, Text string
	From, Class string
	Dots        []dot
}

// dot is a commit that brought the key to some place.
type dot struct{ At, Text string }

// History is nil when no commit has a date.
func (p *page) History() *historyView {
	h := &historyView{page: p}
	for i := range p.list {
		c, when := entered(&p.list[i])
		if c == nil {
			continue
		}
		h.lines = append(h.lines, i)
		h.cover(when)
		for j := range p.list[i].Places {
			if c := p.list[i].Places[j].Commit; c != nil && believable(c.Date) {
				h.cover(c.Date)
			}
		}
	}
	if len(h.lines) == 0 {
		return nil
	}
	if p.o.Time.After(h.end) {
		h.end = p.o.Time
	}
	var left []string
	if n := len(h.lines) - maxLines; n > 0 {
		left = append(left, fmt.Sprintf("%s more %s came in later", group(int64(n)), plural(n, "key", "keys")))
	}
	if n := len(p.list) - len(h.lines); n > 0 {
		left = append(left, fmt.Sprintf("%s %s in no commit with a date", group(int64(n)), plural(n, "key is", "keys are")))
	}
	if len(left) > 0 {
		h.Left = "Not shown: " + strings.Join(left, "; ") + "."
	}
	// A day on each side, so that nothing stands on the edge.
	h.start, h.end = h.start.AddDate(0, 0, -1).UTC(), h.end.AddDate(0, 0, 1).UTC()
	h.ticks()
	return h
}

func (h *historyView) cover(when time.Time) {
	if h.start.IsZero() || when.Before(h.start) {
		h.start = when
	}
	if when.After(h.end) {
		h.end = when
	}
}

// at is where a date stands, in percent of the width.
func (h *historyView) at(when time.Time) string {
	share := float64(when.Sub(h.start)) / float64(h.end.Sub(h.start))
	return fmt.Sprintf("%.2f%%", 100*min(max(share, 0), 1))
}

// ticks are the starts of years, months or days, at most maxTicks of them.
func (h *historyView) ticks() {
	type unit struct {
		years, months, days int
		form                string
	}
	units := []unit{{0, 0, 1, "2 Jan"}, {0, 0, 7, "2 Jan"}, {0, 1, 0, "Jan 2006"}, {0, 3, 0, "Jan 2006"}, {1, 0, 0, "2006"}, {2, 0, 0, "2006"}, {5, 0, 0, "2006"}, {50, 0, 0, "2006"}}
	for _, u := range units {
		day := time.Date(h.start.Year(), h.start.Month(), h.start.Day(), 0, 0, 0, 0, time.UTC)
		switch {
		case u.years > 0:
			day = time.Date(h.start.Year()-h.start.Year()%u.years, 1, 1, 0, 0, 0, 0, time.UTC)
		case u.months > 0:
			day = time.Date(h.start.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
		}
		var list []tick
		for ; day.Before(h.end) && len(list) <= maxTicks; day = day.AddDate(u.years, u.months, u.days) {
			if share := float64(day.Sub(h.start)) / float64(h.end.Sub(h.start)); share >= 0 {
				list = append(list, tick{h.at(day), anchor(share), day.Format(u.form)})
			}
		}
		if len(list) <= maxTicks {
			h.Ticks = list
			return
		}
	}
}

// anchor keeps the text of a tick inside of the picture.
func anchor(share float64) string {
	switch {
	case share < 0.06:
		return "start"
	case share > 0.94:
		return "end"
	}
	return "middle"
}

// Start is the first day of the picture.
func (h *historyView) Start() string { return h.start.Format(time.DateOnly) }

// End is the last.
func (h *historyView) End() string { return h.end.Format(time.DateOnly) }

// Lines are the keys, the oldest first.
func (h *historyView) Lines() iter.Seq[historyLine] {
	return func(yield func(historyLine) bool) {
		for _, i := range h.lines[:min(len(h.lines), maxLines)] {
			if !yield(h.line(i, &h.page.list[i])) {
				return
			}
		}
	}
}

func (h *historyView) line(i int, f *scanner.Finding) historyLine {
	_, when := entered(f)
	l := historyLine{Number: i + 1, Label: Clean(f.Key.ID), From: h.at(when), Class: "past"}
	if l.Label == "" {
		l.Label = titleOf(f)
	}
	in, known := h.page.o.inHead(f)
	switch {
	case in:
		l.Class, l.Text = "head", "in the checked-out commit to this day"
	case !known:
		l.Class, l.Text = "unsure", "whether the checked-out commit has it is not known"
	case f.RefCount == 0:
		l.Class, l.Text = "lost", "no branch or tag leads to it, the object store has it"
	default:
		l.Text = "no longer in the checked-out commit, in history to this day"
	}
	l.Text = "since " + day(when) + ", " + l.Text
	last := ""
	for j := range f.Places {
		c := f.Places[j].Commit
		if c == nil || !believable(c.Date) || len(l.Dots) == maxDots {
			continue
		}
		// Many places come in with one commit.
		if at := h.at(c.Date); at != last {
			l.Dots, last = append(l.Dots, dot{at, day(c.Date) + " " + h.page.where(&f.Places[j])}), at
		}
	}
	return l
}
