package ledger

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// day is the clock of tests.
func day() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 5, time.UTC) }

// newLedger is an empty one, and its path.
func newLedger(t testing.TB, o Options) (*Ledger, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state", "keyquench", "ledger.db")
	if o.Now == nil {
		o.Now = day
	}
	l, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, path
}

// fillWith appends n entries and gives them.
func fillWith(t testing.TB, l *Ledger, n int) (list []Entry) {
	t.Helper()
	for i := range n {
		e, err := l.Append(t.Context(), Entry{
			Case: fmt.Sprintf("case-%d", i%3), KeyID: fmt.Sprintf("KEY%d", i%2), Account: fmt.Sprintf("%012d", i%4),
			Kind: "intent", By: "somebody", Data: fmt.Appendf(nil, `{"call":"UpdateAccessKey","number":%d}`, i),
		})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// verified is what a reader says of the file at path.
func verified(ctx context.Context, path string, noted ...Head) (Check, []Entry, error) {
	l, err := OpenRead(ctx, path, Options{})
	if err != nil {
		return Check{}, nil, err
	}
	defer l.Close()
	c, err := l.Verify(ctx, noted...)
	if err != nil {
		return c, nil, err
	}
	var list []Entry
	for e, err := range l.Entries(ctx, Filter{}) {
		if err != nil {
			return c, list, err
		}
		list = append(list, e)
	}
	return c, list, nil
}
