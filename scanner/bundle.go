package scanner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/keyquench/keyquench/scanner/internal/bundle"
	"github.com/keyquench/keyquench/scanner/internal/gitdir"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// Packed is what a file is that holds a repository's objects.
type Packed string

// The kinds of such files, in words; "" is any other file.
const (
	Bundle Packed = "bundle"
	Pack   Packed = "pack"
)

// maxMagic is as much of a file as tells what it is.
const maxMagic = 64

// PackedFile tells by its first bytes whether the file at path is a bundle or a
// pack. It must be a regular file.
func PackedFile(path string) (Packed, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	start := make([]byte, maxMagic)
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	switch start = start[:n]; {
	case bundle.Is(start):
		return Bundle, nil
	case pack.Is(start):
		return Pack, nil
	}
	return "", nil
}

// alone is what is known of a repository that is a single file.
type alone struct {
	path string
	kind Packed
	head ObjectID // what HEAD leads to, or zero
	// part tells that objects are left out on purpose: those that a commit it
	// needs leads to, or that a filter took.
	part bool
}

// OpenPacked opens the bundle or pack at path as a repository of which there is
// nothing but history and the names of refs. No file is written, but for objects
// that are too large for the memory. What is missing or cannot be read is told by a
// scan; the error of one of which nothing can be read has a next step.
func OpenPacked(ctx context.Context, path string, kind Packed) (*Repo, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// Below a file there is no other: what is looked for there is not found.
	r := &Repo{dirs: &gitdir.Repo{GitDir: path, CommonDir: path}, targets: map[ObjectID]bool{}, shallow: map[ObjectID]bool{}}
	r.alone = &alone{path: path, kind: kind}
	at := int64(0)
	if kind == Bundle {
		at, err = r.readBundle()
	} else {
		r.dirs.Format, err = pack.FormatOf(path)
	}
	if err == nil {
		r.store, err = pack.OpenFile(ctx, path, at, r.dirs.Format, pack.Limits{})
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, hinted(fmt.Errorf("open %s %q: %w", kind, path, err), r.alone.advice())
	}
	r.checkNamed()
	return r, nil
}

// advice is what to do with a file that cannot be read.
func (a *alone) advice() string {
	if a.kind == Bundle {
		return "git bundle verify tells more; make the bundle again, or copy it again"
	}
	return "git index-pack tells more; copy the file again, or scan the repository it is from"
}

// advise adds to a problem what to do about it; without a file it is as it was.
func (a *alone) advise(p pack.Problem) pack.Problem {
	if a != nil {
		p.Err = hinted(p.Err, a.advice())
	}
	return p
}

// readBundle reads the head of the bundle and tells where its pack begins.
func (r *Repo) readBundle() (at int64, err error) {
	f, err := os.Open(r.alone.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	h, err := bundle.Read(f)
	if err != nil {
		return 0, err
	}
	r.dirs.Format = h.Format
	for _, ref := range h.Refs {
		r.refs = append(r.refs, gitdir.Ref{Name: ref.Name, Target: ref.ID})
		r.targets[ref.ID] = true
		if ref.Name == "HEAD" {
			r.alone.head = ref.ID
		}
	}
	r.alone.part = len(h.Needs) > 0 || h.Filter != ""
	name := filepath.Base(r.alone.path)
	for _, id := range h.Needs {
		r.problems = append(r.problems, Skip{name, hinted(
			fmt.Errorf("it needs commit %s, and what that leads to: %w", id, pack.ErrMissing),
			"git fetch the bundle inside of a clone that has the commit, and scan the clone",
		)})
	}
	if h.Filter != "" {
		r.problems = append(r.problems, Skip{name, hinted(
			errors.New("it was made with a filter, and is not everything"), "make one without --filter",
		)})
	}
	return h.Pack, nil
}

// Names gives the names of a repository's refs.
func (r *Repo) Names() Source { return &metadata{repo: r} }

// partMissing tells of the objects that a bundle of a part refers to. Their number
// says all that can be said: each file that did not change is one.
func (h *history) partMissing(run *scan) (told bool) {
	a := h.repo.alone
	if a == nil || !a.part {
		return false
	}
	run.skip(filepath.Base(a.path), fmt.Errorf("%d objects that it refers to are not in it: %w", len(h.missing), pack.ErrMissing))
	return true
}

// tips are those of the repository. A pack without a bundle names none: then all
// its commits are taken to be in use.
func (h *history) tips(reader *pack.Reader) []pack.Num {
	if a := h.repo.alone; a == nil || a.kind != Pack {
		return h.repo.tips(reader)
	}
	tips := make([]pack.Num, len(h.nodes))
	for i := range h.nodes {
		tips[i] = h.nodes[i].num
	}
	return tips
}
