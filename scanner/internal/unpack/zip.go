package unpack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/keyquench/keyquench/scanner/internal/inflate"
)

// The marks that parts of a zip begin with (APPNOTE 4.3).
const (
	zipLocal = "PK\x03\x04"
	zipEntry = "PK\x01\x02"
	zipSizes = "PK\x07\x08"
)

// badTries is how many things that look like a member of no directory, and fail,
// are looked into for further ones. Behind that, bytes are read once.
const badTries = 16

// zipReader reads one zip by what stands in it, in that order: members of the
// directory where it says, and between them what looks like a member and opens.
// archive/zip sees the directory alone, gives up when that is damaged, and holds
// all of it.
type zipReader struct {
	*walker
	level      *level
	in         *feed
	data       []byte
	failed     int // tries
	overlapped int

	quick inflate.Decoder
	buf   []byte // what it made of a member
}

func (w *walker) zip(l *level, in *feed) bool {
	z := &zipReader{walker: w, level: l, in: in, data: in.mem}
	dir, whole := readDirectory(z.data)
	found := whole
	pos := 0
	for i, ref := range dir.refs {
		if i > 0 && ref.local == dir.refs[i-1].local && ref.local < len(z.data) {
			continue // named twice
		}
		if ref.local < pos {
			z.overlapped++
			continue
		}
		central := centralEntry(z.data[ref.record:])
		e, ok := localEntry(z.data[:dir.start], ref.local)
		if !ok {
			w.tell(l.inside(string(central.name)), Zip, fmt.Errorf("%w: it has no header", ErrDamaged))
			continue
		}
		z.hidden(pos, ref.local)
		w.beside(l, z.data[ref.local:e.start])
		central.start, central.flags = e.start, central.flags&e.flags // encrypted members say so in both
		pos, _ = z.member(central, dir.start, true)
		if w.over(l) {
			return true
		}
	}
	found = z.hidden(pos, dir.start) || found
	found = z.hidden(dir.end, len(z.data)) || found
	if !found || w.over(l) {
		return found
	}
	w.beside(l, z.data[dir.start:])
	if !whole {
		w.tell(l.name, Zip, fmt.Errorf("%w: it has no directory", ErrDamaged))
	}
	if z.overlapped > 0 {
		w.tell(l.name, Zip, fmt.Errorf("%w: %d members overlap others", ErrBomb, z.overlapped))
	}
	return true
}

// hidden reads what is between two places and looks like members; they are in
// no directory. It reports whether there were any.
func (z *zipReader) hidden(from, to int) (found bool) {
	to = max(from, to)
	beside := from
	for i := from; i < to && !z.over(z.level); {
		j := bytes.Index(z.data[i:to], []byte(zipLocal))
		if j < 0 {
			break
		}
		i += j
		e, ok := localEntry(z.data[:to], i)
		if !ok || !e.plausible() {
			i += len(zipLocal)
			continue
		}
		end, ok := z.member(e, to, false)
		switch {
		case ok:
			found = true
			z.beside(z.level, z.data[beside:e.start])
			i, beside = end, end
		case z.failed < badTries:
			z.failed++
			i = e.start
		default:
			i = max(end, e.start)
		}
	}
	z.beside(z.level, z.data[beside:to])
	return found
}

// member yields e, which lies before limit, and reports where it ends and
// whether it could be read at all. Of what is not listed nothing is told unless
// something came out of it.
func (z *zipReader) member(e zipMember, limit int, listed bool) (end int, ok bool) {
	limit = max(limit, e.start)
	packed, short := z.data[e.start:limit], false
	if e.sized {
		if short = e.packed > int64(len(packed)); !short {
			packed = packed[:e.packed]
		}
	}
	end = e.start + len(packed)
	name := z.level.inside(string(e.name))
	switch {
	case e.sized && len(packed) == 0 && !short:
		return end, true // a folder, or nothing
	case e.method == 99 || e.flags&1 != 0 && !z.plain(e, packed):
		z.tell(name, Zip, ErrEncrypted)
		return z.skipped(e, end, listed), true
	case e.method == 0:
		return z.stored(e, packed, short, name), true
	}
	held := z.held
	defer func() { z.held = held }()
	if data, used := z.deflated(e, packed); data != nil {
		if z.charge(z.level, int64(len(data))) {
			z.visit(z.level, name, data, -1)
		}
		return z.checked(e, e.start+used, crc32.ChecksumIEEE(data), short, name), true
	}
	in := (&feed{mem: packed, at: -1}).start()
	var r io.Reader
	err := guarded(func() (err error) {
		r, err = z.method(e, in)
		return err
	})
	if err != nil {
		if listed || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrUnsupported) {
			z.tell(name, Zip, told(err))
			return z.skipped(e, end, listed), true
		}
		return e.start, false
	}
	return z.unpack(e, in, r, name, short, listed)
}

