package worktree

import "strings"

// glob is a pattern with wildcards, matched as Git's wildmatch does with
// slashes kept apart: "*" and "?" and character classes stay within an element
// of the path, "**" as a whole element stands for any number of them.
//
// Git's matcher tries the possibilities one after the other and takes
// exponential time on patterns made for it. This one goes back to the last star
// only, inside an element, and to the last "**" among the elements: a star that
// has found its shortest match never needs a longer one for what follows another
// star. That is at most the length of the pattern times that of the path.
type glob []element

// element is a part of a pattern between slashes.
type element struct {
	kind   elementKind
	tokens []token
}

type elementKind uint8

const (
	oneElement   elementKind = iota // matched by tokens
	anyElements                     // "**/": none or more
	someElements                    // "/**" at the end, or before an escaped slash: one or more
)

type token struct {
	op   tokenOp
	char byte
	set  *class
}

type tokenOp uint8

const (
	opChar  tokenOp = iota
	opAny           // ?
	opStar          // *
	opClass         // [...]
)

// match tells whether the glob matches text, a local path. It gives up, with
// steps below zero, when those are used up.
func (g glob) match(text string, steps *int) bool {
	i, at := 0, 0 // element of the glob, start of the element of text
	// Where to go on after a mismatch: behind the last "**", one element later.
	backI, backAt := -1, 0
	for at <= len(text) {
		if *steps--; *steps < 0 {
			return false
		}
		if i < len(g) && g[i].kind != oneElement {
			if g[i].kind == someElements {
				if i == len(g)-1 {
					return true
				}
				at = nextElement(text, at)
			}
			i++
			backI, backAt = i, at
			continue
		}
		next := nextElement(text, at)
		if i < len(g) && matchTokens(g[i].tokens, text[at:next-1], steps) {
			i, at = i+1, next
			continue
		}
		if backI < 0 {
			return false
		}
		backAt = nextElement(text, backAt)
		i, at = backI, backAt
	}
	return i == len(g)
}

// nextElement is where the element after the one at at begins, or one more than
// the length of text when it is the last.
func nextElement(text string, at int) int {
	if at > len(text) {
		return at
	}
	if n := strings.IndexByte(text[at:], '/'); n >= 0 {
		return at + n + 1
	}
	return len(text) + 1
}

func matchTokens(tokens []token, text string, steps *int) bool {
	p, t := 0, 0
	backP, backT := -1, 0 // the last star, and where it ends
	for t < len(text) {
		if *steps--; *steps < 0 {
			return false
		}
		switch {
		case p < len(tokens) && tokens[p].op == opStar:
			backP, backT = p, t
			p++
		case p < len(tokens) && tokens[p].matches(text[t]):
			p, t = p+1, t+1
		case backP >= 0:
			backT++
			p, t = backP+1, backT
		default:
			return false
		}
	}
	for p < len(tokens) && tokens[p].op == opStar {
		p++
	}
	return p == len(tokens)
}

func (t *token) matches(c byte) bool {
	switch t.op {
	case opAny:
		return true
	case opClass:
		return t.set.has(c)
	}
	return t.char == c
}

// parseGlob reads a pattern. It reports false for one that matches nothing: a
// backslash at the end, a class that does not end or has an unknown name.
func parseGlob(p string) (glob, bool) {
	var g glob
	var tokens []token
	for i := 0; i < len(p); i++ {
		switch c := p[i]; c {
		case '/':
			g = append(g, element{tokens: tokens})
			tokens = nil
		case '*':
			n := len(p[i:]) - len(strings.TrimLeft(p[i:], "*"))
			rest := p[i+n:]
			whole := n > 1 && (i == 0 || p[i-1] == '/')
			i += n - 1
			switch {
			case whole && rest == "":
				return append(g, element{kind: someElements}), true
			case whole && rest[0] == '/':
				g = append(g, element{kind: anyElements})
				i++
			case whole && strings.HasPrefix(rest, `\/`):
				g = append(g, element{kind: someElements})
				i += 2
			default:
				tokens = append(tokens, token{op: opStar})
			}
		case '?':
			tokens = append(tokens, token{op: opAny})
		case '[':
			set, n, ok := parseClass(p[i+1:])
			if !ok {
				return nil, false
			}
			tokens = append(tokens, token{op: opClass, set: set})
			i += n
		case '\\':
			if i++; i == len(p) {
				return nil, false
			}
			if p[i] == '/' {
				g = append(g, element{tokens: tokens})
				tokens = nil
				continue
			}
			tokens = append(tokens, token{char: p[i]})
		default:
			tokens = append(tokens, token{char: c})
		}
	}
	return append(g, element{tokens: tokens}), true
}
