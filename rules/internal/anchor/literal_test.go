package anchor

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

func checkLiteral(t *testing.T, l *Literal, data []byte, from int) {
	t.Helper()
	want := bytes.Index(data[from:], l.text)
	if want >= 0 {
		want += from
	}
	if got := l.Next(data, from); got != want {
		t.Errorf("NewLiteral(%q).Next(%q, %d) = %d, want %d", l.text, data, from, got, want)
	}
	if got := l.next(data, from); got != want {
		t.Errorf("NewLiteral(%q).next(%q, %d) = %d, want %d", l.text, data, from, got, want)
	}
}

func TestLiteralAgreesWithLibrary(t *testing.T) {
	for _, text := range []string{"a", "ab", "aba", "amzn.mws.", "zz", "aaab", "e e"} {
		l := NewLiteral(text)
		for _, data := range []string{"", "a", "abababa", "aaaaab", "xamzn.mws.amzn.mws", "zzz", "e e e", "amzn.mws", "baaabaaab"} {
			for from := range len(data) + 1 {
				checkLiteral(t, l, []byte(data), from)
			}
		}
	}
}

// Where 32 bytes are looked at together: the literal at every place of buffers
// of every length, whole and cut off at the end, among pieces of itself.
func TestLiteralIsFoundAtEveryPlace(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for _, text := range []string{"a", "zz", "amzn.mws.", "bedrock-api-key-", strings.Repeat("0123456789abcdef", 4)} {
		l := NewLiteral(text)
		for size := range 170 {
			for range 20 {
				data := make([]byte, size)
				for i := range data {
					data[i] = text[r.IntN(len(text))]
				}
				copy(data[r.IntN(size+1):], text)
				checkLiteral(t, l, data, 0)
				checkLiteral(t, l, data, r.IntN(size+1))
			}
		}
	}
}

func FuzzLiteral(f *testing.F) {
	f.Add([]byte("an amzn.mws. among amzn.mws. and amzn"), "amzn.mws.", uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, text string, from uint8) {
		if text != "" {
			checkLiteral(t, NewLiteral(text), data, min(int(from), len(data)))
		}
	})
}

func BenchmarkLiteral(b *testing.B) {
	line := []byte("static int zread_entry(struct walk_state *state, const char *name, size_t length)\n{\n\tif (!state->zopen)\n\t\treturn -1;\n")
	data := bytes.Repeat(line, 2<<10/len(line)+1)[:2<<10]
	l := NewLiteral("amzn.mws.")
	for name, next := range map[string]func([]byte, int) int{"next": l.Next, "plain": l.next} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if at := next(data, 0); at >= 0 {
					b.Fatal(at)
				}
			}
		})
	}
}
