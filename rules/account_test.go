package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

func TestAccountReadsPublishedIDs(t *testing.T) {
	// Prefixes apart, so that no whole ID stands in the source.
	for _, tt := range []struct {
		prefix, tail, account string
		valid                 bool
	}{
		{"ASIA", "Y34FZKBOKMUTVV7A", "609629065308", true},
		{"ASIA", "QNZGKIQY56JQ7WML", "029608264753", true},
		{"AKIA", "6RVFFB77RE7OLMKI", "999999999999", true},
		{"AKIA", "SP2TPHJSQH3FJRUX", "171436882533", true},
		{"AKIA", "QAAAAAAAQAAAAAAA", "000000000001", true},
		{"AKIA", "IOSFODNN7EXAMPLE", "", true},
		{"AKIA", "IVOURJN3SXRRLZFQ", "", true},
		{"AKIA", "7777777777777777", "", false}, // over 999999999999
		{"AROA", "Y34FZKBOKMUTVV7A", "", false},
		{"AKIA", "Y34FZKBOKMUTVV7", "", false},
		{"AKIA", "Y34FZKBOKMUTVV78", "", false},
		{"AKIA", "y34fzkbokmutvv7a", "", false},
		{"", "", "", false},
	} {
		id := tt.prefix + tt.tail
		got, ok := rules.Account(id)
		if got != tt.account || ok != (tt.account != "") {
			t.Errorf("Account(%s…) = %q, %v, want %q", id[:min(6, len(id))], got, ok, tt.account)
		}
		if rules.ValidKeyID(id) != tt.valid {
			t.Errorf("ValidKeyID(%s…) = %v, want %v", id[:min(6, len(id))], !tt.valid, tt.valid)
		}
	}
}

func TestAccountReadsWhatWasWritten(t *testing.T) {
	r := rulestest.Rand(4)
	for range 10_000 {
		want := r.Uint64N(1_000_000_000_000)
		id := rulestest.KeyIDOf(r, "AKIA", want)
		if got, ok := rules.Account(id); !ok || got != fmt.Sprintf("%012d", want) {
			t.Fatalf("Account of an ID of %012d = %q, %v", want, got, ok)
		}
	}
}

func TestCanaryKnowsTripwireAccounts(t *testing.T) {
	if op, ok := rules.Canary("171436882533"); !ok || op != "Thinkst" {
		t.Errorf("Canary(171436882533) = %q, %v", op, ok)
	}
	if _, ok := rules.Canary("044858866125"); !ok {
		t.Error("Canary(044858866125) is not known")
	}
	for _, a := range []string{"", "123456789012", "17143688253"} {
		if op, ok := rules.Canary(a); ok {
			t.Errorf("Canary(%q) = %q, want unknown", a, op)
		}
	}
}

func FuzzAccount(f *testing.F) {
	f.Add("")
	f.Add(rulestest.KeyID(rulestest.Rand(5), "ASIA"))
	f.Add(strings.Repeat("A", 20))
	f.Fuzz(func(t *testing.T, id string) {
		account, ok := rules.Account(id)
		if ok && (len(account) != 12 || strings.Trim(account, "0123456789") != "" || !rules.ValidKeyID(id)) {
			t.Errorf("Account = %q of an ID that is valid: %v", account, rules.ValidKeyID(id))
		}
		if !ok && account != "" {
			t.Errorf("Account = %q, false", account)
		}
	})
}
