package action

import (
	"slices"
	"strings"
	"testing"
)

// history reads "name date parents…" a line. A name with a ! behind it is one that
// history is cut at.
func history(text string) *graph {
	g := &graph{commits: map[string]commit{}, cut: map[string]bool{}}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		name, cut := strings.CutSuffix(f[0], "!")
		when := int64(0)
		for _, d := range f[1] {
			when = when*10 + int64(d-'0')
		}
		g.commits[name] = commit{f[2:], when}
		if cut {
			g.cut[name] = true
		}
	}
	return g
}

func TestMissingTellsWhatCannotBeKnown(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		rng        string
		why        string // part of it, or ""
	}{
		{"a branch", "h2 9 h1\nh1 8 m\nb 7 m\nm 5 o\no! 1", "h1 h2", ""},
		{"no cut at all", "h1 8 m\nb 7 m\nm 1", "h1", ""},
		{"the base is ahead", "h1 3 m\nb 9 x\nx 8 m\nm 2 o\no! 1", "h1", ""},
		{"nothing new", "b 9 h1\nh1 3 m\nm! 1", "", ""},
		{"cut in the range", "h1 8 m\nm! 7\nb! 9", "h1 m", "history is cut at m"},
		{"a root that the base may have", "h1 8 r\nr 1\nb! 9", "h1 r", "whether r belongs to the base"},
		{"dates of long ago are no matter where the cut lies below", "h1 1 m\nb 7 m\nm 5 o\no! 4", "h1", ""},
		// s, at which the base's side is cut, could be a merge of h1: it is younger.
		{"a side that is cut after the branch", "h2 9 h1 m\nh1 3 o\nb 8 s m\ns! 6\nm 7 o\no 2 q\nq! 1", "h1 h2", "what lies before s"},
		{"a side that is cut before the branch", "h2 9 h1 m\nh1 5 o\nb 8 s m\ns! 4\nm 7 o\no 2 q\nq! 1", "h1 h2", ""},
		{"a side that is cut when the branch began", "h2 9 h1 m\nh1 5 o\nb 8 s m\ns! 5\nm 7 o\no 2 q\nq! 1", "h1 h2", "what lies before s"},
		{"two ways down, and a cut below one of them", "h1 3 m n\nb 8 m n\nm 7 s\ns! 5\nn 6 q\nq! 1", "h1", "what lies before s"},
	} {
		rng, why := history(tt.text).missing([]string{newest(tt.text)}, []string{"b"})
		var names []string
		for name := range rng {
			names = append(names, name)
		}
		slices.Sort(names)
		if strings.Join(names, " ") != tt.rng || tt.why == "" && why != "" || !strings.Contains(why, tt.why) {
			t.Errorf("%s: missing = %v, %q, want %s, %q", tt.name, names, why, tt.rng, tt.why)
		}
	}
}

// newest is the last of the names h1, h2 … in a text.
func newest(text string) string {
	if strings.Contains(text, "h2") {
		return "h2"
	}
	return "h1"
}

func TestUnreachedGivesUpOnManyExits(t *testing.T) {
	g := history("a 2 c\nc! 1")
	exits := map[string]bool{"a": true}
	if got := g.unreached([]string{"c"}, exits); len(got) > 0 {
		t.Errorf("unreached = %v, want none", got)
	}
	for len(exits) <= maxExits {
		exits[strings.Repeat("x", len(exits))] = true
	}
	if got := g.unreached([]string{"c"}, exits); len(got) != 1 {
		t.Errorf("unreached of %d exits = %v, want what was asked about", len(exits), got)
	}
}
