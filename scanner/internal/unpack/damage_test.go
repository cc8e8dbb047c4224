package unpack

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
)

// twoFiles packs two files, or one where there is room for one.
func twoFiles(tb testing.TB, p packer) (data []byte, files []file) {
	files = []file{{"first", sample(11, 700)}, {"second", sample(12, 600)}}
	if !p.named {
		files = files[:1]
	}
	return p.pack(tb, files...), files
}

// whole counts the files that come out as they went in, and bytes of all.
func (all walked) whole(files []file) (n, total int) {
	for _, f := range files {
		if slices.ContainsFunc(all.members, func(m found) bool { return m.is(f.data) }) {
			n++
		}
	}
	for _, m := range all.members {
		total += len(m.data)
	}
	return n, total
}

// stride is how many bytes are passed over between two that are tried: bzip2
// makes room for a whole block each time.
func stride(p packer) int {
	if p.format == Bzip2 || strings.HasSuffix(p.name, "bzip2") {
		return 13
	}
	return 1
}

// What was cut off is missing, and nothing else; and it is told unless the cut
// is between two members of a format that has no end.
func TestTruncatedContainersGiveWhatStoodBefore(t *testing.T) {
	for _, p := range packers {
		data, files := twoFiles(t, p)
		all, total := walk(t, data, &Budget{}).whole(files)
		if all != len(files) {
			t.Fatalf("%s of %d files gives %d", p.name, len(files), all)
		}
		before, got := 0, 0
		for cut := 0; cut < len(data); cut += stride(p) {
			w := walk(t, data[:cut], &Budget{})
			n, now := w.whole(files)
			// Archives that have their list at the end lose all when it is gone;
			// a database is not cut in the middle of a page.
			if now < got && p.format != SQLite {
				t.Errorf("%s cut at %d of %d gives %d bytes, %d when it was shorter", p.name, cut, len(data), now, got)
			}
			got = now
			if n < before {
				t.Errorf("%s cut at %d of %d gives %d whole files, %d when it was shorter", p.name, cut, len(data), n, before)
			}
			before = n
			for _, m := range w.members {
				if !slices.ContainsFunc(files, func(f file) bool { return bytes.HasPrefix(f.data, m.data) }) && m.via != SQLite {
					t.Errorf("%s cut at %d of %d gives bytes that were not packed: %v", p.name, cut, len(data), w)
				}
			}
			if now > 0 && now < total && len(w.errs) == 0 && (n == 0 || p.format != Ar && p.format != Tar) {
				t.Errorf("%s cut at %d of %d gives %d bytes of %d and tells nothing", p.name, cut, len(data), now, total)
			}
			for _, err := range w.errs {
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("%s cut at %d of %d tells %v, want damage", p.name, cut, len(data), err)
				}
			}
		}
		if p.format != SevenZip && before == 0 && p.named {
			t.Errorf("%s never gives its first file without its end", p.name)
		}
	}
}

// Bytes that are wrong do no harm to members before them.
func TestFlippedBytesLoseNothingBefore(t *testing.T) {
	r := rulestest.Rand(13)
	for _, p := range packers {
		data, files := twoFiles(t, p)
		first := len(data)
		for cut := 0; cut < len(data); cut += stride(p) {
			if n, _ := walk(t, data[:cut], &Budget{}).whole(files[:1]); n == 1 {
				first = cut
				break
			}
		}
		for i := 0; i < len(data); i += stride(p) {
			b := bytes.Clone(data)
			b[i] ^= byte(1 + r.IntN(255))
			w := walk(t, b, &Budget{BlobBytes: 1 << 20})
			// The directory of a zip, behind all, says how to read what is before it.
			if n, _ := w.whole(files[:1]); n == 0 && i > first && (p.format != Zip || len(w.errs) == 0) {
				t.Errorf("%s with byte %d of %d wrong loses a file that ends before %d:\n%v", p.name, i, len(data), first, w)
			}
		}
	}
}

// A broken header in the middle of an archive does not hide what is behind it.
func TestArchivesGoOnBehindDamage(t *testing.T) {
	files := []file{{"a", sample(14, 900)}, {"b", sample(15, 900)}, {"c", sample(16, 900)}}
	for _, p := range packers {
		if p.format != Tar && p.format != Zip || p.name == "v7" {
			continue
		}
		data := p.pack(t, files...)
		whole := walk(t, data, &Budget{})
		whole.clean(t, p.name)
		i := bytes.Index(data[100:], []byte(zipLocal)) + 100
		if p.format == Tar {
			for i = tarBlock; string(data[i:i+2]) != "b\x00"; i += tarBlock {
			}
			i += tarSum
		}
		data[i+1] ^= 1
		w := walk(t, data, &Budget{})
		if len(w.errs) == 0 {
			t.Errorf("%s with a broken header tells nothing", p.name)
		}
		for _, f := range []file{files[0], files[2]} {
			if got := w.named(f.name); len(got) != 1 || !bytes.Equal(got[0], f.data) {
				t.Errorf("%s with the header of b broken loses %s:\n%v", p.name, f.name, w)
			}
		}
	}
}

func TestChecksumsAreChecked(t *testing.T) {
	want := sample(17, 5000)
	for _, p := range packers {
		var at int
		data := p.pack(t, file{"x", want})
		switch p.name {
		case "gzip":
			at = len(data) - 8
		case "zlib":
			at = len(data) - 1
		case "stored", "deflated", "zip-zstd", "zip-bzip2", "zip-lzma", "zip-xz":
			at = bytes.LastIndex(data, []byte(zipEntry)) + 16
		case "7z-copy":
			at = sevenStart
		case "xz":
			at = len(data) - 12 - 12 - 4 // footer, index and half a CRC64
		default:
			continue
		}
		data[at] ^= 1
		w := walk(t, data, &Budget{})
		if len(w.errs) != 1 || !errors.Is(w.errs[0], ErrDamaged) || len(w.members) != 1 || len(w.members[0].data) != len(want) {
			t.Errorf("%s with a wrong sum gives %v, want the member and damage", p.name, w)
		}
	}
}
