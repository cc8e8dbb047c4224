package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/keyquench/keyquench/rules"
)

// released is the version of a release. Only the linker sets it (.goreleaser.yaml):
// what Go records of a checkout would differ before and after the tag.
var released string

// shortVersion is the version, "(devel)" for a build of a checkout.
func shortVersion() string {
	if released != "" {
		return released
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// version says which code this is, as far as the build recorded it.
func version() string {
	var b strings.Builder
	fmt.Fprintf(&b, "keyquench %s\n", shortVersion())
	if info, ok := debug.ReadBuildInfo(); ok {
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if rev := settings["vcs.revision"]; rev != "" {
			if settings["vcs.modified"] == "true" {
				rev += ", modified"
			}
			fmt.Fprintf(&b, "commit %s\n", rev)
		}
		if when := settings["vcs.time"]; when != "" {
			fmt.Fprintf(&b, "date   %s\n", when)
		}
	}
	fmt.Fprintf(&b, "go     %s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(&b, "rules  %s\n", rules.Default().Version())
	return b.String()
}
