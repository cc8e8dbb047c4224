package unpack

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// zipRecord is the fixed part of a record of the directory.
const zipRecord = 46

// zipRef is a member in the directory: where its header is and where its record.
type zipRef struct{ local, record int }

// directory is where the directory of a zip stands, and what is in it. Without
// one, both ends are that of the data.
type directory struct {
	start, end int
	refs       []zipRef
}

// readDirectory finds the directory of a zip, which may have something before it
// and behind it, and reports whether there is one.
func readDirectory(data []byte) (directory, bool) {
	low := max(0, len(data)-zipEnd-1<<16)
	for end := len(data); ; {
		i := bytes.LastIndex(data[low:end], []byte("PK\x05\x06"))
		if i < 0 {
			return directory{start: len(data), end: len(data)}, false
		}
		if d, ok := directoryAt(data, low+i); ok {
			return d, true
		}
		end = low + i + 3
	}
}

// directoryAt reads the directory whose end record stands at a place.
func directoryAt(data []byte, at int) (d directory, ok bool) {
	if len(data)-at < zipEnd {
		return d, false
	}
	h := data[at:]
	count := uint64(binary.LittleEndian.Uint16(h[10:]))
	size, offset := uint64(binary.LittleEndian.Uint32(h[12:])), uint64(binary.LittleEndian.Uint32(h[16:]))
	comment := int(binary.LittleEndian.Uint16(h[20:]))
	d.end = min(len(data), at+zipEnd+comment)
	upper := at
	if c, s, o, p, ok := zip64End(data, at); ok {
		count, size, offset, upper = c, s, o, p
	}
	if size > uint64(upper) || offset > uint64(upper) {
		return d, false
	}
	// What stands before the zip moved all of it, but not what it says; some
	// programs that put something there set that right, too, or half of it. What
	// is missing moved it the other way.
	bases := []int{upper - int(size) - int(offset), 0}
	for _, start := range []int{upper - int(size), int(offset)} {
		if count == 0 || bytes.HasPrefix(data[start:], []byte(zipEntry)) {
			d.start, d.refs = start, readRecords(data, start, upper, bases)
			return d, true
		}
	}
	return d, false
}

// readRecords lists what the directory from start on says, in the order in which
// the members stand. How many there are is seen, not believed; a member is
// behind the first of the bases that leads to a header.
func readRecords(data []byte, start, end int, bases []int) (refs []zipRef) {
	for i := start; end-i >= zipRecord && string(data[i:i+4]) == zipEntry; {
		h := data[i:end]
		name, extra := int(binary.LittleEndian.Uint16(h[28:])), int(binary.LittleEndian.Uint16(h[30:]))
		next := zipRecord + name + extra + int(binary.LittleEndian.Uint16(h[32:]))
		if next > len(h) {
			break
		}
		local := uint64(binary.LittleEndian.Uint32(h[42:]))
		if local == 1<<32-1 {
			local = largeOffset(h, zip64(h[zipRecord+name:zipRecord+name+extra]))
		}
		ref := zipRef{len(data), i} // nowhere
		for _, base := range bases {
			if at := base + int(min(local, 1<<40)); at >= 0 && at < start && bytes.HasPrefix(data[at:], []byte(zipLocal)) {
				ref.local = at
				break
			}
		}
		refs = append(refs, ref)
		i += next
	}
	slices.SortFunc(refs, func(a, b zipRef) int { return cmp.Or(cmp.Compare(a.local, b.local), cmp.Compare(a.record, b.record)) })
	return refs
}

// largeOffset is the last of the numbers of 64 bits, of which those are there
// that did not fit.
func largeOffset(h, wide []byte) uint64 {
	for _, at := range []int{24, 20} {
		if binary.LittleEndian.Uint32(h[at:]) == 1<<32-1 && len(wide) >= 8 {
			wide = wide[8:]
		}
	}
	if len(wide) < 8 {
		return 1 << 40 // nowhere
	}
	return binary.LittleEndian.Uint64(wide)
}

// zip64End reads the end record of 64 bits that stands before the other.
func zip64End(data []byte, at int) (count, size, offset uint64, upper int, ok bool) {
	const locator, record = 20, 56
	if at < locator || string(data[at-locator:at-locator+4]) != "PK\x06\x07" {
		return 0, 0, 0, 0, false
	}
	// Its offset is that of the zip alone, so that what is looked for is the
	// record before the locator.
	i := bytes.LastIndex(data[max(0, at-locator-1<<16):at-locator], []byte("PK\x06\x06"))
	if i < 0 {
		return 0, 0, 0, 0, false
	}
	upper = max(0, at-locator-1<<16) + i
	if at-upper < record {
		return 0, 0, 0, 0, false
	}
	h := data[upper:]
	return binary.LittleEndian.Uint64(h[32:]), binary.LittleEndian.Uint64(h[40:]), binary.LittleEndian.Uint64(h[48:]), upper, true
}
