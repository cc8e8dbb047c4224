package rules

import (
	"fmt"
	"strings"
)

const (
	keyIDLen = 20
	// maxAccount is the highest 12-digit account number.
	maxAccount = 999_999_999_999
)

// Account reads the number of the owning account out of an access key ID, as
// 12 digits. IDs made before the number was put in (fifth character A to P)
// carry none, and a string that is no access key ID belongs to nobody.
func Account(keyID string) (account string, ok bool) {
	n, carries, valid := decodeAccount(keyID)
	if !valid || !carries {
		return "", false
	}
	return fmt.Sprintf("%012d", n), true
}

// ValidKeyID tells whether id has the form of an access key ID made today: a
// prefix that names a credential, 16 characters of base32 and, where it carries
// an account, a number that can be one.
func ValidKeyID(id string) bool {
	_, _, valid := decodeAccount(id)
	return valid
}

// AnyKeyID tells whether id can be an access key ID: one of today's, or one of the
// first years, which hold digits that today's do not and carry no account. An ID
// all in today's characters that is not valid names an account that cannot be.
func AnyKeyID(id string) bool {
	if ValidKeyID(id) {
		return true
	}
	if len(id) != keyIDLen || !strings.HasPrefix(id, "AKIA") && !strings.HasPrefix(id, "ASIA") {
		return false
	}
	old := false
	for i := 4; i < keyIDLen; i++ {
		switch c := id[i]; {
		case c == '0' || c == '1' || c == '8' || c == '9':
			old = true
		case base32Value(c) < 0:
			return false
		}
	}
	return old
}

// Canary tells who planted a key, when its account is known for tripwires. A
// request with such a key raises an alarm and tells its owner nothing new.
func Canary(account string) (operator string, ok bool) {
	operator, ok = canaries[account]
	return operator, ok
}

// decodeAccount reads the 48 bits after the prefix: the top bit tells whether
// an account number follows in the next 40.
func decodeAccount(id string) (n uint64, carries, valid bool) {
	if len(id) != keyIDLen || !credentialPrefix(id[:4]) {
		return 0, false, false
	}
	var bits uint64
	for i := 4; i < keyIDLen; i++ {
		v := base32Value(id[i])
		if v < 0 {
			return 0, false, false
		}
		if i < 14 {
			bits = bits<<5 | uint64(v)
		}
	}
	z := bits >> 2 // ten characters are 50 bits, the number wants 48
	if z>>47 == 0 {
		return 0, false, true
	}
	n = (z & 0x7fffffffff80) >> 7
	return n, true, n <= maxAccount
}

func credentialPrefix(p string) bool {
	return p == "AKIA" || p == "ASIA" || p == "ABIA" || p == "ACCA"
}

func base32Value(b byte) int {
	switch {
	case 'A' <= b && b <= 'Z':
		return int(b - 'A')
	case '2' <= b && b <= '7':
		return int(b-'2') + 26
	}
	return -1
}

// canaries are the accounts known to hold tripwire keys. The first block is
// one operator's published list; who runs the others is not known.
var canaries = map[string]string{
	"052310077262": "Thinkst",
	"171436882533": "Thinkst",
	"266735846894": "Thinkst",
	"534261010715": "Thinkst",
	"595918472158": "Thinkst",
	"717712589309": "Thinkst",
	"730335385048": "Thinkst",
	"819147034852": "Thinkst",
	"893192397702": "Thinkst",
	"992382622183": "Thinkst",

	"044858866125": "unknown",
	"251535659677": "unknown",
	"344043088457": "unknown",
	"351906852752": "unknown",
	"390477818340": "unknown",
	"426127672474": "unknown",
	"427150556519": "unknown",
	"439872796651": "unknown",
	"445142720921": "unknown",
	"465867158099": "unknown",
	"637958123769": "unknown",
	"693412236332": "unknown",
	"732624840810": "unknown",
	"735421457923": "unknown",
	"959235150393": "unknown",
	"982842642351": "unknown",
}
