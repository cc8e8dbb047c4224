package hooks

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The names in git's configuration: where git looks for hooks, what of ours was
// written there, and what stood there before.
const (
	hooksPath    = "core.hooksPath"
	oursPath     = "keyquench.hooksPath"
	replacedPath = "keyquench.replacedHooksPath"
)

// takeover is for where core.hooksPath is in force: the directory it names may
// be tracked by git, or made anew by its owner, and its scripts may go by their
// own names. So nothing is changed in there. A directory of ours gets its place,
// with a script for every name, since git looks in no other from then on.
type takeover struct {
	*installer
	scope    string    // "--local", "--worktree" or "--global"
	own      string    // our directory
	settings []setting // all of core.hooksPath, the last in force
	// fallback has the hooks that ran without any core.hooksPath; "" stands for
	// those of whichever repository it is.
	fallback string
}

func (t *takeover) install(ctx context.Context, names []string) error {
	before, err := t.git.values(ctx, t.scope, hooksPath)
	if err != nil {
		return err
	}
	mine, err := t.git.values(ctx, t.scope, oursPath)
	if err != nil {
		return err
	}
	if len(mine) > 0 && slices.Equal(before, mine) {
		if before, err = t.git.values(ctx, t.scope, replacedPath); err != nil {
			return err
		}
	}
	replaced, err := t.inForce(ctx, before, mine)
	if err != nil {
		return err
	}
	changed, err := t.writeScripts(names, replaced)
	if err != nil {
		return err
	}
	t.script = filepath.Join(t.own, names[0])
	if slices.Equal(mine, []string{t.own}) && len(t.settings) > 0 && t.settings[len(t.settings)-1].value == t.own && !changed {
		t.did("nothing to do: %s are installed in %s", strings.Join(names, ", "), t.own)
		return nil
	}
	if err := t.point(ctx, before); err != nil {
		return err
	}
	t.did("installed %s in %s, and set %s to it", strings.Join(names, ", "), t.own, hooksPath)
	switch {
	case replaced != nil:
		t.did("the hooks in %s, which was there, run first", *replaced)
	case t.fallback == "":
		t.did("the hooks of each repository run first")
	}
	return nil
}

// inForce is the directory that our scripts hand over to: what git would look
// into without us. nil stands for the repository's own.
func (t *takeover) inForce(ctx context.Context, before, mine []string) (*string, error) {
	var candidates []string
	for _, s := range t.settings {
		if s.value != t.own && !slices.Contains(mine, s.value) {
			candidates = append(candidates, s.value)
		} else if "--"+s.scope == t.scope {
			candidates = append(candidates, before...)
		}
	}
	if len(candidates) == 0 {
		if t.fallback == "" {
			return nil, nil
		}
		return &t.fallback, nil
	}
	dir, err := t.git.expand(ctx, candidates[len(candidates)-1])
	return &dir, err
}

// expand is what git takes a value for that is a path: ~ has a meaning there.
func (g *gitProgram) expand(ctx context.Context, value string) (string, error) {
	out, err := g.run(ctx, "-c", "keyquench.path="+value, "config", "--null", "--type=path", "--get", "keyquench.path")
	if err != nil {
		return "", problem{fmt.Errorf("%s is %.200q: %w", hooksPath, value, err), "mend it: git config --show-origin --get-all core.hooksPath says where it stands"}
	}
	return strings.TrimSuffix(string(out), "\x00"), nil
}