// plain tells whether a member said to be encrypted is not: the flag alone keeps
// some programs out, and others read on. Its checksum is of the text.
func (z *zipReader) plain(e zipMember, packed []byte) bool {
	if !e.sized || e.crc == 0 {
		return false
	}
	if e.method == 0 {
		return crc32.ChecksumIEEE(packed) == e.crc
	}
	held := z.held
	defer func() { z.held = held }()
	data, _ := z.deflated(e, packed)
	return data != nil && crc32.ChecksumIEEE(data) == e.crc
}

// skipped is where to go on behind a member that is not read. One that nobody
// lists may be none, and have others inside.
func (z *zipReader) skipped(e zipMember, end int, listed bool) int {
	if listed && e.sized {
		return end
	}
	return e.start
}

// unpack yields what r makes of in, which is e.
func (z *zipReader) unpack(e zipMember, in *feed, r io.Reader, name string, short, listed bool) (end int, ok bool) {
	m := z.meter(z.level, r, in.consumed)
	var first [1]byte
	n, _ := io.ReadFull(m, first[:])
	if n == 0 && !errors.Is(m.err, io.EOF) && !listed {
		z.charge(z.level, in.consumed()) // it came to nothing, but not for nothing
		return e.start + int(in.consumed()), false
	}
	sum := crc32.NewIEEE()
	sum.Write(first[:n])
	m.sum = func(b []byte) { sum.Write(b) }
	z.stream(z.level, name, &prefixed{first[:n], m})
	z.unflate(r)
	m.finish(name)
	end = e.start + int(in.consumed())
	if errors.Is(m.err, io.EOF) {
		return z.checked(e, end, sum.Sum32(), short, name), true
	}
	return end, true
}

// checked tells what a sum shows and gives where to go on. When what should be
// in a member is not all there, what was to come behind may stand inside.
func (z *zipReader) checked(e zipMember, end int, sum uint32, short bool, name string) int {
	switch {
	case short:
		z.tell(name, Zip, told(io.ErrUnexpectedEOF))
	case e.sized && sum != e.crc:
		z.tell(name, Zip, fmt.Errorf("%w: wrong checksum", ErrDamaged))
		if z.failed < badTries {
			z.failed++
			return e.start
		}
	}
	return end
}

// stored yields a member that is not compressed and gives its end.
func (z *zipReader) stored(e zipMember, data []byte, short bool, name string) int {
	if !e.sized {
		data = data[:storedEnd(data)]
	}
	z.visit(z.level, name, data, z.in.place(e.start))
	return z.checked(e, e.start+len(data), crc32.ChecksumIEEE(data), short, name)
}

// storedEnd finds the end of bytes whose size stands behind them, or else where
// something else begins.
func storedEnd(data []byte) int {
	for i := 0; ; i += len(zipSizes) {
		j := bytes.Index(data[i:], []byte(zipSizes))
		if j < 0 {
			break
		}
		i += j
		if len(data)-i >= 16 && int64(binary.LittleEndian.Uint32(data[i+8:])) == int64(i) {
			return i
		}
	}
	end := len(data)
	for _, mark := range []string{zipLocal, zipEntry} {
		if i := bytes.Index(data[:end], []byte(mark)); i >= 0 {
			end = i
		}
	}
	return end
}

// method makes a reader of a compressed member.
func (z *zipReader) method(e zipMember, in *feed) (io.Reader, error) {
	switch e.method {
	case 8:
		return z.flate(in)
	case 12:
		return z.decoder(Bzip2, in)
	case 14:
		return z.zipLZMA(e, in)
	case 20, 93:
		return z.decoder(Zstd, in)
	case 95:
		return z.decoder(XZ, in)
	}
	return nil, fmt.Errorf("%w: method %d", ErrUnsupported, e.method)
}

// wholeMember is the size up to which a deflated member is unpacked at once.
const wholeMember = 8 << 20

