package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/keyquench/keyquench/scanner"
)

// maxSkips is how many skips are named in text; JSON has all that are known.
const maxSkips = 10

// Summarize writes for a person what a scan read, what it found, and what it
// could not read, each with the next step.
func Summarize(w io.Writer, s scanner.Summary, o Options) error {
	t := summary{o: o, look: newPalette(o.Color)}
	t.scanned(&s)
	t.found(&s)
	t.skipped(&s)
	if s.Unopened > 0 {
		t.row("Closed", fmt.Sprintf("%s %s could not be opened (encrypted, damaged, or of an unknown format), only looked at as %s (--format json names them)",
			group(s.Unopened), plural(s.Unopened, "container", "containers"), plural(s.Unopened, "it is", "they are")))
	}
	if s.Cache.Err != nil {
		t.row("Cache", Safe(s.Cache.Err.Error())+"; this scan lacks nothing for it")
	}
	for _, g := range gaps(&s) {
		t.row(g.label, g.text)
		t.row("", "try: "+g.try)
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// gap is a part of history that is not in the repository, and how to get it.
type gap struct{ name, label, text, try string }

func gaps(s *scanner.Summary) (list []gap) {
	if s.Missing > 0 {
		list = append(list, gap{
			"missing", "Missing",
			fmt.Sprintf("%s %s never fetched: this is a partial clone", group(s.Missing), plural(s.Missing, "object was", "objects were")),
			"git fetch --refetch, or git backfill, and scan again",
		})
	}
	if s.Shallow > 0 {
		list = append(list, gap{
			"shallow", "Shallow",
			fmt.Sprintf("history is cut at %s %s: what came before was not looked at", group(s.Shallow), plural(s.Shallow, "commit", "commits")),
			"git fetch --unshallow, and scan again",
		})
	}
	return list
}

// unnamed is how many of the things that were not read no list names.
func unnamed(s *scanner.Summary) int64 { return s.Skipped - int64(min(len(s.Skips), scanner.MaxSkips)) }

type summary struct {
	b    strings.Builder
	o    Options
	look palette
}

func (t *summary) row(label, text string) {
	fmt.Fprintf(&t.b, "%s %s\n", t.look.dim(fmt.Sprintf("%-8s", label)), text)
}

// scanned says what was read. A scan of nothing is said loudly: a wrong path
// must not pass for a clean repository.
func (t *summary) scanned(s *scanner.Summary) {
	label := "Scanned"
	if t.o.Target != "" {
		t.row(label, Safe(t.o.Target))
		label = ""
	}
	if t.o.Scope == Staged {
		// No change is nothing odd here: a commit may only delete or rename.
		if s.Blobs == 0 && !s.Incomplete() {
			t.row(label, "nothing is staged that HEAD does not have")
			return
		}
		t.row(label, fmt.Sprintf("%s staged %s, %s in %s%s", group(s.Blobs), plural(s.Blobs, "file", "files"),
			size(s.Bytes), duration(s.Elapsed), rate(s.Bytes, s.Elapsed)))
		return
	}
	if s.Bytes == 0 {
		why := "There was nothing to scan here."
		if t.o.Scope == Part {
			why = "No commit was chosen, or none that changes a file."
		}
		t.row(label, t.look.leak("NOTHING: 0 bytes were read. "+why))
		return
	}
	var parts []string
	if n := s.Objects.Total(); n > 0 {
		parts = append(parts, fmt.Sprintf("%s %s", group(n), plural(n, "object", "objects")),
			fmt.Sprintf("%s %s", group(s.Commits), plural(s.Commits, "commit", "commits")))
	}
	if s.Files > 0 {
		parts = append(parts, fmt.Sprintf("%s %s", group(s.Files), plural(s.Files, "file", "files")))
	}
	if n := s.Cache.Objects; n > 0 {
		parts = append(parts, size(s.Bytes)+" in "+duration(s.Elapsed))
		t.row(label, strings.Join(parts, ", "))
		t.row("", fmt.Sprintf("%s of the objects were read by an earlier scan (--no-cache reads them again)", group(n)))
		return
	}
	parts = append(parts, size(s.Bytes)+" in "+duration(s.Elapsed)+rate(s.Bytes, s.Elapsed))
	t.row(label, strings.Join(parts, ", "))
}

func (t *summary) found(s *scanner.Summary) {
	switch {
	case s.Findings > 0:
		t.row("Found", t.look.leak(fmt.Sprintf("%s leaked %s", group(int64(s.Findings)), plural(s.Findings, "key", "keys"))))
	case s.Incomplete():
		t.row("Found", "no keys in what was read, but not everything was read")
	default:
		t.row("Found", "no keys")
	}
	if s.Ignored > 0 {
		t.row("", fmt.Sprintf("%s %s not shown: --ignore lists %s", group(int64(s.Ignored)), plural(s.Ignored, "key", "keys"), plural(s.Ignored, "it", "them")))
	}
	if s.Allowed > 0 {
		t.row("", fmt.Sprintf("%s %s not shown: the line is marked as allowed (--no-allow shows it)", group(int64(s.Allowed)), plural(s.Allowed, "key", "keys")))
	}
	if s.Known > 0 {
		before := "it stood there before this part of history"
		if t.o.Scope == Staged {
			before = "HEAD has it in the same file"
		}
		t.row("", fmt.Sprintf("%s %s not counted: %s", group(int64(s.Known)), plural(s.Known, "key", "keys"), before))
	}
}

// skipped names what was not read.
func (t *summary) skipped(s *scanner.Summary) {
	if s.Skipped == 0 {
		return
	}
	t.row("Skipped", t.look.leak(fmt.Sprintf("%s %s could not be read", group(s.Skipped), plural(s.Skipped, "thing", "things"))))
	skips := sortedSkips(s)
	shown := skips[:min(len(skips), maxSkips)]
	for _, k := range shown {
		t.row("", "- "+new(veil).skipLine(k))
	}
	if more := s.Skipped - int64(len(shown)); more > 0 {
		t.row("", fmt.Sprintf("and %s more (--format json names them)", group(more)))
	}
	t.row("", "try: "+t.nextStep(skips))
}

// sortedSkips puts skips in an order that does not depend on which worker came
// first.
func sortedSkips(s *scanner.Summary) []scanner.Skip {
	list := slices.Clone(s.Skips)
	slices.SortStableFunc(list, func(a, b scanner.Skip) int {
		return cmp.Or(strings.Compare(a.What, b.What), strings.Compare(a.Err.Error(), b.Err.Error()))
	})
	return list[:min(len(list), scanner.MaxSkips)]
}

func (v *veil) skipLine(k scanner.Skip) string {
	why := Clean(v.over(k.Err.Error()))
	if k.What == "" {
		return why
	}
	return Clean(v.over(k.What)) + ": " + why
}

// nextStep is the first hint that an error carries, or what usually helps.
func (t *summary) nextStep(skips []scanner.Skip) string {
	denied := false
	for _, k := range skips {
		if h, ok := errors.AsType[interface {
			error
			Hint() string
		}](k.Err); ok {
			return Clean(h.Hint())
		}
		denied = denied || errors.Is(k.Err, fs.ErrPermission)
	}
	switch {
	case denied:
		return "scan as a user who may read these files"
	case t.o.Scope == Files:
		return "look at these files yourself, and scan again"
	}
	return "git fsck tells what is broken; fetch it again, or make a new clone and scan that"
}

// group writes a number with its thousands apart.
func group(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size is a number of bytes in decimal units.
func size(n int64) string {
	const unit, nearly = 1000, 999.95 // which would be written as 1000.0
	if n < unit {
		return fmt.Sprintf("%d %s", n, plural(n, "byte", "bytes"))
	}
	value, names := float64(n), "kMGTPE"
	i := -1
	for (i < 0 || value >= nearly) && i+1 < len(names) {
		value, i = value/unit, i+1
	}
	return fmt.Sprintf("%.1f %cB", value, names[i])
}

func duration(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// rate is left out of scans too short to have one.
func rate(n int64, d time.Duration) string {
	if d < 10*time.Millisecond {
		return ""
	}
	return fmt.Sprintf(", %.1f MB/s", float64(n)/1e6/d.Seconds())
}
