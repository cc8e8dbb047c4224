package action

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

const (
	// maxRounds bounds how often missing objects are fetched: trees that were
	// missing can lead to more that are.
	maxRounds = 100
	// maxBatch bounds what is asked for at once.
	maxBatch = 20000
)

// fill fetches what a partial clone left out of the objects that a walk of
// rev-list comes to. Where nothing was left out, it does nothing.
func (c *Checkout) fill(ctx context.Context, walk []string) error {
	partial, err := c.partial(ctx)
	if err != nil || !partial {
		return err
	}
	walk = append([]string{"rev-list", "--objects", "--missing=print", "--no-object-names"}, walk...)
	// As git itself fetches what is missing: nothing is told of what is here, as
	// commits without their files would pass for whole ones.
	asking, g := *c, *c.git
	g.env = slices.Clip(g.env)
	g.configure("fetch.negotiationAlgorithm", "noop")
	asking.git = &g
	before := -1
	for range maxRounds {
		out, err := c.git.run(ctx, "", walk...)
		if err != nil {
			return fmt.Errorf("look for what the partial clone lacks: %w", err)
		}
		var lacking []string
		for line := range strings.Lines(out) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "?"); ok && objectName(name) {
				lacking = append(lacking, name)
			}
		}
		if len(lacking) == 0 {
			return nil
		}
		c.o.Note(fmt.Sprintf("this is a partial clone: fetching %d objects that it lacks", len(lacking)))
		if len(lacking) == before {
			break
		}
		before = len(lacking)
		for len(lacking) > 0 {
			n := min(len(lacking), maxBatch)
			err := asking.fetch(ctx, []string{"--no-tags", "--filter=blob:none", "--stdin"}, strings.Join(lacking[:n], "\n")+"\n")
			if err != nil {
				return &Error{"fetch what the partial clone lacks", "check out without filter, or with fetch-depth: 0", err}
			}
			lacking = lacking[n:]
		}
	}
	return &Error{What: "the partial clone still lacks objects", Next: "check out without filter"}
}
