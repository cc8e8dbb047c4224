package inflate

// A tables decodes the symbols of a block.
type tables struct {
	lit  [litSize]uint32
	dist [distSize]uint32
}

// fixed are the tables of RFC 1951, 3.2.6.
var fixed = makeFixed()

func makeFixed() *tables {
	t := new(tables)
	var lens [maxLit]uint8
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		default:
			lens[i] = 8
		}
	}
	count := countLengths(lens[:])
	build(t.lit[:], litBits, lens[:], &count, litResults[:])
	for i := range maxDist {
		lens[i] = 5
	}
	count = countLengths(lens[:maxDist])
	build(t.dist[:], distBits, lens[:maxDist], &count, distResults[:])
	return t
}

// preOrder is the order in which the lengths of the code for code lengths come.
var preOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readCodes reads the codes at the head of a block (RFC 1951, 3.2.7) and makes
// their tables.
func (d *Decoder) readCodes(s *stream) error {
	s.fill()
	lits, dists, pres := int(s.take(5))+257, int(s.take(5))+1, int(s.take(4))+4
	if lits > 286 || dists > 30 {
		return ErrCorrupt
	}
	var pre [len(preOrder)]uint8
	for _, symbol := range preOrder[:pres] {
		if s.have < 3 {
			s.fill()
		}
		pre[symbol] = uint8(s.take(3))
	}
	count := countLengths(pre[:])
	if !build(d.pre[:], preBits, pre[:], &count, preResults[:]) {
		return ErrCorrupt
	}
	count, err := d.readLengths(s, d.lens[:lits+dists])
	if err != nil {
		return err
	}
	distCount := countLengths(d.lens[lits : lits+dists])
	for l := range count {
		count[l] -= distCount[l]
	}
	const end = 256 // without a code for it, no block ends
	if d.lens[end] == 0 ||
		!build(d.own.lit[:], litBits, d.lens[:lits], &count, litResults[:]) ||
		!build(d.own.dist[:], distBits, d.lens[lits:lits+dists], &distCount, distResults[:]) {
		return ErrCorrupt
	}
	return nil
}

// readLengths fills lens from the stream, by the code in d.pre, and tells how
// many there are of each.
func (d *Decoder) readLengths(s *stream, lens []uint8) (count [maxCode + 1]uint16, err error) {
	for i := 0; i < len(lens); {
		const widest = preBits + 7 // a code and its extra bits
		if s.have < widest {
			if s.fill(); s.beyond() {
				return count, ErrTruncated
			}
		}
		e := d.pre[s.bits&(1<<preBits-1)]
		if e&isSpecial != 0 {
			return count, ErrCorrupt
		}
		s.take(uint(e & 0xff))
		symbol := e >> 16
		if symbol < 16 {
			lens[i] = uint8(symbol)
			count[symbol]++
			i++
			continue
		}
		value, n := uint8(0), 0
		switch symbol {
		case 16:
			if i == 0 {
				return count, ErrCorrupt
			}
			value, n = lens[i-1], 3+int(s.take(2))
		case 17:
			n = 3 + int(s.take(3))
		default:
			n = 11 + int(s.take(7))
		}
		if n > len(lens)-i {
			return count, ErrCorrupt
		}
		count[value&maxCode] += uint16(n)
		for ; n > 0; n-- {
			lens[i] = value
			i++
		}
	}
	return count, nil
}
