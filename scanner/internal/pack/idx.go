package pack

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// index is a pack index, version 1 or 2 (gitformat-pack(5)). Its tables are
// slices of the file, which parseIndex was given whole and in memory.
type index struct {
	format  oid.Format
	version int
	n       int    // objects
	fanout  []byte // 256 big-endian 32-bit counts
	names   []byte // version 2: n names; version 1: n entries of offset and name
	crcs    []byte // version 2: n 32-bit checksums of the packed bytes
	offsets []byte // version 2: n 32-bit offsets, or with the top bit set, places in large
	large   []byte // version 2: 64-bit offsets
	pack    []byte // the pack's checksum
	fan     *fan   // nil in an index of which little is read
	doubled bool   // a name comes twice, which no index in a file has
}

const (
	idxMagic   = "\xfftOc"
	fanoutSize = 256 * 4
	// maxObjects keeps object numbers in an int32 over all packs of a store.
	maxObjects = 1 << 30
)

// parseIndex checks the whole of data, its trailing checksum included.
func parseIndex(data []byte, f oid.Format) (*index, error) {
	x, err := layIndex(data, f)
	if err != nil {
		return nil, err
	}
	size := f.Size()
	h := f.New()
	h.Write(data[:len(data)-size])
	if !bytes.Equal(h.Sum(nil), data[len(data)-size:]) {
		return nil, fmt.Errorf("pack index checksum does not match: %w", ErrCorrupt)
	}
	x.fan = newFan(x.n, x.name)
	return x, nil
}

// layIndex checks all of data but its checksum. A file that passes is full of
// rising names: it is as large on the disk as it says.
func layIndex(data []byte, f oid.Format) (*index, error) {
	x, err := cutIndex(data, f)
	if err != nil {
		return nil, err
	}
	for i := range x.n {
		if _, err := x.checkedOffset(i); err != nil {
			return nil, err
		}
	}
	return x, x.checkOrder()
}

// cutIndex finds the tables of an index and looks at no entry: whoever asks
// for one checks it. Names out of order hide objects then; they do no harm.
func cutIndex(data []byte, f oid.Format) (*index, error) {
	x := &index{format: f, version: 1}
	size := f.Size()
	if len(data) < fanoutSize+2*size {
		return nil, fmt.Errorf("pack index of %d bytes: %w", len(data), ErrTruncated)
	}
	body := data[:len(data)-2*size]
	x.pack = data[len(body) : len(body)+size]
	if string(body[:4]) == idxMagic {
		if v := binary.BigEndian.Uint32(body[4:]); v != 2 {
			return nil, fmt.Errorf("pack index version %d is not known: %w", v, ErrCorrupt)
		}
		x.version = 2
		body = body[8:]
	}
	if len(body) < fanoutSize {
		return nil, fmt.Errorf("pack index of %d bytes: %w", len(data), ErrTruncated)
	}
	x.fanout, body = body[:fanoutSize], body[fanoutSize:]
	last := uint32(0)
	for i := range 256 {
		v := x.bucket(i)
		if v < last {
			return nil, fmt.Errorf("pack index fan-out falls at %d: %w", i, ErrCorrupt)
		}
		last = v
	}
	if last > maxObjects {
		return nil, fmt.Errorf("pack index counts %d objects: %w", last, ErrCorrupt)
	}
	x.n = int(last)
	return x, x.tables(body)
}

// tables cuts body, what follows the fan-out, into its tables.
func (x *index) tables(body []byte) error {
	size := x.format.Size()
	if x.version == 1 {
		if len(body) != x.n*(4+size) {
			return fmt.Errorf("pack index of %d objects has %d bytes for them: %w", x.n, len(body), ErrCorrupt)
		}
		x.names = body
		return nil
	}
	if large := len(body) - x.n*(size+8); large < 0 || large > 8*x.n || large%8 != 0 {
		return fmt.Errorf("pack index of %d objects has %d bytes for them: %w", x.n, len(body), ErrCorrupt)
	}
	x.names, body = body[:x.n*size], body[x.n*size:]
	x.crcs, body = body[:x.n*4], body[x.n*4:]
	x.offsets, x.large = body[:x.n*4], body[x.n*4:]
	return nil
}

