package unpack

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
)

// byteReader is what decoders take exactly what they need from. It is always a
// *bytes.Reader or a *bufio.Reader, which flate knows and is quick with.
type byteReader interface {
	io.Reader
	io.ByteReader
}

// feed is what a container is read from: memory, or what a decoder gives. All is
// remembered until commit, so that a false alarm can be undone.
type feed struct {
	mem  []byte // nil for a tail
	at   int    // of mem in the blob, or -1
	tail *replay
	rd   byteReader
}

// start makes rd stand at the beginning.
func (in *feed) start() *feed {
	if in.tail == nil {
		in.rd = bytes.NewReader(in.mem)
	} else {
		in.rd = bufio.NewReaderSize(in.tail, smallBytes)
	}
	return in
}

// consumed is how many bytes rd has given.
func (in *feed) consumed() int64 {
	switch rd := in.rd.(type) {
	case *bytes.Reader:
		return rd.Size() - int64(rd.Len())
	case *bufio.Reader:
		return in.tail.given - int64(rd.Buffered())
	}
	return 0
}

// total is what a container's size is taken for: all of it in memory, what was
// read so far of a tail.
func (in *feed) total() func() int64 {
	if in.tail == nil {
		return fixed(len(in.mem))
	}
	return in.consumed
}

// peek shows the next n bytes of rd, or as many as there are.
func (in *feed) peek(n int) []byte {
	if in.tail == nil {
		rest := in.mem[in.consumed():]
		return rest[:min(n, len(rest))]
	}
	b, _ := in.rd.(*bufio.Reader).Peek(n) // why there are fewer is told when they are read
	return b
}

// place is where byte i of the feed stands in the blob.
func (in *feed) place(i int) int {
	if in.tail != nil || in.at < 0 {
		return -1
	}
	return in.at + i
}

// commit makes it a container: there is no way back.
func (in *feed) commit() {
	if in.tail != nil {
		in.tail.keep = false
	}
}

// cut tells that what is missing here is missing in what is around it, where it
// will be told.
func (in *feed) cut() bool {
	return in.tail != nil && in.tail.err != nil && !errors.Is(in.tail.err, io.EOF)
}

// replay reads r, and while keep is set all that it gives can be read again.
type replay struct {
	head  []byte // read from r
	pos   int    // in head
	r     io.Reader
	err   error // of r, for good
	keep  bool
	given int64
}

// probeBytes is how much is remembered: a block of bzip2 must be whole before it
// shows anything. Beyond, there is no way back.
const probeBytes = 2 << 20

func (t *replay) Read(p []byte) (int, error) {
	if t.pos < len(t.head) {
		n := copy(p, t.head[t.pos:])
		t.pos += n
		t.given += int64(n)
		return n, nil
	}
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.r.Read(p)
	t.err = err
	t.given += int64(n)
	if t.keep {
		t.head = append(t.head, p[:n]...)
		t.pos = len(t.head)
		t.keep = len(t.head) <= probeBytes
	}
	return n, err
}

// fill reads until there are n bytes in head and reports whether they are all
// there will be.
func (t *replay) fill(n int) bool {
	for t.err == nil && len(t.head) < n {
		if len(t.head) == cap(t.head) {
			t.head = slices.Grow(t.head, min(max(len(t.head), 4<<10), n-len(t.head)))
		}
		var k int
		k, t.err = t.r.Read(t.head[len(t.head):min(cap(t.head), n)])
		t.head = t.head[:len(t.head)+k]
	}
	return t.err != nil
}

// quiet is a reader that ends where it can be read no further.
type quiet struct{ r io.Reader }

func (q quiet) Read(p []byte) (int, error) {
	n, err := q.r.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}
