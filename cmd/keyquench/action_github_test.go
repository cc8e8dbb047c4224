package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/action"
	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner"
)

// job is a checkout of a pull request with one key, the runner around it, and a
// GitHub that keeps what it is told.
type job struct {
	t       *testing.T
	top     string
	env     map[string]string
	secret  string
	slept   int
	refused bool // the token may only read

	comments []map[string]any
	uploads  []map[string]any
	sarif    string
}

func newJob(t *testing.T) *job {
	t.Helper()
	j := &job{t: t, top: t.TempDir()}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	r := rulestest.Rand(140)
	id := rulestest.KeyID(r, "AKIA")
	j.secret = rulestest.Secret(r)
	work := filepath.Join(j.top, "work")
	j.git("init", "-q", "-b", "main", work)
	j.git("-C", work, "commit", "-q", "--allow-empty", "-m", "one")
	base := j.git("-C", work, "rev-parse", "HEAD")
	j.write("work/a.env", "aws_access_key_id = "+id+"\naws_secret_access_key = "+j.secret+"\n")
	j.git("-C", work, "add", "-A")
	j.git("-C", work, "commit", "-q", "-m", "two")
	head := j.git("-C", work, "rev-parse", "HEAD")
	server := httptest.NewServer(j)
	t.Cleanup(server.Close)
	j.write("event.json", fmt.Sprintf(`{"pull_request": {"number": 7, "commits": 1, "head": {"sha": %q}, "base": {"sha": %q}}}`, head, base))
	j.env = map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": filepath.Join(j.top, "event.json"),
		"GITHUB_WORKSPACE": work, "GITHUB_REPOSITORY": "octo/app", "GITHUB_API_URL": server.URL, "GITHUB_SHA": base, "GITHUB_REF": "refs/pull/7/merge",
		"GITHUB_OUTPUT": filepath.Join(j.top, "output"), "RUNNER_TEMP": j.top,
		"KEYQUENCH_INPUT_TOKEN": "a-token-of-the-tests", "KEYQUENCH_INPUT_COMMENT": "true", "KEYQUENCH_INPUT_UPLOAD_SARIF": "true",
	}
	return j
}

func (j *job) git(args ...string) string {
	j.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=A U Thor", "-c", "user.email=author@example.com"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		j.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (j *job) write(name, text string) {
	j.t.Helper()
	if err := os.WriteFile(filepath.Join(j.top, name), []byte(text), 0o600); err != nil {
		j.t.Fatal(err)
	}
}

// run runs the Action.
func (j *job) run() (code int, out, errOut string) {
	var o, e bytes.Buffer
	p := &program{
		in: strings.NewReader(""), out: &o, errOut: &e, now: time.Now,
		getenv: func(name string) string { return j.env[name] },
		sleep:  func(context.Context, time.Duration) error { j.slept++; return nil },
	}
	code = p.run(j.t.Context(), []string{"action"})
	return code, o.String(), e.String()
}

