package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// problem is what could not be done, and what to do about it.
type problem struct {
	error
	hint string
}

func (p problem) Unwrap() error { return p.error }

// Hint is the next step.
func (p problem) Hint() string { return p.hint }

// cause is what went wrong with a file, without its name.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}

// gitProgram runs git. Nothing it is used for runs hooks, aliases or a pager.
type gitProgram struct {
	path string
	dir  string
	env  []string
	// version is of the program, as major*1000 + minor.
	version int
}

const (
	oldestGit   = 2026 // the first with git config --show-scope
	configHooks = 2054 // the first that runs hooks from its configuration
)

// gitPatience is longer than git needs for a question, also on a slow disk; a
// network file system that hangs must end in an error.
const gitPatience = 30 * time.Second

var errNoDir = errors.New("not a directory")

func newGit(ctx context.Context, o Options) (*gitProgram, error) {
	env := o.Env
	if env == nil {
		env = []string{}
	}
	if o.Dir != "" {
		info, err := os.Stat(o.Dir)
		if err == nil && !info.IsDir() {
			err = errNoDir
		}
		if err != nil {
			return nil, problem{fmt.Errorf("open %q: %w", o.Dir, cause(err)), "name the directory of a clone"}
		}
	}
	path, err := exec.LookPath("git")
	if err != nil {
		return nil, problem{fmt.Errorf("find git: %w", errors.Unwrap(err)), "install git, and have it on the PATH"}
	}
	g := &gitProgram{path: path, dir: o.Dir, env: quiet(env), version: o.gitVersion}
	if g.version != 0 {
		return g, nil
	}
	text, err := g.line(ctx, "version")
	if err != nil {
		return nil, problem{err, "see whether git version works here"}
	}
	if g.version, err = parseVersion(text); err == nil && g.version < oldestGit {
		err = fmt.Errorf("git %d.%d is too old: it does not say where a setting comes from", g.version/1000, g.version%1000)
	}
	if err != nil {
		return nil, problem{err, "install git 2.26 or newer"}
	}
	return g, nil
}

// quiet leaves out GIT_CONFIG, which only git config obeys, and has git ask and
// translate nothing.
func quiet(env []string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, "GIT_CONFIG=") })
	return append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0")
}

// parseVersion reads "git version 2.39.5 (of somebody)".
func parseVersion(text string) (int, error) {
	fields := strings.Split(strings.TrimPrefix(text, "git version "), ".")
	if len(fields) >= 2 {
		major, err1 := strconv.Atoi(fields[0])
		minor, err2 := strconv.Atoi(fields[1])
		if err1 == nil && err2 == nil && 0 <= minor && minor < 1000 {
			return major*1000 + minor, nil
		}
	}
	return 0, fmt.Errorf("git version says %.80q, which is not understood", text)
}

func (g *gitProgram) run(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.path, append([]string{"--no-pager"}, args...)...)
	var out, says bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = g.dir, g.env, &out, &says
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if first, _, _ := strings.Cut(strings.TrimSpace(says.String()), "\n"); first != "" {
			return nil, fmt.Errorf("git %s: %.500s: %w", args[0], strings.TrimPrefix(first, "fatal: "), err)
		}
		return nil, fmt.Errorf("git %s: %w", args[0], err)
	}
	return out.Bytes(), nil
}

// line is for commands that answer with one line, which may be a path with any
// byte in it.
func (g *gitProgram) line(ctx context.Context, args ...string) (string, error) {
	out, err := g.run(ctx, args...)
	return strings.TrimSuffix(string(out), "\n"), err
}

// setting is one value that git's configuration has for a name.
type setting struct{ scope, origin, value string }

// settings are all values of a name that are in force, the last of which counts.
func (g *gitProgram) settings(ctx context.Context, name string) ([]setting, error) {
	out, err := g.run(ctx, "config", "--null", "--show-scope", "--show-origin", "--get-all", name)
	if err = unlessUnset(err); err != nil {
		return nil, err
	}
	var list []setting
	f := strings.Split(string(out), "\x00")
	for ; len(f) > 3; f = f[3:] {
		list = append(list, setting{f[0], f[1], f[2]})
	}
	return list, nil
}

