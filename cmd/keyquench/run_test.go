package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner"
)

// try runs the program in this process.
func try(ctx context.Context, in io.Reader, args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	p := &program{in: in, out: &o, errOut: &e, getenv: func(string) string { return "" }, now: time.Now}
	code = p.run(ctx, args)
	return code, o.String(), e.String()
}

func TestInterruptedScanIsNotClean(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	leak := "key " + rulestest.KeyID(rulestest.Rand(1), "AKIA")
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte(leak), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := try(ctx, nil, "scan", dir)
	if code != exitFailed || out != "" || !strings.HasPrefix(errOut, "keyquench: interrupted: ") {
		t.Errorf("interrupted scan = %d, %q, %q", code, out, errOut)
	}
	code, out, _ = try(ctx, nil, "scan", "--format", "json", dir)
	if code != exitFailed || !strings.Contains(out, `"complete":false`) || strings.Contains(out, `"complete":true`) {
		t.Errorf("interrupted scan = %d, %q", code, out)
	}
}

// broken fails on everything.
type broken struct{}

var errBroken = errors.New("broken pipe")

func (broken) Read([]byte) (int, error)  { return 0, errBroken }
func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestUnwritableOutputIsAFailure(t *testing.T) {
	leak := "key " + rulestest.KeyID(rulestest.Rand(1), "AKIA")
	for _, format := range []string{"text", "json"} {
		var e bytes.Buffer
		p := &program{in: strings.NewReader(leak), out: broken{}, errOut: &e, getenv: os.Getenv, now: time.Now}
		if code := p.run(t.Context(), []string{"scan", "--stdin", "--format", format}); code != exitFailed {
			t.Errorf("exit code %d, want %d", code, exitFailed)
		}
		if !strings.Contains(e.String(), "keyquench: broken pipe") {
			t.Errorf("standard error is %q", e.String())
		}
	}
}

func TestUnreadableInputIsAFailure(t *testing.T) {
	code, out, errOut := try(t.Context(), broken{}, "scan", "--stdin")
	if code != exitFailed || out != "" || !strings.Contains(errOut, "keyquench: read (stdin): broken pipe") {
		t.Errorf("scan of broken input = %d, %q, %q", code, out, errOut)
	}
}

// Hooks set variables for their own repository; they count only when no path
// is given, but where the user's ignore file lies always does.
func TestEnvironmentCountsOnlyWithoutAPath(t *testing.T) {
	var asked []string
	ask := func(args ...string) {
		asked = nil
		p := &program{out: io.Discard, errOut: io.Discard, now: time.Now, getenv: func(key string) string {
			asked = append(asked, key)
			return ""
		}}
		p.run(t.Context(), args)
	}
	has := func(key string) bool { return strings.Contains(" "+strings.Join(asked, " ")+" ", " "+key+" ") }
	t.Chdir(t.TempDir())
	if err := exec.Command("git", "init", "-q").Run(); err != nil {
		t.Fatal(err)
	}
	if ask("scan"); !has("GIT_DIR") {
		t.Errorf("scan asks for %v, not for GIT_DIR", asked)
	}
	if ask("scan", "."); has("GIT_DIR") || has("GIT_OBJECT_DIRECTORY") || !has("GIT_CEILING_DIRECTORIES") || !has("HOME") {
		t.Errorf("scan . asks for %v", asked)
	}
}

func TestAtomicFileAppearsWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	names := func() (list []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			list = append(list, e.Name())
		}
		return list
	}
	a, err := newAtomicFile(path)
	if err != nil || len(names()) != 0 {
		t.Fatalf("newAtomicFile: %v, leaves %v", err, names())
	}
	if _, err := a.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("it is there before commit: %v", err)
	}
	a.discard()
	if n := names(); len(n) != 0 {
		t.Errorf("discard leaves %v", n)
	}
	if _, err := a.Write([]byte("whole")); err != nil {
		t.Fatal(err)
	}
	if err := a.commit(); err != nil {
		t.Fatal(err)
	}
	a.discard()
	data, err := os.ReadFile(path)
	if err != nil || string(data) != "whole" || len(names()) != 1 {
		t.Errorf("after commit: %q, %v, %v", data, err, names())
	}
}

func TestProgressLine(t *testing.T) {
	for _, tt := range []struct {
		blobs, bytes, hits int64
		elapsed            time.Duration
		want               string
	}{
		{0, 0, 0, 0, "0 scanned, 0 MB/s, 0 hits"},
		{1500, 20e6, 3, 2 * time.Second, "1500 scanned, 10 MB/s, 3 hits"},
	} {
		var m scanner.Meter
		m.Blobs.Store(tt.blobs)
		m.Bytes.Store(tt.bytes)
		m.Hits.Store(tt.hits)
		if got := progressLine(&m, tt.elapsed); got != tt.want {
			t.Errorf("progressLine(%d, %d, %d; %v) = %q, want %q", tt.blobs, tt.bytes, tt.hits, tt.elapsed, got, tt.want)
		}
	}
}

func TestProgressIsClearedWhenItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		var m scanner.Meter
		p := startProgress(&b, &m, 10)
		m.Objects.Store(4)
		m.Blobs.Store(5)
		m.Bytes.Store(3e6)
		time.Sleep(pollEvery + time.Millisecond)
		m.Objects.Store(10)
		m.Blobs.Store(7)
		time.Sleep(pollEvery)
		p.stop()
		p.stop()
		got := b.String()
		for _, want := range []string{"5 scanned, 30 MB/s, 0 hits  40%", "7 scanned, 15 MB/s, 0 hits  90%"} {
			if strings.Count(got, want) == 0 {
				t.Errorf("progress is %q, without %q", got, want)
			}
		}
		line := got[strings.LastIndex(strings.TrimRight(got, "\r"), "\r")+1:]
		if strings.Trim(line, " \r") != "" || !strings.HasSuffix(got, "\r") {
			t.Errorf("what stays is %q", line)
		}
	})
}
