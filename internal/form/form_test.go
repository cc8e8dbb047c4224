package form

import (
	"slices"
	"testing"
)

func TestForm(t *testing.T) {
	f := New(`([a-z]+)-([0-9]{2,})`)
	if !f.MatchString("x ab-12") || f.MatchString("ab-1") {
		t.Errorf("%v matches the wrong texts", f)
	}
	if got := f.FindStringSubmatch("x ab-12"); !slices.Equal(got, []string{"ab-12", "ab", "12"}) {
		t.Errorf("FindStringSubmatch = %q", got)
	}
	if got := f.ReplaceAllStringFunc("ab-12 cd-34", func(s string) string { return s[3:] }); got != "12 34" {
		t.Errorf("ReplaceAllStringFunc = %q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a wrong expression is taken")
		}
	}()
	New("(").MatchString("") // and not before
}
