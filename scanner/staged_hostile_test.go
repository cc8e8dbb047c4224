package scanner

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// rawIndex writes an index of version 2 by hand.
type rawIndex struct {
	n          uint32
	body, tree []byte
}

func (x *rawIndex) add(mode uint32, id, path string) {
	raw, _ := oid.Parse(id)
	e := binary.BigEndian.AppendUint32(make([]byte, 24), mode)
	e = append(append(e, make([]byte, 12)...), raw.Bytes()...)
	e = binary.BigEndian.AppendUint16(e, uint16(min(len(path), 0xfff)))
	e = append(e, path...)
	x.body = append(append(x.body, e...), make([]byte, 8-len(e)%8)...)
	x.n++
}

// cached says of a directory that its entries make up a tree.
func (x *rawIndex) cached(name string, entries, children int, id string) {
	raw, _ := oid.Parse(id)
	x.tree = fmt.Appendf(x.tree, "%s\x00%d %d\n%s", name, entries, children, raw.Bytes())
}

func (x *rawIndex) save(t testing.TB, path string) {
	t.Helper()
	data := binary.BigEndian.AppendUint32([]byte("DIRC\x00\x00\x00\x02"), x.n)
	data = append(data, x.body...)
	if x.tree != nil {
		data = binary.BigEndian.AppendUint32(append(data, "TREE"...), uint32(len(x.tree)))
		data = append(data, x.tree...)
	}
	sum := sha1.Sum(data)
	if err := os.WriteFile(path, append(data, sum[:]...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A cached tree that does not belong to the entries hides none of them.
func TestStagedComparesWhereTheCachedTreeDisagrees(t *testing.T) {
	t.Parallel()
	g := gittest.New(t)
	g.Write("dir/a", "a\n")
	g.Write("dir/b", "b\n")
	g.Commit("first")
	id := g.GitIn("news\n", "hash-object", "-w", "--stdin")
	root, dir := g.Git("rev-parse", "HEAD^{tree}"), g.Git("rev-parse", "HEAD:dir")
	for _, tt := range []struct {
		what string
		tree func(x *rawIndex)
	}{
		{"none", func(*rawIndex) {}},
		{"too few entries", func(x *rawIndex) { x.cached("", 2, 1, root); x.cached("dir", 2, 0, dir) }},
		{"too many", func(x *rawIndex) { x.cached("", 9, 1, root); x.cached("dir", 9, 0, dir) }},
		{"another directory", func(x *rawIndex) { x.cached("", 4, 1, root); x.cached("other", 3, 0, dir) }},
		{"a directory twice", func(x *rawIndex) { x.cached("", 2, 2, root); x.cached("dir", 2, 0, dir); x.cached("dir", 2, 0, dir) }},
		{"the wrong tree", func(x *rawIndex) { x.cached("", 3, 1, dir); x.cached("dir", 3, 0, root) }},
		{"cut short", func(x *rawIndex) { x.cached("", 3, 1, root) }},
	} {
		x := &rawIndex{}
		x.add(0o100644, g.Git("rev-parse", "HEAD:dir/a"), "dir/a")
		x.add(0o100644, id, "dir/a2")
		x.add(0o100644, g.Git("rev-parse", "HEAD:dir/b"), "dir/b")
		tt.tree(x)
		x.save(t, g.Path(".git", "index"))
		got, skips := stagedBlobs(t, openStaged(t, g.Dir, nil))
		if want := []string{"dir/a2 " + id}; !slices.Equal(got, want) || len(skips) > 0 {
			t.Errorf("%s: staged are %v, want %v; skips %v", tt.what, got, want, skips)
		}
	}
}

// Names, modes and depths that git would not write are scanned like others, or
// named.
func TestStagedReadsOddEntries(t *testing.T) {
	t.Parallel()
	g := gittest.New(t)
	g.Write("file", "file\n")
	g.Write("dir/in", "in\n")
	g.Commit("first")
	key := newKey(rulestest.Rand(31))
	id := g.GitIn(key.lines(), "hash-object", "-w", "--stdin")
	tree := g.Git("rev-parse", "HEAD^{tree}")
	deep := strings.Repeat("d/", 20_000) + "x"
	for _, tt := range []struct {
		path string
		mode uint32
		id   string
		want int // blobs
		skip int
	}{
		{"../../outside", 0o100644, id, 1, 0},
		{"/absolute//twice", 0o100644, id, 1, 0},
		{"file/below", 0o100644, id, 1, 0},
		{"dir", 0o100644, id, 1, 0},
		{"dir/", 0o100644, id, 1, 0},
		{"//", 0o100644, id, 1, 0},
		{".git/config", 0o100644, id, 1, 0},
		{deep, 0o100644, id, 1, 0},
		{"no mode", 0, id, 1, 0},
		{"odd mode", 0o7, id, 1, 0},
		{"a tree as a file", 0o100644, tree, 0, 1},
		{"zero", 0o100644, strings.Repeat("0", 40), 0, 1},
		{"tree without slash", 0o040000, tree, 2, 0},
		{"tree/", 0o040000, tree, 2, 0},
		{"tree of nothing/", 0o040000, strings.Repeat("0", 40), 0, 1},
		{"file as a tree/", 0o040000, id, 0, 1},
	} {
		x := &rawIndex{}
		x.add(tt.mode, tt.id, tt.path)
		x.save(t, g.Path(".git", "index"))
		got, skips := stagedBlobs(t, openStaged(t, g.Dir, nil))
		if len(got) != tt.want || len(skips) != tt.skip {
			t.Errorf("%.40q: staged are %.200q, want %d; skips %.200v, want %d", tt.path, got, tt.want, skips, tt.skip)
		}
	}
}

// Trees that hold one another twice over are no way to use up a machine.
func TestStagedBoundsASparseBomb(t *testing.T) {
	t.Parallel()
	g := gittest.New(t)
	id := g.GitIn("100644 blob "+g.GitIn("x\n", "hash-object", "-w", "--stdin")+"\tx\n", "mktree")
	for range 60 {
		id = g.GitIn("040000 tree "+id+"\ta\n040000 tree "+id+"\tb\n", "mktree")
	}
	x := &rawIndex{}
	x.add(0o040000, id, "bomb/")
	x.save(t, g.Path(".git", "index"))
	failed := false
	for _, err := range openStaged(t, g.Dir, nil).Parts(t.Context()) {
		failed = failed || errors.Is(err, errUnfolds)
	}
	if !failed {
		t.Error("a bomb of 2^60 files was unfolded, or passed over")
	}
}
