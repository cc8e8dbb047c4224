package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// genesis stands for the hash before the first entry.
	genesis = "0000000000000000000000000000000000000000000000000000000000000000"
	// domain begins what is hashed: no other program's hash is one of an entry.
	domain = "keyquench ledger entry 1"
	// timeForm has all its digits: texts sort as the times do.
	timeForm = "2006-01-02T15:04:05.000000000Z"
)

// record is an entry as it is stored, every field the text that is hashed.
type record struct {
	seq                                                   int64
	at, caseID, keyID, account, kind, by, data, prev, own string
}

// encode is what the hash is made of: each field after its length in eight
// bytes, big-endian, so that no two entries have the same encoding. Seq is
// written in decimal digits.
func (r *record) encode() []byte {
	fields := [...]string{domain, r.prev, strconv.FormatInt(r.seq, 10), r.at, r.caseID, r.keyID, r.account, r.kind, r.by, r.data}
	size := 0
	for _, f := range fields {
		size += 8 + len(f)
	}
	b := make([]byte, 0, size)
	for _, f := range fields {
		b = binary.BigEndian.AppendUint64(b, uint64(len(f)))
		b = append(b, f...)
	}
	return b
}

// sum is the hash that the record must have.
func (r *record) sum() string {
	h := sha256.Sum256(r.encode())
	return hex.EncodeToString(h[:])
}

// entry is the record as callers see it.
func (r *record) entry() (Entry, error) {
	at, err := time.Parse(timeForm, r.at)
	if err != nil {
		return Entry{}, fmt.Errorf("entry %d: its time cannot be read", r.seq)
	}
	return Entry{
		Seq: r.seq, At: at, Case: r.caseID, KeyID: r.keyID, Account: r.account, Kind: r.kind, By: r.by,
		Data: []byte(r.data), Prev: r.prev, Hash: r.own,
	}, nil
}

// Head names the last entry of a ledger, and through its hash all before it.
// That of an empty ledger has Seq 0 and a Hash of zeros.
type Head struct {
	Seq  int64
	Hash string
}

// String is what ParseHead reads.
func (h Head) String() string { return strconv.FormatInt(h.Seq, 10) + ":" + h.Hash }

// ParseHead reads what Head.String wrote.
func ParseHead(s string) (Head, error) {
	seq, hash, ok := strings.Cut(s, ":")
	n, err := strconv.ParseInt(seq, 10, 64)
	switch {
	case !ok || err != nil || n < 0 || strconv.FormatInt(n, 10) != seq:
		return Head{}, fmt.Errorf("head %q: not a number, a colon and a hash", s)
	case len(hash) != len(genesis) || strings.Trim(hash, "0123456789abcdef") != "":
		return Head{}, fmt.Errorf("head %q: the hash is not 64 digits of 0-9 and a-f", s)
	case (n == 0) != (hash == genesis):
		return Head{}, fmt.Errorf("head %q: number and hash cannot belong together", s)
	}
	return Head{n, hash}, nil
}
