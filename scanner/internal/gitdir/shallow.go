package gitdir

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

const (
	maxShallowLine = 4096
	// maxShallow is how many commits a history may be cut off at.
	maxShallow = 1 << 22
)

// Shallow lists the commits whose parents a shallow clone does not have, in the
// order of the file; none when the clone is whole. The list is not usable in
// part: an error means that nothing is known.
func (r *Repo) Shallow() ([]oid.ID, error) {
	path := filepath.Join(r.CommonDir, "shallow")
	f, _, err := openRegular(path)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, Problem{Path: path, Err: cause(err)}
	}
	defer f.Close()
	lr := newLineReader(f, maxShallowLine, maxShallow*(2*oid.MaxSize+1))
	var list []oid.ID
	for {
		line, _, err := lr.next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, Problem{Path: path, Line: lr.n, Err: cause(err)}
		}
		id, ok := leadingID(line, r.Format)
		if !ok {
			return nil, Problem{Path: path, Line: lr.n, Err: errNotRef}
		}
		if len(list) == maxShallow {
			return nil, Problem{Path: path, Line: lr.n, Err: fmt.Errorf("more commits than are read (%d)", maxShallow)}
		}
		list = append(list, id)
	}
}
