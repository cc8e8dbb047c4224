package unpack

import (
	"bytes"
	"io"
)

// restBytes is how much is gathered of a container beside its members before it
// is yielded.
const restBytes = 1 << 20

// beside gathers bytes of l that belong to no member. Runs of zeros, which is
// what archives are padded with, are left out.
func (w *walker) beside(l *level, data []byte) {
	if l.depth < 2 {
		return // the caller has it
	}
	if data = bytes.Trim(data, "\x00"); len(data) == 0 {
		return
	}
	if len(data) > restBytes {
		w.flushRest(l)
		w.giveRest(l, data, nil)
		return
	}
	l.rest = append(append(l.rest, data...), '\n') // two headers make no word
	if len(l.rest) > restBytes {
		w.flushRest(l)
	}
}

func (w *walker) flushRest(l *level) {
	if len(l.rest) > 0 && !w.over(l.parent) {
		w.giveRest(l, l.rest, nil)
	}
	l.rest = l.rest[:0]
}

func (w *walker) giveRest(l *level, data []byte, more io.Reader) {
	w.give(Member{Name: l.name, Via: l.via, Depth: l.depth, Data: data, More: more, At: -1, Rest: true})
}

// leftovers yields what stands behind the end of l.
func (w *walker) leftovers(l *level, r io.Reader) {
	buf := make([]byte, smallBytes)
	for !w.stopped {
		n, err := io.ReadFull(r, buf)
		if found := bytes.TrimLeft(buf[:n], "\x00"); len(found) > 0 {
			w.flushRest(l)
			w.giveRest(l, found, quiet{r})
			w.drain(r)
			return
		}
		if err != nil {
			return
		}
	}
}

// recorder remembers what is read through it while on.
type recorder struct {
	r   io.Reader
	on  bool
	buf []byte
}

// recorded is how much of a header is remembered: no reader takes more than a
// megabyte of one, and what else it passes over is padding.
const recorded = 2 << 20

func (c *recorder) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.on && len(c.buf) < recorded {
		c.buf = append(c.buf, p[:n]...)
	}
	return n, err
}
