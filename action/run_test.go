package action_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// A step is one run of run.sh, in a checkout of the Action that was made for it,
// beside the workspace of a job.
type step struct {
	t                       *testing.T
	action, workspace, temp string
	env                     []string
}

// program stands for the real one: it tells how it was called.
const program = `package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("keyquench stand-in\nmore")
		return
	}
	dir, _ := os.Getwd()
	fmt.Printf("called %q in %s\n", os.Args[1:], dir)
	for _, v := range os.Environ() {
		for _, name := range []string{"PATH=", "KEYQUENCH_", "GOOS=", "GOFLAGS=", "HOME="} {
			if strings.HasPrefix(v, name) {
				fmt.Println(v)
			}
		}
	}
	code := 0
	fmt.Sscan(os.Getenv("STAND_IN_EXIT"), &code)
	os.Exit(code)
}
`

// newStep lays out the Action with a program of one file, and an empty workspace.
func newStep(t *testing.T) *step {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the script is tried on Windows by the project's workflow")
	}
	t.Parallel() // most of the time goes into processes of others
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &step{t: t, action: filepath.Join(top, "the action"), workspace: filepath.Join(top, "work space"), temp: filepath.Join(top, "temp")}
	for _, dir := range []string{s.workspace, s.temp} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"run.sh", "checksums.txt"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s.write(filepath.Join(s.action, "action", name), string(data), 0o644)
	}
	s.write(filepath.Join(s.action, "go.mod"), "module github.com/keyquench/keyquench\n\ngo 1.26.0\n", 0o644)
	s.write(filepath.Join(s.action, "cmd/keyquench/main.go"), program, 0o644)
	s.env = append(os.Environ(),
		"GITHUB_ACTIONS=true", "GITHUB_WORKSPACE="+s.workspace, "RUNNER_TEMP="+s.temp,
		"GITHUB_OUTPUT="+filepath.Join(s.temp, "output"), "KEYQUENCH_INPUT_VERSION=", "KEYQUENCH_INPUT_INSTALL=")
	return s
}

func (s *step) write(path, data string, mode os.FileMode) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), mode); err != nil {
		s.t.Fatal(err)
	}
}

