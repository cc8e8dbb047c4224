package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/keyquench/keyquench/action"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/internal/review"
	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/rules"
)

// minMasked is the shortest text that is masked. The runner masks a text wherever
// it stands, and a short one would make a log unreadable.
const minMasked = 8

// mask tells the runner what never to show: the token, and each secret that was
// found, as it is, in the forms that programs write it in, and its parts. The
// runner does not show these lines. Where none reads them, they are not written.
func (a *actionRun) mask() error {
	if !a.runner.Runs {
		return nil
	}
	var list []string
	add := func(s rules.Secret, certain bool) {
		text := s.Reveal()
		for line := range strings.Lines(text) {
			list = append(list, strings.TrimSpace(line))
		}
		if !certain {
			return
		}
		quoted := strconv.Quote(text)
		list = append(list, url.QueryEscape(text), url.PathEscape(text), base64.StdEncoding.EncodeToString([]byte(text)),
			quoted[1:len(quoted)-1], strings.ReplaceAll(text, "/", `\/`))
		list = append(list, strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })...)
	}
	add(a.in.Token, false)
	for i := range a.found {
		k := a.found[i].Key
		add(k.Secret, true)
		add(k.Token, true)
		for _, c := range a.found[i].Secrets {
			add(c.Secret, false) // it may be no secret at all
		}
	}
	slices.Sort(list)
	var b strings.Builder
	for _, text := range slices.Compact(list) {
		if len(text) >= minMasked {
			b.WriteString(action.Command("add-mask", text))
		}
	}
	_, err := io.WriteString(a.out, b.String())
	return err
}

