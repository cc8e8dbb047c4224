package rules

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// Counts says in sentences when a value of the rule is reported.
func (s *Set) Counts(r *Rule) (lines []string) {
	if cost, ok := s.Cost(r); ok {
		return customCounts(r, &cost)
	}
	lines = append(lines, shapeCounts[r.spec.Shape])
	if r.spec.MinEntropy > 0 {
		lines = append(lines, fmt.Sprintf("It has more than %g bits of entropy a character.", r.spec.MinEntropy))
	}
	if len(r.spec.Labels) > 0 {
		lines = append(lines, "Names that count, without regard to case and separators: "+some(r.spec.Labels))
	}
	if len(r.spec.Near) > 0 {
		lines = append(lines, "Words near it that count: "+some(r.spec.Near))
	}
	return append(lines, shapeLimits[r.spec.Shape])
}

// shapeCounts and shapeLimits are what README.md says at length.
var (
	shapeCounts = map[string]string{
		"key-id":        "Always, unless it is a placeholder or names an account that cannot be.",
		"secret-key":    "With a key ID in the same file, ranked by distance and name; alone where a name says what it is.",
		"session-token": "Always when it begins as known tokens do; else where a name says what it is.",
		"smtp-password": "With a key ID in the file, or a word of mail near it.",
		"git-password":  "With the user name it goes with, NAME-at-ACCOUNT, near it.",
		"":              "Always.",
	}
	shapeLimits = map[string]string{
		"key-id":        "Not told from it: whether the key is alive, or whose it is beyond the account.",
		"secret-key":    "Not found: a secret alone without a name; hashes, paths and words that look like one are left out.",
		"session-token": "Not found: other tokens without a name.",
		"smtp-password": "Not found: a password without anything of mail around it.",
		"git-password":  "Not found: the password without its user name.",
		"":              "Not found: a value cut into pieces.",
	}
)

func customCounts(r *Rule, cost *Cost) (lines []string) {
	if cost.Name {
		lines = append(lines, "Where the path of a file matches. What is in the file does not count.")
	} else {
		lines = append(lines, "Where its expression matches, and "+r.File+" does not allow it.")
	}
	switch {
	case cost.Whole:
		lines = append(lines, "Slow: no text stands in each match, so every version of every file is searched as a whole.")
	case len(cost.Anchors) > 0:
		lines = append(lines, "It is searched for by: "+some(cost.Anchors))
	}
	if len(cost.Keywords) > 0 {
		lines = append(lines, "The file must hold one of: "+some(cost.Keywords))
	}
	return append(lines, "Not found: values in base64, escaped, or cut into pieces.")
}

func some(list []string) string {
	const most = 8
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// Example makes up a text in which the rule finds something, and gives it with
// the value masked; ok is false where none came out, as of an expression that
// only fits what it was written for. The same source of chance gives the same text.
func (s *Set) Example(r *Rule, chance *rand.Rand) (text string, ok bool) {
	const tries = 200
	for range tries {
		data := s.example(r, chance)
		for _, m := range s.Find(nil, data) {
			if m.Rule != r {
				continue
			}
			masked := m.Key.Secret.Masked()
			if m.Key.ID != "" {
				masked = NewSecret(m.Key.ID).Masked()
			} else if m.Key.Secret.IsZero() {
				masked = m.Key.Token.Masked()
			}
			return strings.Map(printableLine, string(data[:m.Start])) + masked + strings.Map(printableLine, string(data[m.End:])), true
		}
	}
	return "", false
}

func printableLine(r rune) rune {
	if r == '\n' {
		return ' '
	}
	return printable(r)
}

// example makes a text for one rule.
func (s *Set) example(r *Rule, chance *rand.Rand) []byte {
	const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	const base64Text = base32 + "abcdefghijklmnopqrstuvwxyz0189+/"
	drawn := func(alphabet string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[chance.IntN(len(alphabet))]
		}
		return string(b)
	}
	switch r.spec.Shape {
	case "key-id":
		// A to P is what keys begin with that name no account.
		return []byte("aws_access_key_id = " + r.spec.Prefixes[0] + drawn(base32[:16], 1) + drawn(base32, 15))
	case "secret-key":
		return []byte("aws_secret_access_key = " + drawn(base64Text, secretLen))
	case "session-token":
		return []byte("aws_session_token = " + drawn(base64Text, 2*minToken))
	case "smtp-password":
		raw := make([]byte, 40)
		for i := 0; i < len(raw); i += 8 {
			binary.LittleEndian.PutUint64(raw[i:], chance.Uint64())
		}
		raw[0] = 4
		return []byte("smtp_password = " + base64.StdEncoding.EncodeToString(raw[:33]))
	case "git-password":
		return []byte("deploy-at-123456789012 " + drawn(base64Text, 43) + "=")
	}
	regex := r.spec.Regex
	if regex == "" {
		regex = s.custom.engine.Regex(s.custom.number[r])
	}
	tree, err := syntax.Parse(regex, syntax.Perl)
	if err != nil {
		return nil // it was compiled before
	}
	var b bytes.Buffer
	if len(r.spec.Near) > 0 {
		b.WriteString(r.spec.Near[0] + " ")
	}
	writeMatch(&b, tree, chance)
	return b.Bytes()
}

