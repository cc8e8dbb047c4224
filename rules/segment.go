package rules

import "bytes"

// escapes says which kinds of escape stood inside a value.
type escapes uint8

const (
	escPercent escapes = 1 << iota
	escJSON
	escHTML
)

func (e escapes) name() string {
	switch e {
	case 0:
		return ""
	case escPercent:
		return "percent"
	case escJSON:
		return "json"
	case escHTML:
		return "html"
	}
	return "mixed"
}

// segment is a stretch of base64 characters as its writer meant them: \/ and
// %2F and %41 and their like are one character, and \n or %3D are no part of it.
type segment struct {
	start, end int // in the buffer
	n          int // characters
	esc        escapes
	// letter says that the byte before start was read as the letter of an escape
	// behind two or more backslashes and may be the value's first character
	// after all, as in a Windows path.
	letter bool
}

const (
	// maxEscape bounds the backslashes of one escape: each level of quoting
	// doubles them, and nobody nests five.
	maxEscape = 16
	// maxWide is the longest escape that a letter or a digit is read from: a
	// value of nothing but longer ones would take more than CleanNear looks at.
	maxWide = 8
)

// segments calls yield for each segment of data[start:end], a run of the class
// that takes in the bytes escapes are written with, and stops when it says so.
func segments(data []byte, start, end int, yield func(segment) bool) {
	seg := segment{start: start}
	for i := start; i < end; {
		// Nearly all of it is written out, and goes by without a call.
		plain := i
		for i < end && base64Class[data[i]] {
			i++
		}
		if i > plain {
			if seg.n == 0 {
				seg.start, seg.esc = plain, 0
			}
			seg.n += i - plain
			seg.end = i
			continue
		}
		c, w, esc := unit(data, i)
		if c != 0 {
			if seg.n == 0 {
				seg.start, seg.esc = i, 0
			}
			seg.n++
			seg.esc |= esc
			i += w
			seg.end = i
			continue
		}
		if seg.n > 0 && !yield(seg) {
			return
		}
		seg = segment{letter: w > 2 && data[i] == '\\' && data[i+1] == '\\' && letterEscape(data[i+w-1])}
		i += w
	}
	if seg.n > 0 {
		yield(seg)
	}
}

// appendText appends the characters of data[start:end] to dst.
func appendText(dst, data []byte, start, end int) []byte {
	for i := start; i < end; {
		plain := i
		for i < end && base64Class[data[i]] {
			i++
		}
		if i > plain {
			dst = append(dst, data[plain:i]...)
			continue
		}
		c, w, _ := unit(data, i)
		if c != 0 {
			dst = append(dst, c)
		}
		i += w
	}
	return dst
}

// unit reads one character at data[i]: a base64 character, written out or
// escaped, and its width in bytes, or 0 and the width of what ends a segment.
func unit(data []byte, i int) (c byte, width int, esc escapes) {
	switch b := data[i]; {
	case base64Class[b]:
		return b, 1, 0
	case b == '\\':
		c, width, esc = backslash(data, i)
	case b == '%':
		c, width, esc = percent(data, i)
	case b == '&':
		c, width, esc = entity(data, i)
	default:
		return 0, 1, 0
	}
	if width > maxWide && alnumClass[c] {
		c = 0
	}
	return c, width, esc
}

func backslash(data []byte, i int) (c byte, width int, esc escapes) {
	k := i
	for k < len(data) && data[k] == '\\' && k-i < maxEscape {
		k++
	}
	if k == len(data) {
		return 0, k - i, 0
	}
	switch b := data[k]; {
	case b == '/':
		return '/', k + 1 - i, escJSON
	case b == 'u' && isHex(data, k+1, 4):
		if data[k+1] == '0' && data[k+2] == '0' {
			c = escaped(data[k+3], data[k+4])
		}
		return c, k + 5 - i, escJSON
	case b == 'x' && isHex(data, k+1, 2):
		return escaped(data[k+1], data[k+2]), k + 3 - i, escJSON
	case letterEscape(b):
		return 0, k + 1 - i, 0
	}
	return 0, k - i, 0
}

func percent(data []byte, i int) (c byte, width int, esc escapes) {
	at := i + 1
	// A URL inside a URL: the percent sign itself was encoded.
	for at-i < maxEscape && at+1 < len(data) && data[at] == '2' && data[at+1] == '5' {
		at += 2
	}
	if !isHex(data, at, 2) {
		return 0, 1, 0
	}
	return escaped(data[at], data[at+1]), at + 2 - i, escPercent
}

// entity reads &#65; &#x41; and the two names that base64 has use for.
func entity(data []byte, i int) (c byte, width int, esc escapes) {
	const longest = 8 // &#x002F;
	semi := bytes.IndexByte(data[i:min(len(data), i+longest+1)], ';')
	if semi < 0 {
		return 0, 1, 0
	}
	name := data[i+1 : i+semi]
	switch {
	case len(name) > 2 && name[0] == '#' && name[1]|0x20 == 'x':
		c = charOf(name[2:], 16)
	case len(name) > 1 && name[0] == '#':
		c = charOf(name[1:], 10)
	case bytes.EqualFold(name, []byte("sol")):
		c = '/'
	case bytes.EqualFold(name, []byte("plus")):
		c = '+'
	}
	return c, semi + 1, escHTML
}

// charOf is the base64 character whose code the digits are, 0 for any other.
func charOf(digits []byte, base int) byte {
	n := 0
	for _, b := range digits {
		d := digit(b)
		if d >= base {
			return 0
		}
		n = min(n*base+d, 0xff)
	}
	if base64Class[n] {
		return byte(n)
	}
	return 0
}

// escaped is the base64 character with the two hexadecimal digits as its code,
// 0 for any other.
func escaped(hi, lo byte) byte { return charOf([]byte{hi, lo}, 16) }

// digit is the value of a hexadecimal digit; anything else is over all bases.
func digit(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return int(b - '0')
	case 'a' <= b|0x20 && b|0x20 <= 'f':
		return int(b|0x20-'a') + 10
	}
	return 99
}

func letterEscape(b byte) bool {
	switch b {
	case 'n', 't', 'r', 'b', 'f', 'v', '0', 'a', 'e':
		return true
	}
	return false
}

func isHex(data []byte, at, n int) bool {
	if at+n > len(data) {
		return false
	}
	for _, b := range data[at : at+n] {
		if !hexClass[b] {
			return false
		}
	}
	return true
}
