// Package scannertest is for tests of whatever gives bytes to a scanner: the
// suite that every Source passes, and a builder of small repositories.
package scannertest

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"os"
	"sync"
	"testing"

	"github.com/keyquench/keyquench/scanner"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
)

// Repo is a repository in a directory of the test's own, built with the git
// program and nobody's configuration.
type Repo = gittest.Repo

// New makes an empty repository; args go to git init.
func New(t testing.TB, args ...string) *Repo {
	t.Helper()
	return gittest.New(t, args...)
}

// NewAt is New in a directory of the caller's, which need not exist.
func NewAt(t testing.TB, dir string, args ...string) *Repo {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return gittest.NewAt(t, dir, args...)
}

// At gives a Repo for a directory that exists, whatever it holds.
func At(t testing.TB, dir string) *Repo { return gittest.At(t, dir) }

// Conform runs the suite. open gives a fresh Source of the same bytes each
// time; blobs is how many Blobs it has, at least two.
func Conform(t *testing.T, blobs int, open func(t *testing.T) scanner.Source) {
	t.Helper()
	alone := collect(t, open(t), 1)
	t.Run("gives every blob once", func(t *testing.T) {
		total := 0
		for b, n := range alone {
			total += n
			if n != 1 && !b.id.IsZero() {
				t.Errorf("object %v came %d times", b.id, n)
			}
		}
		if total != blobs {
			t.Errorf("%d blobs, want %d", total, blobs)
		}
	})
	t.Run("gives the same to many workers", func(t *testing.T) {
		for range 3 {
			if got := collect(t, open(t), 4); !equal(got, alone) {
				t.Errorf("four workers saw %d different blobs, one saw %d", len(got), len(alone))
			}
		}
	})
	t.Run("stops when the loop stops", func(t *testing.T) {
		for part, err := range open(t).Parts(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			for range part(t.Context()) {
				break // must not yield again, or the runtime panics
			}
			break
		}
	})
	t.Run("stops when the context ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		seen := 0
		for part, err := range open(t).Parts(ctx) {
			if errors.Is(err, context.Canceled) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for range part(ctx) {
				seen++
			}
		}
		if seen > 1 {
			t.Errorf("%d blobs came after the end of the context", seen)
		}
	})
}

// seen is a blob without its bytes.
type seen struct {
	kind scanner.Kind
	id   scanner.ObjectID
	path string
	hash uint64
}

// collect reads a Source with some workers. Each holds on to a blob's bytes
// until it asks for the next, and sees that nobody else writes to them.
func collect(t testing.TB, src scanner.Source, workers int) map[seen]int {
	t.Helper()
	found := map[seen]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	parts := make(chan scanner.Part)
	for range workers {
		wg.Go(func() {
			for p := range parts {
				for b, err := range p(t.Context()) {
					if err != nil {
						t.Errorf("blob with an error: %v", err)
						continue
					}
					kept := bytes.Clone(b.Data)
					mu.Lock()
					found[seen{b.Kind, b.ID, b.Path, sum(b.Data)}]++
					mu.Unlock()
					if !bytes.Equal(kept, b.Data) {
						t.Errorf("the bytes of %v %q changed while they were lent", b.ID, b.Path)
					}
				}
			}
		})
	}
	for p, err := range src.Parts(t.Context()) {
		if err != nil {
			t.Errorf("Parts: %v", err)
			break
		}
		parts <- p
	}
	close(parts)
	wg.Wait()
	return found
}

func sum(data []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(data)
	return h.Sum64()
}

func equal(a, b map[seen]int) bool {
	if len(a) != len(b) {
		return false
	}
	for k, n := range a {
		if b[k] != n {
			return false
		}
	}
	return true
}
