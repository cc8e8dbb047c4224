package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

const (
	applicationID = 0x4b51_4c31 // "KQL1", in the file's header
	schemaVersion = 1
)

// object is what SQLite's own list says of a table, an index or a trigger.
type object struct{ kind, name, sql string }

// schema is all that a ledger has. The texts are compared with those in a file:
// a change is a new schemaVersion.
//
// INSERT OR REPLACE removes rows without firing the trigger for DELETE; the one
// for INSERT refuses it, as it refuses all that is not the next entry.
var schema = []object{
	{"table", "entry", `CREATE TABLE entry (
	seq INTEGER PRIMARY KEY,
	at TEXT NOT NULL,
	case_id TEXT NOT NULL,
	key_id TEXT NOT NULL,
	account TEXT NOT NULL,
	kind TEXT NOT NULL,
	by_whom TEXT NOT NULL,
	data TEXT NOT NULL,
	prev TEXT NOT NULL,
	hash TEXT NOT NULL
) STRICT`},
	{"index", "entry_case", `CREATE INDEX entry_case ON entry (case_id, seq)`},
	{"index", "entry_key", `CREATE INDEX entry_key ON entry (key_id, seq)`},
	{"trigger", "entry_changed", `CREATE TRIGGER entry_changed BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'an entry of a ledger is never changed'); END`},
	{"trigger", "entry_deleted", `CREATE TRIGGER entry_deleted BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'an entry of a ledger is never deleted'); END`},
	{"trigger", "entry_next", `CREATE TRIGGER entry_next BEFORE INSERT ON entry
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM entry)
	OR NEW.prev IS NOT coalesce((SELECT hash FROM entry ORDER BY seq DESC LIMIT 1), '` + genesis + `')
BEGIN SELECT RAISE(ABORT, 'an entry of a ledger follows the last one'); END`},
}

// createSchema makes an empty database a ledger.
func createSchema(ctx context.Context, conn *sql.Conn) error {
	statements := []string{
		"BEGIN IMMEDIATE",
		fmt.Sprintf("PRAGMA application_id=%d", applicationID),
		fmt.Sprintf("PRAGMA user_version=%d", schemaVersion),
	}
	for _, o := range schema {
		statements = append(statements, o.sql)
	}
	for _, s := range append(statements, "COMMIT") {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// checkHeader makes sure that the file says to be a ledger of this version, and
// that entry is the table it should be: a view of that name could do anything.
func (l *Ledger) checkHeader(ctx context.Context, conn *sql.Conn) error {
	var app, version int64
	err := conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app)
	if err == nil {
		err = conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	}
	switch {
	case err != nil:
		return l.fail("open", err)
	case app != applicationID:
		return &Error{op: "open", path: l.path, kind: ErrNotLedger, cause: errors.New("a database of another program")}
	case version != schemaVersion:
		return &Error{op: "open", path: l.path, kind: ErrVersion, cause: fmt.Errorf("the file has version %d, this program knows %d", version, schemaVersion)}
	}
	list, err := objects(ctx, conn)
	if err != nil {
		return l.fail("open", err)
	}
	if !slices.Contains(list, schema[0]) {
		return &Error{op: "open", path: l.path, kind: ErrDamaged, cause: errors.New("its table of entries is not that of a ledger")}
	}
	return nil
}

// schemaFault says in which way the schema was changed, or "".
func schemaFault(ctx context.Context, conn *sql.Conn) (string, error) {
	list, err := objects(ctx, conn)
	if err != nil {
		return "", err
	}
	for _, o := range schema {
		if !slices.Contains(list, o) {
			return fmt.Sprintf("its %s %s is gone or was changed", o.kind, o.name), nil
		}
	}
	if len(list) != len(schema) {
		return "its schema has more than a ledger's", nil
	}
	return "", nil
}

// objects lists what a file has, up to one more than a ledger.
func objects(ctx context.Context, conn *sql.Conn) (list []object, err error) {
	rows, err := conn.QueryContext(ctx, "SELECT type, name, coalesce(sql, '') FROM sqlite_schema LIMIT ?", len(schema)+1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var o object
		if err := rows.Scan(&o.kind, &o.name, &o.sql); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, rows.Err()
}
