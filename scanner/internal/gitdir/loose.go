package gitdir

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// maxLoose bounds a file with one reference: "ref: ", a name, and room for what
// a careless editor left behind.
const maxLoose = maxName + 4096

// Where a reference is in a file of its own and packed too, the file counts.
const (
	rankPacked int32 = iota
	rankLoose
)

// loose reads the references that are files of their own. A linked work tree
// has only those that no other shares.
func (rd *refReader) loose(v view) []entry {
	var entries []entry
	for _, name := range rd.rootNames(v.dir) {
		entries = rd.looseRef(entries, filepath.Join(v.dir, name), name)
	}
	dirs := []string{"refs"}
	if !v.shared {
		dirs = ownDirs
	}
	w := walker{budget: rd.budget, fail: rd.at, each: func(name, path string) bool {
		entries = rd.looseRef(entries, path, name)
		return true
	}}
	for _, dir := range dirs {
		w.walk(filepath.Join(v.dir, filepath.FromSlash(dir)), dir)
	}
	return entries
}

// rootNames lists the files of a git directory that are references.
func (rd *refReader) rootNames(dir string) []string {
	var list []string
	err := eachEntry(dir, rd.budget, func(d fs.DirEntry) bool {
		if isRootRef(d.Name()) && !isMany(d.Name()) {
			list = append(list, d.Name())
		}
		return true
	})
	if err != nil && !missing(err) {
		rd.at(dir, cause(err))
	}
	return list
}

func (rd *refReader) looseRef(entries []entry, path, name string) []entry {
	ref, ok, err := readLoose(path, name, rd.repo.Format)
	switch {
	case err != nil:
		rd.problems.add(Problem{Path: path, Ref: name, Err: cause(err)})
		return entries
	case !ok:
		return entries // packed or removed since the directory was read
	case !rd.takeRef(len(name)):
		rd.problems.add(Problem{Path: path, Ref: name, Err: errTooManyRefs})
		return entries
	}
	return rd.checked(entries, entry{Ref: ref, rank: rankLoose}, Problem{Path: path})
}

// readLoose reads the file of one reference; ok is false when there is none.
func readLoose(path, name string, format oid.Format) (ref Ref, ok bool, err error) {
	info, err := os.Lstat(path)
	if missing(err) {
		return Ref{}, false, nil
	}
	if err != nil {
		return Ref{}, false, err
	}
	link := info.Mode()&fs.ModeSymlink != 0
	if link {
		// Once symbolic references were symbolic links. Any other link is
		// followed like a plain file.
		target, err := os.Readlink(path)
		if err != nil {
			return Ref{}, false, err
		}
		if strings.HasPrefix(target, "refs/") && validName(target) {
			return Ref{Name: name, Symbolic: target}, true, nil
		}
	}
	if info.IsDir() {
		return Ref{}, false, nil
	}
	data, err := readSmall(path, maxLoose)
	if missing(err) && !link {
		return Ref{}, false, nil
	}
	if err != nil {
		return Ref{}, false, err
	}
	ref, err = parseLoose(data, format)
	ref.Name = name
	return ref, err == nil, err
}

// parseLoose reads what a reference's file says: "ref: <name>", or an object
// name that ends at white space.
func parseLoose(data []byte, format oid.Format) (Ref, error) {
	text := strings.TrimRight(string(data), " \t\n\r")
	if target, ok := strings.CutPrefix(text, "ref:"); ok {
		target = strings.TrimLeft(target, " \t\n\r")
		if !validTarget(target) {
			return Ref{}, errLeadsOut
		}
		return Ref{Symbolic: target}, nil
	}
	id, ok := leadingID([]byte(text), format)
	if !ok {
		return Ref{}, errNotRef
	}
	return Ref{Target: id}, nil
}

// leadingID reads the object name that a line starts with.
func leadingID(line []byte, format oid.Format) (oid.ID, bool) {
	n := format.HexSize()
	if len(line) < n || len(line) > n && !isSpace(line[n]) {
		return oid.ID{}, false
	}
	return hexID(line[:n])
}

// hexID reads a printed object name without copying it first.
func hexID(digits []byte) (oid.ID, bool) {
	var raw [oid.MaxSize]byte
	if len(digits) > 2*len(raw) {
		return oid.ID{}, false
	}
	n, err := hex.Decode(raw[:], digits)
	if err != nil {
		return oid.ID{}, false
	}
	return oid.FromBytes(raw[:n]), true
}

