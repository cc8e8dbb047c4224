package unpack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyquench/keyquench/rules/rulestest"
)

// found is a member as a test remembers it.
type found struct {
	name  string
	via   Format
	depth int
	rest  bool
	data  []byte
}

// is tells whether it is what was packed. A row of a database has a header.
func (f found) is(data []byte) bool {
	return bytes.Equal(f.data, data) || f.via == SQLite && len(f.data) <= len(data)+8 && bytes.HasSuffix(f.data, data)
}

// walked is all that Walk gave.
type walked struct {
	members []found
	errs    []error
}

// walk goes over data and checks what Walk promises of all that it yields.
func walk(tb testing.TB, data []byte, budget *Budget) (all walked) {
	tb.Helper()
	before := bytes.Clone(data)
	goroutines := runtime.NumGoroutine()
	for m, err := range Walk(context.Background(), data, budget) {
		if err != nil {
			if _, ok := errors.AsType[*SkipError](err); !ok {
				tb.Errorf("Walk yields the error %v, want a *SkipError", err)
			}
			all.errs = append(all.errs, err)
			continue
		}
		if len(m.Data) == 0 {
			tb.Errorf("Walk yields %q without data", m.Name)
		}
		if m.At >= 0 && !bytes.Equal(data[m.At:m.At+len(m.Data)], m.Data) {
			tb.Errorf("Walk yields %q at %d, where it is not", m.Name, m.At)
		}
		f := found{m.Name, m.Via, m.Depth, m.Rest, bytes.Clone(m.Data)}
		if m.More != nil {
			more, err := io.ReadAll(m.More)
			if err != nil {
				tb.Errorf("More of %q fails: %v", m.Name, err)
			}
			f.data = append(f.data, more...)
		}
		all.members = append(all.members, f)
	}
	if !bytes.Equal(before, data) {
		tb.Error("Walk changed the data")
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > goroutines; {
		if time.Now().After(deadline) {
			tb.Fatalf("Walk left %d goroutines", runtime.NumGoroutine()-goroutines)
		}
		runtime.Gosched()
	}
	return all
}

// named is the data of the members of that name.
func (all walked) named(name string) (data [][]byte) {
	for _, m := range all.members {
		if m.name == name && !m.rest {
			data = append(data, m.data)
		}
	}
	return data
}

// holds tells whether a member or a rest has the bytes.
func (all walked) holds(data []byte) bool {
	return slices.ContainsFunc(all.members, func(m found) bool { return bytes.Contains(m.data, data) })
}

func (all walked) String() string {
	var b strings.Builder
	for _, m := range all.members {
		fmt.Fprintf(&b, "%s by %s, depth %d, rest %t: %d bytes %.40q\n", m.name, m.via, m.depth, m.rest, len(m.data), m.data)
	}
	for _, err := range all.errs {
		fmt.Fprintf(&b, "error %v\n", err)
	}
	return b.String()
}

// clean fails unless there was no error.
func (all walked) clean(tb testing.TB, what string) {
	tb.Helper()
	if len(all.errs) > 0 {
		tb.Errorf("Walk(%s) tells %v", what, all.errs)
	}
}

// told fails unless there was an error of that kind and name.
func (all walked) told(tb testing.TB, name string, want error) {
	tb.Helper()
	for _, err := range all.errs {
		if s, ok := errors.AsType[*SkipError](err); ok && s.Name == name && errors.Is(err, want) {
			return
		}
	}
	tb.Errorf("Walk does not tell %q %v:\n%v", name, want, all)
}

// sample is text that compresses somewhat; every line is its own.
func sample(seed uint64, n int) []byte {
	r := rulestest.Rand(seed)
	var b []byte
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, "line %d of %d: %s\n", i, seed, rulestest.Text(r, rulestest.LowerAlphabet, 20))
	}
	return b[:n]
}

func TestEveryFormatGivesWhatWasPacked(t *testing.T) {
	for _, p := range packers {
		for _, size := range []int{1500, 70_000, 300_000} {
			want := sample(1, size)
			all := walk(t, p.pack(t, file{"etc/a.env", want}), &Budget{})
			all.clean(t, p.name)
			if len(all.members) != 1 || !all.members[0].is(want) || all.members[0].via != p.format || all.members[0].depth != 1 {
				t.Errorf("Walk(%s of %d bytes) = %v", p.name, size, all)
				continue
			}
			if p.named && all.members[0].name != "etc/a.env" {
				t.Errorf("Walk(%s) names %q", p.name, all.members[0].name)
			}
		}
	}
}