// writeScripts fills our directory. Names that an earlier installation had call
// keyquench from then on, too.
func (t *takeover) writeScripts(names []string, replaced *string) (changed bool, err error) {
	f := folder{path: t.own, result: &t.Result}
	if err := os.MkdirAll(t.own, 0o777); err != nil {
		return false, f.problem("make", t.own, err)
	}
	for _, name := range gitHooks {
		path := filepath.Join(t.own, name)
		now, err := look(path)
		if err != nil {
			return changed, err
		}
		s := script{name: name, chain: chainRepository}
		if replaced != nil {
			s.chain, s.folder = chainFolder, *replaced
		}
		if slices.Contains(names, name) || now.ours && now.program != "" {
			s.program = t.Program
		}
		if now.ours && string(now.text) == s.text() && now.mode.Perm()&0o111 == 0o111 {
			continue
		}
		if now.exists && !now.ours {
			return changed, problem{fmt.Errorf("%q was not written by keyquench, and is in the way", path), "move it to where the repository's other hooks are"}
		}
		if err := f.write(path, s.text()); err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

// point has git look into our directory. What is to be put back is written
// first, so that nothing that stops us in between can lose it.
func (t *takeover) point(ctx context.Context, before []string) error {
	if err := t.git.set(ctx, t.scope, replacedPath, before...); err != nil {
		return err
	}
	if err := t.git.set(ctx, t.scope, oursPath, t.own); err != nil {
		return err
	}
	if err := t.git.set(ctx, t.scope, hooksPath, t.own); err != nil {
		return err
	}
	if t.scope == "--global" {
		return nil
	}
	now, err := t.git.settings(ctx, hooksPath)
	if err != nil {
		return err
	}
	if last := now[len(now)-1]; last.value != t.own {
		err := problem{
			fmt.Errorf("core.hooksPath is set to %q by %s, which comes after what was written", last.value, last.origin),
			"take it out of there, or have the hooks it leads to call keyquench hook run",
		}
		if _, undo := t.remove(ctx); undo != nil {
			return fmt.Errorf("%w; taking it back: %w", err, undo)
		}
		return err
	}
	return nil
}

// remove puts core.hooksPath back, unless somebody has changed it since, and
// deletes our directory. found is false when nothing of ours was there.
func (t *takeover) remove(ctx context.Context) (found bool, err error) {
	mine, err := t.git.values(ctx, t.scope, oursPath)
	if err != nil || len(mine) == 0 {
		return false, err
	}
	now, err := t.git.values(ctx, t.scope, hooksPath)
	if err != nil {
		return true, err
	}
	before, err := t.git.values(ctx, t.scope, replacedPath)
	if err != nil {
		return true, err
	}
	switch {
	case !slices.Equal(now, mine):
		t.note("core.hooksPath was changed since, and was left as it is")
	case len(before) == 0:
		err = t.git.set(ctx, t.scope, hooksPath)
		t.did("unset core.hooksPath, as it was before keyquench")
	default:
		err = t.git.set(ctx, t.scope, hooksPath, before...)
		t.did("set core.hooksPath back to %s", before[len(before)-1])
	}
	if err != nil {
		return true, err
	}
	for _, name := range []string{replacedPath, oursPath} {
		if err := t.git.set(ctx, t.scope, name); err != nil {
			return true, err
		}
	}
	// Where they were written, and where they are when the repository was moved.
	for _, dir := range slices.Compact([]string{mine[0], t.own}) {
		if err := t.removeScripts(dir); err != nil {
			return true, err
		}
	}
	return true, nil
}

// removeScripts deletes the scripts of ours in dir, and dir if that leaves nothing.
func (in *installer) removeScripts(dir string) error {
	f := folder{path: dir, result: &in.Result}
	for _, name := range gitHooks {
		for _, suffix := range []string{"", legacy, old} {
			path := filepath.Join(dir, name+suffix)
			now, err := look(path)
			if err == nil && now.ours {
				err = f.remove(path)
			}
			if err != nil {
				return err
			}
		}
	}
	if _, err := os.Lstat(dir); err != nil {
		return nil
	}
	if err := os.Remove(dir); err != nil {
		in.note("%s holds files that are not keyquench's, and was left", dir)
		return nil
	}
	in.did("removed %s", dir)
	// That above it is ours too, if nothing else is in it.
	_ = os.Remove(filepath.Dir(dir))
	return nil
}
