package rules

import (
	"bytes"
	"slices"
	"strings"
)

// scanID keeps the access key ID that data[start:end], a run of upper-case
// letters and digits, ends in, if it does: nothing of [A-Z0-9] may follow it.
// What stands before it must be the rest of an escape, as in %3DAKIA….
func (f *finder) scanID(start, end int) {
	sp := f.set.keyID.spec
	id := end - keyIDLen
	text := f.data[id:end]
	if !f.set.isPrefix([prefixLen]byte(text)) || !escapeBefore(f.data, start, id) {
		return
	}
	if sp.placeholderTail(text[4:]) {
		return
	}
	hit := idHit{start: id, end: end, text: string(text)}
	if !ValidKeyID(hit.text) {
		hit.legacy = legacyTail(text[4:])
		if !hit.legacy || sp.labelOf(f.data, id, end).strength < strongLabel {
			return
		}
	}
	f.ids = append(f.ids, hit)
}

// isPrefix tells whether key IDs begin with the four letters.
func (s *Set) isPrefix(p [prefixLen]byte) bool {
	return p[0] == 'A' && slices.Contains(s.keyID.spec.Prefixes, string(p[:]))
}

// legacyTail tells whether tail can belong to an ID of the first years: no
// account in it, and digits that base32 does not have. An ID that is base32
// throughout and still invalid names an account that cannot be.
func legacyTail(tail []byte) bool {
	if tail[0] < 'A' || tail[0] > 'P' {
		return false
	}
	for _, b := range tail {
		if base32Value(b) < 0 {
			return upperDigit[b]
		}
	}
	return false
}

// escapeBefore tells whether data[start:id], the upper-case letters and digits
// before an ID, are none, or the last of an escape: %3D, =3D, \x3D, \u003D.
func escapeBefore(data []byte, start, id int) bool {
	switch id - start {
	case 0:
		return true
	case 2:
		if !isHex(data, start, 2) || start == 0 {
			return false
		}
		switch data[start-1] {
		case '%':
			return true
		case '=':
			return data[start] == '3' && data[start+1] == 'D'
		case 'x':
			return start > 1 && data[start-2] == '\\'
		}
	case 4:
		if !isHex(data, start, 4) || start == 0 {
			return false
		}
		// %253D is a percent sign encoded again.
		twice := data[start-1] == '%' && data[start] == '2' && data[start+1] == '5'
		return twice || data[start-1] == 'u' && start > 1 && data[start-2] == '\\'
	}
	return false
}

// escapedIDs keeps the key IDs of a segment that are written with escapes, all
// of it or some: what stands there as it is, scanID has seen.
func (f *finder) escapedIDs(seg segment) {
	if f.set.keyID == nil {
		return
	}
	sp := f.set.keyID.spec
	text := appendText(f.buf[:0], f.data, seg.start, seg.end)
	f.buf = text[:0]
	for n, at := 0, seg.start; n < len(text); {
		end := n
		for end < len(text) && !isSymbol(text[end]) {
			end++
		}
		start := at
		at = f.skip(at, min(end+1, len(text))-n)
		if part := text[n:end]; len(part) == keyIDLen && f.set.isPrefix([prefixLen]byte(part)) &&
			ValidKeyID(string(part)) && !sp.placeholderTail(part[4:]) {
			if stop := f.skip(start, keyIDLen); stop-start > keyIDLen {
				f.encoded = append(f.encoded, idHit{start: start, end: stop, text: string(part), enc: seg.esc.name()})
			}
		}
		n = end + 1
	}
}

// signed tells whether the key ID data[start:end] is that of a signed request: a
// day follows it, as in the scope of a signature of version 4, or a parameter of
// version 2 goes before it.
func signed(data []byte, start, end int) bool {
	rest := data[end:min(len(data), end+24)]
	for _, slash := range [...]string{"/", "%2F", "%2f", "%252F", `\/`, `\u002f`} {
		if day, ok := bytes.CutPrefix(rest, []byte(slash)); ok {
			return len(day) > 8 && strings.Trim(string(day[:8]), "0123456789") == "" && !alnumClass[day[8]]
		}
	}
	before := bytes.ToLower(data[max(0, start-40):start])
	for _, equals := range [...]string{"=", "%3d", `\u003d`} {
		name, ok := bytes.CutSuffix(before, []byte(equals))
		name, ok2 := bytes.CutSuffix(name, []byte("awsaccesskeyid"))
		if !ok || !ok2 {
			continue
		}
		for _, and := range [...]string{"?", "&", "&amp;", "%26", `\u0026`} {
			if bytes.HasSuffix(name, []byte(and)) {
				return true
			}
		}
	}
	return false
}
