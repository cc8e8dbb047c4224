package gitdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// writeStack makes a repository whose references are the given tables, oldest
// first, without a git that can.
func writeStack(t testing.TB, tables ...tableSpec) string {
	t.Helper()
	dir := filepath.Join(tempDir(t), "repo")
	initRepo(t, dir, "--object-format="+tables[0].format.String())
	git(t, dir, "config", "core.repositoryformatversion", "1")
	gitDir := filepath.Join(dir, ".git")
	write(t, filepath.Join(gitDir, "config"), "[core]\nrepositoryformatversion = 1\n[extensions]\nrefstorage = reftable\nobjectformat = "+tables[0].format.String()+"\n")
	if err := os.RemoveAll(filepath.Join(gitDir, "refs")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(gitDir, "refs", "heads"), "this repository uses the reftable format\n")
	write(t, filepath.Join(gitDir, "HEAD"), "ref: refs/heads/.invalid\n")
	list := ""
	for i, s := range tables {
		name := fmt.Sprintf("0x%012x-0x%012x-%08x.ref", i+1, i+1, i)
		write(t, filepath.Join(gitDir, "reftable", name), string(s.write().data))
		list += name + "\n"
	}
	write(t, filepath.Join(gitDir, "reftable", "tables.list"), list)
	return dir
}

func stackSample(f oid.Format) (older, newer tableSpec) {
	older = tableSpec{format: f, version: 2, restart: 2, refs: []tableRecord{
		{ref: Ref{Name: "HEAD", Symbolic: "refs/heads/main"}},
		{ref: Ref{Name: "ORIG_HEAD", Target: sampleID(f, 1)}},
		{ref: Ref{Name: "refs/heads/gone", Target: sampleID(f, 2)}},
		{ref: Ref{Name: "refs/heads/main", Target: sampleID(f, 3)}},
		{ref: Ref{Name: "refs/tags/v1", Target: sampleID(f, 4), Peeled: sampleID(f, 5)}},
	}}
	newer = tableSpec{format: f, version: 2, restart: 2, refs: []tableRecord{
		{ref: Ref{Name: "refs/heads/gone"}, deleted: true},
		{ref: Ref{Name: "refs/heads/main", Target: sampleID(f, 6)}},
		{ref: Ref{Name: "refs/heads/new", Target: sampleID(f, 7)}},
	}}
	return older, newer
}

func TestStackNewestTableWins(t *testing.T) {
	for _, f := range []oid.Format{oid.SHA1, oid.SHA256} {
		older, newer := stackSample(f)
		dir := writeStack(t, older, newer)
		r := discover(t, dir, Env{})
		if r.RefStorage != RefTable || r.Format != f {
			t.Errorf("Discover = %+v", r)
		}
		refs, bad := r.Refs()
		want := []Ref{
			{Name: "HEAD", Symbolic: "refs/heads/main", Target: sampleID(f, 6)},
			{Name: "ORIG_HEAD", Target: sampleID(f, 1)},
			{Name: "refs/heads/main", Target: sampleID(f, 6)},
			{Name: "refs/heads/new", Target: sampleID(f, 7)},
			{Name: "refs/tags/v1", Target: sampleID(f, 4), Peeled: sampleID(f, 5)},
		}
		if !slices.Equal(refs, want) || len(bad) > 0 {
			t.Errorf("Refs() = %v, %v, want %v", refs, bad, want)
		}
		if head, err := r.Head(); err != nil || head != want[0] {
			t.Errorf("Head() = %+v, %v", head, err)
		}
		if id, err := r.ResolveRevision("v1"); err != nil || id != want[4].Target {
			t.Errorf("ResolveRevision(v1) = %v, %v", id, err)
		}
		if _, err := r.ResolveRevision("gone"); !errors.Is(err, ErrUnknownRevision) {
			t.Errorf("ResolveRevision(gone) = %v", err)
		}
	}
}

