package rules_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// ofMinIO is an ID as services other than AWS give them out.
func ofMinIO(r *rand.Rand) string {
	return string("QZ0379"[r.IntN(6)]) + rulestest.Text(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 19)
}

// The key of another service is none of AWS's, however it is called; nor is what an
// emulator gives out, and what documents print.
func TestKeysOfOthersAreNoFindings(t *testing.T) {
	r := rulestest.Rand(70)
	for range 200 {
		id, secret, emulated := ofMinIO(r), rulestest.Secret(r), rulestest.KeyIDOf(r, "AKIA", 0)
		for _, text := range []string{
			"aws_access_key_id: " + id + "\naws_secret_access_key: " + secret + "\n",
			"accessKeyID := \"" + id + "\"\nsecretAccessKey := \"" + secret + "\"\n",
			"<AccessKeyId>" + id + "</AccessKeyId><SecretAccessKey>" + secret + "</SecretAccessKey>",
			"aws_secret_access_key: " + secret + "\naws_access_key_id: " + id + "\n",
		} {
			if m := find(text); len(m) != 0 {
				t.Fatalf("the key of another service is %d findings, want none", len(m))
			}
		}
		text := "aws_access_key_id: " + emulated + "\naws_secret_access_key: " + secret + "\n"
		for _, m := range find(text) {
			if m.Key.ID == "" {
				t.Fatal("the secret of an emulator is a finding without its ID")
			}
		}
	}
	for _, text := range []string{
		"key: da2-" + rulestest.LowerAlphabet[:26],
		"key: ABSK" + strings.Repeat("EXAMPLE", 17),
		"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + rulestest.Text(r, rulestest.Base64Alphabet, 10),
		"id = AKIA" + "IOSFODNN7" + rulestest.Text(r, rulestest.Base32Alphabet, 7),
	} {
		if m := find(text); len(m) != 0 {
			t.Errorf("Find(%.24q…) = %s, want nothing", text, m[0].Rule.ID)
		}
	}
}

// What is masked, cut short or far away says nothing of a secret.
func TestOtherTextsAreNoIDsOfOthers(t *testing.T) {
	r := rulestest.Rand(71)
	secret, id := rulestest.Secret(r), ofMinIO(r)
	for _, text := range []string{
		"aws_access_key_id: AKIA" + strings.Repeat("X", 16) + "\naws_secret_access_key: " + secret + "\n",
		"aws_access_key_id: " + strings.Repeat("X", 20) + "\naws_secret_access_key: " + secret + "\n",
		"aws_access_key_id: AKIAIOSFODNN7EXAMPLE\naws_secret_access_key: " + secret + "\n",
		id + "\n" + strings.Repeat("#\n", 100) + "aws_secret_access_key: " + secret + "\n",
		id + id[:3] + "\naws_secret_access_key: " + secret + "\n",
		"aws_secret_access_key: " + secret + "\n20261122203000000000\n",
		"other: " + id + "\naws_access_key_id: A3T" + rulestest.Text(r, rulestest.Base32Alphabet, 17)[:3] + "\n\n" + strings.Repeat("-", 160) + "\naws_secret_access_key: " + secret + "\n",
	} {
		if m := find(text); len(m) != 1 || m[0].Key.Secret != rules.NewSecret(secret) {
			t.Errorf("Find(%.30q…) = %d matches, want the secret", text, len(m))
		}
	}
}

// A text that names an ID before it lists the pairs does not move the secrets on
// by one.
func TestNamedTwiceIsNoList(t *testing.T) {
	r := rulestest.Rand(72)
	for round := range 100 {
		var want []*wantPair
		for range 3 {
			want = append(want, &wantPair{id: rulestest.KeyID(r, "AKIA"), secret: rulestest.Secret(r)})
		}
		text := fmt.Sprintf("The key %s replaces %s and %s.\n", want[2].id, want[0].id, want[1].id)
		for _, p := range want {
			text += file(p.id, p.secret) + "\n"
		}
		matches := find(text)
		for i, p := range want {
			if why := lacks(matches, p, 3); why != "" {
				t.Fatalf("round %d, pair %d: %s", round, i, why)
			}
		}
	}
}

// A weak label carries no further than a few kilobytes, a strong one does.
func TestWeakLabelsEndSomewhere(t *testing.T) {
	r := rulestest.Rand(73)
	id, secret := rulestest.KeyID(r, "AKIA"), rulestest.Secret(r)
	far := strings.Repeat("a line of other things\n", 700)
	if m := keyOf(t, id+"\n"+far+"secret: "+secret+"\n", id); !m.Key.Secret.IsZero() {
		t.Error("a secret that only a weak label names is paired over 16 KB")
	}
	if m := keyOf(t, id+"\n"+far+"aws_secret_access_key: "+secret+"\n", id); m.Key.Secret.IsZero() {
		t.Error("a secret that a strong label names is not paired over 16 KB")
	}
}
