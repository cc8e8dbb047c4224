package scanner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"

	"github.com/keyquench/keyquench/scanner/internal/worktree"
)

// stream is the Source of one run of bytes.
type stream struct {
	blob Blob
	open func() (io.ReadCloser, error)
}

// Stream gives what r holds under the name given, however much it is.
func Stream(name string, r io.Reader) Source {
	return &stream{Blob{Kind: Input, Path: name}, func() (io.ReadCloser, error) { return io.NopCloser(r), nil }}
}

// File gives one file, whatever repository it lies in. A symbolic link is an
// error: whoever means what it leads to resolves it first.
func File(path string) Source {
	return &stream{Blob{Kind: WorkTreeFile, Path: filepath.ToSlash(path)}, func() (io.ReadCloser, error) { return openFile(path) }}
}

// Parts reads to the end, or as much as is held at once. An error until then
// fails the Source; one behind it is told as a skip, as what was read before it
// counts.
func (s *stream) Parts(context.Context) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		r, err := s.open()
		if err != nil {
			yield(nil, fmt.Errorf("read %s: %w", s.blob.Path, err))
			return
		}
		buf, err := largeFiles.fill(r, nil)
		if err != nil {
			r.Close()
			if errors.Is(err, io.EOF) {
				b := s.blob
				b.Data = buf
				yield(once(b), nil)
				return
			}
			yield(nil, fmt.Errorf("read %s: %w", s.blob.Path, err))
			return
		}
		var c claim
		part := func(ctx context.Context) iter.Seq2[Blob, error] {
			return func(yield func(Blob, error) bool) {
				if c.take() {
					defer r.Close()
					largeFiles.windows(ctx, s.blob, r, buf, yield)
				}
			}
		}
		if !yield(part, nil) && c.take() {
			r.Close()
		}
	}
}

// openFile opens a file as a tree opens those below it.
func openFile(path string) (io.ReadCloser, error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	tree, err := worktree.Open(dir, worktree.Options{Plain: true}, nil)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	r := tree.Reader()
	defer r.Close()
	return r.Open(name)
}

// once is a Part of one Blob.
func once(b Blob) Part {
	return func(context.Context) iter.Seq2[Blob, error] {
		return func(yield func(Blob, error) bool) { yield(b, nil) }
	}
}
