package action_test

import (
	"fmt"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
)

// keyFile is a file with a key.
func keyFile(seed uint64) string {
	r := rulestest.Rand(seed)
	return "aws_access_key_id = " + rulestest.KeyID(r, "AKIA") + "\naws_secret_access_key = " + rulestest.Secret(r) + "\n"
}

// However little a partial clone has, the same is found as in a whole one: not a key
// that the base has on a line beside a changed one, and one that the range brings.
func TestPartialCloneFindsTheSame(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	old := keyFile(171)
	o.commit("begin", "old/er/a.env", old, "old/er/b", "b")
	fork := o.commit("more", "old/c", "c")
	o.commit("main", "main/d", "d")
	base := o.git("rev-parse", "HEAD")
	o.git("checkout", "-q", "-b", "topic", fork)
	o.commit("beside it", "old/er/a.env", old+"# changed\n", "new/deep/er/e", "e")
	o.git("merge", "-q", "--no-edit", "main")
	o.commit("a key", "new/deep/f.env", keyFile(172))
	o.commit("none", "new/deep/f.env", "nothing")
	o.git("rm", "-q", "-r", ".")
	head := o.commit("no file at all")
	pull := event(t, "pull_request", pullEvent(base, head, 5))
	want := ""
	for _, tt := range []struct {
		name, filter string
		harm         func(c *repo)
	}{
		{"whole", "", nil},
		{"no files", "blob:none", nil},
		{"no trees", "tree:0", nil},
		// Git obeys it all the same.
		{"only a filter for later", "", func(c *repo) { c.git("config", "remote.origin.partialclonefilter", "blob:none") }},
	} {
		for _, depth := range []int{1, 2, 0} {
			var options []string
			if tt.filter != "" {
				options = []string{"--filter=" + tt.filter}
			}
			c := o.checkout("topic", depth, options...)
			if tt.harm != nil {
				tt.harm(c)
			}
			rng, n, err := c.resolve(pull, "", "")
			if err != nil {
				t.Errorf("%s, depth %d: %v\n%s", tt.name, depth, err, n)
				continue
			}
			sum := c.read(rng)
			if sum.Commits != 5 || sum.Findings != 1 || sum.Incomplete() {
				t.Errorf("%s, depth %d: %d commits, %d findings, incomplete %t, want 5, 1, false\n%s", tt.name, depth, sum.Commits, sum.Findings, sum.Incomplete(), n)
			}
			got := fmt.Sprintf("%+v, %d bytes", sum.Objects, sum.Bytes)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s, depth %d: it read %s, and in a whole clone %s\n%s", tt.name, depth, got, want, n)
			}
		}
	}
}

// A partial clone whose settings do not say so any more is found out by its packs.
func TestPartialCloneIsKnownWithoutItsSettings(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	base := o.commit("begin", "a", "a")
	o.git("checkout", "-q", "-b", "topic")
	o.commit("a key", "b.env", keyFile(173))
	head := o.commit("none", "b.env", "nothing")
	c := o.checkout("topic", 0, "--filter=blob:none")
	c.git("config", "--remove-section", "remote.origin")
	c.git("remote", "add", "origin", o.url())
	rng, n, err := c.resolve(event(t, "pull_request", pullEvent(base, head, 2)), "", "")
	if err != nil {
		t.Fatalf("Resolve = %v\n%s", err, n)
	}
	if sum := c.read(rng); sum.Findings != 1 || sum.Incomplete() {
		t.Errorf("%d findings, incomplete %t, want 1, false\n%s", sum.Findings, sum.Incomplete(), n)
	}
}
