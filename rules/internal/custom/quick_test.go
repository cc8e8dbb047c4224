package custom

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// places lists what a search tells.
func places(search func(yield func(text, at int) bool)) (list [][2]int) {
	search(func(text, at int) bool {
		list = append(list, [2]int{at, text})
		return true
	})
	slices.SortStableFunc(list, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	return list
}

// checkQuick holds both searches of l against a comparison at each place, and quick
// against its twin.
func checkQuick(t *testing.T, l *literals, data []byte) (found int) {
	t.Helper()
	texts := l.texts
	got := places(func(yield func(text, at int) bool) { l.each(data, yield) })
	var want [][2]int
	for at := range data {
		for n, text := range texts {
			if len(data)-at >= len(text) && strings.Map(lower, latin(data[at:at+len(text)])) == latin([]byte(text)) {
				want = append(want, [2]int{at, n})
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("each(%q) for %q = %v, want %v", data, texts, got, want)
	}
	if hash := places(func(yield func(text, at int) bool) { l.step(data, 0, yield) }); !slices.Equal(hash, want) {
		t.Errorf("step(%q) for %q = %v, want %v", data, texts, hash, want)
	}
	for _, q := range l.quick {
		for from := range len(data) + 1 {
			at, seen := q.candidate(data, from)
			twin, none := q.plain(data, from)
			if at < from || at > twin || !seen && (none || at != twin) || seen && canShuffle && at <= len(data)-behind {
				t.Errorf("candidate(%q, %d) for %q = %d, %v, want %d, %v", data, from, texts, at, seen, twin, none)
			}
		}
	}
	return len(want)
}

// latin has a character for each byte.
func latin(data []byte) string {
	var b strings.Builder
	for _, c := range data {
		b.WriteRune(rune(c))
	}
	return b.String()
}

// textsOf makes n different texts of the letters.
func textsOf(r *rand.Rand, letters string, n, most int) (texts []string) {
	for range n {
		text := make([]byte, minAnchor+r.IntN(most-minAnchor+1))
		for i := range text {
			text[i] = letters[r.IntN(len(letters))]
		}
		if !slices.Contains(texts, string(text)) {
			texts = append(texts, string(text))
		}
	}
	return texts
}

func TestQuickFindsWhatTheHashFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	found, quick := 0, 0
	for _, letters := range []string{"ab", "abk_1", "k[{@`;\x80\xa0\xff\n"} {
		for range 150 {
			texts := textsOf(r, letters, 1+r.IntN(perQuick*maxQuick/2), 8)
			if len(texts) > perQuick {
				quick++
			}
			data := make([]byte, r.IntN(300))
			from := letters + strings.ToUpper(letters) + " ,"
			for i := range data {
				data[i] = from[r.IntN(len(from))]
			}
			found += checkQuick(t, newLiterals(texts), data)
		}
	}
	if found < 10_000 || quick < 100 {
		t.Errorf("%d places in all, %d searches in groups: too few to tell", found, quick)
	}
}

// Each text at each place of buffers of each length, whole and cut.
func TestQuickFindsAtEveryPlace(t *testing.T) {
	texts := []string{"xtok_", "ghp_", "-----begin", "sk"}
	for n := 1; n <= len(texts); n++ {
		l := newLiterals(texts[:n])
		for size := range 110 {
			for at := range size {
				data := []byte(strings.Repeat(".", size))
				copy(data[at:], strings.ToUpper(texts[n-1]))
				checkQuick(t, l, data)
			}
		}
	}
}

// A search ends when it is told to.
func TestSearchStops(t *testing.T) {
	data := []byte(strings.Repeat("acme ", 40))
	for _, texts := range [][]string{{"acme"}, {"acme", "acm", "me"}, textsOf(rand.New(rand.NewPCG(33, 34)), "acme", 100, 4)} {
		n := 0
		newLiterals(texts).each(data, func(int, int) bool { n++; return n < 3 })
		if n != 3 {
			t.Errorf("%d texts: told of %d places, want 3", len(texts), n)
		}
	}
}

func FuzzQuick(f *testing.F) {
	f.Add("acme ghp_ k\xff", []byte("some ACME and\xff ghp_ are in k\xff here, so that 32 bytes are there"))
	f.Fuzz(func(t *testing.T, list string, data []byte) {
		var texts []string
		for text := range strings.FieldsSeq(asciiLower(list)) {
			if text = text[:min(len(text), maxAnchor)]; len(text) >= minAnchor && !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
		if len(texts) > 0 && len(texts) > perQuick {
			checkQuick(t, newLiterals(texts), data[:min(len(data), 1<<10)])
		}
	})
}

func BenchmarkEach(b *testing.B) {
	r := rand.New(rand.NewPCG(35, 36))
	data := []byte(strings.Join(textsOf(r, "etaoinsrhldcumfpgwybvkxjqz____    \n\t().;=", 4000, 12), " "))
	for _, n := range []int{1, 12, 24, 48, 96} {
		texts := textsOf(r, "etaoinsrhldcumfpgwybvkxjqz_", 4*n, 8)
		texts = slices.DeleteFunc(texts, func(s string) bool { return len(s) < 4 })
		l := newLiterals(texts[:n])
		for name, search := range map[string]func(yield func(text, at int) bool){
			"each": func(yield func(text, at int) bool) { l.each(data, yield) },
			"step": func(yield func(text, at int) bool) { l.step(data, 0, yield) },
		} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					search(func(int, int) bool { return true })
				}
			})
		}
	}
}
