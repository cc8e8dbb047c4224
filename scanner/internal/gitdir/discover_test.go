package gitdir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// wantLikeGit holds one discovery against git's own in the same place and
// environment.
func wantLikeGit(t *testing.T, path string, env Env) *Repo {
	t.Helper()
	var vars []string
	for name, v := range map[string]string{
		"GIT_DIR": env.GitDir, "GIT_WORK_TREE": env.WorkTree, "GIT_COMMON_DIR": env.CommonDir,
		"GIT_OBJECT_DIRECTORY": env.ObjectDir, "GIT_INDEX_FILE": env.IndexFile,
		"GIT_CEILING_DIRECTORIES": env.CeilingDirs, "GIT_IMPLICIT_WORK_TREE": env.ImplicitWorkTree,
	} {
		if v != "" {
			vars = append(vars, name+"="+v)
		}
	}
	ask := func(args ...string) (string, error) {
		return runGit(t, path, vars, append([]string{"rev-parse"}, args...)...)
	}
	r, err := Discover(path, env)
	want, gitErr := ask("--absolute-git-dir")
	if gitErr != nil || err != nil {
		if gitErr == nil || err == nil {
			t.Errorf("Discover(%q, %+v) error = %v, git's %v", path, env, err, gitErr)
		}
		return nil
	}
	if r.GitDir != realPath(want) {
		t.Errorf("Discover(%q, %+v).GitDir = %q, want %q", path, env, r.GitDir, want)
	}
	for _, part := range []struct{ what, got, arg string }{
		{"CommonDir", r.CommonDir, "--git-common-dir"},
		{"WorkTree", r.WorkTree, "--show-toplevel"},
		{"ObjectDir", r.ObjectDir, "objects"},
		{"IndexFile", r.IndexFile, "index"},
	} {
		args := []string{"--path-format=absolute", part.arg}
		if part.arg[0] != '-' {
			args = []string{"--path-format=absolute", "--git-path", part.arg}
		}
		want, err := ask(args...)
		if err != nil {
			want = "" // no work tree
		} else {
			want = realPath(want)
		}
		if part.got != want {
			t.Errorf("Discover(%q, %+v).%s = %q, want %q", path, env, part.what, part.got, want)
		}
	}
	return r
}

