package report

import (
	"fmt"

	"github.com/keyquench/keyquench/scanner"
)

// spot is where a change is marked on account of a key: a place, and what of it can
// be named to a page that shows the newest commit.
type spot struct {
	place *scanner.Place // nil when no place is known
	// path is a file, "" when the place is in none or its name cannot be written
	// where names are obeyed.
	path string
	// at is where it stands in the newest commit, nil when it does not, or not as a
	// line: in a name, or inside of an archive.
	at *scanner.Position
}

// maxSpotPath is the longest path of a spot: Linux opens no longer one.
const maxSpotPath = 4096

// spot chooses the place that helps most: a line that is still there, then a file
// that is, then any file. The oldest of equals is the one that brought the key in.
func (t *text) spot(f *scanner.Finding) (best spot) {
	most := -1
	for i := range f.Places {
		s := spot{place: &f.Places[i]}
		s.path, s.at = t.marked(s.place)
		worth := 0
		switch {
		case s.path != "" && s.at != nil:
			worth = 3
		case s.path != "" && s.place.Head != nil:
			worth = 2
		case s.path != "":
			worth = 1
		}
		if worth > most {
			best, most = s, worth
		}
	}
	return best
}

// marked is the file of a place, and the line of the newest commit.
func (t *text) marked(p *scanner.Place) (path string, at *scanner.Position) {
	switch p.Kind {
	case scanner.Content, scanner.WorkTreeFile, scanner.FileName:
	default:
		return "", nil
	}
	// A name that would have to be changed to be shown would be another file's.
	if p.Repository != "" || !relative(p.Path) || len(p.Path) > maxSpotPath || Clean(t.veil.over(p.Path)) != p.Path {
		return "", nil
	}
	switch {
	case p.Kind == scanner.FileName || p.Member != "":
	case p.Head != nil:
		at = p.Head
	case p.WorkTree != nil:
		at = p.WorkTree
	case p.Kind == scanner.WorkTreeFile:
		at = &p.At
	}
	if at != nil && at.Line < 1 {
		at = nil
	}
	return p.Path, at
}

// standing says where a key is: in the newest commit if it is there.
func (t *text) standing(s *spot) string {
	if s.at == nil {
		return t.where(s.place)
	}
	return fmt.Sprintf("%s:%d", s.path, s.at.Line)
}

// past is said of a key that only history has, "" of others.
func (t *text) past(f *scanner.Finding) string {
	for i := range f.Places {
		p := &f.Places[i]
		if p.Head != nil || p.WorkTree != nil || p.Kind != scanner.Content || p.Commit == nil {
			return ""
		}
	}
	switch {
	case len(f.Places) == 0:
	case t.o.Scope == All:
		return "The checked-out commit no longer has it, but the history does, and everybody who has a clone."
	case t.o.Scope == Part:
		// What a part of history has there is not all of it.
		return "It was not seen in the checked-out commit, but the history has it, and everybody who has a clone."
	}
	return ""
}
