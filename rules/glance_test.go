package rules

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func init() { prepare() }

// Where a glance sees nothing, the run is one segment as long as it is, without
// a mark; and it sees nothing in most of what source code has.
func TestGlanceOverlooksNoMark(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	var all []string
	for _, list := range marks {
		for _, m := range list {
			all = append(all, m.text)
		}
	}
	if len(all) != 4*(3+3+9)+5 {
		t.Errorf("%d marks, want those of each prefix in base64, UTF-16 in base64 and hexadecimal", len(all))
	}
	seen, overlooked := 0, 0
	for range 200_000 {
		text := make([]byte, minRun+r.IntN(13))
		for i := range text {
			text[i] = base64Chars[r.IntN(64)]
			if r.IntN(3) > 0 { // words, rather than noise
				text[i] |= 0x20
			}
			if !runClass[text[i]] {
				text[i] = 'x'
			}
		}
		switch at := r.IntN(len(text)); r.IntN(4) {
		case 0:
			copy(text[at:], all[r.IntN(len(all))])
		case 1:
			copy(text[at:], []string{`\n`, "%2F", "&#47;", `\/`, ";"}[r.IntN(5)])
		}
		if glance(text) {
			seen++
			continue
		}
		overlooked++
		for _, m := range all {
			if bytes.Contains(text, []byte(m)) {
				t.Fatalf("glance(%q) = false, but there is %q", text, m)
			}
		}
		parts := 0
		segments(text, 0, len(text), func(seg segment) bool {
			parts++
			if seg != (segment{end: len(text), n: len(text)}) {
				t.Fatalf("glance(%q) = false, but it has the segment %+v", text, seg)
			}
			return true
		})
		if parts != 1 {
			t.Fatalf("glance(%q) = false, but it has %d segments", text, parts)
		}
	}
	if overlooked < 50_000 || seen < 50_000 {
		t.Errorf("glance sees something in %d of %d texts: too many or too few to tell", seen, seen+overlooked)
	}
}

// Only hexadecimal digits are no key, but the letter of what looks like an
// escape may be the first character of one.
func TestHexBehindALetterIsRead(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	set := Default()
	for range 1000 {
		value := append([]byte("n"), draw(r, make([]byte, secretLen-1), "0123456789abcdefABCDEF")...)
		if _, ok := set.secret.spec.randomText(value); !ok {
			continue
		}
		text := append([]byte(`aws_secret_access_key = C:\\`), value...)
		if got := set.Find(nil, text); len(got) != 1 || got[0].Key.Secret.Reveal() != string(value) {
			t.Errorf("Find of a value behind two backslashes = %d matches, want it", len(got))
		}
		return
	}
	t.Error("no value of an n and digits passes for random")
}