func TestDiscoverFindsWhatGitFinds(t *testing.T) {
	top := tempDir(t)
	repo := filepath.Join(top, "repo")
	initRepo(t, repo)
	sub := mkdir(t, filepath.Join(repo, "a", "b"))
	git(t, repo, "worktree", "add", "-q", "../linked", "-b", "side")
	mkdir(t, filepath.Join(top, "linked", "deep"))
	bare := filepath.Join(top, "bare.git")
	initRepo(t, bare, "--bare")
	git(t, repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", repo, "module")
	git(t, top, "init", "-q", "-b", "main", "--separate-git-dir", filepath.Join(top, "apart.git"), filepath.Join(top, "apart"))
	if err := os.Symlink(repo, filepath.Join(top, "alias")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(repo, ".git"), filepath.Join(mkdir(t, filepath.Join(top, "tolink")), ".git")); err != nil {
		t.Fatal(err)
	}
	elsewhere := mkdir(t, filepath.Join(top, "elsewhere"))
	placed := filepath.Join(top, "placed")
	initRepo(t, placed)
	git(t, placed, "config", "core.worktree", "../../elsewhere")
	noversion := filepath.Join(top, "noversion")
	initRepo(t, noversion)
	write(t, filepath.Join(noversion, ".git", "config"), "[core]\n\tbare = true\n")
	barewt := filepath.Join(top, "barewt")
	initRepo(t, barewt)
	git(t, barewt, "config", "core.bare", "true")
	git(t, barewt, "worktree", "add", "-q", "../frombare", "-b", "w")
	gitDir := filepath.Join(repo, ".git")
	for _, tt := range []struct {
		path string
		env  Env
	}{
		{repo, Env{}},
		{sub, Env{}},
		{gitDir, Env{}},
		{filepath.Join(gitDir, "refs", "heads"), Env{}},
		{bare, Env{}},
		{filepath.Join(bare, "objects"), Env{}},
		{filepath.Join(top, "linked"), Env{}},
		{filepath.Join(top, "linked", "deep"), Env{}},
		{filepath.Join(gitDir, "worktrees", "linked"), Env{}},
		{filepath.Join(repo, "module"), Env{}},
		{filepath.Join(gitDir, "modules", "module"), Env{}},
		{filepath.Join(top, "apart"), Env{}},
		{filepath.Join(top, "apart.git"), Env{}},
		{filepath.Join(top, "alias", "a"), Env{}},
		{filepath.Join(top, "tolink"), Env{}},
		{placed, Env{}},
		{filepath.Join(placed, ".git"), Env{}},
		{elsewhere, Env{}},
		{noversion, Env{}},
		{barewt, Env{}},
		{filepath.Join(top, "frombare"), Env{}},
		{elsewhere, Env{GitDir: gitDir}},
		{elsewhere, Env{GitDir: "../repo/.git"}},
		{elsewhere, Env{GitDir: gitDir, ImplicitWorkTree: "0"}},
		{elsewhere, Env{GitDir: gitDir, WorkTree: "../placed"}},
		{elsewhere, Env{GitDir: bare}},
		{elsewhere, Env{GitDir: filepath.Join(top, "linked", ".git")}},
		{elsewhere, Env{GitDir: filepath.Join(placed, ".git")}},
		{elsewhere, Env{GitDir: filepath.Join(top, "nothing")}},
		{elsewhere, Env{GitDir: repo}},
		{sub, Env{WorkTree: elsewhere}},
		{bare, Env{WorkTree: elsewhere}},
		{repo, Env{ObjectDir: filepath.Join(bare, "objects")}},
		{repo, Env{ObjectDir: "nowhere"}},
		{repo, Env{IndexFile: "other-index"}},
		{sub, Env{IndexFile: "other-index"}},
		{elsewhere, Env{GitDir: gitDir, IndexFile: "other-index"}},
		{bare, Env{IndexFile: "other-index"}},
		{sub, Env{ObjectDir: "../../../bare.git/objects"}},
		{elsewhere, Env{GitDir: filepath.Join(gitDir, "worktrees", "linked"), CommonDir: gitDir}},
		{elsewhere, Env{GitDir: gitDir, CommonDir: "../bare.git"}},
		{sub, Env{CeilingDirs: repo}},
		{sub, Env{CeilingDirs: top}},
		{sub, Env{CeilingDirs: sub}},
		{repo, Env{CeilingDirs: repo}},
		{sub, Env{CeilingDirs: "repo:" + repo + "/x:" + repo + "/"}},
		{filepath.Join(top, "alias", "a", "b"), Env{CeilingDirs: filepath.Join(top, "alias")}},
		{filepath.Join(top, "alias", "a", "b"), Env{CeilingDirs: ":" + filepath.Join(top, "alias")}},
	} {
		wantLikeGit(t, tt.path, tt.env)
	}
}

func TestDiscoverReadsFormat(t *testing.T) {
	top := tempDir(t)
	for _, want := range []oid.Format{oid.SHA1, oid.SHA256} {
		dir := filepath.Join(top, want.String())
		initRepo(t, dir, "--object-format="+want.String())
		r := discover(t, dir, Env{})
		if r.Format != want || r.RefStorage != RefFiles || r.Promisor {
			t.Errorf("Discover(%s) = %+v, want format %v", dir, r, want)
		}
	}
	dir := filepath.Join(top, "sha1")
	git(t, dir, "config", "remote.origin.promisor", "true")
	if r := discover(t, dir, Env{}); !r.Promisor {
		t.Errorf("Discover of a partial clone: Promisor = false")
	}
}

// Each text is appended to the configuration of version 1, except those that
// begin a version of their own.
func TestDiscoverRefusesTheFormatsGitRefuses(t *testing.T) {
	dir := filepath.Join(tempDir(t), "repo")
	initRepo(t, dir)
	for _, tt := range []struct {
		config string
		want   error // nil: accepted
	}{
		{"[extensions]\n", nil},
		{"[extensions]\nnoop\n", nil},
		{"[Extensions]\nNoOp-V1 = x\n", nil},
		{"[extensions]\npreciousObjects = yes\n", nil},
		{"[extensions]\npartialClone = origin\n", nil},
		{"[extensions]\nworktreeConfig = true\n", nil},
		{"[extensions]\nobjectFormat = sha1\n", nil},
		{"[extensions]\nobjectFormat = SHA1\n", ErrFormat},
		{"[extensions]\nobjectFormat = sha512\n", ErrFormat},
		{"[extensions]\nobjectFormat\n", errNoValue},
		{"[extensions]\nworktreeConfig = perhaps\n", errNotBool},
		{"[extensions]\nmadeUp = 1\n", ErrFormat},
		{"[extensions \"objectformat\"]\nx = 1\n", ErrFormat},
		{"[core]\nrepositoryformatversion = 2\n", ErrFormat},
		{"[core]\nrepositoryformatversion = 0\n", nil},
		{"[core]\nrepositoryformatversion = 0\n[extensions]\nmadeUp = 1\n", nil},
		{"[core]\nrepositoryformatversion = 0\n[extensions]\nobjectFormat = sha1\n", ErrFormat},
		{"[core]\nrepositoryformatversion = one\n", errNotNumber},
		{"[core]\nrepositoryformatversion = 1k\n", ErrFormat},
		{"[core]\nrepositoryformatversion\n", errNoValue},
		{"[core]\nrepositoryformatversion = 0x1\n[extensions]\nmadeUp = 1\n", ErrFormat},
		{"[core]\nrepositoryformatversion = -1\n[extensions]\nmadeUp = 1\n", nil},
		{"[core]\nbare = perhaps\n", errNotBool},
		{"[core\n", errSyntax},
		{"x\n=", errSyntax},
	} {
		write(t, filepath.Join(dir, ".git", "config"), "[core]\nrepositoryformatversion = 1\n"+tt.config)
		_, err := Discover(dir, Env{})
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("Discover with %q = %v, want %v", tt.config, err, tt.want)
		}
		if _, gitErr := runGit(t, dir, nil, "rev-parse", "--git-dir"); (gitErr == nil) != (err == nil) {
			t.Errorf("Discover with %q = %v, git says %v", tt.config, err, gitErr)
		}
	}
}

