// Package bundle reads the head of a git bundle (gitformat-bundle(5)): what it
// names, what it needs, and where its pack begins. It does not look into the
// pack, and believes nothing: lines, their number and their length are bounded.
package bundle

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

var (
	// ErrCorrupt: the bytes are not what the format says.
	ErrCorrupt = errors.New("corrupt bundle")
	// ErrTruncated: the file ends before the head does.
	ErrTruncated = errors.New("bundle is cut short")
	// ErrUnknown: it says that to read it takes what is not known here.
	ErrUnknown = errors.New("bundle of an unknown kind")
)

// Header is the head of a bundle. Its text comes from whoever made the bundle.
type Header struct {
	Version int
	Format  oid.Format
	Filter  string   // what was left out on purpose; "" for nothing
	Needs   []oid.ID // commits that are not in the bundle, and that its own stand on
	Refs    []Ref
	// Pack is where the pack begins.
	Pack int64
}

// Ref is the name of an object in a bundle.
type Ref struct {
	Name string
	ID   oid.ID
}

const (
	signature = "# v%d git bundle\n"
	// maxLine bounds a line; git's own names end at 4096 bytes, and behind the
	// name of a commit that is needed stands its subject.
	maxLine = 64 << 10
	// maxHead bounds the lines together: a million refs of 60 bytes.
	maxHead = 64 << 20
)

// Is tells whether a file that begins like this is meant to be a bundle.
func Is(start []byte) bool {
	rest, ok := strings.CutPrefix(string(start), "# v")
	end := strings.TrimLeft(rest, "0123456789")
	return ok && len(end) < len(rest) && strings.HasPrefix(end, " git bundle\n")
}

// Read reads a head.
func Read(r io.Reader) (*Header, error) {
	p := parser{in: bufio.NewReaderSize(r, maxLine), h: &Header{}}
	line, err := p.line()
	if err != nil {
		return nil, err
	}
	switch line + "\n" {
	case fmt.Sprintf(signature, 2):
		p.h.Version = 2
	case fmt.Sprintf(signature, 3):
		p.h.Version = 3
	default:
		if Is([]byte(line + "\n")) {
			return nil, fmt.Errorf("%w: neither version 2 nor 3", ErrUnknown)
		}
		return nil, fmt.Errorf("%w: it does not begin like one", ErrCorrupt)
	}
	for n := 2; ; n++ {
		line, err := p.line()
		if err == nil && line == "" {
			p.h.Pack = p.at
			return p.h, nil
		}
		if err == nil {
			err = p.take(line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d of the bundle: %w", n, err)
		}
	}
}

type parser struct {
	in *bufio.Reader
	at int64
	h  *Header
	// later tells that lines with names have begun: capabilities come first.
	later bool
}

// line gives the next line without its end.
func (p *parser) line() (string, error) {
	raw, err := p.in.ReadSlice('\n')
	p.at += int64(len(raw))
	switch {
	case err == io.EOF:
		return "", ErrTruncated
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("%w: over %d bytes", ErrCorrupt, maxLine)
	case err != nil:
		return "", err
	case p.at > maxHead:
		return "", fmt.Errorf("%w: what stands before the pack is over %d bytes", ErrCorrupt, maxHead)
	}
	return string(raw[:len(raw)-1]), nil
}

// take reads a line: a capability, a commit that is needed, or a ref.
func (p *parser) take(line string) error {
	if word, ok := strings.CutPrefix(line, "@"); ok && p.h.Version > 2 && !p.later {
		return p.capability(word)
	}
	p.later = true
	rest, needed := strings.CutPrefix(line, "-")
	hex, text, named := strings.Cut(rest, " ")
	id, ok := oid.Parse(hex)
	if !ok || len(hex) != p.h.Format.HexSize() {
		return fmt.Errorf("%w: it does not begin with the name of an object", ErrCorrupt)
	}
	if needed {
		p.h.Needs = append(p.h.Needs, id)
		return nil
	}
	if !named || text == "" || strings.ContainsRune(text, 0) {
		return fmt.Errorf("%w: a ref without a name", ErrCorrupt)
	}
	p.h.Refs = append(p.h.Refs, Ref{text, id})
	return nil
}

func (p *parser) capability(word string) error {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "object-format":
		format, ok := oid.ParseFormat(value)
		if !ok {
			return fmt.Errorf("%w: an object format that is not known", ErrUnknown)
		}
		p.h.Format = format
	case "filter":
		p.h.Filter = value
	default:
		return fmt.Errorf("%w: a capability that is not known", ErrUnknown)
	}
	return nil
}
