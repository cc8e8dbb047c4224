package gitdir

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// tables yields the reflogs kept in one view's reftables.
func (lg *logReader) tables() {
	dir := filepath.Join(lg.view.dir, "reftable")
	// A second try after a compaction gives entries again that were given
	// before; better twice than not at all.
	err := eachTable(dir, func() {}, func(_ int, path string, f *os.File, size int64) error {
		if lg.done {
			return nil
		}
		t, err := openTable(f, size, lg.repo.Format)
		if err == nil {
			t.logLeft = &lg.logBytes
			err = t.eachLog(lg.give)
		}
		if err != nil {
			lg.fail(Problem{Path: path, Err: err})
		}
		return nil
	})
	if err != nil && (lg.view.shared || !missing(err)) {
		lg.fail(Problem{Path: filepath.Join(dir, "tables.list"), Err: cause(err)})
	}
}

// maxLogKey is a name, a NUL and an update index.
const maxLogKey = maxName + 9

// eachLog calls do for every log record until do returns false or the table
// turns out damaged.
func (t *table) eachLog(do func(LogEntry) bool) error {
	off := t.log
	if off == 0 || off == t.header {
		// A table of nothing but logs: the first block shares its place with
		// the file's header, whatever the footer says.
		kind, _, err := t.kindAt(0)
		if err != nil || kind != blockLog {
			return err
		}
		off = 0
	}
	var prev []byte
	for {
		kind, skip, err := t.kindAt(off)
		if err != nil {
			return err
		}
		if kind != blockLog {
			if at := off + skip; at == t.end || kind == blockIndex && t.logIndex >= at {
				return nil
			}
			return fmt.Errorf("log block at %d: %w", off, errTableBlock)
		}
		b, next, err := t.inflateBlock(off, skip)
		if err != nil {
			return fmt.Errorf("log block at %d: %w", off, err)
		}
		more, err := t.logBlock(b, &prev, do)
		if err != nil {
			return fmt.Errorf("log block at %d: %w", off, err)
		}
		if !more {
			return nil
		}
		off = next
	}
}

// inflateBlock reads a log block. Its length is that of the inflated bytes; the
// next block begins where the compressed ones end.
func (t *table) inflateBlock(off, skip int64) (block, int64, error) {
	var head [blockHeader]byte
	if _, err := t.r.ReadAt(head[:], off+skip); err != nil {
		return block{}, 0, fmt.Errorf("read: %w", cause(err))
	}
	begin := skip + blockHeader
	size := int64(be24(head[1:]))
	if size < begin {
		return block{}, 0, errTableBlock
	}
	if int64(cap(t.buf)) < size {
		t.buf = make([]byte, size)
	}
	if *t.logLeft -= size; *t.logLeft < 0 {
		return block{}, 0, errTooMuchLog
	}
	data := t.buf[:size]
	in := &countingReader{br: bufio.NewReader(io.NewSectionReader(t.r, off+begin, t.end-off-begin))}
	z, err := zlib.NewReader(in)
	if err != nil {
		return block{}, 0, fmt.Errorf("inflate: %w", err)
	}
	defer z.Close()
	if _, err := io.ReadFull(z, data[begin:]); err != nil {
		return block{}, 0, fmt.Errorf("inflate: %w", err)
	}
	// Reading on to the end checks the checksum, and leaves the count right.
	if n, err := z.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return block{}, 0, errTableBlock
	}
	b, err := splitBlock(data, int(begin))
	return b, off + begin + in.n, err
}

// countingReader counts what an inflater takes. It can read single bytes, so
// that the inflater takes no more than it needs.
type countingReader struct {
	br *bufio.Reader
	n  int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.br.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *countingReader) ReadByte() (byte, error) {
	b, err := c.br.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

func (t *table) logBlock(b block, prev *[]byte, do func(LogEntry) bool) (more bool, err error) {
	name := ""
	for !b.records.done() {
		kind, err := b.key(prev, maxLogKey)
		if err != nil {
			return false, err
		}
		ref, stamp, ok := bytes.Cut(*prev, []byte{0})
		if !ok || len(stamp) != 8 {
			return false, errTableRecord
		}
		if name != string(ref) {
			name = string(ref)
		}
		switch kind {
		case 0:
			continue // revokes an entry of an older table
		case 1:
		default:
			return false, errTableRecord
		}
		e := b.records.logEntry(t.format)
		e.Ref = name
		if b.records.bad {
			return false, errTableRecord
		}
		if e.Old.IsZero() && e.New.IsZero() {
			continue // says only that a log exists
		}
		if !do(e) {
			return false, nil
		}
	}
	return true, nil
}

// logEntry reads what follows the key of a log record.
func (c *cursor) logEntry(format oid.Format) LogEntry {
	e := LogEntry{Old: c.id(format), New: c.id(format)}
	name := c.take(c.varint())
	mail := c.take(c.varint())
	seconds := c.varint()
	zone := c.take(2)
	e.Message = bytes.TrimRight(c.take(c.varint()), "\n")
	if c.bad {
		return LogEntry{}
	}
	who := make([]byte, 0, len(name)+len(mail)+32)
	who = append(append(append(who, name...), " <"...), mail...)
	who = append(strconv.AppendUint(append(who, "> "...), seconds, 10), ' ')
	e.Who = appendZone(who, int16(uint16(zone[0])<<8|uint16(zone[1])))
	return e
}

// appendZone prints a time zone. The format's document counts minutes, but git
// stores the digits it prints, +0530 as 530.
func appendZone(b []byte, zone int16) []byte {
	return fmt.Appendf(b, "%+05d", zone)
}
