package ledger

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenMakesDirectoryAndFileForTheOwnerOnly(t *testing.T) {
	_, path := newLedger(t, Options{})
	for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir, filepath.Dir(filepath.Dir(path)): 0o700 | os.ModeDir} {
		if info, err := os.Stat(p); err != nil || info.Mode() != want {
			t.Errorf("mode of %s = %v, %v, want %v", p, info.Mode(), err, want)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".ledger-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOpenRefusesWhatOthersCanWrite(t *testing.T) {
	l, path := newLedger(t, Options{})
	fillWith(t, l, 1)
	dir := filepath.Dir(path)
	for _, tt := range []struct {
		file, dir os.FileMode
		refused   bool
	}{
		{0o600, 0o700, false},
		{0o644, 0o755, false},
		{0o620, 0o700, true},
		{0o602, 0o700, true},
		{0o600, 0o720, true},
		{0o600, 0o777 | os.ModeSticky, false},
	} {
		if err := errors.Join(os.Chmod(path, tt.file), os.Chmod(dir, tt.dir)); err != nil {
			t.Fatal(err)
		}
		again, err := Open(t.Context(), path, Options{})
		if err == nil {
			_ = again.Close()
		}
		if refused := errors.Is(err, ErrShared) && hint(err) != ""; refused != tt.refused || !refused && err != nil {
			t.Errorf("Open with modes %v and %v = %v, want refused %v", tt.file, tt.dir, err, tt.refused)
		}
	}
}

func TestOpenRefusesWhatIsNoLedgerAndLeavesItAlone(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		make func(path string) error
		want error
	}{
		"empty":     {func(p string) error { return os.WriteFile(p, nil, 0o600) }, ErrNotLedger},
		"garbage":   {func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("no ledger ", 1000)), 0o600) }, ErrNotLedger},
		"short":     {func(p string) error { return os.WriteFile(p, []byte("x"), 0o600) }, ErrNotLedger},
		"directory": {func(p string) error { return os.Mkdir(p, 0o700) }, ErrNotLedger},
		"device":    {func(p string) error { return os.Symlink("/dev/full", p) }, ErrNotLedger},
		"database":  {func(p string) error { return execSQL(p, "CREATE TABLE entry (seq INTEGER)") }, ErrNotLedger},
		"version": {func(p string) error {
			return execSQL(p, "CREATE TABLE entry (seq INTEGER)", "PRAGMA application_id=1263619121", "PRAGMA user_version=9")
		}, ErrVersion},
		"view": {func(p string) error {
			return execSQL(p, "CREATE VIEW entry AS SELECT 1 AS seq", "PRAGMA application_id=1263619121", "PRAGMA user_version=1")
		}, ErrDamaged},
		"log mode": {func(p string) error { return execSQL(p, "PRAGMA journal_mode=WAL", "CREATE TABLE a (b)") }, ErrNotLedger},
	} {
		path := filepath.Join(dir, name)
		if err := tt.make(path); err != nil {
			t.Fatal(err)
		}
		var before []byte // of a file
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			if before, err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Open(t.Context(), path, Options{})
		if !errors.Is(err, tt.want) || hint(err) == "" {
			t.Errorf("Open(%s) = %v, want %v with a hint", name, err, tt.want)
		}
		_, err = OpenRead(t.Context(), path, Options{})
		if !errors.Is(err, tt.want) || hint(err) == "" {
			t.Errorf("OpenRead(%s) = %v, want %v with a hint", name, err, tt.want)
		}
		if before != nil {
			if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
				t.Errorf("%s: opening it changed the file (%v)", name, err)
			}
		}
	}
	if applicationID != 1263619121 {
		t.Errorf("the application's ID is %d: this test makes none of its files", applicationID)
	}
}

func execSQL(path string, statements ...string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			return err
		}
	}
	return os.Chmod(path, 0o600)
}

func TestOpenReadCreatesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger.db")
	if _, err := OpenRead(t.Context(), path, Options{}); !errors.Is(err, ErrMissing) || hint(err) == "" {
		t.Errorf("OpenRead without a file = %v, want ErrMissing with a hint", err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("OpenRead made %v, %v", list, err)
	}
	w, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l, err := OpenRead(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Append(t.Context(), Entry{Kind: "note"}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Append to what was opened to be read = %v, want ErrReadOnly", err)
	}
	if _, err := l.Lock(t.Context(), "KEY"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Lock of what was opened to be read = %v, want ErrReadOnly", err)
	}
}

func TestALinkAndItsTargetAreOneLedger(t *testing.T) {
	l, path := newLedger(t, Options{})
	link := filepath.Join(t.TempDir(), "odd name?mode=memory#%20.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	other, err := Open(t.Context(), link, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if other.Path() != l.Path() {
		t.Errorf("Path = %s, want %s", other.Path(), l.Path())
	}
	odd := filepath.Join(t.TempDir(), "odd name?mode=memory#%20.db")
	third, err := Open(t.Context(), odd, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	fillWith(t, third, 1)
	if info, err := os.Stat(odd); err != nil || info.Size() == 0 {
		t.Errorf("Stat(%q) = %v, %v", odd, info, err)
	}
}

func TestDefaultPathIsTheUsersStateDirectory(t *testing.T) {
	for _, tt := range []struct {
		system string
		env    map[string]string
		want   string
	}{
		{"linux", map[string]string{"HOME": "/home/u"}, "/home/u/.local/state/keyquench/ledger.db"},
		{"linux", map[string]string{"HOME": "/home/u", "XDG_STATE_HOME": "/s"}, "/s/keyquench/ledger.db"},
		{"freebsd", map[string]string{"HOME": "/home/u", "XDG_STATE_HOME": "s"}, "/home/u/.local/state/keyquench/ledger.db"},
		{"darwin", map[string]string{"HOME": "/Users/u", "XDG_STATE_HOME": "/s"}, "/Users/u/Library/Application Support/keyquench/ledger.db"},
		{"windows", map[string]string{"LocalAppData": "/l"}, "/l/keyquench/ledger.db"},
		{"linux", nil, ""},
		{"windows", map[string]string{"HOME": "/home/u"}, ""},
	} {
		got, err := defaultPath(tt.system, func(k string) string { return tt.env[k] })
		if got != tt.want || (err == nil) != (tt.want != "") || err != nil && hint(err) == "" {
			t.Errorf("defaultPath(%s, %v) = %q, %v, want %q", tt.system, tt.env, got, err, tt.want)
		}
	}
}
