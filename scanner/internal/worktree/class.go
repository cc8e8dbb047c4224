package worktree

import "strings"

// class is a set of bytes: "[a-z]".
type class [4]uint64

func (s *class) has(c byte) bool { return s[c/64]>>(c%64)&1 != 0 }

func (s *class) add(from, to byte) {
	for c := int(from); c <= int(to); c++ {
		s[c/64] |= 1 << (c % 64)
	}
}

// parseClass reads a class after its bracket. n counts the bytes up to and with
// the closing one. The odd corners are Git's: a bracket in first place is itself,
// a backslash takes the next byte as it is, a range cannot begin where another
// or a named class ended, and "[:" without ":]" is nothing special.
func parseClass(p string) (set *class, n int, ok bool) {
	set = new(class)
	i := 0
	negated := i < len(p) && (p[i] == '!' || p[i] == '^')
	if negated {
		i++
	}
	prev, havePrev := byte(0), false
	for first := true; first || i < len(p) && p[i] != ']'; first = false {
		if i >= len(p) {
			return nil, 0, false
		}
		c := p[i]
		switch {
		case c == '-' && havePrev && i+1 < len(p) && p[i+1] != ']':
			i++
			if p[i] == '\\' {
				if i++; i == len(p) {
					return nil, 0, false
				}
			}
			set.add(prev, p[i])
			havePrev = false
			i++
			continue
		case c == '\\':
			if i++; i == len(p) {
				return nil, 0, false
			}
			c = p[i]
		case c == '[' && strings.HasPrefix(p[i+1:], ":"):
			body, _, closed := strings.Cut(p[i+2:], "]")
			if !closed {
				return nil, 0, false
			}
			if name, named := strings.CutSuffix(body, ":"); named {
				if !set.addNamed(name) {
					return nil, 0, false
				}
				havePrev = false
				i += 2 + len(body) + 1
				continue
			}
		}
		set.add(c, c)
		prev, havePrev = c, true
		i++
	}
	if i >= len(p) {
		return nil, 0, false
	}
	if negated {
		for j := range set {
			set[j] = ^set[j]
		}
	}
	return set, i + 1, true
}

// addNamed adds a POSIX class of ASCII. As in Git, vertical tab and form feed
// are no space.
func (s *class) addNamed(name string) bool {
	ranges, ok := map[string]string{
		"alnum": "09AZaz", "alpha": "AZaz", "blank": "\t\t  ", "cntrl": "\x00\x1f\x7f\x7f",
		"digit": "09", "graph": "!~", "lower": "az", "print": " ~", "punct": "!/:@[`{~",
		"space": "\t\n\r\r  ", "upper": "AZ", "xdigit": "09AFaf",
	}[name]
	for i := 0; i < len(ranges); i += 2 {
		s.add(ranges[i], ranges[i+1])
	}
	return ok
}
