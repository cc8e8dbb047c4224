package scanner

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
)

// key is a pair made for a test.
type key struct{ id, secret string }

func newKey(r *rand.Rand) key {
	return key{rulestest.KeyID(r, "AKIA"), rulestest.Secret(r)}
}

func (k key) lines() string {
	return "aws_access_key_id = " + k.id + "\naws_secret_access_key = " + k.secret + "\n"
}

// openRepo opens the repository in dir for a test.
func openRepo(t testing.TB, dir string) *Repo {
	t.Helper()
	r, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// scanAll runs a scan and gives what it found by key ID, or by masked secret.
func scanAll(t testing.TB, workers int, sources ...Source) (map[string]Finding, Summary) {
	t.Helper()
	found := map[string]Finding{}
	s := Scanner{Workers: workers, Now: func() time.Time { return time.Unix(0, 0) }}
	sum, err := s.Scan(t.Context(), func(f Finding) error {
		name := f.Key.ID
		if name == "" {
			name = "secret " + f.Key.Secret.Masked()
		}
		if _, ok := found[name]; ok {
			t.Errorf("%s is found twice", name)
		}
		found[name] = f
		return nil
	}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	return found, sum
}

// oracle is where git says a key is: by path, the oldest commit that has it
// there, and the line.
type oracle struct {
	commit string
	line   int
	column int
	head   bool
}

// askGit finds, with git alone, where each key stands in the history of all
// refs. It asks for every commit's whole tree, which is slow and simple.
func askGit(g *gittest.Repo, keys []key) map[string]map[string]oracle {
	content := map[string]string{}
	for o, c := range g.Objects() {
		content[o.ID] = c
	}
	where := map[string]map[string]oracle{}
	for _, k := range keys {
		where[k.id] = map[string]oracle{}
	}
	commits := strings.Fields(g.Git("rev-list", "--all", "--date-order", "--reverse"))
	head := g.Git("rev-parse", "HEAD")
	for _, c := range commits {
		for line := range strings.SplitSeq(g.Git("ls-tree", "-r", "-z", c), "\x00") {
			info, path, ok := strings.Cut(line, "\t")
			if !ok {
				continue
			}
			text := content[strings.Fields(info)[2]]
			for _, k := range keys {
				at := strings.Index(text, k.id)
				if at < 0 {
					continue
				}
				o, old := where[k.id][path]
				if !old {
					o = oracle{commit: c, line: 1 + strings.Count(text[:at], "\n"), column: at - strings.LastIndexByte(text[:at], '\n')}
				}
				o.head = o.head || c == head
				where[k.id][path] = o
			}
		}
	}
	return where
}

// plantHistory makes a history with branches, merges, renames, removals and
// keys that come and go.
func plantHistory(t *testing.T, seed uint64, args ...string) (*gittest.Repo, []key) {
	t.Helper()
	r := rulestest.Rand(seed)
	g := gittest.New(t, args...)
	var keys []key
	files := []string{"README", "a/config", "a/b/deep.env", "z.txt"}
	for _, f := range files {
		g.Write(f, "first\n")
	}
	g.Commit("first")
	branch := 0
	for i := range 30 {
		f := files[r.IntN(len(files))]
		old, err := os.ReadFile(g.Path(f))
		text := string(old)
		if err != nil {
			text = ""
		}
		switch r.IntN(7) {
		case 0, 1:
			k := newKey(r)
			keys = append(keys, k)
			text += fmt.Sprintf("# padding %d\n", i) + k.lines()
		case 2:
			text = fmt.Sprintf("line before %d\n", i) + text
		case 3:
			text = "nothing here any more\n"
		case 4: // a copy at another path
			g.Write(fmt.Sprintf("copies/%d", i), text)
		case 5: // a merge whose own content has a key
			branch++
			name := fmt.Sprint("side", branch)
			g.Git("checkout", "-q", "-b", name)
			k := newKey(r)
			keys = append(keys, k)
			g.Write("side/"+name, k.lines())
			g.Commit("on the side")
			g.Git("checkout", "-q", "main")
			g.Write("main-goes-on", fmt.Sprint(i))
			g.Commit("meanwhile")
			g.Tick()
			g.Git("merge", "-q", "--no-commit", "--no-ff", name)
			m := newKey(r)
			keys = append(keys, m)
			g.Write("only-in-merge", m.lines())
			g.Commit("merge")
			continue
		case 6:
			if err != nil {
				continue // moved before
			}
			g.Git("mv", "-f", f, f+".old")
			g.Commit("rename")
			continue
		}
		g.Write(f, text)
		g.Commit(fmt.Sprint("change ", i))
	}
	g.Git("tag", "-a", "-m", "a tag", "v1")
	return g, keys
}

func TestHistoryPlacesEveryKeyWhereGitHasIt(t *testing.T) {
	for _, tt := range []struct {
		name  string
		seeds uint64
		args  []string
		pack  []string
	}{
		{"loose", 1, nil, nil},
		{"packed", 3, nil, []string{"repack", "-adfq", "--depth=50"}},
		{"sha256", 1, []string{"--object-format=sha256"}, []string{"repack", "-adq"}},
	} {
		for seed := range tt.seeds {
			t.Run(fmt.Sprint(tt.name, seed), func(t *testing.T) {
				t.Parallel()
				g, keys := plantHistory(t, seed, tt.args...)
				if tt.pack != nil {
					g.Git(tt.pack...)
				}
				found, sum := scanAll(t, 2, openRepo(t, g.Dir).History())
				if sum.Incomplete() {
					t.Errorf("skipped: %v", sum.Skips)
				}
				if got, want := sum.Objects.Total(), int64(len(g.Objects())); got != want {
					t.Errorf("%d objects, git has %d", got, want)
				}
				want := askGit(g, keys)
				if len(found) != len(keys) {
					t.Errorf("found %d keys, want %d", len(found), len(keys))
				}
				for _, k := range keys {
					checkPlaces(t, k, found[k.id], want[k.id])
				}
			})
		}
	}
}

func checkPlaces(t *testing.T, k key, f Finding, want map[string]oracle) {
	t.Helper()
	if f.Key.Secret != rules.NewSecret(k.secret) {
		t.Errorf("%s has secret %v", k.id, f.Key.Secret)
	}
	got := map[string]oracle{}
	for _, p := range f.Places {
		if p.Commit == nil || p.Unreachable {
			t.Errorf("%s at %q: no commit, or unreachable", k.id, p.Path)
			continue
		}
		got[p.Path] = oracle{p.Commit.ID.String(), p.At.Line, p.At.Column, p.Head != nil}
		if p.Secret == nil || p.Secret.Line != p.At.Line+1 {
			t.Errorf("%s at %q: secret at %v, want the next line", k.id, p.Path, p.Secret)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is placed at\n%v, git says\n%v", k.id, got, want)
	}
}

func TestScanGivesTheSameWhateverTheWorkers(t *testing.T) {
	g, _ := plantHistory(t, 9)
	g.Git("repack", "-q")
	g.Write("loose", newKey(rulestest.Rand(1)).lines())
	g.Commit("loose")
	var first []Finding
	for i, workers := range []int{1, 2, 3, 8} {
		repo := openRepo(t, g.Dir)
		tree, err := repo.WorkTree(false)
		if err != nil {
			t.Fatal(err)
		}
		var list []Finding
		s := Scanner{Workers: workers}
		if _, err := s.Scan(t.Context(), func(f Finding) error { list = append(list, f); return nil }, repo.History(), tree); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = list
		} else if !reflect.DeepEqual(first, list) {
			t.Errorf("with %d workers the findings differ from those with one", workers)
		}
	}
	if len(first) < 5 {
		t.Errorf("only %d findings", len(first))
	}
}

func TestHistoryTellsWhatRefsReach(t *testing.T) {
	r := rulestest.Rand(20)
	old, side, gone := newKey(r), newKey(r), newKey(r)
	g := gittest.New(t)
	g.Write("f", old.lines())
	g.Commit("old key")
	g.Git("tag", "v1")
	g.Git("tag", "-a", "-m", "annotated", "v2")
	g.Write("f", "removed\n")
	g.Commit("removed")
	g.Git("checkout", "-q", "-b", "feature/x", "v1")
	g.Write("side", side.lines())
	g.Commit("side key")
	g.Git("checkout", "-q", "main")
	g.Write("f", gone.lines())
	amended := g.Commit("will be amended")
	g.Write("f", "removed\n")
	g.Git("add", "-A")
	g.Git("commit", "-q", "--amend", "--allow-empty", "-m", "amended")
	found, _ := scanAll(t, 2, openRepo(t, g.Dir).History())
	for _, tt := range []struct {
		key  key
		refs []string
		head bool
	}{
		{old, []string{"refs/heads/feature/x", "refs/heads/main", "refs/tags/v1", "refs/tags/v2"}, false},
		{side, []string{"refs/heads/feature/x"}, false},
		{gone, nil, false},
	} {
		f := found[tt.key.id]
		if !slices.Equal(f.Refs, tt.refs) || f.RefCount != len(tt.refs) || f.InHead() != tt.head {
			t.Errorf("%s: refs %v, in HEAD %v, want %v, %v", tt.key.id, f.Refs, f.InHead(), tt.refs, tt.head)
		}
	}
	p := found[gone.id].First()
	if !p.Unreachable || p.Path != "f" || p.Commit == nil || p.Commit.ID.String() != amended {
		t.Errorf("the amended commit's key is placed at %+v", p)
	}
	if c := found[old.id].First().Commit; c.Author != "A U Thor" || c.Email != "author@example.com" || c.Subject != "old key" ||
		!c.Date.Equal(time.Date(2020, 1, 1, 13, 0, 0, 0, time.UTC)) {
		t.Errorf("commit is described as %+v", c)
	}
}

func TestHistoryReadsMessagesTagsAndDanglingBlobs(t *testing.T) {
	r := rulestest.Rand(21)
	message, tag, dangling, tagged, staged, stashed := newKey(r), newKey(r), newKey(r), newKey(r), newKey(r), newKey(r)
	g := gittest.New(t)
	g.Write("f", "x\n")
	commit := g.Commit("subject\n\n" + message.lines())
	g.Git("tag", "-a", "-m", tag.lines(), "v1")
	g.GitIn(dangling.lines(), "hash-object", "-w", "--stdin")
	blob := g.GitIn(tagged.lines(), "hash-object", "-w", "--stdin")
	g.Git("tag", "blob-tag", blob)
	g.Write("f", stashed.lines())
	g.Git("stash", "-q")
	g.Write("new", staged.lines())
	g.Git("add", "new")
	found, sum := scanAll(t, 2, openRepo(t, g.Dir).History())
	if sum.Incomplete() || len(found) != 6 {
		t.Errorf("found %d of 6, skipped %v", len(found), sum.Skips)
	}
	check := func(what string, k key, kind Kind, path string, test func(p *Place, f Finding) bool) {
		t.Helper()
		f, ok := found[k.id]
		if !ok {
			t.Errorf("%s: not found", what)
			return
		}
		if p := f.First(); p.Kind != kind || p.Path != path || !test(p, f) {
			t.Errorf("%s: placed at %+v, refs %v", what, p, f.Refs)
		}
	}
	check("message", message, CommitText, "", func(p *Place, f Finding) bool {
		return p.Commit.ID.String() == commit && slices.Equal(f.Refs, []string{"refs/heads/main", "refs/tags/v1", "refs/stash"})
	})
	check("tag", tag, TagText, "", func(p *Place, f Finding) bool {
		return !p.Unreachable && slices.Equal(f.Refs, []string{"refs/tags/v1"})
	})
	check("dangling", dangling, Content, "", func(p *Place, f Finding) bool { return p.Unreachable && f.Refs == nil })
	check("tagged blob", tagged, Content, "", func(p *Place, f Finding) bool {
		return !p.Unreachable && slices.Equal(f.Refs, []string{"refs/tags/blob-tag"})
	})
	check("stash", stashed, Content, "f", func(p *Place, f Finding) bool {
		return !p.Unreachable && slices.Equal(f.Refs, []string{"refs/stash"})
	})
	check("staged", staged, Content, "new", func(p *Place, f Finding) bool { return p.Staged && !p.Unreachable && p.Commit == nil })
}

func TestWorkTreePlacesJoinThoseOfHistory(t *testing.T) {
	r := rulestest.Rand(22)
	both, untracked, ignored := newKey(r), newKey(r), newKey(r)
	g := gittest.New(t)
	g.Write("conf/app.env", both.lines())
	g.Write(".gitignore", "*.log\n")
	g.Commit("first")
	g.Write("conf/app.env", "# a new line\n"+both.lines())
	g.Write("new.env", untracked.lines())
	g.Write("out.log", ignored.lines())
	repo := openRepo(t, g.Dir)
	for _, withIgnored := range []bool{false, true} {
		tree, err := repo.WorkTree(withIgnored)
		if err != nil {
			t.Fatal(err)
		}
		found, sum := scanAll(t, 2, repo.History(), tree)
		f := found[both.id]
		if len(f.Places) != 1 {
			t.Fatalf("places %+v, want one", f.Places)
		}
		p := f.Places[0]
		if p.At.Line != 1 || p.Head == nil || p.Head.Line != 1 || p.WorkTree == nil || p.WorkTree.Line != 2 || p.Commit == nil {
			t.Errorf("place %+v", p)
		}
		if p := found[untracked.id].First(); p.Kind != WorkTreeFile || p.Path != "new.env" || p.WorkTree == nil {
			t.Errorf("untracked: %+v", p)
		}
		if _, ok := found[ignored.id]; ok != withIgnored {
			t.Errorf("ignored file found: %v, want %v", ok, withIgnored)
		}
		if want := int64(3); !withIgnored && sum.Files != want {
			t.Errorf("%d files, want %d", sum.Files, want)
		}
	}
}
