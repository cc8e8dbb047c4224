package scannertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner"
)

// repo has 12 blobs of content, 12 commits and a tag.
func repo(t *testing.T) *Repo {
	t.Helper()
	g := New(t)
	for i := range 12 {
		g.Write(fmt.Sprintf("d%d/f", i%3), strings.Repeat(fmt.Sprint("line ", i, "\n"), 50))
		g.Commit(fmt.Sprint("commit ", i))
		if i == 8 {
			g.Git("tag", "-a", "-m", "a tag", "v1")
			g.Git("repack", "-adq")
		}
	}
	return g
}

func open(t *testing.T, g *Repo) *scanner.Repo {
	t.Helper()
	r, err := scanner.Open(g.Dir, scanner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestSourcesConform(t *testing.T) {
	g := repo(t)
	t.Run("history", func(t *testing.T) {
		Conform(t, 12+12+1, func(t *testing.T) scanner.Source { return open(t, g).History() })
	})
	t.Run("chosen", func(t *testing.T) {
		Conform(t, 3+3, func(t *testing.T) scanner.Source {
			src, err := open(t, g).Chosen(t.Context(), scanner.Choice{Range: "HEAD~3..HEAD"})
			if err != nil {
				t.Fatal(err)
			}
			return src
		})
	})
	t.Run("work tree", func(t *testing.T) {
		Conform(t, 3, func(t *testing.T) scanner.Source {
			src, err := open(t, g).WorkTree(false)
			if err != nil {
				t.Fatal(err)
			}
			return src
		})
	})
	t.Run("folder", func(t *testing.T) {
		dir := t.TempDir()
		for i := range 200 {
			path := filepath.Join(dir, fmt.Sprint("a", i%7), "b", fmt.Sprint(i))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, fmt.Append(nil, "content ", i), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		Conform(t, 200, func(*testing.T) scanner.Source { return scanner.Folder(dir) })
	})
	t.Run("staged", func(t *testing.T) {
		g := repo(t)
		for i := range 300 {
			g.Write(fmt.Sprintf("staged/%d", i), fmt.Sprint("staged ", i))
		}
		g.Git("add", "-A")
		Conform(t, 300, func(t *testing.T) scanner.Source {
			s, err := scanner.OpenStaged(g.Dir, scanner.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			return s
		})
	})
}