// deflated unpacks a member at once, if its size is known and not large: that
// takes a third of the time. It gives nil where it cannot, or where anything is
// wrong: a reader that goes step by step then finds out what can be read.
func (z *zipReader) deflated(e zipMember, packed []byte) (data []byte, used int) {
	if e.method != 8 || !e.sized || e.unpacked < 1 || e.unpacked > min(wholeMember, inflate.MaxRatio*int64(len(packed))) {
		return nil, 0
	}
	need := e.unpacked + inflate.Slack
	if got := z.hold(need); got < need {
		z.release(got)
		return nil, 0
	}
	if int64(cap(z.buf)) < need {
		z.buf = make([]byte, need)
	}
	data = z.buf[:e.unpacked]
	used, err := z.quick.Raw(data, packed)
	if err != nil {
		z.release(need)
		return nil, 0
	}
	return data, used
}

// zipLZMA reads method 14 (APPNOTE 5.8): a version, the size of the properties,
// the properties, and a stream that has no size.
func (z *zipReader) zipLZMA(e zipMember, in *feed) (io.Reader, error) {
	var head [4 + 5]byte
	if _, err := io.ReadFull(in.rd, head[:]); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint16(head[2:]) != 5 {
		return nil, ErrDamaged
	}
	var old [lzmaHead]byte
	copy(old[:], head[4:])
	size := uint64(1<<64 - 1)
	if e.sized && e.flags&2 == 0 { // the flag says that an end is marked
		size = uint64(e.unpacked)
	}
	binary.LittleEndian.PutUint64(old[5:], size)
	return z.rawLZMA(old, in)
}

// zipMember is what two kinds of headers say of a member.
type zipMember struct {
	name             []byte
	flags, method    uint16
	crc              uint32
	packed, unpacked int64
	sized            bool // both sizes and the sum are known
	start            int  // of its data
}

// plausible tells whether a header may be one that is in no directory.
func (e zipMember) plausible() bool {
	switch e.method {
	case 0, 8, 9, 12, 14, 20, 93, 95, 98, 99:
		return len(e.name) > 0 && e.packed >= 0 && bytes.IndexByte(e.name, 0) < 0
	}
	return false
}

func localEntry(data []byte, at int) (e zipMember, ok bool) {
	const size = 30
	if at < 0 || at > len(data)-size || string(data[at:at+4]) != zipLocal {
		return e, false
	}
	h := data[at : at+size]
	e.flags, e.method = binary.LittleEndian.Uint16(h[6:]), binary.LittleEndian.Uint16(h[8:])
	e.crc = binary.LittleEndian.Uint32(h[14:])
	e.packed, e.unpacked = int64(binary.LittleEndian.Uint32(h[18:])), int64(binary.LittleEndian.Uint32(h[22:]))
	name, extra := int(binary.LittleEndian.Uint16(h[26:])), int(binary.LittleEndian.Uint16(h[28:]))
	e.start = at + size + name + extra
	if e.start > len(data) {
		return e, false
	}
	e.name = data[at+size : at+size+name]
	e.sized = e.flags&8 == 0
	e.large(data[at+size+name : e.start])
	return e, true
}

// centralEntry reads a record of the directory, which is whole.
func centralEntry(h []byte) (e zipMember) {
	e.flags, e.method = binary.LittleEndian.Uint16(h[8:]), binary.LittleEndian.Uint16(h[10:])
	e.crc = binary.LittleEndian.Uint32(h[16:])
	e.packed, e.unpacked = int64(binary.LittleEndian.Uint32(h[20:])), int64(binary.LittleEndian.Uint32(h[24:]))
	name, extra := int(binary.LittleEndian.Uint16(h[28:])), int(binary.LittleEndian.Uint16(h[30:]))
	e.name = h[zipRecord : zipRecord+name]
	e.sized = true
	e.large(h[zipRecord+name : zipRecord+name+extra])
	return e
}

// large takes sizes that need 64 bits from the extra fields.
func (e *zipMember) large(extra []byte) {
	wide := zip64(extra)
	for _, size := range []*int64{&e.unpacked, &e.packed} {
		if *size == 1<<32-1 && len(wide) >= 8 {
			*size = int64(min(binary.LittleEndian.Uint64(wide), 1<<62))
			wide = wide[8:]
		}
	}
}

// zip64 is the extra field of large sizes.
func zip64(extra []byte) []byte {
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		extra = extra[4:]
		n = min(n, len(extra))
		if id == 1 {
			return extra[:n]
		}
		extra = extra[n:]
	}
	return nil
}
