package rules

// UTF-16 has a byte 0 beside each ASCII character, behind it or before it. The
// prefix of a key ID is the same seven bytes either way: A 0 K 0 I 0 A.

const (
	// unitWide is the width of a character.
	unitWide = 2
	// widePrefixLen is what surely belongs to a prefix.
	widePrefixLen = unitWide*prefixLen - 1
	// seamWide is how many characters at the end of a view are the beginning of
	// the next one too.
	seamWide = 8 << 10
)

// wideView is a part of the buffer read as UTF-16, of which every character but
// ASCII is one byte that no value has.
type wideView struct{ start int }

func (v wideView) bounds(start, end int) (int, int) {
	return v.start + unitWide*start, v.start + unitWide*(end-1) + 1
}

// scanMarked searches what begins with the byte order mark of UTF-16 in any case:
// a secret alone has no other mark.
func (f *finder) scanMarked() {
	if f.depth == 0 || f.set.keyID == nil {
		return
	}
	first := byteOrder(f.data)
	if first < 0 {
		return
	}
	f.mark = true
	for first < len(f.data) {
		first = f.undoWide(first)
	}
	f.wideTo[0], f.wideTo[1] = len(f.data), len(f.data)
}

// scanWide looks at a place that may be the first character of a key ID in
// UTF-16.
func (f *finder) scanWide(at int) {
	parity := at % unitWide
	if f.depth == 0 || at < f.wideTo[parity] || !f.widePrefix(at) {
		return
	}
	f.mark = true
	from := max(f.wideTo[parity], at-maxBlock)
	f.wideTo[parity] = f.undoWide(from + (from^at)%unitWide)
}

// byteOrder is where the byte of the first ASCII character stands in what begins
// with a byte order mark, or -1.
func byteOrder(data []byte) int {
	switch {
	case len(data) <= 2:
	case data[0] == 0xff && data[1] == 0xfe:
		return 2
	case data[0] == 0xfe && data[1] == 0xff:
		return 3
	}
	return -1
}

// widePrefix tells whether a prefix of key IDs in UTF-16 stands at data[at:].
func (f *finder) widePrefix(at int) bool {
	if at+widePrefixLen > len(f.data) {
		return false
	}
	d := f.data[at:]
	return d[1]|d[3]|d[5] == 0 && f.set.isPrefix([prefixLen]byte{d[0], d[2], d[4], d[6]})
}

// undoWide takes over what is found in UTF-16 from data[from:] on, at most
// maxBlock characters, and returns where the next view begins.
func (f *finder) undoWide(from int) (next int) {
	n := min((len(f.data)-from+1)/unitWide, maxBlock)
	// Where text begins at the start of the buffer, or at an even place of it,
	// this tells which end comes first. A wrong guess moves what is not ASCII.
	other := 1
	if from%unitWide == 1 {
		other = -1
	}
	text := make([]byte, n)
	for i := range text {
		at := from + unitWide*i
		text[i] = f.data[at]
		if f.byteAt(at+other) != 0 {
			text[i] = 0x80
		}
	}
	v, done := wideView{from}, n
	if from+unitWide*n < len(f.data) {
		done -= seamWide
	}
	for _, m := range f.set.find(nil, text, f.depth-1) {
		if m.Start < done {
			f.adopt(&m, "utf-16", v)
		}
	}
	return from + unitWide*done
}
