package rules

import (
	"math/rand/v2"
	"testing"
)

const (
	lossKeys    = 200_000
	base32Chars = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	base64Chars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)

func draw(r *rand.Rand, dst []byte, alphabet string) []byte {
	for i := range dst {
		dst[i] = alphabet[r.IntN(len(alphabet))]
	}
	return dst
}

// Each test of a secret alone, and all together, must keep 99.99 % of real
// ones. README.md names the figures that are logged here.
func TestSecretFiltersKeepRealKeys(t *testing.T) {
	sp := Default().secret.spec
	without := func(change func(*spec)) *spec {
		c := *sp
		change(&c)
		return &c
	}
	filters := map[string]func([]byte) bool{
		"entropy":    func(b []byte) bool { return entropy(b) > sp.MinEntropy },
		"typed":      func(b []byte) bool { return !typed(b) },
		"stop words": func(b []byte) bool { return !sp.stopped(b) },
		"neighbours": func(b []byte) bool {
			_, ok := without(func(c *spec) { c.MinEntropy, c.stop = 0, nil }).randomText(b)
			return ok || typed(b)
		},
		"all": func(b []byte) bool { _, ok := sp.randomText(b); return ok },
	}
	r := rand.New(rand.NewPCG(1, 2))
	lost := make(map[string]int)
	var key [secretLen]byte
	for range lossKeys {
		draw(r, key[:], base64Chars)
		for name, keeps := range filters {
			if !keeps(key[:]) {
				lost[name]++
			}
		}
	}
	for name := range filters {
		t.Logf("%s loses %d of %d", name, lost[name], lossKeys)
		if lost[name] > lossKeys/10_000 {
			t.Errorf("%s loses %d of %d random secrets, want at most one in 10000", name, lost[name], lossKeys)
		}
	}
}

func TestIDFiltersKeepRealKeys(t *testing.T) {
	sp := Default().keyID.spec
	r := rand.New(rand.NewPCG(3, 4))
	lost := 0
	var tail [16]byte
	for range lossKeys {
		if sp.placeholderTail(draw(r, tail[:], base32Chars)) {
			lost++
		}
	}
	t.Logf("placeholders lose %d of %d", lost, lossKeys)
	// One in a million is the promise; two of 200,000 would have a chance of 2 %.
	if lost > 1 {
		t.Errorf("placeholders lose %d of %d random IDs", lost, lossKeys)
	}
}

// What chance the stop words of an ID have in a random tail, by counting.
func TestStopWordsCostUnderOneInAMillion(t *testing.T) {
	for _, tt := range []struct {
		rule     *Rule
		length   int
		alphabet float64
		variants float64 // a letter in either case
	}{
		{Default().keyID, 16, 32, 1}, {Default().secret, secretLen, 64, 2},
	} {
		loss := 0.0
		for _, word := range tt.rule.spec.stop {
			p := float64(tt.length - len(word) + 1)
			for range len(word) {
				p *= tt.variants / tt.alphabet
			}
			loss += p
		}
		t.Logf("%s: stop words lose %.2g", tt.rule.ID, loss)
		if loss > 1e-6 {
			t.Errorf("%s: stop words lose %.2g of random values, want at most 1e-6", tt.rule.ID, loss)
		}
	}
}

func TestRandomTextRefusesWhatPeopleWrite(t *testing.T) {
	sp := Default().secret.spec
	for _, text := range []string{
		"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", "E69DE29BB2D1D6434B8B29AE775AD8C2E48C5391",
		"e69DE29bb2d1D6434b8b29AE775ad8c2e48c5391", // mixed, still hexadecimal
		"getAbstractSingletonProxyFactoryBeanName1", "src/main/java/org/example/Order/Item12ab",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn", "a/b/C/d/E/f/G/h/I/j/K/l/M/n/O/p/Q/r/S/t/",
		"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "YourSecretAccessKeyGoesRightHereInPlace1",
		"AAAAAAAAAAAAAAAAAAAAbbbbbbbbbbbbbbbbbbbb", "AbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAb",
	} {
		if h, ok := sp.randomText([]byte(text)); ok {
			t.Errorf("randomText(%q) = %.2f, true", text, h)
		}
	}
}
