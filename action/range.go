package action

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Range is what a run has to scan, all of which is here.
type Range struct {
	// All: everything that is in the repository. Else it is what Tips lead to and
	// Have do not, names of objects.
	All        bool
	Tips, Have []string
	// Commits is how many commits there are in it, by git's count.
	Commits int
	// Nothing is why there is nothing to scan, or "".
	Nothing string
	// Name says in words what it is; nothing in it is hostile.
	Name string
}

// Head is the object that the range ends with, or "".
func (r *Range) Head() string {
	if len(r.Tips) == 0 {
		return ""
	}
	return r.Tips[0]
}

// Resolve finds out what is to be scanned, and fetches what of it is missing. base
// and head are inputs that take the place of what the event says, or "". An error
// is one of usage (*InputError) or says that the range could not be made whole.
func (c *Checkout) Resolve(ctx context.Context, e *Event, base, head string) (r Range, err error) {
	if base != "" || head != "" {
		return c.named(ctx, e, base, head)
	}
	switch {
	case e.Kind == Deletion:
		return Range{Nothing: "a ref was deleted, which brings no commits"}, nil
	case e.Kind == Everything:
		return c.everything(ctx)
	case e.Base == "":
		return c.created(ctx, e)
	}
	r, err = c.between(ctx, e.Base, e.Head, e.Commits)
	if gone, ok := errors.AsType[*goneError](err); ok && e.Kind == Push && gone.name == e.Base {
		c.o.Note(fmt.Sprintf("what was there before the push, %s, is not to be had any more: %v", brief(e.Base), gone.cause))
		return c.created(ctx, e)
	}
	if err != nil {
		return r, err
	}
	return r, r.expect(e)
}

// expect refuses an empty range where the event speaks of commits.
func (r *Range) expect(e *Event) error {
	if r.Nothing == "" || e.Commits <= 0 && (e.Kind != Queue || e.Head == e.Base) {
		return nil
	}
	return &Error{
		What: fmt.Sprintf("the event is about commits, and none of them is new to %s: %s", brief(e.Base), r.Nothing),
		Next: "was it merged in the meantime? name what to scan by the inputs base and head",
	}
}

// goneError is an object that the remote does not give.
type goneError struct {
	name  string
	cause error
}

func (e *goneError) Error() string { return "fetch " + e.name + ": " + e.cause.Error() }

func (e *goneError) Unwrap() error { return e.cause }

// Hint is the next step.
func (e *goneError) Hint() string {
	return "does the commit still exist, and is the remote origin the repository of the event? name what to scan by the inputs base and head"
}

// created is the range of a push whose ref was not there before, or of which
// nobody knows any more where it was: what the default branch does not have. Of
// the default branch itself, it is everything.
func (c *Checkout) created(ctx context.Context, e *Event) (Range, error) {
	branch, base := e.Default, ""
	if branch == "" {
		var err error
		if branch, err = c.defaultBranch(ctx); err != nil {
			return Range{}, err
		}
	}
	if branch != "" && e.Ref != "refs/heads/"+branch {
		tip, err := c.defaultTip(ctx, branch)
		if err != nil {
			return Range{}, err
		}
		base = tip
	}
	if base == "" {
		c.o.Note("there is no other branch to compare with: the whole history of what was pushed is scanned")
		return c.between(ctx, "", e.Head, e.Commits)
	}
	r, err := c.between(ctx, base, e.Head, e.Commits)
	if err != nil {
		return r, err
	}
	r.Name += ", which is the default branch"
	return r, r.expect(&Event{Base: base, Commits: e.Commits})
}

// defaultTip is where the default branch is; "" when it is not there.
func (c *Checkout) defaultTip(ctx context.Context, branch string) (string, error) {
	cut, err := c.shallow()
	if err != nil {
		return "", err
	}
	if len(cut) == 0 {
		// A whole clone has it, and need not ask.
		name := "refs/remotes/origin/" + branch
		if _, err := c.git.run(ctx, "", "check-ref-format", name); err == nil {
			if tip, err := c.commitOf(ctx, name); err != nil || tip != "" {
				return tip, err
			}
		}
	}
	return c.tipOf(ctx, "refs/heads/"+branch)
}

