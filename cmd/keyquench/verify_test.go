package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// clocked runs the program by the clock of a fake AWS, so that waiting takes no
// time.
func clocked(ctx context.Context, aws *awstest.Server, env map[string]string, in string, args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	p := &program{
		in: strings.NewReader(in), out: &o, errOut: &e, now: aws.Clock().Now, sleep: aws.Clock().Sleep,
		getenv: func(name string) string { return env[name] },
	}
	code = p.run(ctx, append(args, "--aws-endpoint", aws.URL()))
	return code, o.String(), e.String()
}

func newClocked(t *testing.T) *awstest.Server {
	t.Helper()
	return awstest.Start(t, awstest.Options{Clock: awstest.NewClock(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)), Confusion: 5 * time.Second})
}

// The exit code says what is known of all keys together.
func TestVerifyExitCodes(t *testing.T) {
	aws := newClocked(t)
	acc := aws.Account("aws", "123456789012")
	on, off := acc.User("on").Key(), acc.User("off").Key()
	acc.User("off").SetActive(off.ID, false)
	r := rulestest.Rand(9)
	bad := rules.Key{ID: acc.User("x").Key().ID, Secret: rules.NewSecret(rulestest.Secret(r))}
	canary := rules.Key{ID: rulestest.KeyIDOf(r, "AKIA", 171436882533), Secret: bad.Secret}
	lone := rules.Key{ID: rulestest.KeyIDOf(r, "AKIA", 5)}
	late := acc.Role("r", awstest.Trust("123456789012", "")).Session("s1", time.Minute)
	aws.Clock().Advance(time.Hour)
	for _, tt := range []struct {
		name string
		keys []rules.Key
		code int
		out  []string
		told string
	}{
		{"live", []rules.Key{on}, exitLeaks, []string{"LIVE"}, ""},
		{"gone", []rules.Key{off}, exitClean, []string{"inactive or gone"}, ""},
		{"wrong secret", []rules.Key{bad}, exitClean, []string{"wrong secret: AWS has an active key with this ID"}, ""},
		{"expired", []rules.Key{late}, exitClean, []string{"expired: AWS says that the session is over"}, ""},
		{"canary", []rules.Key{canary}, exitClean, []string{"canary: "}, ""},
		{"ID alone", []rules.Key{lone}, exitFailed, []string{"unknown: only the key ID is known"}, "nothing is known of " + lone.ID},
		{"gone and unknown", []rules.Key{off, lone}, exitFailed, []string{"inactive or gone", "unknown"}, "nothing is known of " + lone.ID},
		{"live and unknown", []rules.Key{lone, on}, exitLeaks, []string{"LIVE", "unknown"}, "nothing is known of " + lone.ID},
		{"the right one among wrong", []rules.Key{{ID: on.ID, Secret: bad.Secret}, on}, exitLeaks, []string{"LIVE"}, ""},
		{"all", []rules.Key{late, off, bad, canary}, exitClean, nil, ""},
	} {
		code, out, errOut := clocked(t.Context(), aws, nil, findingsOf(tt.keys...), "verify", "--ledger", filepath.Join(t.TempDir(), "l.db"), "-")
		if code != tt.code || !strings.Contains(errOut, tt.told) || tt.told == "" && strings.Contains(errOut, "keyquench: ") {
			t.Errorf("%s: exit code %d, want %d; standard error %q", tt.name, code, tt.code, errOut)
		}
		for _, want := range tt.out {
			if !strings.Contains(out, want) {
				t.Errorf("%s: standard output is %q, want %q in it", tt.name, out, want)
			}
		}
	}
}

// findingsOf are keys as scan --format json --show-secrets writes them.
func findingsOf(keys ...rules.Key) string {
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, `{"type":"finding","kind":"pair","key_id":%q,"secret":%q,"token":%q}`+"\n", k.ID, k.Secret.Reveal(), k.Token.Reveal())
	}
	return b.String() + `{"type":"summary","complete":true}` + "\n"
}

