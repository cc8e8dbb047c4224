package gitdir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

const (
	// maxPackedLine is also the buffer, and so far larger than any line; names
	// are held to maxName.
	maxPackedLine = 64 << 10
	// maxPackedBytes is room for maxRefs annotated tags with long names.
	maxPackedBytes = 1 << 30
)

var (
	errPackedLine = errors.New("not a line of packed-refs")
	errPeeledLine = errors.New("peeled object without a reference before it")
	errUnended    = errors.New("the last line is cut off")
)

// packed reads the references in packed-refs.
func (rd *refReader) packed(v view) []entry {
	path := filepath.Join(v.dir, "packed-refs")
	var entries []entry
	err := eachPacked(path, rd.repo.Format, func(line int, name []byte, target, peeled oid.ID, bad error) bool {
		at := Problem{Path: path, Line: line, Err: bad}
		if bad != nil {
			rd.problems.add(at)
			return true
		}
		if !rd.takeRef(len(name)) {
			at.Err = errTooManyRefs
			rd.problems.add(at)
			return false
		}
		e := entry{Ref: Ref{Name: string(name), Target: target, Peeled: peeled}, rank: rankPacked}
		entries = rd.checked(entries, e, at)
		return true
	})
	if err != nil {
		rd.at(path, err)
	}
	return entries
}

// eachPacked calls do for every line of a packed-refs file, the good ones and
// the bad, until do returns false. Name dies with the call.
func eachPacked(path string, format oid.Format, do func(line int, name []byte, target, peeled oid.ID, bad error) bool) error {
	f, _, err := openRegular(path)
	if missing(err) {
		// A link that leads nowhere is not the same as no file.
		if _, lerr := os.Lstat(path); missing(lerr) {
			return nil
		}
	}
	if err != nil {
		return cause(err)
	}
	defer f.Close()
	return scanPacked(f, format, do)
}

func scanPacked(r io.Reader, format oid.Format, do func(line int, name []byte, target, peeled oid.ID, bad error) bool) error {
	lr := newLineReader(r, maxPackedLine, maxPackedBytes)
	p := packedScan{hex: format.HexSize(), do: do}
	for {
		line, ended, err := lr.next()
		more := true
		switch {
		case errors.Is(err, errLineTooLong):
			more = p.flush() && do(lr.n, nil, oid.ID{}, oid.ID{}, err)
		case errors.Is(err, io.EOF):
			p.flush()
			return nil
		case err != nil:
			p.flush()
			return fmt.Errorf("after line %d: %w", lr.n, cause(err))
		case !ended:
			more = p.flush() && do(lr.n, nil, oid.ID{}, oid.ID{}, errUnended)
		default:
			more = p.line(lr.n, line)
		}
		if !more {
			return nil
		}
	}
}

// packedScan holds a reference back until the next line has told whether a
// peeled object belongs to it.
type packedScan struct {
	hex    int
	do     func(int, []byte, oid.ID, oid.ID, error) bool
	held   bool
	at     int
	name   []byte
	target oid.ID
	peeled oid.ID
}

func (p *packedScan) flush() bool {
	if !p.held {
		return true
	}
	p.held = false
	return p.do(p.at, p.name, p.target, p.peeled, nil)
}

func (p *packedScan) line(n int, line []byte) bool {
	if n == 1 && bytes.HasPrefix(line, []byte("# pack-refs with:")) {
		// What it says is not needed: peeled lines speak for themselves, and
		// references are sorted later whether or not they claim to be.
		return true
	}
	if rest, ok := bytes.CutPrefix(line, []byte("^")); ok {
		id, good := hexID(rest)
		switch {
		case len(rest) != p.hex || !good:
			return p.flush() && p.do(n, nil, oid.ID{}, oid.ID{}, errPackedLine)
		case !p.held || !p.peeled.IsZero():
			return p.flush() && p.do(n, nil, oid.ID{}, oid.ID{}, errPeeledLine)
		}
		p.peeled = id
		return true
	}
	if !p.flush() {
		return false
	}
	if len(line) < p.hex+2 || !isSpace(line[p.hex]) {
		return p.do(n, nil, oid.ID{}, oid.ID{}, errPackedLine)
	}
	id, ok := hexID(line[:p.hex])
	if !ok {
		return p.do(n, nil, oid.ID{}, oid.ID{}, errPackedLine)
	}
	p.held, p.at, p.target, p.peeled = true, n, id, oid.ID{}
	p.name = append(p.name[:0], line[p.hex+1:]...)
	return true
}
