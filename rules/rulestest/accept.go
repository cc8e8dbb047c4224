package rulestest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules"
)

// noise is text without any credential, to put around one.
const noise = `func (s *store) read(ctx context.Context, name string) ([]byte, error) {
	// The file is small: 4096 bytes at most, see docs/limits.md.
	return os.ReadFile(filepath.Join(s.root, name))
}
`

// Accept tests one rule of a set. sample makes a text with one value in it and
// says what the value is, as it stands in the text. The value must be found
// alone, at the start, in the middle and at the end of a buffer, twice, at any
// offset of a cache line and in a long text; a cut that leaves less than the
// rule's shortest value must find nothing of the rule. The near misses must
// find nothing of the rule either.
func Accept(t *testing.T, set *rules.Set, ruleID string, sample func(*rand.Rand) (text, value string), nearMisses ...string) {
	t.Helper()
	a := accept{t: t, set: set}
	for _, r := range set.Rules() {
		if r.ID == ruleID {
			a.rule = r
		}
	}
	if a.rule == nil {
		t.Errorf("rule %s is not in the set", ruleID)
		return
	}
	for seed := range uint64(20) {
		text, value := sample(Rand(seed))
		if strings.Count(text, value) != 1 {
			t.Fatalf("%s: sample holds its value %d times, want once", ruleID, strings.Count(text, value))
		}
		a.places(text, value)
		a.cuts(text, value)
		a.changes(text, value)
	}
	for i, miss := range nearMisses {
		a.want(fmt.Sprintf("near miss %d", i), miss, "", 0)
		a.want(fmt.Sprintf("near miss %d in text", i), noise+miss+"\n"+noise, "", 0)
	}
}

type accept struct {
	t    *testing.T
	set  *rules.Set
	rule *rules.Rule
}

func (a *accept) places(text, value string) {
	a.t.Helper()
	a.want("alone", text, value, 1)
	a.want("at the start", text+"\n"+noise, value, 1)
	a.want("at the end", noise+text, value, 1)
	a.want("in the middle", noise+text+"\n"+noise, value, 1)
	a.want("twice", text+"\n"+noise+text, value, 2)
	for off := range 64 {
		a.want(fmt.Sprintf("at offset %d", off), strings.Repeat("-", off)+"\n"+text, value, 1)
	}
	long := strings.Repeat(noise, 300)
	a.want("in a long text", long+text+"\n"+long, value, 1)
}

func (a *accept) cuts(text, value string) {
	a.t.Helper()
	start := strings.Index(text, value)
	part := min(a.rule.MinLen-1, len(value)/2)
	a.want("cut behind its first part", text[:start+part], "", 0)
	a.want("cut before its last part", text[start+len(value)-part:], "", 0)
}

// changes makes the buffer with the value out of buffers that lack a part of it
// or of what stands around it, and asks CleanNear about the change alone: where
// the first buffer is clean, the second must not be.
func (a *accept) changes(text, value string) {
	a.t.Helper()
	long := strings.Repeat(noise, 50)
	data := []byte(long + text + "\n" + long)
	const most = 150 // places tried for each length
	from, asked := len(long), 0
	for _, n := range []int{0, 1, 2, 7, len(value)} {
		for at := from; at+n <= from+len(text); at += 1 + len(text)/most {
			before := slices.Concat(data[:at], data[at+n:])
			spans := []rules.Span{{Start: at, End: at + n}}
			if n == 0 { // a seam: something was taken out here
				before = slices.Concat(data[:at], []byte("#"), data[at:])
			}
			if _, clean := a.set.Look(nil, before); !clean {
				continue
			}
			asked++
			if a.set.CleanNear(data, spans) {
				a.t.Errorf("%s: CleanNear = true for %d bytes put in at %d of %d", a.rule.ID, n, at-from, len(text))
				return
			}
		}
	}
	if asked == 0 {
		a.t.Errorf("%s: no buffer without a part of the value is clean", a.rule.ID)
	}
}

// want checks that the rule finds the value count times, where it stands, and
// that what the destination held before is left alone. It prints no value.
func (a *accept) want(where, text, value string, count int) {
	a.t.Helper()
	prior := rules.Match{Start: -1}
	matches := a.set.Find([]rules.Match{prior}, []byte(text))
	if len(matches) == 0 || matches[0].Start != -1 {
		a.t.Errorf("%s %s: Find lost what its destination held", a.rule.ID, where)
		return
	}
	n := 0
	for i, m := range matches[1:] {
		if m.Start < 0 || m.End > len(text) || m.Start >= m.End || i > 0 && m.Start < matches[i].Start {
			a.t.Errorf("%s %s: match at [%d:%d] of %d bytes, or out of order", a.rule.ID, where, m.Start, m.End, len(text))
			continue
		}
		if m.Rule != a.rule {
			continue
		}
		if count > 0 && text[m.Start:m.End] != value {
			a.t.Errorf("%s %s: match at [%d:%d], want the value at %d", a.rule.ID, where, m.Start, m.End, strings.Index(text, value))
		}
		n++
	}
	if n != count {
		a.t.Errorf("%s %s: Find = %d matches, want %d", a.rule.ID, where, n, count)
	}
}
