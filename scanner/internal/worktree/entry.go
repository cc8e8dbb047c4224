package worktree

import (
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/index"
)

// kind is what a name in a directory stands for.
type kind uint8

const (
	kindSpecial kind = iota // pipe, socket, device
	kindRegular
	kindDir
	kindSymlink
)

// dirEntry is one name of a directory. The sort key is the name, with a slash
// behind it for a directory: in that order the paths of a whole tree come out
// sorted, and so does an index.
type dirEntry struct {
	sortKey    string
	kind       kind
	executable bool
	stat       index.Stat
	size       int64
	err        error // the name is there, but cannot be looked at
}

func (e *dirEntry) name() string { return strings.TrimSuffix(e.sortKey, "/") }

func (e *dirEntry) file(path string) File {
	f := File{Path: path, Mode: index.ModeFile, Stat: e.stat, Size: e.size}
	switch {
	case e.kind == kindSymlink:
		f.Mode = index.ModeSymlink
	case e.executable:
		f.Mode = index.ModeExecutable
	}
	return f
}
