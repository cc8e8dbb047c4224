//go:build !amd64 || noasm

package anchor

const canFuse = false

// starts is not called where canFuse is false.
func (*lookup) starts([]byte, *[2][pieceWords]uint64) uint8 { return 0 }
