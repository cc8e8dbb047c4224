//go:build linux

package worktree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/index"
	"golang.org/x/sys/unix"
)

func TestPlainVisitsAllButStoredObjects(t *testing.T) {
	dir := t.TempDir()
	r := newRepo(t, filepath.Join(dir, "project"))
	write(t, filepath.Join(r.dir, ".gitignore"), "*\n")
	write(t, filepath.Join(r.dir, "kept"), "x")
	r.git("", "add", "-f", ".")
	r.git("", "commit", "-q", "-m", "x")
	r.git("", "gc", "-q")
	r.git("loose", "hash-object", "-w", "--stdin")
	write(t, filepath.Join(r.dir, ".git/objects/notes.txt"), "x")
	write(t, filepath.Join(r.dir, ".git/objects/ab/notes.txt"), "x")
	write(t, filepath.Join(r.dir, ".git/objects/pack/notes.txt"), "x")
	write(t, filepath.Join(dir, "objects/ab/"+strings.Repeat("0", 38)), "no repository here")
	must(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600))

	w := walk(t, dir, Options{Plain: true})
	got := w.paths(nil)
	for _, want := range []string{
		"project/.git/config", "project/.git/HEAD", "project/.git/index", "project/.gitignore", "project/kept",
		"project/.git/objects/notes.txt", "project/.git/objects/ab/notes.txt", "project/.git/objects/pack/notes.txt",
		"objects/ab/" + strings.Repeat("0", 38),
	} {
		if !slices.Contains(got, want) {
			t.Errorf("Walk(Plain) missed %q", want)
		}
	}
	stored := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(path, dir+"/")
		inStore := strings.HasPrefix(rel, "project/.git/objects/") && !strings.HasSuffix(rel, "notes.txt") &&
			!strings.Contains(rel, "/info/")
		if d.Type().IsRegular() && inStore {
			stored++
		}
		if d.Type().IsRegular() && inStore == slices.Contains(got, rel) {
			t.Errorf("Walk(Plain) visits %q: %v", rel, !inStore)
		}
		return err
	})
	if err != nil || stored < 3 || len(w.skips) > 0 {
		t.Errorf("%d stored files, want a pack, its index and a loose object; skips %v, error %v", stored, w.skips, err)
	}
}

func TestWalkTellsTrackedFilesAndLinks(t *testing.T) {
	r := newRepo(t, t.TempDir())
	write(t, filepath.Join(r.dir, "dir/file"), "x")
	must(t, os.Symlink("dir", filepath.Join(r.dir, "link")))
	r.git("", "add", ".")
	write(t, filepath.Join(r.dir, "new"), "x")
	want := []File{
		{Path: "dir/file", Tracked: true}, {Path: "link", Tracked: true, Symlink: true}, {Path: "new"},
	}
	if files := walk(t, r.dir, Options{Tracked: r.tracked()}).files; !slices.Equal(files, want) {
		t.Errorf("Walk gave %+v, want %+v", files, want)
	}
}

// A submodule below an ignored directory is tracked, and only its own rules hold
// in it: its .gitignore, and the info/exclude of its git directory elsewhere.
func TestWalkEntersSubmodules(t *testing.T) {
	r := newRepo(t, t.TempDir())
	sub := newRepo(t, filepath.Join(r.dir, "vendor/sub"))
	write(t, filepath.Join(sub.dir, ".gitignore"), "*.o\n")
	sub.git("", "add", ".")
	sub.git("", "commit", "-q", "-m", "x")
	r.git("", "submodule", "-q", "add", "-f", "./vendor/sub", "vendor/sub")
	r.git("", "submodule", "-q", "absorbgitdirs")
	if data, err := os.ReadFile(filepath.Join(sub.dir, ".git")); err != nil || !strings.HasPrefix(string(data), "gitdir: ../../") {
		t.Fatalf(".git of the submodule is %q, %v", data, err)
	}
	write(t, filepath.Join(r.dir, ".git/modules/vendor/sub/info/exclude"), "hidden\n")
	write(t, filepath.Join(r.dir, ".gitignore"), "vendor/\n*.log\n")
	for _, p := range []string{"sub/a.log", "sub/a.o", "sub/hidden", "sub/deep/b", "other/c", "d"} {
		write(t, filepath.Join(r.dir, "vendor", p), "x")
	}
	w := walk(t, r.dir, Options{Tracked: r.tracked()})
	diff(t, "visited", w.paths(nil), []string{
		".gitignore", ".gitmodules", "vendor/sub/.gitignore", "vendor/sub/a.log", "vendor/sub/deep/b",
	})
	diff(t, "git", w.paths(nil), r.list("/dev/null", "-c", "-o", "--exclude-standard"))
}

