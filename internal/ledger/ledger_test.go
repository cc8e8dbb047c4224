package ledger

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAppendedEntriesAreReadBackWholeAndInOrder(t *testing.T) {
	l, path := newLedger(t, Options{})
	want := fillWith(t, l, 2*page+7)
	if want[0].Prev != genesis || want[1].Prev != want[0].Hash || want[0].Seq != 1 || !want[0].At.Equal(day()) {
		t.Errorf("first entries %+v", want[:2])
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c, got, err := verified(t.Context(), path)
	if err != nil || c.Fault != nil || c.Entries != int64(len(want)) || c.Head != (Head{want[len(want)-1].Seq, want[len(want)-1].Hash}) {
		t.Errorf("Verify = %+v, %v", c, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Entries = %d entries, want %d as they were appended", len(got), len(want))
	}
}

func TestGoroutinesAppendAtOnce(t *testing.T) {
	l, path := newLedger(t, Options{})
	const each, goroutines = 10, 8
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				if _, err := l.Append(t.Context(), Entry{Kind: "note"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if c, _, err := verified(t.Context(), path); err != nil || c.Fault != nil || c.Entries != each*goroutines {
		t.Errorf("Verify = %+v, %v, want %d entries", c, err, each*goroutines)
	}
}

// Whoever acts waits for it, before each step and after.
func BenchmarkAppend(b *testing.B) {
	l, _ := newLedger(b, Options{})
	data := []byte(`"` + strings.Repeat("x", 2000) + `"`)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Append(b.Context(), Entry{Kind: "note", Data: data}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	l, path := newLedger(b, Options{})
	fillWith(b, l, 10)
	b.ReportAllocs()
	for b.Loop() {
		again, err := Open(b.Context(), path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := again.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	l, _ := newLedger(b, Options{})
	fillWith(b, l, 1000)
	b.ReportAllocs()
	for b.Loop() {
		if c, err := l.Verify(b.Context()); err != nil || c.Fault != nil {
			b.Fatal(c, err)
		}
	}
}

func TestFilterChoosesEntriesThatHaveAllOfIt(t *testing.T) {
	now := day()
	l, _ := newLedger(t, Options{Now: func() time.Time { now = now.Add(time.Hour); return now }})
	all := fillWith(t, l, 24)
	for _, f := range []Filter{
		{},
		{Case: "case-1"},
		{KeyID: "KEY1"},
		{Account: "000000000003"},
		{Since: all[20].At},
		{Since: all[20].At.Add(1)},
		{Seq: 7},
		{Seq: 99},
		{Case: "case-2", KeyID: "KEY0", Account: "000000000002", Since: all[3].At},
		{Case: "nobody"},
	} {
		var want, got []int64
		for _, e := range all {
			if (f.Case == "" || f.Case == e.Case) && (f.KeyID == "" || f.KeyID == e.KeyID) && (f.Account == "" || f.Account == e.Account) && !e.At.Before(f.Since) && (f.Seq == 0 || f.Seq == e.Seq) {
				want = append(want, e.Seq)
			}
		}
		for e, err := range l.Entries(t.Context(), f) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Seq)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("Entries(%+v) = %v, want %v", f, got, want)
		}
	}
}

func TestALoopOverEntriesKeepsNoWriterWaiting(t *testing.T) {
	l, path := newLedger(t, Options{})
	fillWith(t, l, page+1)
	other, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	n := 0
	for _, err := range l.Entries(t.Context(), Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n > 3 {
			continue
		}
		for _, w := range []*Ledger{l, other} {
			if _, err := w.Append(t.Context(), Entry{Kind: "note"}); err != nil {
				t.Fatalf("Append in the loop: %v", err)
			}
		}
	}
	if want := page + 1 + 6; n != want {
		t.Errorf("the loop saw %d entries, want %d with those appended in it", n, want)
	}
}

func TestAppendRefusesWhatCannotStandInALedger(t *testing.T) {
	l, _ := newLedger(t, Options{})
	most := `"` + strings.Repeat("x", MaxData-2) + `"`
	for name, e := range map[string]Entry{
		"data that is too long":  {Kind: "note", Data: []byte(most + " ")},
		"data that is no JSON":   {Kind: "note", Data: []byte(`{"a":`)},
		"empty data":             {Kind: "note", Data: []byte{}},
		"data that is no text":   {Kind: "note", Data: []byte("\"\xff\"")},
		"no kind":                {},
		"a key ID with a zero":   {Kind: "note", KeyID: "a\x00b"},
		"a name that is no text": {Kind: "note", By: "\xff"},
		"a name of a novel":      {Kind: "note", By: strings.Repeat("x", maxField+1)},
		"a year of five digits":  {Kind: "note", At: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		_, err := l.Append(t.Context(), e)
		if !errors.Is(err, ErrEntry) || hint(err) == "" {
			t.Errorf("Append of %s = %v, want ErrEntry with a hint", name, err)
		}
	}
	for _, e := range []Entry{{Kind: "note", Data: []byte(most)}, {Kind: "note", By: strings.Repeat("x", maxField)}, {Kind: "note"}} {
		if _, err := l.Append(t.Context(), e); err != nil {
			t.Errorf("Append at the limit: %v", err)
		}
	}
	if c, err := l.Verify(t.Context()); err != nil || c.Fault != nil || c.Entries != 3 {
		t.Errorf("Verify = %+v, %v, want 3 entries", c, err)
	}
}

func hint(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint()
	}
	return ""
}

func TestEveryErrorHasANextStep(t *testing.T) {
	for kind, h := range hints {
		if h == "" || (&Error{op: "open", path: "x", kind: kind}).Hint() != h {
			t.Errorf("%v has the hint %q", kind, h)
		}
	}
	if n := 14; len(hints) != n {
		t.Errorf("%d kinds have hints, want %d", len(hints), n)
	}
}

// What a power cut would show, no test can: these are what SQLite promises with.
func TestEveryConnectionWritesThroughToTheDisk(t *testing.T) {
	l, _ := newLedger(t, Options{})
	for range 2 {
		for pragma, want := range map[string]string{"synchronous": "3", "journal_mode": "delete", "trusted_schema": "0"} {
			var got string
			if err := l.db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
				t.Errorf("PRAGMA %s = %q, %v, want %q", pragma, got, err, want)
			}
		}
		// The next connection is a new one.
		if _, err := l.Append(stoppedContext(t), Entry{Kind: "note"}); !errors.Is(err, context.Canceled) {
			t.Fatalf("Append with a context that ended = %v", err)
		}
		l.db.SetMaxIdleConns(0)
		l.db.SetMaxIdleConns(1)
	}
}

func stoppedContext(t *testing.T) context.Context {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	return ctx
}

func TestAnotherWriterIsWaitedForAndThenNamed(t *testing.T) {
	l, path := newLedger(t, Options{})
	fillWith(t, l, 2)
	impatient, err := Open(t.Context(), path, Options{busy: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer impatient.Close()
	conn, err := l.conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	if _, err := impatient.Append(t.Context(), Entry{Kind: "note"}); !errors.Is(err, ErrBusy) || hint(err) == "" {
		t.Errorf("Append = %v, want ErrBusy with a hint", err)
	}
	if _, err := impatient.Verify(t.Context()); !errors.Is(err, ErrBusy) {
		t.Errorf("Verify = %v, want ErrBusy: that it could not look is no damage", err)
	}
	if _, err := Open(t.Context(), path, Options{busy: 20 * time.Millisecond}); !errors.Is(err, ErrBusy) {
		t.Errorf("Open = %v, want ErrBusy", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if e, err := impatient.Append(t.Context(), Entry{Kind: "note"}); err != nil || e.Seq != 3 {
		t.Errorf("Append after the other one = entry %d, %v, want entry 3", e.Seq, err)
	}
}

// execSQL does what somebody with another program could do to a file.
// README.md promises that another program can check the chain.
func TestTheProgramOfTheReadmeChecksTheChain(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, ok := strings.Cut(string(text), "```python\n")
	code, _, ok2 := strings.Cut(code, "```")
	if !ok || !ok2 {
		t.Fatal("README.md has no program")
	}
	l, path := newLedger(t, Options{})
	all := fillWith(t, l, 5)
	if e, err := l.Append(t.Context(), Entry{Kind: "notiz", By: "Zoë 漢", Data: []byte(`"ü"`)}); err != nil {
		t.Fatal(err)
	} else {
		all = append(all, e)
	}
	out, err := exec.CommandContext(t.Context(), python, "-c", code, path).CombinedOutput()
	if want := (Head{6, all[5].Hash}).String() + "\n"; err != nil || string(out) != want {
		t.Errorf("the program says %q, %v, want %q", out, err, want)
	}
	tamper(t, path, "UPDATE entry SET account = '999999999999' WHERE seq = 3")
	out, err = exec.CommandContext(t.Context(), python, "-c", code, path).CombinedOutput()
	if err == nil || string(out) != "entry 3 is not whole\n" {
		t.Errorf("the program says %q, %v of a changed ledger", out, err)
	}
}

// tamper changes a ledger as its owner could: the triggers go and come back.
func tamper(t *testing.T, path string, statements ...string) {
	t.Helper()
	var all []string
	for _, o := range schema {
		if o.kind == "trigger" {
			all = append(all, "DROP TRIGGER "+o.name)
		}
	}
	all = append(all, statements...)
	for _, o := range schema {
		if o.kind == "trigger" {
			all = append(all, o.sql)
		}
	}
	if err := execSQL(path, all...); err != nil {
		t.Fatal(err)
	}
}
