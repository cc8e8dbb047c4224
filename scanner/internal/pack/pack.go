// Package pack reads a Git object store by itself, without git and without
// rules: packs, loose objects and alternates, each object once. Its unit of
// work is a delta tree: a worker inflates a root, applies the deltas that stand
// on it depth first, and owns all memory it needs for that.
//
// It trusts nothing it reads. What cannot be read is named in a Problem and
// does not stop the rest; sizes, chains and buffers are bounded by Limits.
//
// Formats: gitformat-pack(5), gitrepository-layout(5).
package pack

import (
	"errors"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Kind is the type of an object, with the numbers the pack format gives them.
type Kind uint8

// The four kinds of objects, and the two entry types that a pack stores them
// under as a difference to another object.
const (
	Commit Kind = 1
	Tree   Kind = 2
	Blob   Kind = 3
	Tag    Kind = 4

	ofsDelta Kind = 6
	refDelta Kind = 7
)

var kindNames = [8]string{Commit: "commit", Tree: "tree", Blob: "blob", Tag: "tag"}

func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown"
}

func parseKind(s []byte) (Kind, bool) {
	for k := Commit; k <= Tag; k++ {
		if string(s) == kindNames[k] {
			return k, true
		}
	}
	return 0, false
}

// What can be wrong with an object. Callers branch with errors.Is.
var (
	// ErrMissing: no object of that name is in the store.
	ErrMissing = errors.New("object is missing")
	// ErrCorrupt: the bytes are not what the format says.
	ErrCorrupt = errors.New("corrupt object")
	// ErrTruncated: the file ends before the object does.
	ErrTruncated = errors.New("file is cut short")
	// ErrDeltaLoop: a delta whose base is, over other deltas, itself.
	ErrDeltaLoop = errors.New("delta loop")
	// ErrTooLarge: the object is over Limits.Object and no blob.
	ErrTooLarge = errors.New("object is too large")
	// ErrAmplified: small deltas that unpack to huge objects have used up
	// Limits.Amplified.
	ErrAmplified = errors.New("object unpacks to far more than it stores, like many before it")
	// ErrSpilled: the temporary files of delta trees are larger together than
	// Limits.Spilled.
	ErrSpilled = errors.New("delta tree needs too much temporary space")
)

// A Problem is one thing that could not be read. It is counted and named, and
// a scan that met one is not clean.
type Problem struct {
	Where string // an object name or a path below the object store; comes from the repository
	Err   error
}

func (p Problem) Error() string { return p.Where + ": " + p.Err.Error() }

func (p Problem) Unwrap() error { return p.Err }

// Limits bound what a hostile store can cost. Zero fields take the default.
type Limits struct {
	// Object is the largest object in bytes that is held in memory: 64 MiB. A
	// blob over it is read as a Stream; other objects over it are errors.
	Object int64
	// Live is how many bytes one worker holds in memory in bases that are still
	// needed: 64 MiB. What is more lies in temporary files.
	Live int64
	// Unit is the work that one Unit of a Plan holds, as so many packed bytes: 1
	// MiB. Large enough that handing units out costs nothing, small enough that
	// the last ones do not keep one worker busy alone.
	Unit int64
	// Spilled is the most bytes in temporary files at once, over the whole store:
	// 16 GiB. A few hundred bytes of deltas could fill any disk.
	Spilled int64
	// TempDir is where those files are made: by default TMPDIR or, if that is not
	// set, /var/tmp or the system's own.
	TempDir string
	// Amplified is the sum of bytes, over the whole store, of objects that
	// are over 64 KiB and over 1000 times their stored size: 256 GiB, which
	// is a minute of work and not a day. Honest stores have such objects, the
	// trees of large directories, and more of them the larger they are: 256
	// times the size of the packs is added. Streams count sooner, and for more.
	Amplified int64
}

const (
	defaultObject    = 64 << 20
	defaultLive      = 64 << 20
	defaultUnit      = 1 << 20
	defaultSpilled   = 16 << 30
	defaultAmplified = 256 << 30

	// maxObject keeps every size an int and every buffer's class in a table.
	maxObject = 1 << 40

	// DEFLATE reaches MaxRatio at most, so that over amplifiedRatio is what
	// only deltas give. Below amplifiedSize, the entry costs as much as what
	// it unpacks to.
	amplifiedSize  = 64 << 10
	amplifiedRatio = 1000
	amplifiedShare = 256
)

func (l Limits) withDefaults() Limits {
	if l.Object == 0 {
		l.Object = defaultObject
	}
	l.Object = min(l.Object, maxObject)
	if l.Live == 0 {
		l.Live = defaultLive
	}
	if l.Unit == 0 {
		l.Unit = defaultUnit
	}
	if l.Spilled == 0 {
		l.Spilled = defaultSpilled
	}
	if l.Amplified == 0 {
		l.Amplified = defaultAmplified
	}
	return l
}

// Num numbers the objects of a Store: packs in their order, each in the order
// of its index, then loose objects by name. An object that is stored twice has
// two numbers; Lookup gives the first.
type Num int32

// None is the number of no object.
const None Num = -1

// Span is a half-open range of bytes.
type Span struct{ Start, End int }

// Object is an object as a walk found it. Data belongs to the worker that read it
// and is valid until its next object. A blob over Limits.Object comes as a Stream
// instead, and with no Base.
type Object struct {
	Num    Num
	Kind   Kind
	Data   []byte
	Stream *Stream
	// Base is the object that Data was rebuilt from, yielded by the same walk
	// before this one, or None. Fresh then lists, in order, what the delta
	// inserted; an empty span marks a seam where bytes from two places of the
	// base now touch. Bytes between spans stand in the base in the same run.
	// Spans less than 64 bytes apart are one, with what lies between them.
	// A delta in more than 65,536 pieces gives one span over all of Data.
	Base  Num
	Fresh []Span
	// Again tells that the object belongs to another unit, which yields it as its
	// own. It comes here because others stand on it.
	Again bool
}

// ID names object n.
func (s *Store) ID(n Num) oid.ID {
	if s.lazy != nil {
		return s.lazy.spot(n).id
	}
	if p, i := s.packOf(n); p != nil {
		return p.idx.id(i)
	}
	return s.loose[int(n)-s.looseFirst].id
}
