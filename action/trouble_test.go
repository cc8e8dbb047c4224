package action_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/action"
	"github.com/keyquench/keyquench/rules"
)

// small is an origin with a branch of two commits that main does not have.
func small(t *testing.T) (o *repo, base, head string) {
	t.Helper()
	o = newOrigin(t)
	s := new(stream)
	main := s.chain("main", o.when, 9)
	s.chain("topic", o.when+9*60, 2, main[5])
	o.run(s.String(), "fast-import", "--quiet")
	return o, o.git("rev-parse", "main"), o.git("rev-parse", "topic")
}

// What cannot be had is an error with the next step, and never an empty range.
func TestNothingIsCleanThatIsNotThere(t *testing.T) {
	t.Parallel()
	o, base, head := small(t)
	pull := pullEvent(base, head, 2)
	for _, tt := range []struct {
		name  string
		event string
		kind  string
		depth int
		harm  func(c *repo)
		want  string
	}{
		{"an unknown head", pullEvent(base, one, 2), "pull_request", 1, nil, one},
		{"an unknown base", pullEvent(one, head, 2), "pull_request", 1, nil, one},
		{"an unknown head, whole", pullEvent(base, one, 2), "pull_request", 0, nil, one},
		{"an unknown after", pushEvent("refs/heads/main", base, one), "push", 1, nil, one},
		{"an unknown head of a queue", queueEvent(base, one), "merge_group", 1, nil, one},
		{"no network", pull, "pull_request", 1, func(c *repo) { c.git("remote", "set-url", "origin", "file:///nowhere/at/all") }, "fetch from origin"},
		{"no network, a new branch", pushEvent("refs/heads/topic", none, head), "push", 1, func(c *repo) { c.git("remote", "set-url", "origin", "file:///nowhere/at/all") }, "origin"},
		{"no network, all of it", `{}`, "schedule", 1, func(c *repo) { c.git("remote", "set-url", "origin", "http://127.0.0.1:1/o/r") }, "fetch the whole history"},
		{"no origin", pull, "pull_request", 1, func(c *repo) { c.git("remote", "remove", "origin") }, "origin"},
		{"a transport that runs programs", pull, "pull_request", 1, func(c *repo) {
			c.git("remote", "set-url", "origin", "ext::touch pwned")
			c.git("config", "protocol.ext.allow", "always")
		}, "not allowed"},
		{"cannot be written", pull, "pull_request", 1, func(c *repo) {
			objects := filepath.Join(c.dir, ".git", "objects")
			if err := errors.Join(os.Rename(objects, objects+"-away"), os.WriteFile(objects, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}, "cannot be"},
		{"locked", pull, "pull_request", 1, func(c *repo) {
			if err := os.WriteFile(filepath.Join(c.dir, ".git", "shallow.lock"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "shallow.lock"},
		{"a damaged list of cuts", pull, "pull_request", 1, func(c *repo) {
			if err := os.WriteFile(filepath.Join(c.dir, ".git", "shallow"), []byte("--all\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"merged in the meantime", pullEvent(base, o.git("rev-parse", "main~2"), 2), "pull_request", 1, nil, "none of them is new"},
		{"merged in the meantime, a push", pushEvent("refs/heads/x", none, o.git("rev-parse", "main~2"), one), "push", 1, nil, "none of them is new"},
		{"a hostile default branch", strings.Replace(pushEvent("refs/heads/x", none, head), `"main"`, `"--upload-pack=touch pwned"`, 1), "push", 1, nil, "no name of a branch"},
	} {
		c := o.checkout("main", tt.depth)
		n, waits := new(notes), 0
		e := event(t, tt.kind, tt.event)
		opened, err := action.Open(t.Context(), c.dir, action.Options{Environ: c.environ(), Note: n.add, Sleep: counted(&waits)})
		if tt.harm != nil {
			tt.harm(c)
		}
		if err == nil {
			var rng action.Range
			if rng, err = opened.Resolve(t.Context(), e, "", ""); err == nil {
				t.Errorf("%s: %+v and no error\n%s", tt.name, rng, n)
				continue
			}
		}
		if !hinted(err) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q and a hint", tt.name, err, tt.want)
		}
		if tries := strings.Contains(tt.name, "network") || strings.Contains(tt.name, "transport"); tries != (waits == 3) {
			t.Errorf("%s: it was waited %d times\n%v", tt.name, waits, err)
		}
		if _, err := os.Stat(filepath.Join(c.dir, "pwned")); err == nil {
			t.Errorf("%s: a program was run", tt.name)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	o, _, _ := small(t)
	c := o.checkout("main", 1)
	bare := filepath.Join(o.home, "bare")
	o.git("clone", "-q", "--bare", o.url(), bare)
	empty := t.TempDir()
	inside := filepath.Join(c.dir, "deep", "er")
	if err := os.MkdirAll(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, ".git"), []byte("gitdir: nowhere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ dir, want, hint string }{
		{bare, "is a bare repository", "actions/checkout"},
		{empty, "not a git repository", "actions/checkout"},
		{broken, "not a git repository", "actions/checkout"},
		{filepath.Join(empty, "missing"), "no directory", "working-directory"},
		{filepath.Join(c.dir, ".git"), "is a bare repository", "by the input path"},
	} {
		_, err := action.Open(t.Context(), tt.dir, action.Options{Environ: c.environ(), Ceiling: tt.dir})
		e, ok := errors.AsType[*action.Error](err)
		if !ok || !strings.Contains(err.Error(), tt.want) || !strings.Contains(e.Hint(), tt.hint) {
			t.Errorf("Open(%s) = %v, want %q and the hint %q", tt.dir, err, tt.want, tt.hint)
		}
	}
	// Nobody looks above the workspace, and below it somebody does.
	if _, err := action.Open(t.Context(), inside, action.Options{Environ: c.environ(), Ceiling: inside}); err == nil {
		t.Errorf("Open(%s) has found a repository above its ceiling", inside)
	}
	if _, err := action.Open(t.Context(), inside, action.Options{Environ: append(c.environ(), "GIT_DIR="+bare), Ceiling: c.dir}); err != nil {
		t.Errorf("Open(%s) = %v, want the checkout above it, whatever GIT_DIR says", inside, err)
	}
	if os.Geteuid() == 0 {
		foreign := o.checkout("main", 1)
		for _, path := range []string{foreign.dir, filepath.Join(foreign.dir, ".git")} {
			if err := os.Chown(path, 12345, 12345); err != nil {
				t.Fatal(err)
			}
		}
		_, err := action.Open(t.Context(), foreign.dir, action.Options{Environ: foreign.environ()})
		if e, ok := errors.AsType[*action.Error](err); !ok || !strings.Contains(e.Hint(), "safe.directory") {
			t.Errorf("Open of another user's checkout = %v, want a hint that names safe.directory", err)
		}
	}
	t.Setenv("PATH", empty)
	_, err := action.Open(t.Context(), c.dir, action.Options{Environ: c.environ()})
	if !hinted(err) || !strings.Contains(err.Error(), "there is no git") {
		t.Errorf("Open without git = %v, want that there is none", err)
	}
}

// What the configuration of a checkout names is not run.
func TestConfigurationRunsNothing(t *testing.T) {
	t.Parallel()
	o, base, head := small(t)
	pwned := filepath.Join(o.home, "pwned")
	for _, e := range []*action.Event{event(t, "pull_request", pullEvent(base, head, 2)), event(t, "push", pushEvent("refs/heads/topic", none, head)), event(t, "schedule", `{}`)} {
		c := o.checkout("main", 1)
		c.bait(pwned)
		rng, n, err := c.resolve(e, "", "")
		if err != nil || rng.Commits == 0 {
			t.Errorf("%s: Resolve = %+v, %v\n%s", e.Name, rng, err, n)
		}
		if _, err := os.Stat(pwned); err == nil {
			t.Fatalf("%s: a program of the configuration was run", e.Name)
		}
	}
	// Git by itself falls for it.
	c := o.checkout("main", 1)
	c.bait(pwned)
	c.git("update-ref", "refs/remotes/origin/other", "HEAD")
	if _, err := os.Stat(pwned); err != nil {
		t.Error("the bait does not work: the test sees nothing")
	}
}

// bait gives a checkout a configuration that runs a program wherever it can.
func (r *repo) bait(pwned string) {
	r.t.Helper()
	touch, git := filepath.Join(r.home, "touch.sh"), filepath.Join(r.dir, ".git")
	script := "#!/bin/sh\ntouch '" + pwned + "'\n"
	hooks := filepath.Join(git, "hooks")
	if err := errors.Join(os.MkdirAll(hooks, 0o755), os.WriteFile(touch, []byte(script+"exit 1\n"), 0o755),
		os.WriteFile(filepath.Join(hooks, "reference-transaction"), []byte(script), 0o755),
		os.WriteFile(filepath.Join(hooks, "post-checkout"), []byte(script), 0o755),
		os.WriteFile(filepath.Join(git, "objects", "info", "alternates"), []byte(r.gitDirBeside()+"\n"), 0o600)); err != nil {
		r.t.Fatal(err)
	}
	config := ""
	for _, v := range [][3]string{
		{"core", "fsmonitor", touch},
		{"core", "alternateRefsCommand", touch},
		{"core", "askPass", touch},
		{"remote \"origin\"", "uploadpack", touch},
		{"alias", "fetch", "!" + touch},
		{"alias", "rev-list", "!" + touch},
		{"core", "pager", touch},
		{"gc", "auto", "1"},
		{"fetch", "recurseSubmodules", "true"},
		{"color", "ui", "always"},
		{"log", "showSignature", "true"},
		{"gpg", "program", touch},
		{"fetch", "prune", "true"},
		{"remote \"origin\"", "tagOpt", "--tags"},
	} {
		config += fmt.Sprintf("[%s]\n\t%s = %q\n", v[0], v[1], v[2])
	}
	file, err := os.OpenFile(filepath.Join(git, "config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = file.WriteString(config)
	if err := errors.Join(err, file.Close()); err != nil {
		r.t.Fatal(err)
	}
}

// gitDirBeside is another store of objects.
func (r *repo) gitDirBeside() string {
	dir, err := os.MkdirTemp(r.home, "beside-")
	if err != nil {
		r.t.Fatal(err)
	}
	other := &repo{t: r.t, dir: dir, home: r.home, when: r.when}
	other.git("init", "-q")
	other.commit("beside")
	return filepath.Join(dir, ".git", "objects")
}

// The token goes to its server only, in no argument and in no error; what the
// checkout has by itself comes first.
func TestTokenIsUsedWhereNothingElseIs(t *testing.T) {
	t.Parallel()
	o, base, head := small(t)
	o.git("config", "http.receivepack", "false")
	token := "made-up-for-the-test"
	var got []string
	backend := &cgi.Handler{Path: execPath(t, o), Dir: o.home, Env: []string{"GIT_PROJECT_ROOT=" + o.home, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + o.home}, InheritEnv: []string{"PATH"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Values("Authorization")...)
		_, password, _ := r.BasicAuth()
		if password != token && r.Header.Get("Authorization") != "basic persisted" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if p := r.Header.Get("Git-Protocol"); p != "" {
			w.Header().Set("X-Protocol", p)
		}
		backend.ServeHTTP(w, r)
	}))
	defer server.Close()
	resolve := func(server, text string, configure ...string) (action.Range, error) {
		got = nil
		c := o.checkout("main", 1)
		c.git("remote", "set-url", "origin", server+"/origin/.git")
		for i := 0; i < len(configure); i += 2 {
			c.git("config", configure[i], configure[i+1])
		}
		waits := 0
		opened, err := action.Open(t.Context(), c.dir, action.Options{Environ: c.environ(), Server: strings.TrimSuffix(text, "!"), Token: rules.NewSecret(token), Sleep: counted(&waits)})
		if err != nil {
			t.Fatal(err)
		}
		return opened.Resolve(t.Context(), event(t, "pull_request", pullEvent(base, head, 2)), "", "")
	}
	if rng, err := resolve(server.URL, server.URL); err != nil || rng.Commits != 2 {
		t.Errorf("with a token: %+v, %v, want 2 commits", rng, err)
	}
	if len(got) == 0 {
		t.Error("no request had a token: the test sees nothing")
	}
	// A server that sends elsewhere does not send the token along.
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Values("Authorization")...)
		backend.ServeHTTP(w, r)
	}))
	defer open.Close()
	sends := httptest.NewServer(http.RedirectHandler(open.URL+"/origin/.git/info/refs?service=git-upload-pack", http.StatusFound))
	defer sends.Close()
	if rng, err := resolve(sends.URL, sends.URL); err == nil || len(got) > 0 {
		t.Errorf("sent elsewhere: %+v, %v, and %d logins were sent along", rng, err, len(got))
	}
	if rng, err := resolve(server.URL, server.URL, "http."+server.URL+"/.extraheader", "AUTHORIZATION: basic persisted"); err != nil || rng.Commits != 2 {
		t.Errorf("with a login of the checkout: %+v, %v, want 2 commits", rng, err)
	}
	for _, h := range got {
		if h != "basic persisted" {
			t.Errorf("beside the login of the checkout, the server got %q", h)
		}
	}
	if rng, err := resolve(server.URL, server.URL, "http.extraheader", "X-Team: shop"); err != nil || rng.Commits != 2 {
		t.Errorf("with a header that is no login: %+v, %v, want 2 commits", rng, err)
	}
	_, err := resolve(server.URL, "https://other.example")
	if err == nil || len(got) > 0 {
		t.Errorf("a token for another server: %v, and %d logins were sent", err, len(got))
	}
	_, err = resolve(strings.Replace(server.URL, "http://", "http://someone:"+token+"x@", 1), server.URL)
	if !hinted(err) || strings.Contains(err.Error(), token[:8]) {
		t.Errorf("a wrong login in the address: %v, want an error without it", err)
	}
}

// execPath is the program that serves repositories by HTTP.
func execPath(t *testing.T, o *repo) string {
	t.Helper()
	path := filepath.Join(o.git("--exec-path"), "git-http-backend")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("git has no http-backend here: %v", err)
	}
	return path
}

// A partial clone has commits without files. What of them is in the range comes.
func TestPartialClone(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	for i := range 4 {
		o.commit("main", "a", fmt.Sprint("a", i), "deep/er/b", fmt.Sprint("b", i))
	}
	base := o.git("rev-parse", "HEAD")
	o.git("checkout", "-q", "-b", "topic", "HEAD~2")
	o.commit("one", "new/c", "c", "deep/er/b", "changed")
	o.git("rm", "-q", "-r", "new")
	head := o.commit("two")
	for _, filter := range []string{"blob:none", "tree:0"} {
		for _, depth := range []int{1, 0} {
			c := o.checkout("main", depth, "--filter="+filter)
			for _, e := range []*action.Event{event(t, "pull_request", pullEvent(base, head, 2)), event(t, "schedule", "{}")} {
				rng, n, err := c.resolve(e, "", "")
				if err != nil {
					t.Errorf("%s, depth %d, %s: %v\n%s", filter, depth, e.Name, err, n)
					continue
				}
				sum := c.read(rng)
				if sum.Incomplete() || sum.Commits < 2 || rng.Commits != 2 && !rng.All {
					t.Errorf("%s, depth %d, %s: %d commits read (%d skipped, %d cut, %d missing): %v\n%s", filter, depth, e.Name, sum.Commits, sum.Skipped, sum.Shallow, sum.Missing, sum.Skips, n)
				}
			}
		}
	}
}
