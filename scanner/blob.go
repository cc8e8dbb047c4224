package scanner

import (
	"context"
	"iter"

	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// ObjectID names a Git object; its zero value names nothing.
type ObjectID = oid.ID

// Kind says what a Blob is made of.
type Kind uint8

// The kinds of Blobs. A Blob need not be a file.
const (
	// Content is the content of a file as Git stores it.
	Content Kind = iota
	// CommitText is a commit: its header lines and its message.
	CommitText
	// TagText is an annotated tag: its header lines and its message.
	TagText
	// WorkTreeFile is a file as it lies in the work tree or in a plain folder.
	WorkTreeFile
	// Input is what came on a stream.
	Input
	// FileName is the names of files and directories.
	FileName
	// RefName is the name of a branch, tag or other ref.
	RefName
	// GitFile is a file that Git keeps beside its objects: configuration, logs of
	// refs, hooks.
	GitFile
)

var kindNames = [...]string{"content", "commit", "tag", "worktree", "input", "filename", "refname", "gitfile"}

func (k Kind) String() string { return kindNames[k] }

// counted tells whether a Summary counts such Blobs: what is no content of
// anybody's is looked at without a word, or an empty repository, which has a
// configuration and sample hooks, would not look empty.
func (k Kind) counted() bool { return k < FileName }

// Blob is a run of bytes and where it came from. Data belongs to the Part that
// yielded it and is valid until the loop asks for the next Blob. A file too large
// to be held at once comes as several Blobs of one path, one after the other,
// which overlap; Scan counts it as one and finds in it what stands in it once.
type Blob struct {
	Kind Kind
	// ID is the object the bytes are stored as; zero for what Git does not
	// store.
	ID ObjectID
	// Path is set where a Source knows it at once: slash-separated and in the
	// repository's bytes. For objects it is found afterwards, and only for
	// those that something was found in.
	Path string
	Data []byte

	num    pack.Num // of an object, for the Source that yielded it
	staged bool     // an index names it
	member *member  // nil unless it was packed inside another
	window *window  // nil unless Data is a part of something larger
	// rebuilt tells that the same Part has yielded the object base before, and
	// that this one is base but for fresh, see pack.Object.
	rebuilt bool
	base    pack.Num
	fresh   []pack.Span
	// again tells that another Part has the Blob: it says here only whether what
	// was rebuilt from it needs to be looked at.
	again bool
}

// A Part is work for one goroutine. An error it yields belongs to one Blob: it
// is counted and named, and the loop goes on.
type Part func(context.Context) iter.Seq2[Blob, error]

// A Source gives bytes to look through, in parts that may be read at once by
// different goroutines. Each part is read once. An error from Parts itself ends
// the scan.
type Source interface {
	Parts(context.Context) iter.Seq2[Part, error]
}
