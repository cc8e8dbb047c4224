package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// small windows are as good as large ones where half of what they share holds
// the longest span.
var small = cutter{size: 96 << 10, overlap: 48 << 10}

// inWindows is a Source of some bytes, cut by c.
type inWindows struct {
	c    cutter
	data io.Reader
}

func (s inWindows) Parts(context.Context) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		yield(func(ctx context.Context) iter.Seq2[Blob, error] {
			return func(yield func(Blob, error) bool) {
				s.c.windows(ctx, Blob{Kind: WorkTreeFile, Path: "large"}, s.data, nil, yield)
			}
		}, nil)
	}
}

// whole is the Source of the same bytes in one piece.
func whole(data []byte) Source {
	return &stream{Blob{Kind: WorkTreeFile, Path: "large"}, func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

// spots lists every place of a scan by what a report tells of it.
func spots(found map[string]Finding) []string {
	var list []string
	for id, f := range found {
		for _, c := range f.Secrets {
			list = append(list, fmt.Sprint(id, c.Secret, c.Start, c.End, c.Score))
		}
		for _, p := range f.Places {
			secret := "none"
			if p.Secret != nil {
				secret = fmt.Sprint(*p.Secret)
			}
			list = append(list, fmt.Sprint(id, f.Rule.ID, f.Key.Secret, f.Key.Token.IsZero(), p.Path, p.At, *p.WorkTree, secret, p.Encoding))
		}
	}
	slices.Sort(list)
	return list
}

// filler is words with nothing to find in them, in lines or, once in a while,
// in few lines that are longer than a window.
func filler(r *rand.Rand, n int) []byte {
	breaks := 1
	if r.IntN(3) == 0 {
		breaks = 5000
	}
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "%s %s", rulestest.Text(r, "abcdefgh", 1+r.IntN(9)), strings.Repeat("word ", r.IntN(12)))
		if r.IntN(breaks) == 0 {
			b = append(b, '\n')
		}
	}
	return b[:n]
}

// Keys of every kind, written over every byte around every border a window has,
// are found where a search of the whole finds them, and once.
func TestWindowsFindWhatTheWholeHas(t *testing.T) {
	if s := rules.Default().Span(); small.overlap/2 < s || overlapBytes/2 < s {
		t.Fatalf("windows share %d and %d bytes, a rule spans %d", small.overlap, overlapBytes, s)
	}
	r := rulestest.Rand(40)
	step := small.size - small.overlap
	for border := range 5 {
		// Ends of windows, beginnings, and where one leaves off to the next.
		for _, at := range []int{small.size, small.size - small.overlap, small.size - small.overlap/2} {
			at += border * step
			for range 5 {
				data := filler(r, small.size+6*step+r.IntN(step))
				plant(r, data, at)
				want, wantSum := scanAll(t, 1, whole(data))
				got, sum := scanAll(t, 1, inWindows{small, bytes.NewReader(data)})
				if a, b := spots(got), spots(want); !slices.Equal(a, b) || len(b) == 0 {
					t.Fatalf("near %d: windows gave\n%s\nthe whole gave\n%s",
						at, strings.Join(a, "\n"), strings.Join(b, "\n"))
				}
				if sum.Blobs != 1 || sum.Files != 1 || sum.Bytes != int64(len(data)) || sum.Bytes != wantSum.Bytes || sum.Skipped != 0 {
					t.Fatalf("summary %+v, want one file of %d bytes", sum, len(data))
				}
			}
		}
	}
}

// plant writes keys around data[at].
func plant(r *rand.Rand, data []byte, at int) {
	k, again := newKey(r), newKey(r)
	texts := []string{
		k.lines(),
		strings.ReplaceAll(k.lines(), "\n", strings.Repeat("\n# more\n", r.IntN(800))+"\n"),
		"[a]\n" + k.lines() + "[b]\n" + again.lines(),
		"key " + k.id + "\n",
		k.lines() + strings.Repeat("-", r.IntN(900)) + "\n" + k.lines(),
		"aws_session_token = " + rulestest.Token(r) + "\n",
		"aws_secret_access_key = " + k.secret + "\n",
	}
	text := texts[r.IntN(len(texts))]
	copy(data[at-r.IntN(len(text)+1):], "\n"+text)
}

// A value that begins exactly where one window leaves off to the next, or a byte
// beside that place, belongs to one of them.
func TestWindowsShareNoBorder(t *testing.T) {
	r := rulestest.Rand(45)
	for delta := -2; delta <= 2; delta++ {
		k := newKey(r)
		data := bytes.ReplaceAll(filler(r, 3*small.size), []byte("\n"), []byte(" "))
		at := small.size - small.overlap/2 + delta
		copy(data[at-1:], " "+k.id+" ")
		copy(data[1000*(delta+2):], "\n") // long before the second window
		found, _ := scanAll(t, 1, inWindows{small, bytes.NewReader(data)})
		want := Position{Line: 2, Column: at - 1000*(delta+2), Offset: at}
		if f := found[k.id]; len(f.Places) != 1 || f.Places[0].At != want {
			t.Errorf("%+d: places %+v, want one at %+v", delta, f.Places, want)
		}
	}
}

