package index

import (
	"encoding/binary"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Name is what a work tree is walked by: a tracked path, raw and hostile as in
// Entry, and its mode.
type Name struct {
	Path string
	Mode uint32
}

// Names gives the names of the index file at path, which Read would read, in
// index order: a path in conflict comes once for each of its stages. For 5,000
// entries it takes half of the time of Read, which has three times as much
// memory to fill.
func Names(path string, f oid.Format) ([]Name, error) {
	var names []Name
	err := List(path, f, func(l *Listing) error {
		names = l.names()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

func (l *Listing) names() []Name {
	names := make([]Name, l.Len())
	if l.entries != nil {
		for i := range l.entries {
			names[i] = Name{l.entries[i].Path, l.entries[i].Mode}
		}
		return names
	}
	var paths arena
	for i := range names {
		mode := l.p.body[l.at[i]+24:]
		names[i] = Name{paths.add("", l.path(i)), binary.BigEndian.Uint32(mode)}
	}
	return names
}
