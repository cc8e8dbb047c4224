package action_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/action"
	"github.com/keyquench/keyquench/scanner"
)

// count is how many commits a range has, in origin.
func (r *repo) count(head string, without ...string) int {
	r.t.Helper()
	args := []string{"rev-list", "--count", head}
	for _, w := range without {
		args = append(args, "^"+w)
	}
	n, err := strconv.Atoi(r.git(args...))
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// news is count, by no more than which commit has which parents: git's own takes
// what is old for new where dates go backwards too wildly.
func (r *repo) news(head, base string) (count int) {
	r.t.Helper()
	parents := map[string][]string{}
	for line := range strings.Lines(r.git("rev-list", "--all", "--parents")) {
		f := strings.Fields(line)
		parents[f[0]] = f[1:]
	}
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		if !seen[name] {
			seen[name] = true
			for _, p := range parents[name] {
				visit(p)
			}
		}
	}
	visit(base)
	had := len(seen)
	visit(head)
	return len(seen) - had
}

// read scans a range, as the command does, and gives what was read.
func (r *repo) read(rng action.Range) scanner.Summary {
	r.t.Helper()
	open, err := scanner.Open(r.dir, scanner.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer open.Close()
	src := open.History()
	if !rng.All {
		if src, err = open.Added(r.t.Context(), scanner.Added{Tips: rng.Tips, Have: rng.Have}); err != nil {
			r.t.Fatal(err)
		}
	}
	sum, err := (&scanner.Scanner{}).Scan(r.t.Context(), func(scanner.Finding) error { return nil }, src)
	if err != nil {
		r.t.Fatal(err)
	}
	return sum
}

// long is an origin whose main has so many commits, and in which a branch that left
// main so many commits ago has some of its own, the first with a date of long ago,
// and the last a merge of main.
func long(t *testing.T, total, ago int) (o *repo, base, head string) {
	t.Helper()
	o = newOrigin(t)
	s := new(stream)
	main := s.chain("main", o.when, total)
	o.when += int64(total) * 60
	at := s.commit("topic", 1000000000, "old.txt", "old", main[total-1-ago])
	at = s.commit("topic", o.when, "new.txt", "new", at)
	if ago > 1 {
		at = s.commit("topic", o.when+60, "main.txt", fmt.Sprint("main ", total-1-ago/2), at, main[total-1-ago/2])
	}
	s.commit("merged", o.when+120, "all.txt", "what GitHub makes", main[total-1], at)
	o.run(s.String(), "fast-import", "--quiet")
	o.git("update-ref", "refs/pull/7/merge", "merged")
	o.git("update-ref", "refs/pull/7/head", "topic")
	o.git("branch", "-q", "-D", "merged")
	o.git("checkout", "-q", "-f", "main")
	return o, o.git("rev-parse", "main"), o.git("rev-parse", "topic")
}

// Every form of checkout gives the same commits.
func TestPullRequest(t *testing.T) {
	t.Parallel()
	for _, ago := range []int{0, 1, 40, 290} {
		o, base, head := long(t, 300, ago)
		want := o.count(head, base)
		for _, tt := range []struct {
			name     string
			revision string
			depth    int
			commits  int
		}{
			{"the usual one", "refs/pull/7/merge", 1, want},
			{"without a count", "refs/pull/7/merge", 1, -1},
			{"two deep", "refs/pull/7/merge", 2, want},
			{"fifty deep", "refs/pull/7/merge", 50, want},
			{"of the head", head, 1, want},
			{"of the base", base, 1, want},
			{"whole", "refs/pull/7/merge", 0, want},
			{"whole, of the base alone", base, 0, want},
		} {
			c := o.checkout(tt.revision, tt.depth)
			text := pullEvent(base, head, max(tt.commits, 0))
			if tt.commits < 0 {
				text = strings.Replace(text, `"commits": 0,`, "", 1)
			}
			rng, n, err := c.resolve(event(t, "pull_request", text), "", "")
			if err != nil {
				t.Errorf("%d ago, %s: %v\n%s", ago, tt.name, err, n)
				continue
			}
			sum := c.read(rng)
			if rng.Commits != want || int(sum.Commits) != want || sum.Incomplete() {
				t.Errorf("%d ago, %s: %d commits, %d of them read (%d skipped, %d cut), want %d\n%s",
					ago, tt.name, rng.Commits, sum.Commits, sum.Skipped, sum.Shallow, want, n)
			}
			if status := c.git("status", "--porcelain"); status != "" {
				t.Errorf("%d ago, %s: the work tree has changed: %s", ago, tt.name, status)
			}
		}
	}
}

// As far as needed, and no further.
func TestLittleIsFetched(t *testing.T) {
	o := newOrigin(t)
	s := new(stream)
	main := s.chain("main", o.when, 300)
	s.chain("topic", o.when+300*60, 5, main[296])
	o.run(s.String(), "fast-import", "--quiet")
	base, head := o.git("rev-parse", "main"), o.git("rev-parse", "topic")
	c := o.checkout(base, 1)
	rng, n, err := c.resolve(event(t, "pull_request", pullEvent(base, head, 5)), "", "")
	if err != nil || rng.Commits != 5 {
		t.Fatalf("Resolve = %+v, %v, want 5 commits", rng, err)
	}
	here := 0
	for line := range strings.Lines(c.git("cat-file", "--batch-all-objects", "--batch-check")) {
		if strings.Contains(line, " commit ") {
			here++
		}
	}
	if here > 15 {
		t.Errorf("%d commits are here, want 15 at most for 5 of a branch that is 3 behind\n%s", here, n)
	}
	if len(n.lines) != 1 {
		t.Errorf("it took more than one fetch:\n%s", n)
	}
}

// What is deeper than asked for stays so.
func TestHistoryIsNotCutShorter(t *testing.T) {
	o, base, head := long(t, 120, 1)
	c := o.checkout(base, 60)
	had := c.count("HEAD")
	if _, _, err := c.resolve(event(t, "pull_request", pullEvent(base, head, 3)), "", ""); err != nil {
		t.Fatal(err)
	}
	if got := c.count("HEAD"); got < had {
		t.Errorf("the checkout had %d commits and has %d", had, got)
	}
	whole := o.checkout(base, 0)
	if _, _, err := whole.resolve(event(t, "pull_request", pullEvent(base, head, 3)), "", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(whole.dir, ".git", "shallow")); err == nil {
		t.Error("a whole clone has been cut")
	}
}

// Whatever the shape and the dates of history, and wherever a clone is cut, the
// range has the commits that it has in origin.
func TestRangeEqualsItsTwin(t *testing.T) {
	t.Parallel()
	rounds, more := 5, 0
	if testing.Short() {
		rounds = 3
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 6))
		o := newOrigin(t)
		total := 20 + r.IntN(60)
		o.run(randomHistory(r, total), "fast-import", "--quiet", "--force")
		for range 4 {
			base, head := o.git("rev-parse", fmt.Sprint("c", r.IntN(total))), o.git("rev-parse", fmt.Sprint("c", r.IntN(total)))
			c := o.checkout(fmt.Sprint("c", r.IntN(total)), 1+r.IntN(4))
			want := o.news(head, base)
			e := event(t, "pull_request", pullEvent(base, head, min(want, r.IntN(9))))
			rng, n, err := c.resolve(e, "", "")
			if err != nil {
				t.Errorf("seed %d: %s..%s: %v\n%s", seed, base, head, err, n)
				continue
			}
			// Dates that go backwards can hide how the base's side hangs together, from
			// git itself, too. Then it is more, and never less.
			if rng.Commits < want {
				t.Errorf("seed %d: %s..%s has %d commits, want %d\n%s", seed, base, head, rng.Commits, want, n)
			}
			more += max(0, rng.Commits-want)
			if rng.Nothing != "" {
				continue
			}
			if sum := c.read(rng); int(sum.Commits) < want || sum.Incomplete() {
				t.Errorf("seed %d: %s..%s: %d commits were read (%d skipped, %d cut), want %d", seed, base, head, sum.Commits, sum.Skipped, sum.Shallow, want)
			}
		}
	}
	if more > rounds {
		t.Errorf("%d commits too many in %d rounds: too much of what the base has is taken for new", more, rounds)
	}
}

