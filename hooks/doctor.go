package hooks

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Check is one thing that Doctor looked at. Detail and Next quote paths and what
// other hooks wrote, and must be cleaned before they are shown. Next is what to do,
// if there is anything.
type Check struct {
	What         string
	OK           bool
	Detail, Next string
}

// doctor examines one repository, or what holds for all.
type doctor struct {
	Options
	git    *gitProgram
	repo   *repository // nil: a repository that has nothing of its own
	paths  []setting   // of core.hooksPath, the last in force
	raw    string      // that one, as git takes it; "" without any
	dir    string      // where git looks for hooks; "" when that is in no place yet
	checks []Check
}

// Doctor tries whether a key is stopped by what is in force: a commit, a merge, a
// patch and a push, or on a server a push to it, in a repository that it makes and
// deletes. There it has copies of the hooks, and runs them; in the repository itself
// nothing changes. An error means that it could not try.
func Doctor(ctx context.Context, o Options) ([]Check, error) {
	g, err := newGit(ctx, o)
	if err != nil {
		return nil, err
	}
	d := &doctor{Options: o, git: g}
	if err := d.locate(ctx); err != nil {
		return nil, err
	}
	names := workHooks
	if d.repo != nil && d.repo.bare || o.Server {
		names = serverHooks
	}
	d.sayWhere()
	if err := d.programs(ctx, names); err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := d.hook(ctx, name); err != nil {
			return nil, err
		}
	}
	return d.checks, d.desktop(ctx, names[0])
}

// locate finds out where git looks for hooks here.
func (d *doctor) locate(ctx context.Context) (err error) {
	if d.Place == Global {
		t, err := (&installer{Options: d.Options, git: d.git}).globalTakeover(ctx)
		if err != nil {
			return err
		}
		d.paths = t.settings
	} else {
		if d.repo, err = d.git.repository(ctx); err != nil {
			return err
		}
		if !d.repo.bare && d.repo.root == "" {
			return problem{fmt.Errorf("%q is not in the work tree of the repository", d.git.where()), "run it in the work tree"}
		}
		if d.paths, err = d.git.settings(ctx, hooksPath); err != nil {
			return err
		}
		d.dir = d.repo.hooksDir()
	}
	if len(d.paths) == 0 {
		return nil
	}
	if d.raw, err = d.git.expand(ctx, d.paths[len(d.paths)-1].value); err != nil {
		return err
	}
	switch {
	case d.repo != nil:
		d.dir = d.repo.absolute(d.raw)
	case filepath.IsAbs(d.raw):
		d.dir = d.raw
	}
	return nil
}

func (d *doctor) say(what string, ok bool, next, format string, args ...any) {
	d.checks = append(d.checks, Check{What: what, OK: ok, Detail: fmt.Sprintf(format, args...), Next: next})
}

func (d *doctor) sayWhere() {
	version := fmt.Sprintf("git %d.%d", d.git.version/1000, d.git.version%1000)
	if d.git.version >= configHooks {
		version += ", which has hooks in its configuration too,"
	}
	if len(d.paths) == 0 {
		where := d.dir
		if where == "" {
			where = "each repository"
		}
		d.say("hooks", true, "", "%s takes them from %s", version, where)
		return
	}
	last := d.paths[len(d.paths)-1]
	from := last.scope + " configuration"
	if last.origin != "" {
		from += " (" + last.origin + ")"
	}
	d.say("hooks", true, "", "%s takes them from %s: core.hooksPath in the %s", version, d.raw, from)
}

// file is the hook of that name which git finds.
func (d *doctor) file(name string) (path string, f file, err error) {
	if d.dir == "" {
		return "", file{}, nil
	}
	path = filepath.Join(d.dir, name)
	f, err = look(path)
	return path, f, err
}

