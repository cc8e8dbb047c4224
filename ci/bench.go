//go:build ignore

// Bench times whole commands on a repository, keyquench first, in rounds: each
// round runs every command once, so that what else the machine does falls on
// all of them. It prints medians of wall and CPU time, the peak memory of the
// largest process, and the ratio to keyquench in the same run.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

type command struct {
	name string
	args []string
	// ok are the exit codes that mean the command did its work.
	ok   []int
	runs []run
}

type run struct {
	wall, cpu time.Duration
	peak      int64 // kilobytes
}

func main() {
	repo := flag.String("repo", ".", "the repository to scan")
	rounds := flag.Int("rounds", 5, "how often each command runs")
	limit := flag.Duration("limit", 30*time.Minute, "how long one command may take")
	flag.Parse()
	if err := bench(*repo, *rounds, *limit); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(repo string, rounds int, limit time.Duration) error {
	dir, err := os.MkdirTemp("", "keyquench-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "keyquench")
	build := exec.Command("go", "build", "-o", binary, "./cmd/keyquench")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build keyquench: %w", err)
	}
	list := commands(binary, repo)
	for range rounds {
		for _, c := range list {
			r, err := once(c, limit)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.runs = append(c.runs, r)
		}
	}
	print(os.Stdout, repo, rounds, list)
	return nil
}

// commands lists what is timed: ours, git's two ways to read all content, and
// those peers that are installed.
func commands(binary, repo string) []*command {
	list := []*command{
		{name: "keyquench scan --history", args: []string{binary, "scan", "--history", "--format", "json", "--no-progress", repo}, ok: []int{0, 1, 3}},
		{name: "keyquench, one worker", args: []string{binary, "scan", "--history", "--format", "json", "--no-progress", "--workers", "1", repo}, ok: []int{0, 1, 3}},
		{name: "git log -p", args: []string{"git", "-C", repo, "--no-pager", "log", "-p", "-U0", "--full-history", "--all"}, ok: []int{0}},
		{name: "git cat-file --batch", args: []string{"git", "-C", repo, "cat-file", "--batch-all-objects", "--batch", "--unordered"}, ok: []int{0}},
	}
	if _, err := os.Stat(filepath.Join(repo, ".git")); err == nil {
		list = append(list, &command{name: "keyquench scan --worktree", args: []string{binary, "scan", "--worktree", "--format", "json", "--no-progress", repo}, ok: []int{0, 1}})
		list = append(list, &command{name: "rg -uu -c AKIA", args: []string{"rg", "-uu", "-c", "AKIA", repo}, ok: []int{0, 1}})
	}
	list = append(list,
		&command{name: "gitleaks git", args: []string{"gitleaks", "git", "--no-banner", "--exit-code", "0", repo}, ok: []int{0}},
		&command{name: "betterleaks git", args: []string{"betterleaks", "git", "--no-banner", "--exit-code", "0", repo}, ok: []int{0}},
		&command{name: "trufflehog git", args: []string{"trufflehog", "git", "file://" + repo, "--no-verification", "--no-update", "--json"}, ok: []int{0}},
		&command{name: "kingfisher scan", args: []string{"kingfisher", "scan", repo, "--no-validate", "--format", "json"}, ok: []int{0, 200, 205}},
		&command{name: "noseyparker scan", args: []string{"noseyparker", "scan", "--datastore", ":memory:", repo}, ok: []int{0}},
	)
	return slices.DeleteFunc(list, func(c *command) bool {
		_, err := exec.LookPath(c.args[0])
		return err != nil
	})
}

// once runs a command to its end and throws its output away.
func once(c *command, limit time.Duration) (run, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Stdout = io.Discard
	var errOut strings.Builder
	cmd.Stderr = &errOut
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if cmd.ProcessState == nil || !slices.Contains(c.ok, cmd.ProcessState.ExitCode()) {
		return run{}, fmt.Errorf("%w: %s", err, strings.TrimSpace(errOut.String()))
	}
	r := run{wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.peak = u.Maxrss
	}
	return r, nil
}

func print(w io.Writer, repo string, rounds int, list []*command) {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.GoVersion
	}
	fmt.Fprintf(w, "%s, %d cores, %s, %s, %d rounds, medians, warm cache\n\n", filepath.Base(repo), runtime.NumCPU(), processor(), version, rounds)
	fmt.Fprintln(w, "| command | wall s | CPU s | peak MB | wall, keyquench = 1 | CPU, keyquench = 1 |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|")
	first := list[0]
	wall := func(r run) float64 { return r.wall.Seconds() }
	cpu := func(r run) float64 { return r.cpu.Seconds() }
	peak := func(r run) float64 { return float64(r.peak) / 1024 }
	for _, c := range list {
		fmt.Fprintf(w, "| %s | %.2f | %.2f | %.0f | %.2f | %.2f |\n", c.name, median(c.runs, wall), median(c.runs, cpu), median(c.runs, peak),
			median(c.runs, wall)/median(first.runs, wall), median(c.runs, cpu)/median(first.runs, cpu))
	}
}

func median(runs []run, of func(run) float64) float64 {
	var values []float64
	for _, r := range runs {
		values = append(values, of(r))
	}
	slices.Sort(values)
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
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
