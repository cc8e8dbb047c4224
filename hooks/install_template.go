package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	templateDir     = "init.templateDir"
	oursTemplateDir = "keyquench.templateDir"
)

// template puts the hooks into what git makes new repositories from: the user's
// own template, or else one like git's.
func (in *installer) template(ctx context.Context) error {
	if err := in.needConfigDir(); err != nil {
		return err
	}
	dir, err := in.templateInForce(ctx)
	if err != nil {
		return err
	}
	if dir == "" {
		dir = in.ownTemplate()
		if err := in.makeTemplate(ctx, dir); err != nil {
			return err
		}
	}
	if err := in.putAll(filepath.Join(dir, "hooks"), in.names(false)); err != nil {
		return err
	}
	// Where the template lies, nothing is run.
	in.script = ""
	in.note("this is for repositories made and cloned from now on; in others, run keyquench hook install")
	return nil
}

func (o *Options) ownTemplate() string { return filepath.Join(o.ConfigDir, "template") }

// templateInForce is "" when it is git's own.
func (in *installer) templateInForce(ctx context.Context) (string, error) {
	if dir := lookup(in.Env, "GIT_TEMPLATE_DIR"); dir != "" {
		return dir, nil
	}
	for _, scope := range []string{"--global", "--system"} {
		dir, ok, err := in.git.expanded(ctx, scope, templateDir)
		if err != nil {
			return "", err
		}
		if ok && !filepath.IsAbs(dir) {
			return "", problem{fmt.Errorf("init.templateDir is %q, which is another directory wherever git runs", dir), "give it a whole path"}
		}
		if ok {
			return dir, nil
		}
	}
	return "", nil
}

// lookup reads a variable of an environment; of several, the last counts.
func lookup(env []string, name string) string {
	for _, v := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// makeTemplate makes a template with what git's own has, but for the samples.
func (in *installer) makeTemplate(ctx context.Context, dir string) error {
	f := folder{path: dir, result: &in.Result}
	if err := in.templateFiles(ctx, func(name string, text []byte) error {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return f.problem("make", filepath.Dir(path), err)
		}
		if err := os.WriteFile(path, text, 0o666); err != nil {
			return f.problem("write", path, err)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := in.git.set(ctx, "--global", oursTemplateDir, dir); err != nil {
		return err
	}
	if err := in.git.set(ctx, "--global", templateDir, dir); err != nil {
		return err
	}
	in.did("made a template of git's own in %s, and set init.templateDir to it", dir)
	return nil
}

// templateFiles gives the files of git's own template. Git does not say where that
// is, so a repository is made with it and one without.
func (in *installer) templateFiles(ctx context.Context, each func(name string, text []byte) error) (err error) {
	temp, err := os.MkdirTemp("", "keyquench-template-")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", cause(err))
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	with, without := filepath.Join(temp, "with"), filepath.Join(temp, "without")
	g := *in.git
	g.dir, g.env = temp, WithoutRepository(g.env)
	if _, err := g.run(ctx, "init", "-q", "--bare", "--template=", without); err != nil {
		return err
	}
	g.env = append(g.env, "GIT_CONFIG_GLOBAL="+os.DevNull)
	if _, err := g.run(ctx, "init", "-q", "--bare", with); err != nil {
		return err
	}
	return fs.WalkDir(os.DirFS(with), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(name, ".sample") {
			return err
		}
		if _, err := os.Lstat(filepath.Join(without, name)); err == nil {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(with, name))
		if err != nil {
			return err
		}
		return each(name, text)
	})
}

// WithoutRepository is an environment without what names a repository in it: git
// then goes by the directory it runs in. env is not changed.
func WithoutRepository(env []string) []string {
	names := []string{
		"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
		"GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_TEMPLATE_DIR", "GIT_QUARANTINE_PATH",
		"GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE", "GIT_IMPLICIT_WORK_TREE", "GIT_INTERNAL_SUPER_PREFIX",
	}
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(names, name)
	})
}

// removeTemplate takes the hooks out of the template, and the template away if
// it was made here.
func (in *installer) removeTemplate(ctx context.Context) (found bool, err error) {
	if err := in.needConfigDir(); err != nil {
		return false, err
	}
	dir, err := in.templateInForce(ctx)
	if err != nil || dir == "" {
		return false, err
	}
	before := len(in.Done) + len(in.Notes)
	f := folder{path: filepath.Join(dir, "hooks"), result: &in.Result}
	for _, name := range gitHooks {
		if err := f.take(name); err != nil {
			return true, err
		}
	}
	mine, err := in.git.values(ctx, "--global", oursTemplateDir)
	if err != nil {
		return true, err
	}
	if len(mine) == 0 {
		return len(in.Done)+len(in.Notes) > before, nil
	}
	now, err := in.git.values(ctx, "--global", templateDir)
	if err != nil {
		return true, err
	}
	if slices.Equal(now, mine) {
		if err := in.git.set(ctx, "--global", templateDir); err != nil {
			return true, err
		}
		in.did("unset init.templateDir, as it was before keyquench")
	}
	if err := in.git.set(ctx, "--global", oursTemplateDir); err != nil {
		return true, err
	}
	return true, in.dropTemplate(ctx, mine[0])
}

// dropTemplate deletes the files that were put there, unless they were changed.
func (in *installer) dropTemplate(ctx context.Context, dir string) error {
	dirs := []string{dir, filepath.Join(dir, "hooks")}
	err := in.templateFiles(ctx, func(name string, text []byte) error {
		path := filepath.Join(dir, name)
		dirs = append(dirs, filepath.Dir(path))
		if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, text) {
			return os.Remove(path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(dirs, func(a, b string) int { return len(b) - len(a) })
	for _, d := range slices.Compact(dirs) {
		_ = os.Remove(d) // those that are empty
	}
	if _, err := os.Lstat(dir); err == nil {
		in.note("%s holds files that are not keyquench's, and was left", dir)
	} else {
		in.did("removed %s", dir)
		_ = os.Remove(filepath.Dir(dir))
	}
	return nil
}
