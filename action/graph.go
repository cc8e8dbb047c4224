package action

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// graph is the commits that are here and lead to one another. Git takes a commit
// at which a shallow clone is cut for one without parents; cut says which those
// are.
type graph struct {
	commits map[string]commit
	cut     map[string]bool
	tips    []string // the newest commit, as git came to it first
}

type commit struct {
	parents []string
	when    int64 // of the committer, in seconds
}

// graph reads the commits that tips lead to.
func (c *Checkout) graph(ctx context.Context, tips ...string) (*graph, error) {
	cut, err := c.shallow()
	if err != nil {
		return nil, err
	}
	out, err := c.git.run(ctx, "", append([]string{"rev-list", "--timestamp", "--parents", "--missing=error"}, tips...)...)
	if err != nil {
		return nil, err
	}
	g := &graph{commits: map[string]commit{}, cut: cut}
	lines := bufio.NewScanner(strings.NewReader(out))
	// An octopus merge of thousands is a line of as many names.
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 2 {
			return nil, errors.New("git rev-list: a line without a commit")
		}
		when, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("git rev-list: %w", err)
		}
		if len(g.tips) == 0 {
			g.tips = f[1:2]
		}
		g.commits[f[1]] = commit{f[2:], when}
	}
	return g, lines.Err()
}

// reach gives the commits that tips lead to and without does not have.
func (g *graph) reach(tips []string, without map[string]bool) map[string]bool {
	seen := map[string]bool{}
	queue := append([]string(nil), tips...)
	for len(queue) > 0 {
		name := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if _, here := g.commits[name]; !here || seen[name] || without[name] {
			continue
		}
		seen[name] = true
		queue = append(queue, g.commits[name].parents...)
	}
	return seen
}

// maxExits bounds the work of one look at a graph: each exit is a walk.
const maxExits = 64

// missing tells why the commits of a range, which head leads to and base does
// not, cannot be told from what is here; "" when they can. The range is given as
// far as it is known.
//
// Two things can be wrong. A commit of the range at which history is cut has
// parents that belong to it, too. And what looks new may lead on to base by
// commits that are not here. That last cannot be for a commit that grows on one
// from which every cut on base's side is reached: its way would be a circle. Nor,
// if clocks go right, for one that is younger than the cut.
func (g *graph) missing(head, base []string) (rng map[string]bool, why string) {
	had := g.reach(base, nil)
	rng = g.reach(head, had)
	var cuts []string
	for name := range g.cut {
		switch {
		case rng[name]:
			return rng, "history is cut at " + brief(name) + ", which is among the commits to scan"
		case had[name]:
			cuts = append(cuts, name)
		}
	}
	if len(cuts) == 0 || len(rng) == 0 {
		return rng, ""
	}
	exits, first := map[string]bool{}, int64(math.MaxInt64)
	for name := range rng {
		c := g.commits[name]
		if len(c.parents) == 0 {
			return rng, "it is not known whether " + brief(name) + " belongs to the base, whose history is cut"
		}
		first = min(first, c.when)
		for _, p := range c.parents {
			if had[p] {
				exits[p] = true
			}
		}
	}
	for _, cut := range g.unreached(cuts, exits) {
		if g.commits[cut].when >= first {
			return rng, "it is not known what lies before " + brief(cut) + " of the base"
		}
	}
	return rng, ""
}

// unreached are those of cuts that some exit does not lead to.
func (g *graph) unreached(cuts []string, exits map[string]bool) (list []string) {
	if len(exits) > maxExits {
		return cuts
	}
	count := map[string]int{}
	for e := range exits {
		seen := g.reach([]string{e}, nil)
		for _, c := range cuts {
			if seen[c] {
				count[c]++
			}
		}
	}
	for _, c := range cuts {
		if count[c] < len(exits) {
			list = append(list, c)
		}
	}
	return list
}

// depth is how many commits the longest of the shortest ways from tips has.
func (g *graph) depth(tips []string) (deepest int) {
	seen := map[string]bool{}
	for level := tips; len(level) > 0; deepest++ {
		var next []string
		for _, name := range level {
			if c, here := g.commits[name]; here && !seen[name] {
				seen[name] = true
				next = append(next, c.parents...)
			}
		}
		level = next
	}
	return deepest
}
