package unpack

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/bodgit/sevenzip"
)

// sevenZip yields the files of a .7z. The library believes what headers say of
// sizes and makes room for it at once, so they are looked through first.
func (w *walker) sevenZip(l *level, in *feed) bool {
	data := in.mem
	if i := bytes.Index(data[:min(len(data), exeSearch)], []byte(sevenMagic)); i > 0 {
		data = data[i:] // behind a program
	}
	folders, err := w.sevenHeader(data)
	if errors.Is(err, errNoSeven) {
		return false
	}
	if err != nil {
		w.tell(l.name, SevenZip, told(err))
		return true
	}
	if len(folders) == 0 {
		return true // all files are empty
	}
	var r *sevenzip.Reader
	err = guarded(func() (err error) {
		r, err = sevenzip.NewReader(bytes.NewReader(data), int64(len(data)))
		return err
	})
	if err != nil {
		w.tell(l.name, SevenZip, told(err))
		return true
	}
	// Files of a folder are compressed as one: behind one that failed there is no
	// other.
	lost, lostIn := 0, -1
	for _, f := range r.File {
		if w.over(l) {
			return true
		}
		if f.UncompressedSize == 0 {
			continue
		}
		if f.Stream == lostIn {
			lost++
			continue
		}
		if f.Stream < len(folders) && folders[f.Stream] != nil {
			w.tell(l.inside(f.Name), SevenZip, folders[f.Stream])
		} else if !w.sevenFile(l, f, len(data)) {
			lostIn = f.Stream
		}
	}
	if lost > 0 {
		w.tell(l.name, SevenZip, fmt.Errorf("%w: %d files are compressed with one that cannot be read", ErrDamaged, lost))
	}
	return true
}

// sevenFile yields a file and reports whether what is behind it can be read.
func (w *walker) sevenFile(l *level, f *sevenzip.File, size int) bool {
	name := l.inside(f.Name)
	var r io.ReadCloser
	err := guarded(func() (err error) {
		r, err = f.Open()
		return err
	})
	if err != nil {
		w.tell(name, SevenZip, told(err))
		return false
	}
	m := w.sized(l, r, size)
	sum := crc32.NewIEEE()
	m.sum = func(b []byte) { sum.Write(b) }
	w.stream(l, name, m)
	m.finish(name)
	whole := errors.Is(m.err, io.EOF)
	switch {
	case whole && uint64(m.out) < f.UncompressedSize:
		w.tell(name, SevenZip, told(io.ErrUnexpectedEOF))
		whole = false
	case whole && f.CRC32 != 0 && sum.Sum32() != f.CRC32:
		w.tell(name, SevenZip, fmt.Errorf("%w: wrong checksum", ErrDamaged))
	}
	err = guarded(r.Close)
	return whole && err == nil
}
