package hooks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Place is where hooks are installed.
type Place int

// The places.
const (
	Repository Place = iota // one repository
	Global                  // all repositories of a user
	Template                // what new repositories and clones begin with
)

// Options say what Install, Uninstall and Doctor are to work on.
type Options struct {
	Place Place
	// Dir is a directory of the repository; "" is the current one.
	Dir string
	// Server is for repositories that are pushed to: pre-receive instead of the
	// hooks of those who commit. A bare repository is one without being told.
	Server bool
	// Program is the absolute path of keyquench that scripts call.
	Program string
	// Env is the environment for git, which finds configuration by it. It is not
	// that of the process by itself: nil is an empty one.
	Env []string
	// Version is what this keyquench answers to --version; Doctor compares it.
	Version string
	// ConfigDir is keyquench's own directory among the user's configuration.
	ConfigDir string

	gitVersion int // instead of what git says, in tests
}

// Result says what was done, a line each, and what is good to know besides. Lines
// quote paths of the repository and must be cleaned before they are shown.
type Result struct {
	Done  []string
	Notes []string
}

func (r *Result) did(format string, args ...any) {
	r.Done = append(r.Done, fmt.Sprintf(format, args...))
}

func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// installer does one Install or Uninstall.
type installer struct {
	Options
	git *gitProgram
	Result
	script string // one that was installed
}

// Install puts hooks in place that call Program. What was there before runs
// first, with the hook's arguments and input, and its exit code is kept; Uninstall
// puts it back. To install again changes nothing, or mends what is broken; hooks
// for servers and for those who commit add to each other. An error with a Hint
// says what to do next; what was done until then is in the Result.
func Install(ctx context.Context, o Options) (Result, error) {
	if err := checkProgram(o.Program); err != nil {
		return Result{}, err
	}
	g, err := newGit(ctx, o)
	if err != nil {
		return Result{}, err
	}
	in := &installer{Options: o, git: g}
	switch o.Place {
	case Global:
		err = in.global(ctx)
	case Template:
		err = in.template(ctx)
	default:
		err = in.repository(ctx)
	}
	if err == nil && in.script != "" && !canRun(ctx, in.script) {
		err = problem{fmt.Errorf("%q is installed, but cannot be run there, so git will pass it over", in.script), "see whether its file system is mounted noexec (findmnt -T)"}
	}
	return in.Result, err
}

// checkProgram refuses what a script could not call later.
func checkProgram(path string) error {
	if !filepath.IsAbs(path) {
		return problem{fmt.Errorf("the program %q is not named by its whole path", path), "--program with the path of keyquench"}
	}
	// go run builds into such a directory, and removes or forgets it.
	if slices.ContainsFunc(strings.Split(path, string(filepath.Separator)), func(part string) bool { return strings.HasPrefix(part, "go-build") }) {
		return problem{fmt.Errorf("%q is a temporary build, which will be gone when the hook runs", path), "go install github.com/keyquench/keyquench/cmd/keyquench, then keyquench hook install; or name a program with --program PATH"}
	}
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Mode()&0o111 == 0) {
		err = errors.New("not a program that can be run")
	}
	if err != nil {
		return problem{fmt.Errorf("look at the program %q: %w", path, cause(err)), "--program with the path of keyquench"}
	}
	return nil
}

// names are the hooks to install.
func (in *installer) names(bare bool) []string {
	if in.Server || bare {
		return serverHooks
	}
	return workHooks
}

func (in *installer) repository(ctx context.Context) error {
	r, err := in.git.repository(ctx)
	if err != nil {
		return err
	}
	names := in.names(r.bare)
	paths, err := in.git.settings(ctx, hooksPath)
	if err != nil {
		return err
	}
	if covered, err := in.covered(ctx, names, paths); err != nil || covered {
		return err
	}
	own, err := in.git.leadsTo(ctx, r, paths)
	if err != nil {
		return err
	}
	if own && !isSymlink(r.hooksDir()) {
		return in.putAll(r.hooksDir(), names)
	}
	t := takeover{installer: in, scope: "--local", own: r.ownDir("--local"), settings: paths, fallback: r.hooksDir()}
	if len(paths) > 0 {
		switch last := paths[len(paths)-1]; last.scope {
		case "command":
			return problem{fmt.Errorf("core.hooksPath is set to %q by the environment (GIT_CONFIG_… or git -c), which goes before everything that could be installed", last.value), "unset it, or install without it"}
		case "worktree":
			t.scope, t.own = "--worktree", r.ownDir("--worktree")
		}
		if strings.Contains(paths[len(paths)-1].value, ".husky") {
			in.note("husky sets core.hooksPath again whenever it is installed: put the line \"keyquench hook run pre-commit\" into .husky/pre-commit for the whole team, and install this again after npm install")
		}
	}
	return t.install(ctx, names)
}

// leadsTo tells whether the hooks in force are those in the repository's own
// directory, as they are when core.hooksPath is unset or names just that.
func (g *gitProgram) leadsTo(ctx context.Context, r *repository, paths []setting) (bool, error) {
	if len(paths) == 0 {
		return true, nil
	}
	dir, err := g.expand(ctx, paths[len(paths)-1].value)
	if err != nil {
		return false, err
	}
	a, err := os.Stat(r.absolute(dir))
	if err != nil {
		return false, nil
	}
	b, err := os.Stat(r.hooksDir())
	return err == nil && os.SameFile(a, b), nil
}

// ownDir is where our scripts are when core.hooksPath of that scope leads to them.
func (r *repository) ownDir(scope string) string {
	dir := r.commonDir
	if scope == "--worktree" {
		dir = r.gitDir
	}
	return filepath.Join(dir, "keyquench", "hooks")
}

// absolute is a hooks directory seen from where git runs hooks.
func (r *repository) absolute(dir string) string {
	if filepath.IsAbs(dir) {
		return dir
	}
	if r.root == "" {
		return filepath.Join(r.gitDir, dir)
	}
	return filepath.Join(r.root, dir)
}

// covered tells whether an installation for all repositories runs here already.
// Another one would only have everything scanned twice.
func (in *installer) covered(ctx context.Context, names []string, paths []setting) (bool, error) {
	if in.git.version >= configHooks {
		all := true
		for _, name := range names {
			c, err := in.git.configHook(ctx, name)
			if err != nil {
				return false, err
			}
			all = all && c.fires()
		}
		if all {
			in.did("nothing to do: git's configuration has keyquench run in all repositories (keyquench hook install --global)")
			return true, nil
		}
	}
	if len(paths) == 0 || in.ConfigDir == "" || paths[len(paths)-1].value != in.globalDir() {
		return false, nil
	}
	for _, name := range names {
		if f, err := look(filepath.Join(in.globalDir(), name)); err != nil || !f.ours || f.program == "" {
			return false, err
		}
	}
	in.did("nothing to do: keyquench runs in all repositories (keyquench hook install --global), from %s", in.globalDir())
	return true, nil
}

// putAll puts scripts for names among the hooks of others.
func (in *installer) putAll(dir string, names []string) error {
	f := folder{path: dir, result: &in.Result}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return f.problem("make", dir, err)
	}
	changed := false
	for _, name := range names {
		did, err := f.put(&script{name: name, program: in.Program})
		if err != nil {
			return err
		}
		changed = changed || did
	}
	in.script = filepath.Join(dir, names[0])
	if changed {
		in.did("installed %s in %s", strings.Join(names, ", "), dir)
	} else {
		in.did("nothing to do: %s are installed in %s", strings.Join(names, ", "), dir)
	}
	return nil
}

func isSymlink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