// The git of older systems knows none of these.
func TestDiscoverKnowsNewExtensions(t *testing.T) {
	dir := filepath.Join(tempDir(t), "repo")
	initRepo(t, dir)
	for config, want := range map[string]error{
		"relativeWorktrees = true":                                    nil,
		"compatObjectFormat = sha256":                                 nil,
		"compatObjectFormat = sha256\ncompatObjectFormat = sha256":    errAny,
		"compatObjectFormat = md5":                                    ErrFormat,
		"refStorage = files":                                          nil,
		"refStorage = reftable":                                       nil,
		"refStorage = lmdb":                                           ErrFormat,
		"refStorage":                                                  errNoValue,
		"submodulePathConfig = true":                                  nil,
		"refStorage = reftable\nworktreeConfig\npreciousObjects = no": nil,
	} {
		write(t, filepath.Join(dir, ".git", "config"), "[core]\nrepositoryformatversion = 1\n[extensions]\n"+config+"\n")
		r, err := Discover(dir, Env{})
		if (err == nil) != (want == nil) || want != errAny && !errors.Is(err, want) {
			t.Errorf("Discover with %q = %v, want %v", config, err, want)
		}
		if err == nil && (r.RefStorage == RefTable) != strings.Contains(config, "reftable") {
			t.Errorf("Discover with %q: RefStorage = %q", config, r.RefStorage)
		}
	}
}

