//go:build ignore

// Bench times whole commands on a repository, keyquench first, in rounds: each
// round runs every command once, so that what else the machine does falls on all
// of them. It prints medians of wall and CPU time, the peak memory of the largest
// process, and the ratio to keyquench in the same run. ci/bench calls it.
package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bench is one run of the program.
type bench struct {
	root, dir    string
	repo, binary string
	files        bool // it has a work tree
	rounds, slow int
	only         *regexp.Regexp
	tables       []*table
}

// limit is how long one command may take.
const limit = 30 * time.Minute

// table is what is compared with one another, the first row with all others.
type table struct {
	title  string
	rounds int
	rows   []*command
}

// filesRounds is how many rounds of what takes milliseconds stand for one of what
// takes seconds.
const filesRounds = 10

type command struct {
	name string
	args []string
	// ok are the exit codes that mean the command did its work.
	ok   []int
	slow bool // runs in the first rounds only
	warm bool // runs in the round that is not counted
	runs []run
	err  error // why it could not be timed
}

type run struct {
	wall, cpu time.Duration
	peak      int64 // kilobytes
}

func main() {
	var b bench
	only := flag.String("only", "", "run only commands whose names match")
	flag.StringVar(&b.root, "root", ".", "the checkout of keyquench")
	flag.StringVar(&b.dir, "dir", os.TempDir(), "where to write")
	flag.IntVar(&b.slow, "slow", 1, "in how many rounds the other scanners run")
	flag.Parse()
	err := b.arguments(flag.Args(), *only)
	if err == nil {
		err = b.run(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) arguments(args []string, only string) (err error) {
	if len(args) < 1 || len(args) > 2 {
		return errors.New("usage: ci/bench [-slow N] [-only REGEXP] REPO [ROUNDS]")
	}
	if b.repo, err = filepath.Abs(args[0]); err != nil {
		return err
	}
	b.rounds = 5
	if len(args) == 2 {
		if b.rounds, err = strconv.Atoi(args[1]); err != nil || b.rounds < 1 {
			return fmt.Errorf("%q is no number of rounds", args[1])
		}
	}
	b.only, err = regexp.Compile(only)
	return err
}

func (b *bench) run(w io.Writer) error {
	b.binary = filepath.Join(b.dir, "keyquench")
	build := exec.Command("go", "build", "-o", b.binary, "./cmd/keyquench")
	build.Dir, build.Stderr = b.root, os.Stderr
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as releases are built
	if err := build.Run(); err != nil {
		return fmt.Errorf("build keyquench: %w", err)
	}
	_, err := os.Stat(filepath.Join(b.repo, ".git"))
	b.files = err == nil
	b.tables = append(b.tables, b.history())
	if b.files {
		b.tables = append(b.tables, b.worktree())
	}
	before := load()
	for _, t := range b.tables {
		// A round that is not counted brings the files into memory; what a second
		// scan remembers is from it.
		for round := -1; round < t.rounds; round++ {
			if err := b.round(t, round); err != nil {
				return err
			}
		}
	}
	b.print(w, before)
	return nil
}

func (b *bench) round(t *table, round int) error {
	for i, c := range t.rows {
		if c.err != nil || round < 0 && !c.warm || c.slow && round >= b.slow {
			continue
		}
		r, err := b.once(c)
		if err != nil && i == 0 {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if c.err = err; err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", c.name, err)
		} else if round >= 0 {
			c.runs = append(c.runs, r)
		}
	}
	return nil
}

// history lists what reads all that was ever committed: ours, git's two ways, the
// limit, and those peers that are installed.
func (b *bench) history() *table {
	scan := func(more ...string) []string {
		return append([]string{b.binary, "scan", "--history", "--format", "json", "--no-progress", b.repo}, more...)
	}
	cold := []string{}
	help, _ := exec.Command(b.binary, "scan", "--help").CombinedOutput() // it need not know the flag
	remembers := bytes.Contains(help, []byte("--no-cache"))
	if remembers {
		cold = append(cold, "--no-cache")
	}
	done := []int{0, 1, 3}
	rows := []*command{
		{name: "keyquench scan --history", args: scan(cold...), ok: done, warm: true},
		{name: "keyquench, one worker", args: scan(append(cold, "--workers", "1")...), ok: done},
	}
	if remembers {
		rows = append(rows, &command{name: "keyquench, second scan", args: scan(), ok: done, warm: true})
	}
	// A repository can name programs to convert and to compare with.
	git := []string{"git", "-C", b.repo, "--no-pager", "-c", "core.fsmonitor=false"}
	rows = append(rows,
		&command{name: "git log -p", args: append(git, "log", "-p", "-U0", "--full-history", "--all", "--no-ext-diff", "--no-textconv")},
		&command{name: "git cat-file --batch", args: append(git, "cat-file", "--batch-all-objects", "--batch", "--unordered")},
	)
	limit := exec.Command(filepath.Join(b.root, "ci", "bench"), "-limit", b.repo, b.dir)
	if args, err := limit.Output(); err == nil { // else there is no libdeflate here
		rows = append(rows, &command{name: "libdeflate, every packed blob's entry once", args: strings.Split(strings.TrimSpace(string(args)), "\n")})
	}
	report := filepath.Join(b.dir, "report.json")
	leaks := []string{"git", "--no-banner", "--no-color", "--log-level", "error", "--exit-code", "0", "--report-format", "json", "--report-path", report}
	hog := []string{"git", "file://" + b.repo, "--no-verification", "--no-update", "--json"}
	if !b.files {
		hog = append(hog, "--bare")
	}
	fisher := []string{"scan", b.repo, "--no-validate", "--no-update-check", "--git-history", "full", "--format", "json", "--output", report, "--quiet"}
	rows = append(rows,
		peer("gitleaks", append(leaks, b.repo)...),
		peer("gitleaks, one rule for AWS", append(leaks, "--enable-rule", "aws-access-token", b.repo)...),
		peer("betterleaks", append(leaks, b.repo)...),
		peer("betterleaks, one rule for AWS", append(leaks, "--enable-rule", "aws-access-token", b.repo)...),
		peer("trufflehog", hog...),
		peer("trufflehog, AWS only", append(hog, "--include-detectors=AWS")...),
		peer("kingfisher", fisher...),
		peer("kingfisher, AWS only", append(fisher, "--rule", "kingfisher.aws")...),
		peer("noseyparker", "scan", "--datastore", "{new}", "--git-history", "full", "--quiet", b.repo),
	)
	return &table{"All history", b.rounds, b.choose(rows)}
}

// peer is another scanner, with the exit codes of one that has found something.
func peer(name string, args ...string) *command {
	program, _, _ := strings.Cut(name, ",")
	return &command{name: name, args: append([]string{program}, args...), ok: []int{0, 183, 200, 205}, slow: true}
}

// worktree lists what reads the files of the work tree. Ripgrep is told to read what
// is ignored or hidden, too, as keyquench is; both leave out the git directory.
func (b *bench) worktree() *table {
	scan := []string{b.binary, "scan", "--worktree", "--format", "json", "--no-progress", b.repo}
	return &table{"Files of the work tree", filesRounds * b.rounds, b.choose([]*command{
		{name: "keyquench scan --worktree", args: scan, ok: []int{0, 1, 3}, warm: true},
		{name: "keyquench scan --worktree --ignored", args: append(scan, "--ignored"), ok: []int{0, 1, 3}},
		{name: "rg -uu -c AKIA", args: []string{"rg", "--no-config", "-uu", "-g", "!.git", "-c", "AKIA", b.repo}, ok: []int{0, 1}},
	})}
}

// choose keeps what was asked for and is installed; keyquench always is.
func (b *bench) choose(rows []*command) []*command {
	return slices.DeleteFunc(rows, func(c *command) bool {
		if strings.HasPrefix(c.name, "keyquench") {
			return false
		}
		_, err := exec.LookPath(c.args[0])
		return err != nil || !b.only.MatchString(c.name)
	})
}

// once runs a command to its end and throws its output away.
func (b *bench) once(c *command) (run, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	args := slices.Clone(c.args)
	if i := slices.Index(args, "{new}"); i >= 0 {
		dir, err := os.MkdirTemp(b.dir, "new-")
		if err != nil {
			return run{}, err
		}
		defer os.RemoveAll(dir)
		args[i] = filepath.Join(dir, "new")
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	// A directory of its own: some read ignore files from where they run.
	cmd.Dir = b.dir
	const nowhere = "http://127.0.0.1:9"
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "TMPDIR=" + b.dir, "LC_ALL=C.UTF-8",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=file",
		"HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere, "http_proxy=" + nowhere, "https_proxy=" + nowhere,
	}
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if cmd.ProcessState == nil || !cmd.ProcessState.Success() && !slices.Contains(c.ok, cmd.ProcessState.ExitCode()) {
		line, _, _ := strings.Cut(strings.TrimSpace(errOut.String()), "\n")
		return run{}, fmt.Errorf("%w: %q", err, line)
	}
	r := run{wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.peak = u.Maxrss
	}
	return r, nil
}

// print writes what was measured, where, and of what.
func (b *bench) print(w io.Writer, before string) {
	fmt.Fprintf(w, "%s: %s\n\n", filepath.Base(b.repo), b.size())
	fmt.Fprintf(w, "%d cores of %s, %s/%s, load %s before and %s after, warm cache\n\n",
		runtime.NumCPU(), processor(), runtime.GOOS, runtime.GOARCH, before, load())
	fmt.Fprintf(w, "%s\n", strings.Join(b.versions(), "; "))
	for _, t := range b.tables {
		fmt.Fprintf(w, "\n%s, medians of %d rounds", t.title, t.rounds)
		if slices.ContainsFunc(t.rows, func(c *command) bool { return c.slow }) {
			fmt.Fprintf(w, ", other scanners of %d", min(b.slow, t.rounds))
		}
		fmt.Fprint(w, ":\n\n")
		fmt.Fprintln(w, "| command | wall s | CPU s | peak MB | wall, keyquench = 1 | CPU, keyquench = 1 |")
		fmt.Fprintln(w, "|---|---|---|---|---|---|")
		first := t.rows[0]
		for _, c := range t.rows {
			if c.err != nil {
				fmt.Fprintf(w, "| %s | failed | | | | |\n", c.name)
			} else if len(c.runs) > 0 {
				fmt.Fprintf(w, "| %s | %.3f | %.3f | %.0f | %.2f | %.2f |\n", c.name, median(c.runs, wall), median(c.runs, cpu), median(c.runs, peak),
					median(c.runs, wall)/median(first.runs, wall), median(c.runs, cpu)/median(first.runs, cpu))
			}
		}
	}
}

func wall(r run) float64 { return r.wall.Seconds() }
func cpu(r run) float64  { return r.cpu.Seconds() }
func peak(r run) float64 { return float64(r.peak) / 1024 }

func median(runs []run, of func(run) float64) float64 {
	var values []float64
	for _, r := range runs {
		values = append(values, of(r))
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// size is what git counts in the repository.
func (b *bench) size() string {
	out, err := exec.Command("git", "-C", b.repo, "count-objects", "-v", "-H").Output()
	if err != nil {
		return "size unknown"
	}
	return strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", ", ")
}

// versions asks each program once.
func (b *bench) versions() (list []string) {
	asked := map[string]bool{filepath.Join(b.dir, "inflate"): true}
	for _, t := range b.tables {
		for _, c := range t.rows {
			if program := c.args[0]; !asked[program] {
				asked[program] = true
				list = append(list, versionOf(program))
			}
		}
	}
	return append(list, runtime.Version())
}

func versionOf(program string) string {
	name := filepath.Base(program)
	// What "go install" builds need not know its version, but has it.
	if path, err := exec.LookPath(program); err == nil {
		if info, err := buildinfo.ReadFile(path); err == nil && info.Main.Sum != "" {
			return name + " " + info.Main.Version
		}
	}
	out, err := exec.Command(program, "--version").CombinedOutput() // trufflehog writes to standard error
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil || line == "" {
		line = "unknown"
	}
	if !strings.Contains(line, name) && name != "rg" {
		line = name + " " + line
	}
	return line
}

// load is the load average of the last minute, where Linux tells it.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return minute
}

// processor is the processor's name, where Linux tells it.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
