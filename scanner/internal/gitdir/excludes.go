package gitdir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

const (
	// maxIncludeDepth is how deep git follows includes.
	maxIncludeDepth = 10
	// maxUserConfigs bounds the files read in all: ten people's worth.
	maxUserConfigs = 64
)

// errUnsure: what git would make of a configuration cannot be told from here.
var errUnsure = errors.New("depends on what is not looked at")

// UserExcludes gives the ignore file that the user has set for all
// repositories, the one git adds to a repository's own: core.excludesFile, or
// else the place git has for it. It reads the configuration that is the user's
// and no repository's, from where getenv says that it lies, with what that
// includes.
//
// It gives "" when there is none, and also when it is in doubt: a file cannot be
// read, or a condition decides. Without ignore rules more is scanned, never less.
// The machine's configuration (/etc/gitconfig) is not read.
func UserExcludes(getenv func(string) string) string {
	u := userConfig{home: getenv("HOME")}
	dir := getenv("XDG_CONFIG_HOME")
	if dir == "" && u.home != "" {
		dir = filepath.Join(u.home, ".config")
	}
	var files []string
	if global := getenv("GIT_CONFIG_GLOBAL"); global != "" {
		files = []string{global}
	} else {
		if dir != "" {
			files = append(files, filepath.Join(dir, "git", "config"))
		}
		if u.home != "" {
			files = append(files, filepath.Join(u.home, ".gitconfig"))
		}
	}
	for _, f := range files {
		if u.read(f, 0, false) != nil {
			return ""
		}
	}
	switch {
	case u.set:
		return u.excludes
	case dir != "":
		return filepath.Join(dir, "git", "ignore")
	}
	return ""
}

// userConfig is what has been read of the user's configuration.
type userConfig struct {
	home     string
	files    int
	excludes string
	set      bool
}

// read reads one file; a missing one is empty. What stands under a condition
// must not matter.
func (u *userConfig) read(path string, depth int, condition bool) error {
	if u.files++; u.files > maxUserConfigs || depth > maxIncludeDepth {
		return errUnsure
	}
	if path == os.DevNull {
		return nil // how one says "none"
	}
	return readConfig(path, func(s setting) error {
		conditional := strings.HasPrefix(s.Name, "includeif.") && strings.HasSuffix(s.Name, ".path")
		if s.Name != "core.excludesfile" && s.Name != "include.path" && !conditional {
			return nil
		}
		if s.Bare {
			return errNoValue
		}
		value, err := u.path(s.Value)
		if err != nil {
			return err
		}
		if s.Name != "core.excludesfile" {
			if !filepath.IsAbs(value) {
				value = filepath.Join(filepath.Dir(path), value)
			}
			return u.read(value, depth+1, condition || conditional)
		}
		// A relative one would be looked for in the tree that is scanned.
		if condition || value != "" && !filepath.IsAbs(value) {
			return errUnsure
		}
		u.excludes, u.set = value, true
		return nil
	})
}

// path reads a value as git reads a path. Other people's homes, git's own
// prefix and optional paths are left alone.
func (u *userConfig) path(value string) (string, error) {
	rest, home := strings.CutPrefix(value, "~/")
	switch {
	case home && filepath.IsAbs(u.home):
		return filepath.Join(u.home, rest), nil
	case strings.HasPrefix(value, "~"), strings.HasPrefix(value, "%("), strings.HasPrefix(value, ":("):
		return "", errUnsure
	}
	return value, nil
}
