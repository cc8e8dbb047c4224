package unpack

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
)

// FuzzWalk looks for panics, for members that break a promise, and for memory
// and work out of proportion.
func FuzzWalk(f *testing.F) {
	for _, p := range packers {
		data, _ := twoFiles(f, p)
		f.Add(data)
		f.Add(gzipped(f, data))
		f.Add(zipOf(0)(f, file{"x", data}))
	}
	f.Add(rawZip(zipPart{name: "a", data: []byte("text")}, zipPart{name: "b", data: []byte("more"), unlisted: true, unsized: true}))
	f.Add([]byte(pdfWith("x", "[/ASCII85Decode /FlateDecode]", ascii85Of(zlibbed(f, sample(70, 99))))))
	f.Fuzz(func(t *testing.T, data []byte) {
		budget := &Budget{BlobBytes: 4 << 20, Held: 24 << 20, MemberHeld: 256 << 10}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		all := walk(t, data, budget)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 400<<20 {
			t.Errorf("%d bytes of %s take %d of memory", len(data), Detect(data), got)
		}
		if spent := budget.bytes.Load(); spent > 5<<20+200*int64(len(data)) {
			t.Errorf("%d bytes of %s cost %d", len(data), Detect(data), spent)
		}
		for _, m := range all.members {
			if m.depth < 1 || m.depth > defaultDepth || m.rest && m.depth < 2 || m.via == None {
				t.Errorf("Walk yields %q at depth %d by %s", m.name, m.depth, m.via)
			}
		}
		// Inside of a zip, nothing is different but a step of the way.
		inside := walk(t, zipOf(0)(t, file{"in", data}), &Budget{BlobBytes: 4 << 20, Held: 24 << 20, MemberHeld: 256 << 10, Depth: 9})
		i := 0
		for _, m := range all.members {
			for i < len(inside.members) && (inside.members[i].rest != m.rest || !bytes.Equal(inside.members[i].data, m.data)) {
				i++
			}
			if i == len(inside.members) && len(data) > 0 && len(all.errs) == 0 {
				t.Fatalf("in a zip, %q is lost:\n%v\n%v", m.name, all, inside)
			}
		}
	})
}

var detected Format

func BenchmarkDetect(b *testing.B) {
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"text", sample(71, 4096)},
		{"short", sample(71, 40)},
		{"p", append([]byte("package main"), sample(71, 4096)...)},
		{"program", append([]byte("\x7fELF"), bytes.Repeat([]byte{0x48, 0x8b, 0x05, 0}, 1<<18)...)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				detected = Detect(c.data)
			}
		})
	}
}

// BenchmarkWalk is in bytes that come out.
func BenchmarkWalk(b *testing.B) {
	const size = 4 << 20
	text := sample(72, size)
	var files []file
	for i := 0; i < size; i += 8 << 10 {
		files = append(files, file{fmt.Sprint("dir/", i), text[i : i+8<<10]})
	}
	for _, p := range packers {
		if p.format == Bzip2 || p.name == "zip-bzip2" || p.name == "7z-bzip2" {
			continue // the tests' writer of it is too slow
		}
		in := files
		if !p.named {
			in = []file{{"x", text}}
		}
		data := p.pack(b, in...)
		b.Run(p.name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range Walk(b.Context(), data, &Budget{}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
