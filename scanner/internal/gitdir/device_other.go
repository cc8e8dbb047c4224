//go:build !unix

package gitdir

import "io/fs"

type inode struct{ dev, ino uint64 }

// inodeOf knows nothing here: discovery crosses file systems, and a directory
// reached through two links is read for each until the budget of entries ends.
func inodeOf(fs.FileInfo) (inode, bool) { return inode{}, false }
