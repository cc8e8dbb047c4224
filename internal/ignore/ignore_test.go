package ignore

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	one = strings.Repeat("0a", 16)
	two = strings.Repeat("b1", 16)
	day = time.Date(2026, 3, 10, 15, 0, 0, 0, time.UTC)
)

func TestEntriesHoldUntilTheirDayIsOver(t *testing.T) {
	for _, tt := range []struct {
		line    string
		has     bool
		expired int
	}{
		{one, true, 0},
		{"  " + strings.ToUpper(one) + "  # revoked", true, 0},
		{one + " until 2026-03-10", true, 0},
		{one + " until 2026-03-11 # soon", true, 0},
		{one + " until 2026-03-09", false, 1},
		{"# " + one, false, 0},
		{two, false, 0},
		{"", false, 0},
	} {
		var l List
		if err := l.Read("list", strings.NewReader("\n"+tt.line+"\n"), day); err != nil {
			t.Errorf("%q: %v", tt.line, err)
		}
		if l.Has(one) != tt.has || len(l.Expired) != tt.expired {
			t.Errorf("%q: has %t, %d expired; want %t, %d", tt.line, l.Has(one), len(l.Expired), tt.has, tt.expired)
		}
	}
}

func TestErrorsNameFileAndLineAndAddNothing(t *testing.T) {
	for line, want := range map[string]string{
		"abc":                              "fingerprint has 32",
		one + "0":                          "fingerprint has 32",
		one[:31] + "g":                     "fingerprint has 32",
		one + " until":                     "comes nothing",
		one + " since 2026-01-01":          "comes nothing",
		one + " until tomorrow":            "no YYYY-MM-DD",
		one + " until 2026-02-30":          "no YYYY-MM-DD",
		one + " until 2026-02-03 x":        "comes nothing",
		strings.Repeat(" ", maxLine) + one: "longer than",
	} {
		var l List
		err := l.Read("my list", strings.NewReader(two+"\n"+line+"\n"), day)
		if !errors.Is(err, ErrForm) || !strings.Contains(err.Error(), "my list:2:") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want one of line 2 with %q", line, err, want)
		}
		if l.Len() != 0 {
			t.Errorf("%.60q: %d entries came through", line, l.Len())
		}
	}
	var l List
	if err := l.Read("b", strings.NewReader(header+" 2\n"+one), day); !errors.Is(err, ErrForm) || !strings.Contains(err.Error(), "form") {
		t.Errorf("a list of another form: %v", err)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	var b bytes.Buffer
	entries := []Entry{{Fingerprint: one, Reason: "known\nsince\tMarch # 3"}, {Fingerprint: two, Until: day}}
	if err := Write(&b, entries); err != nil {
		t.Fatal(err)
	}
	var l List
	if err := l.Read("b", &b, day); err != nil {
		t.Fatal(err)
	}
	if !l.Has(one) || !l.Has(two) || l.Len() != 2 || l.entries[one].Reason != "known since March # 3" || l.entries[two].Until.Day() != 10 {
		t.Errorf("read %+v", l.entries)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(header + " 1\n" + one + " until 2026-01-01 # x")
	f.Fuzz(func(t *testing.T, text string) {
		var l List
		if err := l.Read("f", strings.NewReader(text), day); err != nil {
			if l.Len() > 0 || !errors.Is(err, ErrForm) {
				t.Errorf("%v, with %d entries", err, l.Len())
			}
			return
		}
		var list []Entry
		for _, e := range l.entries {
			list = append(list, e)
		}
		var b bytes.Buffer
		if err := Write(&b, list); err != nil {
			t.Fatal(err)
		}
		var again List
		if err := again.Read("g", &b, day); err != nil {
			t.Fatalf("what was written is not read: %v", err)
		}
		for k := range l.entries {
			a, b := l.entries[k], again.entries[k]
			a.Line, b.Line = 0, 0
			a.Reason = strings.Join(strings.Fields(a.Reason), " ")
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("%+v was written, %+v read", a, b)
			}
		}
	})
}
