package scanner

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// rawTree writes a tree of entries given as "mode name".
func rawTree(entries ...string) []byte {
	var b []byte
	for i, e := range entries {
		b = append(append(b, e...), 0)
		b = append(b, bytes.Repeat([]byte{byte(i + 1)}, 20)...)
	}
	return b
}

func TestTreeEntriesReadsModesNamesAndEnds(t *testing.T) {
	data := rawTree("100644 a", "40000 dir", "120000 link", "160000 module", "100755 \xff\n\x1b")
	entries, ok := treeEntries(data, oid.SHA1)
	var names []string
	for e := range entries {
		names = append(names, string(e.Name))
		if e.isTree() != (string(e.Name) == "dir") || e.isBlob() == (string(e.Name) == "dir" || string(e.Name) == "module") {
			t.Errorf("%q: tree %v, blob %v", e.Name, e.isTree(), e.isBlob())
		}
		if len(e.ID) != 20 || e.ID[0] != byte(len(names)) || !bytes.HasSuffix(data[:e.end], e.ID) {
			t.Errorf("%q: ID %x, end %d", e.Name, e.ID, e.end)
		}
	}
	if !ok() || len(names) != 5 {
		t.Errorf("read %q, ok %v", names, ok())
	}
	for cut := 1; cut < len(data); cut++ {
		entries, ok := treeEntries(data[:cut], oid.SHA1)
		whole := 0
		for e := range entries {
			whole = e.end
		}
		if ok() != (whole == cut) {
			t.Errorf("cut at %d, behind %d: ok %v", cut, whole, ok())
		}
	}
	for _, bad := range []string{"x", " a", "9 a", "100644", "100644 ", "10064400 a"} {
		entries, ok := treeEntries(rawTree(bad), oid.SHA1)
		for range entries {
		}
		if ok() {
			t.Errorf("entry %q is taken for a good one", bad)
		}
	}
}

// skipEntries stops where reading entry by entry does.
func TestSkipEntriesAgreesWithTreeEntries(t *testing.T) {
	r := rulestest.Rand(60)
	for _, format := range []oid.Format{oid.SHA1, oid.SHA256} {
		for range 300 {
			var data []byte
			for range r.IntN(12) {
				mode := []string{"40000", "100644", "100755", "120000", "160000"}[r.IntN(5)]
				name := rulestest.Text(r, rulestest.LowerAlphabet, 1+r.IntN(20))
				data = append(append(data, mode+" "+name...), 0)
				data = append(data, rulestest.Bytes(r, format.Size())...)
			}
			for until := range len(data) + 2 {
				want := 0
				entries, _ := treeEntries(data, format)
				for e := range entries {
					if e.end > until {
						break
					}
					want = e.end
				}
				if got, ok := skipEntries(data, 0, until, format); got != want || !ok {
					t.Fatalf("skipEntries(%q, 0, %d) = %d, %v, want %d", data, until, got, ok, want)
				}
			}
			if len(data) > 0 {
				if _, ok := skipEntries(data[:len(data)-1], 0, len(data), format); ok {
					t.Errorf("skipEntries takes a cut tree for a whole one")
				}
			}
		}
	}
}

func TestParsePerson(t *testing.T) {
	zone := time.FixedZone("", -(3*60+30)*60)
	zero := time.Unix(0, 0)
	for _, tt := range []struct {
		in, name, mail string
		when           time.Time
	}{
		{"A U Thor <author@example.com> 1577880000 -0330", "A U Thor", "author@example.com", time.Unix(1577880000, 0).In(zone)},
		{"<only@mail> 1 +0000", "", "only@mail", time.Unix(1, 0)},
		{"a <b> c <d> 5 +0000", "a", "b> c <d", time.Unix(5, 0)},
		{"no mail at all", "no mail at all", "", zero},
		{"n <m>", "n", "m", zero},
		{"n <m> -5 +0000", "n", "m", zero},
		{"n <m> 99999999999999999999 +0000", "n", "m", zero},
		{"n <m> 7 +99999999", "n", "m", time.Unix(7, 0)},
		{"", "", "", zero},
	} {
		name, mail, when := parsePerson([]byte(tt.in))
		if name != tt.name || mail != tt.mail || !when.Equal(tt.when) {
			t.Errorf("parsePerson(%q) = %q, %q, %v", tt.in, name, mail, when)
		}
	}
}

func TestParseCommitNeedsATree(t *testing.T) {
	id := strings.Repeat("ab", 20)
	good := "tree " + id + "\nparent " + id + "\nparent " + id + "\nauthor a <b> 1 +0000\ncommitter a <b> 2 +0000\n\nmessage"
	c, err := parseCommit([]byte(good), oid.SHA1)
	if err != nil || len(c.parents) != 2 || c.when != 2 || len(c.tree) != 20 || string(c.message) != "message" {
		t.Errorf("parseCommit = %+v, %v", c, err)
	}
	for _, bad := range []string{"", "tree \n", "tree " + id[:39] + "\n", "tree " + strings.Repeat("x", 40), "parent " + id, "tree " + id + "\nparent no"} {
		if _, err := parseCommit([]byte(bad), oid.SHA1); err == nil {
			t.Errorf("parseCommit(%q) gave no error", bad)
		}
	}
	if _, err := parseCommit([]byte(good), oid.SHA256); err == nil {
		t.Errorf("parseCommit took names of SHA-1 for those of SHA-256")
	}
}

// Whatever a repository stores, reading it ends without a panic.
func FuzzObjects(f *testing.F) {
	id := strings.Repeat("ab", 20)
	f.Add([]byte("tree " + id + "\nparent " + id + "\nauthor a <b> 1 +0000\ncommitter a <b> 2 +0000\n\nmessage"))
	f.Add([]byte("object " + id + "\ntype commit\ntag v1\ntagger a <b> 2 +0000\n\nmessage"))
	f.Add(rawTree("100644 a", "40000 dir", "120000 link", "160000 module"))
	f.Add([]byte("committer <> -1 -9999"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []oid.Format{oid.SHA1, oid.SHA256} {
			if c, err := parseCommit(data, format); err == nil && len(c.tree) != format.Size() {
				t.Errorf("a commit's tree has a name of %d bytes", len(c.tree))
			}
			if raw, err := tagTarget(data, format); err == nil && len(raw) != format.Size() {
				t.Errorf("a tag's target has a name of %d bytes", len(raw))
			}
			if d := describe(ObjectID{}, data); len(d.Subject) > MaxSubject {
				t.Errorf("subject of %d bytes", len(d.Subject))
			}
			entries, ok := treeEntries(data, format)
			end := 0
			for e := range entries {
				if e.end <= end || e.end > len(data) || len(e.Name) == 0 || len(e.ID) != format.Size() {
					t.Fatalf("entry %+v behind %d of %d", e, end, len(data))
				}
				end = e.end
			}
			if ok() != (end == len(data)) {
				t.Errorf("ok() = %v, read %d of %d bytes", ok(), end, len(data))
			}
			for _, until := range []int{0, len(data) / 2, len(data), len(data) + 9} {
				want, well := 0, true
				for want < len(data) && want < until {
					_, n := parseTreeEntry(data[want:], format)
					if well = n > 0; !well || want+n > until {
						break
					}
					want += n
				}
				if at, skipped := skipEntries(data, 0, until, format); at != want || skipped != well {
					t.Errorf("skipEntries(0, %d) = %d, %t of %d bytes, want %d, %t", until, at, skipped, len(data), want, well)
				}
			}
		}
	})
}
