package rules

import (
	"bytes"
	"strings"
)

const (
	// labelWindow is how far before a value its label is looked for, and
	// afterWindow how far behind it.
	labelWindow = 192
	afterWindow = 96
	// nearWindow is how far from a value words may stand that say it is AWS's.
	nearWindow = 256
	// maxGapWords is how many words may stand between a label and its value on
	// one line, as in: secretKey string = os.Getenv("X") or "value".
	maxGapWords = 4
	maxGapWord  = 24
	maxGapLines = 3
)

// The strengths of a label. An other label names something that is no key.
const (
	noLabel = iota
	otherLabel
	weakLabel
	strongLabel
)

// label is the name a value stands under, as far as the rules know it.
type label struct {
	strength int
	name     string
}

// labelOf finds the label of data[start:end]: the last known one before it
// with nothing but glue between, or one right behind it. A weak label next to
// a word of AWS is a strong one.
func (sp *spec) labelOf(data []byte, start, end int) label {
	l := sp.labelBefore(data, start)
	if l.strength == noLabel {
		l = sp.labelAfter(data, end)
	}
	if l.strength == weakLabel && near(data, start, end, sp.Near) {
		l.strength = strongLabel
	}
	return l
}

func (sp *spec) labelBefore(data []byte, start int) label {
	var room [2 * labelWindow]byte
	norm := normal(room[:0], data[max(0, start-labelWindow):start])
	best, bestEnd := label{}, 0
	for strength, list := range [...][]string{otherLabel: sp.OtherLabels, weakLabel: sp.WeakLabels, strongLabel: sp.Labels} {
		for _, name := range list {
			i := bytes.LastIndex(norm, []byte(name))
			end := i + len(name)
			if i < 0 || end < bestEnd || end == bestEnd && len(name) <= len(best.name) {
				continue // jwtsecret says more than secret
			}
			if strength == otherLabel && end < len(norm) && alnumClass[norm[end]] {
				continue // shared begins with sha
			}
			best, bestEnd = label{strength, name}, end
		}
	}
	if best.strength == noLabel || !glue(norm[bestEnd:], best.strength) {
		return label{}
	}
	return best
}

// labelAfter reads the order some tools write: "value": …, "key": "secretKey".
func (sp *spec) labelAfter(data []byte, end int) label {
	var room [2 * afterWindow]byte
	norm := normal(room[:0], data[end:min(len(data), end+afterWindow)])
	words := strings.Fields(string(norm))
	for i := 0; i+1 < len(words) && i < maxGapWords; i++ {
		switch words[i] {
		case "key", "name":
			for strength, list := range [...][]string{weakLabel: sp.WeakLabels, strongLabel: sp.Labels} {
				for _, name := range list {
					if strings.HasSuffix(words[i+1], name) {
						return label{strength, name}
					}
				}
			}
			return label{}
		case "type", "string", "enabled", "true", "text", "default", "secret", "value":
		default:
			return label{}
		}
	}
	return label{}
}

// normal appends text in lower case with the writing style taken out: letters
// and digits stay, a single space, dash, dot or underscore between them goes
// (secret_access-key, Secret access key and secretAccessKey become one word),
// any other stretch becomes one space, or one line break if it holds one.
func normal(dst, text []byte) []byte {
	sep, breaks := 0, 0
	soft := true
	for i, b := range text {
		if !alnumClass[b] {
			sep++
			soft = soft && (b == '_' || b == '-' || b == '.' || b == ' ')
			if b == '\n' || b == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
				breaks++
			}
			continue
		}
		switch {
		case breaks > 0:
			for range min(breaks, maxGapLines+1) {
				dst = append(dst, '\n')
			}
		case sep > 1 || sep == 1 && !soft:
			dst = append(dst, ' ')
		}
		sep, breaks, soft = 0, 0, true
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		dst = append(dst, b)
	}
	for range min(breaks, maxGapLines+1) {
		dst = append(dst, '\n')
	}
	return dst
}

// glue tells whether what stands between a label and a value binds the two.
func glue(gap []byte, strength int) bool {
	// The rest of the label's own word: secretKey2 is a label, secretKeyName is
	// the name of one.
	word := 0
	for word < len(gap) && alnumClass[gap[word]] {
		word++
	}
	if word > maxGapWord || otherThing[string(gap[:word])] {
		return false
	}
	lines, others, ids := 0, 0, 0
	bound := false // the last word announces a value
	for i := word; i < len(gap); {
		if !alnumClass[gap[i]] {
			if gap[i] == '\n' {
				lines++
			}
			i++
			continue
		}
		j := i
		for j < len(gap) && alnumClass[gap[j]] {
			j++
		}
		switch w := gap[i:j]; {
		case len(w) == keyIDLen && w[0] == 'a' && credentialPrefix(strings.ToUpper(string(w[:4]))):
			ids++
		case len(w) > maxGapWord:
			return false
		case !fillers[string(w)]:
			others++
		}
		bound = announces[string(gap[i:j])]
		i = j
	}
	if lines > maxGapLines {
		return false
	}
	limit := 0
	switch {
	case bound || lines == 0 && strength == strongLabel:
		limit = maxGapWords
	case ids > 0 && strength == otherLabel: // the ID says what it is, and is nearer
		return false
	case ids > 0: // the row under a table's head
		limit = 2
	case lines == 0:
		limit = 1
	}
	return others <= limit
}

func words(text string) map[string]bool {
	set := make(map[string]bool)
	for w := range strings.FieldsSeq(text) {
		set[w] = true
	}
	return set
}

var (
	// fillers bind a label to its value: keywords of languages, names of types
	// and attributes, what is left of escapes.
	fillers = words(`value val key name string str text type default is equals as to set of const var let
		secret token password sensitive true false final static public private new data env export
		n t r 0 nn u0022 u003d u0027 u0026 3d 22 27 20 3a 2c quot apos amp gt lt nbsp
		accesskeyid accesskey description property entry td th tr span code strong b p pre div`)
	// announces end a gap: what follows them is the value.
	announces = words(`value val default`)
	// otherThing is what a label's own word may not go on with.
	otherThing = words(`id ids name names arn arns file path ref hash length len regex pattern url uri version type label field env placeholder description rotation manager`)
)

// near tells whether one of the words stands within nearWindow of
// data[start:end], beginning where a word does.
func near(data []byte, start, end int, list []string) bool {
	var room [nearWindow]byte
	for _, part := range [...][]byte{
		data[max(0, start-nearWindow):start], data[end:min(len(data), end+nearWindow)],
	} {
		lower := room[:len(part)]
		for i, b := range part {
			if 'A' <= b && b <= 'Z' {
				b += 'a' - 'A'
			}
			lower[i] = b
		}
		for _, word := range list {
			for at := 0; ; at++ {
				i := bytes.Index(lower[at:], []byte(word))
				if i < 0 {
					break
				}
				at += i
				// A word begins after a sign, or with the capital of a camelCase.
				if at == 0 || !alnumClass[lower[at-1]] || part[at] != lower[at] && part[at-1] == lower[at-1] {
					return true
				}
			}
		}
	}
	return false
}
