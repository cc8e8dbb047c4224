package scanner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
)

// large makes a repository whose index has 30,000 entries and is HEAD's.
func large(t testing.TB) *gittest.Repo {
	g := gittest.New(t)
	blob := g.GitIn("package p\n", "hash-object", "-w", "--stdin")
	var in strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&in, "100644 %s\tsource/module%02d/package%02d/file_%05d.go\n", blob, i/1500, i/100%15, i)
	}
	g.GitIn(in.String(), "update-index", "--index-info")
	g.Git("commit", "-q", "-m", "large")
	g.Git("read-tree", "HEAD") // as after a checkout, with a cached tree
	return g
}

// BenchmarkStaged is a scan of three staged files among 30,000, with all that
// keyquench scan --staged does but to start a process and compile the rules.
func BenchmarkStaged(b *testing.B) {
	g := large(b)
	for i, p := range []string{"README", "source/module03/package07/file_05201.go", "source/new/deep/file.go"} {
		g.GitIn(fmt.Sprintf("100644 %s\t%s\n", g.GitIn(strings.Repeat(fmt.Sprintf("a line of file %d\n", i), 500), "hash-object", "-w", "--stdin"), p),
			"update-index", "--index-info")
	}
	b.ReportAllocs()
	for b.Loop() {
		s := openStaged(b, g.Dir, nil)
		sum, err := new(Scanner).Scan(b.Context(), func(Finding) error { return nil }, s)
		if err != nil || sum.Blobs != 3 || sum.Incomplete() {
			b.Fatalf("Scan = %+v, %v", sum, err)
		}
		s.Close()
	}
}

// What the cached tree says is as good as what the entries say.
func TestStagedTrustsACachedTreeAsGitDoes(t *testing.T) {
	t.Parallel()
	g := large(t)
	checkStaged(t, "a whole cached tree", g)
	for _, p := range []string{"source/module03/package07/file_05201.go", "source/module19/x", "a", "zz/y"} {
		g.GitIn("100644 "+g.GitIn("news of "+p, "hash-object", "-w", "--stdin")+"\t"+p+"\n", "update-index", "--index-info")
		checkStaged(t, "one more: "+p, g)
	}
	// git commit makes the cached tree whole before the hook runs: its names
	// are then valid and differ from HEAD's.
	g.Git("write-tree")
	checkStaged(t, "a cached tree of the next commit", g)
	g.Git("update-index", "--force-remove", "source/module03/package07/file_05202.go")
	checkStaged(t, "a removal", g)
}