// randomHistory is for git fast-import: each commit has a branch of its own.
func randomHistory(r *rand.Rand, total int) string {
	s := new(stream)
	for i := range total {
		when := int64(1700000000 + i*60)
		if r.IntN(6) == 0 {
			when = 1000000000 + r.Int64N(700000000)
		}
		var parents []string
		for range 1 + r.IntN(3) {
			p := fmt.Sprint(":", 1+max(0, i-1-r.IntN(1+r.IntN(12))))
			if i > 0 && r.IntN(25) > 0 && !slices.Contains(parents, p) {
				parents = append(parents, p)
			}
		}
		s.commit(fmt.Sprint("c", i), when, fmt.Sprint("f", i%7), fmt.Sprint("text ", i), parents...)
	}
	return s.String()
}

func TestPush(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	first := o.commit("first", "a", "1")
	for i := range 12 {
		o.commit("more", "a", fmt.Sprint(i))
	}
	before := o.git("rev-parse", "HEAD")
	o.git("checkout", "-q", "-b", "topic")
	o.commit("t1", "t", "1")
	topic := o.commit("t2", "t", "2")
	o.git("checkout", "-q", "main")
	for i := range 3 {
		o.commit("pushed", "b", fmt.Sprint(i))
	}
	o.git("merge", "-q", "--no-ff", "-m", "merge", "topic~1")
	after := o.git("rev-parse", "HEAD")
	o.git("tag", "light", topic)
	o.git("tag", "-a", "-m", "a message", "heavy", topic)
	o.git("tag", "-a", "-m", "on main", "old", first)
	file := o.git("rev-parse", "topic:t")
	o.git("tag", "file", file)
	heavy, old := o.git("rev-parse", "heavy"), o.git("rev-parse", "old")
	lost := o.git("commit-tree", "-p", before, "-m", "overwritten", before+"^{tree}")
	for _, tt := range []struct {
		name, text string
		want       int
		note       string // part of what is told, or of why there is nothing
	}{
		{"commits", pushEvent("refs/heads/main", before, after, one), o.count(after, before), ""},
		{"forced", pushEvent("refs/heads/main", lost, after, one), o.count(after, before), ""},
		{"forced back", pushEvent("refs/heads/main", after, before), 0, "is in"},
		{"forced back beside", pushEvent("refs/heads/main", topic, before), 0, "is in"},
		{"before is gone", pushEvent("refs/heads/topic", one, topic, topic), o.count(topic, "main"), "not to be had any more"},
		{"before is gone, default branch", pushEvent("refs/heads/main", one, after, after), o.count(after), "whole history"},
		{"a new branch", pushEvent("refs/heads/topic", none, topic, topic), o.count(topic, "main"), ""},
		{"a new branch at an old commit", pushEvent("refs/heads/same", none, before), 0, "is in"},
		{"the first push", pushEvent("refs/heads/main", none, after, after), o.count(after), "whole history"},
		{"a new branch, of an event that names no default", strings.Replace(pushEvent("refs/heads/topic", none, topic, topic), `"default_branch": "main", `, "", 1), o.count(topic, "main"), ""},
		{"the first push, of an event that names no default", strings.Replace(pushEvent("refs/heads/main", none, after, after), `"default_branch": "main", `, "", 1), o.count(after), "whole history"},
		{"a tag", pushEvent("refs/tags/light", none, topic), o.count(topic, "main"), ""},
		{"an annotated tag", pushEvent("refs/tags/heavy", none, heavy), o.count(topic, "main"), ""},
		{"an annotated tag of an old commit", pushEvent("refs/tags/old", none, old), 0, ""},
		{"a moved tag", pushEvent("refs/tags/heavy", old, heavy), o.count(topic, first), ""},
		{"a tag of a file", pushEvent("refs/tags/file", none, file), 0, ""},
		{"a deleted branch", pushEvent("refs/heads/gone", before, none), 0, "was deleted"},
	} {
		for _, depth := range []int{1, 0} {
			c := o.checkout("main", depth)
			rng, n, err := c.resolve(event(t, "push", tt.text), "", "")
			if err != nil {
				t.Errorf("%s, depth %d: %v\n%s", tt.name, depth, err, n)
				continue
			}
			if rng.Commits != tt.want || !strings.Contains(n.String()+rng.Nothing, tt.note) {
				t.Errorf("%s, depth %d: %+v and\n%s\nwant %d commits and %q", tt.name, depth, rng, n, tt.want, tt.note)
			}
			if rng.Nothing != "" {
				continue
			}
			sum := c.read(rng)
			if int(sum.Commits) != tt.want || sum.Incomplete() {
				t.Errorf("%s, depth %d: %d commits read, want %d (%d skipped, %d cut)", tt.name, depth, sum.Commits, tt.want, sum.Skipped, sum.Shallow)
			}
			if tag := strings.Contains(tt.text, heavy) || strings.Contains(tt.text, old); tag != (sum.Objects.Tags == 1) {
				t.Errorf("%s, depth %d: %d tags read", tt.name, depth, sum.Objects.Tags)
			}
		}
	}
}

