package ledger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// acknowledged checks that the file has every entry that was told of, and is
// whole.
func acknowledged(t *testing.T, path string, told []Head) Check {
	t.Helper()
	c, list, err := verified(t.Context(), path, told...)
	if err != nil || c.Fault != nil {
		t.Fatalf("Verify with %d noted heads = %+v, %v", len(told), c.Fault, err)
	}
	for _, h := range told {
		if h.Seq > int64(len(list)) || list[h.Seq-1].Hash != h.Hash {
			t.Errorf("entry %v was acknowledged and is not there", h)
		}
	}
	return c
}

// A process is killed in the middle of appending, wherever that is.
func TestNoAcknowledgedEntryIsLostWhenTheWriterIsKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "ledger.db")
	r := rand.New(rand.NewPCG(9, 9))
	var told []Head
	rounds := 40
	for round := range rounds {
		c := child(t, "append", path, "100000", fmt.Sprint("round ", round))
		out := lines(t, c)
		// At a line, and some microseconds more: in any part of an append. The
		// first rounds are killed while the file is made.
		stop := 0
		if round > 5 {
			stop = 1 + r.IntN(20)
		}
		for range stop {
			line, ok := <-out
			if !ok {
				t.Fatal("the child ended by itself")
			}
			told = append(told, head(t, line))
		}
		spin(time.Duration(r.IntN(8000)) * time.Microsecond)
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for line := range out {
			// The end of the last line may be missing.
			if h, err := ParseHead(line); err == nil {
				told = append(told, h)
			}
		}
		if err := c.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the child ended with %v", err)
		}
		if round == 0 {
			continue // perhaps there is no file yet
		}
		if _, err := os.Stat(path); err == nil {
			acknowledged(t, path, told)
		} else if len(told) > 0 {
			t.Fatal(err)
		}
	}
	if len(told) < rounds {
		t.Errorf("%d entries were acknowledged in %d rounds", len(told), rounds)
	}
}

// spin lets time go by without giving up the processor: the kill is to come at
// a time that depends on nothing.
func spin(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
	}
}

func head(t *testing.T, line string) Head {
	t.Helper()
	h, err := ParseHead(line)
	if err != nil {
		t.Fatalf("the child says %q", line)
	}
	return h
}

func TestProcessesAppendAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "ledger.db") // which all of them want to make
	const each, processes = 40, 4
	outs := make([]<-chan string, processes)
	cmds := make([]*exec.Cmd, processes)
	for i := range cmds {
		cmds[i] = child(t, "append", path, fmt.Sprint(each), fmt.Sprint("process ", i))
		outs[i] = lines(t, cmds[i])
	}
	var told []Head
	for i, out := range outs {
		for line := range out {
			told = append(told, head(t, line))
		}
		if err := cmds[i].Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
	}
	if c := acknowledged(t, path, told); c.Entries != each*processes || len(told) != each*processes {
		t.Errorf("%d entries, %d acknowledged, want %d", c.Entries, len(told), each*processes)
	}
}

// full runs a child that fills its disk, and checks what it tells.
func full(t *testing.T, c *exec.Cmd) (told []Head, message string) {
	t.Helper()
	for line := range lines(t, c) {
		if strings.HasPrefix(line, "full ") {
			message = line
			continue
		}
		if strings.HasPrefix(line, "error no mount") {
			t.Skip("a small disk can be mounted only with the right to: " + line)
		}
		if strings.HasPrefix(line, "error") {
			t.Fatal(line)
		}
		told = append(told, head(t, line))
	}
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(told) < 2 || message == "" {
		t.Fatalf("%d entries, message %q", len(told), message)
	}
	return told, message
}

func TestAFileThatMayNotGrowLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	told, message := full(t, child(t, "limit", path, "150000"))
	if !strings.Contains(message, ErrDisk.Error()) {
		t.Errorf("the child says %q, want %q", message, ErrDisk)
	}
	// All that was told is there, and nothing of what failed.
	if c := acknowledged(t, path, told); c.Entries != int64(len(told)) {
		t.Errorf("%d entries, want %d", c.Entries, len(told))
	}
}

func TestAFullDiskIsNamedAndTheLedgerWorksOnceThereIsRoom(t *testing.T) {
	c := child(t, "tmpfs", filepath.Join(t.TempDir(), "ledger.db"))
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if _, message := full(t, c); !strings.Contains(message, ErrFull.Error()) {
		t.Errorf("the child says %q, want %q", message, ErrFull)
	}
}

