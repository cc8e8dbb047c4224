package inflate

import (
	"bytes"
	"compress/zlib"
	"errors"
	"math/rand/v2"
	"testing"
)

func deflate(t testing.TB, data []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zlib.NewWriterLevel(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// text is compressible data of n bytes from a seed.
func text(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := []string{"alpha ", "beta\n", "gamma_", "{\n\t", "0123", "return "}
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = append(b, words[r.IntN(len(words))]...)
		if r.IntN(9) == 0 {
			b = append(b, byte(r.Uint32()))
		}
	}
	return b[:n]
}

func TestZlibReadsWhatWasWritten(t *testing.T) {
	var d Decoder
	for _, n := range []int{0, 1, 2, 63, 64, 65, 1000, 32768, 40000, 200000} {
		for _, level := range []int{0, 1, 6, 9, -2} {
			want := text(n, uint64(n))
			src := deflate(t, want, level)
			tail := append(bytes.Clone(src), "the next object"...)
			got := make([]byte, n)
			consumed, err := d.Zlib(got, tail)
			if err != nil || consumed != len(src) || !bytes.Equal(got, want) {
				t.Errorf("Zlib of %d bytes at level %d: consumed %d of %d, %v", n, level, consumed, len(src), err)
			}
		}
	}
}

func TestZlibRefusesALyingSize(t *testing.T) {
	var d Decoder
	src := deflate(t, text(1000, 1), 6)
	for _, n := range []int{0, 1, 999, 1001, 5000} {
		if _, err := d.Zlib(make([]byte, n), src); !errors.Is(err, ErrSize) {
			t.Errorf("Zlib into %d bytes of a stream of 1000: %v, want ErrSize", n, err)
		}
	}
}

// Every cut and every flipped bit of a stream is an error: Adler-32 sees what
// the Huffman codes let pass.
func TestZlibRefusesEveryCutAndFlip(t *testing.T) {
	var d Decoder
	want := text(700, 3)
	for _, level := range []int{0, 1, 9} {
		src := deflate(t, want, level)
		got := make([]byte, len(want))
		for i := range src {
			if _, err := d.Zlib(got, src[:i]); !errors.Is(err, ErrTruncated) {
				t.Errorf("level %d cut at %d of %d: %v, want ErrTruncated", level, i, len(src), err)
			}
		}
		for bit := range 8 * len(src) {
			bad := bytes.Clone(src)
			bad[bit/8] ^= 1 << (bit % 8)
			// Bits 0-1 of FLG and the window size may change without changing
			// the content; then the header's own check (FCHECK) must fail.
			if _, err := d.Zlib(got, bad); err == nil && !bytes.Equal(got, want) {
				t.Errorf("level %d bit %d flipped: content changed without an error", level, bit)
			}
		}
	}
}

func TestPrefixStopsEarly(t *testing.T) {
	var d Decoder
	want := text(100000, 4)
	src := deflate(t, want, 6)
	got := make([]byte, 64)
	if n, err := d.Prefix(got, src); n != 64 || err != nil || !bytes.Equal(got, want[:64]) {
		t.Errorf("Prefix = %d, %v", n, err)
	}
	short := deflate(t, []byte("abc"), 6)
	if n, err := d.Prefix(got, short); n != 3 || err != nil || string(got[:3]) != "abc" {
		t.Errorf("Prefix of a short stream = %d, %v", n, err)
	}
	if _, err := d.Prefix(got, []byte("not zlib")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Prefix of rubbish = %v, want ErrCorrupt", err)
	}
}

func FuzzZlib(f *testing.F) {
	f.Add(deflate(f, text(300, 5), 6), 300)
	f.Add(deflate(f, nil, 0), 0)
	f.Add([]byte{0x78, 0x9c}, 10)
	f.Fuzz(func(t *testing.T, src []byte, n int) {
		if n < 0 || n > 1<<16 {
			return
		}
		var d Decoder
		got := make([]byte, n)
		consumed, err := d.Zlib(got, src)
		if err != nil {
			return
		}
		if consumed < 0 || consumed > len(src) {
			t.Fatalf("Zlib consumed %d of %d bytes", consumed, len(src))
		}
		again := make([]byte, n)
		if c, err := d.Zlib(again, src[:consumed]); c != consumed || err != nil || !bytes.Equal(got, again) {
			t.Fatalf("Zlib of the consumed bytes alone: %d, %v", c, err)
		}
	})
}

func BenchmarkZlib(b *testing.B) {
	data := text(64<<10, 6)
	src := deflate(b, data, 6)
	dst := make([]byte, len(data), len(data)+Slack)
	var d Decoder
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Zlib(dst, src); err != nil {
			b.Fatal(err)
		}
	}
}
