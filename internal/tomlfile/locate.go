package tomlfile

import (
	"fmt"
	"strings"
)

// A keyMap knows where the keys of a TOML file stand: the library that decodes it
// says so only of what it cannot decode. It is made for files that are known to
// be well-formed, and for others it only has to end.
type keyMap struct {
	at    map[string]position // by path with numbers: "rules[2].allowlists[0].paths"
	plain map[string]position // without: "rules.allowlists.paths", the first
	// deep tells that values or names nest deeper than anybody writes them.
	deep bool
}

const (
	maxNesting = 64
	maxKey     = 1 << 10
)

type position struct{ line, col int }

// locate reads a file.
func locate(text []byte) *keyMap {
	l := &locator{text: text, line: 1, counts: map[string]int{}, m: &keyMap{at: map[string]position{}, plain: map[string]position{}}}
	for l.i < len(text) {
		l.skipSpace()
		start := l.here()
		switch c := l.peek(); {
		case c == '#' || c == '\n' || c == 0:
			l.endLine()
		case c == '[':
			l.header(start)
		default:
			key := l.until('=')
			l.put(joined(l.table, key), joined(l.plain, key), start)
			l.value()
		}
	}
	return l.m
}

// find gives "LINE:COLUMN" of a path, or of the nearest above it that is known.
func (m *keyMap) find(path string) string {
	path = strings.ToLower(path)
	for path != "" {
		if p, ok := m.at[path]; ok {
			return p.String()
		}
		if p, ok := m.plain[path]; ok {
			return p.String()
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return position{1, 1}.String()
}

func (p position) String() string { return fmt.Sprintf("%d:%d", p.line, p.col) }

type locator struct {
	text            []byte
	i, line, begins int // begins is where the line does
	table, plain    string
	counts          map[string]int
	m               *keyMap
}

func (l *locator) here() position { return position{l.line, l.i - l.begins + 1} }

func (l *locator) peek() byte {
	if l.i < len(l.text) {
		return l.text[l.i]
	}
	return 0
}

func (l *locator) next() {
	if l.peek() == '\n' {
		l.line, l.begins = l.line+1, l.i+1
	}
	l.i++
}

func (l *locator) skipSpace() {
	for c := l.peek(); c == ' ' || c == '\t' || c == '\r'; c = l.peek() {
		l.i++
	}
}

func (l *locator) endLine() {
	for l.i < len(l.text) && l.peek() != '\n' {
		l.i++
	}
	l.next()
}

// until reads a key, without quotes and spaces, up to end.
func (l *locator) until(end byte) string {
	start := l.i
	for l.i < len(l.text) && l.peek() != end && l.peek() != '\n' {
		l.i++
	}
	if l.i-start > maxKey {
		l.m.deep = true
		return ""
	}
	key := string(l.text[start:l.i])
	if l.peek() == end {
		l.i++
	}
	return strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\"'[]", r) {
			return -1
		}
		return r
	}, key))
}

func joined(table, key string) string {
	if table == "" {
		return key
	}
	return table + "." + key
}

// header reads [table] or [[table]]; the last of an array above it is meant.
func (l *locator) header(start position) {
	l.i++
	many := l.peek() == '['
	l.plain = l.until(']')
	l.endLine()
	l.table = ""
	path := ""
	for part := range strings.SplitSeq(l.plain, ".") {
		path, l.table = joined(path, part), joined(l.table, part)
		if path == l.plain && many {
			n := l.counts[l.table]
			l.counts[l.table]++
			l.table = fmt.Sprintf("%s[%d]", l.table, n)
		} else if n := l.counts[l.table]; n > 0 {
			l.table = fmt.Sprintf("%s[%d]", l.table, n-1)
		}
	}
	l.put(l.table, l.plain, start)
}

func (l *locator) put(path, plain string, p position) {
	if _, ok := l.m.at[path]; !ok {
		l.m.at[path] = p
	}
	if _, ok := l.m.plain[plain]; !ok {
		l.m.plain[plain] = p
	}
}

// value goes behind a value and its line.
func (l *locator) value() {
	depth := 0
	for l.i < len(l.text) {
		switch c := l.peek(); {
		case c == '\n' && depth <= 0:
			l.next()
			return
		case c == '#':
			for l.i < len(l.text) && l.peek() != '\n' {
				l.i++
			}
			continue
		case c == '[' || c == '{':
			depth++
			l.m.deep = l.m.deep || depth > maxNesting
		case c == ']' || c == '}':
			depth--
		case c == '"' || c == '\'':
			l.quoted(c)
			continue
		}
		l.next()
	}
}

// quoted goes behind a string.
func (l *locator) quoted(quote byte) {
	mark := strings.Repeat(string(quote), 3)
	long := strings.HasPrefix(string(l.text[l.i:min(len(l.text), l.i+3)]), mark)
	if !long {
		mark = mark[:1]
	}
	for range mark {
		l.next()
	}
	for l.i < len(l.text) {
		switch rest := l.text[l.i:]; {
		case rest[0] == '\\' && quote == '"':
			l.next()
		case rest[0] == '\n' && !long:
			return
		case strings.HasPrefix(string(rest[:min(len(rest), 3)]), mark):
			for range mark {
				l.next()
			}
			// Up to two quotes may stand before the closing ones.
			for long && l.peek() == quote {
				l.next()
			}
			return
		}
		l.next()
	}
}
