package unpack

import (
	"bytes"
	"encoding/ascii85"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// pdf yields the streams of a PDF that are compressed or written in ASCII. It
// reads no structure beyond the dictionary before a stream, so that neither
// damage nor an old version behind the current one hides any. Predictors, which
// images and cross references use, are not undone; nor are compressors for
// images.
func (w *walker) pdf(l *level, in *feed) bool {
	data := in.mem
	encrypted := bytes.Contains(data, []byte("/Encrypt"))
	failed := 0
	for pos := 0; !w.over(l); {
		before := pos
		i := bytes.Index(data[pos:], []byte("stream"))
		if i < 0 {
			break
		}
		i += pos
		start := i + len("stream")
		pos = start
		if bytes.HasSuffix(data[:i], []byte("end")) {
			continue
		}
		body, ok := streamBody(data[start:])
		if !ok {
			continue
		}
		start = len(data) - len(body)
		dict := data[max(before, i-longestDict):i]
		if j := bytes.LastIndex(dict, []byte("obj")); j >= 0 {
			dict = dict[j:]
		}
		filters := streamFilters(dict)
		if !slices.ContainsFunc(filters, known) {
			continue
		}
		body = streamEnd(dict, body)
		pos = start + len(body)
		if !w.pdfStream(l, l.inside("stream@"+strconv.Itoa(start)), body, filters, encrypted) {
			failed++
		}
	}
	if encrypted && failed > 0 {
		w.tell(l.name, PDF, fmt.Errorf("%w: %d streams", ErrEncrypted, failed))
	}
	w.beside(l, data)
	return true
}

// longestDict is how far before a stream its dictionary is looked for.
const longestDict = 4 << 10

// streamBody is what is behind the line that says stream.
func streamBody(b []byte) ([]byte, bool) {
	if b, ok := bytes.CutPrefix(b, []byte("\r\n")); ok {
		return b, true
	}
	return bytes.CutPrefix(b, []byte("\n"))
}

// streamEnd cuts body off where its dictionary says, if it ends there, or else
// at the first word that says so.
func streamEnd(dict, body []byte) []byte {
	const end = "endstream"
	if _, b, ok := bytes.Cut(dict, []byte("/Length ")); ok {
		b = bytes.TrimLeft(b, pdfSpace)
		digits := len(b) - len(bytes.TrimLeft(b, "0123456789"))
		n, err := strconv.Atoi(string(b[:min(digits, 10)]))
		if err == nil && n <= len(body) && bytes.HasPrefix(bytes.TrimLeft(body[n:min(len(body), n+len(end)+2)], pdfSpace), []byte(end)) {
			return body[:n]
		}
	}
	if i := bytes.Index(body, []byte(end)); i >= 0 {
		return body[:i]
	}
	return body
}

// streamFilters reads the names of the filters in a dictionary, in the order in
// which they are undone.
func streamFilters(dict []byte) (names []string) {
	_, b, ok := bytes.Cut(dict, []byte("/Filter"))
	if !ok {
		return nil
	}
	b = bytes.TrimLeft(b, pdfSpace)
	list := bytes.HasPrefix(b, []byte("["))
	b = bytes.TrimPrefix(b, []byte("["))
	for {
		b = bytes.TrimLeft(b, pdfSpace)
		rest, ok := bytes.CutPrefix(b, []byte("/"))
		if !ok {
			return names
		}
		n := bytes.IndexAny(rest, pdfSpace+"/[]<>()")
		if n < 0 {
			n = len(rest)
		}
		names, b = append(names, string(rest[:n])), rest[n:]
		if !list || len(names) == mostFilters {
			return names
		}
	}
}

const (
	pdfSpace    = " \t\r\n\f\x00"
	mostFilters = 8
)

func known(filter string) bool {
	switch filter {
	case "FlateDecode", "Fl", "ASCIIHexDecode", "AHx", "ASCII85Decode", "A85":
		return true
	}
	return false
}

// pdfStream yields a stream, and reports whether something came out of it.
func (w *walker) pdfStream(l *level, name string, body []byte, filters []string, encrypted bool) bool {
	in := (&feed{mem: body, at: -1}).start()
	var r io.Reader = in.rd
	var inflaters []io.Reader
	defer func() {
		for _, z := range inflaters {
			w.unflate(z)
		}
	}()
	for _, f := range filters {
		switch f {
		case "FlateDecode", "Fl":
			z, err := w.pdfFlate(r)
			if err != nil {
				if !encrypted {
					w.tell(name, PDF, told(err))
				}
				return false
			}
			inflaters, r = append(inflaters, z), z
		case "ASCIIHexDecode", "AHx":
			r = hex.NewDecoder(&hexDigits{r: r})
		case "ASCII85Decode", "A85":
			r = ascii85.NewDecoder(&until85{r: r})
		default: // what comes next is an image
			return true
		}
	}
	m := w.sized(l, r, len(body))
	first := make([]byte, 64)
	n, _ := io.ReadAtLeast(m, first, 1)
	if n == 0 {
		if !encrypted {
			m.finish(name)
		}
		return errors.Is(m.err, io.EOF)
	}
	w.stream(l, name, &prefixed{first[:n], m})
	if !encrypted {
		m.finish(name)
	}
	return true
}

// pdfFlate reads a zlib stream without its checksum, which many writers of PDF
// get wrong and no reader looks at.
func (w *walker) pdfFlate(r io.Reader) (io.Reader, error) {
	in, ok := r.(byteReader)
	if !ok {
		in = &bytewise{Reader: r}
	}
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	if head[0]&15 != 8 || (int(head[0])<<8|int(head[1]))%31 != 0 {
		return nil, errors.New("pdf: no zlib stream")
	}
	return w.flate(&feed{rd: in})
}

// bytewise reads single bytes of a filter, as flate wants.
type bytewise struct {
	io.Reader
	buf [1]byte
}

func (b *bytewise) ReadByte() (byte, error) {
	_, err := io.ReadFull(b.Reader, b.buf[:])
	return b.buf[0], err
}

// hexDigits leaves out what stands between digits, and ends at '>'.
type hexDigits struct {
	r    io.Reader
	done bool
}

func (h *hexDigits) Read(p []byte) (int, error) {
	if h.done {
		return 0, io.EOF
	}
	n, err := h.r.Read(p)
	kept := 0
	for _, c := range p[:n] {
		if c == '>' {
			h.done = true
			break
		}
		if bytes.IndexByte([]byte(pdfSpace), c) < 0 {
			p[kept] = c
			kept++
		}
	}
	return kept, err
}

// until85 ends at "~>".
type until85 struct {
	r    io.Reader
	done bool
}

func (u *until85) Read(p []byte) (int, error) {
	if u.done {
		return 0, io.EOF
	}
	n, err := u.r.Read(p)
	if i := bytes.IndexByte(p[:n], '~'); i >= 0 {
		n, u.done = i, true
	}
	return n, err
}
