package ledger

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// childVariable makes the test binary one of the programs below.
const childVariable = "KEYQUENCH_LEDGER_TEST_CHILD"

func TestMain(m *testing.M) {
	if what := os.Getenv(childVariable); what != "" {
		if err := children[what](context.Background(), os.Args[1:]); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// children are what a child process does.
var children = map[string]func(context.Context, []string) error{
	// append PATH COUNT NAME appends, and tells each entry once it is acknowledged.
	"append": func(ctx context.Context, args []string) error {
		l, err := Open(ctx, args[0], Options{})
		if err != nil {
			return err
		}
		defer l.Close()
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		for i := range n {
			e, err := l.Append(ctx, Entry{Kind: "note", By: args[2], Data: fmt.Appendf(nil, `{"i":%d}`, i)})
			if err != nil {
				return err
			}
			fmt.Println(Head{e.Seq, e.Hash})
		}
		return nil
	},
	// limit PATH SIZE appends until the file may not grow.
	"limit": func(ctx context.Context, args []string) error {
		size, err := strconv.ParseUint(args[1], 10, 64)
		if err != nil {
			return err
		}
		l, err := Open(ctx, args[0], Options{})
		if err != nil {
			return err
		}
		defer l.Close()
		signal.Ignore(syscall.SIGXFSZ) // EFBIG is wanted, not the signal
		var old syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			return err
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: old.Max}); err != nil {
			return err
		}
		return untilFull(ctx, l, func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old) })
	},
	// tmpfs PATH mounts a small disk over the directory of PATH, in a mount
	// namespace of its own, and appends until it is full.
	"tmpfs": func(ctx context.Context, args []string) error {
		dir := filepath.Dir(args[0])
		if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("no mount: %w", err)
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=700"); err != nil {
			return fmt.Errorf("no mount: %w", err)
		}
		filler := filepath.Join(dir, "filler")
		if err := os.WriteFile(filler, make([]byte, 64<<10), 0o600); err != nil {
			return err
		}
		l, err := Open(ctx, args[0], Options{})
		if err != nil {
			return err
		}
		defer l.Close()
		if err := untilFull(ctx, l, func() error { return os.Remove(filler) }); err != nil {
			return err
		}
		// The same disk, read-only: reading works, writing is refused by name.
		if err := l.Close(); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("no mount: %w", err)
		}
		if _, err := Open(ctx, args[0], Options{}); !errors.Is(err, ErrReadOnly) {
			return fmt.Errorf("Open on a read-only disk = %w, want ErrReadOnly", err)
		}
		r, err := OpenRead(ctx, args[0], Options{})
		if err != nil {
			return err
		}
		defer r.Close()
		if c, err := r.Verify(ctx); err != nil || c.Fault != nil || c.Entries == 0 {
			return fmt.Errorf("Verify on a read-only disk = %+v, %w", c, err)
		}
		return nil
	},
	// fails PATH tells what opening and appending say.
	"fails": func(ctx context.Context, args []string) error {
		l, err := Open(ctx, args[0], Options{})
		if err != nil {
			return err
		}
		defer l.Close()
		_, err = l.Append(ctx, Entry{Kind: "note"})
		return err
	},
	// reads PATH verifies it.
	"reads": func(ctx context.Context, args []string) error {
		l, err := OpenRead(ctx, args[0], Options{})
		if err != nil {
			return err
		}
		defer l.Close()
		c, err := l.Verify(ctx)
		fmt.Println(c.Head, c.Fault)
		return err
	},
	// hold PATH KEY locks a key and waits to be killed.
	"hold": func(ctx context.Context, args []string) error {
		l, err := Open(ctx, args[0], Options{})
		if err != nil {
			return err
		}
		if _, err := l.Lock(ctx, args[1]); err != nil {
			return err
		}
		fmt.Println("held")
		select {}
	},
}

// untilFull appends until there is no room, tells what was acknowledged, makes
// room, and appends once more: the ledger must be usable.
func untilFull(ctx context.Context, l *Ledger, room func() error) error {
	data, _ := json.Marshal(string(make([]byte, 1000)))
	for i := range 1000 {
		e, err := l.Append(ctx, Entry{Kind: "note", Data: data})
		if err == nil {
			fmt.Println(Head{e.Seq, e.Hash})
			continue
		}
		fmt.Println("full", i, err)
		if err := room(); err != nil {
			return err
		}
		e, err = l.Append(ctx, Entry{Kind: "note"})
		if err != nil {
			return fmt.Errorf("with room again: %w", err)
		}
		fmt.Println(Head{e.Seq, e.Hash})
		return nil
	}
	return errors.New("the disk is never full")
}

// child is a process that does one of children.
func child(t *testing.T, what string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = append(os.Environ(), childVariable+"="+what)
	return c
}

// lines are what a command writes; a channel that is closed at its end.
func lines(t *testing.T, c *exec.Cmd) <-chan string {
	t.Helper()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	to := make(chan string, 10000) // never waits for the test
	go func() {
		defer close(to)
		for s := bufio.NewScanner(out); s.Scan(); {
			to <- s.Text()
		}
	}()
	return to
}
