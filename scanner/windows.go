package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/keyquench/keyquench/rules"
)

// Bytes that are too many to be held at once are read in windows, each with a
// part of the one before in front. What decides on a value stands within the
// Span of its rule, 64 KiB at the most, and a block of base64 is undone at most
// a mebibyte at a time: in the middle of what two windows share, both see all of
// it, and there the one leaves off and the other begins.
//
// A key in two halves further apart than half of what windows share may come
// out as two halves: nobody holds both of them in hand.
const (
	windowBytes  = 64 << 20
	overlapBytes = 4 << 20
)

// cutter cuts bytes into windows.
type cutter struct{ size, overlap int }

var largeFiles = cutter{windowBytes, overlapBytes}

// window is what part of a longer run of bytes a Blob's Data is. A nil one is
// the whole of it.
type window struct {
	start int // of Data in the run
	// newlines are the line ends before Data, lineStart is where the line that
	// Data begins in begins in the run.
	newlines, lineStart int
	// What starts in Data[from:to] is this window's; the rest is that of its
	// neighbours.
	from, to int
	// ordinals count the places of each key, over all windows of the run.
	ordinals map[string]int
}

// room gives memory for windows over size bytes, buf if that will do.
func (c cutter) room(buf []byte, size int64) []byte {
	if n := int(min(int64(c.size), size)); cap(buf) < n {
		return make([]byte, 0, n)
	}
	return buf[:0]
}

// windows yields what buf holds and then all of r as Blobs like b: one, or as
// many as it takes, the path and the kind of each being b's. It reports whether
// the loop goes on. An error from r is yielded behind what was read until then.
// buf is memory to use; what it has grown to is returned.
func (c cutter) windows(ctx context.Context, b Blob, r io.Reader, buf []byte, yield func(Blob, error) bool) ([]byte, bool) {
	w := window{ordinals: map[string]int{}}
	for {
		if ctx.Err() != nil {
			return buf, false
		}
		var err error
		buf, err = c.fill(r, buf)
		b.Data = buf
		if err == nil || w.start > 0 {
			w.to = len(buf)
			if err == nil {
				w.to -= c.overlap / 2
			}
			current := w
			b.window = &current
		}
		if !yield(b, nil) {
			return buf, false
		}
		if errors.Is(err, io.EOF) {
			return buf, true
		}
		if err != nil {
			return buf, yield(Blob{}, &SkipError{b.Path, fmt.Errorf("read from byte %d on: %w", w.start+len(buf), err)})
		}
		w.advance(buf[:len(buf)-c.overlap])
		w.from = c.overlap / 2
		buf = buf[:copy(buf, buf[len(buf)-c.overlap:])]
	}
}

// fill reads until buf is as long as a window, without an error, or r ends.
func (c cutter) fill(r io.Reader, buf []byte) ([]byte, error) {
	for len(buf) < c.size {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, min(max(len(buf), 64<<10), c.size-len(buf)))
		}
		n, err := r.Read(buf[len(buf):min(cap(buf), c.size)])
		buf = buf[:len(buf)+n]
		if err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// advance goes on behind what no later window holds.
func (w *window) advance(passed []byte) {
	if last := bytes.LastIndexByte(passed, '\n'); last >= 0 {
		w.newlines += bytes.Count(passed, []byte{'\n'})
		w.lineStart = w.start + last + 1
	}
	w.start += len(passed)
}

// first tells whether the run begins here.
func (w *window) first() bool { return w == nil || w.start == 0 }

// bytes is how many bytes of data are not counted elsewhere.
func (w *window) bytes(data []byte) int64 {
	if w == nil {
		return int64(len(data))
	}
	return int64(w.to - w.from)
}

// own takes out the matches that another window has too.
func (w *window) own(matches []rules.Match) []rules.Match {
	if w == nil {
		return matches
	}
	return slices.DeleteFunc(matches, func(m rules.Match) bool { return m.Start < w.from || m.Start >= w.to })
}

// seen are the ordinals to go on from.
func (w *window) seen() map[string]int {
	if w == nil {
		return map[string]int{}
	}
	return w.ordinals
}

// lines counts lines from the beginning of the run.
func (w *window) lines(data []byte) *lineIndex {
	l := &lineIndex{data: data, window: w, marks: make([]lineMark, 1)}
	if w != nil {
		l.marks[0] = lineMark{w.newlines, w.lineStart - w.start}
	}
	return l
}

// offset is where something at offset i of Data stands in the run.
func (w *window) offset(i int) int {
	if w == nil {
		return i
	}
	return w.start + i
}

// shift gives m the places it has in the run.
func (w *window) shift(m *rules.Match) {
	if w == nil {
		return
	}
	m.Start, m.End = w.offset(m.Start), w.offset(m.End)
	if m.TokenEnd > 0 {
		m.TokenStart, m.TokenEnd = w.offset(m.TokenStart), w.offset(m.TokenEnd)
	}
	for i := range m.Secrets {
		c := &m.Secrets[i]
		c.Start, c.End = w.offset(c.Start), w.offset(c.End)
	}
}
