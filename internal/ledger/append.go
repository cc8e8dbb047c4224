package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Append writes e behind the last entry, and gives it as it stands there. It is
// on the disk when Append returns without an error. After an error nothing may
// be done on the strength of e; the ledger can be used again, and a later call
// says whether it works.
//
// Once writing has begun, the end of ctx does not break it off.
func (l *Ledger) Append(ctx context.Context, e Entry) (Entry, error) {
	if l.readOnly {
		return Entry{}, &Error{op: "append to", path: l.path, kind: ErrReadOnly, cause: errors.New("it was opened to be read")}
	}
	if e.At.IsZero() {
		e.At = l.now()
	}
	r, err := newRecord(&e)
	if err != nil {
		return Entry{}, &Error{op: "append to", path: l.path, kind: ErrEntry, cause: err}
	}
	conn, err := l.conn(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer conn.Close()
	if err := l.write(ctx, conn, r); err != nil {
		// What a failed statement left is not known. A new connection begins
		// with undoing it; an error of this one is the first one's echo.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		return Entry{}, l.fail("append to", err)
	}
	return r.entry()
}

func (l *Ledger) now() time.Time {
	if l.o.Now != nil {
		return l.o.Now()
	}
	return time.Now()
}

// newRecord checks e and makes it text.
func newRecord(e *Entry) (*record, error) {
	if e.Data == nil {
		e.Data = json.RawMessage("null")
	}
	r := &record{
		at: e.At.UTC().Format(timeForm), caseID: e.Case, keyID: e.KeyID, account: e.Account, kind: e.Kind, by: e.By, data: string(e.Data),
	}
	if year := e.At.UTC().Year(); year < 1 || year > 9999 {
		return nil, fmt.Errorf("year %d is out of range", year)
	}
	for _, f := range []struct {
		name, text string
		most       int
	}{
		{"case", r.caseID, maxField},
		{"key ID", r.keyID, maxField},
		{"account", r.account, maxField},
		{"kind", r.kind, maxField},
		{"name of who acts", r.by, maxField},
		{"data", r.data, MaxData},
	} {
		switch {
		case len(f.text) > f.most:
			return nil, fmt.Errorf("its %s has %d bytes, more than %d", f.name, len(f.text), f.most)
		case !utf8.ValidString(f.text) || strings.ContainsRune(f.text, 0):
			// SQLite takes a zero for the end of a text here and there.
			return nil, fmt.Errorf("its %s is not text", f.name)
		}
	}
	switch {
	case !json.Valid(e.Data):
		return nil, errors.New("its data is not JSON")
	case r.kind == "":
		return nil, errors.New("it has no kind")
	}
	return r, nil
}

// write puts r into the file in one transaction.
func (l *Ledger) write(ctx context.Context, conn *sql.Conn, r *record) error {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	last, err := lastRecord(ctx, conn)
	if err != nil {
		return err
	}
	r.seq, r.prev = last.seq+1, last.own
	r.own = r.sum()
	_, err = conn.ExecContext(ctx, "INSERT INTO entry ("+columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		r.seq, r.at, r.caseID, r.keyID, r.account, r.kind, r.by, r.data, r.prev, r.own)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}

// lastRecord is what the next one follows. It is checked: on a forged one
// nothing is built.
func lastRecord(ctx context.Context, conn *sql.Conn) (*record, error) {
	list, err := query(ctx, conn, "ORDER BY seq DESC LIMIT 1")
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return &record{own: genesis}, nil
	}
	last := &list[0]
	if last.own != last.sum() {
		return nil, damagedRow{last.seq, "does not fit its hash"}
	}
	return last, nil
}
