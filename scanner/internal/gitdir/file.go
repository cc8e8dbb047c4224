package gitdir

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

var (
	errNotRegular  = errors.New("not a regular file")
	errTooLarge    = errors.New("larger than any file git writes here")
	errLineTooLong = errors.New("line longer than any git writes here")
)

// openRegular opens a file that must be a regular one. O_NONBLOCK keeps a pipe
// planted under the name from holding up the open.
func openRegular(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// readSmall reads a whole file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, errTooLarge
	}
	// The file may grow, or be one whose size says nothing: read one byte more
	// than allowed to notice.
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, errTooLarge
	}
	return data, nil
}

// missing tells that a file is not there, for whatever reason of its path: git
// takes a file where a directory should be as absence too.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// cause strips the path from a file error: whoever wraps it names the file.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// lineReader reads lines of bounded length from a file of bounded size.
type lineReader struct {
	br   *bufio.Reader
	left *io.LimitedReader
	n    int // number of the line next returned last
}

func newLineReader(r io.Reader, maxLine int, maxBytes int64) *lineReader {
	left := &io.LimitedReader{R: r, N: maxBytes + 1}
	return &lineReader{br: bufio.NewReaderSize(left, maxLine), left: left}
}

// reset begins another file, keeping the buffer.
func (l *lineReader) reset(r io.Reader, maxBytes int64) {
	l.left.R, l.left.N, l.n = r, maxBytes+1, 0
	l.br.Reset(l.left)
}

// next gives a line without its newline, valid until the next call; ended tells
// whether the newline was there. After errLineTooLong the reader stands behind
// the long line and can go on; io.EOF and any other error are final.
func (l *lineReader) next() (line []byte, ended bool, err error) {
	line, err = l.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.n++
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.br.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		if l.left.N <= 0 {
			return nil, false, errTooLarge
		}
		return nil, false, errLineTooLong
	}
	if l.left.N <= 0 && l.br.Buffered() == 0 && err != nil {
		return nil, false, errTooLarge
	}
	switch {
	case err == nil:
		l.n++
		return line[:len(line)-1], true, nil
	case errors.Is(err, io.EOF) && len(line) > 0:
		l.n++
		return line, false, nil
	}
	return nil, false, err
}

// budget is what reading one repository's references or logs may cost in all,
// however the cost is spread over files.
type budget struct {
	refs, entries int
	nameBytes     int64
	logBytes      int64
}

const (
	// The largest public repositories have under two million references.
	maxRefs = 1 << 22
	// Four million names of the length that the largest repositories use on
	// average, with room to spare; it bounds memory when each name is long.
	maxNameBytes = 512 << 20
	// Directory entries looked at below refs and logs, including those that
	// turn out to be no reference.
	maxEntries = 1 << 23
	// Bytes of reflog, after inflating, in one pass.
	maxLogBytes = 4 << 30
)

var (
	errTooManyRefs    = fmt.Errorf("more references than are read (%d, or %d bytes of names)", maxRefs, maxNameBytes)
	errTooManyEntries = fmt.Errorf("more directory entries than are read (%d)", maxEntries)
	errTooMuchLog     = fmt.Errorf("more reflog than is read (%d bytes)", int64(maxLogBytes))
)

func newBudget() *budget {
	return &budget{refs: maxRefs, entries: maxEntries, nameBytes: maxNameBytes, logBytes: maxLogBytes}
}

// takeRef pays for one reference and tells whether there was enough left.
func (b *budget) takeRef(nameLen int) bool {
	b.refs--
	b.nameBytes -= int64(nameLen)
	return b.refs >= 0 && b.nameBytes >= 0
}

// realPath resolves symbolic links where the path exists, and otherwise gives
// the cleaned path.
func realPath(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return filepath.Clean(path)
}

// under takes a path as seen from dir.
func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	// Not Join: "link/.." must reach the parent of what link points to.
	return dir + string(filepath.Separator) + path
}
