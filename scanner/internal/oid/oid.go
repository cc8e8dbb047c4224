// Package oid names Git objects. It knows the two hash functions a repository
// can use and nothing of how objects are stored.
package oid

import (
	"bytes"
	"crypto/sha1" // #nosec G505 -- Git's object names, not a security boundary of ours
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// Format is the hash function of a repository (extensions.objectFormat). Its
// zero value is SHA-1, Git's default.
type Format uint8

// The two object formats of gitformat-pack(5).
const (
	SHA1 Format = iota
	SHA256
)

// MaxSize is the length in bytes of the longest object name.
const MaxSize = sha256.Size

// ParseFormat reads the value of extensions.objectFormat.
func ParseFormat(s string) (Format, bool) {
	switch s {
	case "sha1":
		return SHA1, true
	case "sha256":
		return SHA256, true
	}
	return 0, false
}

// Size is the length of an object name in bytes: 20 or 32.
func (f Format) Size() int {
	if f == SHA256 {
		return sha256.Size
	}
	return sha1.Size
}

// HexSize is the length of a printed object name: 40 or 64.
func (f Format) HexSize() int { return 2 * f.Size() }

// New returns the hash function itself.
func (f Format) New() hash.Hash {
	if f == SHA256 {
		return sha256.New()
	}
	return sha1.New() // #nosec G401
}

func (f Format) String() string {
	if f == SHA256 {
		return "sha256"
	}
	return "sha1"
}

// Sum names an object: the hash of "<kind> <length>\x00" and its data.
func (f Format) Sum(kind string, data []byte) ID {
	h := f.New()
	var head [48]byte
	b := append(head[:0], kind...)
	b = append(b, ' ')
	b = appendInt(b, len(data))
	b = append(b, 0)
	h.Write(b)
	h.Write(data)
	var sum [MaxSize]byte
	return FromBytes(h.Sum(sum[:0]))
}

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

// ID is an object name. IDs compare with ==; the zero ID names nothing.
type ID struct {
	b [MaxSize]byte
	n uint8
}

// FromBytes copies a raw name of 20 or 32 bytes; any other length gives the
// zero ID.
func FromBytes(raw []byte) ID {
	var id ID
	if len(raw) != sha1.Size && len(raw) != sha256.Size {
		return id
	}
	id.n = uint8(copy(id.b[:], raw))
	return id
}

// Parse reads a printed name of 40 or 64 hexadecimal digits.
func Parse(s string) (ID, bool) {
	var raw [MaxSize]byte
	if len(s) != 2*sha1.Size && len(s) != 2*sha256.Size {
		return ID{}, false
	}
	n, err := hex.Decode(raw[:], []byte(s))
	if err != nil {
		return ID{}, false
	}
	return FromBytes(raw[:n]), true
}

// Bytes is the raw name, 20 or 32 bytes, or empty for the zero ID. The caller
// must not write to it.
func (id *ID) Bytes() []byte { return id.b[:id.n] }

// IsZero tells whether the ID names nothing: never set, or Git's all-zero name.
func (id ID) IsZero() bool { return id.b == [MaxSize]byte{} }

// Compare orders IDs by their bytes.
func (id ID) Compare(other ID) int { return bytes.Compare(id.b[:], other.b[:]) }

// String is the name in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id.b[:id.n]) }
