package rules

import (
	"bytes"
	"slices"

	"github.com/keyquench/keyquench/rules/internal/anchor"
)

const (
	// minRun is the shortest run that matters: what follows da2- has 26
	// characters, a key ID in base64 27. Everything else is longer.
	minRun = 26
	// maxDepth is how many times base64 is undone inside base64.
	maxDepth = 2
	// minToken is the length from which a run may be a session token.
	minToken = 100
	// maxToken is several times the longest session token seen.
	maxToken = 16 << 10
	// maxValue is the width of the widest value but a token, escapes included.
	maxValue = 400
	// maxKept bounds the entries a finder keeps between two buffers, so that one
	// odd buffer does not hold its memory for ever.
	maxKept = 1 << 12
)

// idHit is a key ID found; enc is how it was written.
type idHit struct {
	start, end int
	text       string
	enc        string
	// legacy is an ID with characters that keys made today do not have: it counts
	// only with a label of its own and a labelled secret.
	legacy bool
}

// secretHit is what may be a secret key. The text is kept apart from the
// buffer because escapes may stand inside it there.
type secretHit struct {
	start, end int
	text       [secretLen]byte
	enc        string
	entropy    float64
	label      label
}

// tokenHit is a session token.
type tokenHit struct {
	start, end int
	text       string
	enc        string
	entropy    float64
	paired     bool
}

// finder is the scratch memory of one Find. It serves one buffer at a time.
type finder struct {
	set   *Set
	data  []byte
	depth int

	runs      anchor.Cursor
	ids       []idHit
	encoded   []idHit // those that stand in base64, until the scan ends
	secrets   []secretHit
	tokens    []tokenHit
	smtp      []Match // waits for its context, which may be an ID found later
	ready     []Match // needs nothing more
	buf       []byte
	block     block         // the last block of base64 that a mark was seen in
	decodedTo int           // the end of the last block in which something was found
	mark      bool          // the mark of a value that much of the buffer decides on
	wideTo    [unitWide]int // how far UTF-16 was undone, by where characters begin
	inPieces  bool          // a key ID seems to stand in pieces
	joined    bool          // and they were put together
	// segment is scanSegment bound once, so that a scan allocates no closure.
	segment func(segment) bool
}

func (s *Set) finder(data []byte, depth int) *finder {
	f, _ := s.finders.Get().(*finder)
	if f == nil {
		f = &finder{set: s}
		f.segment = f.scanSegment
	}
	f.depth = depth
	f.reset(data)
	return f
}

// reset makes the finder look at data, with what it found so far kept.
func (f *finder) reset(data []byte) {
	f.data, f.decodedTo, f.block, f.mark = data, 0, block{}, false
	f.wideTo, f.inPieces, f.joined = [unitWide]int{}, false, false
}

// release hands the memory back, without anything of the buffer in it.
func (f *finder) release() {
	f.reset(nil)
	f.runs.Start(anchors, nil)
	f.ids = emptied(f.ids)
	f.encoded = emptied(f.encoded)
	f.secrets = emptied(f.secrets)
	f.tokens = emptied(f.tokens)
	f.smtp = emptied(f.smtp)
	f.ready = emptied(f.ready)
	f.buf = emptied(f.buf[:cap(f.buf)])
	f.set.finders.Put(f)
}

func emptied[T any](s []T) []T {
	if cap(s) > maxKept {
		return nil
	}
	clear(s)
	return s[:0]
}

func (f *finder) found() bool {
	return len(f.ids)+len(f.secrets)+len(f.tokens)+len(f.smtp)+len(f.ready) > 0
}

// scanLong looks at a run of base64 characters and of what escapes of them are
// written with. Most have 26 to 38 bytes, in which only an encoded key ID or a
// rule's literal could be; those of which a glance shows that there is no ID
// are one segment each and need not be read as such.
func (f *finder) scanLong(start, end int) {
	if end-start < secretLen-1 && !glance(f.data[start:end]) {
		f.runLiterals(start)
		return
	}
	segments(f.data, start, end, f.segment)
}

