package bundle

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

const (
	one = "1111111111111111111111111111111111111111"
	two = "2222222222222222222222222222222222222222"
)

func id(t *testing.T, hex string) oid.ID {
	t.Helper()
	x, ok := oid.Parse(hex)
	if !ok {
		t.Fatalf("%q is no name", hex)
	}
	return x
}

func TestBundlesOfGitAreRead(t *testing.T) {
	for _, tt := range []struct {
		format, version string
		args            []string
		needs           int
		filter          string
	}{
		{"sha1", "2", []string{"--all"}, 0, ""},
		{"sha1", "3", []string{"--all"}, 0, ""},
		{"sha256", "3", []string{"--all"}, 0, ""},
		{"sha1", "2", []string{"HEAD~1..main", "HEAD"}, 1, ""},
		{"sha256", "3", []string{"HEAD~1..main"}, 1, ""},
		{"sha1", "3", []string{"--all", "--filter=blob:none"}, 0, "blob:none"},
	} {
		g := gittest.New(t, "--object-format="+tt.format)
		for _, text := range []string{"a", "b", "c"} {
			g.Write("f", text)
			g.Commit(text)
		}
		path := g.Path("x.bundle")
		g.Git(append([]string{"bundle", "create", "-q", "--version=" + tt.version, path}, tt.args...)...)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		h, err := Read(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%v: %v", tt, err)
			continue
		}
		var heads strings.Builder
		for _, r := range h.Refs {
			heads.WriteString(r.ID.String() + " " + r.Name + "\n")
		}
		if want := g.Git("bundle", "list-heads", path); strings.TrimSpace(heads.String()) != want {
			t.Errorf("%v: refs\n%swant\n%s", tt, heads.String(), want)
		}
		if !Is(data) || string(data[h.Pack:][:4]) != "PACK" || len(h.Needs) != tt.needs || h.Filter != tt.filter || h.Format.String() != tt.format {
			t.Errorf("%v: %+v", tt, h)
		}
	}
}

func TestHeadIsRead(t *testing.T) {
	const head = "# v3 git bundle\n@object-format=sha1\n@filter=tree:0\n-" + one + " a subject\n-" + two + "\n" + two + " refs/heads/a b\n\n"
	got, err := Read(strings.NewReader(head + "PACK"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Header{
		Version: 3, Filter: "tree:0", Needs: []oid.ID{id(t, one), id(t, two)}, Refs: []Ref{{"refs/heads/a b", id(t, two)}}, Pack: int64(len(head)),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
	for cut := range head {
		if _, err := Read(strings.NewReader(head[:cut])); !errors.Is(err, ErrTruncated) {
			t.Errorf("%q: %v, want ErrTruncated", head[:cut], err)
		}
	}
}

func TestBadHeadsAreRefused(t *testing.T) {
	const v2, v3 = "# v2 git bundle\n", "# v3 git bundle\n"
	for _, tt := range []struct {
		head string
		want error
	}{
		{"# v4 git bundle\n\n", ErrUnknown},
		{"# v20 git bundle\n\n", ErrUnknown},
		{"# v git bundle\n\n", ErrCorrupt},
		{"something else\n\n", ErrCorrupt},
		{v3 + "@new\n\n", ErrUnknown},
		{v3 + "@object-format=md5\n\n", ErrUnknown},
		{v2 + "@filter=blob:none\n\n", ErrCorrupt},
		{v3 + one + " refs/heads/a\n@filter=x\n\n", ErrCorrupt},
		{v3 + "@object-format=sha256\n" + one + " refs/heads/a\n\n", ErrCorrupt},
		{v2 + one + "\n\n", ErrCorrupt},
		{v2 + one + " \n\n", ErrCorrupt},
		{v2 + one + " a\x00b\n\n", ErrCorrupt},
		{v2 + one[1:] + " refs/heads/a\n\n", ErrCorrupt},
		{v2 + "-\n\n", ErrCorrupt},
		{v2 + one + " " + strings.Repeat("x", maxLine) + "\n\n", ErrCorrupt},
		{v2 + strings.Repeat(one+" "+strings.Repeat("x", maxLine-50)+"\n", maxHead/maxLine+2) + "\n", ErrCorrupt},
	} {
		if h, err := Read(strings.NewReader(tt.head)); !errors.Is(err, tt.want) {
			t.Errorf("%.60q: %+v, %v, want %v", tt.head, h, err, tt.want)
		}
	}
}

// What is read is read again from what it says.
func FuzzRead(f *testing.F) {
	f.Add([]byte("# v2 git bundle\n-" + one + " x\n" + two + " refs/heads/a\n\nPACK"))
	f.Add([]byte("# v3 git bundle\n@object-format=sha256\n@filter=blob:none\n" + one + two[:24] + " HEAD\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		if !Is(data) || h.Pack > int64(len(data)) || !bytes.HasSuffix(data[:h.Pack], []byte("\n\n")) {
			t.Fatalf("%q is read as %+v", data, h)
		}
		var b bytes.Buffer
		b.WriteString("# v3 git bundle\n@object-format=" + h.Format.String() + "\n@filter=" + h.Filter + "\n")
		for _, n := range h.Needs {
			b.WriteString("-" + n.String() + "\n")
		}
		for _, r := range h.Refs {
			b.WriteString(r.ID.String() + " " + r.Name + "\n")
		}
		b.WriteString("\n")
		again, err := Read(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatalf("%q: %v", b.String(), err)
		}
		h.Version, h.Pack = again.Version, again.Pack
		if !reflect.DeepEqual(h, again) {
			t.Errorf("%+v is read again as %+v", h, again)
		}
	})
}
