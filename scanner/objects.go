package scanner

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/keyquench/keyquench/scanner/internal/oid"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// treeEntry is one line of a tree. Name and ID alias the tree's data.
type treeEntry struct {
	Mode     uint32
	Name, ID []byte
	end      int // where the entry ends in the tree
}

const (
	modeTree    = 0o040000
	modeGitlink = 0o160000
	modeType    = 0o170000
)

func (e treeEntry) isTree() bool { return e.Mode&modeType == modeTree }

// isBlob: all but trees and commits of submodules, which are in no store of
// ours. Symbolic links are blobs.
func (e treeEntry) isBlob() bool { return !e.isTree() && e.Mode&modeType != modeGitlink }

// treeEntries reads a tree object; ok() tells afterwards whether it was well
// formed to its end.
func treeEntries(data []byte, f oid.Format) (entries iter.Seq[treeEntry], ok func() bool) {
	at := 0
	return func(yield func(treeEntry) bool) {
		for at < len(data) {
			e, n := parseTreeEntry(data[at:], f)
			if n == 0 {
				return
			}
			at += n
			e.end = at
			if !yield(e) {
				at = len(data)
				return
			}
		}
	}, func() bool { return at == len(data) }
}

// parseTreeEntry reads "<mode> <name>\x00<id>"; n is its length, or 0 when it
// is none.
func parseTreeEntry(b []byte, f oid.Format) (e treeEntry, n int) {
	i := 0
	for i < len(b) && i < 7 && b[i] >= '0' && b[i] <= '7' {
		e.Mode = e.Mode<<3 | uint32(b[i]-'0')
		i++
	}
	if i == 0 || i == len(b) || b[i] != ' ' {
		return e, 0
	}
	end := bytes.IndexByte(b[i+1:], 0)
	if end < 1 {
		return e, 0
	}
	e.Name = b[i+1 : i+1+end]
	n = i + 2 + end + f.Size()
	if n > len(b) {
		return e, 0
	}
	e.ID = b[n-f.Size() : n]
	return e, n
}

// skipEntries goes over the entries of a tree from at, where one begins, and
// stops before the first that ends behind until, or at the end. It is the inner
// loop over all trees of all history: parseTreeEntry for entries of which only
// the end is of interest. ok is false where no entry is.
func skipEntries(data []byte, at, until int, f oid.Format) (next int, ok bool) {
	size, until := f.Size(), min(until, len(data))
	for at < until {
		end := entryEnd(data, at, size)
		if end == 0 {
			_, n := parseTreeEntry(data[at:], f)
			if n == 0 {
				return at, false
			}
			end = at + n
		}
		if end > until {
			break
		}
		at = end
	}
	return at, true
}

// entryEnd is where the entry at at ends, which has names of size bytes; 0 where
// that is not quickly told: at the end of the tree, and for modes that git does
// not write.
func entryEnd(data []byte, at, size int) int {
	const (
		low, high    = 0x0101010101010101, 0x8080808080808080
		zeros, octal = 0x3030303030, 0xf8f8f8f8f8
		digits       = 5
	)
	if at+16 > len(data) {
		return 0
	}
	w := binary.LittleEndian.Uint64(data[at:])
	if (w^zeros)&octal != 0 {
		return 0
	}
	name := at + digits
	if data[name]&^7 == '0' {
		name++ // "100644 " and not "40000 "
	}
	if data[name] != ' ' || data[name+1] == 0 {
		return 0
	}
	for name += 2; name+8 <= len(data); name += 8 {
		w := binary.LittleEndian.Uint64(data[name:])
		if zero := (w - low) &^ w & high; zero != 0 {
			end := name + bits.TrailingZeros64(zero)/8 + 1 + size
			if end > len(data) {
				return 0
			}
			return end
		}
	}
	return 0
}

// commitObject is what is read of a commit. Slices alias its data.
type commitObject struct {
	tree    []byte // raw
	parents [][]byte
	when    int64 // committer's date, seconds since 1970
	head    []byte
	message []byte
}

// parseCommit reads a commit. Dates that make no sense are read as 0: a commit
// without a usable date still has its place among its parents and children.
func parseCommit(data []byte, f oid.Format) (c commitObject, err error) {
	c.head, c.message, _ = bytes.Cut(data, []byte("\n\n"))
	rest := c.head
	for len(rest) > 0 {
		line, after, _ := bytes.Cut(rest, []byte{'\n'})
		rest = after
		key, value, _ := bytes.Cut(line, []byte{' '})
		switch string(key) {
		case "tree", "parent":
			raw := make([]byte, f.Size())
			if len(value) != f.HexSize() {
				return c, fmt.Errorf("commit with a %s that is no object name: %w", key, pack.ErrCorrupt)
			}
			if _, err := hex.Decode(raw, value); err != nil {
				return c, fmt.Errorf("commit with a %s that is no object name: %w", key, pack.ErrCorrupt)
			}
			if string(key) == "tree" {
				c.tree = raw
			} else {
				c.parents = append(c.parents, raw)
			}
		case "committer":
			_, _, when := parsePerson(value)
			c.when = when.Unix()
			rest = nil // what follows is told of, but not needed
		}
	}
	if c.tree == nil {
		return c, fmt.Errorf("commit without a tree: %w", pack.ErrCorrupt)
	}
	return c, nil
}

// parsePerson reads "name <mail> seconds zone". What cannot be read is empty.
func parsePerson(b []byte) (name, mail string, when time.Time) {
	when = time.Unix(0, 0).UTC()
	open, end := bytes.IndexByte(b, '<'), bytes.LastIndexByte(b, '>')
	if open < 0 || end < open {
		return strings.TrimSpace(string(b)), "", when
	}
	name, mail = strings.TrimSpace(string(b[:open])), string(b[open+1:end])
	fields := strings.Fields(string(b[end+1:]))
	if len(fields) == 0 {
		return name, mail, when
	}
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return name, mail, when
	}
	zone := time.UTC
	if len(fields) > 1 {
		if n, err := strconv.Atoi(fields[1]); err == nil && n > -2400 && n < 2400 {
			zone = time.FixedZone("", (n/100*60+n%100)*60)
		}
	}
	return name, mail, time.Unix(seconds, 0).In(zone)
}

// header gives the value of the first header line of that key.
func header(head []byte, key string) []byte {
	for line := range bytes.Lines(head) {
		if k, v, ok := bytes.Cut(line, []byte{' '}); ok && string(k) == key {
			return bytes.TrimSuffix(v, []byte{'\n'})
		}
	}
	return nil
}

// describe reads a commit for people.
func describe(id ObjectID, data []byte) *Commit {
	head, message, _ := bytes.Cut(data, []byte("\n\n"))
	c := &Commit{ID: id}
	c.Author, c.Email, c.Date = parsePerson(header(head, "author"))
	_, _, c.Committed = parsePerson(header(head, "committer"))
	subject, _, _ := bytes.Cut(bytes.TrimLeft(message, "\n"), []byte{'\n'})
	c.Subject = string(subject[:min(len(subject), MaxSubject)])
	return c
}

// tagTarget reads the object that an annotated tag names.
func tagTarget(data []byte, f oid.Format) (raw []byte, err error) {
	head, _, _ := bytes.Cut(data, []byte("\n\n"))
	value := header(head, "object")
	raw = make([]byte, f.Size())
	if len(value) != f.HexSize() {
		return nil, fmt.Errorf("tag without an object: %w", pack.ErrCorrupt)
	}
	if _, err := hex.Decode(raw, value); err != nil {
		return nil, fmt.Errorf("tag without an object: %w", pack.ErrCorrupt)
	}
	return raw, nil
}