// checkOrder makes sure that names rise and lie in their fan-out bucket, so
// that a search cannot miss one that a walk would find.
func (x *index) checkOrder() error {
	for b := range 256 {
		lo, hi := x.bucketRange(b)
		for i := lo; i < hi; i++ {
			name := x.name(i)
			if int(name[0]) != b || i > lo && bytes.Compare(x.name(i-1), name) >= 0 {
				return fmt.Errorf("pack index names are out of order at %d: %w", i, ErrCorrupt)
			}
		}
	}
	return nil
}

func (x *index) bucket(b int) uint32 { return binary.BigEndian.Uint32(x.fanout[4*b:]) }

func (x *index) bucketRange(b int) (lo, hi int) {
	if b > 0 {
		lo = int(x.bucket(b - 1))
	}
	return lo, int(x.bucket(b))
}

// name is the raw name of entry i.
func (x *index) name(i int) []byte {
	size := x.format.Size()
	if x.version == 1 {
		at := i*(4+size) + 4
		return x.names[at : at+size]
	}
	return x.names[i*size : (i+1)*size]
}

func (x *index) id(i int) oid.ID { return oid.FromBytes(x.name(i)) }

// offset is where entry i starts in the pack.
func (x *index) offset(i int) uint64 {
	if x.version == 1 {
		return uint64(binary.BigEndian.Uint32(x.names[i*(4+x.format.Size()):]))
	}
	v := binary.BigEndian.Uint32(x.offsets[4*i:])
	if v>>31 == 0 {
		return uint64(v)
	}
	return binary.BigEndian.Uint64(x.large[8*(v&0x7fffffff):])
}

// checkedOffset is offset for an entry that was not looked at before.
func (x *index) checkedOffset(i int) (uint64, error) {
	if x.version > 1 {
		v := binary.BigEndian.Uint32(x.offsets[4*i:])
		if v>>31 == 1 && uint64(v&0x7fffffff) >= uint64(len(x.large)/8) {
			return 0, fmt.Errorf("pack index entry %d points past the large offsets: %w", i, ErrCorrupt)
		}
	}
	return x.offset(i), nil
}

// crc is the CRC-32 of entry i's packed bytes; version 1 has none.
func (x *index) crc(i int) (sum uint32, ok bool) {
	if x.version == 1 {
		return 0, false
	}
	return binary.BigEndian.Uint32(x.crcs[4*i:]), true
}

// find searches for a name.
func (x *index) find(name []byte) (i int, ok bool) {
	lo, hi := 0, 0
	if x.fan != nil {
		lo, hi = x.fan.around(name)
	} else {
		lo, hi = x.bucketRange(int(name[0]))
	}
	return search(lo, hi, x.name, name)
}

// search finds name among at(lo) … at(hi-1), which rise and begin with the same
// byte as name. Names are hashes, so where one lies between two others is known
// closely: interpolation needs about three looks, each of which misses the
// cache, where halving needs one for every doubling.
func search(lo, hi int, at func(int) []byte, name []byte) (i int, ok bool) {
	if hi-lo <= 2*namesInBucket {
		for i = lo; i < hi; i++ {
			if bytes.Equal(at(i), name) {
				return i, true
			}
		}
		return 0, false
	}
	want := key64(name)
	// Fences: at(lo-1) < name < at(hi), as 64-bit prefixes.
	low, high := uint64(name[0])<<56, uint64(name[0])<<56|1<<56-1
	for looks := 0; lo < hi; looks++ {
		mid := int(uint(lo+hi) >> 1)
		// A hostile index may be lopsided: after eight looks, halve.
		if looks < 8 && high > low {
			mid = lo + int(float64(hi-lo)*(float64(want-low)/(float64(high-low)+1)))
			mid = min(max(mid, lo), hi-1)
		}
		found := at(mid)
		key := key64(found)
		c := cmp.Compare(key, want)
		if c == 0 {
			if c = bytes.Compare(found, name); c == 0 {
				return mid, true
			}
		}
		if c < 0 {
			lo, low = mid+1, key
		} else {
			hi, high = mid, key
		}
	}
	return 0, false
}

func key64(name []byte) uint64 { return binary.BigEndian.Uint64(name) }
