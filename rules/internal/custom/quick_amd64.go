//go:build !noasm

package custom

import "golang.org/x/sys/cpu"

// canShuffle tells whether this machine has what fingersAVX2 needs.
var canShuffle = cpu.X86.HasAVX2

//go:noescape
func fingersAVX2(p *byte, n int, tables *[2 * fingerBytes][16]uint8) int

// candidate returns the first position at or after from where a text may begin.
// seen tells that there is none before the position that it returns, but perhaps
// at or behind it.
func (q *quick) candidate(data []byte, from int) (at int, seen bool) {
	const pass = 32
	n := (len(data) - from - q.offset - fingerBytes + 1) &^ (pass - 1)
	if !canShuffle || n <= 0 {
		return from, true
	}
	i := fingersAVX2(&data[from+q.offset], n, &q.tables)
	return from + i, i == n
}
