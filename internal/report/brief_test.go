package report

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner"
)

func TestBriefAtEveryGate(t *testing.T) {
	for g, name := range map[Gate]string{AtCommit: "commit", AtPush: "push", AtServer: "server", ByHand: "hand"} {
		s := newSample(t)
		got := s.write(t, func(b *bytes.Buffer) Writer { return NewBrief(b, g, Options{}) })
		s.golden(t, "brief-"+name+".txt", got)
		for _, secret := range s.secrets {
			if strings.Contains(got, secret) {
				t.Errorf("%s: the report holds a secret", name)
			}
		}
		for line := range strings.Lines(got) {
			if line = strings.TrimSuffix(line, "\n"); Clean(line) != line {
				t.Errorf("%s: %q would do something", name, line)
			}
		}
	}
}

// Six lines for one key, and none for nothing.
func TestBriefIsBrief(t *testing.T) {
	for g := range gates {
		for n, want := range []int{0, 6, 7, 8, 9, 9} {
			s := newSample(t)
			s.findings, s.summary = s.findings[:n], scanner.Summary{}
			got := s.write(t, func(b *bytes.Buffer) Writer { return NewBrief(b, Gate(g), Options{}) })
			if lines := strings.Count(got, "\n"); lines != want {
				t.Errorf("gate %d, %d keys: %d lines, want %d:\n%s", g, n, lines, want, got)
			}
		}
	}
}

func TestBriefNamesWhatWasNotRead(t *testing.T) {
	for name, tt := range map[string]struct {
		sum  scanner.Summary
		want string
	}{
		"a skip":  {scanner.Summary{Skipped: 3, Skips: []scanner.Skip{{What: "b\x1b[1m", Err: hint{errors.New("bad\n::error::x")}}, {What: "c", Err: errors.New("no")}}}, `b\x1b[1m: bad\n::error::x, and 2 more` + "\nkeyquench: try: do this; git commit --no-verify commits without the check\n"},
		"missing": {scanner.Summary{Missing: 2}, "2 objects were never fetched: this is a partial clone\nkeyquench: try: git fetch --refetch"},
		"shallow": {scanner.Summary{Shallow: 1}, "history is cut at 1 commit"},
	} {
		s := newSample(t)
		s.findings, s.summary = nil, tt.sum
		got := s.write(t, func(b *bytes.Buffer) Writer { return NewBrief(b, AtCommit, Options{}) })
		if !strings.HasPrefix(got, "keyquench: this commit was not checked: ") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q in it", name, got, tt.want)
		}
	}
}
