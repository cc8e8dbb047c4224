package rules

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
)

const (
	// maxBlock bounds the characters that are undone around a mark.
	maxBlock = 1 << 20
	// minLine is the shortest line that base64 is wrapped at by anything in use.
	minLine = 40
)

// view is what the buffer, or a part of it, comes to when one form of writing is
// undone.
type view interface {
	// bounds gives the place in the buffer of bytes [start, end) of the view.
	bounds(start, end int) (int, int)
}

// scanEncoded looks for encoded key IDs in a segment. Where one begins, the
// whole block around it is undone and searched as a buffer of its own.
func (f *finder) scanEncoded(seg segment) {
	data := f.data[:seg.end]
	for at := max(seg.start, f.decodedTo); at+minStable <= len(data); at++ {
		if markPairs[data[at]]>>firstShift&markPairs[data[at+1]] == 0 {
			continue
		}
		if m, ok := markAt(data[at:]); ok && f.textBehind(at, m) {
			f.mark = true
			f.undo(seg, at, m)
			at = max(at, f.decodedTo-1)
		}
	}
	f.scanSeam(seg)
}

// textBehind tells whether what begins with the mark at data[at:] decodes to text
// for as long as a key ID is, or as far as it goes: the marks are so many and so
// short that a megabyte of anything in base64 has some.
func (f *finder) textBehind(at int, m mark) bool {
	const groups = 6 // of base64: 18 characters of text
	if m.lead == inHex {
		return true // which is longer
	}
	var room [4 * groups]byte
	chars := room[:m.lead]
	for i := range chars {
		chars[i] = 'A' // whatever stood before the mark
	}
	for len(chars) < len(room) && at < len(f.data) {
		c, w, _ := unit(f.data, at)
		if c == 0 {
			if c = urlSafe[f.data[at]]; c == 0 {
				next, ok := breakAfter(f.data, at)
				if !ok {
					break
				}
				at = next
				continue
			}
		}
		chars = append(chars, c)
		at += w
	}
	var plain [3 * groups]byte
	n, _ := base64.RawStdEncoding.Decode(plain[:], chars)
	for _, b := range plain[min(m.lead, n):n] {
		if b != 0 && b != '\t' && b != '\n' && b != '\r' && (b < ' ' || b > '~') {
			return false
		}
	}
	return true
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
	var room [2 * maxMark]byte
	cut := max(seg.start, seg.end-maxMark+1)
	seam := append(room[:0], f.data[cut:seg.end]...)
	left := len(seam)
	seam = append(seam, f.data[next:min(len(f.data), next+maxMark-1)]...)
	for i := range left {
		if m, ok := markAt(seam[i:]); ok && cut+i >= f.decodedTo && len(m.text) > left-i && f.textBehind(cut+i, m) {
			f.mark = true
			f.undo(seg, cut+i, m)
		}
	}
}

// undo decodes the block around the mark at data[at:] and takes over what is
// found inside. A block that yields nothing is left alone, and the search goes
// on behind the mark.
func (f *finder) undo(seg segment, at int, m mark) {
	if at >= f.block.end {
		f.block = f.newBlock(seg, at)
	}
	if first := f.block.charAt(at); first < 0 {
		return
	} else if m.lead == inHex {
		f.undoHex(&f.block, first)
	} else {
		f.undoBase64(&f.block, first-m.lead)
	}
}

// undoBase64 decodes a block of which the mark says at which character a group
// of four begins, whatever stands in front. That happens at most once for each
// of the four places where groups can begin, so hostile marks cost linear time.
func (f *finder) undoBase64(b *block, group int) {
	if group < 0 || b.tried[group%4] {
		return
	}
	b.tried[group%4] = true
	chars := b.chars[group%4:]
	plain := make([]byte, base64.RawStdEncoding.DecodedLen(len(chars)))
	n, err := base64.RawStdEncoding.Decode(plain, chars)
	if err != nil {
		// Only a last, incomplete group can be wrong; what precedes it stands.
		n, _ = base64.RawStdEncoding.Decode(plain, chars[:len(chars)/4*4])
	}
	if f.adoptAll(plain[:n], "base64", base64View{b, group % 4}) {
		f.decodedTo = b.end
	}
}

// undoHex decodes the hexadecimal digits around the character first, at which a
// pair of them begins; once for each of the two places where pairs can begin.
func (f *finder) undoHex(b *block, first int) {
	if first < b.hexTo[first%2] {
		return
	}
	lo, hi := first, first
	for lo-2 >= b.hexTo[first%2] && hexClass[b.chars[lo-1]] && hexClass[b.chars[lo-2]] {
		lo -= 2
	}
	for hi+2 <= len(b.chars) && hexClass[b.chars[hi]] && hexClass[b.chars[hi+1]] {
		hi += 2
	}
	b.hexTo[first%2] = hi
	plain := make([]byte, hex.DecodedLen(hi-lo))
	n, _ := hex.Decode(plain, b.chars[lo:hi])
	if f.adoptAll(plain[:n], "hex", hexView{b, lo}) {
		f.decodedTo = max(f.decodedTo, b.pos[hi-1]+1)
	}
}

// adoptAll searches a view and takes over what is found. It tells whether
// anything was.
func (f *finder) adoptAll(text []byte, enc string, v view) bool {
	inner := f.set.find(nil, text, f.depth-1)
	for i := range inner {
		f.adopt(&inner[i], enc, v)
	}
	return len(inner) > 0
}

// adopt takes over a match in a view with places in the buffer.
func (f *finder) adopt(m *Match, enc string, v view) {
	m.Encoding = within(enc, m.Encoding)
	m.Start, m.End = v.bounds(m.Start, m.End)
	if m.TokenEnd > 0 {
		m.TokenStart, m.TokenEnd = v.bounds(m.TokenStart, m.TokenEnd)
	}
	for j := range m.Secrets {
		c := &m.Secrets[j]
		c.Start, c.End = v.bounds(c.Start, c.End)
		c.Encoding = within(enc, c.Encoding)
	}
	alone := m.Key.ID != "" && len(m.Secrets) == 0 && m.Key.Token.IsZero()
	if !alone {
		f.ready = append(f.ready, *m)
		return
	}
	// Its secret may be another encoded value of the buffer.
	f.encoded = append(f.encoded, idHit{start: m.Start, end: m.End, text: m.Key.ID, enc: m.Encoding})
}

// within names an encoding in another, once where they are the same.
func within(outer, inner string) string {
	if inner == "" || inner == outer {
		return outer
	}
	return outer + ", " + inner
}

// encodedSecret keeps a segment that is exactly one secret key in base64, as
// the values of a Kubernetes secret are, or in hexadecimal.
func (f *finder) encodedSecret(seg segment, enc string) {
	var room [2 * secretLen]byte
	chars := appendText(f.buf[:0], f.data, seg.start, seg.end)
	f.buf = chars[:0]
	decode := base64.RawStdEncoding.Decode
	if enc == "hex" {
		decode = hex.Decode
	}
	n, err := decode(room[:], chars)
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
	hit := secretHit{start: seg.start, end: seg.end, enc: enc, entropy: h, label: sp.labelOf(f.data, seg.start, seg.end)}
	copy(hit.text[:], text)
	f.secrets = append(f.secrets, hit)
}
