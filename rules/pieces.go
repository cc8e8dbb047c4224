package rules

import (
	"bytes"

	"github.com/keyquench/keyquench/rules/internal/anchor"
)

const (
	// maxJoint is the width of the widest joint: a line break and a deep indent.
	maxJoint = 64
	// maxCuts bounds the joints of a buffer that are undone.
	maxCuts = 1 << 20
	// minTail is the length of the shortest rest of a key ID whose prefix is cut
	// in two that is looked for.
	minTail = keyIDLen - prefixLen
	// beforeTail is what is looked at before it: three characters of the prefix
	// and as many joints.
	beforeTail = 3 * (maxJoint + 1)
)

// The ways in which a string is written in pieces.
const (
	concatenated = "concatenated"     // "…" + "…"
	continued    = "continued line"   // \ at the end of the line
	softBreak    = "quoted-printable" // = at the end of the line
)

// pieces is the buffer with the joints inside strings taken out.
type pieces struct {
	text []byte
	cuts []cut
}

// cut is a place of the text where something of the buffer is missing.
type cut struct {
	at   int // in the text
	left int // bytes left out so far, those here included
	how  string
}

// scanPiece looks at a place that may be the prefix of a key ID which is followed
// not by the rest but by a joint.
func (f *finder) scanPiece(at int) {
	d := f.data[at:]
	if f.inPieces || len(d) < prefixLen || !f.set.isPrefix([prefixLen]byte(d)) {
		return
	}
	end := prefixLen
	for end < len(d) && end < keyIDLen && upperDigit[d[end]] {
		end++
	}
	if end < keyIDLen && jointAt(d, end).width > 0 {
		f.mark, f.inPieces = true, true
	}
}

// scanTail looks at a run of upper-case letters and digits that is too short for
// a key ID, and may be its end behind a joint.
func (f *finder) scanTail(start, end int) {
	if f.inPieces || start == 0 || !mayEndJoint[f.data[start-1]] {
		return
	}
	for _, b := range f.data[start:end] {
		if base32Value(b) < 0 {
			return
		}
	}
	text := joined(f.data[max(0, start-beforeTail):end]).text
	if id := len(text) - keyIDLen; id >= 0 && f.set.isPrefix([prefixLen]byte(text[id:])) {
		f.mark, f.inPieces = true, true
	}
}

// mayEndJoint are the bytes that a joint can end with.
var mayEndJoint = anchor.NewClass("\"'` \t\n")

// join looks for keys that stand in pieces, once.
func (f *finder) join() {
	if f.joined || f.set.keyID == nil {
		return
	}
	f.joined = true
	p := joined(f.data)
	if len(p.cuts) == 0 {
		return
	}
	g := f.set.finder(p.text, f.depth)
	defer g.release()
	g.joined = true
	g.scan()
	for _, id := range g.ids {
		if how := p.between(&id.start, &id.end); how != "" {
			id.enc = within(how, id.enc)
			f.ids = append(f.ids, id)
		}
	}
	for _, h := range g.secrets {
		if how := p.between(&h.start, &h.end); how != "" {
			h.enc = within(how, h.enc)
			f.secrets = append(f.secrets, h)
		}
	}
	for _, t := range g.tokens {
		if how := p.between(&t.start, &t.end); how != "" {
			t.enc = within(how, t.enc)
			f.tokens = append(f.tokens, t)
		}
	}
}

// between turns a place of the text into one of the buffer, and tells how what
// stands there is joined; "" where it is in one piece.
func (p *pieces) between(start, end *int) (how string) {
	first, last := p.cutsUpTo(*start), p.cutsUpTo(*end-1)
	if first != last {
		how = p.cuts[first].how
	}
	if first > 0 {
		*start += p.cuts[first-1].left
	}
	if last > 0 {
		*end += p.cuts[last-1].left
	}
	return how
}

// cutsUpTo counts the cuts at or before text[at].
func (p *pieces) cutsUpTo(at int) int {
	lo, hi := 0, len(p.cuts)
	for lo < hi {
		if mid := (lo + hi) / 2; p.cuts[mid].at <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// joined takes the joints out of data that stand between characters of values.
func joined(data []byte) *pieces {
	p, from, left := &pieces{}, 0, 0
	for i := 1; i < len(data) && len(p.cuts) < maxCuts; i++ {
		if !beginsJoint[data[i]] || !base64Class[data[i-1]] {
			continue
		}
		j := jointAt(data, i)
		if next := i + j.width; j.width > 0 && next < len(data) && base64Class[data[next]] {
			p.text = append(p.text, data[from:i]...)
			left += j.width
			p.cuts = append(p.cuts, cut{len(p.text), left, j.how})
			from = next
			i = next - 1
		}
	}
	if from > 0 {
		p.text = append(p.text, data[from:]...)
	}
	return p
}

var beginsJoint = anchor.NewClass("\"'`\\=")

// joint is what stands between two pieces of a string.
type joint struct {
	width int // 0: there is none
	how   string
}

// jointAt reads the joint that begins at data[at], if one does.
func jointAt(data []byte, at int) joint {
	d := data[at:min(len(data), at+maxJoint)]
	if len(d) == 0 {
		return joint{}
	}
	switch d[0] {
	case '=':
		return joint{lineEnd(d, 1), softBreak}
	case '\\':
		if n := lineEnd(d, 1); n > 0 {
			return joint{blanks(d, n, " \t"), continued}
		}
	}
	if n := quote(d, 0); n > 0 {
		return joint{concatenation(d, n), concatenated}
	}
	return joint{}
}

// lineEnd is where the line break at d[i:] ends, 0 when there is none.
func lineEnd(d []byte, i int) int {
	switch {
	case bytes.HasPrefix(d[i:], []byte("\n")):
		return i + 1
	case bytes.HasPrefix(d[i:], []byte("\r\n")):
		return i + 2
	}
	return 0
}

// quote is where the quotation mark at d[i:] ends, which may be escaped, 0 when
// there is none.
func quote(d []byte, i int) int {
	for i < len(d) && d[i] == '\\' {
		i++
	}
	if i < len(d) && (d[i] == '"' || d[i] == '\'' || d[i] == '`') {
		return i + 1
	}
	return 0
}

// blanks is where the bytes of set at d[i:] end.
func blanks(d []byte, i int, set string) int {
	for i < len(d) && bytes.IndexByte([]byte(set), d[i]) >= 0 {
		i++
	}
	return i
}

// operators join strings in the languages in use; in some nothing needs to.
var operators = []string{"+", "||", "..", ".concat(", ".", "&", "<>", "~", "^"}

// concatenation reads what follows the quotation mark that ends before d[i]: an
// operator, and the mark that the next string begins with. It returns where that
// ends, or 0.
func concatenation(d []byte, i int) int {
	const space = " \t\r\n"
	i = blanks(d, i, space)
	for _, op := range operators {
		if bytes.HasPrefix(d[i:], []byte(op)) {
			i = blanks(d, i+len(op), space)
			break
		}
	}
	// Some have letters before their strings: b"…", rb'…', L"…".
	const letters = "bBfFlLrRuU@$"
	if n := blanks(d, i, letters); n-i <= 2 {
		i = n
	}
	return quote(d, i)
}
