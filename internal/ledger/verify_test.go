package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestVerifyNamesTheFirstEntryThatWasChanged(t *testing.T) {
	for _, tt := range []struct {
		sql  string
		seq  int64
		what string
	}{
		{"UPDATE entry SET data = '{}' WHERE seq = 4", 4, "does not fit its hash"},
		{"UPDATE entry SET at = '2026-11-20T12:00:00.000000006Z' WHERE seq = 2", 2, "does not fit its hash"},
		{"UPDATE entry SET by_whom = 'somebody else' WHERE seq = 6", 6, "does not fit its hash"},
		{"UPDATE entry SET hash = upper(hash) WHERE seq = 3", 3, "does not fit its hash"},
		{"UPDATE entry SET prev = hash WHERE seq = 3", 3, "does not follow"},
		{"DELETE FROM entry WHERE seq = 1", 1, "is missing: entry 2 follows 0"},
		{"DELETE FROM entry WHERE seq IN (3, 4)", 3, "is missing: entry 5 follows 2"},
		{"UPDATE entry SET seq = 0 WHERE seq = 6", 0, "has a number"},
		{"UPDATE entry SET seq = -7 WHERE seq = 6", -7, "has a number"},
		// Two rows change places.
		{"UPDATE entry SET seq = CASE seq WHEN 2 THEN -3 ELSE -2 END WHERE seq IN (2, 3); UPDATE entry SET seq = -seq WHERE seq < 0", 2, "does not follow"},
		{"INSERT INTO entry SELECT 7, at, case_id, key_id, account, kind, by_whom, data, hash, hash FROM entry WHERE seq = 6", 7, "does not fit its hash"},
		{"DROP INDEX entry_key; DROP TRIGGER IF EXISTS entry_next", 0, "index entry_key is gone"},
		{"CREATE TABLE more (a)", 0, "has more than a ledger's"},
		{"CREATE TRIGGER quiet AFTER INSERT ON entry BEGIN SELECT 1; END", 0, "has more than a ledger's"},
	} {
		l, path := newLedger(t, Options{})
		fillWith(t, l, 6)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		tamper(t, path, tt.sql)
		c, _, _ := verified(t.Context(), path)
		if c.Fault == nil || c.Fault.Seq != tt.seq || !strings.Contains(c.Fault.What, tt.what) {
			t.Errorf("after %s: Verify = %+v, want entry %d %q", tt.sql, c.Fault, tt.seq, tt.what)
		}
	}
}

func TestADroppedTriggerIsNoticed(t *testing.T) {
	l, path := newLedger(t, Options{})
	fillWith(t, l, 2)
	if err := execSQL(path, "DROP TRIGGER entry_deleted"); err != nil {
		t.Fatal(err)
	}
	if c, err := l.Verify(t.Context()); err != nil || c.Fault == nil || !strings.Contains(c.Fault.What, "trigger entry_deleted") {
		t.Errorf("Verify = %+v, %v", c, err)
	}
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrDamaged) || hint(err) == "" {
		t.Errorf("Open = %v, want ErrDamaged with a hint", err)
	}
}

func TestTheSchemaRefusesAllThatIsNotTheNextEntry(t *testing.T) {
	l, path := newLedger(t, Options{})
	fillWith(t, l, 3)
	row := "SELECT %s, at, case_id, key_id, account, kind, by_whom, data, %s, hash FROM entry WHERE seq = 3"
	for _, s := range []string{
		"UPDATE entry SET data = '1'",
		"DELETE FROM entry",
		"DELETE FROM entry WHERE seq = 3",
		"INSERT INTO entry " + fmt.Sprintf(row, "5", "hash"),
		"INSERT INTO entry " + fmt.Sprintf(row, "4", "prev"),
		"INSERT OR REPLACE INTO entry " + fmt.Sprintf(row, "3", "prev"),
		"REPLACE INTO entry " + fmt.Sprintf(row, "1", "prev"),
	} {
		if err := execSQL(path, s); err == nil || !strings.Contains(err.Error(), "an entry of a ledger") {
			t.Errorf("%s: %v", s, err)
		}
	}
	if c, err := l.Verify(t.Context()); err != nil || c.Fault != nil || c.Entries != 3 {
		t.Errorf("Verify = %+v, %v", c, err)
	}
}

func TestNothingIsBuiltOnAForgedEntry(t *testing.T) {
	l, path := newLedger(t, Options{})
	fillWith(t, l, 3)
	tamper(t, path, "UPDATE entry SET data = '{}' WHERE seq = 3")
	if _, err := l.Append(t.Context(), Entry{Kind: "note"}); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "entry 3") {
		t.Errorf("Append = %v, want ErrDamaged", err)
	}
	n := 0
	for _, err := range l.Entries(t.Context(), Filter{}) {
		if n++; n == 3 && !errors.Is(err, ErrDamaged) || n < 3 && err != nil {
			t.Errorf("Entries gives %d: %v", n, err)
		}
	}
	if n != 3 {
		t.Errorf("Entries gave %d entries", n)
	}
}