// report writes what was found, and how much was read, to all that the inputs ask
// for. What is written for GitHub comes after the log.
func (a *actionRun) report(ctx context.Context) error {
	a.readLine()
	if !a.scanned {
		return a.summarize(nothingMarkdown(a.rng.Nothing))
	}
	if err := a.write(a.in.Format, a.out); err != nil {
		return err
	}
	a.asked.summarize(false)
	if err := report.Summarize(a.errOut, a.sum, a.o); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	if a.in.Annotations {
		if err := a.write("github", a.out); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	if err := a.write("markdown", &text); err != nil {
		return err
	}
	if len(a.dead) > 0 {
		text.WriteString("\n### Turned off\n\n- " + strings.Join(a.dead, "\n- ") + "\n")
	}
	if err := a.summarize(text.String()); err != nil {
		return err
	}
	if err := a.writeSARIF(); err != nil {
		return err
	}
	for _, err := range []error{a.comment(ctx), a.upload(ctx)} {
		if err == nil {
			continue
		}
		if errors.Is(err, review.ErrReadOnly) {
			a.tell(hinted{err, "pull requests of forks get no more; else give the job pull-requests: write for comment, security-events: write for upload-sarif"})
			continue
		}
		a.tell(err)
		a.problems = append(a.problems, err)
	}
	return nil
}

// readLine says, always, how much was read.
func (a *actionRun) readLine() {
	what := a.rng.Name
	if a.rng.Nothing != "" {
		what = "nothing to scan: " + a.rng.Nothing
	}
	fmt.Fprintf(a.out, "keyquench: read %s, %s, %s: %s\n",
		many(a.sum.Commits, "commit"), many(a.sum.Objects.Total(), "object"), many(a.sum.Bytes, "byte"), report.Safe(what))
}

// many is a number of things.
func many(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// write writes one report of what was found.
func (a *actionRun) write(format string, to io.Writer) error {
	w, ok := report.New(format, to, a.o)
	if !ok {
		return fmt.Errorf("there is no report %q", format)
	}
	for _, f := range a.found {
		if err := w.Finding(f); err != nil {
			return fmt.Errorf("write %s: %w", format, err)
		}
	}
	if err := w.Close(a.sum); err != nil {
		return fmt.Errorf("write %s: %w", format, err)
	}
	return nil
}

// summarize adds Markdown to the summary of the job.
func (a *actionRun) summarize(text string) error {
	if !a.in.Summary || a.runner.Summary == "" {
		return nil
	}
	err := action.AppendTo(a.runner.Summary, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		return hinted{fmt.Errorf("write the job's summary: %w", err), "summary: false does without"}
	}
	return nil
}

// nothingMarkdown tells that there was nothing to scan. why is a text of ours.
func nothingMarkdown(why string) string {
	return "## keyquench: nothing to scan\n\nNothing was read: " + why + ".\n"
}

// writeSARIF writes the file and keeps its name.
func (a *actionRun) writeSARIF() error {
	if !a.in.SARIF {
		return nil
	}
	dir, err := os.MkdirTemp(a.runner.Temp, "keyquench-sarif-")
	if err != nil {
		return hinted{fmt.Errorf("write the SARIF file: %w", cause(err)), "see that RUNNER_TEMP can be written to, or give sarif: false"}
	}
	file, err := newAtomicFile(filepath.Join(dir, "keyquench.sarif"))
	if err != nil {
		return err
	}
	defer file.discard()
	if err := errors.Join(a.write("sarif", file), file.commit()); err != nil {
		return err
	}
	a.sarif = file.path
	return nil
}

// github makes what talks to GitHub, and names the repository.
func (a *actionRun) github() (c *review.Client, owner, repo string, err error) {
	owner, repo, ok := strings.Cut(a.runner.Repository, "/")
	if !ok || owner == "" || repo == "" || strings.Contains(repo, "/") {
		return nil, "", "", errors.New("GITHUB_REPOSITORY names no repository")
	}
	c, err = review.New(review.Options{URL: a.runner.API, Token: a.in.Token, Proxy: http.ProxyFromEnvironment, Sleep: a.sleep})
	return c, owner, repo, err
}

// comment keeps the comments of a pull request up to date, also when there is
// nothing to tell any more.
func (a *actionRun) comment(ctx context.Context) error {
	if !a.in.Comment {
		return nil
	}
	if a.event.Kind != action.Pull || a.event.Number == 0 {
		a.note("comment: there is no pull request to comment on")
		return nil
	}
	c, owner, repo, err := a.github()
	if err != nil {
		return err
	}
	var list []review.Comment
	for _, m := range report.Comments(a.found, a.o) {
		list = append(list, review.Comment{Fingerprint: m.Fingerprint, Path: m.Path, Line: m.Line, Body: m.Body})
	}
	done, err := c.Post(ctx, review.Pull{Owner: owner, Repo: repo, Number: a.event.Number, Head: a.event.Head}, list,
		review.Posting{Whole: !a.sum.Incomplete() && a.in.Base == "" && a.in.Head == ""})
	if err == nil {
		a.note(fmt.Sprintf("comments: %d new, %d changed, %d as they were, %d of keys that are gone, %d gathered in one, %d only counted",
			done.Created, done.Updated, done.Unchanged, done.Gone, done.Gathered, done.Over))
	}
	return err
}

// upload sends the SARIF file to code scanning.
func (a *actionRun) upload(ctx context.Context) error {
	if !a.in.UploadSARIF {
		return nil
	}
	text, err := os.ReadFile(a.sarif)
	if err != nil {
		return fmt.Errorf("upload-sarif: %w", cause(err))
	}
	c, owner, repo, err := a.github()
	if err != nil {
		return err
	}
	commit, ref := a.runner.SHA, a.runner.Ref
	// A run for a pull request need not be one of its own ref: then what was found
	// would be told of the branch that it wants to go into.
	if a.event.Kind == action.Pull && !strings.HasPrefix(ref, "refs/pull/") {
		commit, ref = a.event.Head, fmt.Sprintf("refs/pull/%d/head", a.event.Number)
	}
	up, err := c.Upload(ctx, review.Analysis{Owner: owner, Repo: repo, Commit: commit, Ref: ref, SARIF: text})
	if err != nil {
		return err
	}
	if up.Status == "failed" {
		return hinted{fmt.Errorf("upload-sarif: GitHub refuses the file: %s", report.Safe(strings.Join(up.Errors, "; "))), "the file is the output sarif-file"}
	}
	a.note("upload-sarif: " + report.Safe(up.Status))
	return nil
}

// outputs leaves the step's outputs. Those of a scan that there was none of are
// empty: 0 would pass for a result.
func (a *actionRun) outputs(code int) error {
	if a.runner.Output == "" {
		return nil
	}
	list := []action.Output{{Name: "exit-code", Value: fmt.Sprint(code)}, {Name: "sarif-file", Value: a.sarif}}
	values := map[string]string{"findings": "", "commits": "", "objects": "", "bytes": "", "live": ""}
	if a.scanned || a.rng.Nothing != "" {
		values["findings"] = fmt.Sprint(a.sum.Findings)
		values["commits"] = fmt.Sprint(a.sum.Commits)
		values["objects"] = fmt.Sprint(a.sum.Objects.Total())
		values["bytes"] = fmt.Sprint(a.sum.Bytes)
		if a.in.Verify {
			live, _ := a.lives()
			values["live"] = fmt.Sprint(len(live))
		}
	}
	for _, name := range []string{"findings", "commits", "objects", "bytes", "live"} {
		list = append(list, action.Output{Name: name, Value: values[name]})
	}
	if err := action.WriteOutputs(a.runner.Output, list); err != nil {
		return hinted{fmt.Errorf("write the outputs: %w", cause(err)), "GITHUB_OUTPUT is for the runner to set"}
	}
	return nil
}

// tellFailure tells on the run and in its summary why it could not finish.
func (a *actionRun) tellFailure(err error) error {
	what, hint := a.shown(err), ""
	if hint = hintOf(err); hint != "" {
		hint = report.Safe(rules.Cover(hint, a.secrets...))
	}
	if a.runner.Runs {
		said := what
		if hint != "" {
			said += "; try: " + hint
		}
		if _, err := io.WriteString(a.out, action.Command("error", said, action.Property{Name: "title", Value: "keyquench could not finish: this is not clean"})); err != nil {
			return err
		}
	}
	// Four spaces make it code, in which nothing acts; each is one line.
	text := "## keyquench could not finish\n\nDo not take this for clean.\n\n    " + what + "\n"
	if hint != "" {
		text += "    try: " + hint + "\n"
	}
	return a.summarize(text)
}

// lives are the verdicts of keys that are live, and of those of which nothing is
// known.
func (a *actionRun) lives() (live, unknown []*verify.Verdict) {
	if a.asked == nil {
		return nil, nil
	}
	for i := range a.found {
		v := a.asked.verdict(&a.found[i])
		switch {
		case v == nil || v.State == verify.Unknown:
			unknown = append(unknown, v)
		case v.State == verify.Live:
			live = append(live, v)
		}
	}
	return live, unknown
}