// maxManyLine and maxManyBytes bound FETCH_HEAD, which has a line with a name
// and an address for every reference fetched.
const (
	maxManyLine  = 64 << 10
	maxManyBytes = 256 << 20
)

// manyHeads reads FETCH_HEAD and MERGE_HEAD, which name an object per line.
func (rd *refReader) manyHeads(v view) []Ref {
	var refs []Ref
	for _, name := range []string{"FETCH_HEAD", "MERGE_HEAD"} {
		path := filepath.Join(v.gitDir, name)
		f, _, err := openRegular(path)
		if missing(err) {
			continue
		}
		if err != nil {
			rd.problems.add(Problem{Path: path, Ref: name, Err: cause(err)})
			continue
		}
		lr := newLineReader(f, maxManyLine, maxManyBytes)
		for {
			line, _, err := lr.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				rd.problems.add(Problem{Path: path, Ref: name, Line: lr.n, Err: cause(err)})
				if !errors.Is(err, errLineTooLong) {
					break
				}
				continue
			}
			id, ok := leadingID(line, rd.repo.Format)
			if !ok || id.IsZero() {
				rd.problems.add(Problem{Path: path, Ref: name, Line: lr.n, Err: errNotRef})
				continue
			}
			if !rd.takeRef(len(name)) {
				rd.problems.add(Problem{Path: path, Ref: name, Line: lr.n, Err: errTooManyRefs})
				break
			}
			refs = append(refs, Ref{Name: name, Target: id})
		}
		f.Close()
	}
	return refs
}

// walker goes through a tree of directories. It follows links to directories
// as git does, but enters each directory once: links that lead back up, or that
// double at every level, would otherwise never end.
type walker struct {
	*budget
	each func(name, path string) bool // every entry that may be a reference; false ends the walk
	fail func(path string, err error)
	seen map[inode]bool
}

type walkDir struct{ path, name string }

var errTwiceDir = errors.New("directory reached by two ways")

func (w *walker) walk(root, name string) {
	if w.seen == nil {
		w.seen = make(map[inode]bool)
	}
	// Directories that are links wait until the real ones are done, so that
	// names are those without links.
	dirs, links := []walkDir{{root, name}}, []walkDir(nil)
	more := true
	for more && len(dirs)+len(links) > 0 {
		if len(dirs) == 0 {
			dirs, links = links[:1:1], links[1:]
		}
		dir := dirs[len(dirs)-1]
		dirs = dirs[:len(dirs)-1]
		if !w.enter(dir) {
			continue
		}
		err := eachEntry(dir.path, w.budget, func(d fs.DirEntry) bool {
			base := d.Name()
			if base[0] == '.' || strings.HasSuffix(base, ".lock") {
				return true // git passes these over without a word
			}
			sub := walkDir{filepath.Join(dir.path, base), dir.name + "/" + base}
			switch kind := d.Type(); {
			case kind.IsDir():
				dirs = append(dirs, sub)
			case kind&fs.ModeSymlink != 0 && isDir(sub.path):
				links = append(links, sub)
			default:
				more = w.each(sub.name, sub.path)
			}
			return more
		})
		if err != nil && !missing(err) {
			w.fail(dir.path, cause(err))
		}
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// enter marks a directory as read and tells whether to read it.
func (w *walker) enter(dir walkDir) bool {
	info, err := os.Stat(dir.path)
	switch {
	case missing(err):
		return false
	case err != nil:
		w.fail(dir.path, cause(err))
		return false
	case !info.IsDir():
		w.fail(dir.path, ErrNotDirectory)
		return false
	}
	if id, ok := inodeOf(info); ok {
		if w.seen[id] {
			w.fail(dir.path, errTwiceDir)
			return false
		}
		w.seen[id] = true
	}
	return true
}

// eachEntry calls do for every entry of a directory until do returns false, a
// batch at a time: a directory may hold more names than should be in memory at
// once.
func eachEntry(dir string, b *budget, do func(fs.DirEntry) bool) error {
	const batch = 1024
	if !isDir(dir) {
		return fmt.Errorf("list %w", fs.ErrNotExist) // opening a pipe would wait
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		list, err := f.ReadDir(batch)
		for _, d := range list {
			if b.entries--; b.entries < 0 {
				return errTooManyEntries
			}
			if !do(d) {
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
