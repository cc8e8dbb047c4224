package rules

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unique"
)

// Secret is a text that must not be shown: it prints masked in every verb of
// fmt, in JSON, in text encodings and in slog. Two Secrets are == when their
// texts are equal. The zero value is no secret.
type Secret struct{ h unique.Handle[string] }

// Key is one credential, or the part of it that was found. ID is empty for a
// secret found alone; Secret is zero for an ID found alone. A credential that
// stands by itself, such as a bearer token, is in Secret.
type Key struct {
	ID            string
	Secret, Token Secret
}

// NewSecret hides text. The empty text gives the zero Secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{unique.Make(text)}
}

// Reveal returns the text itself. Only code that hands the text to the service
// it belongs to calls it.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return s.h.Value()
}

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s == Secret{} }

// Masked is the text that may be shown: the first four characters and twelve
// stars, so that the length stays hidden too, or only stars for a text that
// four characters would give away a good part of.
func (s Secret) Masked() string {
	const shown, shortest = 4, 20
	text := s.Reveal()
	if text == "" {
		return ""
	}
	head := ""
	if len(text) >= shortest {
		head = strings.Map(printable, text[:shown])
	}
	return head + "************"
}

// printable keeps what may stand in a terminal: a secret is a repository's
// bytes, and those may hold escape sequences.
func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return '*'
	}
	return r
}

// Hash identifies the text without showing it. It is the SHA-256 of the text
// behind a prefix of our own, so that it equals no hash published elsewhere.
func (s Secret) Hash() [32]byte {
	return sha256.Sum256([]byte("keyquench secret v1\x00" + s.Reveal()))
}

// coverWindow is how many characters of a secret in a row are too many to show.
// Two texts that have nothing to do with each other do not share as many by chance.
const coverWindow = 8

// Cover puts stars over every part of the secrets that a text repeats, also over
// one that was cut: servers and files quote what they were given.
func Cover(text string, secrets ...Secret) string {
	out := []byte(text)
	for _, s := range secrets {
		hidden := s.Reveal()
		for i := 0; i+coverWindow <= len(text) && hidden != ""; i++ {
			if strings.Contains(hidden, text[i:i+coverWindow]) {
				copy(out[i:], strings.Repeat("*", coverWindow))
			}
		}
	}
	return string(out)
}

// String is Masked.
func (s Secret) String() string { return s.Masked() }

// Format writes Masked whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.Masked()) }

// MarshalText gives Masked; encoding/json uses it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.Masked()), nil }

// MarshalJSON gives Masked as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.Masked()) }

// LogValue gives Masked.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.Masked()) }
