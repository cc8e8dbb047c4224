package pack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/gittest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// A builder writes packs entry by entry, with checksums that hold, so that a
// pack lies about nothing but what a test makes it lie about.
type builder struct {
	format  oid.Format
	pack    bytes.Buffer
	entries []built
	data    map[int][]byte // content of entries, as far as it is known
	kind    map[int]Kind

	version  uint32 // of the pack
	count    int    // added to the number of objects in the pack's header
	idxOne   bool   // write a version 1 index
	large    bool   // write all offsets with 64 bits
	editIdx  func(body []byte) []byte
	unsorted bool
}

// built is a line of the index.
type built struct {
	id  oid.ID
	at  uint64
	crc uint32
}

func newBuilder(f oid.Format) *builder {
	b := &builder{format: f, version: 2, data: map[int][]byte{}, kind: map[int]Kind{}}
	b.pack.Write(make([]byte, packHeader))
	return b
}

// raw adds an entry of these very bytes under a name.
func (b *builder) raw(id oid.ID, raw []byte) int {
	b.entries = append(b.entries, built{id, uint64(b.pack.Len()), crc32.ChecksumIEEE(raw)})
	b.pack.Write(raw)
	return len(b.entries) - 1
}

// whole adds an object that is stored whole.
func (b *builder) whole(kind Kind, data []byte) int {
	i := b.raw(b.format.Sum(kind.String(), data), append(entryHead(kind, len(data)), stored(data)...))
	b.data[i], b.kind[i] = data, kind
	return i
}

// ofs adds a delta of base, by offset, that gives data.
func (b *builder) ofs(base int, data, delta []byte) int {
	raw := entryHead(ofsDelta, len(delta))
	raw = append(raw, backwards(uint64(b.pack.Len())-b.entries[base].at)...)
	i := b.raw(b.format.Sum(b.kind[base].String(), data), append(raw, stored(delta)...))
	b.data[i], b.kind[i] = data, b.kind[base]
	return i
}

// ref adds a delta of a base, by name, that gives an object of that name.
func (b *builder) ref(base, id oid.ID, delta []byte) int {
	raw := append(entryHead(refDelta, len(delta)), base.Bytes()...)
	return b.raw(id, append(raw, stored(delta)...))
}

// edit adds a delta of base that puts text in front of it.
func (b *builder) edit(base int, text string) int {
	old := b.data[base]
	return b.ofs(base, append([]byte(text), old...), prepend(old, text))
}

// prepend is the delta that puts text in front of base.
func prepend(base []byte, text string) []byte {
	return delta(len(base), len(base)+len(text), insertOp(text), copyBytes(0, len(base)))
}

func entryHead(kind Kind, size int) []byte {
	head := []byte{byte(kind)<<4 | byte(size&15)}
	for size >>= 4; size > 0; size >>= 7 {
		head[len(head)-1] |= 0x80
		head = append(head, byte(size&0x7f))
	}
	return head
}

// backwards encodes how far before an entry its base starts.
func backwards(n uint64) []byte {
	out := []byte{byte(n & 0x7f)}
	for n >>= 7; n > 0; n >>= 7 {
		n--
		out = append([]byte{byte(n&0x7f) | 0x80}, out...)
	}
	return out
}

// stored is a zlib stream without compression, which costs no time to make.
func stored(data []byte) []byte {
	out := []byte{0x78, 0x01}
	for rest := data; ; {
		n := min(len(rest), math.MaxUint16)
		final := byte(0)
		if n == len(rest) {
			final = 1
		}
		out = append(out, final)
		out = binary.LittleEndian.AppendUint16(out, uint16(n))
		out = binary.LittleEndian.AppendUint16(out, ^uint16(n))
		out = append(out, rest[:n]...)
		if rest = rest[n:]; final == 1 {
			return binary.BigEndian.AppendUint32(out, adler32.Checksum(data))
		}
	}
}

func delta(base, result int, ops ...[]byte) []byte {
	out := append(binary.AppendUvarint(nil, uint64(base)), binary.AppendUvarint(nil, uint64(result))...)
	return append(out, bytes.Join(ops, nil)...)
}

func insertOp(text string) []byte { return append([]byte{byte(len(text))}, text...) }

