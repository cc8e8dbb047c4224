package custom

import (
	"math"
	"slices"
	"unicode/utf8"
)

// Entropy is Shannon's, in bits per character, as gitleaks has it: characters are
// counted, and shares are of bytes.
func Entropy(text []byte) (h float64) {
	var count [256]int
	ascii := true
	for _, b := range text {
		count[b]++
		ascii = ascii && b < utf8.RuneSelf
	}
	share := func(n int) {
		p := float64(n) / float64(len(text))
		h -= p * math.Log2(p)
	}
	if ascii {
		for _, n := range count {
			if n > 0 {
				share(n)
			}
		}
		return h
	}
	runes := map[rune]int{}
	for _, r := range string(text) {
		runes[r]++
	}
	counts := make([]int, 0, len(runes))
	for _, n := range runes {
		counts = append(counts, n)
	}
	slices.Sort(counts) // sums of floats depend on the order
	for _, n := range counts {
		share(n)
	}
	return h
}