// startDepth is how much of history is fetched first where nothing says how long
// the range is; nextDepth the least that is fetched when that was not enough, and
// lastDepth what follows after is all of history at once.
const startDepth, nextDepth, lastDepth = 16, 64, 1 << 16

// between sees that the commits which head leads to and base does not are here;
// with base "", all that head leads to. commits is how many the event says there
// are, or -1.
func (c *Checkout) between(ctx context.Context, base, head string, commits int) (Range, error) {
	r := Range{Tips: []string{head}, Name: "all that " + brief(head) + " leads to"}
	depth := whole
	if base != "" {
		r.Have, r.Name = []string{base}, "what "+brief(head)+" adds to "+brief(base)
		var err error
		if depth, err = c.firstDepth(ctx, commits); err != nil {
			return r, err
		}
	}
	fetched, err := c.ends(ctx, base, head, depth)
	if err != nil {
		return r, err
	}
	for last := fetched && depth == whole; ; {
		count, why, err := c.measure(ctx, base, head)
		if err != nil {
			return r, err
		}
		if why == "" {
			r.Commits = count
			return c.complete(ctx, r)
		}
		if last {
			return r, &Error{What: "history is not whole, and origin has no more of it: " + why, Next: "is origin itself a shallow clone? check out from the repository of the event"}
		}
		if fetched {
			depth = deeper(depth)
		}
		fetched, last = true, depth == whole
		c.o.Note(why + ": fetching " + howDeep(depth))
		if err := c.fetchDepth(ctx, depth, append(r.Have, head)...); err != nil {
			return r, c.gone(head, err)
		}
	}
}

func deeper(depth int) int {
	if depth = max(2*depth, nextDepth); depth > lastDepth {
		return whole
	}
	return depth
}

func howDeep(depth int) string {
	if depth == whole {
		return "all of history"
	}
	return fmt.Sprintf("%d commits of history", depth)
}

// firstDepth is how deep the first fetch goes, so that a range of so many commits
// is reached by it. A fetch that is less deep than what is here would cut that off.
func (c *Checkout) firstDepth(ctx context.Context, commits int) (int, error) {
	depth := startDepth
	if commits >= 0 {
		depth = min(commits, lastDepth) + 1
	}
	cut, err := c.shallow()
	if err != nil || len(cut) == 0 {
		return depth, err
	}
	g, err := c.graph(ctx, "HEAD")
	if said, ok := errors.AsType[*gitError](err); ok && said.code == 128 {
		return depth, nil // nothing is checked out yet
	}
	if err != nil {
		return 0, err
	}
	if here := g.depth(g.tips); here > 1 {
		depth += here
	}
	return depth, nil
}

// ends sees that both ends of a range are here; fetched tells that they were not.
func (c *Checkout) ends(ctx context.Context, base, head string, depth int) (fetched bool, err error) {
	var lacking []string
	for _, name := range []string{head, base} {
		if name == "" {
			continue
		}
		ok, err := c.has(ctx, name)
		if err != nil {
			return false, err
		}
		if !ok {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) == 0 {
		return false, nil
	}
	c.o.Note("fetching " + briefly(lacking) + ", " + howDeep(depth))
	// Both together: where they meet lies as deep below the one as below the other.
	names := []string{head}
	if base != "" {
		names = append(names, base)
	}
	err = c.fetchDepth(ctx, depth, names...)
	for _, name := range lacking {
		if !errors.Is(err, errRefused) {
			break
		}
		if one := c.fetchDepth(ctx, depth, name); one != nil {
			return false, c.gone(name, one)
		}
	}
	if err != nil && !errors.Is(err, errRefused) {
		return false, err
	}
	for _, name := range lacking {
		if ok, err := c.has(ctx, name); err != nil || !ok {
			return false, c.gone(name, errors.Join(errRefused, err))
		}
	}
	return true, nil
}

func briefly(names []string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = brief(n)
	}
	return strings.Join(list, " and ")
}

