package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"modernc.org/sqlite"
)

// Check is what Verify found out.
type Check struct {
	// Entries is how many are whole, from the first on.
	Entries int64
	// Head is the last whole entry. Noted somewhere else, it proves later that
	// nothing up to it was changed or cut off.
	Head Head
	// Fault is the first thing that is not as it was written; nil when all is.
	Fault *Fault
}

// Fault is where a ledger was changed.
type Fault struct {
	// Seq is the first entry that is not whole; 0 when it is not an entry.
	Seq int64
	// What is wrong, in words.
	What string
}

// Verify reads everything: that each entry fits its hash and follows the one
// before, that no number is missing, that the file and its schema are sound, and
// that it continues from each of the noted heads. Without a noted head it cannot
// tell that the last entries were cut off, or that all was written anew. An error
// means that it could not find out.
func (l *Ledger) Verify(ctx context.Context, noted ...Head) (Check, error) {
	c := Check{Head: Head{0, genesis}}
	if err := l.walk(ctx, &c, noted); err != nil {
		return c, l.fault(&c, c.Entries+1, err)
	}
	if c.Fault != nil {
		return c, nil
	}
	for _, h := range noted {
		if h.Seq > c.Head.Seq {
			c.Fault = &Fault{c.Head.Seq + 1, fmt.Sprintf("is missing: entries up to %d were noted", h.Seq)}
			return c, nil
		}
	}
	if err := l.sound(ctx, &c); err != nil {
		return c, l.fault(&c, 0, err)
	}
	return c, nil
}

// fault makes an error that tells of damage a Fault.
func (l *Ledger) fault(c *Check, seq int64, err error) error {
	if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotLedger) {
		return err
	}
	c.Fault = &Fault{Seq: seq, What: "cannot be read: " + plainCause(err)}
	return nil
}

// plainCause is the part of err that says what is damaged.
func plainCause(err error) string {
	if d, ok := errors.AsType[damagedRow](err); ok {
		return d.Error()
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Error()
	}
	return err.Error()
}

// walk follows the chain.
func (l *Ledger) walk(ctx context.Context, c *Check, noted []Head) error {
	// NOT INDEXED: an index can say something else than the table. The lowest
	// number comes first, so that none hides below 1.
	next := int64(math.MinInt64)
	for {
		list, err := l.records(ctx, fmt.Sprintf("NOT INDEXED WHERE seq >= ? ORDER BY seq LIMIT %d", page), next)
		for i := range list {
			if c.Fault = follows(&list[i], c.Head, noted); c.Fault != nil {
				return nil
			}
			c.Entries++
			c.Head = Head{list[i].seq, list[i].own}
		}
		if err != nil {
			return err
		}
		if len(list) < page {
			return nil
		}
		next = c.Head.Seq + 1
	}
}

// follows says what is wrong with a record behind the last whole one.
func follows(r *record, last Head, noted []Head) *Fault {
	want := last.Seq + 1
	switch {
	case r.seq < want:
		return &Fault{r.seq, "has a number that no entry has"}
	case r.seq > want:
		return &Fault{want, fmt.Sprintf("is missing: entry %d follows %d", r.seq, last.Seq)}
	case r.prev != last.Hash:
		return &Fault{r.seq, "does not follow the entry before it"}
	case r.own != r.sum():
		return &Fault{r.seq, "was changed: it does not fit its hash"}
	}
	if _, err := r.entry(); err != nil {
		return &Fault{r.seq, "has a time that cannot be read"}
	}
	for _, h := range noted {
		if h.Seq == r.seq && h.Hash != r.own {
			return &Fault{r.seq, "is not the one that was noted: the ledger was replaced from there or before"}
		}
	}
	return nil
}

// sound checks the file beyond the rows: SQLite's own structure, where a STRICT
// table's types are part of it, the indexes, and the schema.
func (l *Ledger) sound(ctx context.Context, c *Check) error {
	conn, err := l.conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	what, err := schemaFault(ctx, conn)
	if err == nil && what == "" {
		what, err = integrity(ctx, conn)
	}
	if err != nil {
		return l.fail("verify", err)
	}
	if what != "" {
		c.Fault = &Fault{What: what}
	}
	return nil
}

// integrity is what SQLite finds wrong first, or "".
func integrity(ctx context.Context, conn *sql.Conn) (string, error) {
	var what string
	if err := conn.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&what); err != nil {
		return "", err
	}
	if what == "ok" {
		return "", nil
	}
	return "its structure is damaged: " + what, nil
}
