package worktree

import "strings"

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
	sortKey string
	kind    kind
	err     error // the name is there, but cannot be looked at
}

func (e *dirEntry) name() string { return strings.TrimSuffix(e.sortKey, "/") }

func (e *dirEntry) file(path string) File {
	return File{Path: path, Symlink: e.kind == kindSymlink}
}
