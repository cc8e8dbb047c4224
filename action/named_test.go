package action_test

import (
	"errors"
	"testing"

	"github.com/keyquench/keyquench/action"
)

func TestInputsNameTheRange(t *testing.T) {
	t.Parallel()
	o, base, head := long(t, 60, 5)
	o.git("tag", "v1", "main~7")
	pull := event(t, "pull_request", pullEvent(base, head, 3))
	push := event(t, "push", pushEvent("refs/heads/topic", none, head, head))
	cron := event(t, "schedule", `{}`)
	for _, tt := range []struct {
		name       string
		e          *action.Event
		base, head string
		want       int
	}{
		{"both by name", cron, "main", "topic", o.count("topic", "main")},
		{"as people write it", cron, "origin/main", "refs/heads/topic", o.count("topic", "main")},
		{"a tag, to what is checked out", cron, "v1", "", 7},
		{"objects", cron, o.git("rev-parse", "main~9"), base, 9},
		{"only a base, for a pull request", pull, o.git("rev-parse", "main~20"), "", o.count("topic", "main~20")},
		{"only a head, for a pull request", pull, "", "v1", 0},
		{"only a head, for a new branch", push, "", "topic", o.count("topic", "main")},
		{"only a head", cron, "", "topic", o.count("topic")},
		{"the same", cron, "main", "main", 0},
	} {
		c := o.checkout("main", 1)
		rng, n, err := c.resolve(tt.e, tt.base, tt.head)
		if err != nil || rng.Commits != tt.want || (rng.Nothing == "") != (tt.want > 0) {
			t.Errorf("%s: Resolve = %+v, %v, want %d commits\n%s", tt.name, rng, err, tt.want, n)
		}
	}
	c := o.checkout("main", 1)
	for _, text := range []string{"--all", "-x", none, "a b", "main:x", "\x1b[31m", ":/main"} {
		_, _, err := c.resolve(cron, text, "")
		if _, ok := errors.AsType[*action.InputError](err); !ok {
			t.Errorf("base %q: %v, want an InputError", text, err)
		}
	}
	for _, text := range []string{"nowhere", "@{-3}", "main~9999", "$(touch pwned)", one} {
		if _, _, err := c.resolve(cron, text, ""); !hinted(err) {
			t.Errorf("base %q: %v, want an error with a hint", text, err)
		}
	}
}

// hinted tells whether an error knows the next step.
func hinted(err error) bool {
	h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err)
	return ok && h.Hint() != ""
}
