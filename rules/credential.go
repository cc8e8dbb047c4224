package rules

import (
	"bytes"
	"encoding/base64"
)

const (
	// smtpLen is the length of an SES SMTP password: 33 bytes in base64.
	smtpLen = 44
	// gitWindow is how far from a CodeCommit password its user name may stand.
	gitWindow = 600
	// maxGit is the width of the widest CodeCommit password, escapes included.
	maxGit = 300
	// accountLen is the length of an account number.
	accountLen = 12
	// maxUser is the length of the longest IAM user name.
	maxUser = 64
)

// smtpPassword keeps a segment of 44 characters whose first byte is the
// version, 0x04. Whether it is reported depends on what stands around it.
func (f *finder) smtpPassword(seg segment) {
	sp := f.set.smtp.spec
	text := appendText(f.buf[:0], f.data, seg.start, seg.end)
	f.buf = text[:0]
	// The version byte is the first character's six bits and two of the second's.
	if text[0] != 'B' || text[1] < 'A' || text[1] > 'P' || equalsAt(f.data, seg.end) > 0 {
		return
	}
	h, ok := sp.randomText(text)
	if !ok {
		return
	}
	f.smtp = append(f.smtp, Match{
		Rule: f.set.smtp, Start: seg.start, End: seg.end,
		Key: Key{Secret: NewSecret(string(text))}, Entropy: h, Encoding: seg.esc.name(),
	})
}

// appendSMTP appends the SMTP passwords that have a key ID or a word of mail
// near them. The user name is a key ID: the nearest.
func (f *finder) appendSMTP(dst []Match) []Match {
	for _, m := range f.smtp {
		best := -1
		for i := range f.ids {
			if d := distance(f.ids[i].start, f.ids[i].end, m.Start, m.End); best < 0 || d < distance(f.ids[best].start, f.ids[best].end, m.Start, m.End) {
				best = i
			}
		}
		if best < 0 && !near(f.data, m.Start, m.End, f.set.smtp.spec.Near) {
			continue
		}
		if best >= 0 {
			m.User = f.ids[best].text
			m.Account, _ = Account(m.User)
		}
		dst = append(dst, m)
	}
	return dst
}

// distance is the number of bytes between two ranges, 0 if they touch.
func distance(aStart, aEnd, bStart, bEnd int) int {
	return max(0, bStart-aEnd, aStart-bEnd)
}

// gitPassword keeps 43 characters and an equals sign that stand near the user
// name of a CodeCommit credential. The user name alone opens nothing.
func (f *finder) gitPassword(seg segment) {
	sp := f.set.git.spec
	end, pads := f.padding(seg.end, 2)
	if pads != 1 || seg.end-seg.start > maxGit {
		return
	}
	lo, hi := max(0, seg.start-gitWindow), min(len(f.data), end+gitWindow)
	user, ok := gitUser(f.data[lo:seg.start], true)
	if !ok {
		user, ok = gitUser(f.data[end:hi], false)
	}
	if !ok {
		return
	}
	text := appendText(f.buf[:0], f.data, seg.start, seg.end)
	f.buf = text[:0]
	h, random := sp.randomText(text)
	if !random {
		return
	}
	text = append(text, '=')
	if sp.isPublished(text) {
		return
	}
	f.ready = append(f.ready, Match{
		Rule: f.set.git, Start: seg.start, End: end, Key: Key{Secret: NewSecret(string(text))},
		Entropy: h, Encoding: seg.esc.name(), User: string(user), Account: string(user[len(user)-accountLen:]),
	})
}

// gitUser finds name-at-123456789012 in text: the last one, or the first.
func gitUser(text []byte, last bool) (user []byte, ok bool) {
	mark := []byte("-at-")
	if !bytes.Contains(text, mark) { // which LastIndex would find out slowly
		return nil, false
	}
	for {
		i := bytes.Index(text, mark)
		if last {
			i = bytes.LastIndex(text, mark)
		}
		if i < 0 {
			return nil, false
		}
		if user, ok = userAt(text, i); ok {
			return user, true
		}
		if last {
			text = text[:i]
		} else {
			text = text[i+len(mark):]
		}
	}
}

// userAt reads the name around the mark at text[i].
func userAt(text []byte, i int) (user []byte, ok bool) {
	start, end := i, i+len("-at-")+accountLen
	for start > 0 && i-start < maxUser && userClass(text[start-1]) {
		start--
	}
	if start == i || end > len(text) || end < len(text) && alnumClass[text[end]] {
		return nil, false
	}
	for _, b := range text[end-accountLen : end] {
		if b < '0' || b > '9' {
			return nil, false
		}
	}
	return text[start:end], true
}

// userClass is what IAM allows in a user name, less the equals sign and the
// comma, which end the field before it more often.
func userClass(b byte) bool {
	return alnumClass[b] || b == '+' || b == '.' || b == '@' || b == '_' || b == '-'
}

// nameOwner fills in what a long-term Bedrock key says of itself: after its
// prefix it is base64 of name-at-account:secret.
func nameOwner(m *Match) {
	text := m.Key.Secret.Reveal()
	const prefix = "ABSK"
	if len(text) < len(prefix)+16 || text[:len(prefix)] != prefix {
		return
	}
	body := bytes.TrimRight([]byte(text[len(prefix):]), "=")
	plain := make([]byte, base64.RawStdEncoding.DecodedLen(len(body)))
	// What decoded before an error is still of use; the name stands in front.
	n, _ := base64.RawStdEncoding.Decode(plain, body)
	plain, _, _ = bytes.Cut(plain[:n], []byte(":"))
	i := bytes.LastIndex(plain, []byte("-at-"))
	if i < 0 {
		return
	}
	if user, ok := userAt(plain, i); ok {
		m.User, m.Account = string(user), string(user[len(user)-accountLen:])
	}
}