// In a sparse index nobody can tell which files below a directory entry are
// tracked, so none may be hidden.
func TestWalkTakesAllOfSparseDirectories(t *testing.T) {
	r := newRepo(t, t.TempDir())
	for _, p := range []string{"in/a", "out/b", "out/deep/c", "out-x/d"} {
		write(t, filepath.Join(r.dir, p), "x")
	}
	r.git("", "add", ".")
	r.git("", "commit", "-q", "-m", "x")
	r.git("", "sparse-checkout", "set", "--cone", "--sparse-index", "in")
	tracked := r.tracked()
	if !slices.Contains(tracked, index.Name{Path: "out/", Mode: index.ModeTree}) {
		t.Fatal("the index is not sparse")
	}
	write(t, filepath.Join(r.dir, ".gitignore"), "out/\nout-x/d\n.gitignore\n")
	write(t, filepath.Join(r.dir, "out/deep/c"), "is back")
	w := walk(t, r.dir, Options{Tracked: tracked})
	diff(t, "Walk(sparse)", w.paths(func(f File) bool { return f.Tracked }), []string{"in/a", "out/deep/c"})
	diff(t, "Walk(sparse)", w.paths(nil), []string{"in/a", "out/deep/c"})
}

func TestWalkNamesWhatItCannotRead(t *testing.T) {
	r := newRepo(t, t.TempDir())
	write(t, filepath.Join(r.dir, "now-a-pipe"), "x")
	write(t, filepath.Join(r.dir, "deleted"), "x")
	write(t, filepath.Join(r.dir, "conflict"), "x")
	r.git("", "add", ".")
	tracked := r.tracked()
	for _, p := range []string{"now-a-pipe", "deleted"} {
		must(t, os.Remove(filepath.Join(r.dir, p)))
	}
	must(t, unix.Mkfifo(filepath.Join(r.dir, "now-a-pipe"), 0o600))
	must(t, unix.Mkfifo(filepath.Join(r.dir, "untracked-pipe"), 0o600))
	write(t, filepath.Join(r.dir, "sub/.gitignore"), strings.Repeat("x\n", maxRulesBytes/2+1))
	write(t, filepath.Join(r.dir, "sub/x"), "x")
	write(t, filepath.Join(r.dir, "link/x.o"), "x")
	must(t, os.Symlink("../rules", filepath.Join(r.dir, "link/.gitignore")))
	write(t, filepath.Join(r.dir, "rules"), "*.o\n")
	nowhere := filepath.Join(r.dir, "rules/not/there")
	w := walk(t, r.dir, Options{Tracked: tracked, Excludes: []string{t.TempDir(), nowhere}, InfoExclude: t.TempDir()})
	diff(t, "visited", w.paths(nil), []string{"conflict", "link/.gitignore", "link/x.o", "rules", "sub/.gitignore", "sub/x"})
	if len(w.skips) != 3 || !errors.Is(w.skips["now-a-pipe"], ErrNotRegular) || !errors.Is(w.skips["sub/.gitignore"], ErrTooLarge) {
		t.Errorf("skips = %v, want the pipe, the ignore file and the directory given as one", w.skips)
	}
	if err := Walk(t.Context(), nowhere, Options{}, nil, nil); err == nil {
		t.Errorf("Walk(no directory) gave no error")
	}
}

// A directory that vanishes between its listing and its visit, and a directory
// that became a link to another place.
func TestListNamesWhatVanished(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "root/gone/x"), "x")
	write(t, filepath.Join(dir, "root/swapped/x"), "x")
	write(t, filepath.Join(dir, "outside/secret"), "x")
	openAll(t, filepath.Join(dir, "root"), func(t *testing.T, r *Reader) {
		must(t, os.MkdirAll(filepath.Join(dir, "root/gone"), 0o777))
		os.Remove(filepath.Join(dir, "root/swapped"))
		must(t, os.MkdirAll(filepath.Join(dir, "root/swapped"), 0o777))
		skips := map[string]error{}
		skip := func(path string, err error) { skips[path] = err }
		var root, l Listing
		r.List(r.tree.Root(), &root, skip)
		if len(root.Dirs) != 2 || root.Dirs[0].Path() != "gone" || len(skips) != 0 {
			t.Fatalf("List(root) = %+v, skips %v", root.Dirs, skips)
		}
		must(t, os.RemoveAll(filepath.Join(dir, "root/gone")))
		must(t, os.RemoveAll(filepath.Join(dir, "root/swapped")))
		must(t, os.Symlink("../outside", filepath.Join(dir, "root/swapped")))
		for _, d := range root.Dirs {
			r.List(d, &l, skip)
			if len(l.Files)+len(l.Dirs) != 0 {
				t.Errorf("List(%q) = %+v, want nothing", d.Path(), l.Files)
			}
		}
		if !errors.Is(skips["gone"], fs.ErrNotExist) || skips["swapped"] == nil {
			t.Errorf("skips = %v, want both directories", skips)
		}
	})
}

