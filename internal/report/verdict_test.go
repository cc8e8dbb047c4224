package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/scanner"
)

var verdictTime = time.Date(2026, 11, 22, 12, 0, 0, 5e6, time.UTC)

// verdictOf is a verdict in a state, with s wherever a server can put a text.
func verdictOf(state verify.State, s string) *verify.Verdict {
	v := &verify.Verdict{
		KeyID: s, State: state, Reason: s, At: verdictTime,
		Asked: []verify.Answer{{Partition: "aws", Endpoint: s, Status: 403, Code: s, Message: s, RequestID: s, At: verdictTime, Skew: -90 * time.Second}},
	}
	if state == verify.Live {
		v.Account, v.ARN, v.UserID, v.Kind, v.Partition = "123456789012", s, s, verify.Root, "aws-cn"
	}
	return v
}

var allStates = []verify.State{verify.Unknown, verify.Live, verify.Gone, verify.WrongSecret, verify.Expired, verify.Canary}

// Each format tells each state apart.
func TestEveryFormatTellsTheVerdict(t *testing.T) {
	s := newSample(t)
	f := s.findings[0]
	marks := map[string]map[verify.State]string{
		"text": {
			verify.Unknown: "unknown: because. Take it for live", verify.Live: "LIVE: the root user of account 123456789012 in aws-cn; because",
			verify.Gone: "inactive or gone: because", verify.WrongSecret: "wrong secret: because", verify.Expired: "expired: because",
		},
		"junit": {
			verify.Unknown: "unknown: because. Take it for live", verify.Live: "LIVE: the root user of account 123456789012",
			verify.Gone: "inactive or gone: because", verify.WrongSecret: "wrong secret: because", verify.Expired: "expired: because",
		},
		"json": {
			verify.Unknown: `"state":"unknown","verdict":{"state":"unknown"`, verify.Live: `"state":"live","verdict":{"state":"live","account":"123456789012"`,
			verify.Gone: `"state":"inactive-or-gone","verdict":`, verify.WrongSecret: `"state":"wrong-secret","verdict":`,
			verify.Expired: `"state":"expired","verdict":`, verify.Canary: `"state":"canary","verdict":`,
		},
		"sarif": {
			verify.Unknown: `"level":"error"`, verify.Live: `"level":"error","message":{"text":"AKIA`, verify.Gone: `"level":"note"`,
			verify.WrongSecret: `"level":"warning"`, verify.Expired: `"level":"note"`,
		},
		"csv": {
			verify.Unknown: ",,,,because,2026-11-22T12:00:00.005Z", verify.Live: ",root,because,aws-cn,because,2026-11-22T12:00:00.005Z",
			verify.Gone: "inactive-or-gone,AKIA", verify.WrongSecret: "wrong-secret,AKIA", verify.Expired: "expired,AKIA",
		},
		"html": {
			verify.Unknown: `<h3 id="state-unknown">Not known`, verify.Live: `<h3 id="state-live">Live`, verify.Gone: `<h3 id="state-inactive">`,
			verify.WrongSecret: `<h3 id="state-mismatch">`, verify.Expired: `<h3 id="state-expired">`, verify.Canary: `<h3 id="state-canary">`,
		},
	}
	for format, byState := range marks {
		for _, state := range allStates {
			want, ok := byState[state]
			if !ok {
				continue
			}
			o := Options{Scope: All, Verdict: func(*scanner.Finding) *verify.Verdict { return verdictOf(state, "because") }}
			if got := written(t, format, o, s.summary, f); !strings.Contains(got, want) {
				t.Errorf("%s of a key that is %v does not have %q", format, state, want)
			}
		}
	}
	// One that AWS no longer takes needs no command that deactivates it.
	over := Options{Scope: All, Verdict: func(*scanner.Finding) *verify.Verdict { return verdictOf(verify.Gone, "because") }}
	for _, format := range []string{"text", "html"} {
		if got := written(t, format, over, s.summary, f); strings.Contains(got, "update-access-key") || !strings.Contains(got, "who turned it off") {
			t.Errorf("%s tells to deactivate what is inactive", format)
		}
	}
}

// A function that knows nothing of a key changes nothing about it but in CSV,
// which has its columns.
func TestNoVerdictIsNoText(t *testing.T) {
	s := newSample(t)
	for _, format := range Formats() {
		o := Options{Scope: All, Target: "x"}
		without := written(t, format, o, s.summary, s.findings...)
		o.Verdict = func(*scanner.Finding) *verify.Verdict { return nil }
		with := written(t, format, o, s.summary, s.findings...)
		switch format {
		case "csv":
			with = strings.NewReplacer(",identity,arn,partition,reason,verified\r\n", "\r\n", ",,,,,\r\n", "\r\n").Replace(with)
		case "html":
			with, without = with[strings.Index(with, "<footer>"):], without[strings.Index(without, "<footer>"):]
		}
		if with != without {
			t.Errorf("%s differs where nothing is known", format)
		}
	}
}

