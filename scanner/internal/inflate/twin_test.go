package inflate

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"io"
	"math/rand/v2"
	"testing"
)

// maxTwin bounds what the twin unpacks of a hostile stream.
const maxTwin = 1 << 20

// twin is the library's decoder: the content of the DEFLATE stream at the start
// of raw and how many bytes it took.
type twin struct {
	src bytes.Reader
	r   io.ReadCloser
}

func (w *twin) inflate(raw []byte) (content []byte, used int, err error) {
	w.src.Reset(raw)
	if w.r == nil {
		w.r = flate.NewReader(&w.src)
	} else if err := w.r.(flate.Resetter).Reset(&w.src, nil); err != nil {
		return nil, 0, err
	}
	content, err = io.ReadAll(io.LimitReader(w.r, maxTwin+1))
	if len(content) > maxTwin {
		return nil, 0, fmt.Errorf("over %d bytes", maxTwin)
	}
	return content, len(raw) - w.src.Len(), err
}

// check compares a decoder with its twins on one DEFLATE stream: with the head
// and checksum of zlib around it, with and without Slack, and with its content
// said to be longer and shorter than it is.
func check(t testing.TB, d *Decoder, w *twin, raw []byte) {
	t.Helper()
	for _, d.safe = range []bool{false, true} {
		checkTwin(t, d, w, raw)
	}
	// Of a broken stream too, both loops must see the same.
	src := append([]byte{0x78, 0x01}, raw...)
	var fast, slow [2 * Slack]byte
	for _, n := range []int{Slack / 2, Slack, 2 * Slack} {
		d.safe = false
		fn, ferr := d.Prefix(fast[:n], src)
		d.safe = true
		sn, serr := d.Prefix(slow[:n], src)
		if fn != sn || ferr != serr || !bytes.Equal(fast[:fn], slow[:sn]) {
			t.Errorf("%x: the first %d bytes are %d, %v, those of the safe loop %d, %v", raw, n, fn, ferr, sn, serr)
		}
	}
}

func checkTwin(t testing.TB, d *Decoder, w *twin, raw []byte) {
	t.Helper()
	content, used, err := w.inflate(raw)
	src := append([]byte{0x78, 0x01}, raw...)
	if err != nil {
		for _, n := range []int{0, 1, 7, len(content), 2000} {
			if c, err := d.ZlibUnsummed(make([]byte, n, n+Slack), src); err == nil {
				t.Errorf("%x: took %d bytes for %d, the library says %v", raw, c, n, err)
			}
		}
		return
	}
	src = binary.BigEndian.AppendUint32(src[:2+used], adler32.Checksum(content))
	for _, behind := range []int{0, 3, Slack} {
		src := append(bytes.Clone(src), make([]byte, behind)...)
		dst := make([]byte, len(content), len(content)+behind)
		n, err := d.Zlib(dst, src)
		if err != nil || n != used+6 || !bytes.Equal(dst, content) {
			t.Errorf("%x: %d bytes for %d, %v, same content %v; the library took %d", raw, n, len(dst), err, bytes.Equal(dst, content), used)
		}
		for _, lie := range []int{-1, 1, 300} {
			if size := len(content) + lie; size >= 0 {
				if n, err := d.Zlib(make([]byte, size, size+behind), src); err == nil {
					t.Errorf("%x: took %d bytes for %d, though they hold %d", raw, n, size, len(content))
				}
			}
		}
	}
}

// Every stream of two bytes, and every 37th of three.
func TestTwinsAgreeOnAllShortStreams(t *testing.T) {
	var d Decoder
	var w twin
	for i := range 1 << 16 {
		check(t, &d, &w, []byte{byte(i), byte(i >> 8)})
	}
	step := 37
	if testing.Short() {
		step = 211
	}
	for i := 0; i < 1<<24; i += step {
		check(t, &d, &w, []byte{byte(i), byte(i >> 8), byte(i >> 16)})
		if t.Failed() {
			return
		}
	}
}

// Streams as compressors make them, then with bits flipped and ends cut off.
func TestTwinsAgreeOnRealAndDamagedStreams(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	var d Decoder
	var w twin
	rounds := 1500
	if testing.Short() {
		rounds = 200
	}
	for seed := range rounds {
		size := r.IntN(2000)
		if seed%50 == 0 {
			size = r.IntN(100_000)
		}
		raw := rawDeflate(t, r, mixed(r, size), seed%12-2)
		check(t, &d, &w, raw)
		for range 8 {
			bad := bytes.Clone(raw)
			for range 1 + r.IntN(3) {
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
			}
			if r.IntN(3) == 0 {
				bad = bad[:r.IntN(len(bad)+1)]
			}
			check(t, &d, &w, bad)
		}
		if t.Failed() {
			return
		}
	}
}

// mixed is data with words, noise, long runs and far repeats.
func mixed(r *rand.Rand, n int) []byte {
	words := []string{"alpha ", "beta\n", "{\n\t", "0123", "return ", "aaaaaaaaaaaa", "xyxyxyxyxyxyxy", "abcabcabc"}
	noise := 1 + r.IntN(30)
	var b []byte
	for len(b) < n {
		b = append(b, words[r.IntN(len(words))]...)
		if r.IntN(noise) == 0 {
			b = append(b, byte(r.Uint32()))
		}
		if len(b) > 500 && r.IntN(50) == 0 {
			k := r.IntN(len(b) - 400)
			b = append(b, b[k:k+r.IntN(400)]...)
		}
	}
	return b[:n]
}

// rawDeflate compresses data in several blocks, some of them empty.
func rawDeflate(t testing.TB, r *rand.Rand, data []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 {
		n := min(len(data), 1+r.IntN(20_000))
		if _, err := w.Write(data[:n]); err != nil {
			t.Fatal(err)
		}
		if data = data[n:]; r.IntN(2) == 0 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func FuzzTwins(f *testing.F) {
	r := rand.New(rand.NewPCG(12, 1))
	for level := -2; level <= 9; level++ {
		f.Add(rawDeflate(f, r, mixed(r, 20*(level+3)), level))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var d Decoder
		var w twin
		check(t, &d, &w, raw)
	})
}

// The other direction: whatever is compressed comes back.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("content content content"), 6)
	f.Fuzz(func(t *testing.T, content []byte, level int) {
		src := deflate(t, content, (level%12+12)%12-2)
		dst := make([]byte, len(content))
		var d Decoder
		if n, err := d.Zlib(dst, src); err != nil || n != len(src) || !bytes.Equal(dst, content) {
			t.Errorf("%d bytes at level %d: %d of %d, %v", len(content), level, n, len(src), err)
		}
	})
}

// BenchmarkTwin is what the library takes for what BenchmarkZlib does.
func BenchmarkTwin(b *testing.B) {
	data := text(64<<10, 6)
	src := deflate(b, data, 6)
	dst := make([]byte, len(data))
	var in bytes.Reader
	in.Reset(src)
	z, err := zlib.NewReader(&in)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		in.Reset(src)
		if err := z.(zlib.Resetter).Reset(&in, nil); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(z, dst); err != nil {
			b.Fatal(err)
		}
	}
}
