package unpack

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

// part yields size bytes of in as a member, and reports whether they were all
// there.
func (w *walker) part(l *level, in *feed, name string, size int64) bool {
	if rd, ok := in.rd.(*bytes.Reader); ok {
		start := int(in.consumed())
		n := min(size, int64(rd.Len()))
		if _, err := rd.Seek(n, io.SeekCurrent); err != nil {
			return false // it cannot
		}
		if n > 0 {
			w.visit(l, name, in.mem[start:start+int(n)], in.place(start))
		}
		return n == size
	}
	if size == 0 {
		return true
	}
	limited := &io.LimitedReader{R: in.rd, N: size}
	w.stream(l, name, w.meter(l, limited, in.consumed))
	return limited.N == 0
}

// arHead is the header of a member: name 16, times and owner 32, size 10 and two
// bytes that end it.
const arHead = 60

// ar yields the members of an archive of Unix, which a .deb and a .a are.
func (w *walker) ar(l *level, in *feed) bool {
	var long []byte // GNU's table of names
	var head [arHead]byte
	if _, err := io.CopyN(io.Discard, in.rd, int64(len("!<arch>\n"))); err != nil {
		return false
	}
	for found := false; ; found = true {
		n, err := io.ReadFull(in.rd, head[:])
		if err != nil && n == 0 {
			return found
		}
		field := strings.TrimRight(string(head[:16]), " ")
		size, bad := strconv.ParseInt(strings.TrimSpace(string(head[48:58])), 10, 64)
		if err != nil || bad != nil || size < 0 || string(head[58:]) != "`\n" {
			if found && !in.cut() {
				w.beside(l, head[:n])
				w.tell(l.name, Ar, ErrDamaged)
			}
			return found
		}
		in.commit()
		w.beside(l, head[:])
		var whole bool
		switch name, ok := strings.CutPrefix(field, "#1/"); {
		case field == "//":
			long, whole = w.arNames(l, in, size)
		case ok:
			whole = w.arBSD(l, in, name, size)
		default:
			whole = w.part(l, in, l.inside(arName(field, long)), size)
		}
		if w.over(l) {
			return true
		}
		if !whole {
			if !in.cut() {
				w.tell(l.name, Ar, told(io.ErrUnexpectedEOF))
			}
			return true
		}
		if size&1 == 1 {
			_, _ = in.rd.ReadByte() // members begin at even bytes; the end shows at the next header
		}
	}
}

// longNames bounds GNU's table, which is held.
const longNames = 1 << 20

func (w *walker) arNames(l *level, in *feed, size int64) ([]byte, bool) {
	if size > longNames {
		return nil, w.part(l, in, l.inside("//"), size)
	}
	table := make([]byte, size)
	n, err := io.ReadFull(in.rd, table)
	w.beside(l, table[:n])
	return table[:n], err == nil
}

// arBSD reads a member whose name stands before its data.
func (w *walker) arBSD(l *level, in *feed, digits string, size int64) bool {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > size || n > longestName {
		return w.part(l, in, l.inside("#1/"+digits), size)
	}
	name := make([]byte, n)
	if _, err := io.ReadFull(in.rd, name); err != nil {
		return false
	}
	w.beside(l, name)
	return w.part(l, in, l.inside(strings.TrimRight(string(name), "\x00")), size-n)
}

func arName(field string, long []byte) string {
	if digits, ok := strings.CutPrefix(field, "/"); ok {
		if at, err := strconv.Atoi(digits); err == nil && at >= 0 && at < len(long) {
			name, _, _ := strings.Cut(string(long[at:min(len(long), at+longestName)]), "\n")
			return strings.TrimSuffix(name, "/")
		}
	}
	return strings.TrimSuffix(field, "/")
}

// cpioHead is the header of newc: a magic and thirteen numbers of eight hex
// digits. Name and data are padded to four bytes.
const cpioHead = 110

// cpio yields the members of an archive in the format newc.
func (w *walker) cpio(l *level, in *feed) bool {
	var head [cpioHead]byte
	for found := false; ; found = true {
		n, err := io.ReadFull(in.rd, head[:])
		magic := string(head[:6])
		size, bad := strconv.ParseUint(string(head[54:62]), 16, 32)
		length, bad2 := strconv.ParseUint(string(head[94:102]), 16, 32)
		if err != nil || magic != "070701" && magic != "070702" || bad != nil || bad2 != nil || length == 0 || length > longestName {
			if found && !in.cut() {
				w.beside(l, head[:n])
				w.tell(l.name, Cpio, ErrDamaged)
			}
			return found
		}
		name := make([]byte, length+padding(cpioHead+length))
		if _, err := io.ReadFull(in.rd, name); err != nil {
			if found && !in.cut() {
				w.tell(l.name, Cpio, told(err))
			}
			return found
		}
		in.commit()
		w.beside(l, name)
		name = bytes.TrimRight(name[:length], "\x00")
		if string(name) == "TRAILER!!!" {
			if in.tail == nil {
				w.beside(l, in.mem[in.consumed():])
			}
			return true
		}
		if !w.part(l, in, l.inside(string(name)), int64(size)) && !w.over(l) && !in.cut() {
			w.tell(l.inside(string(name)), Cpio, told(io.ErrUnexpectedEOF))
		}
		if w.over(l) {
			return true
		}
		if _, err := io.CopyN(io.Discard, in.rd, int64(padding(size))); err != nil {
			return true // it ended in a member, which was told
		}
	}
}

// padding is what n lacks to a multiple of four.
func padding(n uint64) uint64 { return -n & 3 }
