package hooks

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// globalDir is where the scripts for all repositories are, for a git that has no
// hooks in its configuration.
func (o *Options) globalDir() string { return filepath.Join(o.ConfigDir, "hooks") }

var errNoConfigDir = errors.New("the user's directory for configuration is not known")

func (o *Options) needConfigDir() error {
	if o.ConfigDir == "" {
		return problem{errNoConfigDir, "set HOME, or XDG_CONFIG_HOME"}
	}
	return nil
}

// global installs for all repositories of the user: in git's configuration, whose
// hooks nothing else shadows, where git can do that; else by core.hooksPath.
func (in *installer) global(ctx context.Context) error {
	if err := in.needConfigDir(); err != nil {
		return err
	}
	names := in.names(false)
	if in.git.version >= configHooks {
		return in.globalConfig(ctx, names)
	}
	t, err := in.globalTakeover(ctx)
	if err != nil {
		return err
	}
	if err := t.install(ctx, names); err != nil {
		return err
	}
	in.note("a repository that sets core.hooksPath itself (husky does) passes this by: keyquench hook install there, and keyquench hook doctor tells")
	return nil
}

func (in *installer) globalTakeover(ctx context.Context) (*takeover, error) {
	t := &takeover{installer: in, scope: "--global", own: in.globalDir()}
	for _, scope := range []string{"system", "global"} {
		list, err := in.git.values(ctx, "--"+scope, hooksPath, "--includes")
		if err != nil {
			return nil, err
		}
		for _, v := range list {
			t.settings = append(t.settings, setting{scope: scope, value: v})
		}
	}
	return t, nil
}

// configHook is a hook in git's configuration.
type configHook struct {
	command, event string
	off            bool
}

// fires tells that git runs keyquench by it.
func (c configHook) fires() bool { return isCommand(c.command) && c.event != "" && !c.off }

func isCommand(text string) bool {
	return strings.HasPrefix(text, programVariable) && strings.Contains(text, " hook run ")
}

// configName is what a hook of ours is called there. It must not be the name of
// an event.
func configName(name string) string { return "hook.keyquench-" + name }

func (g *gitProgram) configHook(ctx context.Context, name string) (c configHook, err error) {
	get := func(key string) (string, error) {
		list, err := g.settings(ctx, key)
		if err != nil || len(list) == 0 {
			return "", err
		}
		return list[len(list)-1].value, nil
	}
	if c.command, err = get(configName(name) + ".command"); err != nil {
		return c, err
	}
	if c.event, err = get(configName(name) + ".event"); err != nil {
		return c, err
	}
	for _, key := range []string{configName(name), "hook." + name} {
		out, err := g.run(ctx, "config", "--type=bool", "--default=true", "--get", key+".enabled")
		if err != nil {
			return c, fmt.Errorf("read %s.enabled: %w", key, err)
		}
		c.off = c.off || strings.TrimSpace(string(out)) == "false"
	}
	return c, nil
}

func (in *installer) globalConfig(ctx context.Context, names []string) error {
	changed := false
	for _, name := range names {
		for key, value := range map[string]string{".event": name, ".command": command(name, in.Program)} {
			now, err := in.git.values(ctx, "--global", configName(name)+key)
			if err != nil {
				return err
			}
			if len(now) == 1 && now[0] == value {
				continue
			}
			// An event without a command stops every hook; so the command is there first.
			if key == ".event" {
				if err := in.git.set(ctx, "--global", configName(name)+".command", command(name, in.Program)); err != nil {
					return err
				}
			}
			if err := in.git.set(ctx, "--global", configName(name)+key, value); err != nil {
				return err
			}
			changed = true
		}
	}
	if changed {
		in.did("installed %s in git's global configuration (hook.keyquench-…)", strings.Join(names, ", "))
	} else {
		in.did("nothing to do: %s are in git's global configuration", strings.Join(names, ", "))
	}
	// From the time before this git had such hooks: everything would run twice.
	t, err := in.globalTakeover(ctx)
	if err != nil {
		return err
	}
	if _, err := t.remove(ctx); err != nil {
		return err
	}
	in.note("git runs these before a repository's own hooks; what a formatter stages after them is scanned at the push. A git older than 2.54, such as one inside a desktop program, does not know them")
	return nil
}

// removeGlobal takes back both ways.
func (in *installer) removeGlobal(ctx context.Context) (found bool, err error) {
	if err := in.needConfigDir(); err != nil {
		return false, err
	}
	for _, name := range gitHooks {
		now, err := in.git.values(ctx, "--global", configName(name)+".command")
		if err != nil {
			return found, err
		}
		if len(now) == 0 || !isCommand(now[len(now)-1]) {
			continue
		}
		found = true
		// The event first: see globalConfig.
		for _, key := range []string{".event", ".command"} {
			if err := in.git.set(ctx, "--global", configName(name)+key); err != nil {
				return found, err
			}
		}
		in.did("removed %s from git's global configuration", configName(name))
	}
	t, err := in.globalTakeover(ctx)
	if err != nil {
		return found, err
	}
	had, err := t.remove(ctx)
	return found || had, err
}
