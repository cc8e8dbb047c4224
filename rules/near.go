package rules

// markReach is how far apart two bytes can stand and still decide together whether
// one place of a buffer is a mark. The widest decision is that on a CodeCommit
// password: its user name ends gitWindow before or behind it (600), the password
// is at most maxGit wide (300), a name has 64. Labels and words near a secret key
// need 2 × 256 and the key maxValue (400). What is written in pieces has a mark
// that is smaller: a piece and what joins it. Where a segment of base64 characters
// begins is settled by the 24 bytes before it. Rules that look at more, as those
// of long tokens do, have a mark that is smaller: how the value begins.
const markReach = 1024

// Span is a half-open range of bytes of a buffer.
type Span struct{ Start, End int }

// Look is Find, and tells whether the buffer is clean. One that is clean has no
// match, and more: nothing in it is the mark of one, a place that each match has
// and that at most markReach bytes decide on. A match may take all of a buffer to
// decide; whether a buffer is clean can be followed through its changes, see
// CleanNear.
func (s *Set) Look(dst []Match, data []byte) (matches []Match, clean bool) {
	f := s.finder(data, maxDepth)
	defer f.release()
	f.scan()
	clean = !f.marked()
	first := len(dst)
	if !clean && f.found() {
		dst = f.appendMatches(dst)
	}
	if s.custom != nil {
		var marked bool
		dst, marked = s.custom.find(dst, first, data)
		clean = clean && !marked
	}
	return dst, clean
}

// CleanNear tells whether data is clean, when all of it but changed was copied
// from a clean buffer: what lies between two spans stood there in one piece, an
// empty span is a place where two pieces now touch, and where the buffer begins
// or ends in the middle of a piece, that is a span too. The spans come in order.
//
// A mark either lies within one piece, and then it was in the clean buffer too,
// or it has a byte of a span, or one on either side of it, among the markReach bytes
// that decide on it. So no more than markReach bytes around each span are looked at.
func (s *Set) CleanNear(data []byte, changed []Span) bool {
	f := s.finder(nil, maxDepth)
	defer f.release()
	for i := 0; i < len(changed); {
		lo, hi := changed[i].Start-markReach, changed[i].End+markReach
		for i++; i < len(changed) && changed[i].Start-markReach <= hi; i++ {
			hi = changed[i].End + markReach
		}
		f.reset(data[max(lo, 0):min(hi, len(data))])
		f.scan()
		if f.marked() || s.custom != nil && s.custom.engine.Marked(f.data) {
			return false
		}
	}
	return true
}

// marked tells whether scan met a mark. A secret without a label is none: it
// takes a key ID to make it a match, and the ID is one.
func (f *finder) marked() bool {
	if f.mark || len(f.ids)+len(f.tokens)+len(f.smtp)+len(f.ready) > 0 {
		return true
	}
	for i := range f.secrets {
		if f.secrets[i].label.strength >= strongLabel {
			return true
		}
	}
	return false
}

// wide tells whether more than markReach bytes can decide on a value of the rule.
// Then the literal it begins with is its mark.
func (r *Rule) wide() bool { return r.Span+2*nearWindow > markReach }