// programs looks at what the hooks in force call.
func (d *doctor) programs(ctx context.Context, names []string) error {
	var list []string
	for _, name := range names {
		_, f, err := d.file(name)
		if err != nil {
			return err
		}
		c, err := d.git.configHook(ctx, name)
		if err != nil {
			return err
		}
		if f.ours && f.program != "" {
			list = append(list, f.program)
		}
		if path, ok := programOf(c.command); ok && c.fires() && d.git.version >= configHooks {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	for _, path := range slices.Compact(list) {
		d.program(ctx, path)
	}
	return nil
}

// programPatience is ample for a program to say its version.
const programPatience = 20 * time.Second

func (d *doctor) program(ctx context.Context, path string) {
	const again = "keyquench hook install, by the keyquench that is to be used"
	if err := checkProgram(path); err != nil {
		d.say("program", false, again, "%v; the hooks take the one on the PATH, if there is one", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, programPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env, cmd.WaitDelay = d.git.env, time.Second
	out, err := cmd.Output()
	switch says := string(out); {
	case err != nil:
		d.say("program", false, again, "%s --version: %v", path, err)
	case !strings.HasPrefix(says, "keyquench "):
		d.say("program", false, again, "%s is not keyquench", path)
	case d.Version != "" && says != d.Version:
		theirs, _, _ := strings.Cut(says, "\n")
		d.say("program", true, "keyquench hook install, if the hooks are to call this one", "%s, which is another build than this: %.100s", path, theirs)
	default:
		d.say("program", true, "", "%s", path)
	}
}

// hook tries one hook, and says why if it does not stop a key.
func (d *doctor) hook(ctx context.Context, name string) error {
	path, f, err := d.file(name)
	if err != nil {
		return err
	}
	c, err := d.git.configHook(ctx, name)
	if err != nil {
		return err
	}
	configured := c.fires() && d.git.version >= configHooks
	if f.exists && !canRun(ctx, path) && !configured {
		d.cannotRun(name, path, f)
		return nil
	}
	got, err := d.try(ctx, name, trialOptions{})
	if err != nil {
		return err
	}
	switch {
	case got.stopped():
		d.say(name, true, "", "stops a key (%s)", who(path, f, configured))
	case got.code == 0:
		d.explain(name, path, f, c)
	case got.ours():
		d.say(name, false, "do what it says", "keyquench is called, and could not scan: %s", got.says())
	default:
		return d.stoppedByOther(ctx, name, path, f, got)
	}
	return nil
}

func who(path string, f file, configured bool) string {
	switch {
	case configured:
		return "git's configuration"
	case f.ours:
		return path
	case f.manager() != "":
		return path + ", of " + f.manager()
	}
	return path + ", which is not keyquench's, but calls it"
}

// cannotRun tells which of two reasons it is that git passes a hook over.
func (d *doctor) cannotRun(name, path string, f file) {
	if f.mode.IsRegular() && f.mode&0o111 == 0 {
		d.say(name, false, "chmod +x "+quote(path), "%s has no run bit, so git passes it over", path)
		return
	}
	d.say(name, false, "see whether its file system is mounted noexec (findmnt -T), or who may run it; keyquench hook install --global puts hooks elsewhere",
		"%s cannot be run here, so git passes it over", path)
}

// stoppedByOther: another hook did not like the trial, which is no proof.
func (d *doctor) stoppedByOther(ctx context.Context, name, path string, f file, got outcome) error {
	if !f.ours || f.program == "" {
		d.say(name, false, "see to that hook, or keyquench hook install", "%s stopped the trial without a word of keyquench: %s", path, got.says())
		return nil
	}
	alone, err := d.try(ctx, name, trialOptions{alone: true})
	if err != nil {
		return err
	}
	if alone.stopped() {
		d.say(name, true, "", "stops a key (%s); in the trial, the hook that runs before it had already stopped everything: %s", path, got.says())
		return nil
	}
	d.say(name, false, "keyquench hook install", "%s did not name the key: %s", path, alone.says())
	return nil
}

// explain says why a key got through.
func (d *doctor) explain(name, path string, f file, c configHook) {
	const install = "keyquench hook install"
	optional := name == "pre-merge-commit" || name == "pre-applypatch"
	switch {
	case isCommand(c.command) && c.off:
		d.say(name, false, "git config --show-origin --get-regexp '^hook\\..*enabled' shows where; unset it", "a key gets through: the hook in git's configuration is switched off")
	case isCommand(c.command) && d.git.version < configHooks:
		d.say(name, false, install+" --global, by this git", "a key gets through: it is in git's configuration, which git runs from 2.54 on; this is %d.%d", d.git.version/1000, d.git.version%1000)
	case f.ours && f.program != "":
		d.say(name, false, install, "a key gets through: %s runs %s, which passes it", path, f.program)
	case d.shadowed(name):
		last := d.paths[len(d.paths)-1]
		d.say(name, false, install, "a key gets through: core.hooksPath, set in %s, leads to %s, so keyquench's script in %s is not run", last.origin, d.raw, d.repo.hooksDir())
	case optional && d.putAside(path) == "":
		d.say(name, true, "", "does not call keyquench; what it would stop is stopped at the push")
	case f.exists && d.putAside(path) != "":
		d.say(name, false, install, "a key gets through: %s took the place of keyquench's script, which is now %s", nameless(f), d.putAside(path))
	case f.exists && !f.ours:
		d.say(name, false, install+", which runs it first", "a key gets through: %s is the hook of %s, and does not call keyquench", path, nameless(f))
	default:
		where := d.dir
		if where == "" {
			where = "a new repository"
		}
		d.say(name, false, d.installHint(), "a key gets through: keyquench is not installed in %s", where)
	}
}

func (d *doctor) installHint() string {
	if d.Place == Global {
		return "keyquench hook install --global"
	}
	if d.Server {
		return "keyquench hook install --server"
	}
	return "keyquench hook install"
}

func nameless(f file) string {
	if m := f.manager(); m != "" {
		return m
	}
	return "another program"
}

// shadowed tells that ours is in the repository's own hooks, and they do not count.
func (d *doctor) shadowed(name string) bool {
	if d.repo == nil || len(d.paths) == 0 {
		return false
	}
	f, err := look(filepath.Join(d.repo.hooksDir(), name))
	return err == nil && f.ours && f.program != "" && d.dir != d.repo.hooksDir()
}

// putAside is the name under which another program keeps our script.
func (d *doctor) putAside(path string) string {
	for _, suffix := range []string{legacy, old} {
		if f, err := look(path + suffix); err == nil && f.ours {
			return filepath.Base(path) + suffix
		}
	}
	return ""
}

// desktop tries the first hook as programs that are started from a desktop run
// it: they have the system's PATH and not the one of the user's shell.
func (d *doctor) desktop(ctx context.Context, name string) error {
	if !slices.ContainsFunc(d.checks, func(c Check) bool { return c.What == name && c.OK }) {
		return nil
	}
	got, err := d.try(ctx, name, trialOptions{path: systemPath})
	if err == nil && !got.stopped() && !got.ours() && got.code != 0 {
		got, err = d.try(ctx, name, trialOptions{path: systemPath, alone: true})
	}
	if err != nil {
		return err
	}
	const install = "keyquench hook install, which writes down where keyquench is"
	switch {
	case got.stopped():
		d.say("desktop", true, "", "with PATH=%s, as desktop programs have it, a key is stopped too", systemPath)
	case got.code == 0:
		d.say("desktop", false, install, "with PATH=%s, as desktop programs have it, a key gets through %s", systemPath, name)
	default:
		d.say("desktop", true, install, "with PATH=%s, as desktop programs have it, %s stops everything: %s", systemPath, name, got.says())
	}
	return nil
}

const systemPath = "/usr/bin:/bin"

// canRun asks the system as git does: the run bit, and how the disk is mounted.
func canRun(ctx context.Context, path string) bool {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `[ -x "$1" ]`, "sh", path)
	cmd.Env = []string{"PATH=" + os.DevNull}
	return cmd.Run() == nil
}