func TestStackDamageIsAProblem(t *testing.T) {
	older, newer := stackSample(oid.SHA1)
	dir := writeStack(t, older, newer)
	r := discover(t, dir, Env{})
	tables := filepath.Join(dir, ".git", "reftable")
	list, err := os.ReadFile(filepath.Join(tables, "tables.list"))
	if err != nil {
		t.Fatal(err)
	}
	newest := strings.Fields(string(list))[1]
	write(t, filepath.Join(tables, newest), "REFT but no more")
	refs, bad := r.Refs()
	if len(bad) != 1 || filepath.Base(bad[0].Path) != newest {
		t.Errorf("Refs() problems = %v, want one with %s", bad, newest)
	}
	if ref, _ := find(refs, "", "refs/tags/v1"); ref.Target.IsZero() {
		t.Errorf("the good table was not read: %v", refs)
	}
	if _, err := r.Head(); err == nil {
		t.Errorf("Head() = nil error, though a newer table may hold another value")
	}
	for _, tt := range []struct {
		list string
		want error
	}{
		{"gone.ref\n", errTableGone},
		{"../../../etc/passwd\n", errTableList},
		{"..\n", errTableList},
		{"a\x00b\n", errTableList},
		{strings.Repeat("x", 256), errTableList},
		{strings.Repeat("a\n", maxTables+1), errTooManyTables},
		{strings.Repeat("\n", maxTableList+1), errTooLarge},
	} {
		write(t, filepath.Join(tables, "tables.list"), tt.list)
		if refs, bad := r.Refs(); len(bad) != 1 || !errors.Is(bad[0], tt.want) {
			t.Errorf("Refs() with list %.40q = %v, %v, want %v", tt.list, refs, bad, tt.want)
		}
		n := 0
		for _, err := range r.Reflogs() {
			if n++; !errors.Is(err, tt.want) {
				t.Errorf("Reflogs() with list %.40q = %v, want %v", tt.list, err, tt.want)
			}
		}
		if n != 1 {
			t.Errorf("Reflogs() with list %.40q gave %d results, want 1", tt.list, n)
		}
	}
	if err := os.Remove(filepath.Join(tables, "tables.list")); err != nil {
		t.Fatal(err)
	}
	if _, bad := r.Refs(); len(bad) != 1 {
		t.Errorf("Refs() without a list: %v, want one problem", bad)
	}
}

// A table of a few kilobytes may not turn into gigabytes of names.
func TestTableNamesCannotMultiply(t *testing.T) {
	s := tableSpec{format: oid.SHA1, version: 1, blockSize: 1 << 20, restart: 1 << 15}
	prefix := "refs/" + strings.Repeat("n", maxName-20)
	for i := range 20000 {
		s.refs = append(s.refs, tableRecord{ref: Ref{Name: fmt.Sprintf("%s%06d", prefix, i), Target: sampleID(oid.SHA1, i)}})
	}
	dir := writeStack(t, s)
	rd := refReader{repo: discover(t, dir, Env{}), budget: &budget{refs: maxRefs, nameBytes: 1 << 20}}
	entries := rd.stack(view{dir: filepath.Join(dir, ".git"), shared: true})
	if bad := rd.problems.all(); len(entries) != (1<<20)/(maxName-9) || len(bad) != 1 || !errors.Is(bad[0], errTooManyRefs) {
		t.Errorf("stack = %d entries, %v, want it to stop at the budget", len(entries), bad)
	}
}

