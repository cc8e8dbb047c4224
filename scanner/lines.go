package scanner

import "bytes"

// lineBlock is how many bytes lie between two places whose line is kept.
const lineBlock = 4 << 10

// lineIndex finds the lines of offsets, in any order, without going back to the
// beginning for each: a file may hold nothing but keys.
type lineIndex struct {
	data   []byte
	window *window // that data is of
	marks  []lineMark
}

// lineMark tells of the place where a block begins how many line ends precede
// it, and where the line that it is in begins.
type lineMark struct{ newlines, start int }

// position counts from the beginning of the run that the data is of.
func (l *lineIndex) position(offset int) Position {
	offset = min(offset, len(l.data))
	k := offset / lineBlock
	for len(l.marks) <= k {
		last := len(l.marks) - 1
		l.marks = append(l.marks, l.marks[last].after(l.data, last*lineBlock, (last+1)*lineBlock))
	}
	m := l.marks[k].after(l.data, k*lineBlock, offset)
	return Position{Line: m.newlines + 1, Column: offset - m.start + 1, Offset: l.window.offset(offset)}
}

// after is the mark of to, m being that of from.
func (m lineMark) after(data []byte, from, to int) lineMark {
	part := data[from:to]
	if last := bytes.LastIndexByte(part, '\n'); last >= 0 {
		return lineMark{m.newlines + bytes.Count(part, []byte{'\n'}), from + last + 1}
	}
	return m
}
