package rules

import "bytes"

// block is base64, or hexadecimal, with the line breaks taken out.
type block struct {
	data  []byte // the buffer
	chars []byte
	pos   []int   // where each character stands in the buffer
	end   int     // behind the last one
	tried [4]bool // where groups of base64 begin
	hexTo [2]int  // up to which character hexadecimal was undone, by where pairs begin
}

// base64View is a block undone from the character phase on.
type base64View struct {
	*block
	phase int
}

// hexView is the digits of a block from the character first on.
type hexView struct {
	*block
	first int
}

// charAt is the index of the character at position at, or -1.
func (b *block) charAt(at int) int {
	lo, hi := 0, len(b.pos)
	for lo < hi {
		if mid := (lo + hi) / 2; b.pos[mid] < at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(b.pos) || b.pos[lo] != at {
		return -1
	}
	return lo
}

// bounds goes from the character that holds the first bits to the one with the
// last.
func (v base64View) bounds(start, end int) (int, int) {
	first := v.phase + start/3*4 + start%3
	last := v.phase + (end-1)/3*4 + (end-1)%3 + 1
	return v.between(first, last)
}

func (v hexView) bounds(start, end int) (int, int) {
	return v.between(v.first+2*start, v.first+2*end-1)
}

// between is where the characters from first to last stand.
func (b *block) between(first, last int) (start, end int) {
	last = min(last, len(b.pos)-1)
	_, w, _ := unit(b.data, b.pos[last])
	return b.pos[first], b.pos[last] + w
}

// newBlock collects the lines around the mark at data[at:], which stands in
// seg: those of full width before it, and those behind it up to the first
// shorter one. Of a block that is too long it takes the part with the mark.
func (f *finder) newBlock(seg segment, at int) block {
	const back = maxBlock / 2
	floor := max(f.block.end, at-back)
	start, width := seg.start, seg.end-seg.start
	url := !bytes.ContainsAny(f.data[max(start, floor):min(seg.end, at+back)], "+/")
	for url && start > floor && f.urlSafeAt(start-1) {
		for start--; start > floor && base64Class[f.data[start-1]]; start-- {
		}
	}
	for start > floor {
		prev, ok := lineBefore(f.data, start, width)
		if !ok || prev < floor {
			break
		}
		start = prev
		width = lineWidth(f.data, start)
	}
	b := block{data: f.data}
	line := 0
	for at = max(start, floor); len(b.chars) < maxBlock && at < len(f.data); {
		c, w, _ := unit(f.data, at)
		if c == 0 && url && f.urlSafeAt(at) {
			c = urlSafe[f.data[at]]
		}
		if c != 0 {
			b.chars = append(b.chars, c)
			b.pos = append(b.pos, at)
			at += w
			line++
			continue
		}
		next, ok := breakAfter(f.data, at)
		if !ok || line < minLine || line%4 != 0 || line < width && at > seg.end {
			break
		}
		width, at, line = line, next, 0
	}
	b.end = at
	return b
}

// urlSafe is what the two characters that only URL-safe base64 has stand for.
var urlSafe = [256]byte{'-': '+', '_': '/'}

// urlSafeAt tells whether data[at] is one of the two characters that only URL-safe
// base64 has, with others of it on both sides.
func (f *finder) urlSafeAt(at int) bool {
	return urlClass[f.byteAt(at-1)] && urlSafe[f.data[at]] != 0 && urlClass[f.byteAt(at+1)]
}

// lineWidth is the length of the stretch of base64 at data[start:].
func lineWidth(data []byte, start int) int {
	end := start
	for end < len(data) && end-start < maxBlock && base64Class[data[end]] {
		end++
	}
	return end - start
}

// lineBefore returns where the line of base64 before data[start] begins, when
// there is one at least as wide as width, or of a width that lines have.
func lineBefore(data []byte, start, width int) (prev int, ok bool) {
	end, ok := breakBefore(data, start)
	if !ok {
		return 0, false
	}
	prev = end
	for prev > 0 && end-prev < maxBlock && base64Class[data[prev-1]] {
		prev--
	}
	n := end - prev
	return prev, n >= minLine && n%4 == 0 && n >= width
}

// breakAfter reads a line break at data[at:], written out or as \n, and the
// indent behind it.
func breakAfter(data []byte, at int) (next int, ok bool) {
	rest := data[at:min(len(data), at+4)]
	for _, form := range [...]string{"\n", "\r\n", `\n`, `\r\n`} {
		if bytes.HasPrefix(rest, []byte(form)) {
			next = at + len(form)
			for next < len(data) && next-at < nearWindow && (data[next] == ' ' || data[next] == '\t') {
				next++
			}
			return next, next < len(data) && base64Class[data[next]]
		}
	}
	return 0, false
}

// breakBefore is breakAfter backwards: it returns where the line before ends.
func breakBefore(data []byte, at int) (end int, ok bool) {
	end = at
	for end > 0 && at-end < nearWindow && (data[end-1] == ' ' || data[end-1] == '\t') {
		end--
	}
	head := data[max(0, end-4):end]
	for _, form := range [...]string{"\r\n", "\n", `\r\n`, `\n`} {
		if bytes.HasSuffix(head, []byte(form)) {
			return end - len(form), true
		}
	}
	return 0, false
}

// lineOfBlock tells whether data[start:end], of the length of a secret, is a
// line of wrapped base64: its neighbour above or below is a longer line of
// nothing else. Lines of equal length may be a list of secrets.
func lineOfBlock(data []byte, start, end int) bool {
	above, begins := breakBefore(data, start)
	if begins {
		prev := above
		for prev > 0 && above-prev < nearWindow && base64Class[data[prev-1]] {
			prev--
		}
		if above-prev > secretLen {
			return true
		}
	}
	below, ends := breakAfter(data, end)
	return ends && (begins || start == 0) && lineWidth(data, below) > secretLen
}