// A checkout can be a linked work tree, and names of objects can be of SHA-256.
func TestOtherRepositories(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"sha1", "sha256"} {
		top := t.TempDir()
		o := &repo{t: t, dir: filepath.Join(top, "origin"), home: top, when: 1700000000}
		if err := os.Mkdir(o.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		o.git("init", "-q", "-b", "main", "--object-format="+format)
		s := new(stream)
		main := s.chain("main", o.when, 6)
		s.chain("topic", o.when+600, 2, main[3])
		o.run(s.String(), "fast-import", "--quiet")
		base, head := o.git("rev-parse", "main"), o.git("rev-parse", "topic")
		linked := filepath.Join(top, "linked")
		o.git("clone", "-q", "--depth=1", o.url(), filepath.Join(top, "clone"))
		o.git("-C", filepath.Join(top, "clone"), "worktree", "add", "-q", "--detach", linked)
		c := &repo{t: t, dir: linked, home: top, when: o.when}
		rng, n, err := c.resolve(event(t, "pull_request", pullEvent(base, head, 2)), "", "")
		if err != nil || rng.Commits != 2 {
			t.Errorf("%s: Resolve = %+v, %v, want 2 commits\n%s", format, rng, err, n)
			continue
		}
		if sum := c.read(rng); sum.Commits != 2 || sum.Incomplete() {
			t.Errorf("%s: %d commits read (%d skipped, %d cut), want 2", format, sum.Commits, sum.Skipped, sum.Shallow)
		}
	}
}