var errAny = errors.New("any error")

func TestDiscoverReadsWorktreeConfig(t *testing.T) {
	top := tempDir(t)
	dir := filepath.Join(top, "repo")
	initRepo(t, dir)
	git(t, dir, "worktree", "add", "-q", "../linked")
	git(t, dir, "config", "extensions.worktreeConfig", "true")
	git(t, dir, "config", "--worktree", "core.bare", "true")
	mkdir(t, filepath.Join(top, "moved"))
	git(t, filepath.Join(top, "linked"), "config", "--worktree", "core.worktree", filepath.Join(top, "moved"))
	if r := wantLikeGit(t, dir, Env{}); r != nil && r.WorkTree != "" {
		t.Errorf("WorkTree = %q, want none", r.WorkTree)
	}
	wantLikeGit(t, filepath.Join(top, "linked"), Env{})
}

func TestDiscoverNamesWhatIsWrong(t *testing.T) {
	top := tempDir(t)
	file := filepath.Join(top, "file")
	write(t, file, "x")
	repo := filepath.Join(top, "repo")
	initRepo(t, repo)
	with := func(name, dotGit string) string {
		dir := filepath.Join(top, name)
		write(t, filepath.Join(dir, ".git"), dotGit)
		return dir
	}
	broken := filepath.Join(top, "broken")
	initRepo(t, broken)
	if err := os.RemoveAll(filepath.Join(broken, ".git", "objects")); err != nil {
		t.Fatal(err)
	}
	pipe := mkdir(t, filepath.Join(top, "pipe"))
	if err := syscall.Mkfifo(filepath.Join(pipe, ".git"), 0o644); err != nil {
		t.Fatal(err)
	}
	pipeHead := filepath.Join(top, "pipehead")
	initRepo(t, pipeHead)
	if err := os.Remove(filepath.Join(pipeHead, ".git", "HEAD")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(pipeHead, ".git", "HEAD"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := Env{CeilingDirs: top}
	for _, tt := range []struct {
		path string
		want error
	}{
		{filepath.Join(top, "missing"), fs.ErrNotExist},
		{file, ErrNotDirectory},
		{mkdir(t, filepath.Join(top, "empty")), ErrNotRepository},
		{broken, ErrNotRepository},
		{pipe, errNotRegular},
		{pipeHead, ErrNotRepository},
		{with("self", "gitdir: .git"), ErrNotRepository},
		{with("gone", "gitdir: ../nothing"), ErrNotRepository},
		{with("chain", "gitdir: ../ring/.git"), ErrNotRepository},
		{with("ring", "gitdir: ../chain/.git"), ErrNotRepository},
		{with("odd", "something else"), ErrNotRepository},
		{with("bare", "gitdir: "), ErrNotRepository},
		{with("nul", "gitdir: \x00"), ErrNotRepository},
		{with("long", "gitdir: "+strings.Repeat("a", maxGitFile)), errTooLarge},
		{with("longpath", "gitdir: "+strings.Repeat("a", 5000)), ErrNotRepository},
		{with("good", "gitdir: ../repo/.git\r\n"), nil},
		{with("absolute", "gitdir: "+filepath.Join(repo, ".git")), nil},
	} {
		_, err := Discover(tt.path, env)
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("Discover(%q) = %v, want %v", tt.path, err, tt.want)
		}
		if err == nil || !errors.Is(err, ErrNotRepository) {
			continue
		}
		if h, ok := errors.AsType[interface {
			error
			Hint() string
		}](err); !ok || h.Hint() == "" {
			t.Errorf("Discover(%q) error %v has no hint", tt.path, err)
		}
	}
}

func TestDiscoverKnowsEveryFormOfHead(t *testing.T) {
	dir := filepath.Join(tempDir(t), "repo")
	initRepo(t, dir)
	head := filepath.Join(dir, ".git", "HEAD")
	id := git(t, dir, "rev-parse", "HEAD")
	for _, text := range []string{"ref: refs/heads/main\n", "ref:refs/x", "ref: \t refs/x\n", id + "\n", strings.Repeat(id, 2), "ref: heads/x\n", "refs/heads/main", id[:39], "", "\x00"} {
		write(t, head, text)
		_, gitErr := runGit(t, dir, []string{"GIT_CEILING_DIRECTORIES=" + filepath.Dir(dir)}, "rev-parse", "--git-dir")
		if _, err := Discover(dir, Env{CeilingDirs: filepath.Dir(dir)}); (err == nil) != (gitErr == nil) {
			t.Errorf("Discover with HEAD %q = %v, git says %v", text, err, gitErr)
		}
	}
	for target, want := range map[string]bool{"refs/heads/main": true, "heads/main": false, "/dev/zero": false} {
		if err := os.Remove(head); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, head); err != nil {
			t.Fatal(err)
		}
		r, err := Discover(dir, Env{CeilingDirs: filepath.Dir(dir)})
		if (err == nil) != want {
			t.Errorf("Discover with HEAD linked to %q = %v", target, err)
		} else if want {
			if h, err := r.Head(); err != nil || h.Symbolic != target || h.Target.String() != id {
				t.Errorf("Head() of a link = %+v, %v", h, err)
			}
		}
	}
}