// writeMatch writes a text that the expression matches, where boundaries allow.
func writeMatch(b *bytes.Buffer, re *syntax.Regexp, chance *rand.Rand) {
	const (
		more    = 12 // of what may be repeated for ever
		longest = 4 << 10
	)
	if b.Len() > longest {
		return
	}
	times := func(least, most int) {
		if most < 0 || most > least+more {
			most = least + more
		}
		for range least + chance.IntN(most-least+1) {
			writeMatch(b, re.Sub[0], chance)
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			b.WriteRune(r)
		}
	case syntax.OpCharClass:
		writeRune(b, re.Rune, chance)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		writeRune(b, []rune{'a', 'z', '0', '9'}, chance)
	case syntax.OpStar:
		times(0, -1)
	case syntax.OpPlus:
		times(1, -1)
	case syntax.OpQuest:
		times(0, 1)
	case syntax.OpRepeat:
		times(re.Min, re.Max)
	case syntax.OpAlternate:
		writeMatch(b, re.Sub[chance.IntN(len(re.Sub))], chance)
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			writeMatch(b, sub, chance)
		}
	}
}

// writeRune writes a character of ranges, of ASCII if there is one.
func writeRune(b *bytes.Buffer, ranges []rune, chance *rand.Rand) {
	var list []rune
	for i := 0; i+1 < len(ranges); i += 2 {
		for r := max(ranges[i], ' '); r <= min(ranges[i+1], '~'); r++ {
			list = append(list, r)
		}
	}
	switch {
	case len(list) > 0:
		b.WriteRune(list[chance.IntN(len(list))])
	case len(ranges) > 0 && utf8.ValidRune(ranges[0]):
		b.WriteRune(ranges[0])
	}
}

// Check tells which of the examples that a file gives for a rule are not as it
// says, by their numbers from 1.
func (s *Set) Check(r *Rule) (unfound, found []int) {
	for i, text := range r.Examples {
		if !s.finds(r, text) {
			unfound = append(unfound, i+1)
		}
	}
	for i, text := range r.CounterExamples {
		if s.finds(r, text) {
			found = append(found, i+1)
		}
	}
	return unfound, found
}

// finds tells whether a rule finds something in a text; of a rule about names,
// the text is a path.
func (s *Set) finds(r *Rule, text string) bool {
	if cost, ok := s.Cost(r); ok && cost.Name {
		for _, m := range s.LookNames(nil, []byte(strings.ReplaceAll(text, "/", "\x00"))) {
			if m.Rule == r && m.Wanted(text[:m.End], "") {
				return true
			}
		}
		return false
	}
	for _, m := range s.Find(nil, []byte(text)) {
		if m.Rule == r {
			return true
		}
	}
	return false
}
