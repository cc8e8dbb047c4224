package rules

// foreignWindow is how far from a secret the ID may stand that says whose it is.
const foreignWindow = 160

// foreign tells whether data[start:end] belongs to an ID that is not one of AWS:
// the nearest run of exactly as many upper-case letters and digits cannot be a key
// ID, or is one of account 0, which only emulators give out. Other services that
// speak the protocol of S3 have such IDs, and call their keys by AWS's names.
//
// A placeholder in the place of an ID says nothing of the secret beside it.
func foreign(data []byte, start, end int) bool {
	best, gap := []byte(nil), foreignWindow+1
	lo, hi := max(0, start-foreignWindow), min(len(data), end+foreignWindow)
	for i := lo; i < hi; i++ {
		if !alnumClass[data[i]] {
			continue
		}
		from := i
		for i < hi && alnumClass[data[i]] {
			i++
		}
		cut := from == lo && lo > 0 || i == hi && hi < len(data)
		if d := distance(from, i, start, end); i-from == keyIDLen && !cut && d < gap && (likeKeyID(data[from:i]) || emulated(data[from:i])) {
			best, gap = data[from:i], d
		}
	}
	return best != nil && (!credentialPrefix(string(best[:prefixLen])) || emulated(best))
}

// emulated tells whether a key ID is of account 0.
func emulated(id []byte) bool {
	n, carries, valid := decodeAccount(string(id))
	return valid && carries && n == 0
}

// likeKeyID tells whether text, as long as a key ID, was drawn from capital letters
// and digits rather than typed.
func likeKeyID(text []byte) bool {
	var seen [256]bool
	distinct, letters := 0, 0
	for _, b := range text {
		if !upperDigit[b] {
			return false
		}
		if b >= 'A' {
			letters++
		}
		if !seen[b] {
			seen[b] = true
			distinct++
		}
	}
	return letters > 0 && distinct >= minDistinct+2
}