func TestDiscoverReadsTheEnvironment(t *testing.T) {
	dir := filepath.Join(tempDir(t), "repo")
	initRepo(t, dir)
	env := EnvFrom(func(name string) string {
		return map[string]string{"GIT_DIR": dir + "/.git", "GIT_INDEX_FILE": "/i"}[name]
	})
	if r := discover(t, filepath.Dir(dir), env); r.GitDir != dir+"/.git" || r.IndexFile != "/i" {
		t.Errorf("Discover with %+v = %+v", env, r)
	}
	names := map[string]bool{}
	EnvFrom(func(name string) string { names[name] = true; return "" })
	if len(names) != reflect.TypeFor[Env]().NumField() {
		t.Errorf("EnvFrom reads %v, want a name for each field", names)
	}
	for _, env := range []Env{{AcrossFilesystems: "perhaps"}, {ImplicitWorkTree: "perhaps"}} {
		if _, err := Discover(dir, env); !errors.Is(err, errNotBool) {
			t.Errorf("Discover with %+v = %v, want %v", env, err, errNotBool)
		}
	}
	if _, err := Discover(dir, Env{AcrossFilesystems: "1"}); err != nil {
		t.Errorf("Discover across file systems: %v", err)
	}
}

func TestDiscoverSplitsAlternates(t *testing.T) {
	dir := filepath.Join(tempDir(t), "repo")
	initRepo(t, dir)
	list := `/a/b:rel:#no:"/q\"\t:\101":"half:/end`
	r := discover(t, dir, Env{AlternateObjectDirs: list})
	want := []string{"/a/b", filepath.Join(dir, "rel"), "/q\"\t:A", filepath.Join(dir, `"half`), "/end"}
	if strings.Join(r.AlternateDirs, "|") != strings.Join(want, "|") {
		t.Errorf("AlternateDirs = %q, want %q", r.AlternateDirs, want)
	}
}

func FuzzGitFile(f *testing.F) {
	for _, s := range []string{"gitdir: ../x\n", "gitdir: /a\r\n\r\n", "gitdir: ", "gitdir:x", "", "gitdir: a\x00b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path, ok := parseGitFile(data)
		if ok && (path == "" || strings.ContainsRune(path, 0) || !strings.HasPrefix(string(data), "gitdir: "+path)) {
			t.Errorf("parseGitFile(%q) = %q", data, path)
		}
	})
}
