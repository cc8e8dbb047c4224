package action_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// releases serves assets over https, and makes the step fetch from there: the
// address is a constant of the script, which no variable changes.
func (s *step) releases(handler http.HandlerFunc) {
	s.t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		s.t.Skip("no curl here; ci/action needs it")
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // one of the runs hangs up on it
	server.StartTLS()
	s.t.Cleanup(server.Close)
	authority := filepath.Join(s.temp, "authority.pem")
	s.write(filepath.Join(s.temp, ".curlrc"), "header = \"From: a curlrc\"\n", 0o644)
	s.write(authority, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})), 0o644)
	s.env = append(s.env, "CURL_CA_BUNDLE="+authority, "CURL_HOME="+s.temp, "KEYQUENCH_INPUT_INSTALL=binary", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")

	path := filepath.Join(s.action, "action", "run.sh")
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	const real = "readonly releases=https://github.com/keyquench/keyquench/releases/download\n"
	if n := bytes.Count(data, []byte(real)); n != 1 {
		s.t.Fatalf("run.sh has the address of releases %d times, want 1", n)
	}
	s.write(path, strings.Replace(string(data), real, "readonly releases="+server.URL+"/download\n", 1), 0o644)
}

// asset is the name of a release's program for this machine.
func asset(version string) string {
	return fmt.Sprintf("keyquench_%s_%s_%s", version, runtime.GOOS, runtime.GOARCH)
}

func sum(data string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(data))) }

func TestRunFetchesAndChecksARelease(t *testing.T) {
	s := newStep(t)
	marker := filepath.Join(s.temp, "ran")
	fake := func(version string) string {
		return "#!/bin/sh\ntouch '" + marker + "'\necho keyquench " + version + "\necho \"called [\\\"$1\\\"]\"\nexit 0\n"
	}
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, fake("v0.2.0")) }))
	defer plain.Close()
	var asked []string
	s.releases(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		if r.Header.Get("From") != "" {
			t.Error("a .curlrc was read")
		}
		switch r.URL.Path {
		case "/download/v0.2.0/" + asset("v0.2.0"):
			fmt.Fprint(w, fake("v0.2.0"))
		case "/download/v0.1.0/" + asset("v0.1.0"): // as GitHub does, which stores assets elsewhere
			http.Redirect(w, r, "/moved", http.StatusFound)
		case "/moved":
			fmt.Fprint(w, fake("v0.1.0"))
		case "/download/v0.1.1/" + asset("v0.1.1"):
			http.Redirect(w, r, plain.URL, http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	})
	table := filepath.Join(s.action, "action", "checksums.txt")
	rows := func(rows ...string) {
		t.Helper()
		s.write(table, "# newest first\n\n"+strings.Join(rows, "\n"), 0o644) // the last without its line's end
	}
	row := func(version, data string) string { return sum(data) + "  " + asset(version) }
	other := sum("x") + "  keyquench_v0.2.0_plan9_mips"

	s.stops(3, "lists no release yet")
	rows(other, row("v0.2.0", fake("v0.2.0")), row("v0.1.1", fake("v0.2.0")), row("v0.1.0", fake("v0.1.0")), row("v0.0.9", "gone"))
	s.wants(0, "keyquench v0.2.0\n") // the newest
	s.wants(0, "keyquench v0.1.0\n", "KEYQUENCH_INPUT_VERSION=v0.1.0")

	os.Remove(marker)
	s.stops(3, "could not be fetched", "KEYQUENCH_INPUT_VERSION=v0.0.9")
	s.stops(3, "could not be fetched", "KEYQUENCH_INPUT_VERSION=v0.1.1") // not over http
	s.stops(3, "could not be fetched", "CURL_CA_BUNDLE=/dev/null")       // not from somebody else
	asked = nil
	s.stops(3, "has no "+asset("v9.9.9"), "KEYQUENCH_INPUT_VERSION=v9.9.9")
	for _, version := range []string{"0.1.0", "v1", "v0.1.0/../v0.2.0", "v0.1.0 ", "v0.1.0\n::error::x", "latest", "$(id)", "-o"} {
		s.stops(2, "is no version", "KEYQUENCH_INPUT_VERSION="+version)
	}
	rows(other)
	s.stops(3, "has no "+asset("v0.2.0"))
	rows(row("v0.2.0", fake("v0.2.0")), row("v0.2.0", "other"))
	s.stops(3, "twice")
	for _, broken := range []string{
		"x  " + asset("v0.2.0"), sum("x")[:63] + "  " + asset("v0.2.0"), sum("x"), sum("x") + "  keyquench_v0.2.0",
		sum("x") + "  ../" + asset("v0.2.0"), row("v0.2.0", "x") + "  more", strings.ToUpper(sum("x")) + "  " + asset("v0.2.0"),
	} {
		rows(row("v0.2.0", fake("v0.2.0")), broken)
		s.stops(3, "line 4 of action/checksums.txt is broken")
	}
	if len(asked) != 0 {
		t.Errorf("the server was asked for %q before it was clear what is right", asked)
	}
	rows(row("v0.2.0", "what the project built"))
	s.stops(3, "it was not run")
	if _, err := os.Stat(marker); err == nil {
		t.Error("a program that is not in the table was run")
	}
	if left, _ := filepath.Glob(filepath.Join(s.temp, "keyquench.*", "fetched")); len(left) != 0 {
		t.Errorf("what was refused is still there: %q", left)
	}
}

