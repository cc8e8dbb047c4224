// Package rulestest tests rules the same way for all of them, and makes the
// values to test with: nothing that looks like a key stands in the source.
package rulestest

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"strings"
)

// The alphabets credentials are drawn from.
const (
	Base32Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	Base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	HexAlphabet    = "0123456789abcdef"
	LowerAlphabet  = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// Rand is a source of values that repeats for the same seed.
func Rand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6b65797175656e63)) }

// Text draws n characters.
func Text(r *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// KeyID makes an access key ID with the prefix (AKIA, ASIA, …) and a random
// account inside.
func KeyID(r *rand.Rand, prefix string) string {
	return KeyIDOf(r, prefix, r.Uint64N(1_000_000_000_000))
}

// KeyIDOf makes an access key ID of one account.
func KeyIDOf(r *rand.Rand, prefix string, account uint64) string {
	z := 1<<47 | account<<7 | r.Uint64N(1<<7)
	var raw [10]byte
	binary.BigEndian.PutUint64(raw[:8], z<<16|r.Uint64N(1<<16))
	binary.BigEndian.PutUint16(raw[8:], uint16(r.Uint32()))
	var b strings.Builder
	b.WriteString(prefix)
	// 80 bits are 16 characters of five bits.
	for i := range 16 {
		v := 0
		for bit := i * 5; bit < i*5+5; bit++ {
			v = v<<1 | int(raw[bit/8]>>(7-bit%8)&1)
		}
		b.WriteByte(Base32Alphabet[v])
	}
	return b.String()
}

// Secret makes a secret access key.
func Secret(r *rand.Rand) string { return Text(r, Base64Alphabet, 40) }

// Token makes a session token of a usual length.
func Token(r *rand.Rand) string {
	return "IQoJb3JpZ2luX2Vj" + Text(r, Base64Alphabet, 300+4*r.IntN(60)) + "=="
}

// SMTP makes an SES SMTP password: a version byte and 32 random ones.
func SMTP(r *rand.Rand) string {
	raw := Bytes(r, 33)
	raw[0] = 4
	return base64.StdEncoding.EncodeToString(raw)
}

// Bytes draws n bytes.
func Bytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
