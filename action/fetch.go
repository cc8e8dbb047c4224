package action

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// errRefused: the remote answers, and does not give what was asked for.
var errRefused = errors.New("the remote does not have it, or does not give it away")

// tries is how often a fetch is tried while the remote does not answer.
const tries = 4

// fetch gets objects from origin, by their names or by refspecs of ours. The error
// wraps errRefused when another try would not help.
func (c *Checkout) fetch(ctx context.Context, options []string, input string, what ...string) error {
	if err := c.writable(); err != nil {
		return err
	}
	if err := c.login(ctx); err != nil {
		return err
	}
	args := []string{
		"fetch", "--quiet", "--no-write-fetch-head", "--no-recurse-submodules", "--no-prune", "--no-auto-gc", "--refmap=",
		"--upload-pack=git-upload-pack",
	}
	args = append(append(append(args, options...), "origin"), what...)
	var err error
	for try := range tries {
		_, err = c.git.run(ctx, input, args...)
		if _, ok := errors.AsType[*gitError](err); !ok {
			return err
		}
		// Git says in words only whether it was the way or the object. A remote that
		// answers something else has been asked for what it does not have.
		if c.answers(ctx) && try > 0 {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
		if try+1 < tries {
			if err := c.o.Sleep(ctx, time.Second<<(2*try)); err != nil {
				return err
			}
		}
	}
	return &Error{"fetch from origin", "check the network of the runner and the token; with fetch-depth: 0, actions/checkout fetches all beforehand", err}
}

// answers tells whether the remote does.
func (c *Checkout) answers(ctx context.Context) bool {
	_, err := c.git.run(ctx, "", "ls-remote", "--quiet", "--upload-pack=git-upload-pack", "origin", "HEAD")
	return err == nil
}

// writable makes sure that objects can be stored.
func (c *Checkout) writable() error {
	common := filepath.Dir(c.shallowFile)
	for _, dir := range []string{common, filepath.Join(common, "objects")} {
		file, err := os.CreateTemp(dir, ".keyquench-*")
		if err != nil {
			return &Error{"commits are missing here, and the checkout cannot be written to", "mount it so that it can be written to, or let actions/checkout fetch all with fetch-depth: 0", err}
		}
		_ = file.Close() // it is empty
		if err := os.Remove(file.Name()); err != nil {
			return err
		}
	}
	return nil
}

// whole is the depth that git takes for all of history.
const whole = 1<<31 - 1

// fetchDepth fetches objects with so much of their history. In a whole clone,
// depth would cut off what is there.
func (c *Checkout) fetchDepth(ctx context.Context, depth int, names ...string) error {
	cut, err := c.shallow()
	if err != nil {
		return err
	}
	options := []string{"--no-tags"}
	if len(cut) > 0 && depth > 0 {
		options = append(options, fmt.Sprintf("--depth=%d", depth))
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	return c.fetch(ctx, options, "", names...)
}

// tipOf asks the remote what a ref names; "" when it has no such ref. name is a
// full one.
func (c *Checkout) tipOf(ctx context.Context, name string) (string, error) {
	if _, err := c.git.run(ctx, "", "check-ref-format", name); err != nil {
		if _, ok := errors.AsType[*gitError](err); ok {
			return "", &Error{What: fmt.Sprintf("%.200q is no name of a branch", name), Next: "name what to scan by the inputs base and head"}
		}
		return "", err
	}
	out, err := c.ask(ctx, name)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		// A name in another namespace can end in the same way.
		if id, ref, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && ref == name && objectName(id) {
			return id, nil
		}
	}
	return "", nil
}

// defaultBranch asks the remote which branch is the default, for an event that does
// not say so; "" when there is none.
func (c *Checkout) defaultBranch(ctx context.Context) (string, error) {
	out, err := c.ask(ctx, "HEAD")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		if ref, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && name == "HEAD" {
			if branch, ok := strings.CutPrefix(ref, "ref: refs/heads/"); ok {
				return branch, nil
			}
		}
	}
	return "", nil
}

// ask lists what the remote has under a name, as ls-remote does.
func (c *Checkout) ask(ctx context.Context, name string) (out string, err error) {
	if err := c.login(ctx); err != nil {
		return "", err
	}
	for try := range tries {
		out, err = c.git.run(ctx, "", "ls-remote", "--quiet", "--symref", "--upload-pack=git-upload-pack", "origin", name)
		if _, ok := errors.AsType[*gitError](err); !ok {
			return out, err
		}
		if try+1 < tries {
			if err := c.o.Sleep(ctx, time.Second<<(2*try)); err != nil {
				return "", err
			}
		}
	}
	return "", &Error{"ask origin for its branches", "check the network of the runner and the token; with fetch-depth: 0, actions/checkout fetches all beforehand", err}
}
