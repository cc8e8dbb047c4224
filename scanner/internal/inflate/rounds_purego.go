//go:build purego

package inflate

func (t *tables) rounds(s *stream, dst []byte, out int) (int, outcome) {
	return t.roundsSafe(s, dst, out)
}
