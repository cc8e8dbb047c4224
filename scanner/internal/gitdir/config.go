package gitdir

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Git's configuration is read by a parser of our own. go-git's decoder was
// tried first and reads another language: it refuses `[core] bare = true` on
// one line, cannot tell `bare` (true) from `bare =` (false), and panics on
// values that git merely rejects. For a file that decides the object format a
// near miss is worse than an error. The tests hold this parser against
// `git config --list`.

// maxConfigBytes bounds a configuration file. One remote or branch takes some
// hundred bytes, so this is room for a hundred thousand of them.
const maxConfigBytes = 16 << 20

var errSyntax = errors.New("not valid configuration")

// setting is one assignment. Name is as git prints it: section and key in lower
// case, a quoted subsection between them as it stands. A setting without '=' is
// Bare: true for a boolean, an error for anything else.
type setting struct {
	Name, Value string
	Bare        bool
}

// parseConfig calls each for every setting in order. An error names the line
// and nothing of its contents.
func parseConfig(data []byte, each func(setting) error) error {
	p := configParser{data: bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), line: 1}
	section := ""
	for {
		p.skipBlank()
		if p.end() {
			return nil
		}
		line := p.line
		if p.data[p.pos] == '[' {
			p.pos++
			name, ok := p.section()
			if !ok {
				return fmt.Errorf("line %d: %w", line, errSyntax)
			}
			section = name + "."
			continue
		}
		s, ok := p.setting(section)
		if !ok {
			return fmt.Errorf("line %d: %w", line, errSyntax)
		}
		if err := each(s); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

type configParser struct {
	data []byte
	pos  int
	line int
}

func (p *configParser) end() bool { return p.pos >= len(p.data) }

// next gives one byte, with "\r\n" as one newline and a newline at the end of
// the file, where git has one too.
func (p *configParser) next() byte {
	if p.end() {
		p.pos = len(p.data) + 1
		return '\n'
	}
	c := p.data[p.pos]
	p.pos++
	if c == '\r' && !p.end() && p.data[p.pos] == '\n' {
		p.pos++
		c = '\n'
	}
	if c == '\n' {
		p.line++
	}
	return c
}

// skipBlank passes white space and comments.
func (p *configParser) skipBlank() {
	comment := false
	for !p.end() {
		c := p.data[p.pos]
		if !comment && !isSpace(c) && c != '#' && c != ';' {
			return
		}
		comment = (comment || !isSpace(c)) && c != '\n'
		p.next()
	}
}

// section reads what follows '[': a name, and perhaps a quoted subsection.
func (p *configParser) section() (string, bool) {
	var name []byte
	for !p.end() {
		switch c := p.next(); {
		case c == ']':
			return string(name), len(name) > 0
		case isSpace(c):
			return p.subsection(name, c)
		case isKeyByte(c), c == '.':
			name = append(name, lower(c))
		default:
			return "", false
		}
	}
	return "", false
}

func (p *configParser) subsection(name []byte, c byte) (string, bool) {
	for isSpace(c) {
		if c == '\n' {
			return "", false
		}
		c = p.next()
	}
	if c != '"' {
		return "", false
	}
	name = append(name, '.')
	for {
		c := p.next()
		if c == '"' {
			return string(name), p.next() == ']'
		}
		if c == '\\' {
			c = p.next()
		}
		// Git's strings end at a NUL: what stands behind one would count for
		// us and not for it.
		if c == '\n' || c == 0 {
			return "", false
		}
		name = append(name, c)
	}
}

// setting reads a key and its value up to the end of the line.
func (p *configParser) setting(section string) (setting, bool) {
	c := p.next()
	if !isAlpha(c) {
		return setting{}, false
	}
	name := append([]byte(section), lower(c))
	for c = p.next(); isKeyByte(c); c = p.next() {
		name = append(name, lower(c))
	}
	for c == ' ' || c == '\t' {
		c = p.next()
	}
	switch c {
	case '\n':
		return setting{Name: string(name), Bare: true}, true
	case '=':
		value, ok := p.value()
		return setting{Name: string(name), Value: value}, ok
	}
	return setting{}, false
}

func (p *configParser) value() (string, bool) {
	var value []byte
	kept := 0 // length without trailing unquoted space
	quoted, comment := false, false
	for {
		c := p.next()
		switch {
		case c == '\n':
			return string(value[:kept]), !quoted
		case comment:
			continue
		case c == 0:
			return "", false
		case !quoted && isSpace(c):
			if len(value) > 0 {
				value = append(value, c)
			}
			continue
		case !quoted && (c == ';' || c == '#'):
			comment = true
			continue
		case c == '"':
			quoted = !quoted
		case c == '\\':
			esc, ok := p.escape()
			if !ok {
				return "", false
			}
			value = append(value, esc...)
		default:
			value = append(value, c)
		}
		kept = len(value)
	}
}

// escape reads what follows a backslash; before a newline it joins two lines.
func (p *configParser) escape() (string, bool) {
	switch p.next() {
	case '\n':
		return "", true
	case 't':
		return "\t", true
	case 'b':
		return "\b", true
	case 'n':
		return "\n", true
	case '\\':
		return `\`, true
	case '"':
		return `"`, true
	}
	return "", false
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isAlpha(c byte) bool { return 'a' <= lower(c) && lower(c) <= 'z' }

func isKeyByte(c byte) bool { return isAlpha(c) || '0' <= c && c <= '9' || c == '-' }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

var (
	errNotBool   = errors.New("not a boolean")
	errNotNumber = errors.New("not a number")
	errNoValue   = errors.New("value missing")
)

// bool reads a setting as git reads a boolean.
func (s setting) bool() (bool, error) {
	if s.Bare {
		return true, nil
	}
	return parseBool(s.Value)
}

func parseBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true", "yes", "on":
		return true, nil
	case "false", "no", "off", "":
		return false, nil
	}
	n, err := parseNumber(v)
	if err != nil {
		return false, errNotBool
	}
	return n != 0, nil
}

// parseNumber reads a 32-bit number in C's notations with git's unit suffixes.
func parseNumber(v string) (int, error) {
	v = strings.TrimLeft(v, " \t\n\r\v\f")
	shift := 0
	if v != "" {
		switch lower(v[len(v)-1]) {
		case 'k':
			shift = 10
		case 'm':
			shift = 20
		case 'g':
			shift = 30
		}
	}
	if shift > 0 {
		v = v[:len(v)-1]
	}
	// Go's 0b, 0o and 1_000 are no numbers in C.
	if strings.ContainsAny(v, "_oO") || (strings.ContainsAny(v, "bB") && !strings.ContainsAny(v, "xX")) {
		return 0, errNotNumber
	}
	n, err := strconv.ParseInt(v, 0, 32)
	if err != nil {
		return 0, errNotNumber
	}
	if n<<shift != int64(int32(n<<shift)) {
		return 0, errNotNumber
	}
	return int(n << shift), nil
}
