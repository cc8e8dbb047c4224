package gitdir

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// packedLines gives what a packed-refs text holds, one word for each line.
func packedLines(t testing.TB, text string, format oid.Format) (got []string) {
	t.Helper()
	err := scanPacked(strings.NewReader(text), format, func(line int, name []byte, target, peeled oid.ID, bad error) bool {
		if bad != nil {
			got = append(got, fmt.Sprintf("%d:%v", line, bad))
			return true
		}
		s := fmt.Sprintf("%d:%s=%s", line, name, target.String()[:4])
		if !peeled.IsZero() {
			s += "^" + peeled.String()[:4]
		}
		got = append(got, s)
		return true
	})
	if err != nil {
		t.Errorf("scanPacked(%q) = %v", text, err)
	}
	return got
}

func TestPackedReadsEveryLine(t *testing.T) {
	a, b := strings.Repeat("a1", 20), strings.Repeat("b2", 20)
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"# pack-refs with: peeled fully-peeled sorted \n" + a + " refs/x\n^" + b + "\n" + b + " refs/y\n", []string{"2:refs/x=a1a1^b2b2", "4:refs/y=b2b2"}},
		{a + " refs/y\n" + b + " refs/x\n", []string{"1:refs/y=a1a1", "2:refs/x=b2b2"}},
		{"# other header\n" + a + " refs/x\n", []string{"1:" + errPackedLine.Error(), "2:refs/x=a1a1"}},
		{a + " refs/x\n# late\n", []string{"1:refs/x=a1a1", "2:" + errPackedLine.Error()}},
		{"^" + a + "\n", []string{"1:" + errPeeledLine.Error()}},
		{a + " refs/x\n^" + b + "\n^" + b + "\n", []string{"1:refs/x=a1a1^b2b2", "3:" + errPeeledLine.Error()}},
		{a + " refs/x\n^" + b[:39] + "\n" + a + " refs/y\n", []string{"1:refs/x=a1a1", "2:" + errPackedLine.Error(), "3:refs/y=a1a1"}},
		{a + " refs/x", []string{"1:" + errUnended.Error()}},
		{a + " refs/x\n^" + b, []string{"1:refs/x=a1a1", "2:" + errUnended.Error()}},
		{"\n" + a + "\n" + a + " \n" + a + "0 refs/x\n" + "g" + a[1:] + " refs/x\n", []string{
			"1:" + errPackedLine.Error(), "2:" + errPackedLine.Error(), "3:" + errPackedLine.Error(), "4:" + errPackedLine.Error(), "5:" + errPackedLine.Error(),
		}},
		{a + " refs/" + strings.Repeat("l", maxPackedLine) + "\n" + a + " refs/x\n", []string{"1:" + errLineTooLong.Error(), "2:refs/x=a1a1"}},
	} {
		if got := packedLines(t, tt.text, oid.SHA1); !slices.Equal(got, tt.want) {
			t.Errorf("scanPacked(%.200q) = %q, want %q", tt.text, got, tt.want)
		}
	}
	if got := packedLines(t, a+" refs/x\n", oid.SHA256); len(got) != 1 || !strings.Contains(got[0], errPackedLine.Error()) {
		t.Errorf("scanPacked of SHA-1 in a SHA-256 repository = %q", got)
	}
}

func TestPackedProblemsDoNotHideOtherReferences(t *testing.T) {
	dir := busyRepo(t)
	id, other := sampleID(oid.SHA1, 1), sampleID(oid.SHA1, 2)
	write(t, filepath.Join(dir, ".git", "packed-refs"), strings.Join([]string{
		"# pack-refs with: peeled fully-peeled sorted ",
		id.String() + " refs/heads/zz",
		id.String() + " refs/heads/aa",
		other.String() + " refs/heads/main", // the loose one wins
		id.String() + " refs/heads/../../x",
		strings.Repeat("0", 40) + " refs/heads/zero",
		id.String() + " refs/heads/nul\x00x",
		id.String() + " refs/heads/cr\r",
		id.String() + " refs/heads/dup",
		other.String() + " refs/heads/dup",
		"junk",
		id.String() + " refs/heads/last",
	}, "\n")+"\n")
	r := discover(t, dir, Env{})
	refs, bad := r.Refs()
	for name, want := range map[string]string{"zz": id.String(), "aa": id.String(), "last": id.String(), "dup": id.String(), "main": git(t, dir, "rev-parse", "refs/heads/fresh")} {
		if ref, _ := find(refs, "", "refs/heads/"+name); ref.Target.String() != want {
			t.Errorf("refs/heads/%s = %v, want %s", name, ref.Target, want)
		}
	}
	var lines []int
	for _, p := range bad {
		lines = append(lines, p.Line)
	}
	slices.Sort(lines)
	if want := []int{0, 5, 6, 7, 8, 11}; !slices.Equal(lines, want) {
		t.Errorf("problems at lines %v, want %v: %v", lines, want, bad)
	}
	if _, err := r.ResolveRevision("aa"); err != nil {
		t.Errorf("ResolveRevision(aa) = %v", err)
	}
	// The bad line could have been the one asked for.
	if _, err := r.ResolveRevision("unheard-of"); !errors.Is(err, errPackedLine) {
		t.Errorf("ResolveRevision(unheard-of) = %v, want %v", err, errPackedLine)
	}
}

func TestPackedIsBounded(t *testing.T) {
	endless := &zeros{}
	var bad error
	err := scanPacked(endless, oid.SHA1, func(_ int, _ []byte, _, _ oid.ID, e error) bool {
		bad = e
		return true
	})
	if !errors.Is(err, errTooLarge) || endless.n > maxPackedBytes+2*maxPackedLine {
		t.Errorf("scanPacked of an endless file = %v (last %v) after %d bytes, want %v", err, bad, endless.n, errTooLarge)
	}
}

// zeros is a file without end or newline.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	z.n += int64(len(p))
	return len(p), nil
}

func FuzzPackedRefs(f *testing.F) {
	a := strings.Repeat("a1", 20)
	f.Add([]byte("# pack-refs with: peeled fully-peeled sorted \n" + a + " refs/x\n^" + a + "\n"))
	f.Add([]byte(a + " refs/x"))
	f.Add([]byte("^" + a + "\n\n^\n" + a + " \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		seen, last := 0, 0
		err := scanPacked(bytes.NewReader(data), oid.SHA1, func(line int, name []byte, target, _ oid.ID, bad error) bool {
			if line <= last {
				t.Errorf("scanPacked(%q): line %d after %d", data, line, last)
			}
			last = line
			seen++
			if bad == nil && (len(name) == 0 || len(target.Bytes()) != oid.SHA1.Size()) {
				t.Errorf("scanPacked(%q): %q %v", data, name, target)
			}
			return true
		})
		if err != nil {
			t.Errorf("scanPacked(%q) = %v", data, err)
		}
		// Every line is a reference, a peeled object, the header, or a problem.
		lines := bytes.Count(data, []byte("\n")) + 1
		peeled := bytes.Count(data, []byte("\n^")) + 2
		if seen > lines || seen+peeled < lines-1 {
			t.Errorf("scanPacked(%q) gave %d of %d lines", data, seen, lines)
		}
	})
}
