//go:build !noasm

package anchor

//go:noescape
func endsAVX2(p *byte, n, near, far int, b byte) int

// candidate returns the first position at or after from where a text stands.
// seen tells that there is none before the position that it returns, but perhaps
// at or behind it.
func (e *Ends) candidate(data []byte, from int) (at int, seen bool) {
	const pass = 64
	n := (len(data) - from - e.far) &^ (pass - 1)
	if !canFuse || n <= 0 {
		return from, true
	}
	i := endsAVX2(&data[from], n, e.near, e.far, e.end)
	return from + i, i == n
}
