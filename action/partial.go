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

// listing makes rev-list name objects, with a question mark before those that are
// missing. It asks no remote for them.
var listing = []string{"rev-list", "--objects", "--missing=print", "--no-object-names"}

// fill fetches what a partial clone left out of the objects that a walk of
// rev-list comes to, and of those that they are compared with. Where nothing was
// left out, it does nothing.
func (c *Checkout) fill(ctx context.Context, walk []string) error {
	partial, err := c.partial(ctx)
	if err != nil || !partial {
		return err
	}
	// As git itself fetches what is missing: nothing is told of what is here, as
	// commits without their files would pass for whole ones.
	asking, g := *c, *c.git
	g.env = slices.Clip(g.env)
	g.configure("fetch.negotiationAlgorithm", "noop")
	asking.git = &g
	if err := asking.complement(ctx, "", walk...); err != nil {
		return err
	}
	if err := asking.fillBase(ctx, walk); err != nil || c.writable() != nil {
		return err
	}
	// Git knows the empty tree by heart and never fetches it. A reader of objects
	// finds it missing.
	_, err = c.git.run(ctx, "", "hash-object", "-t", "tree", "-w", "--stdin")
	return err
}

// fillBase fetches what a range is compared with: the trees of the commits that its
// own grow on, and of the files that it changes how they were. Without the trees
// nothing can be compared, and without the files a key that was there before would
// pass for a new one.
func (c *Checkout) fillBase(ctx context.Context, walk []string) error {
	out, err := c.git.run(ctx, "", append([]string{"rev-list", "--boundary"}, walk...)...)
	if err != nil {
		return fmt.Errorf("look for what the range grows on: %w", err)
	}
	var commits, base strings.Builder
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(line, "-"); ok {
			base.WriteString(name)
		} else {
			commits.WriteString(line)
		}
	}
	if base.Len() == 0 {
		return nil // it begins with the first commit
	}
	if err := c.complement(ctx, base.String(), "--no-walk=unsorted", "--filter=blob:none", "--stdin"); err != nil {
		return err
	}
	out, err = c.git.run(ctx, commits.String(), "diff-tree", "--stdin", "-r", "-m", "--raw", "--no-renames", "--no-commit-id")
	if err != nil {
		return fmt.Errorf("look for what the range changes: %w", err)
	}
	changed := map[string]bool{}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 4 { // :MODE MODE OBJECT OBJECT STATUS NAME
			changed[f[2]] = true
		}
	}
	lacking, err := c.lacking(ctx, base.String(), "--no-walk=unsorted", "--stdin")
	if err != nil {
		return err
	}
	return c.fetchNamed(ctx, slices.DeleteFunc(lacking, func(name string) bool { return !changed[name] }))
}

// complement fetches objects that a walk comes to and that are not here, until
// there are none.
func (c *Checkout) complement(ctx context.Context, input string, walk ...string) error {
	var before []string
	for range maxRounds {
		lacking, err := c.lacking(ctx, input, walk...)
		if err != nil || len(lacking) == 0 {
			return err
		}
		if slices.Equal(lacking, before) {
			break
		}
		if err := c.fetchNamed(ctx, lacking); err != nil {
			return err
		}
		before = lacking
	}
	return &Error{What: "the partial clone still lacks objects", Next: "check out without filter"}
}

// lacking are the objects that a walk comes to and that are not here, sorted.
func (c *Checkout) lacking(ctx context.Context, input string, walk ...string) (names []string, err error) {
	out, err := c.git.run(ctx, input, append(slices.Clone(listing), walk...)...)
	if err != nil {
		return nil, fmt.Errorf("look for what the partial clone lacks: %w", err)
	}
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "?"); ok && objectName(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// fetchNamed fetches objects, and nothing that they lead to but trees.
func (c *Checkout) fetchNamed(ctx context.Context, names []string) error {
	if len(names) > 0 {
		c.o.Note(fmt.Sprintf("this is a partial clone: fetching %d objects that it lacks", len(names)))
	}
	for batch := range slices.Chunk(names, maxBatch) {
		err := c.fetch(ctx, []string{"--no-tags", "--filter=blob:none", "--stdin"}, strings.Join(batch, "\n")+"\n")
		if err != nil {
			return &Error{"fetch what the partial clone lacks", "check out without filter, or with fetch-depth: 0", err}
		}
	}
	return nil
}
