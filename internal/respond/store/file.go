package store

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/keyquench/keyquench/rules"
)

// file keeps the pair in a file of its own, in the form that its name asks for.
// Links are refused at the last place of the path.
type file struct {
	fileStore
	path   string
	format format
	force  bool
}

func parseFile(spec, rest string, o Options) (Store, error) {
	if rest == "" || strings.HasSuffix(rest, string(filepath.Separator)) || filepath.Base(rest) == "." || filepath.Base(rest) == ".." {
		return nil, specError(spec, "that names no file", "write file:PATH")
	}
	f := &file{path: rest, format: formatOf(rest), force: o.Force}
	f.fileStore = fileStore{
		spec:  spec,
		place: func() (local, error) { return openLocal(f.path, false) },
		pair:  f.format.read,
		next:  func(_, id, secret string) (string, error) { return f.format.write(id, secret), nil },
	}
	return f, nil
}

// Calls implements Store.
func (f *file) Calls() []string {
	what := "made"
	if f.seen.Existed || f.force && f.seen.Path == "" {
		what = "overwritten"
	}
	return []string{"file " + f.path + ": " + what + " as " + f.format.name + ", mode 0600"}
}

// Check implements Store.
func (f *file) Check(context.Context) error {
	const op = "look at the file"
	l, text, existed, err := f.open(op)
	if err != nil {
		return err
	}
	if err := l.writable(); err != nil {
		return f.fail(op, err, "its directory must be writable")
	}
	if f.resumed {
		return nil
	}
	if existed && !f.force {
		return f.fail(op, errors.New("it is there already"), "name another, or use --force to overwrite it")
	}
	if !f.force {
		tree, err := treeOf(l.path)
		switch {
		case err != nil:
			return f.fail("look for a Git work tree around it", err, "name a file outside of it, or use --force")
		case tree.root != "" && (tree.tracked || !tree.ignored):
			return f.fail(op, errors.New("it is in a Git work tree and not ignored: it would be the next leak"), "name a file outside of "+tree.root+", add it to .gitignore, or use --force")
		}
	}
	f.seen = take(l, text, existed)
	return nil
}

// Put implements Store.
func (f *file) Put(_ context.Context, key rules.Key, _ string) error { return f.write(key, nil) }
