// Package index reads Git's index file, the list of tracked files
// (gitformat-index(5)): versions 2, 3 and 4, both hash functions, split and
// sparse indexes.
//
// It never writes, and it does not look into the object store: entries name
// blobs, and whether those exist is for others to find out. What it returns
// comes from the repository and is hostile: paths may hold "..", escape bytes
// or no text at all, and stat data and cached trees are claims, not proof.
package index

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Errors a caller may branch on; all come wrapped with the detail.
var (
	ErrNotIndex         = errors.New("not an index file")
	ErrVersion          = errors.New("unsupported index version")
	ErrTruncated        = errors.New("index ends too early")
	ErrCorrupt          = errors.New("corrupt index")
	ErrChecksum         = errors.New("index checksum does not match")
	ErrUnknownExtension = errors.New("unknown mandatory index extension")
	ErrTooLarge         = errors.New("index too large")
	ErrShared           = errors.New("shared index cannot be used")
)

// File modes Git records in an index.
const (
	ModeFile       = 0o100644
	ModeExecutable = 0o100755
	ModeSymlink    = 0o120000
	ModeGitlink    = 0o160000 // the commit of a submodule
	ModeTree       = 0o040000 // a whole directory of a sparse index
)

// maxFileSize bounds what is read into memory. The largest public monorepos
// (four million files) have indexes of about 400 MiB.
const maxFileSize = 512 << 20

// Index is the content of one index file, split parts merged.
type Index struct {
	// Version is 2, 3 or 4, or 0 when the file does not exist.
	Version int
	// Entries are in index order: by the bytes of the path, then by stage. No
	// two have the same path and stage 0.
	Entries []Entry
	// Tree is the cached tree in preorder, the root first, or nil when the
	// index has none that can be read. It is a claim of the repository:
	// skipping entries because of it lets a forged index hide them.
	Tree []TreeNode
	// Sparse tells that whole directories may stand as one entry of ModeTree,
	// with a path that ends in a slash.
	Sparse bool
	// Split tells that the entries were merged with a shared index.
	Split bool
	// ModTime is the modification time of the file, zero after Parse. An entry
	// whose MTime is not before it may be "racily clean": its stat data agree
	// with the file although the content may not.
	ModTime time.Time
}

// Entry is one tracked path.
type Entry struct {
	Path string // raw bytes, slash-separated, hostile
	ID   oid.ID
	// Stage is 0, or 1 (base), 2 (ours), 3 (theirs) in a conflict.
	Stage        uint8
	AssumeValid  bool
	SkipWorktree bool
	IntentToAdd  bool // added by "git add -N": ID names the empty blob
	Mode         uint32
	Stat         Stat
}

// Stat is what the index remembers of a file, cut to 32 bits as Git does, so
// that two of them compare with ==.
type Stat struct {
	CTime, MTime                  Time
	Dev, Ino, UID, GID, SizeBytes uint32
}

// Time is a time of a file, cut to 32 bits.
type Time struct{ Sec, Nsec uint32 }

// TreeNode is a directory of the cached tree.
type TreeNode struct {
	Name string // one path element, empty for the root
	// Entries is the number of index entries below the directory, or -1 when
	// the node is out of date and ID is unset.
	Entries int
	ID      oid.ID
	// Children is the number of direct subdirectories. The first follows its
	// parent; each one's Next is the position of the node after its subtree.
	Children int
	Next     int
}

// Read reads an index file. A file that does not exist is an empty index of
// Version 0, as for Git; any other failure is an error. The shared part of a
// split index is looked for beside the file.
//
// The file may be a symbolic link, as Git allows, but must end in a regular
// file: a pipe or a device is refused without waiting for it.
func Read(path string, f oid.Format) (*Index, error) {
	data, modTime, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Index{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	ix, err := Parse(data, f, besides(path))
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	ix.ModTime = modTime
	return ix, nil
}

// besides reads the shared part of the split index at path.
func besides(path string) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		data, _, err := readFile(filepath.Join(filepath.Dir(path), name))
		return data, err
	}
}

// readFile reads a regular file of bounded size with one read.
func readFile(path string) ([]byte, time.Time, error) {
	file, info, err := openFile(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer file.Close()
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, time.Time{}, err
	}
	return data, info.ModTime(), nil
}

// openFile opens a regular file of bounded size.
func openFile(path string) (*os.File, fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: not a regular file", ErrNotIndex)
	}
	if err == nil && info.Size() > maxFileSize {
		err = fmt.Errorf("%w: %d bytes", ErrTooLarge, info.Size())
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}
