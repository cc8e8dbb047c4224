//go:build linux

package worktree

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// generator makes work trees and ignore files out of few names, so that rules
// meet files often.
type generator struct {
	t   testing.TB
	rng *rand.Rand
}

var names = []string{
	"a", "b", "ab", "A", "a.o", "b.o", "c.txt", "a.b.o", ".o", ".env", "a b", "tail ", "#x", "!y",
	"[z]", "back\\slash", "star*", "q?", "\xff\xfe", "new\nline", "esc\x1b[0m", "a-b", "a0", "é",
}

func (g *generator) name() string { return names[g.rng.IntN(len(names))] }

func (g *generator) chance(percent int) bool { return g.rng.IntN(100) < percent }

// tree fills dir and returns the paths of the files, relative to root.
func (g *generator) tree(root, dir string, depth int) []string {
	var files []string
	full := filepath.Join(root, dir)
	if err := os.MkdirAll(full, 0o777); err != nil {
		g.t.Fatal(err)
	}
	if dir == "" || g.chance(30) {
		write(g.t, filepath.Join(full, ".gitignore"), g.rules())
		files = append(files, join(dir, ".gitignore"))
	}
	for range 1 + g.rng.IntN(6) {
		path := join(dir, g.name())
		full := filepath.Join(root, path)
		if _, err := os.Lstat(full); err == nil {
			continue
		}
		switch n := g.rng.IntN(20); {
		case n < 8 && depth > 0:
			files = append(files, g.tree(root, path, depth-1)...)
		case n == 8:
			g.check(os.Symlink([]string{"a", "/", "..", "nowhere", "b"}[g.rng.IntN(5)], full))
			files = append(files, path)
		case n == 9:
			g.check(unix.Mkfifo(full, 0o600))
		case n == 10 && depth > 0:
			newRepo(g.t, full)
			g.tree(root, path, depth-1)
			if g.chance(30) {
				write(g.t, filepath.Join(full, ".git/info/exclude"), g.rules())
			}
		case n == 11 && depth > 0:
			write(g.t, filepath.Join(full, ".git/HEAD"), "no repository at all")
			g.tree(root, path, depth-1)
		default:
			write(g.t, full, path)
			files = append(files, path)
		}
	}
	return files
}

func (g *generator) check(err error) {
	if err != nil {
		g.t.Fatal(err)
	}
}

// rules makes an ignore file.
func (g *generator) rules() string {
	var b strings.Builder
	if g.chance(10) {
		b.WriteString("\xef\xbb\xbf")
	}
	eol := "\n"
	if g.chance(15) {
		eol = "\r\n"
	}
	for range g.rng.IntN(6) {
		b.WriteString(g.rule())
		b.WriteString(eol)
	}
	if g.chance(20) {
		b.WriteString(g.rule()) // no line break at the end
	}
	return b.String()
}

func (g *generator) rule() string {
	if g.chance(5) {
		return []string{"", "# comment", "/", "//", "!", "\\", "**", "*", "!*", "/*", "/**", "**/"}[g.rng.IntN(12)]
	}
	var b strings.Builder
	if g.chance(25) {
		b.WriteByte('!')
	}
	if g.chance(20) {
		b.WriteByte('/')
	}
	for i := range 1 + g.rng.IntN(3)*g.rng.IntN(2) {
		if i > 0 {
			b.WriteByte('/')
		}
		if g.chance(20) {
			b.WriteString([]string{"**", "*", "***", "?"}[g.rng.IntN(4)])
			continue
		}
		b.WriteString(g.blur(g.name()))
	}
	if g.chance(25) {
		b.WriteByte('/')
	}
	if g.chance(10) {
		b.WriteString([]string{" ", "  ", "\\ ", "\t", "\\"}[g.rng.IntN(5)])
	}
	return b.String()
}

