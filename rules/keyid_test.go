package rules_test

import (
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// The first keys that AWS made have digits that today's do not, and some still work.
func TestAnyKeyIDs(t *testing.T) {
	id := rulestest.KeyIDOf(rulestest.Rand(5), "AKIA", 123456789012)
	for text, want := range map[string]bool{
		id:                              true,
		"ASIA" + id[4:]:                 true,
		id[:8] + "0189" + id[12:]:       true,
		id[:19] + "8":                   true,
		id[:19]:                         false,
		id + "0":                        false,
		"AIDA" + id[4:8] + "0" + id[9:]: false,
		id[:8] + "0" + id[9:19] + "a":   false,
		id[:8] + "0" + id[9:19] + "\n":  false,
		"":                              false,
	} {
		if got := rules.AnyKeyID(text); got != want {
			t.Errorf("AnyKeyID(%q) = %v, want %v", text, got, want)
		}
	}
}
