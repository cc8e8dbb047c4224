package action

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/keyquench/keyquench/rules"
)

// git runs the git program in one checkout.
type git struct {
	dir string
	env []string
	// secrets never show in an error.
	secrets []rules.Secret
}

// calm are settings that come before those of the checkout: none of them may start
// a program, fetch more than is asked for, or change what is printed. Its way to
// the remote (credential helpers, http.*.extraheader, core.sshCommand) stays, as
// actions/checkout leaves it there.
var calm = []string{
	"core.hooksPath=" + os.DevNull, "core.fsmonitor=false", "core.alternateRefsCommand=:",
	"gc.auto=0", "maintenance.auto=false", "fetch.writeCommitGraph=false", "fetch.recurseSubmodules=false",
	"submodule.recurse=false", "protocol.version=2", "safe.bareRepository=explicit", "advice.graftFileDeprecated=false",
	// A connection over which nothing comes is given up.
	"http.lowSpeedLimit=1000", "http.lowSpeedTime=60",
}

// transports are those that fetching may use: no ext:: and no remote helper of
// another name, which start programs.
const transports = "https:http:ssh:git:file"

// kept tells which of Git's own variables go on to git: those that say how a
// remote is reached and what the user's configuration is. Those that name a
// repository, or have git write what it sends, do not.
func kept(name string) bool {
	for _, prefix := range []string{"GIT_CONFIG", "GIT_SSH", "GIT_SSL", "GIT_PROXY", "GIT_HTTP", "GIT_EXEC_PATH", "GIT_TEMPLATE_DIR"} {
		if strings.HasPrefix(name, prefix) {
			return name != "GIT_CONFIG" && name != "GIT_CONFIG_PARAMETERS"
		}
	}
	return false
}

// newGit makes a git for dir. It does not look for a repository above ceiling.
func newGit(dir, ceiling string, environ []string) *git {
	g := &git{dir: dir}
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "GIT_") && !kept(name) || strings.HasPrefix(name, "KEYQUENCH_") || name == "LC_ALL" || name == "LANGUAGE" {
			continue
		}
		g.env = append(g.env, v)
	}
	g.env = append(g.env,
		"LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "GIT_ALLOW_PROTOCOL="+transports,
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_GRAFT_FILE="+os.DevNull, "GIT_OPTIONAL_LOCKS=0",
		"GIT_NO_LAZY_FETCH=1", // what is missing is fetched in batches, and by name
	)
	if ceiling != "" {
		g.env = append(g.env, "GIT_CEILING_DIRECTORIES="+ceiling)
	}
	return g
}

// configure adds a setting by the environment, where other processes of other
// users cannot read it, behind those that are there.
func (g *git) configure(key, value string) {
	count := 0
	for _, v := range g.env {
		if n, ok := strings.CutPrefix(v, "GIT_CONFIG_COUNT="); ok {
			count, _ = strconv.Atoi(n) // git itself refuses what is no number
		}
	}
	g.env = append(g.env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", count, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", count, value),
		fmt.Sprintf("GIT_CONFIG_COUNT=%d", count+1))
}

// authorise lets git use a token at server, as actions/checkout would have left
// it with persist-credentials.
func (g *git) authorise(server string, token rules.Secret) {
	text := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token.Reveal()))
	g.secrets = append(g.secrets, token, rules.NewSecret(text))
	g.configure("http."+server+"/.extraheader", "AUTHORIZATION: basic "+text)
	// Git would take it along to where the first answer sends it.
	g.configure("http."+server+"/.followRedirects", "false")
}

// gitError is git's own complaint.
type gitError struct {
	command string
	code    int
	said    string
}

func (e *gitError) Error() string {
	if e.said == "" {
		return fmt.Sprintf("git %s: exit code %d", e.command, e.code)
	}
	return "git " + e.command + ": " + e.said
}

const (
	// patience is how long one command may take: a first fetch of the largest
	// repositories is known to take a quarter of an hour.
	patience = 30 * time.Minute
	// lastWords is how long after its end git's children may hold its output.
	lastWords = 5 * time.Second
	// maxSaid is how much of a complaint is kept.
	maxSaid = 2000
)

// run runs a command and gives what it wrote. The error is a *gitError when git
// said no, and an *Error with the next step when there is no git.
func (g *git) run(ctx context.Context, input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var all []string
	for _, c := range calm {
		all = append(all, "-c", c)
	}
	cmd := exec.CommandContext(ctx, "git", append(all, args...)...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = g.dir, g.env, lastWords
	var out bytes.Buffer
	said := tail{max: maxSaid}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &said
	err := cmd.Run()
	if err == nil {
		return out.String(), nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("git %s: %w", args[0], ctx.Err())
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String(), &gitError{args[0], exit.ExitCode(), g.clean(said.String())}
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", &Error{"there is no git on the PATH", "install git in the container or on the runner", nil}
	}
	return "", fmt.Errorf("run git: %w", err)
}

// login is what stands for somebody's name and password in an address.
var login = regexp.MustCompile(`://[^/@\s]*@`)

// clean makes one line of what git said, without what could log in anywhere.
func (g *git) clean(said string) string {
	said = rules.Cover(login.ReplaceAllString(said, "://***@"), g.secrets...)
	var lines []string
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// tail keeps the last bytes that are written to it: progress comes first, and the
// reason last.
type tail struct {
	max  int
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - t.max; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string { return string(t.kept) }