func TestOnlyANotedHeadTellsThatTheTailWasCut(t *testing.T) {
	l, path := newLedger(t, Options{})
	all := fillWith(t, l, 6)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	heads := make([]Head, len(all))
	for i, e := range all {
		heads[i] = Head{e.Seq, e.Hash}
	}
	start := Head{0, genesis}
	for _, h := range append(heads, start) {
		if c, _, err := verified(t.Context(), path, h); err != nil || c.Fault != nil {
			t.Errorf("Verify(%v) = %+v, %v", h, c.Fault, err)
		}
	}
	wrong := Head{4, all[4].Hash}
	if c, _, err := verified(t.Context(), path, heads[5], wrong); err != nil || c.Fault == nil || c.Fault.Seq != 4 {
		t.Errorf("Verify(%v) = %+v, %v, want a fault at 4", wrong, c.Fault, err)
	}
	tamper(t, path, "DELETE FROM entry WHERE seq > 4")
	if c, _, err := verified(t.Context(), path); err != nil || c.Fault != nil || c.Head != heads[3] {
		t.Errorf("Verify of a cut ledger = %+v, %v: it is whole by itself", c, err)
	}
	if c, _, err := verified(t.Context(), path, heads[2]); err != nil || c.Fault != nil {
		t.Errorf("Verify(%v) of a cut ledger = %+v, %v", heads[2], c.Fault, err)
	}
	if c, _, err := verified(t.Context(), path, heads[5]); err != nil || c.Fault == nil || c.Fault.Seq != 5 {
		t.Errorf("Verify(%v) of a cut ledger = %+v, %v, want a fault at 5", heads[5], c.Fault, err)
	}
}

// sample is the bytes of a small ledger, its entries and its head.
func sample(t testing.TB) ([]byte, []Entry) {
	t.Helper()
	l, path := newLedger(t, Options{pageSize: 512})
	all := fillWith(t, l, 7)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data, all
}

// falseWhole tells whether a damaged file passes for whole though its entries
// are not those that were written.
func falseWhole(t testing.TB, path string, data []byte, all []Entry) (whole, wrong bool) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c, got, err := verified(t.Context(), path, Head{all[len(all)-1].Seq, all[len(all)-1].Hash})
	if err != nil || c.Fault != nil {
		return false, false
	}
	return true, !reflect.DeepEqual(got, all) || !reflect.DeepEqual(ofKey(t, path, all[0].KeyID), wantOfKey(all))
}

