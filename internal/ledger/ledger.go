// Package ledger is the record of what was found, meant and done about keys: an
// append-only, hash-chained SQLite file. Append returns once an entry is on the
// disk, so that whoever acts can write first and act after; an error means that
// nothing may be done.
//
// It stores kinds and JSON, and judges neither: it knows nothing of verdicts and
// plans, and opens no network connection. It cannot keep somebody who may write
// the file from replacing all of it; whoever notes the head (Check.Head) now and
// then can prove later that the file still continues from there. README.md says
// how another program checks the chain.
package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Entry is one line of the record. Append fills Seq, Prev and Hash, and At where
// it is the zero time.
type Entry struct {
	Seq int64     // 1, 2, 3 …
	At  time.Time // in UTC
	// Case joins the entries of one incident.
	Case, KeyID, Account string
	// Kind is the caller's word: "intent", "outcome" and the like.
	Kind string
	// By is who acts, in words.
	By string
	// Data is any JSON of at most MaxData bytes; nil is stored as null.
	Data json.RawMessage
	// Prev is the hash of the entry before, Hash that of this one.
	Prev, Hash string
}

const (
	// MaxData bounds the JSON of an entry. A policy document of IAM has at most
	// 10 KB; an intent that saves several of them fits.
	MaxData = 64 << 10
	// maxField bounds each other text: AWS's longest ARNs have 2 KB.
	maxField = 2 << 10
	// maxRow bounds what is read of a row, which anybody may have written.
	maxRow = 1 << 20
	// page is how many entries are read at once. No statement is open while the
	// caller has them: an open one would lock out every writer.
	page = 64
	// busyTimeout is how long a call waits for another process that writes. One
	// append takes milliseconds.
	busyTimeout = 10 * time.Second
)

// Options change how a ledger behaves; the zero value is what programs want.
type Options struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Sleep waits between two tries for a lock; nil waits on the real clock.
	Sleep func(context.Context, time.Duration) error
	// Waiting, if not nil, is called once in a Lock that has to wait, with who
	// holds the lock. That text comes from a file, and may hold any bytes.
	Waiting func(keyID, holder string)

	pageSize int           // of a new file, for tests; 0 is SQLite's own
	busy     time.Duration // for tests; 0 is busyTimeout
}

// Ledger is an open record. Its methods may be called at once, also by several
// processes on the same file.
type Ledger struct {
	db       *sql.DB
	path     string
	o        Options
	readOnly bool
}

// Open opens the ledger at path to append to it, and makes it, with its
// directory, where there is none. A file that others may write is refused, and
// so is one whose schema is not exactly that of a ledger.
func Open(ctx context.Context, path string, o Options) (*Ledger, error) {
	path, err := prepare(ctx, path, &o)
	if err != nil {
		return nil, err
	}
	l := &Ledger{path: path, o: o}
	if err := l.connect(ctx, "rw"); err != nil {
		return nil, err
	}
	if err := l.begin(ctx); err != nil {
		_ = l.db.Close() // the first error is told
		return nil, err
	}
	return l, nil
}

// begin checks that what was opened may be appended to.
func (l *Ledger) begin(ctx context.Context) error {
	conn, err := l.conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := l.checkHeader(ctx, conn); err != nil {
		return err
	}
	what, err := schemaFault(ctx, conn)
	if err != nil {
		return l.fail("open", err)
	}
	if what != "" {
		return &Error{op: "open", path: l.path, kind: ErrDamaged, cause: errors.New(what)}
	}
	// Not in the address of the file: another program's file, opened by mistake,
	// would be changed before it is seen to be no ledger.
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode=DELETE").Scan(&mode); err != nil {
		return l.fail("open", err)
	}
	if mode != "delete" {
		return l.fail("open", fmt.Errorf("journal mode is %q", mode))
	}
	// SQLite opens for reading what it may not write, and says so at the first
	// write. This is one: it makes the journal, and changes nothing.
	for _, s := range []string{"BEGIN IMMEDIATE", fmt.Sprintf("PRAGMA user_version=%d", schemaVersion), "ROLLBACK"} {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return l.fail("open", err)
		}
	}
	return nil
}

// OpenRead opens the ledger at path for Entries and Verify. It creates nothing,
// and works on a disk that cannot be written. A ledger that somebody has changed
// is opened, as long as its table is one of entries: Verify names the change.
func OpenRead(ctx context.Context, path string, o Options) (*Ledger, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, &Error{op: "open", path: path, kind: ErrMissing, cause: err}
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{op: "open", path: path, kind: ErrMissing}
	case err != nil:
		return nil, &Error{op: "open", path: path, kind: kindOf(err), cause: pathCause(err)}
	default:
		if err := checkFile(path, info); err != nil {
			return nil, err
		}
	}
	l := &Ledger{path: path, o: o, readOnly: true}
	err = l.openRead(ctx, "ro")
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() == sqlite3.SQLITE_READONLY_ROLLBACK {
		// A writer was killed in the middle. What it left is undone first, as
		// any writer would; that needs a disk that can be written.
		if err = l.openRead(ctx, "rw"); err != nil {
			return nil, &Error{op: "open", path: path, kind: ErrInterrupted, cause: err}
		}
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Ledger) openRead(ctx context.Context, mode string) error {
	if err := l.connect(ctx, mode, "query_only(1)"); err != nil {
		return err
	}
	conn, err := l.conn(ctx)
	if err == nil {
		err = l.checkHeader(ctx, conn)
		_ = conn.Close() // gives it back to l.db
	}
	if err != nil {
		_ = l.db.Close() // the first error is told
	}
	return err
}

// connect sets up l.db. With one connection, calls at once wait for each other
// here and not for SQLite's lock.
func (l *Ledger) connect(ctx context.Context, mode string, pragmas ...string) error {
	q := url.Values{"mode": {mode}, "_error_rc": {"1"}, "_defensive": {"1"}}
	q["_pragma"] = append([]string{
		"busy_timeout(" + strconv.FormatInt(cmp.Or(l.o.busy, busyTimeout).Milliseconds(), 10) + ")",
		"trusted_schema(0)", "cell_size_check(1)",
		// The rollback journal, not the write-ahead log: it leaves one file, and
		// is read on a disk that cannot be written. FULL with it can lose the
		// last commit when the power goes, as the journal's removal may not have
		// reached the disk; EXTRA is FULL and a sync of the directory.
		"synchronous(EXTRA)",
	}, pragmas...)
	name := filepath.ToSlash(l.path)
	if name[0] != '/' {
		name = "/" + name // C:/ of Windows
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: name, RawQuery: q.Encode()}).String())
	if err != nil {
		return l.fail("open", err)
	}
	db.SetMaxOpenConns(1)
	l.db = db
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close() // the first error is told
		return l.fail("open", err)
	}
	return nil
}

// conn is the connection, with its limits set.
func (l *Ledger) conn(ctx context.Context) (*sql.Conn, error) {
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return nil, l.fail("open", err)
	}
	if _, err := sqlite.Limit(conn, sqlite3.SQLITE_LIMIT_LENGTH, maxRow); err != nil {
		_ = conn.Close() // the first error is told
		return nil, l.fail("open", err)
	}
	return conn, nil
}

// Path is where the ledger lies, symbolic links followed.
func (l *Ledger) Path() string { return l.path }

// Close ends the use of the ledger. Locks are not part of it.
func (l *Ledger) Close() error {
	if err := l.db.Close(); err != nil {
		return l.fail("close", err)
	}
	return nil
}
