package action_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// table runs a copy of table.sh beside a table of its own.
func table(t *testing.T, rows string) (run func(args ...string) (int, string), read func() string) {
	t.Helper()
	dir := t.TempDir()
	script, err := os.ReadFile("table.sh")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"table.sh": string(script), "checksums.txt": rows} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run = func(args ...string) (int, string) {
		t.Helper()
		cmd := exec.Command("bash", append([]string{filepath.Join(dir, "table.sh")}, args...)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatalf("bash table.sh: %v", err)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
	return run, func() string {
		data, err := os.ReadFile(filepath.Join(dir, "checksums.txt"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
}

// release is a checksums.txt as goreleaser writes it, and the rows of it that count.
func release(t *testing.T, version, seed string) (path, rows string) {
	t.Helper()
	var all, programs strings.Builder
	for _, system := range []string{"darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64", "windows_amd64.exe", "windows_arm64.exe"} {
		row := fmt.Sprintf("%s  keyquench_%s_%s\n", sum(seed+version+system), version, system)
		programs.WriteString(row)
		all.WriteString(row)
		fmt.Fprintf(&all, "%s  keyquench_%s_%s_archive.tar.gz\n", sum("a"+system), version, strings.TrimSuffix(system, ".exe"))
		fmt.Fprintf(&all, "%s  keyquench_%s_%s_archive.tar.gz.sbom.json\n", sum("s"+system), version, system)
	}
	path = filepath.Join(t.TempDir(), "checksums.txt")
	if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path, programs.String()
}

func TestTableTakesTheProgramsOfARelease(t *testing.T) {
	const head = "# what it is\n"
	run, read := table(t, head)
	first, firstRows := release(t, "v0.1.0", "")
	second, secondRows := release(t, "v0.2.0-rc.1", "")
	for _, path := range []string{first, second} {
		version := map[string]string{first: "v0.1.0", second: "v0.2.0-rc.1"}[path]
		if code, out := run(version, path); code != 0 {
			t.Fatalf("table.sh %s: exit %d\n%s", version, code, out)
		}
		if code, out := run("-check", version, path); code != 0 {
			t.Errorf("table.sh -check %s: exit %d\n%s", version, code, out)
		}
	}
	if got, want := read(), head+secondRows+firstRows; got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
	before := read()
	if code, out := run("v0.1.0", first); code != 1 || !strings.Contains(out, "already") {
		t.Errorf("table.sh for a version that is there: exit %d\n%s", code, out)
	}
	other, _ := release(t, "v0.1.0", "other")
	if code, out := run("-check", "v0.1.0", other); code != 1 || !strings.Contains(out, "what was built is not what") {
		t.Errorf("table.sh -check of other bytes: exit %d\n%s", code, out)
	}
	if code, _ := run("-check", "v0.3.0", other); code != 1 {
		t.Errorf("table.sh -check of a version without programs: exit %d, want 1", code)
	}
	third, _ := release(t, "v0.3.0", "")
	if code, _ := run("-check", "v0.3.0", third); code != 1 {
		t.Errorf("table.sh -check of a version that is not in the table: exit %d, want 1", code)
	}
	if read() != before {
		t.Errorf("the table changed to\n%s", read())
	}
}

func TestTableRefusesHalfAReleaseAndNoVersions(t *testing.T) {
	run, read := table(t, "# what it is\n")
	path, rows := release(t, "v0.1.0", "")
	lines := strings.SplitAfter(rows, "\n")
	for name, data := range map[string]string{
		"five": strings.Join(lines[:5], ""), "none": "", "a short checksum": strings.Join(lines[:5], "") + lines[5][1:], "one twice": rows + lines[0],
	} {
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		if code, out := run("v0.1.0", path); code != 1 || !strings.Contains(out, "want 6") {
			t.Errorf("table.sh with %s: exit %d\n%s", name, code, out)
		}
	}
	for _, args := range [][]string{{}, {"v0.1.0"}, {"0.1.0", path}, {"v0.1.0;id", path}, {"-check", path}, {"v1.0", path}} {
		if code, _ := run(args...); code != 2 {
			t.Errorf("table.sh %q: exit %d, want 2", args, code)
		}
	}
	if got := read(); got != "# what it is\n" {
		t.Errorf("the table changed to\n%s", got)
	}
}

// What install: binary reads is what table.sh writes.
func TestChecksumsAreThoseOfReleases(t *testing.T) {
	data, err := os.ReadFile("checksums.txt")
	if err != nil {
		t.Fatal(err)
	}
	run, _ := table(t, string(data))
	path, _ := release(t, "v99.0.0", "")
	if code, out := run("v99.0.0", path); code != 0 {
		t.Errorf("a release on top of the table: exit %d\n%s", code, out)
	}
	count := 0
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(line) < 66 || line[64:66] != "  " || !strings.HasPrefix(line[66:], "keyquench_v") {
			t.Errorf("%q is no row of the table", line)
		}
		count++
	}
	if count%6 != 0 {
		t.Errorf("%d rows, want six for each release", count)
	}
}
