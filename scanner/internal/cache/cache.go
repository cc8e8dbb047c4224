// Package cache keeps what a scan learned in a file, for the next scan of the
// same thing: sections, each a value with a checksum of its own, so that what is
// not needed is not read. It knows nothing of what they mean.
//
// The file is a claim of whoever can write to the directory. It is believed when
// its sum is right, and it is for its owner alone.
package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var (
	// ErrNone: nothing is remembered under that name.
	ErrNone = errors.New("no cache")
	// ErrDamaged: a file is there and is not what Write wrote. It has been
	// removed.
	ErrDamaged = errors.New("damaged cache file")
)

const (
	// The number changes with the form of any value.
	magic = "keyquench cache 2\n"
	// A section begins with its length in eight bytes and its sum.
	sectionHead = 8 + sha256.Size
	// maxSection bounds what is read at once. Of the largest repositories we know
	// it holds the names of all objects, 25 million of 20 bytes.
	maxSection = 1 << 30

	suffix = ".cache"
	// keepFor is how long a file that nobody reads is kept, abandonedAfter when
	// one that is still being written must belong to a process that is gone.
	keepFor        = 30 * 24 * time.Hour
	abandonedAfter = 24 * time.Hour
	// touchEvery is how often reading a file is worth a note of it.
	touchEvery = 24 * time.Hour
)

// Dir is a directory of cache files. It need not exist.
type Dir string

// Name makes the name of a file from what it is about.
func Name(about ...string) string {
	h := sha256.New()
	for _, s := range about {
		_ = binary.Write(h, binary.LittleEndian, uint64(len(s))) // a hash never fails
		h.Write([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (d Dir) path(name string) string { return filepath.Join(string(d), name+suffix) }

// File is an open cache file.
type File struct {
	f        *os.File
	sections []section
}

type section struct {
	at, size int64
	sum      [sha256.Size]byte
}

// Open opens what was remembered under name. The error is ErrNone, ErrDamaged or
// that of the file system.
func (d Dir) Open(name string) (*File, error) {
	f, err := os.Open(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	c := &File{f: f}
	info, err := f.Stat()
	if err == nil {
		err = c.readHeads(info.Size())
	}
	if err != nil {
		return nil, c.thrownAway(err)
	}
	if now := time.Now(); now.Sub(info.ModTime()) > touchEvery {
		_ = os.Chtimes(f.Name(), now, now) // else it is forgotten earlier, no more
	}
	return c, nil
}

// readHeads finds out where the sections are.
func (c *File) readHeads(size int64) error {
	var start [len(magic)]byte
	if _, err := c.f.ReadAt(start[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(start[:]) != magic {
		return fmt.Errorf("%w: it does not begin like one", ErrDamaged)
	}
	for at := int64(len(magic)); at < size; {
		var head [sectionHead]byte
		if _, err := c.f.ReadAt(head[:], at); err != nil {
			return cutShort(err)
		}
		s := section{at: at + sectionHead, size: int64(binary.LittleEndian.Uint64(head[:])), sum: [sha256.Size]byte(head[8:])}
		if s.size < 0 || s.size > size-s.at {
			return cutShort(io.EOF)
		}
		if s.size > maxSection {
			return fmt.Errorf("%w: a section of %d bytes", ErrDamaged, s.size)
		}
		c.sections = append(c.sections, s)
		at = s.at + s.size
	}
	return nil
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it is cut short", ErrDamaged)
	}
	return err
}

// Read reads section i into v, whose fields are zero.
func (c *File) Read(i int, v Value) error {
	err := c.read(i, v)
	if err != nil {
		return c.thrownAway(err)
	}
	return nil
}

func (c *File) read(i int, v Value) error {
	if i >= len(c.sections) {
		return cutShort(io.EOF)
	}
	s := c.sections[i]
	data := make([]byte, s.size)
	if _, err := c.f.ReadAt(data, s.at); err != nil {
		return cutShort(err)
	}
	if sha256.Sum256(data) != s.sum {
		return fmt.Errorf("%w: its sum is wrong", ErrDamaged)
	}
	return decode(data, v)
}

// Discard removes a file whose content makes no sense to its reader, and gives
// the error to tell.
func (c *File) Discard(why string) error {
	return c.thrownAway(fmt.Errorf("%w: %s", ErrDamaged, why))
}

// thrownAway closes the file, and removes it when it is damaged.
func (c *File) thrownAway(err error) error {
	_ = c.f.Close() // opened for reading
	if errors.Is(err, ErrDamaged) {
		if gone := os.Remove(c.f.Name()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			return fmt.Errorf("%w, and cannot be removed: %w", err, gone)
		}
	}
	return err
}

// Close closes the file.
func (c *File) Close() { _ = c.f.Close() }

// Write remembers values under name, each a section, in place of what was there:
// whole or not at all. It removes files that nobody has read for a month.
func (d Dir) Write(name string, values ...Value) (err error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	d.prune()
	f, err := os.CreateTemp(string(d), name+"-*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // the first error is told
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.WriteString(magic); err != nil {
		return err
	}
	for _, v := range values {
		b := encode(make([]byte, sectionHead), v)
		body := b[sectionHead:]
		if len(body) > maxSection {
			return fmt.Errorf("%d bytes are too much to remember", len(body))
		}
		sum := sha256.Sum256(body)
		binary.LittleEndian.PutUint64(b, uint64(len(body)))
		copy(b[8:], sum[:])
		if _, err = f.Write(b); err != nil {
			return err
		}
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), d.path(name))
}

// prune removes what nobody has read for long. Whoever cannot be removed stays.
func (d Dir) prune() {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return
	}
	for _, e := range entries {
		limit := keepFor
		switch {
		case strings.HasSuffix(e.Name(), ".tmp"):
			limit = abandonedAfter
		case !strings.HasSuffix(e.Name(), suffix):
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > limit {
			_ = os.Remove(filepath.Join(string(d), e.Name()))
		}
	}
}
