package unpack

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
)

// tar yields the files of a tape archive. In memory they are not copied.
func (w *walker) tar(l *level, in *feed) bool {
	if in.tail != nil {
		return w.tarStream(l, in)
	}
	from, any := 0, false
	for {
		found, stop := w.tarMemory(l, in, from)
		any = any || found
		if !any || stop < 0 || w.over(l) {
			return any
		}
		// A header is broken: go on at the next that is not.
		if from = nextHeader(in.mem, from, stop); from < 0 {
			return true
		}
	}
}

// tarMemory reads from a byte of the feed on, and reports whether there was a
// member and where the damage is that ended it; -1 if there is none.
func (w *walker) tarMemory(l *level, in *feed, from int) (found bool, damage int) {
	rd := bytes.NewReader(in.mem[from:])
	here := func() int { return from + int(rd.Size()) - rd.Len() }
	tr := tar.NewReader(rd)
	done := from // what was yielded ends here
	for {
		hdr, err := nextTar(tr)
		if err != nil {
			w.beside(l, in.mem[min(done, len(in.mem)):])
			if errors.Is(err, io.EOF) {
				return found, -1
			}
			if found || from > 0 {
				w.tell(l.name, Tar, told(err))
			}
			return found, done
		}
		found = true
		start := here()
		w.beside(l, in.mem[min(done, start):start])
		name := l.inside(hdr.Name)
		switch {
		case sparse(hdr):
			m := w.meter(l, tr, func() int64 { return int64(here()) })
			w.stream(l, name, m)
			m.finish(name)
			done = here()
		case hdr.Size > 0:
			data := in.mem[start:]
			data = data[:min(hdr.Size, int64(len(data)))]
			w.visit(l, name, data, in.place(start))
			done = start + len(data)
			if int64(len(data)) < hdr.Size {
				w.tell(name, Tar, told(io.ErrUnexpectedEOF))
				return true, -1
			}
		default:
			done = start
		}
		if w.over(l) {
			return true, -1
		}
	}
}

// nextHeader looks for a header behind a broken one, at or behind stop, on the
// blocks that begin at from; -1 if there is none.
func nextHeader(data []byte, from, stop int) int {
	first := from + (max(stop-from, 0)+tarBlock-1)/tarBlock*tarBlock
	if first == from {
		first += tarBlock
	}
	for i := first; i+tarBlock <= len(data); i += tarBlock {
		if b := data[i : i+tarBlock]; string(b[tarMagic:tarMagic+5]) == "ustar" && plainTar(b) {
			return i
		}
	}
	return -1
}

// tarStream reads what is not in memory. What is read while looking for the next
// header belongs to no member.
func (w *walker) tarStream(l *level, in *feed) bool {
	rec := &recorder{r: in.rd}
	tr := tar.NewReader(rec)
	for found := false; ; found = true {
		rec.on, rec.buf = true, rec.buf[:0]
		hdr, err := nextTar(tr)
		rec.on = false
		if err != nil && !found {
			return false
		}
		in.commit()
		w.beside(l, rec.buf)
		if err != nil {
			if !errors.Is(err, io.EOF) && !in.cut() {
				w.tell(l.name, Tar, told(err))
			}
			return true
		}
		if hdr.Size > 0 {
			name := l.inside(hdr.Name)
			m := w.meter(l, tr, in.consumed)
			w.stream(l, name, m)
			if !in.cut() {
				m.finish(name)
			}
		}
		if w.over(l) {
			return true
		}
	}
}

func nextTar(tr *tar.Reader) (hdr *tar.Header, err error) {
	err = guarded(func() (err error) {
		hdr, err = tr.Next()
		return err
	})
	if errors.Is(err, tar.ErrInsecurePath) {
		err = nil // nothing is written to any path
	}
	return hdr, err
}

// sparse tells whether the file is not stored as it is.
func sparse(hdr *tar.Header) bool {
	if hdr.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}
