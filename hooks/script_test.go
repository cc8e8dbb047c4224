package hooks

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shells are those that may be /bin/sh somewhere, as far as they are here.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for name, args := range map[string][]string{"sh": nil, "dash": nil, "bash": {"--posix"}, "busybox": {"sh"}, "ksh": nil, "mksh": nil} {
		if path, err := exec.LookPath(name); err == nil {
			found[name] = append([]string{path}, args...)
		}
	}
	if len(found) == 0 {
		t.Fatal("no shell was found")
	}
	return found
}

// called is what came of one run of a script.
type called struct {
	code        int
	first, ours string // the input that each got; "none" when it was not called
	says        string
}

// runScript runs a script in its directory with a shell, as a hook.
func runScript(t *testing.T, shell []string, path string, input []byte, env ...string) called {
	t.Helper()
	dir := filepath.Dir(path)
	cmd := exec.Command(shell[0], append(append([]string{}, shell[1:]...), path, "origin", "an 'odd' \"$(touch hurt)\" url\n")...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(input)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "OUT=" + dir}, env...)
	says, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	take := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "none"
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	return called{cmd.ProcessState.ExitCode(), take("first"), take("ours"), string(says)}
}

const (
	// Arguments are written before the input.
	readsAll = "#!/bin/sh\n{ printf '[%s]' \"$@\"; cat; } >\"$OUT/first\"\n"
	scans    = "#!/bin/sh\n{ printf '[%s]' \"$@\"; cat; } >\"$OUT/ours\"\nexit ${REFUSE:-0}\n"
	args     = "[origin][an 'odd' \"$(touch hurt)\" url\n]"
)