// run runs the script with more variables, and returns its exit code and all it said.
func (s *step) run(env ...string) (int, string) {
	s.t.Helper()
	cmd := exec.Command("bash", filepath.Join(s.action, "action", "run.sh"))
	cmd.Dir, cmd.Env = s.workspace, append(slices.Clone(s.env), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); cmd.ProcessState == nil {
		s.t.Fatalf("bash run.sh: %v", err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// wants runs the script and compares its exit code, and what it says, with what
// should be there.
func (s *step) wants(code int, says string, env ...string) string {
	s.t.Helper()
	got, out := s.run(env...)
	if got != code || !strings.Contains(out, says) {
		s.t.Errorf("run.sh with %q: exit %d, want %d and %q in:\n%s", env, got, code, says, out)
	}
	return out
}

// stops is wants for what ends before the program is called: it says so on the run,
// once, with a next step, and in the output exit-code.
func (s *step) stops(code int, says string, env ...string) {
	s.t.Helper()
	output := filepath.Join(s.temp, "output")
	os.Remove(output)
	out := s.wants(code, says, env...)
	if strings.Contains(out, `called ["action"]`) {
		s.t.Errorf("run.sh with %q called the program:\n%s", env, out)
	}
	commands := regexp.MustCompile(`(?m)^\s*::.*$`).FindAllString(out, -1)
	if len(commands) != 1 || !strings.HasPrefix(commands[0], "::error title=keyquench::") || !strings.Contains(out, "keyquench: try: ") {
		s.t.Errorf("run.sh with %q: commands %q, want one error, and a next step in:\n%s", env, commands, out)
	}
	if got, _ := os.ReadFile(output); string(got) != fmt.Sprintf("exit-code=%d\n", code) {
		s.t.Errorf("run.sh with %q: output %q, want exit-code=%d", env, got, code)
	}
}

// pathWith puts a directory before all others of PATH.
func pathWith(dir string) string {
	return "PATH=" + dir + ":" + os.Getenv("PATH")
}

func TestRunBuildsFromSourceAndHandsOver(t *testing.T) {
	s := newStep(t)
	for _, code := range []int{0, 1, 2, 3} {
		out := s.wants(code, `called ["action"] in `+s.workspace+"\n", fmt.Sprintf("STAND_IN_EXIT=%d", code),
			"KEYQUENCH_INPUT_TOKEN=the token", "KEYQUENCH_INPUT_BASE=$(touch pwned)`touch pwned`")
		for _, want := range []string{"keyquench stand-in\n", "KEYQUENCH_INPUT_TOKEN=the token\n", "KEYQUENCH_INPUT_BASE=$(touch pwned)`touch pwned`\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("exit %d: no %q in:\n%s", code, want, out)
			}
		}
	}
	if left, _ := os.ReadDir(s.workspace); len(left) != 0 {
		t.Errorf("the workspace has %v, want nothing", left)
	}
}

// What a job sets for its own builds, or a repository brings along, must not decide
// what is built here.
func TestRunBuildsTheSameWhateverTheJobSays(t *testing.T) {
	s := newStep(t)
	marker := filepath.Join(s.temp, "called")
	tool := "#!/bin/sh\ntouch '" + marker + "'\nexec \"$@\"\n"
	for _, name := range []string{"go", "git", "curl", "keyquench", "uname", "mktemp"} {
		s.write(filepath.Join(s.workspace, "bin", name), tool, 0o755)
	}
	s.write(filepath.Join(s.workspace, "go.mod"), "this is no go.mod\n", 0o644)
	s.write(filepath.Join(s.workspace, "go.work"), "go 1.99\nuse ./nothing\n", 0o644)
	s.write(filepath.Join(s.workspace, "goenv"), "GOFLAGS=-toolexec="+s.workspace+"/bin/go\nGOOS=plan9\n", 0o644)
	if err := os.Symlink(filepath.Join(s.workspace, "bin"), filepath.Join(s.temp, "link")); err != nil {
		t.Fatal(err)
	}
	hostile := []string{
		"GOFLAGS=-toolexec=" + s.workspace + "/bin/go -tags=other", "GOOS=plan9", "GOARCH=386", "GOAMD64=v4", "GOWORK=" + s.workspace + "/go.work",
		"GOROOT=" + s.workspace, "GOENV=" + s.workspace + "/goenv", "GOTOOLCHAIN=local", "GOEXPERIMENT=nonsense", "CGO_ENABLED=1",
		"GOMODCACHE=" + s.workspace + "/none/mod", "GOTMPDIR=" + s.workspace, "GOCACHEPROG=" + s.workspace + "/bin/go",
	}
	for _, path := range []string{s.workspace + "/bin", "bin", "./bin", "", s.temp + "/link", s.temp + "/../work space/bin", s.workspace + "/none:" + s.workspace + "/bin"} {
		out := s.wants(0, `called ["action"]`, append(slices.Clone(hostile), pathWith(path))...)
		line := regexp.MustCompile(`(?m)^PATH=(.*)$`).FindStringSubmatch(out)
		if line == nil || path != "" && slices.Contains(strings.Split(line[1], ":"), path) {
			t.Errorf("PATH with %q first: the program got %q", path, line)
		}
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("a program of the workspace was called")
	}
	if _, err := os.Stat(filepath.Join(s.workspace, "none")); err == nil {
		t.Error("modules were put into the workspace")
	}
}

// A cache can come with the repository, and hold other code under the right names.
func TestRunKeepsCachesOutOfTheWorkspace(t *testing.T) {
	s := newStep(t)
	real, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	tools := filepath.Join(s.temp, "tools")
	s.write(filepath.Join(tools, "go"), `#!/bin/sh
case $1 in
env) exec '`+real+`' "$@" ;;
esac
while [ "$1" != -o ]; do shift; done
{ echo '#!/bin/sh'; echo "echo 'GOCACHE=$GOCACHE' 'GOMODCACHE=$GOMODCACHE' 'GOTMPDIR=$GOTMPDIR' GOENV='$GOENV'"; } >"$2"
chmod +x "$2"
`, 0o755)
	for i, name := range []string{"GOCACHE", "GOMODCACHE", "GOTMPDIR"} {
		values := []string{s.workspace, s.workspace + "/a/b", s.temp + "/../work space/a", s.temp + "/none/../../work space"}
		for _, value := range values[i:] {
			out := s.wants(0, name+"="+s.temp+"/keyquench.", pathWith(tools), name+"="+value)
			if strings.Contains(out, name+"="+value) {
				t.Errorf("%s=%s reached go build:\n%s", name, value, out)
			}
		}
		s.wants(0, name+"="+s.temp+"/mine ", pathWith(tools), name+"="+s.temp+"/mine")
	}
	s.wants(0, "GOENV=off", pathWith(tools), "GOENV="+s.workspace+"/goenv")
	s.wants(0, "GOENV="+s.temp+"/goenv", pathWith(tools), "GOENV="+s.temp+"/goenv")
}

func TestRunSaysWhatIsMissingToBuild(t *testing.T) {
	s := newStep(t)
	tools := filepath.Join(s.temp, "tools")
	for _, name := range []string{"bash", "mktemp", "uname", "touch"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if os.MkdirAll(tools, 0o755) != nil || os.Symlink(path, filepath.Join(tools, name)) != nil {
			t.Fatal("cannot link", path)
		}
	}
	s.stops(3, "no Go outside of the workspace", "PATH="+tools)
	for _, old := range []string{"go1.9", "go1.13.4", "go1.20", "go1.20.14"} {
		s.write(filepath.Join(tools, "go"), "#!/bin/sh\necho "+old+"\n", 0o755)
		s.stops(3, old+" is too old", "PATH="+tools)
	}
	s.write(filepath.Join(tools, "go"), "#!/bin/sh\nexit 1\n", 0o755)
	s.stops(3, "go env does not work", "PATH="+tools)

	s.write(filepath.Join(s.action, "cmd/keyquench/main.go"), "package main\n", 0o644)
	s.stops(3, "go build failed")
	s.write(filepath.Join(s.action, "cmd/keyquench/main.go"), "package main\n\nimport \"os\"\n\nfunc main() { os.Exit(9) }\n", 0o644)
	s.stops(3, "the program does not start")
	s.stops(3, "no directory for the program", "RUNNER_TEMP="+filepath.Join(s.temp, "none"))
}

func TestRunRefusesInputsThatMakeNoSense(t *testing.T) {
	s := newStep(t)
	s.stops(2, "is none of source, binary, none", "KEYQUENCH_INPUT_INSTALL=sources")
	s.stops(2, "is none of source, binary, none", "KEYQUENCH_INPUT_INSTALL=x\n::error::y%0A::set-output name=a::b\x1b[31m##[error]")
	s.stops(2, "version goes with install: binary", "KEYQUENCH_INPUT_VERSION=v0.1.0")
	s.stops(2, "version goes with install: binary", "KEYQUENCH_INPUT_VERSION=v0.1.0", "KEYQUENCH_INPUT_INSTALL=none")
}

func TestRunTakesTheProgramOnThePath(t *testing.T) {
	s := newStep(t)
	const none = "KEYQUENCH_INPUT_INSTALL=none"
	fake := "#!/bin/sh\necho keyquench stand-in\necho \"called [\\\"$1\\\"]\"\nexit 0\n"
	s.stops(3, "no keyquench on the PATH", none)

	in, out := filepath.Join(s.workspace, "bin"), filepath.Join(s.temp, "bin")
	s.write(filepath.Join(in, "keyquench"), fake, 0o755)
	s.stops(3, "no keyquench on the PATH", none, pathWith(in))
	s.stops(3, "no keyquench on the PATH", none, pathWith("bin"))

	if err := os.MkdirAll(out, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{filepath.Join(in, "keyquench"), "../../work space/bin/keyquench", "second"} {
		os.Remove(filepath.Join(out, "keyquench"))
		if err := os.Symlink(target, filepath.Join(out, "keyquench")); err != nil {
			t.Fatal(err)
		}
		if target == "second" { // a link to a link
			if err := os.Symlink(filepath.Join(in, "keyquench"), filepath.Join(out, "second")); err != nil {
				t.Fatal(err)
			}
		}
		s.stops(3, "leads into the workspace", none, pathWith(out))
	}
	os.Remove(filepath.Join(out, "keyquench"))
	s.write(filepath.Join(out, "keyquench"), fake, 0o755)
	s.wants(0, `called ["action"]`, none, pathWith(in+":"+out))
}
