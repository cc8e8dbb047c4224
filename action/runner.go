package action

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

// Runner is what GitHub's runner says of a run, in the variables that its
// documentation calls default environment variables
// (docs.github.com/en/actions/reference/workflows-and-actions/variables).
type Runner struct {
	EventName, EventPath string
	// Workspace is the directory that checkouts are made in, absolute.
	Workspace  string
	Repository string // OWNER/NAME
	SHA, Ref   string
	// Server and API are where GitHub is, without a slash at the end.
	Server, API string
	// Output, Summary are the files that outputs and the job's summary are added
	// to; "" where there are none. Temp is a directory for files of the run.
	Output, Summary, Temp string
	// Runs tells that a runner reads what is written, so that workflow commands
	// are obeyed.
	Runs bool
}

// RunnerFrom reads the environment. An error is an *Error: without an event there
// is nothing that could be scanned.
func RunnerFrom(getenv func(string) string) (Runner, error) {
	r := Runner{
		EventName: getenv("GITHUB_EVENT_NAME"), EventPath: getenv("GITHUB_EVENT_PATH"),
		Workspace: getenv("GITHUB_WORKSPACE"), Repository: getenv("GITHUB_REPOSITORY"),
		SHA: getenv("GITHUB_SHA"), Ref: getenv("GITHUB_REF"),
		Output: getenv("GITHUB_OUTPUT"), Summary: getenv("GITHUB_STEP_SUMMARY"), Temp: getenv("RUNNER_TEMP"),
		Runs: getenv("GITHUB_ACTIONS") == "true",
	}
	for _, v := range []struct{ name, value string }{
		{"GITHUB_EVENT_NAME", r.EventName}, {"GITHUB_EVENT_PATH", r.EventPath}, {"GITHUB_WORKSPACE", r.Workspace},
	} {
		if v.value == "" {
			return r, &Error{What: v.name + " is not set: this is not a run of a GitHub workflow", Next: "use the action in a workflow, or keyquench scan by hand"}
		}
	}
	for _, v := range []struct {
		to            *string
		name, usually string
	}{{&r.Server, "GITHUB_SERVER_URL", "https://github.com"}, {&r.API, "GITHUB_API_URL", "https://api.github.com"}} {
		base, err := baseURL(getenv(v.name), v.usually)
		if err != nil {
			return r, &Error{What: v.name, Cause: err, Next: "leave it as the runner sets it"}
		}
		*v.to = base
	}
	if dir, err := filepath.Abs(r.Workspace); err == nil {
		r.Workspace = dir
	}
	if real, err := filepath.EvalSymlinks(r.Workspace); err == nil {
		r.Workspace = real
	}
	if info, err := os.Stat(r.Workspace); err != nil || !info.IsDir() {
		return r, &Error{What: fmt.Sprintf("GITHUB_WORKSPACE %q is no directory", r.Workspace), Next: "run actions/checkout in a step before this one"}
	}
	return r, nil
}

// baseURL checks an address that a token may be sent to.
func baseURL(text, usually string) (string, error) {
	if text == "" {
		return usually, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "", u.Opaque != "":
		// The parser's error quotes the text, which may hold a password.
		return "", fmt.Errorf("not the address of a server")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
	default:
		return "", fmt.Errorf("want https, and http on this machine only, not %q", u.Scheme)
	}
	for len(u.Path) > 0 && u.Path[len(u.Path)-1] == '/' {
		u.Path = u.Path[:len(u.Path)-1]
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath(), nil
}

func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }
