package ledger

import (
	"errors"
	"path/filepath"
	"runtime"
)

// DefaultPath is where a user's ledger lies: in $XDG_STATE_HOME/keyquench, or
// the directory that stands for it on macOS and Windows.
func DefaultPath(getenv func(string) string) (string, error) {
	return defaultPath(runtime.GOOS, getenv)
}

func defaultPath(system string, getenv func(string) string) (string, error) {
	base, below, variable := "", "", "HOME"
	switch system {
	case "windows":
		base, variable = getenv("LocalAppData"), "LocalAppData"
	case "darwin":
		base, below = getenv("HOME"), filepath.Join("Library", "Application Support")
	default:
		// The specification has relative paths ignored.
		if base = getenv("XDG_STATE_HOME"); !filepath.IsAbs(base) {
			base, below = getenv("HOME"), filepath.Join(".local", "state")
		}
	}
	if !filepath.IsAbs(base) {
		return "", &Error{op: "find", path: "of this user", kind: ErrNowhere, cause: errors.New(variable + " names no directory")}
	}
	return filepath.Join(base, below, "keyquench", "ledger.db"), nil
}
