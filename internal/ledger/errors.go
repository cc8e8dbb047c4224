package ledger

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What can go wrong with a ledger.
var (
	// ErrMissing: there is no such file.
	ErrMissing = errors.New("there is no ledger")
	// ErrPermission: the file or its directory may not be used.
	ErrPermission = errors.New("no permission")
	// ErrShared: others may write the file or its directory.
	ErrShared = errors.New("others can write to it")
	// ErrFull: the disk has no room.
	ErrFull = errors.New("the disk is full")
	// ErrReadOnly: the disk, the file or the ledger as opened cannot be written.
	ErrReadOnly = errors.New("it cannot be written")
	// ErrDisk: reading or writing failed for another reason.
	ErrDisk = errors.New("the disk failed")
	// ErrNotLedger: the file is something else.
	ErrNotLedger = errors.New("not a ledger")
	// ErrVersion: another version of the program made the file.
	ErrVersion = errors.New("a ledger of another version")
	// ErrDamaged: the file, an entry or the schema is not as it was written.
	ErrDamaged = errors.New("it was damaged or changed")
	// ErrBusy: another process kept the file locked.
	ErrBusy = errors.New("another process is using it")
	// ErrHeld: another process acts on the key.
	ErrHeld = errors.New("another process acts on this key")
	// ErrInterrupted: what a killed writer left can be undone only by writing.
	ErrInterrupted = errors.New("its last write was interrupted and must be undone first")
	// ErrNowhere: the user has no directory for it.
	ErrNowhere = errors.New("there is no place for it")
	// ErrEntry: the entry cannot be stored as it is.
	ErrEntry = errors.New("the entry is refused")
)

// hints are the next steps.
var hints = map[error]string{
	ErrMissing:     "keyquench makes one when it first acts on a key; --ledger FILE names another",
	ErrPermission:  "see that you may write to the directory and the file, or name another with --ledger FILE",
	ErrShared:      "chmod go-w the file and its directory and chown them to yourself, or name another with --ledger FILE",
	ErrFull:        "make room on the disk, or name a file on another with --ledger FILE; nothing was recorded",
	ErrReadOnly:    "name a file on a disk that can be written with --ledger FILE; nothing was recorded",
	ErrDisk:        "check the free space and the health of the disk, or name a file on another with --ledger FILE",
	ErrNotLedger:   "check the name; --ledger FILE must be a file that keyquench made, or one that does not exist",
	ErrVersion:     "use the version of keyquench that wrote it, or begin a new one with --ledger FILE",
	ErrDamaged:     "keep the file as evidence, see keyquench ledger verify, and go on with a new one: --ledger FILE",
	ErrBusy:        "wait for the other process and run it again",
	ErrHeld:        "wait until the other process is done, then run it again",
	ErrInterrupted: "copy the ledger and the -journal file beside it to a disk that can be written, and read it there",
	ErrNowhere:     "name a file with --ledger FILE",
	ErrEntry:       "this is a bug in keyquench: please report it",
}

// Error is what failed, with its next step. It unwraps to one of the errors of
// this package and to the cause.
type Error struct {
	op, path    string
	kind, cause error
}

// Error is one line, without what an entry holds.
func (e *Error) Error() string {
	s := e.op + " ledger " + e.path + ": " + e.kind.Error()
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap gives the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

// Hint is the next step.
func (e *Error) Hint() string { return hints[e.kind] }

// fail makes an Error of what SQLite or the system says.
func (l *Ledger) fail(op string, err error) error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	return &Error{op: op, path: l.path, kind: kindOf(err), cause: err}
}

// kindOf sorts errors of SQLite, and of the file system.
func kindOf(err error) error {
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return errStopped
	case errors.Is(err, ErrDamaged):
		return ErrDamaged
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return ErrNowhere
	case errors.Is(err, fs.ErrPermission):
		return ErrPermission
	case errors.Is(err, syscall.ENOSPC):
		return ErrFull
	case errors.Is(err, syscall.EROFS):
		return ErrReadOnly
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return ErrDisk
	}
	switch e.Code() & 0xff { // the rest says more closely what
	case sqlite3.SQLITE_FULL:
		return ErrFull
	case sqlite3.SQLITE_READONLY:
		return ErrReadOnly
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return ErrPermission
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return ErrBusy
	case sqlite3.SQLITE_NOTADB:
		return ErrNotLedger
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_FORMAT:
		return ErrDamaged
	case sqlite3.SQLITE_INTERRUPT:
		return errStopped
	}
	return ErrDisk
}

// errStopped: the caller's context ended. It has no next step of ours.
var errStopped = errors.New("stopped")

// pathCause is err without the path, which the message has already.
func pathCause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
