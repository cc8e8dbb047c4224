package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
	"github.com/spf13/pflag"
)

// scanFlags are the flags of scan as they were given.
type scanFlags struct {
	history, worktree, ignored, stdin, staged bool
	since, rng                                string
	branches, ignores                         []string

	format, output, color            string
	secrets, quiet, noProgress       bool
	noCache, noAllow, gitleaksAllow  bool
	workers                          int
	rules                            []string
	config                           string
	trustRepo                        bool
	sinceGiven, rangeGiven, outGiven bool

	verify bool
	ledger string
	aws    awsFlags

	set   *rules.Set // nil for the built-in rules
	lists []textFile // of what to ignore, those of ignores too
}

// maxWorkers bounds --workers: each holds buffers, and more than this many
// processors nobody has.
const maxWorkers = 1024

func (f *scanFlags) add(s *pflag.FlagSet) {
	f.addTarget(s)
	s.StringArrayVar(&f.ignores, "ignore", nil, "leave out the findings that `FILE` lists: fingerprints, or a baseline; may be repeated")
	s.StringVar(&f.format, "format", "text", "write findings as `"+strings.Join(report.Formats(), "|")+"`")
	s.StringVar(&f.output, "output", "", "write findings to `FILE` (mode 0600) instead of standard output")
	s.BoolVar(&f.quiet, "quiet", false, "write findings and errors only: no progress, no summary, no advice")
	f.addManner(s)
	s.BoolVar(&f.verify, "verify", false, "ask AWS whose each key is: makes a read-only call with it")
	addLedgerFlag(s, &f.ledger)
	f.aws.add(s)
	s.SortFlags = false
}

// addManner adds the flags for how it is scanned and shown.
func (f *scanFlags) addManner(s *pflag.FlagSet) {
	s.BoolVar(&f.secrets, "show-secrets", false, "write secrets in full: mind who reads the output")
	s.BoolVar(&f.noProgress, "no-progress", false, "show no progress")
	s.StringVar(&f.color, "color", "auto", "colour the text: `auto|always|never`; auto obeys NO_COLOR")
	f.addMarkers(s)
	s.BoolVar(&f.noCache, "no-cache", false, "read all of history again, and remember nothing of it")
	s.IntVar(&f.workers, "workers", 0, "scan with `N` workers (default: one a processor)")
	s.SortFlags = false
}

// addTarget adds the flags that choose what is scanned.
func (f *scanFlags) addTarget(s *pflag.FlagSet) {
	s.BoolVar(&f.history, "history", false, "scan history only")
	s.BoolVar(&f.worktree, "worktree", false, "scan the work tree only")
	s.BoolVar(&f.staged, "staged", false, "scan what the next commit would add to HEAD")
	s.BoolVar(&f.ignored, "ignored", false, "also scan the files of the work tree that ignore rules hide")
	s.BoolVar(&f.stdin, "stdin", false, "scan standard input; PATH is then the name to report it under")
	s.StringVar(&f.rng, "range", "", "scan what the commits `A..B` added")
	s.StringArrayVar(&f.branches, "branch", nil, "scan only what branch `NAME` leads to; may be repeated")
	s.StringVar(&f.since, "since", "", "scan only commits made since `DATE`")
	f.addRules(s)
	s.SortFlags = false
}

// addRules adds the flags that say what is looked for.
func (f *scanFlags) addRules(s *pflag.FlagSet) {
	s.StringArrayVar(&f.rules, "rules", nil, "add the rules of `FILE`, keyquench's or gitleaks'; may be repeated")
	s.StringVar(&f.config, "config", "", "read settings from `FILE`, a keyquench.toml")
	s.BoolVar(&f.trustRepo, "trust-repo-config", false, "follow the keyquench.toml and .keyquenchignore of what is scanned")
}

// addMarkers adds the flags that say which markers on a line count.
func (f *scanFlags) addMarkers(s *pflag.FlagSet) {
	s.BoolVar(&f.noAllow, "no-allow", false, "report lines marked keyquench:allow too")
	s.BoolVar(&f.gitleaksAllow, "gitleaks-allow", false, "leave out lines marked gitleaks:allow, too")
}