// blur puts wildcards in place of some bytes.
func (g *generator) blur(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch g.rng.IntN(12) {
		case 0:
			b.WriteByte('*')
		case 1:
			b.WriteByte('?')
		case 2:
			fmt.Fprintf(&b, "[%c-%c]", c, min(c+2, 255))
		case 3:
			b.WriteString([]string{"[!x]", "[^a]", "[[:alpha:]]", "[[:punct:][:space:]]", "[]a]", "[", "[a", "[[:no:]]"}[g.rng.IntN(8)])
		case 4:
			b.WriteByte('\\')
			b.WriteByte(c)
		case 5:
			b.WriteByte(c)
			if i > 0 && strings.ContainsAny(b.String(), "*?[\\") {
				b.WriteString("**")
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// TestWalkAgreesWithGit compares walks with git ls-files, on trees with ignore
// files of all kinds, tracked files, links, pipes and nested repositories.
func TestWalkAgreesWithGit(t *testing.T) {
	const trees = 300
	for seed := range trees {
		if testing.Short() && seed >= 40 {
			break
		}
		dir := t.TempDir()
		g := &generator{t, rand.New(rand.NewPCG(uint64(seed), 9))}
		r := newRepo(t, filepath.Join(dir, "tree"))
		files := g.tree(r.dir, "", 3)
		o := Options{Excludes: []string{filepath.Join(dir, "excludes")}, InfoExclude: filepath.Join(r.dir, ".git/info/exclude")}
		if g.chance(50) {
			write(t, o.Excludes[0], g.rules())
		}
		if g.chance(50) {
			write(t, o.InfoExclude, g.rules())
		}
		var tracked strings.Builder
		for _, f := range files {
			if g.chance(30) {
				tracked.WriteString(":(literal)" + f + "\x00")
			}
		}
		r.git(tracked.String(), "add", "-f", "--pathspec-from-file=-", "--pathspec-file-nul")
		o.Tracked = r.tracked()

		w := walk(t, r.dir, o)
		ok := diff(t, "visited", w.paths(nil), r.list(o.Excludes[0], "-c", "-o", "--exclude-standard"))
		ok = diff(t, "tracked", w.paths(func(f File) bool { return f.Tracked }), existing(r)) && ok
		o.Ignored = true
		all := walk(t, r.dir, o)
		ok = diff(t, "with ignored", all.paths(nil), r.list(o.Excludes[0], "-c", "-o")) && ok
		ok = diff(t, "labelled", all.paths(func(f File) bool { return !f.Ignored }), w.paths(nil)) && ok
		if len(w.skips) > 0 || len(all.skips) > 0 {
			t.Errorf("skipped %v and %v, want nothing", w.skips, all.skips)
		}
		if !ok || t.Failed() {
			out, _ := os.ReadFile(filepath.Join(r.dir, ".gitignore"))
			t.Fatalf("tree of seed %d differs; the first .gitignore is %q", seed, out)
		}
	}
}

// TestAllWaysOfCallingGiveTheSame lists and reads generated trees in all ways.
func TestAllWaysOfCallingGiveTheSame(t *testing.T) {
	for seed := range 20 {
		dir := t.TempDir()
		g := &generator{t, rand.New(rand.NewPCG(uint64(seed), 10))}
		for _, path := range g.tree(dir, "", 3) {
			if info, err := os.Lstat(filepath.Join(dir, path)); err == nil && info.Mode().IsRegular() && g.chance(20) {
				write(t, filepath.Join(dir, path), strings.Repeat(path, 1+g.rng.IntN(3*quickBytes/len(path))))
			}
		}
		write(t, filepath.Join(dir, strings.Repeat("n", maxName)), "a long name")
		all := map[string]string{}
		openAll(t, dir, func(t *testing.T, r *Reader) {
			var b strings.Builder
			for dirs := []Dir{r.tree.Root()}; len(dirs) > 0; {
				var l Listing
				r.List(dirs[0], &l, func(path string, err error) { fmt.Fprintf(&b, "skip %q: %v\n", path, err) })
				dirs = append(dirs[1:], l.Dirs...)
				for _, f := range l.Files {
					data, err := r.Read(f.Path, nil, 2*quickBytes)
					fmt.Fprintf(&b, "%+v %x %v\n", f, sha256.Sum256(data), err)
					if want, _ := os.ReadFile(filepath.Join(dir, f.Path)); err == nil && !f.Symlink && string(data) != string(want) {
						t.Errorf("Read(%q) = %d bytes, want %d", f.Path, len(data), len(want))
					}
				}
			}
			all[b.String()] = t.Name()
		})
		if len(all) != 1 {
			t.Fatalf("tree of seed %d comes out in %d ways: %v", seed, len(all), all)
		}
	}
}

// Another file system may be one that does not answer.
func TestQuickCallsStayOnTheirMount(t *testing.T) {
	tree, err := Open("/", Options{}, nil)
	must(t, err)
	defer tree.Close()
	tree.root.local = true
	for path, want := range map[string]bool{"": true, "proc": false, "proc/self/task": false} {
		f, err := tree.root.openFolder(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ELOOP) {
			continue
		}
		must(t, err)
		if f.quick != want {
			t.Errorf("openFolder(%q).quick = %t, want %t", path, f.quick, want)
		}
		f.close()
	}
}

// A call that copies much would keep everything else waiting.
func TestQuickCallsAreForSmallFiles(t *testing.T) {
	dir := t.TempDir()
	tree, err := Open(dir, Options{}, nil)
	must(t, err)
	defer tree.Close()
	for _, quick := range []bool{true, false} {
		for size, want := range map[int]bool{0: quick, quickBytes: quick, quickBytes + 1: false} {
			write(t, filepath.Join(dir, "file"), strings.Repeat("x", size))
			tree.root.local = quick
			d, err := tree.root.openFolder("")
			must(t, err)
			f, _, err := d.open("file")
			must(t, err)
			if f.quick != want {
				t.Errorf("open(%d bytes).quick = %t in a folder where it is %t, want %t", size, f.quick, quick, want)
			}
			must(t, f.Close())
			d.close()
		}
	}
}

func existing(r *repo) []string {
	var out []string
	for _, e := range r.tracked() {
		if _, err := os.Lstat(filepath.Join(r.dir, e.Path)); err == nil {
			out = append(out, e.Path)
		}
	}
	return out
}