// scanSegment sorts one stretch of base64 characters by its length.
func (f *finder) scanSegment(seg segment) bool {
	const ( // 40 characters in base64, alone or with a line break or two behind
		minEncoded, maxEncoded = 54, 58
	)
	f.runLiterals(seg.start)
	if seg.n >= minRun && seg.end > f.decodedTo && f.depth > 0 {
		f.scanEncoded(seg)
	}
	n := seg.n
	if seg.esc != 0 && n >= keyIDLen {
		f.escapedIDs(seg)
	}
	if seg.end-seg.start > maxValue && n < minToken {
		return true
	}
	if f.set.secret != nil {
		switch {
		case n >= secretLen-1 && n <= secretLen+2 || n == secretLen+1+keyIDLen:
			f.scanSecret(seg)
		case n >= minEncoded && n <= maxEncoded && f.depth > 0:
			f.encodedSecret(seg, "base64")
		case (n == 2*secretLen || n == 2*secretLen+2) && f.depth > 0:
			f.encodedSecret(seg, "hex")
		}
	}
	switch {
	case n == 43 && f.set.git != nil:
		f.gitPassword(seg)
	case n == smtpLen && f.set.smtp != nil:
		f.smtpPassword(seg)
	case n >= minToken && f.set.token != nil:
		f.sessionToken(seg)
	}
	return true
}

// runLiterals tries the rules whose literal begins the segment that starts at
// start, or ends right before it.
func (f *finder) runLiterals(start int) {
	if !f.set.runFirst[f.data[start]] && (start == 0 || !f.set.runLast[f.data[start-1]]) {
		return
	}
	for _, rule := range f.set.inRun {
		for _, lit := range rule.text.literals {
			switch {
			case bytes.HasPrefix(f.data[start:], lit.Text()):
				f.mark = f.mark || rule.wide()
				f.textMatch(rule, start)
			case bytes.HasSuffix(f.data[:start], lit.Text()):
				f.mark = f.mark || rule.wide()
				f.textMatch(rule, start-len(lit.Text()))
			}
		}
	}
}

// scanSecret keeps the segment, or the part of it that is left without a key
// ID or a slash joined to it, when it can be a secret key.
func (f *finder) scanSecret(seg segment) {
	start, end := seg.start, seg.end
	if !seg.letter && onlyHex(f.data[start:end]) {
		return // the name of a commit, as every commit has a few of
	}
	joined := false
	text := appendText(f.buf[:0], f.data, start, end)
	switch n := len(text); {
	case n == secretLen:
	case n == secretLen-1 && seg.letter:
		start--
		text = append(text, 0)
		copy(text[1:], text)
		text[0] = f.data[start]
	case n == secretLen+1 && text[0] == '/':
		start, joined = f.skip(start, 1), true
		text = text[1:]
	case n == secretLen+1 && text[secretLen] == '/':
		end, joined = f.skip(start, secretLen), true
		text = text[:secretLen]
	case n == secretLen+2 && (string(text[:2]) == "//" || start > 0 && f.data[start-1] == '=' && string(text[:2]) == "3D"):
		start = f.skip(start, 2) // a comment, or quoted-printable's equals sign
		text = text[2:]
	case n == secretLen+1+keyIDLen && isSymbol(text[keyIDLen]) && ValidKeyID(string(text[:keyIDLen])):
		start = f.skip(start, keyIDLen+1)
		text = text[keyIDLen+1:]
	case n == secretLen+1+keyIDLen && isSymbol(text[secretLen]) && ValidKeyID(string(text[secretLen+1:])):
		end = f.skip(start, secretLen)
		text = text[:secretLen]
	default:
		return
	}
	f.buf = text[:0]
	f.keepSecret(text, start, end, seg.esc.name(), joined)
}