func TestQueue(t *testing.T) {
	o, base, head := long(t, 40, 5)
	c := o.checkout(head, 1)
	rng, _, err := c.resolve(event(t, "merge_group", queueEvent(base, head)), "", "")
	if want := o.count(head, base); err != nil || rng.Commits != want {
		t.Errorf("Resolve = %+v, %v, want %d commits", rng, err, want)
	}
}

func TestEverything(t *testing.T) {
	t.Parallel()
	o, _, head := long(t, 60, 5)
	o.git("checkout", "-q", "--orphan", "apart")
	o.commit("apart", "apart", "1")
	o.git("tag", "-a", "-m", "far", "far", head)
	o.git("branch", "-D", "-q", "topic")
	o.git("checkout", "-q", "main")
	const single = -1
	for _, depth := range []int{1, 0, single} {
		c := &repo{t: t, dir: filepath.Join(o.home, "single"), home: o.home}
		if depth == single {
			o.git("clone", "-q", "--single-branch", "--no-tags", "--branch", "main", o.url(), c.dir)
		} else {
			c = o.checkout("main", depth)
		}
		rng, n, err := c.resolve(event(t, "schedule", `{"schedule": "0 3 * * *"}`), "", "")
		want := o.count("main") + 1 + o.count(head, "main")
		if err != nil || !rng.All || rng.Commits != want {
			t.Errorf("depth %d: Resolve = %+v, %v, want %d commits\n%s", depth, rng, err, want, n)
			continue
		}
		if sum := c.read(rng); int(sum.Objects.Commits) != want || sum.Incomplete() {
			t.Errorf("depth %d: %d commits read, want %d (%d cut)", depth, sum.Objects.Commits, want, sum.Shallow)
		}
	}
}
