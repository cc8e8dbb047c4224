package gitdir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// maxTables bounds a stack; git compacts one long before it has a hundred.
	maxTables = 10_000
	// maxTableList is room for that many names of the longest kind.
	maxTableList = maxTables * 256
	// stackTries is how often a stack is read anew when a table has gone:
	// git compacts at any time, and the list then names another.
	stackTries = 5
)

var (
	errTableList     = errors.New("not a list of table names")
	errTooManyTables = fmt.Errorf("more tables than are read (%d)", maxTables)
	errTableGone     = errors.New("the table is listed but missing")
)

// stack reads the references of one view's reftables, a newer table's word
// against an older's.
func (rd *refReader) stack(v view) []entry {
	dir := filepath.Join(v.dir, "reftable")
	var entries []entry
	err := eachTable(dir, func() { entries = entries[:0] }, func(rank int, path string, f *os.File, size int64) error {
		full := false
		t, err := openTable(f, size, rd.repo.Format)
		if err == nil {
			err = t.eachRef(func(rec tableRecord) bool {
				if full = !rd.takeRef(len(rec.ref.Name) + len(rec.ref.Symbolic)); full {
					return false
				}
				entries = rd.checked(entries, entry{Ref: rec.ref, rank: int32(rank), deleted: rec.deleted}, Problem{Path: path})
				return true
			})
		}
		if full {
			err = errTooManyRefs
		}
		if err != nil {
			rd.at(path, err)
		}
		return nil
	})
	if err != nil {
		if missing(err) && !v.shared {
			return nil // a linked work tree of an older kind, or a pruned one
		}
		rd.at(filepath.Join(dir, "tables.list"), cause(err))
	}
	return entries
}

// eachTable opens every table of a stack, oldest first and ranked so. When one
// is missing the list is read again, and restart is called before beginning
// anew.
func eachTable(dir string, restart func(), do func(rank int, path string, f *os.File, size int64) error) error {
	var last []string
	for try := 0; ; try++ {
		names, err := tableNames(filepath.Join(dir, "tables.list"))
		if err != nil {
			return err
		}
		gone := false
		for rank, name := range names {
			path := filepath.Join(dir, name)
			f, size, err := openRegular(path)
			if missing(err) {
				gone = true
				break
			}
			if err == nil {
				err = do(rank, path, f, size)
				f.Close()
			}
			if err != nil {
				return fmt.Errorf("table %d: %w", rank+1, cause(err))
			}
		}
		if !gone {
			return nil
		}
		if try == stackTries || slices.Equal(names, last) {
			return errTableGone
		}
		last = names
		restart()
	}
}

func tableNames(path string) ([]string, error) {
	data, err := readSmall(path, maxTableList)
	if err != nil {
		return nil, err
	}
	return parseTableNames(data)
}

// parseTableNames reads a list of file names, one a line. A name with a path in
// it would lead out of the directory.
func parseTableNames(data []byte) ([]string, error) {
	var names []string
	for line := range bytes.Lines(data) {
		name := string(bytes.TrimSuffix(line, []byte("\n")))
		if name == "" {
			continue
		}
		if len(name) > 255 || name[0] == '.' || strings.ContainsAny(name, "/\\\x00") {
			return nil, fmt.Errorf("name %d: %w", len(names)+1, errTableList)
		}
		if len(names) == maxTables {
			return nil, errTooManyTables
		}
		names = append(names, name)
	}
	return names, nil
}
