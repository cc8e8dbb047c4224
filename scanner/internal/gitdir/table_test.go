package gitdir

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

func sortRecords(list []tableRecord) {
	slices.SortFunc(list, func(a, b tableRecord) int { return strings.Compare(a.ref.Name, b.ref.Name) })
}

func readTable(data []byte, f oid.Format) (got []tableRecord, err error) {
	t, err := openTable(bytes.NewReader(data), int64(len(data)), f)
	if err != nil {
		return nil, err
	}
	err = t.eachRef(func(rec tableRecord) bool {
		got = append(got, rec)
		return true
	})
	return got, err
}

func readTableLogs(data []byte, f oid.Format) (got []string, err error) {
	t, err := openTable(bytes.NewReader(data), int64(len(data)), f)
	if err != nil {
		return nil, err
	}
	left := int64(1 << 20)
	t.logLeft = &left
	err = t.eachLog(func(e LogEntry) bool {
		got = append(got, fmt.Sprintf("%s %s %s %s", e.Ref, e.New, e.Who, e.Message))
		return true
	})
	return got, err
}

func TestTableReadsEveryLayout(t *testing.T) {
	for _, f := range []struct {
		format  oid.Format
		version byte
	}{{oid.SHA1, 1}, {oid.SHA1, 2}, {oid.SHA256, 2}} {
		for _, n := range []int{0, 1, 2, 5, 30, 500} {
			for _, blockSize := range []int{0, 256, 512, 4096} {
				for _, restart := range []int{1, 4, 64} {
					for _, fan := range []int{0, 2, 100} {
						for _, more := range []bool{false, true} {
							s := sampleTable(f.format, f.version, n)
							s.blockSize, s.restart, s.fan, s.objects = blockSize, restart, fan, more && n > 0
							if more {
								s.logs = sampleLogs(f.format)
							}
							got, err := readTable(s.write().data, f.format)
							if err != nil || !slices.Equal(got, s.refs) {
								t.Fatalf("%v v%d, %d refs, block %d, restart %d, fan %d, more %v: %d records, %v", f.format, f.version, n, blockSize, restart, fan, more, len(got), err)
							}
						}
					}
				}
			}
		}
	}
}

func sampleLogs(f oid.Format) (logs []tableLog) {
	for i := range 10 {
		logs = append(logs, tableLog{ref: fmt.Sprintf("refs/heads/%d", i/3), index: uint64(9 - i%3), to: sampleID(f, i), revoked: i == 4, message: fmt.Sprintf("message %d\n", i)})
	}
	return append(logs, tableLog{ref: "refs/heads/marker", index: 1})
}

func TestTableReadsLogs(t *testing.T) {
	for _, n := range []int{0, 20} { // logs alone share the first block's place with the header
		for _, f := range []oid.Format{oid.SHA1, oid.SHA256} {
			s := sampleTable(f, 2, n)
			s.logs = sampleLogs(f)
			out := s.write()
			var want []string
			for i, l := range s.logs[:10] {
				if !l.revoked {
					want = append(want, fmt.Sprintf("%s %s A <a@example.com> 1700000000 -0200 message %d", l.ref, l.to, i))
				}
			}
			got, err := readTableLogs(out.data, f)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("logs with %d refs in %v = %q, %v, want %q", n, f, got, err, want)
			}
			bad := bytes.Clone(out.data)
			bad[out.logAt+20] ^= 0x55
			if _, err := readTableLogs(bad, f); err == nil {
				t.Errorf("damaged log of %d refs in %v was read without an error", n, f)
			}
			short := int64(10)
			tb, _ := openTable(bytes.NewReader(out.data), int64(len(out.data)), f)
			tb.logLeft = &short
			if err := tb.eachLog(func(LogEntry) bool { return true }); !errors.Is(err, errTooMuchLog) {
				t.Errorf("eachLog past the budget = %v, want %v", err, errTooMuchLog)
			}
		}
	}
}

// No change of one byte in header, block headers or footer may pass unseen, and
// none anywhere may change what is read without an error, except inside names
// and object names.
func TestTableDamageIsNamed(t *testing.T) {
	s := sampleTable(oid.SHA1, 1, 60)
	s.blockSize, s.fan = 512, 4
	out := s.write()
	whole, err := readTable(out.data, oid.SHA1)
	if err != nil || len(out.refBlocks) < 4 {
		t.Fatalf("sample has %d blocks, %v", len(out.refBlocks), err)
	}
	for i := range out.data {
		bad := bytes.Clone(out.data)
		bad[i] ^= 0xff
		got, err := readTable(bad, oid.SHA1)
		if err == nil && len(got) != len(whole) {
			t.Errorf("byte %d changed: %d records and no error, want %d", i, len(got), len(whole))
		}
		footer := i >= len(bad)-68
		if err == nil && (i < 24 || footer) {
			t.Errorf("byte %d of header or footer changed, no error", i)
		}
		for n, at := range out.refBlocks {
			if n == 0 {
				at += 24
			}
			if err == nil && i >= at && i < at+4 {
				t.Errorf("byte %d of block header changed, no error", i)
			}
		}
	}
	for n := range out.data {
		if _, err := readTable(out.data[:n], oid.SHA1); err == nil {
			t.Errorf("table cut to %d bytes of %d, no error", n, len(out.data))
		}
	}
}