// SQLite's own bound stands for the disk's: this runs everywhere.
func TestAFullFileIsNamedAndTheLedgerWorksOnceThereIsRoom(t *testing.T) {
	l, path := newLedger(t, Options{})
	fillWith(t, l, 3)
	exec := func(s string) {
		t.Helper()
		if _, err := l.db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	exec("PRAGMA max_page_count=9")
	long := []byte(`"` + strings.Repeat("x", 20000) + `"`)
	if _, err := l.Append(t.Context(), Entry{Kind: "note", Data: long}); !errors.Is(err, ErrFull) || hint(err) == "" {
		t.Fatalf("Append = %v, want ErrFull with a hint", err)
	}
	if c, _, err := verified(t.Context(), path); err != nil || c.Fault != nil || c.Entries != 3 {
		t.Errorf("Verify = %+v, %v, want 3 entries", c, err)
	}
	// The bound went with the connection that failed.
	if e, err := l.Append(t.Context(), Entry{Kind: "note", Data: long}); err != nil || e.Seq != 4 {
		t.Errorf("Append with room = %v, %v", e.Seq, err)
	}
}

// nobody is a user without rights. Root tests with it, as root may do anything.
const nobody = 65534

// other runs a child as a user who owns none of the files.
func other(t *testing.T, what, path string) string {
	t.Helper()
	c := child(t, what, path)
	if os.Geteuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		// The test binary lies where only root may look.
		bin := filepath.Join(openDirectory(t), "ledger.test")
		data, err := os.ReadFile(os.Args[0])
		if err == nil {
			err = os.WriteFile(bin, data, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Path = bin
		c.Dir = "/"
	}
	out, _ := c.CombinedOutput() // its exit code says no more than its text
	return string(out)
}

// openDirectory is one that everybody can look into.
func openDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "keyquench-ledger-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestADirectoryThatCannotBeWrittenIsNamed(t *testing.T) {
	dir := openDirectory(t)
	own := func(mode os.FileMode, paths ...string) {
		t.Helper()
		for _, p := range paths {
			if err := os.Chmod(p, mode); err != nil {
				t.Fatal(err)
			}
			if os.Geteuid() == 0 {
				if err := os.Chown(p, nobody, nobody); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	path := filepath.Join(dir, "ledger.db")
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	told := fillWith(t, l, 2)[1]
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	own(0o600, path)
	own(0o555, dir)
	if got := other(t, "fails", filepath.Join(dir, "new", "ledger.db")); !strings.Contains(got, ErrPermission.Error()) {
		t.Errorf("making a ledger says %q", got)
	}
	if got := other(t, "fails", path); !strings.Contains(got, ErrPermission.Error()) && !strings.Contains(got, ErrReadOnly.Error()) {
		t.Errorf("appending in a directory that cannot be written says %q", got)
	}
	own(0o400, path)
	if got := other(t, "fails", path); !strings.Contains(got, ErrReadOnly.Error()) {
		t.Errorf("appending to a file that cannot be written says %q", got)
	}
	if got, want := other(t, "reads", path), (Head{told.Seq, told.Hash}).String()+" <nil>\n"; got != want {
		t.Errorf("reading it says %q, want %q", got, want)
	}
	own(0o000, path)
	if got := other(t, "reads", path); !strings.Contains(got, ErrPermission.Error()) {
		t.Errorf("reading a file without the right to says %q", got)
	}
}

func TestAForeignersFileIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	_, path := newLedger(t, Options{})
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrShared) {
		t.Errorf("Open of another user's file = %v, want ErrShared", err)
	}
}

// A writer killed between its writes leaves a journal that must be undone.
func TestAnInterruptedWriteIsUndoneByAReader(t *testing.T) {
	l, path := newLedger(t, Options{})
	want := fillWith(t, l, 5)
	copied := hotCopy(t, l, path)
	c, list, err := verified(t.Context(), copied)
	if err != nil || c.Fault != nil || len(list) != len(want) || c.Head.Hash != want[4].Hash {
		t.Errorf("Verify = %+v, %v, %d entries, want %d", c, err, len(list), len(want))
	}
	if _, err := os.Stat(copied + "-journal"); err == nil {
		t.Error("the journal is still there")
	}
	// Where it cannot be undone, that is said.
	if os.Geteuid() != 0 {
		return
	}
	copied = hotCopy(t, l, path)
	for _, p := range []string{copied, copied + "-journal", filepath.Dir(copied)} {
		if err := os.Chown(p, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(copied, 0o400), os.Chmod(filepath.Dir(copied), 0o555)); err != nil {
		t.Fatal(err)
	}
	if got := other(t, "reads", copied); !strings.Contains(got, ErrInterrupted.Error()) {
		t.Errorf("reading it where it cannot be undone says %q", got)
	}
}

// hotCopy is a copy of a ledger in the middle of a write, journal and all.
func hotCopy(t *testing.T, l *Ledger, path string) string {
	t.Helper()
	conn, err := l.conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range []string{
		"PRAGMA cache_size=1", // pages go to the file before the commit
		"BEGIN IMMEDIATE",
		"INSERT INTO entry SELECT max(seq)+1, at, case_id, key_id, account, kind, by_whom, hex(zeroblob(50000)), hash, hash FROM entry",
	} {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	to := filepath.Join(openDirectory(t), "ledger.db")
	for _, suffix := range []string{"", "-journal"} {
		data, err := os.ReadFile(path + suffix)
		if err == nil {
			err = os.WriteFile(to+suffix, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	return to
}
