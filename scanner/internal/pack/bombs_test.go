package pack

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

func heapUsed() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}

// zeros is a zlib stream of n zero bytes, a multiple of a megabyte: one
// deflated megabyte over and over.
func zeros(t testing.TB, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zlib.NewWriterLevel(&out, zlib.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	const step = 1 << 20
	flushed := func() int {
		if _, err := w.Write(make([]byte, step)); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		return out.Len()
	}
	first := flushed()
	second := flushed()
	period := out.Bytes()[first:second]
	head := bytes.Clone(out.Bytes()[:first])
	stream := append(head, bytes.Repeat(period, n/step-1)...)
	stream = append(stream, 1, 0, 0, 0xff, 0xff) // an empty last block
	// Adler-32 of n zero bytes: the first sum stays 1, the second counts.
	return binary.BigEndian.AppendUint32(stream, uint32(n%65521)<<16|1)
}

func TestZerosIsAStream(t *testing.T) {
	z, err := zlib.NewReader(bytes.NewReader(zeros(t, 3<<20)))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(z); err != nil || !bytes.Equal(data, make([]byte, 3<<20)) {
		t.Errorf("zeros of 3 MB gave %d bytes, %v", len(data), err)
	}
}

// Four gigabytes in four megabytes, honestly declared or not, packed or loose.
// Not parallel: it measures memory.
func TestAZipBombIsNamedAndCheap(t *testing.T) {
	const size = 4 << 30
	stream := zeros(t, size)
	for _, declared := range []int{size, 100} {
		b := newBuilder(oid.SHA1)
		b.whole(Blob, []byte("good"))
		bomb := b.raw(b.format.Sum("blob", []byte("bomb")), append(entryHead(Blob, declared), stream...))
		dir := b.store(t)
		before := heapUsed()
		got, problems := all(t, open(t, dir, oid.SHA1, Limits{}), nil)
		if used := heapUsed() - before; used > 64<<20 {
			t.Errorf("declared as %d: took %d bytes", declared, used)
		}
		compare(t, "bomb", got, b.objects())
		want := ErrTooLarge
		if declared != size {
			want = ErrCorrupt
		}
		if err := named(problems, b.entries[bomb].id.String()); !errors.Is(err, want) {
			t.Errorf("declared as %d: %v, want %v", declared, err, want)
		}
	}

	dir := t.TempDir()
	id := saveLoose(t, dir, oid.SHA1, Blob, []byte("bomb"))
	// The header in a block of its own, then the zeros.
	loose := append([]byte{0x78, 0x01}, stored(fmt.Appendf(nil, "blob %d\x00", size))[2:]...)
	loose[2] = 0
	write(t, loosePath(dir, id), append(loose[:len(loose)-4], stream[2:]...))
	before := heapUsed()
	_, problems := all(t, open(t, dir, oid.SHA1, Limits{}), nil)
	if used := heapUsed() - before; used > 64<<20 {
		t.Errorf("loose: took %d bytes", used)
	}
	if err := named(problems, id.String()); !errors.Is(err, ErrTooLarge) {
		t.Errorf("loose: %v, want %v", err, ErrTooLarge)
	}
}

// deltaBomb is a pack of n deltas of some fifty bytes that each give size bytes.
func deltaBomb(n, size int) *builder {
	b := newBuilder(oid.SHA1)
	base := b.whole(Blob, make([]byte, 1<<16))
	ops := bytes.Repeat([]byte{0x80}, size>>16) // 64 KiB each
	for i := range n {
		data := delta(1<<16, size+2, ops, insertOp(string([]byte{byte(i), byte(i >> 8)})))
		var packed bytes.Buffer
		w := zlib.NewWriter(&packed)
		_, _ = w.Write(data) // into memory
		_ = w.Close()
		raw := append(entryHead(ofsDelta, len(data)), backwards(uint64(b.pack.Len())-b.entries[base].at)...)
		b.raw(b.format.Sum("blob", fmt.Append(nil, "bomb ", i)), append(raw, packed.Bytes()...))
	}
	return b
}

func TestADeltaBombRunsOutOfBudget(t *testing.T) {
	t.Parallel()
	b := deltaBomb(100, 8<<20)
	good := b.whole(Blob, []byte("good"))
	s := open(t, b.store(t), oid.SHA1, Limits{Amplified: 50 << 20})
	plan := s.Plan(nil)
	yielded, refused := 0, 0
	for _, u := range plan.Units {
		for o, err := range plan.Walk(t.Context(), u) {
			switch {
			case errors.Is(err, ErrAmplified):
				refused++
			case err != nil:
				t.Error(err)
			case s.ID(o.Num) == b.entries[good].id || len(o.Data) == 1<<16:
			default:
				yielded++
			}
		}
	}
	// 50 MiB and 256 times the 75 KB of the pack.
	if yielded < 6 || yielded > 12 || yielded+refused != 100 {
		t.Errorf("%d bombs went off and %d were refused, want about 8 of 100", yielded, refused)
	}
}

// The default budget is a minute's work at most. Too long for every run:
// -budget measures it.
func TestTheDefaultBudgetIsAMinute(t *testing.T) {
	if !*budget {
		t.Skip("measured with -budget")
	}
	for _, size := range []int{256<<20 - 1<<16, 16 << 20, 1 << 20, 64 << 10} {
		b := deltaBomb(min(2*defaultAmplified/size, 200_000), size)
		s := open(t, b.store(t), oid.SHA1, Limits{})
		start := time.Now()
		var sum int64
		refused := 0
		plan := s.Plan(nil)
		for _, u := range plan.Units {
			for o, err := range plan.Walk(t.Context(), u) {
				sum += int64(len(o.Data))
				if errors.Is(err, ErrAmplified) {
					refused++
				}
			}
		}
		t.Logf("objects of %d bytes in %d: %d GiB in %v, %d refused", size, b.pack.Len(), sum>>30, time.Since(start), refused)
		if d := time.Since(start); d > time.Minute {
			t.Errorf("objects of %d bytes took %v", size, d)
		}
	}
}

// Two-byte copies from all over the base: as many pieces as the object has
// bytes.
func TestASplinteredDeltaHasFewSpans(t *testing.T) {
	t.Parallel()
	const pieces = 1 << 20
	base := []byte(strings.Repeat("ab", 10))
	ops := bytes.Repeat([]byte{0x91, 0x03, 0x01}, pieces)
	data := bytes.Repeat([]byte("b"), pieces)
	b := newBuilder(oid.SHA1)
	b.ofs(b.whole(Blob, base), data, delta(len(base), pieces, ops))
	s := open(t, b.store(t), oid.SHA1, Limits{})
	plan := s.Plan(nil)
	for o, err := range plan.Walk(t.Context(), plan.Units[0]) {
		if err != nil {
			t.Fatal(err)
		}
		if o.Base != None && (len(o.Fresh) != 1 || o.Fresh[0] != Span{0, pieces} || cap(o.Fresh) > 4*maxFresh) {
			t.Errorf("%d spans in room for %d, want one over all", len(o.Fresh), cap(o.Fresh))
		}
	}
}
