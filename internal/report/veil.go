package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

// veil masks secrets in texts from a repository: people write them into commit
// messages, and name files and branches after them. Its zero value knows no
// secret, and masks those that a text shows by itself.
type veil struct {
	off   bool // somebody asked for secrets in full
	known *strings.Replacer
	// texts are the known secrets, sorted; the longest has longest bytes.
	texts   []string
	longest int
	// seen remembers what was made of a text: an author stands in every place
	// of a key, and a path under many keys.
	seen map[string]string
}

const (
	// cutSubject is near where the scanner cuts subjects: a secret across the cut
	// is not found as a whole.
	cutSubject = 190
	// telling is how many characters of a secret are too many to show.
	telling = 5
	// maxSeen bounds what is remembered.
	maxSeen = 1 << 14
)

// newVeil knows every secret of the findings, and what may be one.
func newVeil(list []scanner.Finding, o *Options) *veil {
	v := &veil{off: o.ShowSecrets, seen: map[string]string{}}
	if v.off {
		return v
	}
	masked := map[string]string{}
	know := func(s rules.Secret) {
		if !s.IsZero() {
			masked[s.Reveal()] = s.Masked()
		}
	}
	for i := range list {
		know(list[i].Key.Secret)
		know(list[i].Key.Token)
		for _, c := range list[i].Secrets {
			know(c.Secret)
		}
	}
	v.texts = slices.Sorted(maps.Keys(masked))
	// Where one secret begins with another, the Replacer takes what comes first.
	byLength := slices.SortedStableFunc(slices.Values(v.texts), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, t := range byLength {
		pairs = append(pairs, t, masked[t])
		v.longest = max(v.longest, len(t))
	}
	v.known = strings.NewReplacer(pairs...)
	return v
}

// over masks what is secret in s.
func (v *veil) over(s string) string {
	if v.off || s == "" {
		return s
	}
	if known, ok := v.seen[s]; ok {
		return known
	}
	out := s
	if v.known != nil {
		out = v.known.Replace(out)
	}
	if len(out) >= cutSubject {
		out = v.overEnd(out)
	}
	out = overFound(out)
	if v.seen != nil && len(v.seen) < maxSeen {
		v.seen[s] = out
	}
	return out
}

// overEnd masks the beginning of a secret at the end of a text that was cut.
func (v *veil) overEnd(s string) string {
	for i := max(0, len(s)-v.longest+1); i+telling <= len(s); i++ {
		// A secret that begins with the rest of s is the first behind it.
		at, _ := slices.BinarySearch(v.texts, s[i:])
		if at < len(v.texts) && strings.HasPrefix(v.texts[at], s[i:]) {
			return s[:i] + "************"
		}
	}
	return s
}

// overFound masks secrets that the rules see in the text itself, encoded ones
// too. Key IDs are no secrets.
func overFound(s string) string {
	type span struct{ start, end int }
	var spans []span
	for _, m := range rules.Default().Find(nil, []byte(s)) {
		if m.Rule.Kind != rules.KeyID {
			spans = append(spans, span{m.Start, m.End})
		}
		for _, c := range m.Secrets {
			spans = append(spans, span{c.Start, c.End})
		}
		if m.TokenEnd > 0 {
			spans = append(spans, span{m.TokenStart, m.TokenEnd})
		}
		// An encoded key stands in one run with its secret.
		if m.Encoding != "" {
			spans = append(spans, span{m.Start, m.End})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end)) })
	var b strings.Builder
	at := 0
	for _, p := range spans {
		if p.start >= at {
			b.WriteString(s[at:p.start] + "************")
		}
		at = max(at, p.end)
	}
	if at == 0 {
		return s
	}
	return b.String() + s[at:]
}
