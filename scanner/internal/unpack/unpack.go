// Package unpack turns the bytes of one blob into the bytes of what is packed
// inside it: members of archives, what was compressed, streams of a PDF, values
// that a database has spread over pages. Containers in containers are opened in
// turn, depth first.
//
// It knows nothing of rules, Git or paths, writes no files and runs no programs.
// All it reads is hostile. Memory is bounded by the Budget, and so is time: each
// byte unpacked is paid for, by the container, by those around it, by the blob
// and by the scan. Nothing is skipped in silence: what could not be read is an
// error with a name.
//
// When something is a container. A few bytes of magic prove little, so a blob is
// one when its first piece can be read: the first bytes of output of a
// compressor, the first header of an archive with a sum that fits. What fails
// before that is taken for bytes like any other and nothing is said. What fails
// behind it is damage, and told. A zlib stream and the old .lzma have next to no
// magic: they must give a kilobyte first, or end well.
package unpack

import (
	"context"
	"errors"
	"io"
	"iter"
)

// What is told of something that was not read, or not to its end. Callers branch
// with errors.Is.
var (
	// ErrBomb: it grows out of proportion, or its members overlap.
	ErrBomb = errors.New("unpacks to too much")
	// ErrEncrypted: nobody can read it without a password.
	ErrEncrypted = errors.New("encrypted")
	// ErrDamaged: it ends too early or breaks the rules of its format. What
	// stood before was yielded.
	ErrDamaged = errors.New("damaged")
	// ErrTooDeep: a container in too many others. It is yielded as it is.
	ErrTooDeep = errors.New("nested too deep")
	// ErrTooLarge: more would have to be held in memory than the Budget allows.
	ErrTooLarge = errors.New("too large to unpack")
	// ErrUnsupported: a format, or a way to compress in it, that is not known
	// here.
	ErrUnsupported = errors.New("not supported")
	// ErrSpent: the blob, or all blobs of a scan, had what the Budget gives.
	ErrSpent = errors.New("budget for unpacking is spent")
)

// SkipError names something inside a blob that was not read to its end.
type SkipError struct {
	// Name is spelled as in Member; empty for the blob itself.
	Name string
	Via  Format
	Err  error
}

func (e *SkipError) Error() string {
	s := e.Via.String() + ": " + e.Err.Error()
	if e.Name != "" {
		s = e.Name + ": " + s
	}
	return s
}

func (e *SkipError) Unwrap() error { return e.Err }

// Member is a run of bytes inside a blob.
type Member struct {
	// Name is the way from the blob to the member, "lib/x.zip!y.env", each step
	// as its archive spells it: hostile bytes, no path to anything. What only
	// compresses one thing (gzip, xz, …) adds no step, so that the Name of what
	// a .gz holds is empty.
	Name string
	// Via is the container the member lies in directly, Depth how many there
	// are around it, the blob among them.
	Via   Format
	Depth int
	// Data is the member, or its beginning. It is valid until the loop asks for
	// the next.
	Data []byte
	// More is nil, or what comes behind Data in a member too large to be held.
	// It has the errors of nothing but io.EOF: why a member ends early is
	// yielded behind it. It need not be read to its end.
	More io.Reader
	// At is where Data stands in the blob, if it stands there as it is: who has
	// looked through the blob has seen it. Otherwise it is -1.
	At int
	// Rest tells that this is what the container Name has beside its members:
	// headers, comments, what lies between and behind. There is none of the
	// blob itself, which the caller has.
	Rest bool
}

// Walk yields what is inside of data, nothing for most blobs. An error is a
// *SkipError and no end: the loop goes on. Members and Rests of a nested
// container together hold all that could be read of it, once; a container that
// was opened is not yielded as a whole. A done context ends the loop without an
// error. Data must not change meanwhile. Nothing runs on when the loop is over.
//
// Calls with the same Budget, of which there must be one, may run at once.
func Walk(ctx context.Context, data []byte, budget *Budget) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		f := Detect(data)
		if f == None {
			return
		}
		w := &walker{ctx: ctx, limits: budget.limits(), spent: budget, yield: yield}
		w.root.in = fixed(len(data))
		if w.root.why = budget.left(); w.root.why == nil {
			w.open(&w.root, "", f, &feed{mem: data})
		}
		if w.root.why != nil {
			w.tell("", f, w.root.why)
		}
	}
}
