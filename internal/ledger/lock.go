package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	// locksSuffix names the directory of locks beside the ledger.
	locksSuffix = ".locks"
	// lockPause is how long to wait before the next try for a lock.
	lockPause = 50 * time.Millisecond
	// maxHolder bounds what is read of who holds a lock.
	maxHolder = 200
)

// Lock waits until no other process, and no other Lock of this one, acts on the
// key, or until ctx ends; that error is an ErrHeld and says who holds it. The
// lock ends with release, which may be called again, or with the process.
//
// The files of locks stay: one that is removed while somebody waits for it would
// let two in.
func (l *Ledger) Lock(ctx context.Context, keyID string) (release func(), err error) {
	if l.readOnly {
		return nil, &Error{op: "lock a key in", path: l.path, kind: ErrReadOnly, cause: errors.New("it was opened to be read")}
	}
	locks := l.path + locksSuffix
	if err := makeDirectory(locks); err != nil {
		return nil, l.lockError(err)
	}
	// A key ID may be any text: its hash is always a name.
	h := sha256.Sum256([]byte(keyID))
	path := filepath.Join(locks, hex.EncodeToString(h[:16]))
	lock := flock.New(path, flock.SetPermissions(0o600))
	if err := l.wait(ctx, lock, keyID); err != nil {
		return nil, err
	}
	// Who holds it is told to those who wait; without it they know less.
	host, _ := os.Hostname()
	_ = os.WriteFile(path, fmt.Appendf(nil, "process %d on %s since %s", os.Getpid(), host, l.now().UTC().Format(time.RFC3339)), 0o600)
	return func() { _ = lock.Unlock() }, nil // the file is closed, and the lock with it
}

func (l *Ledger) wait(ctx context.Context, lock *flock.Flock, keyID string) error {
	told := false
	for {
		switch ok, err := lock.TryLock(); {
		case err != nil:
			return l.lockError(err)
		case ok:
			return nil
		}
		if !told && l.o.Waiting != nil {
			l.o.Waiting(keyID, holder(lock.Path()))
		}
		told = true
		if err := l.sleep(ctx, lockPause); err != nil {
			return &Error{op: "lock a key in", path: l.path, kind: ErrHeld, cause: fmt.Errorf("%s: %w", holder(lock.Path()), err)}
		}
	}
}

func (l *Ledger) lockError(err error) error {
	return &Error{op: "lock a key in", path: l.path, kind: kindOf(err), cause: pathCause(err)}
}

func (l *Ledger) sleep(ctx context.Context, d time.Duration) error {
	if l.o.Sleep != nil {
		return l.o.Sleep(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// holder is who wrote a name into the file of a lock.
func holder(path string) string {
	const unknown = "process unknown"
	f, err := os.Open(path)
	if err != nil {
		return unknown
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxHolder))
	if err != nil || len(text) == 0 {
		return unknown
	}
	return strings.ToValidUTF8(string(text), "?")
}
