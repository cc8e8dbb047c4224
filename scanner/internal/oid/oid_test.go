package oid

import (
	"strings"
	"testing"
)

// The empty blob's two names are fixed points every Git knows.
func TestSumNamesTheEmptyBlob(t *testing.T) {
	for f, want := range map[Format]string{
		SHA1:   "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
		SHA256: "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
	} {
		if got := f.Sum("blob", nil).String(); got != want {
			t.Errorf("%v.Sum(blob, nil) = %s, want %s", f, got, want)
		}
		id, ok := Parse(want)
		if !ok || id.String() != want || len(id.Bytes()) != f.Size() {
			t.Errorf("Parse(%s) = %v, %v", want, id, ok)
		}
	}
}

func TestParseRefusesWhatIsNoName(t *testing.T) {
	for _, s := range []string{"", "e69de29b", strings.Repeat("g", 40), strings.Repeat("a", 41), strings.Repeat("a", 63)} {
		if id, ok := Parse(s); ok {
			t.Errorf("Parse(%q) = %v, want none", s, id)
		}
	}
}

func TestSumCountsLength(t *testing.T) {
	// printf 'hello world' | git hash-object --stdin
	if got, want := SHA1.Sum("blob", []byte("hello world")).String(), "95d09f2b10159347eece71399a7e2e907ea3df4f"; got != want {
		t.Errorf("Sum = %s, want %s", got, want)
	}
}
