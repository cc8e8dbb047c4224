package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

// scanCache is where scans remember what they have read; nil when the user has no
// place for that.
func scanCache(allow []string, set *rules.Set) *scanner.Cache {
	dir, err := os.UserCacheDir()
	if err != nil || !filepath.IsAbs(dir) {
		return nil
	}
	return &scanner.Cache{Dir: filepath.Join(dir, "keyquench"), Program: programID() + strings.Join(append(allow, ""), " allow "), Rules: set}
}

// programID tells builds of the program apart: by version and commit and, where
// those do not say which code it is, by the file it was built into.
func programID() string {
	info, ok := debug.ReadBuildInfo()
	id := fmt.Sprint(ok)
	released := false
	if ok {
		id += " " + info.Main.Version
		released = info.Main.Sum != ""
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" || s.Key == "vcs.modified":
				id += " " + s.Value
			case s.Key == "-tags":
				id += " tags=" + s.Value
			}
		}
	}
	if released {
		return id
	}
	if path, err := os.Executable(); err == nil {
		if st, err := os.Stat(path); err == nil {
			id += fmt.Sprint(" ", st.Size(), " ", st.ModTime().UnixNano())
		}
	}
	return id
}