// keepSecret applies the tests of value and neighbours. A joined value, cut
// from a longer stretch, needs a label.
func (f *finder) keepSecret(text []byte, start, end int, enc string, joined bool) {
	sp := f.set.secret.spec
	h, ok := sp.randomText(text)
	if !ok {
		return
	}
	l := sp.labelOf(f.data, start, end)
	if l.strength < weakLabel && (joined || f.partOfMore(start, end)) {
		return
	}
	hit := secretHit{start: start, end: end, enc: enc, entropy: h, label: l}
	copy(hit.text[:], text)
	f.secrets = append(f.secrets, hit)
}

// partOfMore tells whether data[start:end] is a piece of something longer: of
// URL-safe base64, of a padded value, or a line of a block.
func (f *finder) partOfMore(start, end int) bool {
	before, after := f.byteAt(start-1), f.byteAt(end)
	if before == '-' || before == '_' || after == '-' || after == '_' || after == '=' {
		return true
	}
	if before == '.' && alnumClass[f.byteAt(start-2)] || after == '.' && alnumClass[f.byteAt(end+1)] {
		return !f.behindID(start)
	}
	return lineOfBlock(f.data, start, end)
}

// behindID tells whether a key ID and a sign end right before data[start], as in
// the name of a file: ID:secret.txt.
func (f *finder) behindID(start int) bool {
	end := start - 1
	return end >= keyIDLen && f.data[end] > ' ' && !alnumClass[f.data[end]] && ValidKeyID(string(f.data[end-keyIDLen:end]))
}

func (f *finder) byteAt(i int) byte {
	if i < 0 || i >= len(f.data) {
		return 0
	}
	return f.data[i]
}

// skip returns the position n characters after the one at start.
func (f *finder) skip(start, n int) int {
	for ; n > 0; n-- {
		_, w, _ := unit(f.data, start)
		start += w
	}
	return start
}

func isSymbol(b byte) bool { return b == '/' || b == '+' }

// sessionToken keeps a long run that begins as session tokens do, or that a
// label names.
func (f *finder) sessionToken(seg segment) {
	sp := f.set.token.spec
	const longestHead, widestUnit = 64, 6
	head := appendText(f.buf[:0], f.data, seg.start, min(seg.end, seg.start+longestHead*widestUnit))
	f.buf = head[:0]
	known := slices.ContainsFunc(sp.Heads, func(h string) bool { return bytes.HasPrefix(head, []byte(h)) })
	// eyJ begins a JSON web token, which other services call session tokens.
	if !known && (bytes.HasPrefix(head, []byte("eyJ")) || sp.labelOf(f.data, seg.start, seg.end).strength < strongLabel) {
		return
	}
	f.mark = true
	if seg.n > maxToken {
		return
	}
	text := appendText(f.buf[:0], f.data, seg.start, seg.end)
	f.buf = text[:0]
	h := entropy(text)
	if h < 4 || madeUp(text) || sp.stopped(text) {
		return
	}
	end, pads := f.padding(seg.end, 2)
	token := string(text) + "=="[:pads]
	f.tokens = append(f.tokens, tokenHit{start: seg.start, end: end, text: token, enc: seg.esc.name(), entropy: h})
}

// padding reads at most limit equals signs, escaped or not, at data[at:].
func (f *finder) padding(at, limit int) (end, n int) {
	for n < limit {
		w := equalsAt(f.data, at)
		if w == 0 {
			break
		}
		at += w
		n++
	}
	return at, n
}

// equalsAt is the width of the equals sign at data[at], 0 if there is none.
func equalsAt(data []byte, at int) int {
	rest := data[at:min(len(data), at+6)]
	for _, form := range [...]string{"=", "%3D", "%3d", `\u003d`, `\u003D`, "&#61;"} {
		if bytes.HasPrefix(rest, []byte(form)) {
			return len(form)
		}
	}
	return 0
}
