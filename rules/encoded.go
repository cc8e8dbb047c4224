package rules

import (
	"bytes"
	"encoding/base64"
	"slices"
)

const (
	// maxBlock bounds the characters of base64 that are undone around an anchor.
	maxBlock = 1 << 20
	// minLine is the shortest line that base64 is wrapped at by anything in use.
	minLine = 40
	// minStable is how many characters of an encoded prefix do not depend on
	// what stands around it: four at the worst alignment.
	minStable = 4
	maxStable = 5
)

// mark is what a key ID's prefix becomes in base64 at one of the three places
// in a group where it can begin. text starts lead characters into its group.
type mark struct {
	text string
	lead int
}

// marks are the prefixes at the three alignments, by their first character, and
// markPairs says for glance which characters begin them.
var marks, markPairs = buildMarks()

func buildMarks() (byFirst [256][]mark, pairs [256]uint16) {
	for _, prefix := range []string{"AKIA", "ASIA", "ABIA", "ACCA"} {
		for align := range 3 {
			text, lead := stable(prefix, align)
			byFirst[text[0]] = append(byFirst[text[0]], mark{text, lead})
			pairs[text[0]] |= 1 << align << firstShift
			pairs[text[1]] |= 1 << align
		}
	}
	for b := range pairs {
		if runClass[b] && !base64Class[b] {
			pairs[b] |= anyPair
		}
	}
	return byFirst, pairs
}

const (
	// In markPairs a character has a bit for each alignment at which it is a
	// mark's second, and those of which it is the first this much higher.
	firstShift = 8
	// anyPair is the bit of characters that are part of an escape.
	anyPair = 1 << 7
)

// glance tells whether text, a run of the class of segments, holds the first
// two characters of a mark, or any part of an escape.
func glance(text []byte) bool {
	first := uint16(anyPair)
	for _, b := range text {
		pair := markPairs[b]
		if pair&first != 0 {
			return true
		}
		first = pair>>firstShift | anyPair
	}
	return false
}

// stable is what the characters of the prefix alone decide, whatever stands
// before it and whichever letters and digits of base32 follow.
func stable(prefix string, align int) (text string, lead int) {
	first := base64.StdEncoding.EncodeToString([]byte("\x00\x00"[:align] + prefix + "AAA"))
	same := make([]bool, len(first))
	for i := range same {
		same[i] = true
	}
	for _, around := range [...]string{"\xff\xffZZZ", "\xff\xff222", "\x00\x00777"} {
		other := base64.StdEncoding.EncodeToString([]byte(around[:align] + prefix + around[2:]))
		for i := range same {
			same[i] = same[i] && i < len(other) && first[i] == other[i]
		}
	}
	lead = slices.Index(same, true)
	end := lead
	for end < len(same) && same[end] {
		end++
	}
	return first[lead:end], lead
}

// scanEncoded looks for encoded key IDs in a segment. Where one begins, the
// whole block of base64 is undone and searched as a buffer of its own.
func (f *finder) scanEncoded(seg segment) {
	data := f.data[:seg.end]
	for at := max(seg.start, f.decodedTo); at+minStable <= len(data); at++ {
		if markPairs[data[at]]>>firstShift == 0 {
			continue
		}
		for _, m := range marks[data[at]] {
			if !bytes.HasPrefix(data[at:], []byte(m.text)) {
				continue
			}
			f.mark = true
			f.undo(seg, at, m)
			if at < f.decodedTo {
				return // the block took in the rest of the segment
			}
			break
		}
	}
	f.scanSeam(seg)
}

// scanSeam looks for a mark that a line break cuts in two. In lines of 76 that
// is the case for one encoded ID in nineteen.
func (f *finder) scanSeam(seg segment) {
	if seg.n < minLine {
		return
	}
	next, ok := breakAfter(f.data, seg.end)
	if !ok {
		return
	}
	var room [2 * maxStable]byte
	cut := max(seg.start, seg.end-maxStable+1)
	seam := append(room[:0], f.data[cut:seg.end]...)
	left := len(seam)
	seam = append(seam, f.data[next:min(len(f.data), next+maxStable-1)]...)
	for i := range left {
		for _, m := range marks[seam[i]] {
			if bytes.HasPrefix(seam[i:], []byte(m.text)) && cut+i >= f.decodedTo {
				f.mark = true
				f.undo(seg, cut+i, m)
			}
		}
	}
}

