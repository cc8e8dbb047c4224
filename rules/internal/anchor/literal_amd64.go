//go:build !noasm

package anchor

//go:noescape
func pairAVX2(a, b *byte, n int, first, second byte) int

// candidate returns the first position at or after from where two bytes of the
// literal stand as they do in it. seen tells that there is none up to the end,
// but perhaps at or behind the position that it returns.
//
// A rare byte of one repository is not rare in another: source code that is all
// about z made the search for a single one half as slow as all else here.
func (l *Literal) candidate(data []byte, from int) (at int, seen bool) {
	n := (len(data) - from - len(l.text)) &^ (block - 1)
	if !canFuse || n <= 0 {
		return from, true
	}
	i := pairAVX2(&data[from+l.rare], &data[from+l.pair], n, l.text[l.rare], l.text[l.pair])
	return from + i, i == n
}
