package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestALockIsFreeWhenItsHolderDies(t *testing.T) {
	l, path := newLedger(t, Options{})
	c := child(t, "hold", path, "KEY")
	out := lines(t, c)
	if line := <-out; line != "held" {
		t.Fatalf("the child says %q", line)
	}
	told := ""
	tries := 0
	l.o.Waiting = func(_, holder string) { told = holder }
	l.o.Sleep = func(ctx context.Context, _ time.Duration) error {
		if tries++; tries > 3 {
			return context.DeadlineExceeded
		}
		return nil
	}
	_, err := l.Lock(t.Context(), "KEY")
	want := fmt.Sprintf("process %d on ", c.Process.Pid)
	if !errors.Is(err, ErrHeld) || !errors.Is(err, context.DeadlineExceeded) || hint(err) == "" || !strings.Contains(err.Error(), want) || !strings.HasPrefix(told, want) {
		t.Errorf("Lock of a held key = %v, told %q, want ErrHeld by %q", err, told, want)
	}
	release, err := l.Lock(t.Context(), "OTHER")
	if err != nil {
		t.Fatalf("Lock of another key: %v", err)
	}
	release()
	// It dies while somebody waits.
	tries = 0
	l.o.Sleep = func(context.Context, time.Duration) error {
		if tries++; tries == 1 {
			if err := c.Process.Kill(); err != nil {
				return err
			}
			_ = c.Wait() // says that it was killed
		}
		return nil
	}
	if release, err = l.Lock(t.Context(), "KEY"); err != nil {
		t.Fatalf("Lock after its holder died: %v", err)
	}
	// A second Lock of this process has to wait, too.
	l.o.Sleep = func(context.Context, time.Duration) error { return context.Canceled }
	if _, err := l.Lock(t.Context(), "KEY"); !errors.Is(err, ErrHeld) || !errors.Is(err, context.Canceled) {
		t.Errorf("second Lock = %v, want ErrHeld", err)
	}
	release()
	release()
	if release, err = l.Lock(t.Context(), "KEY"); err != nil {
		t.Fatalf("Lock after its release: %v", err)
	}
	release()
}