// copyBytes is the instructions that copy n bytes from off.
func copyBytes(off, n int) (ops []byte) {
	const most = 1<<24 - 1
	for ; n > 0; off, n = off+most, n-most {
		m := min(n, most)
		ops = append(ops, 0xff)
		ops = binary.LittleEndian.AppendUint32(ops, uint32(off))
		ops = append(ops, byte(m), byte(m>>8), byte(m>>16))
	}
	return ops
}

// bytes gives the pack and its index.
func (b *builder) bytes() (pack, idx []byte) {
	pack = bytes.Clone(b.pack.Bytes())
	copy(pack, "PACK")
	binary.BigEndian.PutUint32(pack[4:], b.version)
	binary.BigEndian.PutUint32(pack[8:], uint32(len(b.entries)+b.count))
	pack = b.sum(pack)
	lines := slices.Clone(b.entries)
	if !b.unsorted {
		slices.SortStableFunc(lines, func(x, y built) int { return x.id.Compare(y.id) })
	}
	if b.idxOne {
		idx = b.indexOne(lines)
	} else {
		idx = b.indexTwo(lines)
	}
	if b.editIdx != nil {
		idx = b.editIdx(idx)
	}
	idx = append(idx, pack[len(pack)-b.format.Size():]...)
	return pack, b.sum(idx)
}

func (b *builder) sum(data []byte) []byte {
	h := b.format.New()
	h.Write(data)
	return h.Sum(data)
}

func fanout(idx []byte, lines []built) []byte {
	for c := range 256 {
		n := 0
		for _, l := range lines {
			if int(l.id.Bytes()[0]) <= c {
				n++
			}
		}
		idx = binary.BigEndian.AppendUint32(idx, uint32(n))
	}
	return idx
}

func (b *builder) indexOne(lines []built) []byte {
	idx := fanout(nil, lines)
	for _, l := range lines {
		idx = append(binary.BigEndian.AppendUint32(idx, uint32(l.at)), l.id.Bytes()...)
	}
	return idx
}

func (b *builder) indexTwo(lines []built) []byte {
	idx := fanout([]byte(idxMagic+"\x00\x00\x00\x02"), lines)
	for _, l := range lines {
		idx = append(idx, l.id.Bytes()...)
	}
	for _, l := range lines {
		idx = binary.BigEndian.AppendUint32(idx, l.crc)
	}
	var large []byte
	for _, l := range lines {
		at := uint32(l.at)
		if b.large || l.at > math.MaxInt32 {
			at = 1<<31 | uint32(len(large)/8)
			large = binary.BigEndian.AppendUint64(large, l.at)
		}
		idx = binary.BigEndian.AppendUint32(idx, at)
	}
	return append(idx, large...)
}

// save writes the pack into an object directory under a name.
func (b *builder) save(t testing.TB, dir, name string) {
	t.Helper()
	pack, idx := b.bytes()
	write(t, filepath.Join(dir, "pack", name+".pack"), pack)
	write(t, filepath.Join(dir, "pack", name+".idx"), idx)
}

// store saves the pack into an object directory of its own.
func (b *builder) store(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	b.save(t, dir, "pack-a")
	return dir
}

// object is a blob as a walk should find it.
func object(id oid.ID, data []byte) (gittest.Object, string) {
	return gittest.Object{ID: id.String(), Kind: "blob"}, string(data)
}

// object gives entry i as a walk should find it.
func (b *builder) object(i int) (gittest.Object, string) {
	return gittest.Object{ID: b.entries[i].id.String(), Kind: b.kind[i].String()}, string(b.data[i])
}

// objects gives all entries whose content is known, but for some.
func (b *builder) objects(but ...int) map[gittest.Object]string {
	all := map[gittest.Object]string{}
	for i := range b.entries {
		if _, ok := b.data[i]; ok && !slices.Contains(but, i) {
			o, content := b.object(i)
			all[o] = content
		}
	}
	return all
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// saveLoose writes a loose object under the name of its content.
func saveLoose(t testing.TB, dir string, f oid.Format, kind Kind, data []byte) oid.ID {
	t.Helper()
	id := f.Sum(kind.String(), data)
	write(t, loosePath(dir, id), stored(append(fmt.Appendf(nil, "%v %d\x00", kind, len(data)), data...)))
	return id
}

// named gives the error that a name has among problems; nil if it has none.
func named(problems []Problem, where string) error {
	for _, p := range problems {
		if p.Where == where {
			return p.Err
		}
	}
	return nil
}

func crcOf(raw []byte) uint32 { return crc32.ChecksumIEEE(raw) }