func TestArchivesGiveAllFilesInOrder(t *testing.T) {
	for _, p := range packers {
		if !p.named {
			continue
		}
		var files []file
		for i := range 20 {
			files = append(files, file{fmt.Sprintf("dir/file-%d", i), sample(uint64(i), 100*i+1)})
		}
		all := walk(t, p.pack(t, files...), &Budget{})
		all.clean(t, p.name)
		if len(all.members) != len(files) {
			t.Errorf("Walk(%s) = %v", p.name, all)
			continue
		}
		for i, f := range files {
			if m := all.members[i]; m.name != f.name || !bytes.Equal(m.data, f.data) {
				t.Errorf("Walk(%s) gives %q with %d bytes as number %d, want %q with %d", p.name, m.name, len(m.data), i, f.name, len(f.data))
			}
		}
	}
}

// Every format in every other in every other.
func TestContainersInContainersInContainers(t *testing.T) {
	// Of formats that are written in several ways, one is enough here.
	outside := slices.CompactFunc(slices.Clone(packers), func(a, b packer) bool { return a.format == b.format })
	for _, inner := range outside {
		want := sample(2, 600)
		in := inner.pack(t, file{"in", want})
		for _, middle := range outside {
			mid := middle.pack(t, file{"mid", in})
			for _, outer := range outside {
				what := outer.name + " of " + middle.name + " of " + inner.name
				all := walk(t, outer.pack(t, file{"out", mid}), &Budget{})
				all.clean(t, what)
				n := 0
				for _, m := range all.members {
					if !m.rest && m.is(want) {
						n++
						if m.depth != 3 || m.via != inner.format {
							t.Errorf("Walk(%s) gives it at depth %d by %s", what, m.depth, m.via)
						}
					}
				}
				if n != 1 {
					t.Errorf("Walk(%s) gives the member %d times:\n%v", what, n, all)
				}
			}
		}
	}
}

func TestEveryFormatInACompressedArchive(t *testing.T) {
	for _, p := range packers {
		want := sample(2, 90_000)
		all := walk(t, gzipped(t, packers[9].pack(t, file{"a", sample(3, 9000)}, file{"b", p.pack(t, file{"c", want})}, file{"d", sample(4, 100)})), &Budget{})
		all.clean(t, "gzip of tar of "+p.name)
		n, _ := all.whole([]file{{"a", sample(3, 9000)}, {"c", want}, {"d", sample(4, 100)}})
		if n != 3 {
			t.Errorf("Walk(gzip of tar of %s) gives %d members of 3:\n%v", p.name, n, all)
		}
	}
}

func TestNamesAreTheWay(t *testing.T) {
	want := sample(3, 500)
	inner := zipOf(8)(t, file{"y.env", want})
	all := walk(t, gzipped(t, packers[8].pack(t, file{"lib/x.zip", inner})), &Budget{})
	all.clean(t, "gzip of tar of zip")
	if got := all.named("lib/x.zip!y.env"); len(got) != 1 || !bytes.Equal(got[0], want) {
		t.Errorf("Walk = %v, want lib/x.zip!y.env", all)
	}
}

func TestDepthIsBoundedAndTold(t *testing.T) {
	for _, p := range packers {
		want := sample(4, 2000)
		data := want
		for depth := 1; depth <= 9; depth++ {
			data = p.pack(t, file{"x", data})
			all := walk(t, data, &Budget{})
			has := slices.ContainsFunc(all.members, func(m found) bool { return m.depth == depth && m.is(want) })
			if depth <= 8 {
				all.clean(t, p.name)
				if !has {
					t.Errorf("Walk(%d times %s) = %v", depth, p.name, all)
				}
				continue
			}
			if has || len(all.errs) != 1 || !errors.Is(all.errs[0], ErrTooDeep) {
				t.Errorf("Walk(%d times %s) = %v, want it too deep", depth, p.name, all)
			}
			if len(all.members) == 0 || !bytes.Contains(all.members[0].data, p.pack(t, file{"x", want})[:ownMagic]) {
				t.Errorf("Walk(%d times %s) does not give the container it does not open", depth, p.name)
			}
		}
	}
}