// ServeHTTP is GitHub.
func (j *job) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := map[string]any{}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil && r.Method != http.MethodGet {
		j.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	me := map[string]any{"id": 41898282, "login": "github-actions[bot]", "type": "Bot"}
	switch at := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/repos/octo/app"); {
	case r.Header.Get("Authorization") != "Bearer a-token-of-the-tests":
		answer(http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
	case j.refused && r.Method == http.MethodPost && at != "POST /graphql":
		answer(http.StatusForbidden, map[string]any{"message": "Resource not accessible by integration"})
	case at == "POST /graphql":
		answer(http.StatusOK, map[string]any{"data": map[string]any{"viewer": map[string]any{"databaseId": me["id"]}}})
	case at == "GET /user":
		answer(http.StatusOK, me)
	case at == "GET /pulls/7/comments":
		answer(http.StatusOK, j.comments)
	case at == "GET /issues/7/comments":
		answer(http.StatusOK, []any{})
	case at == "POST /pulls/7/comments":
		body["id"], body["user"] = 100+len(j.comments), me
		j.comments = append(j.comments, body)
		answer(http.StatusCreated, body)
	case at == "POST /code-scanning/sarifs":
		j.uploads = append(j.uploads, body)
		packed, err := base64.StdEncoding.DecodeString(fmt.Sprint(body["sarif"]))
		if err != nil {
			j.t.Error(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			j.t.Error(err)
			return
		}
		text, err := io.ReadAll(z)
		if err != nil {
			j.t.Error(err)
		}
		j.sarif = string(text)
		answer(http.StatusAccepted, map[string]any{"id": "an-id"})
	case at == "GET /code-scanning/sarifs/an-id":
		answer(http.StatusOK, map[string]any{"processing_status": "complete"})
	default:
		j.t.Errorf("nobody should ask %s", at)
		answer(http.StatusNotFound, map[string]any{"message": "Not Found"})
	}
}

func TestActionTellsGitHub(t *testing.T) {
	j := newJob(t)
	for run := range 2 {
		code, out, errOut := j.run()
		if code != exitLeaks {
			t.Fatalf("run %d: exit code %d, want %d\n%s%s", run, code, exitLeaks, out, errOut)
		}
		if !strings.HasPrefix(out, "::add-mask::") {
			t.Errorf("run %d: the output begins with %.40q", run, out)
		}
		if !strings.Contains(out, "::add-mask::a-token-of-the-tests\n") {
			t.Errorf("run %d: the token is not masked:\n%s", run, out)
		}
		for _, form := range []string{j.secret, base64.StdEncoding.EncodeToString([]byte(j.secret)), strings.ReplaceAll(url.QueryEscape(j.secret), "%", "%25")} {
			if !strings.Contains(out, "::add-mask::"+form+"\n") {
				t.Errorf("run %d: a form of the secret is not masked: %q", run, form)
			}
		}
		if behind := out[strings.LastIndex(out, "::add-mask::"):]; strings.Contains(behind[strings.Index(behind, "\n"):]+errOut, j.secret) {
			t.Errorf("run %d: the secret is shown:\n%s%s", run, behind, errOut)
		}
		if len(j.comments) != 1 || len(j.uploads) != run+1 {
			t.Fatalf("run %d: %d comments and %d uploads, want 1 and %d\n%s", run, len(j.comments), len(j.uploads), run+1, errOut)
		}
	}
	c := j.comments[0]
	if c["path"] != "a.env" || strings.Contains(fmt.Sprint(c), j.secret) {
		t.Errorf("the comment is %v", c)
	}
	up := j.uploads[0]
	if up["ref"] != "refs/pull/7/merge" || up["commit_sha"] != j.env["GITHUB_SHA"] || !strings.Contains(j.sarif, "a.env") || strings.Contains(j.sarif, j.secret) {
		t.Errorf("uploaded as %v of %v: %s", up["ref"], up["commit_sha"], j.sarif)
	}
}

func TestActionReadNothing(t *testing.T) {
	for _, tt := range []struct {
		git, seen, commits, tags int64
		ok                       bool
	}{{3, 3, 3, 0, true}, {3, 0, 3, 0, true}, {0, 0, 0, 1, true}, {3, 0, 0, 1, false}, {3, 0, 0, 0, false}, {0, 0, 0, 0, false}} {
		err := unread(&action.Range{Commits: int(tt.git)}, &scanner.Summary{Commits: tt.seen, Objects: scanner.Objects{Commits: tt.commits, Tags: tt.tags}})
		if (err == nil) != tt.ok || err != nil && hintOf(err) == "" {
			t.Errorf("unread(%+v) = %v", tt, err)
		}
	}
}

// What a token may not write is told, and the scan is what counts.
func TestActionOfAForkCannotWrite(t *testing.T) {
	j := newJob(t)
	j.refused = true
	code, out, errOut := j.run()
	if code != exitLeaks || !strings.Contains(out, "::error file=a.env") || !strings.Contains(errOut, "pull requests of forks get no more") {
		t.Errorf("exit code %d, want %d, with annotations\n%s%s", code, exitLeaks, out, errOut)
	}
	j.env["KEYQUENCH_INPUT_FAIL_ON"] = "none"
	if code, _, errOut := j.run(); code != exitClean {
		t.Errorf("fail-on none: exit code %d, want %d\n%s", code, exitClean, errOut)
	}
	// That GitHub does not answer is another thing: who asked for it must learn.
	j.env["GITHUB_API_URL"] = "http://127.0.0.1:1"
	if code, _, errOut := j.run(); code != exitFailed {
		t.Errorf("no GitHub: exit code %d, want %d\n%s", code, exitFailed, errOut)
	}
}

// A run for a pull request that is none of the pull request's own ref does not
// tell of it under the branch that it wants to go into.
func TestActionUploadsUnderThePullRequest(t *testing.T) {
	j := newJob(t)
	j.env["GITHUB_EVENT_NAME"], j.env["GITHUB_REF"] = "pull_request_target", "refs/heads/main"
	if code, out, errOut := j.run(); code != exitLeaks || len(j.uploads) != 1 {
		t.Fatalf("exit code %d with %d uploads\n%s%s", code, len(j.uploads), out, errOut)
	}
	if up := j.uploads[0]; up["ref"] != "refs/pull/7/head" || up["commit_sha"] == j.env["GITHUB_SHA"] {
		t.Errorf("uploaded as %v of %v", up["ref"], up["commit_sha"])
	}
}