// check refuses what contradicts itself, and reads what needs reading.
func (f *scanFlags) check(s *pflag.FlagSet, now time.Time) (scanner.Choice, error) {
	f.sinceGiven, f.rangeGiven, f.outGiven = s.Changed("since"), s.Changed("range"), s.Changed("output")
	c := scanner.Choice{Range: f.rng, Branches: f.branches}
	if given := f.aws.given(); given != "" && !f.verify {
		return c, usageError{given + " does nothing without --verify", "add --verify, or leave it out"}
	}
	if err := f.contradiction(); err != nil {
		return c, err
	}
	for _, v := range []struct{ flag, value, allowed string }{
		{"format", f.format, strings.Join(report.Formats(), " ")}, {"color", f.color, "auto always never"},
	} {
		if v.value == "" || strings.Contains(v.value, " ") || !strings.Contains(" "+v.allowed+" ", " "+v.value+" ") {
			return c, usageError{fmt.Sprintf("--%s %q is not known", v.flag, v.value), "one of: " + strings.ReplaceAll(v.allowed, " ", ", ")}
		}
	}
	switch {
	case f.secrets && report.Masks(f.format):
		return c, usageError{"--show-secrets and --format " + f.format + " contradict each other", "leave one of them out: all who can read the repository see what GitHub shows of a job"}
	case f.workers < 0 || f.workers > maxWorkers || s.Changed("workers") && f.workers == 0:
		return c, usageError{fmt.Sprintf("--workers %d is out of range", f.workers), fmt.Sprintf("a number from 1 to %d, or leave it out", maxWorkers)}
	case f.outGiven && f.output == "":
		return c, usageError{"--output names no file", "--output leaks.txt"}
	case f.rangeGiven && !strings.Contains(f.rng, ".."):
		return c, usageError{fmt.Sprintf("--range %q is no range", f.rng), "--range main..HEAD"}
	}
	for _, b := range f.branches {
		if b == "" {
			return c, usageError{"--branch names no branch", "--branch main"}
		}
	}
	if f.sinceGiven {
		var err error
		if c.Since, err = parseSince(f.since, now); err != nil {
			return c, err
		}
	}
	return c, nil
}

// contradiction finds flags that cannot hold together.
func (f *scanFlags) contradiction() error {
	part := f.partFlag()
	clash := func(a, b, try string) error { return usageError{a + " and " + b + " contradict each other", try} }
	other := part // what --stdin and --staged cannot stand beside
	for _, v := range []struct {
		set  bool
		flag string
	}{{f.history, "--history"}, {f.worktree, "--worktree"}, {f.ignored, "--ignored"}} {
		if v.set {
			other = v.flag
		}
	}
	switch {
	case f.stdin && f.staged:
		return clash("--stdin", "--staged", "leave one of them out: standard input is no repository")
	case f.stdin && other != "":
		return clash("--stdin", other, "leave one of them out: standard input is no repository")
	case f.staged && other != "":
		return clash("--staged", other, "leave one of them out: --staged looks at the next commit only")
	case part != "" && f.worktree:
		return clash(part, "--worktree", "leave out --worktree: "+part+" looks at history only")
	case part != "" && f.ignored:
		return clash(part, "--ignored", "leave out --ignored: "+part+" looks at history only")
	case f.history && f.ignored && !f.worktree:
		return clash("--history", "--ignored", "add --worktree, or leave out --ignored")
	}
	return nil
}

// partFlag is the flag that chooses a part of history, or "".
func (f *scanFlags) partFlag() string {
	switch {
	case f.rangeGiven:
		return "--range"
	case len(f.branches) > 0:
		return "--branch"
	case f.sinceGiven:
		return "--since"
	}
	return ""
}

// allow are the markers of lines that are not reported.
func (f *scanFlags) allow() (markers []string) {
	if !f.noAllow {
		markers = append(markers, "keyquench:allow")
	}
	if f.gitleaksAllow {
		markers = append(markers, "gitleaks:allow")
	}
	return markers
}

// historyFlag is the flag that needs a repository, or "".
func (f *scanFlags) historyFlag() string {
	switch {
	case f.history:
		return "--history"
	case f.staged:
		return "--staged"
	}
	return f.partFlag()
}