func TestWalkEndsWhenTheLoopDoes(t *testing.T) {
	inner := packers[9].pack(t, file{"a", sample(5, 200_000)}, file{"b", sample(6, 100)})
	data := zipOf(8)(t, file{"1.tar", inner}, file{"2.tar", inner}, file{"3", sample(7, 100)})
	total := 0
	for range Walk(t.Context(), data, &Budget{}) {
		total++
	}
	for stop := 1; stop <= total; stop++ {
		n := 0
		for range Walk(t.Context(), data, &Budget{}) {
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("Walk went on to %d after a loop that ended at %d", n, stop)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for range Walk(ctx, data, &Budget{}) {
		n++
		cancel()
	}
	if n != 1 {
		t.Errorf("Walk yields %d times, want 1 with a context that ends", n)
	}
}

// What a caller panics with is the caller's.
func TestPanicsOfTheLoopPass(t *testing.T) {
	defer func() {
		if r := recover(); r != "mine" {
			t.Errorf("recovered %v, want the panic of the loop", r)
		}
	}()
	for range Walk(t.Context(), gzipped(t, packers[9].pack(t, file{"a", sample(5, 200_000)})), &Budget{}) {
		panic("mine")
	}
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	err := &SkipError{"a.jar!b", Zip, fmt.Errorf("%w: method 9", ErrUnsupported)}
	if got, want := err.Error(), "a.jar!b: zip: not supported: method 9"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got := (&SkipError{"", Gzip, ErrBomb}).Error(); got != "gzip: unpacks to too much" {
		t.Errorf("Error() = %q", got)
	}
	if !errors.Is(err, ErrUnsupported) {
		t.Error("the reason of a SkipError is lost")
	}
}

func TestTextIsNoContainer(t *testing.T) {
	for _, s := range []string{
		"", "P", "BZh", "BZh9", "BZhello world, this is text", "PK\x03\x04", "\x1f\x8b", "\x1f\x8b\x08\x00 not at all gzip", "x\x01 is no zlib",
		"hC means nothing", "]\x00\x00\x00\x01 is not lzma either....", "070701 is a number, and goes on for a long while after that; really, it does go on" + strings.Repeat("!", 60),
		"!<arch>\nno member", "7z\xbc\xaf\x27\x1c\x00\x04" + strings.Repeat("x", 40), "SQLite format 3\x00" + strings.Repeat("\x00", 100), "\xfd7zXZ\x00 no more",
		"\x28\xb5\x2f\xfd.......................", "\xff\x06\x00\x00sNaPxx......",
	} {
		if all := walk(t, []byte(s), &Budget{}); len(all.members)+len(all.errs) > 0 {
			t.Errorf("Walk(%q) = %v, want nothing", s, all)
		}
		// Inside of another, it is a member like any.
		if len(s) == 0 {
			continue
		}
		all := walk(t, zipOf(8)(t, file{"x", []byte(s)}), &Budget{})
		if len(all.errs) > 0 || len(all.members) != 1 || string(all.members[0].data) != s {
			t.Errorf("Walk(zip of %q) = %v, want it as it is", s, all)
		}
	}
}

// What begins like a container and is none comes as it is, to its last byte, also
// when it is read from a stream.
func TestFalseAlarmsCostNothing(t *testing.T) {
	short := zlibbed(t, sample(10, 600))
	short = short[:len(short)/2]
	if all := walk(t, short, &Budget{}); len(all.members)+len(all.errs) > 0 {
		t.Errorf("half a small zlib stream, which may be anything, gives %v", all)
	}
	text := sample(10, 300_000)
	if all := walk(t, gzipped(t, append(short, text...)), &Budget{}); !all.holds(text) {
		t.Errorf("text behind half a zlib stream is lost: %v", all)
	}
	for _, begin := range []string{"hC", "x\x9c", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff", "BZh91AY&SY", "]\x00\x00\x10\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00", "\xfd7zXZ\x00", "070701"} {
		want := append([]byte(begin), sample(10, 300_000)...)
		if Detect(want) == None {
			t.Errorf("%.10q is no false alarm", begin)
		}
		all := walk(t, gzipped(t, want), &Budget{})
		all.clean(t, begin)
		if len(all.members) != 1 || !bytes.Equal(all.members[0].data, want) {
			t.Errorf("Walk(gzip of %.10q…) = %v", begin, all)
		}
	}
}

// One Budget serves all workers of a scan.
func TestWorkersShareABudget(t *testing.T) {
	data := zipOf(8)(t, file{"a", sample(8, 10_000)}, file{"b", gzipped(t, sample(9, 10_000))})
	budget := &Budget{Bytes: 200_000}
	var wg sync.WaitGroup
	var got, spent atomic.Int64
	for range 8 {
		wg.Go(func() {
			for range 20 {
				for m, err := range Walk(t.Context(), data, budget) {
					got.Add(int64(len(m.Data)))
					if errors.Is(err, ErrSpent) {
						spent.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := got.Load(); n < 100_000 || n > 200_000+8*30_000 || spent.Load() < 100 {
		t.Errorf("8 workers with 200,000 bytes between them get %d, and %d walks are told", n, spent.Load())
	}
}