// undo decodes the block around the mark at data[at:] and takes over what is
// found inside. A block that yields nothing is left alone, and the search goes
// on behind the mark. A block is decoded at most once for each of the four
// places where its groups can begin, so hostile marks cost linear time.
func (f *finder) undo(seg segment, at int, m mark) {
	if at >= f.block.end {
		f.block = f.newBlock(seg, at)
	}
	b := &f.block
	// The mark fixes where groups of four begin, whatever stands in front.
	group := b.charAt(at) - m.lead
	if group < 0 || b.tried[group%4] {
		return
	}
	b.tried[group%4] = true
	b.phase = group % 4
	chars := b.chars[b.phase:]
	plain := make([]byte, base64.RawStdEncoding.DecodedLen(len(chars)))
	n, err := base64.RawStdEncoding.Decode(plain, chars)
	if err != nil {
		// Only a last, incomplete group can be wrong; what precedes it stands.
		n, _ = base64.RawStdEncoding.Decode(plain, chars[:len(chars)/4*4])
	}
	inner := f.set.find(nil, plain[:n], f.depth-1)
	if len(inner) == 0 {
		return
	}
	f.decodedTo = b.end
	for i := range inner {
		f.adopt(&inner[i], b)
	}
}

// adopt takes over a match of a decoded block with places in the buffer.
func (f *finder) adopt(m *Match, b *block) {
	m.Encoding = "base64"
	m.Start, m.End = b.bounds(m.Start, m.End)
	if m.TokenEnd > 0 {
		m.TokenStart, m.TokenEnd = b.bounds(m.TokenStart, m.TokenEnd)
	}
	for j := range m.Secrets {
		c := &m.Secrets[j]
		c.Start, c.End = b.bounds(c.Start, c.End)
		c.Encoding = "base64"
	}
	alone := m.Key.ID != "" && len(m.Secrets) == 0 && m.Key.Token.IsZero()
	if !alone {
		f.ready = append(f.ready, *m)
		return
	}
	// Its secret may be another encoded value of the buffer.
	f.encoded = append(f.encoded, idHit{start: m.Start, end: m.End, text: m.Key.ID, enc: m.Encoding})
}

// encodedSecret keeps a segment that is exactly one secret key in base64, as
// the values of a Kubernetes secret are.
func (f *finder) encodedSecret(seg segment) {
	var room [2 * secretLen]byte
	chars := appendText(f.buf[:0], f.data, seg.start, seg.end)
	f.buf = chars[:0]
	n, err := base64.RawStdEncoding.Decode(room[:], chars)
	if err != nil {
		return
	}
	text := bytes.TrimRight(room[:n], "\r\n")
	if len(text) != secretLen {
		return
	}
	for _, b := range text {
		if !base64Class[b] {
			return
		}
	}
	sp := f.set.secret.spec
	h, ok := sp.randomText(text)
	if !ok {
		return
	}
	hit := secretHit{start: seg.start, end: seg.end, enc: "base64", entropy: h, label: sp.labelOf(f.data, seg.start, seg.end)}
	copy(hit.text[:], text)
	f.secrets = append(f.secrets, hit)
}

// block is base64 with the line breaks taken out.
type block struct {
	data  []byte // the buffer
	chars []byte
	pos   []int // where each character stands in the buffer
	end   int   // behind the last one
	tried [4]bool
	phase int // the character where the first whole group begins
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

// bounds gives the place in the buffer of bytes [start, end) of the decoded
// text: from the character that holds the first bits to the one with the last.
func (b *block) bounds(start, end int) (int, int) {
	first := b.phase + start/3*4 + start%3
	last := min(b.phase+(end-1)/3*4+(end-1)%3+1, len(b.pos)-1)
	_, w, _ := unit(b.data, b.pos[last])
	return b.pos[first], b.pos[last] + w
}

// newBlock collects the lines around the mark at data[at:], which stands in
// seg: those of full width before it, and those behind it up to the first
// shorter one. Of a block that is too long it takes the part with the mark.
func (f *finder) newBlock(seg segment, at int) block {
	const back = maxBlock / 2
	start, width := seg.start, seg.end-seg.start
	floor := max(f.block.end, at-back)
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