// gone names what the remote refuses.
func (c *Checkout) gone(name string, err error) error {
	if errors.Is(err, errRefused) {
		return &goneError{name, err}
	}
	return err
}

// measure counts the commits of a range, and says why they are not all here, or
// "" when they are.
func (c *Checkout) measure(ctx context.Context, base, head string) (count int, why string, err error) {
	tip, err := c.commitOf(ctx, head)
	if err != nil || tip == "" {
		return 0, "", err // a tag of a file, or a tree: it has no history
	}
	tips, without := []string{tip}, []string(nil)
	if base != "" {
		had, err := c.commitOf(ctx, base)
		if err != nil {
			return 0, "", err
		}
		if had != "" {
			without = []string{had}
		}
	}
	cut, err := c.shallow()
	if err != nil {
		return 0, "", err
	}
	if len(cut) == 0 {
		// Where dates go backwards, the count can be too high, and never tells that
		// there is nothing.
		if len(without) > 0 {
			if ok, err := c.leads(ctx, without[0], tip); ok || err != nil {
				return 0, "", err
			}
		}
		args := append([]string{"rev-list", "--count"}, tips...)
		for _, name := range without {
			args = append(args, "^"+name)
		}
		out, err := c.git.run(ctx, "", args...)
		if err != nil {
			return 0, "", &Error{"history is not whole", "make a new checkout; git fsck says what is broken", err}
		}
		count, err = strconv.Atoi(strings.TrimSpace(out))
		return count, "", err
	}
	g, err := c.graph(ctx, append(tips, without...)...)
	if err != nil {
		return 0, "", err
	}
	rng, why := g.missing(tips, without)
	return len(rng), why, nil
}

// leads tells whether from leads to another commit.
func (c *Checkout) leads(ctx context.Context, from, to string) (bool, error) {
	_, err := c.git.run(ctx, "", "merge-base", "--is-ancestor", to, from)
	if said, ok := errors.AsType[*gitError](err); ok && said.code == 1 {
		return false, nil
	}
	return err == nil, err
}

// complete says so when a range is empty, and fetches what a partial clone left
// out of it.
func (c *Checkout) complete(ctx context.Context, r Range) (Range, error) {
	tip, err := c.commitOf(ctx, r.Head())
	if err != nil {
		return r, err
	}
	if r.Commits == 0 && tip == r.Head() {
		r.Nothing = "every commit of " + brief(r.Head()) + " is in " + briefly(r.Have) + " already"
		return r, nil
	}
	walk := append([]string{}, r.Tips...)
	for _, name := range r.Have {
		walk = append(walk, "^"+name)
	}
	return r, c.fill(ctx, walk)
}

// everything sees that all branches and tags are here, with all of their history.
func (c *Checkout) everything(ctx context.Context) (Range, error) {
	r := Range{All: true, Name: "the whole history of all branches and tags"}
	cut, err := c.shallow()
	if err != nil {
		return r, err
	}
	narrow, err := c.narrow(ctx)
	if err != nil {
		return r, err
	}
	if len(cut) > 0 || narrow {
		options, note := []string{"--no-tags"}, "this is a clone of some branches: fetching the others"
		if len(cut) > 0 {
			options, note = append(options, "--unshallow"), "history is cut: fetching all of it"
		}
		c.o.Note(note)
		if err := c.fetch(ctx, options, "", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"); err != nil {
			return r, &Error{"fetch the whole history", "with fetch-depth: 0, actions/checkout fetches all beforehand", err}
		}
	}
	out, err := c.git.run(ctx, "", "rev-list", "--count", "--all", "HEAD")
	if err != nil {
		return r, &Error{"history is not whole", "make a new checkout; git fsck says what is broken", err}
	}
	if r.Commits, err = strconv.Atoi(strings.TrimSpace(out)); err != nil {
		return r, err
	}
	return r, c.fill(ctx, []string{"--all", "HEAD"})
}
