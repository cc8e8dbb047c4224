package hooks

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

var (
	none = strings.Repeat("0", 40)
	one  = strings.Repeat("1", 40)
	two  = strings.Repeat("2", 40)
	long = strings.Repeat("3", 64)
)

func TestUpdatesAreReadAsGitWritesThem(t *testing.T) {
	for in, want := range map[string][]Update{
		"": nil,
		"refs/heads/a " + one + " refs/heads/b " + two + "\n":                         {{"refs/heads/b", two, one}},
		"HEAD " + one + " refs/heads/b " + none + "\n":                                {{"refs/heads/b", "", one}},
		"(delete) " + none + " refs/heads/b " + two + "\n":                            {{"refs/heads/b", two, ""}},
		"a " + one + " b " + two + "\n" + "c " + two + " d " + one:                    {{"b", two, one}, {"d", one, two}},
		"a " + long + " b " + strings.Repeat("0", 64) + "\n":                          {{"b", "", long}},
		"a " + one + " refs/heads/$(touch\u00a0x);`x`\x1b " + strings.Repeat("0", 40): {{"refs/heads/$(touch\u00a0x);`x`\x1b", "", one}},
	} {
		if got, err := PushUpdates(strings.NewReader(in)); err != nil || !slices.Equal(got, want) {
			t.Errorf("PushUpdates(%q) = %q, %v, want %q", in, got, err, want)
		}
		var receive strings.Builder
		for _, u := range want {
			z := strings.Repeat("0", max(len(u.Old), len(u.New)))
			pick := func(s string) string { return s + z[len(s):] }
			fmt.Fprintf(&receive, "%s %s %s\n", pick(u.Old), pick(u.New), u.Ref)
		}
		if got, err := ReceiveUpdates(strings.NewReader(receive.String())); err != nil || !slices.Equal(got, want) {
			t.Errorf("ReceiveUpdates(%q) = %q, %v, want %q", receive.String(), got, err, want)
		}
	}
}

func TestUpdatesThatGitDoesNotWriteAreRefused(t *testing.T) {
	for _, in := range []string{
		"\n", "a\n", "a " + one + " b\n", "a " + one + " b " + two + " c\n", "a  " + one + " b " + two + "\n",
		"a " + one[1:] + " b " + two + "\n", "a " + strings.Repeat("G", 40) + " b " + two + "\n", "a " + strings.Repeat("A", 40) + " b " + two,
		"a " + long + " b " + two + "\n", "a " + one + "  " + two + "\n", "a --upload-pack=x b " + two + "\n",
	} {
		if got, err := PushUpdates(strings.NewReader(in)); !errors.Is(err, errUpdate) {
			t.Errorf("PushUpdates(%q) = %q, %v, want %v", in, got, err, errUpdate)
		}
	}
	if _, err := PushUpdates(strings.NewReader("a " + one + " " + strings.Repeat("b", maxLine) + " " + two)); err == nil {
		t.Error("a line without end is read")
	}
}

func FuzzUpdates(f *testing.F) {
	f.Add([]byte("refs/heads/a " + one + " refs/heads/b " + none + "\n"))
	f.Add([]byte(one + " " + none + " refs/heads/b\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, read := range []func() ([]Update, error){
			func() ([]Update, error) { return PushUpdates(bytes.NewReader(in)) },
			func() ([]Update, error) { return ReceiveUpdates(bytes.NewReader(in)) },
		} {
			list, err := read()
			if err == nil && len(list) != bytes.Count(append(bytes.TrimSuffix(in, []byte("\n")), '\n'), []byte("\n")) && len(in) > 0 {
				t.Errorf("%q gives %d refs", in, len(list))
			}
			for _, u := range list {
				for _, name := range []string{u.Old, u.New} {
					if name != "" && (len(name) != 40 && len(name) != 64 || strings.Trim(name, "0123456789abcdef") != "") {
						t.Errorf("%q gives the object name %q", in, name)
					}
				}
			}
		}
	})
}

func TestFrameworkCall(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		want Framework
	}{
		"by hand":   {nil, Framework{}},
		"commit":    {map[string]string{"GIT_INDEX_FILE": ".git/index"}, Framework{Commit: true}},
		"push":      {map[string]string{"PRE_COMMIT_REMOTE_NAME": "o", "PRE_COMMIT_TO_REF": one, "PRE_COMMIT_FROM_REF": two}, Framework{Push: true, From: two, To: one, remote: "o"}},
		"push root": {map[string]string{"PRE_COMMIT_REMOTE_NAME": "o", "GIT_INDEX_FILE": "x"}, Framework{Push: true, remote: "o"}},
		"compare":   {map[string]string{"PRE_COMMIT_TO_REF": "b", "PRE_COMMIT_FROM_REF": "a", "GIT_INDEX_FILE": "x"}, Framework{From: "a", To: "b"}},
	} {
		if got := FrameworkCall(func(k string) string { return tt.env[k] }); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
