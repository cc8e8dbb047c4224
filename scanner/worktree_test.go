package scanner

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/worktree"
)

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// uneven makes a tree that is hard to share out: a chain of directories, one
// with many files, and many with few. It returns the paths of the files.
func uneven(t testing.TB, dir string) []string {
	t.Helper()
	var paths []string
	add := func(path string) {
		writeFile(t, filepath.Join(dir, path), []byte(path))
		paths = append(paths, path)
	}
	chain := ""
	for i := range 60 {
		chain += "d/"
		if i%20 == 0 {
			add(chain + "file")
		}
	}
	for i := range 10*taskFiles + 3 {
		add(fmt.Sprintf("many/%d", i))
	}
	for i := range 120 {
		add(fmt.Sprintf("few%d/%d", i%40, i))
	}
	for i := range taskFiles + 1 {
		add(fmt.Sprintf("%d", i))
	}
	slices.Sort(paths)
	return paths
}

// readers reads a Source with some goroutines and gives the paths of its Blobs,
// sorted. Each calls stop before it goes on, and leaves its Part when told so.
func readers(ctx context.Context, t testing.TB, src Source, workers int, stop func() bool) []string {
	t.Helper()
	var mu sync.Mutex
	var paths []string
	var group sync.WaitGroup
	parts := make(chan Part)
	for range workers {
		group.Go(func() {
			for p := range parts {
				for b, err := range p(ctx) {
					if err != nil {
						t.Errorf("blob with an error: %v", err)
						continue
					}
					mu.Lock()
					paths = append(paths, b.Path)
					leave := stop()
					mu.Unlock()
					if leave {
						break
					}
				}
			}
		})
	}
	for p, err := range src.Parts(ctx) {
		if err != nil {
			t.Error(err)
			break
		}
		parts <- p
	}
	close(parts)
	group.Wait()
	slices.Sort(paths)
	return paths
}

func never() bool { return false }

func TestFolderIsSharedOutWhole(t *testing.T) {
	dir := t.TempDir()
	want := uneven(t, dir)
	for _, workers := range []int{1, 2, 3, 16, maxSharers + 10} {
		if got := readers(t.Context(), t, Folder(dir), workers, never); !slices.Equal(got, want) {
			t.Errorf("%d workers read %d files, want %d", workers, len(got), len(want))
		}
	}
	// All parts first, and then one after the other.
	var parts []Part
	for p, err := range Folder(dir).Parts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	var got []string
	for _, p := range parts {
		for b := range p(t.Context()) {
			got = append(got, b.Path)
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%d parts read later gave %d files, want %d", len(parts), len(got), len(want))
	}
}

// A reader who leaves its part takes nothing away from the others but what it
// had begun, and keeps nobody waiting.
func TestFolderGoesOnWithoutAReader(t *testing.T) {
	dir := t.TempDir()
	want := len(uneven(t, dir))
	for _, workers := range []int{1, 2, 5} {
		left := 0
		got := readers(t.Context(), t, Folder(dir), workers, func() bool { left++; return left <= 3 })
		if n := len(slices.Compact(got)); n != len(got) || n > want || n < want-3*taskFiles {
			t.Errorf("%d workers, three parts left: %d files of %d", workers, len(got), want)
		}
	}
}

func TestFolderStopsAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	want := len(uneven(t, dir))
	files := openFiles(t)
	for at := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		got := readers(ctx, t, Folder(dir), 4, func() bool {
			if n++; n > at {
				cancel()
			}
			return false
		})
		cancel()
		if len(got) == want {
			t.Errorf("the context ended after %d files and all were read", at)
		}
	}
	for range 20 {
		for part, err := range Folder(dir).Parts(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			next, stop := iter.Pull2(part(t.Context()))
			if _, _, ok := next(); !ok {
				t.Error("a part without a blob")
			}
			stop()
			break
		}
		for range Folder(dir).Parts(t.Context()) {
			break // nobody reads it
		}
	}
	if n := openFiles(t); n != files {
		t.Errorf("%d files are open, before it were %d", n, files)
	}
}

// A part that its Source has given up gives nothing: the tree may be closed.
func TestFolderPartsGivenUpAreEmpty(t *testing.T) {
	dir := t.TempDir()
	uneven(t, dir)
	var late Part
	for p, err := range Folder(dir).Parts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		late = p
		break
	}
	for b, err := range late(t.Context()) {
		t.Errorf("blob %q, %v, want none", b.Path, err)
	}
}

// Somebody with nothing to do waits for what others may find, and no longer.
func TestQueueWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		act  func(q *queue)
		want bool
	}{
		"for files":       {func(q *queue) { q.add(nil, [][]worktree.File{{{Path: "x"}}}) }, true},
		"for directories": {func(q *queue) { q.add(make([]worktree.Dir, 1), nil) }, true},
		"for the last":    {func(q *queue) { q.done() }, false},
		"until the end":   {func(q *queue) { q.end() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(worktree.Dir{})
				if _, ok := q.take(); !ok || q.finished() {
					t.Fatal("the root is not to be had, or all there is")
				}
				var got, returned bool
				go func() {
					_, got = q.take()
					returned = true
				}()
				synctest.Wait()
				if returned {
					t.Fatal("take did not wait")
				}
				tt.act(q)
				synctest.Wait()
				if !returned || got != tt.want {
					t.Errorf("take returned %v with %v, want %v", returned, got, tt.want)
				}
			})
		})
	}
}

