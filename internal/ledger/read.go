package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Filter chooses entries: those that have all that is set.
type Filter struct {
	Case, KeyID, Account string
	Since                time.Time
	Seq                  int64 // of one entry
}

const columns = "seq, at, case_id, key_id, account, kind, by_whom, data, prev, hash"

// damagedRow is an entry that is not as it was written.
type damagedRow struct {
	seq  int64
	what string
}

func (d damagedRow) Error() string { return fmt.Sprintf("entry %d %s", d.seq, d.what) }

// Unwrap makes it an ErrDamaged.
func (d damagedRow) Unwrap() error { return ErrDamaged }

// Entries gives the chosen entries in the order they were written. Each fits its
// own hash; that none is missing, only Verify tells. An error is the last thing
// that is given. Writers, also the caller's own, are not kept waiting by the
// loop, and what they append meanwhile is given too.
func (l *Ledger) Entries(ctx context.Context, f Filter) iter.Seq2[Entry, error] {
	where, args := "seq > ?", []any{nil} // the first is the entry read last
	add := func(set bool, condition string, value any) {
		if set {
			where += " AND " + condition
			args = append(args, value)
		}
	}
	add(f.Case != "", "case_id = ?", f.Case)
	add(f.KeyID != "", "key_id = ?", f.KeyID)
	add(f.Account != "", "account = ?", f.Account)
	add(!f.Since.IsZero(), "at >= ?", f.Since.UTC().Format(timeForm))
	add(f.Seq != 0, "seq = ?", f.Seq)
	clause := fmt.Sprintf("WHERE %s ORDER BY seq LIMIT %d", where, page)
	return func(yield func(Entry, error) bool) {
		last := int64(0)
		for {
			args[0] = last
			list, err := l.records(ctx, clause, args...)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for i := range list {
				e, err := l.checked(&list[i], last)
				if !yield(e, err) || err != nil {
					return
				}
				last = e.Seq
			}
			if len(list) < page {
				return
			}
		}
	}
}

// checked is the entry of a record behind entry number last. In a damaged file
// the rows need not come in order, and the loop over them need not end.
func (l *Ledger) checked(r *record, last int64) (Entry, error) {
	if r.seq <= last {
		return Entry{}, l.damaged("read", damagedRow{r.seq, "stands in the wrong place"})
	}
	if r.own != r.sum() {
		return Entry{}, l.damaged("read", damagedRow{r.seq, "does not fit its hash"})
	}
	e, err := r.entry()
	if err != nil {
		return Entry{}, l.damaged("read", err)
	}
	return e, nil
}

func (l *Ledger) damaged(op string, err error) error {
	return &Error{op: op, path: l.path, kind: ErrDamaged, cause: err}
}

// records reads one page; with an error come those before it.
func (l *Ledger) records(ctx context.Context, clause string, args ...any) ([]record, error) {
	conn, err := l.conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	list, err := query(ctx, conn, clause, args...)
	if err != nil {
		return list, l.fail("read", err)
	}
	return list, nil
}

// query reads entries, and believes nothing of their types: in a damaged file,
// STRICT does not hold.
func query(ctx context.Context, conn *sql.Conn, clause string, args ...any) (list []record, err error) {
	rows, err := conn.QueryContext(ctx, "SELECT "+columns+" FROM entry "+clause, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r record
		texts := []*string{&r.at, &r.caseID, &r.keyID, &r.account, &r.kind, &r.by, &r.data, &r.prev, &r.own}
		values := make([]any, 1+len(texts))
		into := make([]any, len(values))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		var ok bool
		if r.seq, ok = values[0].(int64); !ok {
			return nil, damagedRow{0, "has no number"}
		}
		for i, text := range texts {
			if *text, ok = values[i+1].(string); !ok {
				names := strings.Split(columns, ", ")
				return list, damagedRow{r.seq, names[i+1] + " is not text"}
			}
		}
		list = append(list, r)
	}
	return list, rows.Err()
}