// What a server says is as hostile as what a repository says.
func TestHostileVerdictsAreInert(t *testing.T) {
	s := newSample(t)
	for _, text := range hostile {
		for _, state := range []verify.State{verify.Unknown, verify.Live, verify.Gone} {
			v := verdictOf(state, text)
			o := Options{Scope: All, Verdict: func(*scanner.Finding) *verify.Verdict { return v }}
			for format, parse := range parsers {
				got := written(t, format, o, s.summary, s.findings[0])
				checkInert(t, format, text, got)
				if keys, places := parse(t, got); keys != 1 || places != len(s.findings[0].Places) {
					t.Errorf("%s of %q has %d keys, %d places", format, text, keys, places)
				}
			}
			for _, format := range append(VerdictFormats(), "text of a scan", "json of a scan") {
				var b bytes.Buffer
				if name, ok := strings.CutSuffix(format, " of a scan"); ok {
					b.WriteString(written(t, name, o, s.summary, s.findings[0]))
				} else if err := Verdicts(&b, format, []verify.Verdict{*v, *v}, Options{}); err != nil {
					t.Fatal(err)
				}
				checkInert(t, format, text, b.String())
			}
		}
	}
}

// The secret that AWS took is masked wherever it is told of.
func TestVerdictsMaskTheSecret(t *testing.T) {
	s := newSample(t)
	f := s.findings[0]
	v := verdictOf(verify.Live, "x")
	v.Secret = f.Secrets[1].Secret
	o := Options{Scope: All, Verdict: func(*scanner.Finding) *verify.Verdict { return v }}
	for _, format := range Formats() {
		if strings.Contains(decoded(written(t, format, o, s.summary, f)), v.Secret.Reveal()) {
			t.Errorf("%s shows the secret", format)
		}
	}
	if got := written(t, "text", o, s.summary, f); !strings.Contains(got, "with the secret "+v.Secret.Masked()+", one of its candidates") {
		t.Error("text does not tell which candidate it is")
	}
	for _, format := range VerdictFormats() {
		var b bytes.Buffer
		if err := Verdicts(&b, format, []verify.Verdict{*v}, Options{ShowSecrets: true}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), v.Secret.Reveal()) || !strings.Contains(b.String(), v.Secret.Masked()) {
			t.Errorf("%s does not mask the secret", format)
		}
	}
}

func TestVerdictLinesAreJSON(t *testing.T) {
	list := []verify.Verdict{*verdictOf(verify.Live, "a"), {Reason: "b"}}
	var b bytes.Buffer
	if err := Verdicts(&b, "json", list, Options{}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != len(list) {
		t.Fatalf("%d verdicts are %d lines", len(list), len(lines))
	}
	var got struct {
		Type, State, At string
		KeyID           string `json:"key_id"`
		Asked           []struct {
			Skew float64 `json:"skew_seconds"`
		}
	}
	if err := json.Unmarshal([]byte(lines[0]), &got); err != nil || got.Type != "verdict" || got.State != "live" || got.KeyID != "a" || got.Asked[0].Skew != -90 || got.At != "2026-11-22T12:00:00.005Z" {
		t.Errorf("line %q = %+v, %v", lines[0], got, err)
	}
}

func TestVerdictSummary(t *testing.T) {
	for want, states := range map[string][]verify.State{
		"Verified nothing: there is no key": nil,
		"Verified 1 key: 1 live":            {verify.Live},
		"Verified 7 keys: 1 live, 2 unknown, 1 wrong secret, 1 canary, 1 expired, 1 inactive or gone": append([]verify.State{verify.Unknown}, allStates...),
	} {
		var list []verify.Verdict
		for _, s := range states {
			list = append(list, verify.Verdict{State: s})
		}
		if got := VerdictSummary(list); got != want {
			t.Errorf("VerdictSummary(%v) = %q, want %q", states, got, want)
		}
	}
}

// Calls with the same outcome are told once.
func TestEqualAnswersAreToldOnce(t *testing.T) {
	var asked []verify.Answer
	for i := range 40 {
		asked = append(asked, verify.Answer{Endpoint: fmt.Sprintf("host-%d", i%20), Status: 403, Code: "X"})
	}
	got := answerLines(asked)
	if len(got) != 8 || got[0] != (row{"asked", "host-0: 403 X (2 times)"}) || got[1].Name != "" {
		t.Errorf("answerLines = %d lines from %q", len(got), got[0])
	}
}