// The end of the context reaches those who wait for a reader that hangs.
func TestFolderStopsThoseWhoWait(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "only"), []byte("x"))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		parts, stop := iter.Pull2(Folder(dir).Parts(ctx))
		defer stop()
		first, _, _ := parts()
		next, leave := iter.Pull2(first(ctx))
		defer leave()
		if b, err, ok := next(); !ok || err != nil || b.Path != "only" {
			t.Fatalf("first blob %q, %v", b.Path, err)
		}
		second, _, _ := parts()
		ended := false
		go func() {
			for range second(ctx) {
				t.Error("a second blob")
			}
			ended = true
		}()
		synctest.Wait()
		if ended {
			t.Error("the second reader did not wait for the first")
		}
		cancel()
		synctest.Wait()
		if !ended {
			t.Error("the second reader still waits")
		}
	})
}

// openFiles counts this process's descriptors, where the system tells.
func openFiles(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}

// A scan of the work tree needs no object, and what the index does not tell it
// takes for the worst: no file is hidden by a rule, and the index is named.
func TestOpenWorkTreeReadsFilesOnly(t *testing.T) {
	r := rulestest.Rand(52)
	tracked, ignored, plain := newKey(r), newKey(r), newKey(r)
	g := gittest.New(t)
	g.Write(".gitignore", "*.log\n")
	g.Write("tracked.log", tracked.lines())
	g.Git("add", "-f", ".")
	g.Commit("one")
	g.Write("ignored.log", ignored.lines())
	g.Write("plain", plain.lines())
	if err := os.RemoveAll(filepath.Join(g.Dir, ".git/objects")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(g.Dir, ".git/objects"), 0o777); err != nil {
		t.Fatal(err)
	}
	index := filepath.Join(g.Dir, ".git/index")
	for _, damaged := range []bool{false, true} {
		want := []string{tracked.id, plain.id}
		if damaged {
			writeFile(t, index, []byte("DIRC no more"))
			want = append(want, ignored.id)
		}
		src, root, err := OpenWorkTree(filepath.Join(g.Dir, "."), Options{}, false)
		if err != nil || root != g.Dir {
			t.Fatalf("OpenWorkTree = %q, %v, want %q", root, err, g.Dir)
		}
		found, sum := scanAll(t, 2, src)
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, want) {
			t.Errorf("damaged %v: found %v, want %v", damaged, got, want)
		}
		if named := sum.Skipped == 1 && sum.Skips[0].What == index; named != damaged || sum.Skipped > 1 {
			t.Errorf("damaged %v: skips %v", damaged, sum.Skips)
		}
	}
	bare := gittest.New(t, "--bare")
	if _, _, err := OpenWorkTree(bare.Dir, Options{}, false); !errors.Is(err, ErrBare) {
		t.Errorf("OpenWorkTree(bare) = %v, want %v", err, ErrBare)
	}
	if _, _, err := OpenWorkTree(t.TempDir(), Options{}, false); !errors.Is(err, ErrNotRepository) {
		t.Errorf("OpenWorkTree(no repository) = %v, want %v", err, ErrNotRepository)
	}
}

func TestLargeFilesAreReadInWindows(t *testing.T) {
	r := rulestest.Rand(50)
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "large")
	writeFile(t, path, nil)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	keys := map[string]int64{}
	for _, at := range []int64{0, windowBytes - 70, windowBytes - overlapBytes/2 - 30, windowBytes + 100} {
		k := newKey(r)
		if _, err := f.WriteAt([]byte(k.lines()), at); err != nil {
			t.Fatal(err)
		}
		keys[k.id] = at + int64(len("aws_access_key_id = "))
	}
	for _, src := range []Source{Folder(dir), File(path)} {
		found, sum := scanAll(t, 2, src)
		if len(found) != len(keys) || sum.Skipped != 0 || sum.Files != 1 || sum.Bytes < windowBytes {
			t.Errorf("found %d keys in %d files, %d bytes, skips %v, want %d keys", len(found), sum.Files, sum.Bytes, sum.Skips, len(keys))
		}
		for id, at := range keys {
			if f := found[id]; len(f.Places) != 1 || f.Places[0].At.Offset != int(at) || f.Key.Secret.IsZero() {
				t.Errorf("places %+v, want one at %d, with its secret", f.Places, at)
			}
		}
	}
}

func BenchmarkWorkTree(b *testing.B) {
	r := rulestest.Rand(51)
	dir := b.TempDir()
	const count = 3000
	total := int64(0)
	for i := range count {
		data := filler(r, 200+r.IntN(8000))
		total += int64(len(data))
		writeFile(b, filepath.Join(dir, fmt.Sprintf("pkg%d/%d/file%d.js", i/100, i/10, i)), data)
	}
	b.SetBytes(total)
	b.ReportAllocs()
	for b.Loop() {
		if _, sum := scanAll(b, 0, Folder(dir)); sum.Files != count || sum.Skipped != 0 {
			b.Fatal(sum)
		}
	}
	b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "files/s")
}
