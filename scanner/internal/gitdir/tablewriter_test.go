package gitdir

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// tableSpec describes a reftable to be written for a test. It follows the
// format's document and shares nothing with the reader.
type tableSpec struct {
	format    oid.Format
	version   byte
	blockSize int // 0: not aligned
	restart   int // records between restart points
	fan       int // blocks to an index block
	refs      []tableRecord
	logs      []tableLog
	objects   bool // put an (opaque) object block between references and logs
}

type tableLog struct {
	ref     string
	index   uint64
	revoked bool
	old, to oid.ID
	message string
}

// tableOut is the file as written, and where things ended up in it.
type tableOut struct {
	data      []byte
	refBlocks []int
	logAt     int
	indexes   int
}

func (s tableSpec) write() tableOut {
	var out tableOut
	head := s.head()
	out.data = append(out.data, head...)
	var foot [5]uint64
	var lastKeys []string
	out.refBlocks, lastKeys = s.writeRefs(&out, head)
	if s.fan > 0 && len(out.refBlocks) > 1 {
		foot[0] = uint64(s.writeIndex(&out, out.refBlocks, lastKeys))
	}
	if s.objects {
		s.pad(&out)
		foot[1] = uint64(len(out.data))<<5 | 4
		out.data = append(out.data, s.block('o', 0, [][]byte{{0, 4<<3 | 1, 1, 2, 3, 4, 0}})...)
	}
	if len(s.logs) > 0 {
		foot[3] = uint64(s.writeLogs(&out, head))
	}
	tail := append([]byte{}, head...)
	for _, at := range foot {
		tail = binary.BigEndian.AppendUint64(tail, at)
	}
	out.data = append(append(out.data, tail...), binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(tail))...)
	return out
}

func (s tableSpec) head() []byte {
	b := append([]byte("REFT"), s.version, byte(s.blockSize>>16), byte(s.blockSize>>8), byte(s.blockSize))
	b = binary.BigEndian.AppendUint64(b, 1)
	b = binary.BigEndian.AppendUint64(b, 9)
	if s.version == 2 {
		b = append(b, map[oid.Format]string{oid.SHA1: "sha1", oid.SHA256: "s256"}[s.format]...)
	}
	return b
}

func (s tableSpec) pad(out *tableOut) {
	for s.blockSize > 0 && len(out.data)%s.blockSize != 0 {
		out.data = append(out.data, 0)
	}
}

// writeRefs fills blocks until the next record would not fit.
func (s tableSpec) writeRefs(out *tableOut, head []byte) (at []int, last []string) {
	limit := s.blockSize
	if limit == 0 {
		limit = 512
	}
	var records [][]byte
	prev, size := "", 0
	flush := func(name string) {
		if len(records) == 0 {
			return
		}
		skip := 0
		if len(at) == 0 {
			skip = len(head)
		} else {
			s.pad(out)
		}
		at, last = append(at, len(out.data)-skip), append(last, name)
		out.data = append(out.data, s.block('r', skip, records)...)
		records, size = nil, 0
	}
	for _, rec := range s.refs {
		r := s.refRecord(prev, rec, len(records)%s.restart == 0)
		if size+len(r)+len(head)+4+3*(len(records)/s.restart+2)+2 > limit {
			flush(prev)
			r = s.refRecord("", rec, true)
		}
		records, size, prev = append(records, r), size+len(r), rec.ref.Name
	}
	flush(prev)
	return at, last
}

func (s tableSpec) refRecord(prev string, rec tableRecord, restart bool) []byte {
	kind, ref := 1, rec.ref
	switch {
	case rec.deleted:
		kind = 0
	case ref.Symbolic != "":
		kind = 3
	case !ref.Peeled.IsZero():
		kind = 2
	}
	b := recordKey(prev, ref.Name, kind, restart)
	b = append(b, varint(3)...)
	switch kind {
	case 1, 2:
		b = append(append(b, ref.Target.Bytes()...), ref.Peeled.Bytes()...)
	case 3:
		b = append(append(b, varint(uint64(len(ref.Symbolic)))...), ref.Symbolic...)
	}
	return b
}

func recordKey(prev, key string, extra int, restart bool) []byte {
	n := 0
	for !restart && n < len(prev) && n < len(key) && prev[n] == key[n] {
		n++
	}
	b := append(varint(uint64(n)), varint(uint64(len(key)-n)<<3|uint64(extra))...)
	return append(b, key[n:]...)
}

