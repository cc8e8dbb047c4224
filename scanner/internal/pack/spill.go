package pack

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/edsrzf/mmap-go"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// spill is content that lies in a temporary file: that of a huge object that
// others stand on, or of bases that are too many for the memory. The file has no
// name where the system allows that, so that nothing is left of it however the
// program ends.
type spill struct {
	data  []byte // mapped; its pages are the system's to take away
	id    oid.ID // of a huge object
	store *Store
	size  int64
	file  *os.File
	named bool // the file could not be removed while it is in use
}

// spillBuffer is how much is copied to a temporary file at once.
const spillBuffer = 256 << 10

// spill writes a stream into a temporary file.
func (s *Store) spill(r *Stream) (*spill, error) {
	f, err := s.newSpill(r.Size)
	if err != nil {
		return nil, err
	}
	if err := f.fill(r); err != nil {
		f.close()
		return nil, err
	}
	f.id = r.id()
	return f.open()
}

// spillBytes writes content of the memory into a temporary file.
func (s *Store) spillBytes(data []byte) (*spill, error) {
	f, err := s.newSpill(int64(len(data)))
	if err != nil {
		return nil, err
	}
	if err := f.fill(bytes.NewReader(data)); err != nil {
		f.close()
		return nil, err
	}
	return f.open()
}

// fill writes all that r has. An error of the file, most likely that there is no
// room, says so; one of r is passed on.
func (f *spill) fill(r io.Reader) error {
	buf := make([]byte, spillBuffer)
	for {
		n, err := r.Read(buf)
		if _, err := f.file.Write(buf[:n]); err != nil {
			return spillError(err)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func spillError(err error) error { return fmt.Errorf("temporary file: %w", bare(err)) }

// newSpill makes an empty temporary file that is to get size bytes.
func (s *Store) newSpill(size int64) (*spill, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > s.limits.Spilled-s.spilled {
		return nil, fmt.Errorf("%w: %d bytes more", ErrSpilled, size)
	}
	file, err := os.CreateTemp(s.limits.tempDir(), "keyquench-")
	if err != nil {
		return nil, spillError(err)
	}
	f := &spill{store: s, size: size, file: file, named: os.Remove(file.Name()) != nil}
	if s.spills == nil {
		s.spills = map[*spill]bool{}
	}
	s.spills[f] = true
	s.spilled += size
	return f, nil
}

// tempDir is where temporary files go. /tmp lies in memory on many systems, which
// is what is to be spared; /var/tmp does not.
func (l Limits) tempDir() string {
	if l.TempDir != "" {
		return l.TempDir
	}
	const small, large = "/tmp", "/var/tmp"
	dir := os.TempDir()
	if dir == small {
		if st, err := os.Stat(large); err == nil && st.IsDir() {
			return large
		}
	}
	return dir
}

// open maps what was written.
func (f *spill) open() (*spill, error) {
	if f.size == 0 { // which cannot be mapped
		f.data = []byte{}
		return f, nil
	}
	m, err := mmap.MapRegion(f.file, int(f.size), mmap.RDONLY, 0, 0)
	if err != nil {
		f.close()
		return nil, fmt.Errorf("map temporary file: %w", err)
	}
	f.data = m
	return f, nil
}

// stream reads the file. It does not touch the mapping, which would count as
// memory of ours until the system wants it back.
func (f *spill) stream(problem func(error) error) *Stream {
	src := spilled{io.NewSectionReader(f.file, 0, f.size)}
	return &Stream{Size: f.size, left: f.size, src: src, name: f.id, problem: func(err error) error { return problem(spillError(err)) }}
}

type spilled struct{ io.Reader }

func (spilled) end() error { return nil }

// close gives the file up, if that was not done yet; nil is no file.
func (f *spill) close() {
	if f == nil {
		return
	}
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	if !f.store.spills[f] {
		return
	}
	delete(f.store.spills, f)
	f.store.spilled -= f.size
	if len(f.data) > 0 {
		m := mmap.MMap(f.data)
		_ = m.Unmap() // nothing was written through it
	}
	f.data = nil
	_ = f.file.Close() // nothing is to be kept of it
	if f.named {
		_ = os.Remove(f.file.Name())
	}
}

// closeSpills gives up what Readers still hold.
func (s *Store) closeSpills() {
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.spills))
	s.mu.Unlock()
	for _, f := range open {
		f.close()
	}
}
