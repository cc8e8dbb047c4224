package hooks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// managed are the files by which programs that manage hooks know what to do.
// They are read in the work tree, as at a commit.
var managed = []string{
	".husky", ".pre-commit-config.yaml", "lefthook.yml", "lefthook.yaml", ".lefthook.yml", ".lefthook.yaml",
	"lefthook.toml", "lefthook.json", "lefthook-local.yml", "package.json", ".overcommit.yml",
}

// What a copy may come to. Directories of hooks have some dozen small files; with
// more than this, somebody keeps something else in there.
const (
	maxCopied      = 2000
	maxCopiedBytes = 64 << 20
)

var errTooMuch = errors.New("there is more in it than hooks")

// copyManaged copies those files, and links what they run.
func copyManaged(from, to string) error {
	for _, name := range managed {
		// A link could lead out of the repository, to whatever is there.
		if isSymlink(filepath.Join(from, name)) {
			continue
		}
		if err := copyTree(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return err
		}
	}
	modules := filepath.Join(from, "node_modules")
	if _, err := os.Stat(modules); err != nil {
		return nil
	}
	exclude := filepath.Join(to, ".git", "info", "exclude")
	if err := os.MkdirAll(filepath.Dir(exclude), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(exclude, []byte("/node_modules\n"), 0o666); err != nil {
		return err
	}
	return os.Symlink(modules, filepath.Join(to, "node_modules"))
}

// copyTree copies a file, or a directory with all below it, with its modes. Links
// lead where they led before; what they lead to is not read, as it may be anything.
// What is not there is no error.
func copyTree(from, to string) error {
	files, size := 0, int64(0)
	root, err := filepath.EvalSymlinks(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("copy %q: %w", from, cause(err))
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(path, ".sample") {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, root))
		info, err := d.Info()
		if err != nil {
			return err
		}
		if files++; info.Mode().IsRegular() {
			size += info.Size()
		}
		if files > maxCopied || size > maxCopiedBytes {
			return errTooMuch
		}
		return copyEntry(path, target, info)
	})
	if err != nil {
		return fmt.Errorf("copy %q: %w", from, cause(err))
	}
	return nil
}

func copyEntry(path, target string, info fs.FileInfo) error {
	switch info.Mode().Type() {
	case fs.ModeDir:
		return os.MkdirAll(target, 0o777)
	case fs.ModeSymlink:
		to, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil // it leads nowhere, and git passes it over
		}
		return os.Symlink(to, target)
	case 0:
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, info.Mode().Perm()|0o200)
	}
	return nil // a socket or the like is no hook
}

// hooks puts copies of the hooks in force into the repository of the trial. They
// are copies since some programs that manage hooks rewrite them when they run.
func (t *trial) hooks(ctx context.Context, repo, name string, alone bool) error {
	gitDir := filepath.Join(t.work, ".git")
	if repo != t.work {
		gitDir = repo
	}
	own := filepath.Join(gitDir, "hooks")
	if t.repo != nil {
		if err := copyTree(t.repo.hooksDir(), own); err != nil {
			return err
		}
	}
	g := t.git
	g.dir = repo
	if repo != t.work {
		// Where safe.bareRepository is explicit, git does not look for one.
		g.env = append(g.env[:len(g.env):len(g.env)], "GIT_DIR="+repo)
	}
	inForce := own
	if len(t.paths) > 0 {
		value := t.raw
		from := t.dir
		switch {
		case !filepath.IsAbs(value) && filepath.IsLocal(value):
			inForce = filepath.Join(repo, value)
		default:
			value = filepath.Join(gitDir, "keyquench-trial")
			inForce = value
		}
		if from != "" {
			if err := copyTree(from, inForce); err != nil {
				return err
			}
		}
		if err := g.set(ctx, "--local", hooksPath, value); err != nil {
			return err
		}
	}
	if err := t.configuredHooks(ctx, &g); err != nil {
		return err
	}
	if !alone {
		return nil
	}
	path := filepath.Join(inForce, name)
	f, err := look(path)
	if err != nil || !f.ours {
		return err
	}
	if err := os.RemoveAll(path + chainedSuffix); err != nil {
		return err
	}
	s := &script{name: name, program: f.program}
	return os.WriteFile(path, []byte(s.text()), 0o700)
}

// configuredHooks copies the hooks that the repository's own configuration has.
func (t *trial) configuredHooks(ctx context.Context, g *gitProgram) error {
	if t.repo == nil || t.git.version < configHooks {
		return nil
	}
	out, err := t.doctor.git.run(ctx, "config", "--null", "--show-scope", "--get-regexp", `^hook\.`)
	if err = unlessUnset(err); err != nil {
		return err
	}
	f := strings.Split(string(out), "\x00")
	for ; len(f) > 2; f = f[2:] {
		key, value, _ := strings.Cut(f[1], "\n")
		if f[0] != "local" && f[0] != "worktree" {
			continue
		}
		if _, err := g.run(ctx, "config", "--local", "--add", key, value); err != nil {
			return err
		}
	}
	return nil
}
