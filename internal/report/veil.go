package report

import (
	"cmp"
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
	// texts are the known secrets, longest first.
	texts []string
}

const (
	// cutSubject is near where the scanner cuts subjects: a secret across the cut
	// is not found as a whole.
	cutSubject = 190
	// telling is how many characters of a secret are too many to show.
	telling = 5
)

// newVeil knows every secret of the findings, and what may be one.
func newVeil(list []scanner.Finding, o *Options) *veil {
	v := &veil{off: o.ShowSecrets}
	if v.off {
		return v
	}
	seen := map[rules.Secret]bool{}
	for i := range list {
		seen[list[i].Key.Secret], seen[list[i].Key.Token] = true, true
		for _, c := range list[i].Secrets {
			seen[c.Secret] = true
		}
	}
	delete(seen, rules.Secret{})
	masked := map[string]string{}
	for s := range seen {
		text := s.Reveal()
		v.texts, masked[text] = append(v.texts, text), s.Masked()
	}
	slices.SortFunc(v.texts, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	var pairs []string
	for _, t := range v.texts {
		pairs = append(pairs, t, masked[t])
	}
	v.known = strings.NewReplacer(pairs...)
	return v
}

// over masks what is secret in s.
func (v *veil) over(s string) string {
	if v.off || s == "" {
		return s
	}
	if v.known != nil {
		s = v.known.Replace(s)
	}
	if len(s) >= cutSubject {
		s = v.overEnd(s)
	}
	return overFound(s)
}

// overEnd masks the beginning of a secret at the end of a text that was cut.
func (v *veil) overEnd(s string) string {
	for _, t := range v.texts {
		for n := min(len(t)-1, len(s)); n >= telling; n-- {
			if strings.HasSuffix(s, t[:n]) {
				return s[:len(s)-n] + "************"
			}
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
