package scanner

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/cache"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
)

// scanHistory opens a repository, with a cache or without, and scans its history.
func scanHistory(t testing.TB, dir string, c *Cache) ([]Finding, Summary) {
	t.Helper()
	r, err := Open(dir, Options{Cache: c})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var found []Finding
	s := Scanner{Rules: rules.Default(), Now: func() time.Time { return time.Unix(0, 0) }}
	sum, err := s.Scan(t.Context(), func(f Finding) error {
		found = append(found, f)
		return nil
	}, r.History())
	if err != nil {
		t.Fatal(err)
	}
	return found, sum
}

func testCache(t testing.TB) *Cache {
	return &Cache{Dir: filepath.Join(t.TempDir(), "cache"), Program: "test", Rules: rules.Default()}
}

// sameAsWithout scans with a cache and without one, compares, and gives what the
// cache was good for.
func sameAsWithout(t *testing.T, what, dir string, c *Cache) (CacheUse, Summary) {
	t.Helper()
	want, wantSum := scanHistory(t, dir, nil)
	got, gotSum := scanHistory(t, dir, c)
	use := gotSum.Cache
	gotSum.Cache = CacheUse{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: with a cache\n%s\nwithout\n%s", what, describeFindings(got), describeFindings(want))
	}
	if fmt.Sprintf("%+v", gotSum) != fmt.Sprintf("%+v", wantSum) {
		t.Errorf("%s: with a cache\n%+v\nwithout\n%+v", what, gotSum, wantSum)
	}
	return use, wantSum
}

func describeFindings(list []Finding) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%s %v\n", f.Fingerprint, f.Refs)
		for _, p := range f.Places {
			fmt.Fprintf(&b, "  %+v\n", p)
		}
	}
	return b.String()
}

// cacheFile is the one file of a cache.
func cacheFile(t testing.TB, c *Cache) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(c.Dir, "*"))
	if err != nil || len(list) != 1 {
		t.Fatalf("the cache has files %v, want one", list)
	}
	return list[0]
}

// life is a repository to which things happen.
type life struct {
	g    *gittest.Repo
	r    *rand.Rand
	keys []key
	n    int
}

// steps are what can happen to a repository. Each may fail: git refuses some of
// them in some states.
var steps = []struct {
	name string
	do   func(l *life)
}{
	{"commit without a key", func(l *life) { l.edit(""); l.g.Commit("plain") }},
	{"commit with a key", func(l *life) { l.edit(l.key()); l.g.Commit("key") }},
	{"commit an old key somewhere else", func(l *life) {
		if len(l.keys) > 0 {
			l.g.Write(fmt.Sprintf("copy/%d/again", l.n), l.keys[l.r.IntN(len(l.keys))].lines())
		}
		l.g.Commit("again")
	}},
	{"key in a message", func(l *life) { l.edit(""); l.g.Commit("oops\n\n" + l.key()) }},
	{"key in a tag", func(l *life) { l.try("tag", "-a", "-m", l.key(), fmt.Sprint("t", l.n)) }},
	{"branch", func(l *life) { l.try("checkout", "-q", "-b", fmt.Sprint("b", l.n)) }},
	{"checkout", func(l *life) { l.try("checkout", "-q", "-f", "main") }},
	{"merge", func(l *life) { l.try("merge", "-q", "-X", "ours", "-m", "merge", fmt.Sprint("b", l.n-2)) }},
	{"delete a branch", func(l *life) { l.try("branch", "-D", fmt.Sprint("b", l.n-3)) }},
	{"amend", func(l *life) { l.edit(""); l.try("commit", "-q", "-a", "--amend", "-m", "amended") }},
	{"stage a key", func(l *life) { l.edit(l.key()); l.try("add", "-A") }},
	{"tag", func(l *life) { l.try("tag", fmt.Sprint("light", l.n)) }},
	{"pack", func(l *life) { l.try("repack", "-adq") }},
	{"pack what is loose", func(l *life) { l.try("repack", "-dq") }},
	{"collect garbage", func(l *life) { l.try("gc", "-q") }},
	{"prune", func(l *life) {
		l.try("reflog", "expire", "--expire=now", "--all")
		l.try("gc", "-q", "--prune=now")
	}},
	{"a tree nobody had, later with a commit", func(l *life) {
		l.edit(l.key())
		l.try("add", "-A")
		if tree, err := l.g.Try("", "write-tree"); err == nil && l.n%2 == 0 {
			l.try("commit-tree", "-m", "dangling", strings.TrimSpace(tree))
		}
	}},
	{"work tree of its own", func(l *life) {
		l.try("worktree", "add", "-q", "-f", filepath.Join(l.g.Path(".git"), fmt.Sprint("wt", l.n)))
	}},
	{"reset", func(l *life) { l.try("reset", "-q", "--hard", "HEAD~1") }},
}

