//go:build !amd64 || noasm

package anchor

// skip returns a position at or before which no run of r.n bytes begins, so
// that the search may go on there. Here that is where it was.
func (*Runs) skip(_ []byte, from int) int { return from }