// Whatever is asked and however it fails, no secret is written.
func TestVerifyWritesNoSecret(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	aws := newClocked(t)
	acc := aws.Account("aws", "123456789012")
	user, session := acc.User("u").Key(), acc.Role("r", awstest.Trust("123456789012", "")).Session("s1", time.Hour)
	wrong := rules.Key{ID: user.ID, Secret: rules.NewSecret(rulestest.Secret(rulestest.Rand(4)))}
	text := func(k rules.Key) string {
		return "aws_access_key_id = " + k.ID + "\naws_secret_access_key = " + k.Secret.Reveal() + "\naws_session_token = " + k.Token.Reveal() + "\n"
	}
	for name, k := range map[string]rules.Key{"a.ini": user, "b.ini": session, "c.ini": wrong} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text(k)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"S": user.Secret.Reveal(), "T": session.Token.Reveal(), "SS": session.Secret.Reveal(), "W": wrong.Secret.Reveal()}
	runs := [][]string{
		{"verify", "--key-id", user.ID, "--secret-env", "S"},
		{"verify", "--key-id", user.ID, "--secret-env", "S", "--format", "json"},
		{"verify", "--key-id", user.ID, "--secret-env", "W"},
		{"verify", "--key-id", session.ID, "--secret-env", "SS", "--token-env", "T"},
		{"verify", "--key-id", session.ID, "--secret-env", "W", "--token-env", "T"},
		{"verify", "--key-id", user.ID, "--secret-stdin"},
		{"verify", "-"},
		{"verify", user.Secret.Reveal()},
		{"verify", user.ID, user.Secret.Reveal()},
		{"verify", "--key-id", user.ID, "--secret-env", user.Secret.Reveal()},
		{"verify", "--key-id", user.ID, "--secret", user.Secret.Reveal()},
		{"verify", "a.ini"},
	}
	for _, format := range report.Formats() {
		runs = append(runs, []string{"scan", "--verify", "--format", format, "."})
	}
	faults := map[string]awstest.Fault{
		"none": {}, "lost": awstest.Lost(), "throttled": awstest.Throttle(), "page": awstest.Say(403, "text/html", "<html>"),
		"echo":      awstest.Refuse(403, "SignatureDoesNotMatch", "you sent "+session.Token.Reveal()+" and "+user.Secret.Reveal()),
		"canonical": awstest.Refuse(403, "SignatureDoesNotMatch", "The Canonical String for this request should have been 'x-amz-security-token:"+session.Token.Reveal()),
	}
	for name, fault := range faults {
		aws.Inject(func(awstest.Call) awstest.Fault { return fault })
		for _, args := range runs {
			for _, in := range []string{findingsOf(user, session, wrong), user.Secret.Reveal() + "\n", text(session)} {
				code, out, errOut := clocked(t.Context(), aws, env, in, args...)
				for _, s := range env {
					for i := 0; i+16 <= len(s); i++ {
						if part := s[i : i+16]; strings.Contains(out, part) || strings.Contains(errOut, part) {
							t.Fatalf("%s: keyquench %s … (exit code %d) writes a part of a secret", name, args[0], code)
						}
					}
				}
			}
		}
	}
	if len(aws.Calls()) < len(runs) {
		t.Errorf("%d calls were made", len(aws.Calls()))
	}
}

// An interrupted run says that nothing is known, and shows what was found.
func TestVerifyInterrupted(t *testing.T) {
	aws := newClocked(t)
	key := aws.Account("aws", "123456789012").User("u").Key()
	ctx, cancel := context.WithCancel(t.Context())
	aws.Inject(func(awstest.Call) awstest.Fault {
		cancel()
		return awstest.Silent()
	})
	code, out, errOut := clocked(ctx, aws, nil, findingsOf(key), "verify")
	if code != exitFailed || !strings.Contains(out, "unknown: it was not asked to the end") || !strings.Contains(errOut, "nothing is known of "+key.ID) {
		t.Errorf("verify = %d, %q, %q", code, out, errOut)
	}
}

// Secrets that stand apart from their ID are tried with it, and those of other
// findings of the same ID.
func TestScanVerifyTriesEveryPair(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	aws := newClocked(t)
	u := aws.Account("aws", "123456789012").User("u")
	key := u.Key()
	r := rulestest.Rand(12)
	// The true secret is the one of three that has no label.
	text := "id = " + key.ID + "\n" + rulestest.Secret(r) + "\n" + key.Secret.Reveal() + "\n" + rulestest.Secret(r) + "\n"
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := clocked(t.Context(), aws, nil, "", "scan", "--verify", ".")
	if code != exitLeaks || !strings.Contains(out, "LIVE: an IAM user of account 123456789012") || !strings.Contains(errOut, "Verified 1 key: 1 live") {
		t.Errorf("scan --verify = %d, %q, %q", code, out, errOut)
	}
}