func (l *life) try(args ...string) { _, _ = l.g.Try("", args...) }

func (l *life) key() string {
	k := newKey(l.r)
	l.keys = append(l.keys, k)
	return k.lines()
}

func (l *life) edit(with string) {
	path := []string{"a", "dir/b", "dir/sub/c", "other/d"}[l.r.IntN(4)]
	old, _ := os.ReadFile(l.g.Path(path)) // none is empty
	l.g.Write(path, fmt.Sprintf("%s%s\n%d %d\n", with, old, l.n, l.r.Uint64()))
}

func TestCacheChangesNothingButTheTime(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			var args []string
			if seed == 3 {
				args = []string{"--object-format=sha256"}
			}
			l := &life{g: gittest.New(t, args...), r: rulestest.Rand(9000 + seed)}
			l.edit(l.key())
			l.g.Commit("first")
			c := testCache(t)
			for l.n = range 25 {
				step := steps[l.r.IntN(len(steps))]
				step.do(l)
				what := fmt.Sprintf("step %d, %s", l.n, step.name)
				use, sum := sameAsWithout(t, what, l.g.Dir, c)
				if use.Err != nil {
					t.Fatalf("%s: %v", what, use.Err)
				}
				if use.Objects == 0 && l.n > 0 && step.name != "prune" && step.name != "collect garbage" && step.name != "pack" {
					t.Errorf("%s: all of %d objects were read again", what, sum.Objects.Total())
				}
				if again, sum := sameAsWithout(t, what+", once more", l.g.Dir, c); again.Objects != sum.Objects.Total() {
					t.Errorf("%s: %d of %d objects of a repository that did not change were read again", what, sum.Objects.Total()-again.Objects, sum.Objects.Total())
				}
				if t.Failed() {
					return
				}
			}
			checkNoSecrets(t, c, l.keys)
		})
	}
}

// checkNoSecrets looks for secrets in all files of a cache.
func checkNoSecrets(t *testing.T, c *Cache, keys []key) {
	t.Helper()
	data, err := os.ReadFile(cacheFile(t, c))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		for _, part := range []string{k.secret, k.secret[:20], k.secret[20:]} {
			if bytes.Contains(data, []byte(part)) {
				t.Errorf("the cache has a part of secret %s", rules.NewSecret(k.secret).Masked())
			}
		}
	}
	if st, err := os.Stat(cacheFile(t, c)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the cache file has mode %v (%v), want 0600", st.Mode(), err)
	}
}

func TestCacheReadsOnlyWhatIsNew(t *testing.T) {
	l := &life{g: gittest.New(t), r: rulestest.Rand(77)}
	for range 6 {
		l.edit("")
		l.g.Commit("old")
	}
	c := testCache(t)
	sameAsWithout(t, "first", l.g.Dir, c)
	for _, pack := range [][]string{nil, {"repack", "-adq"}, {"gc", "-q"}, {"unpack"}} {
		if len(pack) == 1 {
			unpackAll(t, l.g)
		} else if pack != nil {
			l.g.Git(pack...)
		}
		before := len(l.g.Objects())
		l.edit("")
		l.g.Commit("new")
		use, sum := sameAsWithout(t, fmt.Sprint("after ", pack), l.g.Dir, c)
		if use.Err != nil || use.Objects != int64(before) || sum.Objects.Total() <= use.Objects {
			t.Errorf("after %v: %+v: want the %d objects of before not to be read again", pack, use, before)
		}
	}
}

