package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"
)

// askable finds out which candidates AWS can be asked about. If there are none,
// the verdict says why; that of a canary is decided without asking.
func askable(candidates []rules.Key) (keys []rules.Key, v Verdict, ok bool) {
	if len(candidates) == 0 {
		return nil, Verdict{Reason: "no key was given"}, false
	}
	id := candidates[0].ID
	v = newVerdict(id)
	for _, k := range candidates {
		if k.ID != id {
			v.Reason = "keys with other IDs were given as if they were one"
			return nil, v, false
		}
	}
	if operator, is := rules.Canary(v.Account); is {
		v.State, v.Reason = Canary, "the account is known for tripwires, of "+operator+"; whoever uses the key is noticed"
		if operator == "unknown" {
			v.Reason = "the account is known for tripwires; whoever uses the key is noticed"
		}
		return nil, v, false
	}
	if v.Reason = whyNot(id); v.Reason != "" {
		return nil, v, false
	}
	for _, k := range candidates {
		if k = fitting(k); usable(k) && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		v.Reason = missing(candidates)
		return nil, v, false
	}
	return keys, v, true
}

// newVerdict is a verdict that nothing is known.
func newVerdict(keyID string) Verdict {
	v := Verdict{KeyID: awsapi.Clean(keyID, 128)}
	v.Account, _ = rules.Account(keyID)
	return v
}

// whyNot tells why no call can be made with a key ID, or "".
func whyNot(id string) string {
	switch {
	case id == "":
		return "the key ID is not known: a secret alone cannot be asked about"
	case strings.HasPrefix(id, "ABIA") || strings.HasPrefix(id, "ACCA"):
		return fmt.Sprintf("STS has no check for IDs that begin with %s", id[:4])
	case !rules.AnyKeyID(id):
		return "the key ID does not have the form of one"
	case strings.HasSuffix(id, "EXAMPLE"):
		return "the key ID is an example of AWS's documents"
	}
	return ""
}

// temporary: STS issues these IDs, and they need their session token.
func temporary(id string) bool { return strings.HasPrefix(id, "ASIA") }

// fitting is a key without what does not belong to it: with a session token, AWS
// would not take a long-term key that is live.
func fitting(k rules.Key) rules.Key {
	if !temporary(k.ID) {
		k.Token = rules.Secret{}
	}
	return k
}

// usable tells whether a request can be signed with the key.
func usable(k rules.Key) bool {
	if k.Secret.IsZero() || temporary(k.ID) && k.Token.IsZero() {
		return false
	}
	return sendable(k.Secret, 256) && sendable(k.Token, 16<<10)
}

// sendable tells whether a text can stand in the head of a request, and is not
// stars in the place of a secret.
func sendable(s rules.Secret, limit int) bool {
	t := s.Reveal()
	if len(t) > limit {
		return false
	}
	return !strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' || r == '*' })
}

// missing tells what would be needed to ask.
func missing(candidates []rules.Key) string {
	secret := func(k rules.Key) bool { return !k.Secret.IsZero() }
	token := func(k rules.Key) bool { return !k.Token.IsZero() }
	switch {
	case !slices.ContainsFunc(candidates, secret):
		return "only the key ID is known"
	case temporary(candidates[0].ID) && !slices.ContainsFunc(candidates, token):
		return "the session token is not known, without which AWS refuses a temporary key"
	case temporary(candidates[0].ID) && !slices.ContainsFunc(candidates, func(k rules.Key) bool { return secret(k) && token(k) }):
		return "no secret is known together with a session token"
	}
	return "what was given as its secret cannot be one"
}