// block puts records behind a header and restart points behind the records.
func (s tableSpec) block(kind byte, skip int, records [][]byte) []byte {
	b := []byte{kind, 0, 0, 0}
	var restarts []byte
	for i, r := range records {
		if i%s.restart == 0 {
			at := skip + len(b)
			restarts = append(restarts, byte(at>>16), byte(at>>8), byte(at))
		}
		b = append(b, r...)
	}
	b = binary.BigEndian.AppendUint16(append(b, restarts...), uint16(len(restarts)/3))
	n := skip + len(b)
	b[1], b[2], b[3] = byte(n>>16), byte(n>>8), byte(n)
	return b
}

// writeIndex writes as many levels as it takes and gives the place of the root.
func (s tableSpec) writeIndex(out *tableOut, at []int, last []string) int {
	for {
		var up []int
		var upLast []string
		for i := 0; i < len(at); i += s.fan {
			var records [][]byte
			prev, end := "", min(i+s.fan, len(at))
			for j := i; j < end; j++ {
				r := append(recordKey(prev, last[j], 0, (j-i)%s.restart == 0), varint(uint64(at[j]))...)
				records, prev = append(records, r), last[j]
			}
			s.pad(out)
			up, upLast = append(up, len(out.data)), append(upLast, last[end-1])
			out.data = append(out.data, s.block('i', 0, records)...)
			out.indexes++
		}
		if len(up) == 1 {
			return up[0]
		}
		at, last = up, upLast
	}
}

// writeLogs writes one compressed block for every four records.
func (s tableSpec) writeLogs(out *tableOut, head []byte) int {
	out.logAt = len(out.data)
	for i := 0; i < len(s.logs); i += 4 {
		skip := 0
		if len(out.data) == len(head) {
			skip = len(head)
		}
		var records [][]byte
		prev := ""
		for j := i; j < min(i+4, len(s.logs)); j++ {
			l := s.logs[j]
			key := l.ref + "\x00" + string(binary.BigEndian.AppendUint64(nil, ^l.index))
			kind := 1
			if l.revoked {
				kind = 0
			}
			r := recordKey(prev, key, kind, (j-i)%s.restart == 0)
			if !l.revoked {
				r = append(append(r, s.logID(l.old)...), s.logID(l.to)...)
				for _, text := range []string{"A", "a@example.com"} {
					r = append(append(r, varint(uint64(len(text)))...), text...)
				}
				r = append(append(r, varint(1700000000)...), 0xff, 0x38) // -0200
				r = append(append(r, varint(uint64(len(l.message)))...), l.message...)
			}
			records, prev = append(records, r), key
		}
		b := s.block('g', skip, records)
		var packed bytes.Buffer
		z := zlib.NewWriter(&packed)
		z.Write(b[4:])
		z.Close()
		out.data = append(append(out.data, b[:4]...), packed.Bytes()...)
	}
	return out.logAt
}

func (s tableSpec) logID(id oid.ID) []byte {
	if id.IsZero() {
		return make([]byte, s.format.Size())
	}
	return id.Bytes()
}

func varint(v uint64) []byte {
	b := []byte{byte(v & 0x7f)}
	for v >>= 7; v > 0; v >>= 7 {
		v--
		b = append([]byte{0x80 | byte(v&0x7f)}, b...)
	}
	return b
}

// fixSum makes the footer match again after a test changed it.
func fixSum(data []byte, version byte) {
	size := map[byte]int{1: 68, 2: 72}[version]
	foot := data[len(data)-size:]
	binary.BigEndian.PutUint32(foot[size-4:], crc32.ChecksumIEEE(foot[:size-4]))
}

// sampleTable has n references of every kind, with names in order.
func sampleTable(f oid.Format, version byte, n int) tableSpec {
	s := tableSpec{format: f, version: version, restart: 4}
	for i := range n {
		name := "refs/heads/" + strings.Repeat("x", i%40) + string([]byte{'a' + byte(i/676%26), 'a' + byte(i/26%26), 'a' + byte(i%26)})
		rec := tableRecord{ref: Ref{Name: name, Target: sampleID(f, i)}}
		switch i % 7 {
		case 3:
			rec.ref.Peeled = sampleID(f, i+1)
		case 5:
			rec.ref.Target, rec.ref.Symbolic = oid.ID{}, "refs/heads/aaa"
		case 6:
			rec.ref.Target, rec.deleted = oid.ID{}, true
		}
		s.refs = append(s.refs, rec)
	}
	sortRecords(s.refs)
	return s
}