func TestWindowShiftsAllOfAMatch(t *testing.T) {
	m := rules.Match{Start: 1, End: 2, TokenStart: 3, TokenEnd: 4, Secrets: []rules.Candidate{{Start: 5, End: 6}}}
	(&window{start: 100}).shift(&m)
	if got, want := fmt.Sprint(m.Start, m.End, m.TokenStart, m.TokenEnd, m.Secrets[0].Start, m.Secrets[0].End), "101 102 103 104 105 106"; got != want {
		t.Errorf("shift by 100 gave %s, want %s", got, want)
	}
}

func TestWindowsBoundMemoryAndStop(t *testing.T) {
	r := rulestest.Rand(41)
	data := filler(r, 5*small.size)
	for name, reader := range map[string]io.Reader{
		"one byte": iotest.OneByteReader(bytes.NewReader(data[:small.size+100])),
		"half":     iotest.HalfReader(bytes.NewReader(data)),
		"data err": iotest.DataErrReader(bytes.NewReader(data)),
	} {
		var all []byte
		buf, ok := small.windows(t.Context(), Blob{}, reader, nil, func(b Blob, err error) bool {
			if err != nil || len(b.Data) > small.size {
				t.Errorf("%s: a window of %d bytes, %v", name, len(b.Data), err)
			}
			all = append(all[:b.window.offset(0)], b.Data...)
			return true
		})
		if want := data[:len(all)]; !ok || cap(buf) > 2*small.size || len(all) < small.size || !bytes.Equal(all, want) {
			t.Errorf("%s: windows of %d bytes, %v, in memory of %d", name, len(all), ok, cap(buf))
		}
	}
	n := 0
	if _, ok := small.windows(t.Context(), Blob{}, bytes.NewReader(data), nil, func(Blob, error) bool { n++; return n < 2 }); ok || n != 2 {
		t.Errorf("windows went on for %d after the loop stopped", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	if _, ok := small.windows(ctx, Blob{}, bytes.NewReader(data), nil, func(Blob, error) bool { n++; cancel(); return true }); ok || n != 1 {
		t.Errorf("windows went on for %d after the context ended", n)
	}
}

// What was read before an error is searched, and the rest is named.
func TestWindowsNameWhatCannotBeRead(t *testing.T) {
	r := rulestest.Rand(42)
	for _, size := range []int{10_000, small.size, small.size + 20_000, 4 * small.size} {
		k := newKey(r)
		data := append(filler(r, size), "\n"+k.lines()...)
		found, sum := scanAll(t, 1, inWindows{small, io.MultiReader(bytes.NewReader(data), iotest.ErrReader(errBroken))})
		if len(found) != 1 || found[k.id].Key.Secret != rules.NewSecret(k.secret) {
			t.Errorf("%d bytes: found %d keys, want the one before the error", size, len(found))
		}
		if sum.Skipped != 1 || sum.Skips[0].What != "large" || !errors.Is(sum.Skips[0].Err, errBroken) {
			t.Errorf("%d bytes: skips %v, want the error", size, sum.Skips)
		}
	}
}

// The halves of a pair that no window holds both of are told each by itself.
func TestWindowsDoNotJoinDistantHalves(t *testing.T) {
	r := rulestest.Rand(43)
	k := newKey(r)
	data := slices.Concat([]byte("aws_access_key_id = "+k.id+"\n"), filler(r, 4*small.size), []byte("\naws_secret_access_key = "+k.secret+"\n"))
	found, _ := scanAll(t, 1, inWindows{small, bytes.NewReader(data)})
	if f := found[k.id]; len(found) != 2 || !f.Key.Secret.IsZero() {
		t.Errorf("found %d keys, want the two halves", len(found))
	}
}

func TestStreamsOfAnySize(t *testing.T) {
	r := rulestest.Rand(44)
	early, late := newKey(r), newKey(r)
	const gap = windowBytes + overlapBytes
	line := []byte(strings.Repeat("x y ", 16) + "\n")
	src := Stream("long", io.MultiReader(strings.NewReader(early.lines()), io.LimitReader(&repeated{line: line}, gap), strings.NewReader("\n"+late.lines())))
	found, sum := scanAll(t, 2, src)
	if len(found) != 2 || sum.Skipped != 0 || sum.Blobs != 1 {
		t.Fatalf("found %d keys in %d blobs, skipped %d", len(found), sum.Blobs, sum.Skipped)
	}
	at := found[late.id].First().At
	before := len(early.lines()) + gap + 1
	want := Position{Line: 2 + gap/len(line) + 2, Column: len("aws_access_key_id = ") + 1, Offset: before + len("aws_access_key_id = ")}
	if at != want {
		t.Errorf("the late key is at %+v, want %+v", at, want)
	}
}

// repeated is one line over and over.
type repeated struct {
	line []byte
	at   int
}

func (r *repeated) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		k := copy(b[n:], r.line[r.at:])
		r.at = (r.at + k) % len(r.line)
		n += k
	}
	return n, nil
}
