package pack

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
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

// drain walks a store and keeps nothing of it.
func drain(t testing.TB, s *Store) (objects map[oid.ID]int64, problems []Problem) {
	t.Helper()
	objects = map[oid.ID]int64{}
	plan := s.Plan(nil)
	for _, u := range plan.Units {
		for o, err := range plan.Walk(t.Context(), u) {
			size := int64(len(o.Data))
			if o.Stream != nil {
				size, err = io.Copy(io.Discard, o.Stream)
			}
			if p, ok := IsProblem(err); ok {
				problems = append(problems, p)
			} else if err != nil {
				t.Errorf("an error without a place: %v", err)
			} else {
				objects[s.ID(o.Num)] = size
			}
		}
	}
	return objects, problems
}

// A gigabyte in one megabyte, honestly declared or not, packed or loose. Not
// parallel: it measures memory.
func TestAZipBombIsCheap(t *testing.T) {
	const size = 1 << 30
	sum := oid.SHA1.New()
	fmt.Fprintf(sum, "blob %d\x00", size)
	for range size >> 20 {
		sum.Write(make([]byte, 1<<20))
	}
	id := oid.FromBytes(sum.Sum(nil))
	stream := zeros(t, size)
	check := func(what, dir string, want error) {
		t.Helper()
		before := heapUsed()
		got, problems := drain(t, open(t, dir, oid.SHA1, Limits{}))
		if used := heapUsed() - before; used > 16<<20 {
			t.Errorf("%s: took %d bytes", what, used)
		}
		if err := named(problems, id.String()); !errors.Is(err, want) || want == nil && got[id] != size {
			t.Errorf("%s: %d bytes, %v, want %v", what, got[id], err, want)
		}
	}
	for declared, want := range map[int]error{size: nil, 100: ErrCorrupt, size + 1: ErrCorrupt} {
		b := newBuilder(oid.SHA1)
		b.whole(Blob, []byte("good"))
		b.raw(id, append(entryHead(Blob, declared), stream...))
		check(fmt.Sprint("declared as ", declared), b.store(t), want)
	}
	// The header in a block of its own, then the zeros. Their checksum goes on
	// from the header's.
	head := fmt.Appendf(nil, "blob %d\x00", size)
	first := adler32.Checksum(head)
	low, high := uint64(first&0xffff), uint64(first>>16)
	loose := stored(head)
	loose[2] = 0
	loose = append(loose[:len(loose)-4], stream[2:len(stream)-4]...)
	loose = binary.BigEndian.AppendUint32(loose, uint32((high+low*size)%65521<<16|low))
	dir := t.TempDir()
	write(t, loosePath(dir, id), loose)
	check("loose", dir, nil)
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

// Bombs that are streamed use up the budget as those do that are not.
func TestStreamedBombsRunOutOfBudget(t *testing.T) {
	b := deltaBomb(100, 8<<20)
	limits := tight(t)
	limits.Object, limits.Amplified = 1<<20, 50<<20
	s := open(t, b.store(t), oid.SHA1, limits)
	plan := s.Plan(nil)
	sum, refused := int64(0), 0
	for _, u := range plan.Units {
		for o, err := range plan.Walk(t.Context(), u) {
			if err != nil {
				t.Error(err)
			}
			if o.Stream == nil {
				continue
			}
			n, err := io.Copy(io.Discard, o.Stream)
			if sum += n; errors.Is(err, ErrAmplified) {
				refused++
			} else if !errors.Is(err, errMisnamed) { // deltaBomb makes names up
				t.Error(err)
			}
		}
	}
	if sum > 100<<20 || refused < 80 {
		t.Errorf("%d bytes came out of bombs, %d were refused", sum, refused)
	}
}

// The default budget is a minute's work at most. Too long for every run:
// -budget measures it.
func TestTheDefaultBudgetIsAMinute(t *testing.T) {
	if !*budget {
		t.Skip("measured with -budget")
	}
	for _, size := range []int{1 << 30, 64<<20 + 1<<16, 64<<20 - 1<<16, 16 << 20, 1 << 20, 64 << 10} {
		b := deltaBomb(min(2*defaultAmplified/size, 200_000), size)
		s := open(t, b.store(t), oid.SHA1, Limits{})
		start := time.Now()
		objects, problems := drain(t, s)
		sum, refused := int64(0), 0
		for _, n := range objects {
			sum += n
		}
		for _, p := range problems {
			if errors.Is(p, ErrAmplified) {
				refused++
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
