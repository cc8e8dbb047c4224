package action

import (
	"context"
	"fmt"
	"strings"
)

// named is the range between what the inputs name.
func (c *Checkout) named(ctx context.Context, e *Event, base, head string) (Range, error) {
	from, to, err := e.Base, e.Head, error(nil)
	if head != "" {
		to, err = c.revision(ctx, "head", head)
	} else if e.Kind == Everything || e.Kind == Deletion {
		to, err = c.revision(ctx, "head", "HEAD")
	}
	if err != nil {
		return Range{}, err
	}
	if base != "" {
		if from, err = c.revision(ctx, "base", base); err != nil {
			return Range{}, err
		}
	}
	if from == "" || zero(from) {
		if e.Kind == Push {
			made := *e
			made.Head, made.Commits = to, -1
			return c.created(ctx, &made)
		}
		from = ""
	}
	return c.between(ctx, from, to, -1)
}

// revision finds the object that an input names: here, or as a branch or tag at
// the remote.
func (c *Checkout) revision(ctx context.Context, input, text string) (string, error) {
	const next = "give the full name of a commit, or a branch or tag of the repository"
	if objectName(text) && !zero(text) {
		return text, nil
	}
	if text[0] == '-' || zero(text) || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == ':' }) {
		return "", &InputError{fmt.Sprintf("the input %s is %q, which names no commit", input, text), next}
	}
	if name, err := c.commitOf(ctx, text); err != nil || name != "" {
		return name, err
	}
	for _, prefix := range []string{"refs/heads/", "refs/tags/", ""} {
		full := prefix + strings.TrimPrefix(text, "origin/")
		if _, err := c.git.run(ctx, "", "check-ref-format", full); err != nil {
			continue
		}
		if tip, err := c.tipOf(ctx, full); err != nil || tip != "" {
			return tip, err
		}
	}
	return "", &Error{What: fmt.Sprintf("the input %s is %q, which neither the checkout nor origin knows", input, text), Next: next}
}
