package pack

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/inflate"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// looseFile is one loose object: a file of its own, in one of the store's
// directories.
type looseFile struct {
	id  oid.ID
	dir int // index into Store.dirs
}

// maxLooseHead is the length of "commit ", a size of up to 19 digits and NUL.
const maxLooseHead = 32

// listLoose finds the loose objects below dir, in order of their names.
func listLoose(dir string, f oid.Format, problem func(where string, err error)) []oid.ID {
	var ids []oid.ID
	subs, err := os.ReadDir(dir)
	if err != nil {
		problem(dir, bare(err))
	}
	for _, s := range subs { // those read before an error too
		sub := s.Name()
		if len(sub) != 2 || strings.Trim(sub, "0123456789abcdef") != "" {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problem(sub, bare(err))
		}
		for _, e := range entries {
			if len(e.Name()) != f.HexSize()-2 {
				continue // a temporary file, as git leaves them
			}
			if id, ok := oid.Parse(sub + e.Name()); ok {
				ids = append(ids, id)
			}
		}
	}
	slices.SortFunc(ids, oid.ID.Compare)
	return ids
}

func loosePath(dir string, id oid.ID) string {
	name := id.String()
	return filepath.Join(dir, name[:2], name[2:])
}

// looseReader reads loose objects; it belongs to one goroutine.
type looseReader struct {
	inflate inflate.Decoder
	raw     bytes.Buffer
	buf     []byte
}

// read gives the content of a loose object, valid until the next call. errHuge
// tells of one that is not to be held in memory, as far as that can be known.
func (r *looseReader) read(path string, limit int64) (Kind, []byte, error) {
	if err := r.load(path, limit); err != nil {
		return 0, nil, err
	}
	src := r.raw.Bytes()
	var head [maxLooseHead]byte
	n, err := r.inflate.Prefix(head[:], src)
	if err != nil {
		return 0, nil, fmt.Errorf("loose object: %w", streamError(err))
	}
	kind, size, skip, err := parseLooseHead(head[:n])
	if err != nil {
		return 0, nil, err
	}
	if size > uint64(len(src))*inflate.MaxRatio {
		return kind, nil, fmt.Errorf("%d bytes cannot hold the %d they declare: %w", len(src), size, ErrCorrupt)
	}
	switch {
	case size > uint64(limit) && kind == Blob:
		return kind, nil, errHuge
	case size > uint64(limit):
		return kind, nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	r.buf = grow(r.buf, skip+int(size))
	used, err := r.inflate.Zlib(r.buf, src)
	if err != nil {
		return kind, nil, fmt.Errorf("loose object: %w", streamError(err))
	}
	if used != len(src) {
		return kind, nil, fmt.Errorf("loose object is followed by %d other bytes: %w", len(src)-used, ErrCorrupt)
	}
	return kind, r.buf[skip:], nil
}

// load reads the file at path into r.raw. Deflate makes nothing larger by more
// than a few bytes, so a file over the limit holds an object over the limit.
func (r *looseReader) load(path string, limit int64) error {
	f, size, err := openRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	most := limit + limit/100 + 1024
	if size > most {
		return errHuge
	}
	if size == 0 { // not read: a link into /proc may never end
		return fmt.Errorf("loose object is an empty file: %w", ErrTruncated)
	}
	r.raw.Reset()
	r.raw.Grow(int(size) + bytes.MinRead)
	if _, err := r.raw.ReadFrom(io.LimitReader(f, most)); err != nil {
		return bare(err)
	}
	return nil
}

// looseContent is the content of a loose object, read as it is needed.
type looseContent struct {
	io.Reader
	file *bufio.Reader
}

func (c looseContent) end() error {
	if _, err := c.file.Peek(1); err == nil {
		return fmt.Errorf("loose object is followed by other bytes: %w", ErrCorrupt)
	}
	return nil
}

// looseStream opens a loose blob that is not to be held in memory. The caller
// closes what it is read from.
func (s *Store) looseStream(path string) (*Stream, io.Closer, error) {
	f, stored, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	r, err := s.looseFrom(f, stored)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return r, f, nil
}

func (s *Store) looseFrom(f io.Reader, stored int64) (*Stream, error) {
	in := bufio.NewReaderSize(f, spillBuffer)
	z, err := zlib.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("loose object: %w", sourceError(err))
	}
	var head []byte
	for n := 0; n < maxLooseHead && !bytes.HasSuffix(head, []byte{0}); n++ {
		var c [1]byte
		if _, err := io.ReadFull(z, c[:]); err != nil {
			return nil, fmt.Errorf("loose object: %w", sourceError(err))
		}
		head = append(head, c[0])
	}
	kind, size, _, err := parseLooseHead(head)
	switch {
	case err != nil:
		return nil, err
	case kind != Blob:
		return nil, fmt.Errorf("a %v: %w: %d bytes", kind, ErrTooLarge, size)
	case size/inflate.MaxRatio > uint64(stored):
		return nil, fmt.Errorf("%d bytes cannot hold the %d they declare: %w", stored, size, ErrCorrupt)
	}
	return s.newStream(size, int(stored), looseContent{z, in})
}

// parseLooseHead reads "<kind> <size>\x00"; skip is its length.
func parseLooseHead(b []byte) (kind Kind, size uint64, skip int, err error) {
	bad := fmt.Errorf("loose object header: %w", ErrCorrupt)
	end := bytes.IndexByte(b, 0)
	name, digits, _ := bytes.Cut(b[:max(end, 0)], []byte{' '})
	kind, ok := parseKind(name)
	if !ok {
		return 0, 0, 0, bad
	}
	if len(digits) == 0 || len(digits) > 18 || len(digits) > 1 && digits[0] == '0' {
		return 0, 0, 0, bad
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, 0, 0, bad
		}
		size = size*10 + uint64(c-'0')
	}
	return kind, size, end + 1, nil
}
