//go:build !noasm

package anchor

import "golang.org/x/sys/cpu"

// canFuse tells whether this machine has what startsAVX2 needs.
var canFuse = cpu.X86.HasAVX2

//go:noescape
func startsAVX2(p *byte, blocks int, tail *[block]byte, l *lookup, starts *[2][pieceWords]uint64) uint8

// block is how many bytes are looked up at once.
const block = 32

// starts sets the bits of data that Cursor describes, and tells of which
// classes there are any: 1, 2 or both. data is at most a piece.
func (l *lookup) starts(data []byte, starts *[2][pieceWords]uint64) uint8 {
	if len(data) == 0 {
		return 0
	}
	var tail [block]byte // ends in bytes of no class
	whole := len(data) / block
	copy(tail[:], data[whole*block:])
	return startsAVX2(&data[0], whole, &tail, l, starts)
}