// ofKey is what an index leads to.
func ofKey(t testing.TB, path, keyID string) (seqs []int64) {
	t.Helper()
	l, err := OpenRead(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for e, err := range l.Entries(t.Context(), Filter{KeyID: keyID}) {
		if err != nil {
			return nil
		}
		seqs = append(seqs, e.Seq)
	}
	return seqs
}

func wantOfKey(all []Entry) (seqs []int64) {
	for _, e := range all {
		if e.KeyID == all[0].KeyID {
			seqs = append(seqs, e.Seq)
		}
	}
	return seqs
}

func TestNoFlippedBitPassesForWholeWhenAnEntryChanged(t *testing.T) {
	data, all := sample(t)
	path := filepath.Join(t.TempDir(), "ledger.db")
	if whole, wrong := falseWhole(t, path, data, all); !whole || wrong {
		t.Fatalf("the sample itself is whole %v, wrong %v", whole, wrong)
	}
	r := rand.New(rand.NewPCG(5, 5))
	found, tried := 0, 0
	for i := r.IntN(2); i < len(data); i += 1 + r.IntN(9) { // all of them take minutes with -race
		tried++
		bit := byte(1) << r.IntN(8)
		data[i] ^= bit
		whole, wrong := falseWhole(t, path, data, all)
		if wrong {
			t.Errorf("byte %d, bit %#x: Verify says whole, and entries are not as they were", i, bit)
		}
		if !whole {
			found++
		}
		data[i] ^= bit
	}
	// What is not found lies in free space, or in numbers that mean nothing here.
	if found < tried/2 {
		t.Errorf("%d of %d flips are found", found, tried)
	}
}

// Every byte of the first entry's texts, as they lie in the file.
func TestEveryChangedByteOfAnEntryIsFound(t *testing.T) {
	data, all := sample(t)
	path := filepath.Join(t.TempDir(), "ledger.db")
	e := all[0]
	row := e.At.Format(timeForm) + e.Case + e.KeyID + e.Account + e.Kind + e.By + string(e.Data) + e.Prev + e.Hash
	at := strings.Index(string(data), row)
	if at < 0 {
		t.Fatal("the file does not have the row in one piece")
	}
	for i := at; i < at+len(row); i++ {
		bit := byte(1) << (i % 8)
		data[i] ^= bit
		if whole, _ := falseWhole(t, path, data, all); whole {
			t.Errorf("byte %d of the row, bit %#x: Verify says whole", i-at, bit)
		}
		data[i] ^= bit
	}
}

// Two pages of the table change places, so that rows come in the wrong order: a
// reader who asks for what follows the last row would never be done.
func TestALoopOverEntriesInTheWrongOrderEnds(t *testing.T) {
	data, all := sample(t)
	root := data[512:1024] // the second page, the first of the table
	if root[0] != 5 {
		t.Fatalf("page 2 is of type %d, want the inner page of a table", root[0])
	}
	first, second := root[binary.BigEndian.Uint16(root[12:]):], root[binary.BigEndian.Uint16(root[14:]):]
	for i := range 4 { // of a page's number
		first[i], second[i] = second[i], first[i]
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	if whole, _ := falseWhole(t, path, data, all); whole {
		t.Error("Verify says whole")
	}
	l, err := OpenRead(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := 0
	for _, err = range l.Entries(t.Context(), Filter{}) {
		if n++; n > len(all) {
			break
		}
	}
	if !errors.Is(err, ErrDamaged) || n > len(all) {
		t.Errorf("Entries gave %d and ended with %v, want ErrDamaged", n, err)
	}
}

func TestNoCutFilePassesForWhole(t *testing.T) {
	data, all := sample(t)
	path := filepath.Join(t.TempDir(), "ledger.db")
	for n := 0; n < len(data); n += 61 {
		if whole, _ := falseWhole(t, path, data[:n], all); whole {
			t.Errorf("cut to %d of %d bytes: Verify says whole", n, len(data))
		}
		l, err := Open(t.Context(), path, Options{})
		if err == nil {
			// Whole pages may be missing that opening does not read.
			_, err = l.Append(t.Context(), Entry{Kind: "note"})
			_ = l.Close()
		}
		if err == nil {
			if c, _, err := verified(t.Context(), path); err == nil && c.Fault == nil {
				t.Errorf("cut to %d of %d bytes: appended to, and whole again", n, len(data))
			}
		}
	}
}

func FuzzDamagedFile(f *testing.F) {
	data, all := sample(f)
	f.Add([]byte{0, 0, 1})
	f.Add([]byte{0x02, 0x10, 0xff, 0x08, 0x00, 0x01})
	f.Fuzz(func(t *testing.T, edits []byte) {
		// Three bytes an edit: where, and what to.
		changed := append([]byte(nil), data...)
		for ; len(edits) >= 3; edits = edits[3:] {
			changed[(int(edits[0])<<8|int(edits[1]))%len(changed)] = edits[2]
		}
		path := filepath.Join(t.TempDir(), "ledger.db")
		if _, wrong := falseWhole(t, path, changed, all); wrong {
			t.Error("Verify says whole, and entries are not as they were")
		}
		// Appending to it may fail, and may not panic.
		if l, err := Open(t.Context(), path, Options{}); err == nil {
			_, _ = l.Append(t.Context(), Entry{Kind: "note"})
			_ = l.Close()
		}
	})
}

func FuzzEncodingIsInjective(f *testing.F) {
	f.Add("a", "", int64(1), "", "a", int64(1))
	f.Add("ab", "c", int64(12), "a", "bc", int64(1))
	f.Fuzz(func(t *testing.T, a1, a2 string, n1 int64, b1, b2 string, n2 int64) {
		// Neighbouring fields, where one's end could pass for the other's beginning.
		pairs := [][2]*record{
			{{seq: n1, at: a1, caseID: a2}, {seq: n2, at: b1, caseID: b2}},
			{{seq: n1, by: a1, data: a2}, {seq: n2, by: b1, data: b2}},
			{{seq: n1, prev: a1, data: a2}, {seq: n2, prev: b1, data: b2}},
			{{seq: n1, keyID: a1, account: a2}, {seq: n2, keyID: b1, account: b2}},
			{{seq: n1, kind: a1 + a2}, {seq: n2, kind: b1 + b2}},
		}
		for _, p := range pairs {
			if same := *p[0] == *p[1]; (string(p[0].encode()) == string(p[1].encode())) != same || (p[0].sum() == p[1].sum()) != same {
				t.Errorf("encodings of %+v and %+v: same is not %v", p[0], p[1], same)
			}
		}
	})
}

func TestHeadsAreReadAsTheyAreWritten(t *testing.T) {
	hash := strings.Repeat("0a", 32)
	for _, h := range []Head{{0, genesis}, {1, hash}, {1 << 40, hash}} {
		if got, err := ParseHead(h.String()); err != nil || got != h {
			t.Errorf("ParseHead(%q) = %v, %v", h.String(), got, err)
		}
	}
	for _, s := range []string{"", ":", "1", "1:", "1:" + hash[1:], "1:" + strings.ToUpper(hash), "01:" + hash, "-1:" + hash, "+1:" + hash, " 1:" + hash, "0:" + hash, "1:" + genesis, "1:" + hash + "\n", "9223372036854775808:" + hash} {
		if h, err := ParseHead(s); err == nil {
			t.Errorf("ParseHead(%q) = %v, want an error", s, h)
		}
	}
}
