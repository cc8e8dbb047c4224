package gitdir

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"path/filepath"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// LogEntry is one line of a reflog. Its slices are valid until the loop asks
// for the next.
type LogEntry struct {
	Ref      string
	Worktree string // as in Ref
	Old, New oid.ID // zero where the reference began or ended
	Who      []byte // name, address and time as git prints them
	Message  []byte // may be empty
}

// maxLogLine bounds a line. Git puts the first line of a commit's message
// there, and that can be long when something wrote the message.
const maxLogLine = 1 << 20

var errLogLine = errors.New("not a line of a reflog")

// Reflogs reads the reflogs of every work tree in the order of their storage:
// a file from its oldest line to its newest, a reftable by reference and there
// from the newest record to the oldest. Records that a later table revoked are
// given as long as the file has them: they are there to be found. What could
// not be read is yielded as a Problem, and the loop may go on.
func (r *Repo) Reflogs() iter.Seq2[LogEntry, error] {
	return func(yield func(LogEntry, error) bool) {
		lg := logReader{repo: r, yield: yield, budget: newBudget()}
		var p problems
		views := r.views(&p)
		for _, q := range p.all() {
			if !lg.fail(q) {
				return
			}
		}
		for _, v := range views {
			lg.view = v
			if r.RefStorage == RefTable {
				lg.tables()
			} else {
				lg.files()
			}
			if lg.done {
				return
			}
		}
	}
}

type logReader struct {
	*budget
	repo  *Repo
	view  view
	yield func(LogEntry, error) bool
	done  bool // the loop has ended
	lines *lineReader
}

// fail yields a problem and tells whether to go on.
func (lg *logReader) fail(p Problem) bool {
	if !lg.done {
		lg.done = !lg.yield(LogEntry{}, p)
	}
	return !lg.done
}

// give yields an entry and tells whether to go on.
func (lg *logReader) give(e LogEntry) bool {
	if !lg.done {
		e.Worktree = lg.view.name
		lg.done = !lg.yield(e, nil)
	}
	return !lg.done
}

func (lg *logReader) files() {
	w := walker{budget: lg.budget, each: lg.file, fail: func(path string, err error) {
		lg.fail(Problem{Path: path, Err: err})
	}}
	logs := filepath.Join(lg.view.dir, "logs")
	lg.file("HEAD", filepath.Join(logs, "HEAD"))
	dirs := []string{"refs"}
	if !lg.view.shared {
		dirs = ownDirs
	}
	for _, dir := range dirs {
		if lg.done {
			return
		}
		w.walk(filepath.Join(logs, filepath.FromSlash(dir)), dir)
	}
}

// file reads one reflog and tells whether to go on to the next.
func (lg *logReader) file(name, path string) bool {
	f, _, err := openRegular(path)
	if missing(err) {
		return true
	}
	if err != nil {
		return lg.fail(Problem{Path: path, Ref: name, Err: cause(err)})
	}
	defer f.Close()
	if !validName(name) {
		// The lines are still worth reading.
		if !lg.fail(Problem{Path: path, Ref: name, Err: errBadName}) {
			return false
		}
	}
	if lg.lines == nil {
		lg.lines = newLineReader(nil, maxLogLine, 0)
	}
	lg.lines.reset(f, lg.logBytes)
	for lg.line(name, path) {
	}
	// The limit was one byte more than allowed. What is left is for the
	// other files, however many there are.
	lg.logBytes = lg.lines.left.N - 1
	return !lg.done && lg.logBytes >= 0
}

// line yields one line, good or bad, and tells whether there may be another.
func (lg *logReader) line(name, path string) bool {
	line, _, err := lg.lines.next()
	if errors.Is(err, io.EOF) {
		return false
	}
	bad := Problem{Path: path, Ref: name, Line: lg.lines.n, Err: cause(err)}
	if err != nil {
		return lg.fail(bad) && errors.Is(err, errLineTooLong)
	}
	e, ok := parseLogLine(line, lg.repo.Format)
	if !ok {
		bad.Err = errLogLine
		return lg.fail(bad)
	}
	e.Ref = name
	return lg.give(e)
}

// parseLogLine reads "<old> <new> <who>\t<message>".
func parseLogLine(line []byte, format oid.Format) (LogEntry, bool) {
	n := format.HexSize()
	if len(line) < 2*n+2 || line[n] != ' ' || line[2*n+1] != ' ' {
		return LogEntry{}, false
	}
	var e LogEntry
	var okOld, okNew bool
	e.Old, okOld = hexID(line[:n])
	e.New, okNew = hexID(line[n+1 : 2*n+1])
	e.Who, e.Message, _ = bytes.Cut(line[2*n+2:], []byte("\t"))
	return e, okOld && okNew
}
