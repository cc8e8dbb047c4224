//go:build linux

package worktree

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openAll opens a tree in all ways of finding a path and of calling the system:
// by openat2 and, as on older kernels, element by element; by quick calls, as on
// file systems that are known, and by those that the scheduler is told of.
func openAll(t *testing.T, dir string, test func(t *testing.T, r *Reader)) {
	for _, name := range []string{"quick", "openat2", "stepwise"} {
		t.Run(name, func(t *testing.T) {
			tree, err := Open(dir, Options{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			tree.root.local = name == "quick"
			tree.root.stepwise.Store(name == "stepwise")
			r := tree.Reader()
			defer r.Close()
			test(t, r)
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadStaysInTheTree(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	write(t, filepath.Join(dir, "outside/file"), "secret")
	write(t, filepath.Join(root, "in/file"), "inside")
	write(t, filepath.Join(root, "in/ex\xffotic\n"), "odd")
	write(t, filepath.Join(root, "empty"), "")
	must(t, os.Symlink("../outside", filepath.Join(root, "out")))
	must(t, os.Symlink("in", filepath.Join(root, "inlink")))
	must(t, os.Symlink("/etc/passwd", filepath.Join(root, "in/abs")))
	must(t, os.Symlink("nowhere", filepath.Join(root, "dangling")))
	must(t, unix.Mkfifo(filepath.Join(root, "pipe"), 0o600))
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(t, err)
	defer unix.Close(sock)
	must(t, unix.Bind(sock, &unix.SockaddrUnix{Name: filepath.Join(root, "socket")}))
	openAll(t, root, func(t *testing.T, r *Reader) {
		for _, tt := range []struct {
			path, want string
			err        error
		}{
			{path: "in/file", want: "inside"},
			{path: "in/ex\xffotic\n", want: "odd"},
			{path: "empty", want: ""},
			{path: "out", want: "../outside"},
			{path: "in/abs", want: "/etc/passwd"},
			{path: "dangling", want: "nowhere"},
			{path: "pipe", err: ErrNotRegular},
			{path: "socket", err: ErrNotRegular},
			{path: "in", err: ErrNotRegular},
			{path: "gone", err: fs.ErrNotExist},
			{path: "gone/file", err: fs.ErrNotExist},
			{path: "out/file", err: nil},
			{path: "inlink/file", err: nil},
			{path: "", err: fs.ErrInvalid},
			{path: ".", err: fs.ErrInvalid},
			{path: "..", err: fs.ErrInvalid},
			{path: "../outside/file", err: fs.ErrInvalid},
			{path: "in/../in/file", err: fs.ErrInvalid},
			{path: "/etc/passwd", err: fs.ErrInvalid},
			{path: "in//file", err: fs.ErrInvalid},
			{path: "in/", err: fs.ErrInvalid},
			{path: "in/file\x00", err: fs.ErrInvalid},
		} {
			got, err := r.Read(tt.path, nil, 1000)
			if through := strings.HasPrefix(tt.path, "out/") || strings.HasPrefix(tt.path, "inlink/"); through {
				if err == nil {
					t.Errorf("Read(%q) = %q, want an error: a link is on the way", tt.path, got)
				}
				continue
			}
			if string(got) != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("Read(%q) = %q, %v, want %q, %v", tt.path, got, err, tt.want, tt.err)
			}
		}
	})
}

func TestReadKeepsToItsLimit(t *testing.T) {
	dir := t.TempDir()
	content := strings.Repeat("0123456789", 1000)
	write(t, filepath.Join(dir, "file"), content)
	must(t, os.Symlink("12345", filepath.Join(dir, "link")))
	tree, err := Open(dir, Options{Plain: true}, nil)
	must(t, err)
	defer tree.Close()
	r := tree.Reader()
	defer r.Close()
	for _, tt := range []struct {
		path  string
		limit int64
		err   error
	}{
		{"file", 10_000, nil},
		{"file", 9_999, ErrTooLarge},
		{"file", 0, ErrTooLarge},
		{"link", 5, nil},
		{"link", 4, ErrTooLarge},
	} {
		if got, err := r.Read(tt.path, nil, tt.limit); !errors.Is(err, tt.err) || err != nil && got != nil {
			t.Errorf("Read(%s, limit %d) = %d bytes, %v, want %v", tt.path, tt.limit, len(got), err, tt.err)
		}
	}
	buf := make([]byte, 5, 20_000)
	got, err := r.Read("file", buf, 10_000)
	if err != nil || string(got) != content || &got[0] != &buf[0] {
		t.Errorf("Read(file, large buffer) = %d bytes, %v, want all in the buffer", len(got), err)
	}
	// A file that grew since it was measured.
	if _, err := readAll(bytes.NewReader([]byte(content)), nil, 10, 9_999); !errors.Is(err, ErrTooLarge) {
		t.Errorf("readAll(growing file) error = %v, want %v", err, ErrTooLarge)
	}
	if got, err := readAll(bytes.NewReader([]byte(content)), nil, 10, 10_000); err != nil || string(got) != content {
		t.Errorf("readAll(growing file) = %d bytes, %v, want all", len(got), err)
	}
}

func TestOpenStreams(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/file"), "content")
	must(t, os.Symlink("file", filepath.Join(dir, "a/link")))
	openAll(t, dir, func(t *testing.T, r *Reader) {
		f, err := r.Open("a/file")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, err := io.ReadAll(f); err != nil || string(got) != "content" {
			t.Errorf("Open: read %q, %v, want %q", got, err, "content")
		}
		for _, path := range []string{"a/link", "a", "../x", ""} {
			if _, err := r.Open(path); err == nil {
				t.Errorf("Open(%q) gave no error", path)
			}
		}
	})
}
