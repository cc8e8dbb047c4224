package index

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// link is the extension of that name: the index holds only what changed since a
// shared index was written. base names that file by its checksum. Two bitmaps
// over its entries tell which are gone and which have new data; the new data are
// the first entries of this index, without paths, in the same order.
type link struct {
	base    oid.ID
	bitmaps []byte
}

// merge replaces p's entries with those of the shared index and the changes.
func (p *parser) merge(shared func(name string) ([]byte, error)) error {
	name := "sharedindex." + p.link.base.String()
	if shared == nil {
		return fmt.Errorf("%w: %s was not given", ErrShared, name)
	}
	data, err := shared(name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrShared, err)
	}
	base, err := parseFile(data, p.format)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrShared, name, err)
	}
	if base.sum != p.link.base {
		return fmt.Errorf("%w: %s has the checksum %s", ErrShared, name, base.sum)
	}
	// A shared index that needs another does not exist, and would let a
	// repository send us round in circles.
	if base.link != nil {
		return fmt.Errorf("%w: %s is itself split", ErrShared, name)
	}
	entries, err := p.link.apply(base.ix.Entries, p.ix.Entries)
	if err != nil {
		return err
	}
	p.ix.Entries = entries
	p.ix.Split = true
	p.ix.Sparse = p.ix.Sparse || base.ix.Sparse
	return nil
}

// apply merges changes into base, whose entries it overwrites.
func (l *link) apply(base, changes []Entry) ([]Entry, error) {
	gone, rest, err := decodeEWAH(l.bitmaps, len(base))
	if err != nil {
		return nil, fmt.Errorf("deleted entries: %w", err)
	}
	replaced, rest, err := decodeEWAH(rest, len(base))
	if err != nil {
		return nil, fmt.Errorf("replaced entries: %w", err)
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%w: %d bytes after the bitmaps", ErrCorrupt, len(rest))
	}
	n := replaced.count()
	if n > len(changes) {
		return nil, fmt.Errorf("%w: %d entries replaced by %d", ErrCorrupt, n, len(changes))
	}
	news, added := changes[:n], changes[n:]
	kept := base[:0]
	for i := range base {
		e := base[i]
		if replaced.has(i) {
			if gone.has(i) || news[0].Path != "" {
				return nil, fmt.Errorf("%w: replaced entry %d is also deleted or has a path", ErrCorrupt, i)
			}
			path := e.Path
			e, news = news[0], news[1:]
			e.Path = path
		}
		if !gone.has(i) {
			kept = append(kept, e)
		}
	}
	return mergeSorted(kept, added), nil
}

// mergeSorted merges two lists in index order. Where both have the same path
// and stage the added entry wins, as when Git adds it.
func mergeSorted(kept, added []Entry) []Entry {
	if len(added) == 0 {
		return kept
	}
	out := make([]Entry, 0, len(kept)+len(added))
	for len(kept) > 0 && len(added) > 0 {
		a, b := &kept[0], &added[0]
		c := cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Stage, b.Stage))
		if c < 0 {
			out = append(out, *a)
			kept = kept[1:]
			continue
		}
		out = append(out, *b)
		added = added[1:]
		if c == 0 {
			kept = kept[1:]
		}
	}
	return append(append(out, kept...), added...)
}

// bitmap is a set of positions.
type bitmap []uint64

func (b bitmap) has(i int) bool { return b[i/64]>>(i%64)&1 != 0 }

func (b bitmap) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// decodeEWAH unpacks the compressed bitmap at the start of data, for positions
// below limit. Its words come in groups: a marker telling how many times to
// repeat a word of all zeros or all ones (32 bits), and how many plain words
// follow (31 bits). Runs of ones are the bomb; they are refused where they
// would pass limit, before anything is filled.
func decodeEWAH(data []byte, limit int) (set bitmap, rest []byte, err error) {
	if len(data) == 0 {
		return make(bitmap, (limit+63)/64), nil, nil // no bitmaps: nothing changed
	}
	// The number of bits, which says nothing new, and the number of words.
	if len(data) < 8 {
		return nil, nil, fmt.Errorf("bitmap header: %w", ErrTruncated)
	}
	words := uint64(binary.BigEndian.Uint32(data[4:]))
	data = data[8:]
	// Behind the words stands the position of the last marker, for writers.
	if uint64(len(data)) < words*8+4 {
		return nil, nil, fmt.Errorf("bitmap of %d words: %w", words, ErrTruncated)
	}
	rest = data[words*8+4:]
	set = make(bitmap, (limit+63)/64)
	var at uint64 // in words; 2^32 markers of 2^32 words fit
	for words > 0 {
		marker := binary.BigEndian.Uint64(data)
		data, words = data[8:], words-1
		run, plain := marker>>1&(1<<32-1), marker>>33
		if plain > words {
			return nil, nil, fmt.Errorf("%w: bitmap group of %d words, %d left", ErrCorrupt, plain, words)
		}
		if marker&1 != 0 {
			if at+run > uint64(len(set)) {
				return nil, nil, fmt.Errorf("%w: bitmap beyond %d entries", ErrCorrupt, limit)
			}
			for i := range run {
				set[at+i] = ^uint64(0)
			}
		}
		at += run
		for range plain {
			w := binary.BigEndian.Uint64(data)
			data, words = data[8:], words-1
			if at < uint64(len(set)) {
				set[at] = w
			} else if w != 0 {
				return nil, nil, fmt.Errorf("%w: bitmap beyond %d entries", ErrCorrupt, limit)
			}
			at++
		}
	}
	if over := limit % 64; over != 0 && set[len(set)-1]>>over != 0 {
		return nil, nil, fmt.Errorf("%w: bitmap beyond %d entries", ErrCorrupt, limit)
	}
	return set, rest, nil
}