func TestTableRefusals(t *testing.T) {
	base := func(f oid.Format, version byte, change func(*tableSpec)) []byte {
		s := sampleTable(f, version, 3)
		if change != nil {
			change(&s)
		}
		return s.write().data
	}
	patch := func(data []byte, version byte, change func([]byte)) []byte {
		change(data)
		fixSum(data, version)
		return data
	}
	both := func(at int, b byte) func([]byte) { // header and its copy in the footer
		return func(d []byte) {
			d[at] = b
			d[len(d)-68+at] = b
		}
	}
	id := sampleID(oid.SHA1, 1)
	long := strings.Repeat("l", maxName)
	for name, tt := range map[string]struct {
		data []byte
		want error
	}{
		"empty":                {nil, errTableMagic},
		"magic":                {append([]byte("REFU"), base(oid.SHA1, 1, nil)[4:]...), errTableMagic},
		"version":              {patch(base(oid.SHA1, 1, nil), 1, both(4, 3)), errTableVersion},
		"hash of version 1":    {base(oid.SHA256, 2, nil), errTableHash},
		"unknown hash":         {patch(base(oid.SHA1, 2, nil), 2, func(d []byte) { d[24], d[len(d)-72+24] = 'x', 'x' }), errTableVersion},
		"sum":                  {append(base(oid.SHA1, 1, nil), 0), errTableSum},
		"header differs":       {patch(base(oid.SHA1, 1, nil), 1, func(d []byte) { d[len(d)-68+10] = 9 }), errTableSum},
		"position":             {patch(base(oid.SHA1, 1, nil), 1, func(d []byte) { binary.BigEndian.PutUint64(d[len(d)-44:], 1<<63) }), errTableLayout},
		"unknown block":        {patch(base(oid.SHA1, 1, nil), 1, func(d []byte) { d[24] = 'z' }), errTableBlock},
		"index unannounced":    {patch(base(oid.SHA1, 1, nil), 1, func(d []byte) { d[24] = 'i' }), errTableBlock},
		"block length":         {patch(base(oid.SHA1, 1, nil), 1, func(d []byte) { d[25] = 0xff }), errTableBlock},
		"no length":            {patch(base(oid.SHA1, 1, nil), 1, func(d []byte) { d[25], d[26], d[27] = 0, 0, 0 }), errTableBlock},
		"restart count":        {patch(base(oid.SHA1, 1, nil), 1, func(d []byte) { d[len(d)-70] = 0xff }), errTableBlock},
		"restart place":        {patch(base(oid.SHA1, 1, nil), 1, func(d []byte) { d[len(d)-71] = 29 }), errTableRecord},
		"borrowed from nobody": {patch(base(oid.SHA1, 1, nil), 1, func(d []byte) { d[28] = 1 }), errTableRecord},
		"record type":          {patch(base(oid.SHA1, 1, nil), 1, func(d []byte) { d[29] |= 7 }), errTableRecord},
		"order":                {base(oid.SHA1, 1, func(s *tableSpec) { slices.Reverse(s.refs) }), errTableOrder},
		"repeat":               {base(oid.SHA1, 1, func(s *tableSpec) { s.refs[1] = s.refs[0] }), errTableOrder},
		"long name": {base(oid.SHA1, 1, func(s *tableSpec) {
			s.blockSize = 1 << 16
			s.refs = []tableRecord{{ref: Ref{Name: "refs/" + long, Target: id}}}
		}), errTableRecord},
		"symbolic to nothing": {patch(base(oid.SHA1, 1, func(s *tableSpec) {
			s.refs = []tableRecord{{ref: Ref{Name: "refs/x", Symbolic: "y"}}}
		}), 1, func(d []byte) { d[37] = 0 }), errTableRecord},
	} {
		if got, err := readTable(tt.data, oid.SHA1); !errors.Is(err, tt.want) {
			t.Errorf("%s: %d records, %v, want %v", name, len(got), err, tt.want)
		}
	}
}

func FuzzTable(f *testing.F) {
	for _, version := range []byte{1, 2} {
		for _, n := range []int{0, 1, 40} {
			s := sampleTable(oid.SHA1, version, n)
			s.blockSize, s.fan, s.logs = 256, 2, sampleLogs(oid.SHA1)
			f.Add(s.write().data, true)
		}
	}
	f.Add([]byte("REFT"), false)
	f.Fuzz(func(t *testing.T, data []byte, fix bool) {
		if fix && len(data) > 72 && data[4] == 1 {
			// A checksum would keep the fuzzer out of everything behind it.
			data = bytes.Clone(data)
			copy(data[len(data)-68:], data[:24])
			fixSum(data, 1)
		}
		last := ""
		got, err := readTable(data, oid.SHA1)
		for _, rec := range got {
			if rec.ref.Name <= last || len(rec.ref.Name) > maxName {
				t.Errorf("readTable: name %q after %q", rec.ref.Name, last)
			}
			last = rec.ref.Name
		}
		if len(got) > len(data) {
			t.Errorf("readTable: %d records from %d bytes, %v", len(got), len(data), err)
		}
		_, _ = readTableLogs(data, oid.SHA1)
	})
}

func FuzzTableList(f *testing.F) {
	f.Add([]byte("0x000000000001-0x000000000002-abcdef01.ref\n"))
	f.Add([]byte("../x\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		names, err := parseTableNames(data)
		for _, name := range names {
			if err == nil && (filepath.Base(name) != name || strings.ContainsRune(name, 0)) {
				t.Errorf("parseTableNames(%q) = %q", data, names)
			}
		}
	})
}