func TestScriptsHandOverTheirInput(t *testing.T) {
	random := make([]byte, 4<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(1 + r.IntN(255)) // names of refs hold no NUL
	}
	inputs := map[string][]byte{
		"nothing": nil, "a line": []byte("refs/heads/a 1 refs/heads/a 2\n"), "no newline at the end": []byte("x"),
		"newlines": []byte("\n\n\n"), "a dot": []byte("."), "looks like flags": []byte("-n %s \\n \\c\n"), "much": random,
	}
	for name, shell := range shells(t) {
		for _, chained := range []string{"", readsAll, "#!/bin/sh\n: >\"$OUT/first\"\n"} {
			dir := t.TempDir()
			program := filepath.Join(dir, "a 'b' \"$(touch hurt)\"\n\\`c`", "-keyquench")
			put(t, program, scans, 0o755)
			s := script{name: "pre-push", program: program}
			path := filepath.Join(dir, "pre-push")
			put(t, path, s.text(), 0o755)
			if chained != "" {
				put(t, path+chainedSuffix, chained, 0o755)
			}
			for what, input := range inputs {
				got := runScript(t, shell, path, input)
				want := called{0, "none", "[hook][run][pre-push]" + args + string(input), ""}
				switch chained {
				case "":
				case readsAll:
					want.first = args + string(input)
				default:
					want.first = ""
				}
				if got != want {
					t.Errorf("%s, %s, after %q: got %.300v, want %.300v", name, what, chained, got, want)
				}
			}
			if _, err := os.Lstat(filepath.Join(dir, "hurt")); err == nil {
				t.Errorf("%s: a name was run", name)
			}
		}
	}
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestScriptsKeepExitCodes(t *testing.T) {
	for name, shell := range shells(t) {
		for _, hook := range slices.Concat(workHooks, serverHooks) {
			for _, chain := range []chain{chainBeside, chainFolder} {
				dir := t.TempDir()
				program, path := filepath.Join(dir, "bin", "keyquench"), filepath.Join(dir, hook)
				put(t, program, scans, 0o755)
				s := script{name: hook, program: program, chain: chain, folder: "-hooks of 'mine'"}
				put(t, path, s.text(), 0o755)
				first := path + chainedSuffix
				if chain == chainFolder {
					first = filepath.Join(dir, s.folder, hook)
				}
				put(t, first, readsAll+"exit 7\n", 0o755)
				if got := runScript(t, shell, path, nil); got.code != 7 || got.ours != "none" {
					t.Errorf("%s: %s after a hook that exits with 7: %+v", name, hook, got)
				}
				put(t, first, readsAll, 0o755)
				if got := runScript(t, shell, path, nil, "REFUSE=1"); got.code != 1 || got.first == "none" {
					t.Errorf("%s: %s with a key: %+v", name, hook, got)
				}
			}
		}
	}
}

// A hook that does not find its program must not let anything pass.
func TestScriptsWithoutTheProgram(t *testing.T) {
	for name, shell := range shells(t) {
		dir := t.TempDir()
		s := script{name: "pre-push", program: filepath.Join(dir, "gone")}
		path := filepath.Join(dir, "pre-push")
		put(t, path, s.text(), 0o755)
		put(t, path+chainedSuffix, readsAll, 0o755)
		if got := runScript(t, shell, path, nil); got.code != 3 || !strings.Contains(got.says, "nothing was scanned\nkeyquench: try: ") {
			t.Errorf("%s: %+v", name, got)
		}
		put(t, filepath.Join(dir, "bin", "keyquench"), scans, 0o755)
		if got := runScript(t, shell, path, nil, "PATH="+filepath.Join(dir, "bin")+":/usr/bin:/bin"); got.code != 0 || got.ours == "none" {
			t.Errorf("%s: with one on the PATH: %+v", name, got)
		}
		// Without cat it could not hand over what is pushed.
		if got := runScript(t, shell, path, []byte("x"), "PATH="+filepath.Join(dir, "bin")); name != "busybox" && (got.code != 3 || got.ours != "none") {
			t.Errorf("%s: without cat: %+v", name, got)
		}
		if got := runScript(t, shell, path, nil, "PATH=/usr/bin:/bin"); got.code != 3 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What the user's environment holds reaches the other hook as it is.
func TestScriptsLeaveTheEnvironment(t *testing.T) {
	for name, shell := range shells(t) {
		dir := t.TempDir()
		program, path := filepath.Join(dir, "keyquench"), filepath.Join(dir, "pre-commit")
		put(t, program, scans, 0o755)
		s := script{name: "pre-commit", program: program}
		put(t, path, s.text(), 0o755)
		put(t, path+chainedSuffix, "#!/bin/sh\necho \"$input $first $program $line $name $here\" >\"$OUT/first\"\n", 0o755)
		got := runScript(t, shell, path, nil, "input=1", "first=2", "program=3", "line=4", "name=5", "here=6")
		if got.first != "1 2 3 4 5 6\n" {
			t.Errorf("%s: the hook before sees %q", name, got.first)
		}
	}
}

// Every name must be handed over, or a hook of somebody's would be silenced.
func TestScriptsForEveryName(t *testing.T) {
	fails := []string{"proc-receive", "fsmonitor-watchman", "push-to-checkout"}
	for shellName, shell := range shells(t) {
		for _, name := range gitHooks {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			s := script{name: name, chain: chainFolder, folder: filepath.Join(dir, "theirs")}
			put(t, path, s.text(), 0o755)
			put(t, filepath.Join(dir, "theirs", name), readsAll+"exit 5\n", 0o755)
			if got := runScript(t, shell, path, []byte("x")); got.code != 5 || got.first != args+"x" {
				t.Errorf("%s: %s: %+v", shellName, name, got)
			}
			put(t, filepath.Join(dir, "theirs", "away"), "", 0o644)
			if err := os.RemoveAll(filepath.Join(dir, "theirs")); err != nil {
				t.Fatal(err)
			}
			if got := runScript(t, shell, path, []byte("x")); (got.code != 0) != slices.Contains(fails, name) {
				t.Errorf("%s: %s without a hook: %+v", shellName, name, got)
			}
		}
	}
}

func TestProgramOfReadsWhatWasQuoted(t *testing.T) {
	for _, path := range []string{"/usr/bin/keyquench", "/a b/c", "/it's", "'", "''", "/a\nb", `/\`, "/$(x)`y`\"", "/'\\''"} {
		s := script{name: "pre-commit", program: path}
		if got, ok := programOf(s.text()); !ok || got != path {
			t.Errorf("programOf(the script for %q) = %q, %v", path, got, ok)
		}
	}
	for _, text := range []string{"", "#!/bin/sh\n", programVariable, programVariable + "'/a", programVariable + `'/a'\''`} {
		if got, ok := programOf(text); ok {
			t.Errorf("programOf(%q) = %q", text, got)
		}
	}
}
