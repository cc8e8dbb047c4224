package action_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/action"
)

var formats = []string{"text", "json"}

// inputs are variables, given as NAME=VALUE without their prefix.
func inputs(list ...string) func(string) string {
	return func(name string) string {
		for _, v := range list {
			if n, value, _ := strings.Cut(v, "="); "KEYQUENCH_INPUT_"+n == name {
				return value
			}
		}
		return ""
	}
}

func TestInputsHaveDefaults(t *testing.T) {
	in, err := action.InputsFrom(inputs(), formats)
	want := action.Inputs{FailOn: "any", Format: "text", Annotations: true, Summary: true, SARIF: true}
	if err != nil || fmt.Sprintf("%+v", in) != fmt.Sprintf("%+v", want) {
		t.Errorf("InputsFrom(nothing) = %+v, %v, want %+v", in, err, want)
	}
	in, err = action.InputsFrom(inputs("FAIL_ON= live ", "VERIFY=True", "ARGS=--rules 'a b.toml'\n--ignore=\"c d\" e''f ''", "FORMAT=json",
		"ANNOTATIONS=FALSE", "SUMMARY=false", "SARIF=false", "WORKING_DIRECTORY=w", "PATH=p", "BASE= b ", "HEAD=h", "TOKEN= t\n", "COMMENT=true"), formats)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--rules", "a b.toml", "--ignore=c d", "ef", ""}
	if !slices.Equal(in.Args, args) {
		t.Errorf("args are %q, want %q", in.Args, args)
	}
	if in.FailOn != "live" || in.Format != "json" || in.Annotations || in.Summary || in.SARIF || !in.Verify || !in.Comment ||
		in.WorkingDirectory != "w" || in.Path != "p" || in.Base != "b" || in.Head != "h" || in.Token.IsZero() {
		t.Errorf("InputsFrom = %+v", in)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", in, in), " t ") {
		t.Errorf("the token is shown: %+v", in)
	}
}

func TestInputsThatMakeNoSense(t *testing.T) {
	for _, tt := range []struct{ input, hint string }{
		{"FAIL_ON=some", "any, live, none"},
		{"FAIL_ON=live", "verify: true"},
		{"FORMAT=html", "text, json"},
		{"VERIFY=yes", "true or false"},
		{"SARIF=0", "true or false"},
		{"ARGS=--rules 'x", "args"},
		{"RESPOND=true", "verify: true"},
		{"RESPOND_CONFIG=[respond]", "respond: true"},
		{"COMMENT=true", "token"},
		{"UPLOAD_SARIF=true", "token"},
		{"TOKEN=a b", "token"},
		{"TOKEN=a\r\nX-Header: b", "token"},
	} {
		_, err := action.InputsFrom(inputs(tt.input), formats)
		e, ok := errors.AsType[*action.InputError](err)
		if !ok || !strings.Contains(e.Hint(), tt.hint) {
			t.Errorf("InputsFrom(%q) = %v, want an InputError with the hint %q", tt.input, err, tt.hint)
		}
	}
	if _, err := action.InputsFrom(inputs("UPLOAD_SARIF=true", "SARIF=false", "TOKEN=t"), formats); err == nil {
		t.Error("upload-sarif without sarif is taken")
	}
}

func TestRunnerFrom(t *testing.T) {
	dir := t.TempDir()
	set := func(more ...string) func(string) string {
		list := append([]string{"GITHUB_EVENT_NAME=push", "GITHUB_EVENT_PATH=e", "GITHUB_WORKSPACE=" + dir}, more...)
		return func(name string) string {
			for _, v := range slices.Backward(list) {
				if n, value, _ := strings.Cut(v, "="); n == name {
					return value
				}
			}
			return ""
		}
	}
	r, err := action.RunnerFrom(set())
	if err != nil || r.Server != "https://github.com" || r.API != "https://api.github.com" || r.Runs {
		t.Errorf("RunnerFrom = %+v, %v", r, err)
	}
	r, err = action.RunnerFrom(set("GITHUB_SERVER_URL=https://git.example/", "GITHUB_API_URL=http://127.0.0.1:80/api/v3", "GITHUB_ACTIONS=true"))
	if err != nil || r.Server != "https://git.example" || r.API != "http://127.0.0.1:80/api/v3" || !r.Runs {
		t.Errorf("RunnerFrom = %+v, %v", r, err)
	}
	for _, v := range []string{
		"GITHUB_EVENT_NAME=", "GITHUB_EVENT_PATH=", "GITHUB_WORKSPACE=", "GITHUB_WORKSPACE=" + filepath.Join(dir, "missing"),
		"GITHUB_SERVER_URL=http://git.example", "GITHUB_SERVER_URL=ftp://x", "GITHUB_SERVER_URL=https://u:p@x", "GITHUB_API_URL=x", "GITHUB_API_URL=https://x/?a", "GITHUB_API_URL=%zz",
	} {
		if _, err := action.RunnerFrom(set(v)); !hinted(err) {
			t.Errorf("RunnerFrom with %s = %v, want an error with a hint", v, err)
		}
	}
}

// parse reads an output file as the runner does.
func parse(t *testing.T, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for text != "" {
		first, rest, _ := strings.Cut(text, "\n")
		name, end, ok := strings.Cut(first, "<<")
		value, rest, found := strings.Cut(rest, "\n"+end+"\n")
		if !ok || !found || len(end) < 20 {
			t.Fatalf("no output: %q", text)
		}
		out[name], text = value, rest
	}
	return out
}

func TestOutputsCannotBeForged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "output")
	if err := os.WriteFile(path, []byte("before<<keyquench-before-before\nx\nkeyquench-before-before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hostile := "a\nEOF\nkeyquench-\nfindings<<EOF\n0\nEOF\n::set-output name=x::y\r\n"
	for range 2 {
		if err := action.WriteOutputs(path, []action.Output{{"sarif-file", hostile}, {"findings", "3"}, {"live", ""}}); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := parse(t, string(text))
	if len(got) != 4 || got["before"] != "x" || got["sarif-file"] != hostile || got["findings"] != "3" || got["live"] != "" {
		t.Errorf("the runner reads %q", got)
	}
	if err := action.WriteOutputs(t.TempDir(), nil); err == nil {
		t.Error("a directory was written to")
	}
	failed := errors.New("no more")
	if err := action.AppendTo(path, func(w io.Writer) error { _, _ = io.WriteString(w, "half"); return failed }); !errors.Is(err, failed) {
		t.Errorf("AppendTo = %v, want %v", err, failed)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(text) {
		t.Errorf("what failed has left something: %v", err)
	}
}

func TestCommandsAreOneLine(t *testing.T) {
	got := action.Command("error", "a\r\n::set-env::b%0A", action.Property{Name: "file", Value: "a,title=b:c\n%"}, action.Property{Name: "title", Value: "t"})
	const want = "::error file=a%2Ctitle=b%3Ac%0A%25,title=t::a%0D%0A::set-env::b%250A\n"
	if got != want {
		t.Errorf("Command = %q, want %q", got, want)
	}
	if got := action.Command("add-mask", "s"); got != "::add-mask::s\n" {
		t.Errorf("Command = %q", got)
	}
}
