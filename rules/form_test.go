package rules

import (
	"regexp"
	"strings"
	"testing"
)

// A form means what it prints, in errors, as a regular expression.
func TestFormsAreTheExpressionsTheyPrint(t *testing.T) {
	for _, f := range []form{labelForm, headForm, stopForm, nearForm, publishedForm, prefixForm, literalForm, classForm} {
		re := regexp.MustCompile("^" + f.String() + "$")
		check := func(s string) {
			if got, want := f.matches(s), re.MatchString(s); got != want {
				t.Errorf("%s matches %q: %v, want %v", f, s, got, want)
			}
		}
		for n := range f.most + 3 {
			check(strings.Repeat(f.chars[:1], n))
		}
		for c := range 256 {
			check(strings.Repeat(f.chars[1:2], f.most-1) + string([]byte{byte(c)}))
		}
	}
	id := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	for _, s := range []string{"", "a", "-", "a-", "-a", "a-b", "a--b", "a-b-c9", "A", "a b", "é"} {
		if got, want := isID(s), id.MatchString(s); got != want {
			t.Errorf("isID(%q) = %v, want %v", s, got, want)
		}
	}
}