// Systems differ in what makes a checksum.
func TestRunMakesChecksumsWithWhatThereIs(t *testing.T) {
	const data = "#!/bin/sh\necho \"called [\\\"$1\\\"]\"\n"
	for _, name := range []string{"sha256sum", "shasum", "openssl"} {
		t.Run(name, func(t *testing.T) {
			s := newStep(t)
			s.releases(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, data) })
			table := filepath.Join(s.action, "action", "checksums.txt")
			tools := filepath.Join(s.temp, "tools")
			for _, tool := range []string{"bash", "sh", "mktemp", "uname", "curl", "mv", "rm", "chmod", "cat", name} {
				path, err := exec.LookPath(tool)
				if err != nil {
					t.Skip("no", tool, "here")
				}
				// Some look beside themselves for what they need.
				s.write(filepath.Join(tools, tool), "#!/bin/sh\nexec '"+path+"' \"$@\"\n", 0o755)
			}
			s.write(table, sum(data)+"  "+asset("v0.1.0")+"\n", 0o644)
			s.wants(0, `called ["action"]`, "PATH="+tools)
			s.write(table, sum("other")+"  "+asset("v0.1.0")+"\n", 0o644)
			s.stops(3, "it was not run", "PATH="+tools)
		})
	}
}

// bash on Windows has paths of its own, and programs that end in .exe.
func TestRunKnowsWindows(t *testing.T) {
	const data = "#!/bin/sh\necho \"called [\\\"$1\\\"] as $0\"\n"
	s := newStep(t)
	s.releases(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, data) })
	tools := filepath.Join(s.temp, "tools")
	s.write(filepath.Join(tools, "uname"), "#!/bin/sh\ncase $1 in -s) echo MINGW64_NT-10.0-26100 ;; *) echo x86_64 ;; esac\n", 0o755)
	s.write(filepath.Join(tools, "cygpath"), "#!/bin/sh\n[ \"$1 $2 $3\" = '-u -- D:\\a\\_temp' ] && echo '"+s.temp+"'\n", 0o755)
	s.write(filepath.Join(s.action, "action", "checksums.txt"), sum(data)+"  keyquench_v0.1.0_windows_amd64.exe\n", 0o644)
	out := s.wants(0, `called ["action"] as `+s.temp+"/keyquench.", pathWith(tools), `RUNNER_TEMP=D:\a\_temp`)
	if !strings.Contains(out, "/keyquench.exe\n") {
		t.Errorf("the program is not called keyquench.exe in:\n%s", out)
	}
}
