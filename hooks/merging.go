package hooks

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/keyquench/keyquench/scanner"
)

// maxMerged bounds how many commits are looked at that a merge brings: no merge of
// people has more.
const maxMerged = 64

// Merging gives those commits of a merge that is under way which some remote has,
// by their full names: whoever merges them adds nothing of theirs. gitDir and env
// are those of the hook; open is only called when there is a merge.
func Merging(ctx context.Context, gitDir string, env []string, open func() (*scanner.Repo, error)) (fetched []string, err error) {
	heads := mergeHeads(gitDir, env)
	if len(heads) == 0 {
		return nil, nil
	}
	repo, err := open()
	if err != nil {
		return nil, err
	}
	defer repo.Close()
	have := repo.Targets("refs/remotes/")
	for _, head := range heads {
		if !repo.Has(head) {
			continue
		}
		there, err := repo.Leads(ctx, have, head)
		if err != nil {
			return nil, err
		}
		if there {
			fetched = append(fetched, head)
		}
	}
	return fetched, nil
}

// mergeHeads: git merge names what it merges in the environment of its hook, by
// GITHEAD_ and the commit; where it has stopped, as for a conflict, it leaves a
// file to git commit.
func mergeHeads(gitDir string, env []string) (heads []string) {
	add := func(name string) {
		if id, err := objectName(name); err == nil && id != "" && len(heads) < maxMerged {
			heads = append(heads, id)
		}
	}
	for _, v := range env {
		if name, ok := strings.CutPrefix(v, "GITHEAD_"); ok {
			name, _, _ = strings.Cut(name, "=")
			add(name)
		}
	}
	for line := range strings.Lines(mergeFile(gitDir)) {
		add(strings.TrimSuffix(line, "\n"))
	}
	return heads
}

// mergeFile is the text of MERGE_HEAD, "" without one. Only a file is opened: a
// pipe of that name would have us wait.
func mergeFile(gitDir string) string {
	path := filepath.Join(gitDir, "MERGE_HEAD")
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, maxMerged*65))
	return string(text)
}