// unpackAll makes loose objects of all packs.
func unpackAll(t *testing.T, g *gittest.Repo) {
	t.Helper()
	packs, err := filepath.Glob(g.Path(".git", "objects", "pack", "*.pack"))
	if err != nil || len(packs) == 0 {
		t.Fatal("no pack", err)
	}
	for _, p := range packs {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		base := strings.TrimSuffix(p, ".pack")
		for _, ext := range []string{".pack", ".idx", ".rev"} {
			if err := os.Remove(base + ext); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		g.GitIn(string(data), "unpack-objects", "-q")
	}
}

func TestCacheBelievesNoDamagedStore(t *testing.T) {
	damage := []struct {
		name string
		do   func(t *testing.T, g *gittest.Repo)
	}{
		{"a byte of the pack flipped", func(t *testing.T, g *gittest.Repo) { flipIn(t, g.Path(".git/objects/pack/*.pack"), -60) }},
		{"the pack cut short", func(t *testing.T, g *gittest.Repo) { cutIn(t, g.Path(".git/objects/pack/*.pack")) }},
		{"the index flipped", func(t *testing.T, g *gittest.Repo) { flipIn(t, g.Path(".git/objects/pack/*.idx"), -50) }},
		{"the pack removed", func(t *testing.T, g *gittest.Repo) { removeIn(t, g.Path(".git/objects/pack/*.pack")) }},
		{"a loose object flipped", func(t *testing.T, g *gittest.Repo) { flipIn(t, g.Path(".git/objects/[0-9a-f][0-9a-f]/*"), -2) }},
		{"a loose object removed", func(t *testing.T, g *gittest.Repo) { removeIn(t, g.Path(".git/objects/[0-9a-f][0-9a-f]/*")) }},
	}
	for _, d := range damage {
		t.Run(d.name, func(t *testing.T) {
			l := &life{g: gittest.New(t), r: rulestest.Rand(5)}
			for i := range 8 {
				l.edit("")
				if i == 3 {
					l.edit(l.key())
				}
				l.g.Commit("a commit")
				if i == 5 {
					l.g.Git("repack", "-adq")
				}
			}
			c := testCache(t)
			if _, sum := sameAsWithout(t, "whole", l.g.Dir, c); sum.Incomplete() {
				t.Fatal("the repository is broken from the beginning")
			}
			d.do(t, l.g)
			for _, what := range []string{"damaged", "damaged, once more"} {
				use, sum := sameAsWithout(t, what, l.g.Dir, c)
				if !sum.Incomplete() || use.Objects > 0 {
					t.Errorf("%s: incomplete is %t, %d objects from the cache", what, sum.Incomplete(), use.Objects)
				}
			}
		})
	}
}

func oneOf(t *testing.T, pattern string) string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil || len(list) == 0 {
		t.Fatalf("no file %s", pattern)
	}
	return list[0]
}

func rewrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil { // git's files are read-only
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func flipIn(t *testing.T, pattern string, at int) {
	rewrite(t, oneOf(t, pattern), func(b []byte) []byte { b[len(b)+at] ^= 0x10; return b })
}

func cutIn(t *testing.T, pattern string) {
	rewrite(t, oneOf(t, pattern), func(b []byte) []byte { return b[:len(b)/2] })
}

func removeIn(t *testing.T, pattern string) {
	if err := os.Remove(oneOf(t, pattern)); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedCacheIsThrownAwayAndSaid(t *testing.T) {
	l := &life{g: gittest.New(t), r: rulestest.Rand(6)}
	for range 3 {
		l.edit(l.key())
		l.g.Commit(l.key())
	}
	c := testCache(t)
	sameAsWithout(t, "first", l.g.Dir, c)
	good, err := os.ReadFile(cacheFile(t, c))
	if err != nil {
		t.Fatal(err)
	}
	r := rulestest.Rand(7)
	damaged := [][]byte{nil, good[:1], good[:len(good)/2], good[:len(good)-1], append(slices.Clone(good), 'x'), []byte("something else")}
	for range 40 {
		b := slices.Clone(good)
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		damaged = append(damaged, b)
	}
	said := 0
	for i, b := range damaged {
		if err := os.WriteFile(filepath.Join(c.Dir, cacheName(t, c)), b, 0o600); err != nil {
			t.Fatal(err)
		}
		use, sum := sameAsWithout(t, fmt.Sprint("damage ", i), l.g.Dir, c)
		if use.Err != nil {
			said++
			if !errors.Is(use.Err, cache.ErrDamaged) || use.Objects > 0 {
				t.Errorf("damage %d: %+v", i, use)
			}
		} else if use.Objects != sum.Objects.Total() {
			t.Errorf("damage %d is not said, and %d objects were read", i, sum.Objects.Total()-use.Objects)
		}
		if use, _ := sameAsWithout(t, fmt.Sprint("after damage ", i), l.g.Dir, c); use.Err != nil || use.Objects == 0 {
			t.Errorf("the scan after damage %d: %+v", i, use)
		}
	}
	// What is damaged behind the first section shows when that is read.
	if said < len(damaged)/4 {
		t.Errorf("only %d of %d damaged files were noticed", said, len(damaged))
	}
}

var lastName = map[string]string{}

// cacheName remembers the name of the only file of a cache.
func cacheName(t *testing.T, c *Cache) string {
	if lastName[c.Dir] == "" {
		lastName[c.Dir] = filepath.Base(cacheFile(t, c))
	}
	return lastName[c.Dir]
}

// A file that somebody made with a right sum may say anything.
func TestLyingCacheIsThrownAway(t *testing.T) {
	l := &life{g: gittest.New(t), r: rulestest.Rand(8)}
	for range 3 {
		l.edit(l.key())
		l.g.Commit(l.key())
	}
	c := testCache(t)
	sameAsWithout(t, "first", l.g.Dir, c)
	name := strings.TrimSuffix(cacheName(t, c), ".cache")
	var truth result
	var known1 known
	read := func() (res result, k known) {
		f, err := cache.Dir(c.Dir).Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := errors.Join(f.Read(0, &res), f.Read(1, &k)); err != nil {
			t.Fatal(err)
		}
		return res, k
	}
	truth, known1 = read()
	if len(truth.Hits) < 6 || len(truth.Sights) < 6 || len(known1.Commits) != 3 || len(known1.Suspects) == 0 {
		t.Fatalf("%d hits, %d sights, %d commits, %d suspects: not enough to lie about", len(truth.Hits), len(truth.Sights), len(known1.Commits), len(known1.Suspects))
	}
	changed := [32]byte{1}
	lies := map[string]func(res *result, k *known){
		"a hit less":            func(res *result, _ *known) { res.Hits = res.Hits[1:] },
		"a hit elsewhere":       func(res *result, _ *known) { res.Hits[0].Start++ },
		"another key":           func(res *result, _ *known) { res.Hits[0].Print = res.Hits[1].Print },
		"another rule":          func(res *result, _ *known) { res.Hits[0].Rule = "none" },
		"no such hit object":    func(res *result, _ *known) { res.Hits[0].Object = 1 << 20 },
		"an object less":        func(res *result, _ *known) { res.Objects = res.Objects[1:] },
		"an unknown object":     func(res *result, _ *known) { res.Objects[0].Name[3] ^= 1 },
		"another kind":          func(res *result, _ *known) { res.Objects[0].Kind = TagText },
		"a sight of nothing":    func(res *result, _ *known) { res.Sights[0].Hit = -1 },
		"an unknown commit":     func(res *result, _ *known) { res.Sights[0].Commit = make([]byte, 20) },
		"refs of no key":        func(res *result, _ *known) { res.Refs[0].Print = "none" },
		"a commit too many":     func(res *result, k *known) { res.State = changed; k.Commits = append(k.Commits, 0) },
		"a commit of no object": func(res *result, k *known) { res.State = changed; k.Commits[0] = 1 << 30 },
		"a negative tree":       func(res *result, k *known) { res.State = changed; k.Trees[0] = -7 },
		"a parent too many":     func(res *result, k *known) { res.State = changed; k.Parents = append(k.Parents, 0) },
		"a parent less":         func(res *result, k *known) { res.State = changed; k.Parents = k.Parents[1:] },
		"a strange parent":      func(res *result, k *known) { res.State = changed; k.Parents[0] = -1 },
		"a strange suspect":     func(res *result, k *known) { res.State = changed; k.Suspects[0] = 1 << 30 },
		"a hit nobody knows":    func(res *result, _ *known) { res.State = changed; res.Objects[0].Name[3] ^= 1 },
	}
	for what, lie := range lies {
		if err := cache.Dir(c.Dir).Write(name, &truth, &known1); err != nil {
			t.Fatal(err)
		}
		res, k := read()
		lie(&res, &k)
		if err := cache.Dir(c.Dir).Write(name, &res, &k); err != nil {
			t.Fatal(err)
		}
		if use, _ := sameAsWithout(t, what, l.g.Dir, c); !errors.Is(use.Err, cache.ErrDamaged) || use.Objects > 0 {
			t.Errorf("%s: %+v", what, use)
		}
	}
	// Objects that are not there any more are no lie, only an old truth.
	res, k := read()
	res.State, k.Names[3] = changed, k.Names[3]^1
	if err := cache.Dir(c.Dir).Write(name, &res, &k); err != nil {
		t.Fatal(err)
	}
	if use, _ := sameAsWithout(t, "a lost object", l.g.Dir, c); use != (CacheUse{}) {
		t.Errorf("a lost object: %+v", use)
	}
}

func TestCacheIsForOneProgramAndRuleSet(t *testing.T) {
	l := &life{g: gittest.New(t), r: rulestest.Rand(10)}
	l.edit(l.key())
	l.g.Commit("first")
	c := testCache(t)
	sameAsWithout(t, "first", l.g.Dir, c)
	other := *c
	other.Program = "newer"
	if use, _ := sameAsWithout(t, "another program", l.g.Dir, &other); use != (CacheUse{}) {
		t.Errorf("another program: %+v", use)
	}
	// The Scanner has the default rules, these are others.
	text, err := os.ReadFile("../rules/aws.toml")
	if err != nil {
		t.Fatal(err)
	}
	foreign := *c
	if foreign.Rules, err = rules.Parse("aws.toml", bytes.NewReader(append(text, "\n# other\n"...))); err != nil {
		t.Fatal(err)
	}
	if use, _ := sameAsWithout(t, "other rules", l.g.Dir, &foreign); use != (CacheUse{}) {
		t.Errorf("other rules: %+v", use)
	}
}

func TestCacheThatCannotBeWrittenIsSaid(t *testing.T) {
	l := &life{g: gittest.New(t), r: rulestest.Rand(11)}
	l.edit(l.key())
	l.g.Commit("first")
	c := testCache(t)
	if err := os.WriteFile(c.Dir, []byte("a file where a directory should be"), 0o600); err != nil {
		t.Fatal(err)
	}
	if use, _ := sameAsWithout(t, "no directory", l.g.Dir, c); use.Err == nil || use.Objects > 0 {
		t.Errorf("%+v", use)
	}
}

func TestIncompleteScansAreNotRemembered(t *testing.T) {
	l := &life{g: gittest.New(t), r: rulestest.Rand(12)}
	for range 3 {
		l.edit("")
		l.g.Commit("a commit")
	}
	blob := l.g.Git("rev-parse", "HEAD:"+strings.Fields(l.g.Git("ls-tree", "-r", "--name-only", "HEAD"))[0])
	if err := os.Remove(l.g.Path(".git", "objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	c := testCache(t)
	if _, sum := sameAsWithout(t, "incomplete", l.g.Dir, c); !sum.Incomplete() {
		t.Fatal("the scan is complete")
	}
	if _, err := os.Stat(c.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an incomplete scan was remembered: %v", err)
	}
}

func TestCacheFollowsAShallowCloneThatGrows(t *testing.T) {
	l := &life{g: gittest.New(t), r: rulestest.Rand(13)}
	for range 6 {
		l.edit(l.key())
		l.g.Commit("a commit")
	}
	dir := t.TempDir()
	l.g.Git("clone", "-q", "--bare", "--depth=2", "file://"+l.g.Dir, dir)
	clone := gittest.At(t, dir)
	c := testCache(t)
	for _, more := range []string{"", "--deepen=1", "--depth=1", "--unshallow"} {
		if more != "" {
			clone.Git("fetch", "-q", more, "origin", "+main:main")
		}
		sameAsWithout(t, "shallow "+more, dir, c)
		if use, sum := sameAsWithout(t, "shallow "+more+" again", dir, c); use.Objects != sum.Objects.Total() {
			t.Errorf("%s: %d of %d objects from the cache", more, use.Objects, sum.Objects.Total())
		}
	}
}