// values are those of one scope ("--local", "--global" and so on), as they are
// written there.
func (g *gitProgram) values(ctx context.Context, scope, name string, more ...string) ([]string, error) {
	out, err := g.run(ctx, append(append([]string{"config", scope, "--null"}, more...), "--get-all", name)...)
	if err = unlessUnset(err); err != nil || len(out) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), nil
}

// expanded is the last value of a scope, or of all when that is "", as git takes
// it for a path.
func (g *gitProgram) expanded(ctx context.Context, scope, name string) (value string, ok bool, err error) {
	args := []string{"config", "--null", "--type=path", "--get", name}
	if scope != "" {
		args = slices.Insert(args, 1, scope, "--includes")
	}
	out, err := g.run(ctx, args...)
	if err != nil {
		return "", false, unlessUnset(err)
	}
	return strings.TrimSuffix(string(out), "\x00"), true, nil
}

// unlessUnset: git config exits with 1 when there is no such value.
func unlessUnset(err error) error {
	if e, ok := errors.AsType[*exec.ExitError](err); ok && e.ExitCode() == 1 && len(e.Stderr) == 0 {
		return nil
	}
	return err
}

// set has a name have just these values in a scope; none unsets it.
func (g *gitProgram) set(ctx context.Context, scope, name string, values ...string) error {
	if len(values) == 0 {
		had, err := g.values(ctx, scope, name)
		if err == nil && len(had) > 0 {
			_, err = g.run(ctx, "config", scope, "--unset-all", name)
		}
		return configProblem(err)
	}
	_, err := g.run(ctx, "config", scope, "--replace-all", name, values[0])
	for _, v := range values[1:] {
		if err == nil {
			_, err = g.run(ctx, "config", scope, "--add", name, v)
		}
	}
	return configProblem(err)
}

func configProblem(err error) error {
	if err == nil {
		return nil
	}
	return problem{err, "see who may write that file, and whether git config --list works"}
}

// repository is where things lie. Paths are absolute.
type repository struct {
	gitDir, commonDir string
	root              string // of the work tree; "" without one
	bare              bool
}

func (g *gitProgram) repository(ctx context.Context) (*repository, error) {
	r := &repository{}
	var err error
	if r.gitDir, err = g.line(ctx, "rev-parse", "--absolute-git-dir"); err != nil {
		hint := "see whether git status works there"
		switch text := err.Error(); {
		case strings.Contains(text, "not a git repository"):
			hint = "run it inside a clone, or name one; keyquench hook install --global needs none"
		case strings.Contains(text, "dubious ownership"):
			hint = "run it as the owner of the repository, or see safe.directory in git help config"
		}
		return nil, problem{fmt.Errorf("open %q: %w", g.where(), err), hint}
	}
	if r.commonDir, err = g.line(ctx, "rev-parse", "--git-common-dir"); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(r.commonDir) {
		r.commonDir = filepath.Join(g.dir, r.commonDir)
	}
	if r.commonDir, err = filepath.Abs(r.commonDir); err != nil {
		return nil, err
	}
	answer, err := g.line(ctx, "rev-parse", "--is-bare-repository")
	if err != nil {
		return nil, err
	}
	if r.bare = answer == "true"; r.bare {
		return r, nil
	}
	// Inside the git directory there is no work tree to name.
	if answer, err = g.line(ctx, "rev-parse", "--is-inside-work-tree"); err != nil || answer != "true" {
		return r, err
	}
	r.root, err = g.line(ctx, "rev-parse", "--show-toplevel")
	return r, err
}

func (g *gitProgram) where() string {
	if g.dir == "" {
		return "."
	}
	return g.dir
}

// hooksDir is where git looks when no core.hooksPath says otherwise.
func (r *repository) hooksDir() string { return filepath.Join(r.commonDir, "hooks") }
