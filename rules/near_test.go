package rules_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// edit makes a buffer out of pieces of base and of other texts, as a delta
// does, and tells where it did.
func edit(r *rand.Rand, base, other []byte) (data []byte, changed []rules.Span) {
	cut := func(from []byte, most int) []byte {
		if len(from) == 0 {
			return nil
		}
		at := r.IntN(len(from))
		return from[at : at+r.IntN(min(most, len(from)-at)+1)]
	}
	next := 0
	for range 1 + r.IntN(6) {
		var piece []byte
		if r.IntN(3) > 0 {
			at := next
			if r.IntN(2) == 0 && len(base) > 0 {
				at = r.IntN(len(base))
			}
			piece = base[at : at+r.IntN(len(base)-at+1)]
			if len(piece) == 0 {
				continue
			}
			if at != next {
				changed = append(changed, rules.Span{Start: len(data), End: len(data)})
			}
			next = at + len(piece)
		} else {
			piece = cut(other, 300)
			changed = append(changed, rules.Span{Start: len(data), End: len(data) + len(piece)})
		}
		data = append(data, piece...)
	}
	if next != len(base) {
		changed = append(changed, rules.Span{Start: len(data), End: len(data)})
	}
	return data, changed
}

// restore takes a piece out of text, near one of its matches, and puts it back.
func restore(r *rand.Rand, text []byte, matches []rules.Match) (base, data []byte, changed []rules.Span) {
	m := matches[r.IntN(len(matches))]
	lo, hi := max(0, m.Start-300), min(len(text), m.End+300)
	at := lo + r.IntN(hi-lo)
	end := min(at+r.IntN(80), len(text))
	base = append(bytes.Clone(text[:at]), text[end:]...)
	return base, text, []rules.Span{{Start: at, End: end}}
}

// What CleanNear says of a change is what Look says of the whole, on files with
// keys and files without, cut and joined at random, and with pieces of what
// matters taken out and put back.
func TestCleanNearFollowsCleanThroughChanges(t *testing.T) {
	r := rulestest.Rand(40)
	set := rules.Default()
	var texts [][]byte
	for _, pattern := range []string{"testdata/shapes/*.tmpl", "testdata/quiet/*.tmpl"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, files, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			tp := &template{r: r, pairs: map[string]*wantPair{}}
			texts = append(texts, []byte(tp.fill(string(text))))
		}
	}
	for _, enc := range encodings() {
		texts = append(texts, []byte(enc.write(r, rulestest.KeyID(r, "AKIA"), rulestest.Secret(r))))
	}
	rounds := 40_000
	if testing.Short() {
		rounds = 4_000
	}
	asked, dirty := 0, 0
	for range rounds {
		text := texts[r.IntN(len(texts))]
		base, data, changed := text, []byte(nil), []rules.Span(nil)
		if matches := set.Find(nil, text); len(matches) > 0 && r.IntN(3) > 0 {
			base, data, changed = restore(r, text, matches)
		} else {
			if at := r.IntN(len(text)); len(matches) > 0 { // a part may hold no key
				base = text[at : at+r.IntN(len(text)-at)+1]
			}
			data, changed = edit(r, base, texts[r.IntN(len(texts))])
		}
		if _, clean := set.Look(nil, base); !clean {
			continue
		}
		asked++
		_, clean := set.Look(nil, data)
		if !clean {
			dirty++
		}
		if set.CleanNear(data, changed) && !clean {
			t.Fatalf("CleanNear = true for changes at %v of %d bytes, Look says there is a mark", changed, len(data))
		}
	}
	if asked < rounds/10 || dirty < asked/50 {
		t.Errorf("of %d rounds %d began clean and %d of those ended with a mark: too few to tell", rounds, asked, dirty)
	}
	t.Logf("%d clean buffers changed, %d of them to ones with a mark", asked, dirty)
}

// Distances at which context counts, and just beyond: wherever a label stands,
// putting it there is seen.
func TestCleanNearReachesAllContext(t *testing.T) {
	r := rulestest.Rand(41)
	set := rules.Default()
	secret := []byte(rulestest.Secret(r))
	password := []byte(rulestest.Text(r, rulestest.Base64Alphabet, 43) + "=")
	for _, tt := range []struct{ value, context []byte }{
		{append([]byte("\nsecret = "), secret...), []byte(" aws ")},
		{secret, []byte("\naws_secret_access_key = ")},
		{append([]byte("password: "), password...), []byte(" deploy-at-123456789012 ")},
	} {
		seen := 0
		for gap := range 1300 {
			filler := bytes.Repeat([]byte(". "), gap/2)
			for _, before := range []bool{true, false} {
				var clean, data []byte
				at := 0
				if before {
					clean = append(bytes.Clone(filler), tt.value...)
					data = append(bytes.Clone(tt.context), clean...)
				} else {
					clean = append(bytes.Clone(tt.value), filler...)
					at = len(clean)
					data = append(bytes.Clone(clean), tt.context...)
				}
				if _, ok := set.Look(nil, clean); !ok {
					t.Fatalf("the buffer is not clean without its context")
				}
				_, ok := set.Look(nil, data)
				if !ok {
					seen++
				}
				if set.CleanNear(data, []rules.Span{{Start: at, End: at + len(tt.context)}}) && !ok {
					t.Fatalf("context %d bytes away makes a mark, but CleanNear does not see it", len(filler))
				}
			}
		}
		if seen == 0 {
			t.Errorf("no distance makes a mark")
		}
	}
}