func TestWalkNamesUnreadableDirectories(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "closed/x"), "x")
	write(t, filepath.Join(dir, "open"), "x")
	must(t, os.Chmod(filepath.Join(dir, "closed"), 0))
	defer os.Chmod(filepath.Join(dir, "closed"), 0o700)
	if os.Geteuid() == 0 {
		// Root may read everything; this thread shall be somebody else.
		must(t, os.Chmod(dir, 0o755))
		must(t, os.Chmod(filepath.Dir(dir), 0o755))
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		must(t, unix.Setfsuid(65534))
		defer unix.Setfsuid(0)
	}
	w := walk(t, dir, Options{})
	diff(t, "visited", w.paths(nil), []string{"open"})
	if !errors.Is(w.skips["closed"], fs.ErrPermission) {
		t.Errorf("skips = %v, want the closed directory", w.skips)
	}
}

func TestWalkEndsInCircles(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/b/file"), "x")
	must(t, os.Mkdir(filepath.Join(dir, "a/b/again"), 0o777))
	again := filepath.Join(dir, "a/b/again")
	if err := unix.Mount(dir, again, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		t.Skipf("bind mount: %v", err)
	}
	defer unix.Unmount(again, unix.MNT_DETACH)
	w := walk(t, dir, Options{})
	diff(t, "visited", w.paths(nil), []string{"a/b/file"})
	if !errors.Is(w.skips["a/b/again"], ErrCycle) {
		t.Errorf("skips = %v, want a circle", w.skips)
	}
}

func TestWalkBoundsDepth(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_DIRECTORY, 0)
	must(t, err)
	for range maxDepth + 50 {
		must(t, unix.Mkdirat(fd, "d", 0o777))
		next, err := unix.Openat(fd, "d", unix.O_DIRECTORY, 0)
		must(t, err)
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
	if w := walk(t, dir, Options{}); len(w.files) != 0 || len(w.skips) != 1 {
		t.Errorf("Walk gave %d files and %d skips, want one skip", len(w.files), len(w.skips))
	}
	tree, err := Open(dir, Options{}, nil)
	must(t, err)
	defer tree.Close()
	var l Listing
	r := tree.Reader()
	r.List(Dir{depth: maxDepth + 1}, &l, func(_ string, err error) {
		if !errors.Is(err, ErrTooDeep) {
			t.Errorf("List error = %v, want %v", err, ErrTooDeep)
		}
	})
}

func TestWalkStopsWhenTold(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		write(t, filepath.Join(dir, fmt.Sprint(i), "file"), "x")
	}
	stop := errors.New("enough")
	n := 0
	err := Walk(t.Context(), dir, Options{}, func(File) error { n++; return stop }, nil)
	if err != stop || n != 1 {
		t.Errorf("Walk = %v after %d files, want the error after the first", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	err = Walk(ctx, dir, Options{}, func(File) error { n++; cancel(); return nil }, nil)
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("Walk = %v after %d files, want the end of ctx after the first", err, n)
	}
}

// Workers that list directories side by side find what Walk finds.
func TestListServesWorkers(t *testing.T) {
	r := newRepo(t, t.TempDir())
	for i := range 200 {
		write(t, filepath.Join(r.dir, fmt.Sprint(i%7), fmt.Sprint(i%11), fmt.Sprint(i)), "x")
		if i%5 == 0 {
			write(t, filepath.Join(r.dir, fmt.Sprint(i%7), fmt.Sprint(i%11), ".gitignore"), "*[24]\n")
		}
	}
	tree, err := Open(r.dir, Options{}, nil)
	must(t, err)
	defer tree.Close()
	var mu sync.Mutex
	var got []string
	var group sync.WaitGroup
	var list func(d Dir)
	list = func(d Dir) {
		var l Listing
		r := tree.Reader()
		defer r.Close()
		r.List(d, &l, func(path string, err error) { t.Errorf("skip(%q, %v)", path, err) })
		for _, d := range l.Dirs {
			group.Go(func() { list(d) })
		}
		mu.Lock()
		defer mu.Unlock()
		for _, f := range l.Files {
			got = append(got, f.Path)
		}
	}
	group.Go(func() { list(tree.Root()) })
	group.Wait()
	slices.Sort(got)
	diff(t, "List", got, walk(t, r.dir, Options{}).paths(nil))
}

func BenchmarkWalk(b *testing.B) {
	r := newRepo(b, b.TempDir())
	write(b, filepath.Join(r.dir, ".gitignore"), "*.o\n*.a\nbuild/\n/dist\n*~\n.cache\nlib*.so*\n**/gen/*.go\n!keep.o\n")
	const files = 5000
	for i := range files - 1 {
		write(b, filepath.Join(r.dir, fmt.Sprintf("dir%d/sub%d/file%d.go", i/500, i/25%20, i)), "x")
	}
	r.git("", "add", ".")
	o := Options{Tracked: r.tracked()}
	for name, o := range map[string]Options{"tracked": o, "untracked": {}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				err := Walk(b.Context(), r.dir, o, func(File) error { n++; return nil }, nil)
				if err != nil || n != files {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(files*b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}