func TestRefsOfGitsOwnReftables(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		dir := filepath.Join(tempDir(t), "repo")
		refStorageRepo(t, dir, RefTable, "--object-format="+format)
		git(t, dir, "tag", "-m", "note", "noted")
		head := git(t, dir, "rev-parse", "HEAD")
		for _, size := range []string{"256", "4096", "65536"} {
			git(t, dir, "config", "reftable.blockSize", size)
			for i := range 5 {
				git(t, dir, "update-ref", fmt.Sprintf("refs/heads/s%s/one%d", size, i), head)
			}
			var in strings.Builder
			for i := range 2000 {
				fmt.Fprintf(&in, "create refs/heads/many%s/%d %s\n", size, i*7919%2000, head)
			}
			path := filepath.Join(dir, "stdin")
			write(t, path, in.String())
			git(t, dir, "-c", "alias.feed=!git update-ref --stdin <"+path, "feed")
			git(t, dir, "update-ref", "-d", fmt.Sprintf("refs/heads/many%s/5", size))
			wantRefs(t, dir)
			git(t, dir, "pack-refs", "--all")
			wantRefs(t, dir)
		}
		if lines := readLogs(t, discover(t, dir, Env{})); len(lines) < 6000 {
			t.Errorf("Reflogs() = %d lines, want those of 6000 branches", len(lines))
		}
	}
}

func TestReflogsOfAStackAreRead(t *testing.T) {
	older, newer := stackSample(oid.SHA1)
	older.logs = sampleLogs(oid.SHA1)
	newer.logs = []tableLog{{ref: "refs/heads/later", index: 10, old: sampleID(oid.SHA1, 1), to: sampleID(oid.SHA1, 2), message: "last"}}
	dir := writeStack(t, older, newer)
	lines := readLogs(t, discover(t, dir, Env{}))
	if len(lines) != 10 || lines[9].ref != "refs/heads/later" || lines[9].message != "last" || lines[9].old != sampleID(oid.SHA1, 1).String() {
		t.Errorf("Reflogs() = %v, want nine older entries and a last one", lines)
	}
	n := 0
	for range discover(t, dir, Env{}).Reflogs() {
		if n++; n == 3 {
			break
		}
	}
	for _, name := range tableFiles(t, dir) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, name, string(data[:len(data)-1]))
	}
	bad := 0
	for e, err := range discover(t, dir, Env{}).Reflogs() {
		if err == nil {
			t.Errorf("Reflogs() of cut tables gave %+v", e)
		}
		bad++
	}
	if bad != 2 {
		t.Errorf("Reflogs() of two cut tables gave %d problems", bad)
	}
}

func tableFiles(t testing.TB, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, ".git", "reftable", "*.ref"))
	if err != nil || len(list) == 0 {
		t.Fatalf("no tables in %s: %v", dir, err)
	}
	return list
}

// A stack, or loose files, may lie outside the repository.
func TestRefStorageWithAPlaceOfItsOwn(t *testing.T) {
	older, newer := stackSample(oid.SHA1)
	dir := writeStack(t, older, newer)
	gitDir, away := filepath.Join(dir, ".git"), filepath.Join(filepath.Dir(dir), "away")
	mkdir(t, away)
	if err := os.Rename(filepath.Join(gitDir, "reftable"), filepath.Join(away, "reftable")); err != nil {
		t.Fatal(err)
	}
	if _, bad := discover(t, dir, Env{}).Refs(); len(bad) == 0 {
		t.Errorf("Refs() without its stack has no problem")
	}
	for _, place := range []string{"reftable://" + away, "reftable://../../away"} {
		r := discover(t, dir, Env{RefBackend: place})
		if refs, bad := r.Refs(); len(refs) != 5 || len(bad) > 0 {
			t.Errorf("Refs() from %s = %v, %v", place, refs, bad)
		}
	}
	write(t, filepath.Join(away, "refs", "heads", "main"), sampleID(oid.SHA1, 8).String())
	write(t, filepath.Join(away, "HEAD"), "ref: refs/heads/main\n")
	if head, err := discover(t, dir, Env{RefBackend: "files://" + away}).Head(); err != nil || head.Target != sampleID(oid.SHA1, 8) {
		t.Errorf("Head() from files elsewhere = %+v, %v", head, err)
	}
	if _, err := Discover(dir, Env{RefBackend: "lmdb://x"}); !errors.Is(err, ErrFormat) {
		t.Errorf("Discover with an unknown backend = %v, want %v", err, ErrFormat)
	}
}
