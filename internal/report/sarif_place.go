package report

import (
	"fmt"
	"strings"

	"github.com/keyquench/keyquench/scanner"
)

// locations are the places of a key. Code scanning opens the first: that is one
// in the checked-out commit if there is any, or in the work tree, where the line
// number is of what people see; else the oldest.
func (s *sarifLog) locations(f *scanner.Finding) (list []sarifLocation) {
	first := primary(f)
	for i := range f.Places {
		if len(list) == maxLocations {
			break
		}
		// The oldest stands aside for the first; the others keep their order.
		at := i
		switch {
		case i == 0:
			at = first
		case i <= first:
			at = i - 1
		}
		list = append(list, s.location(f, &f.Places[at], i+1))
	}
	if list == nil {
		return []sarifLocation{s.location(f, &scanner.Place{}, 1)}
	}
	return list
}

func primary(f *scanner.Finding) int {
	for i := range f.Places {
		if p := &f.Places[i]; p.Head != nil && p.Kind != scanner.CommitText && p.Kind != scanner.TagText {
			return i
		}
	}
	for i := range f.Places {
		if f.Places[i].WorkTree != nil {
			return i
		}
	}
	return 0
}

func (s *sarifLog) location(f *scanner.Finding, p *scanner.Place, id int) sarifLocation {
	at := &p.At
	switch {
	case p.Head != nil && p.Kind == scanner.Content:
		at = p.Head
	case p.WorkTree != nil:
		at = p.WorkTree
	}
	loc := sarifLocation{
		ID: id, Message: sarifMessage{Text: literal(s.placeText(p))},
		PhysicalLocation: sarifPhysical{sarifArtifact{URI: s.uri(p), URIBaseID: srcRoot}, region(f, p, at)},
		Properties:       sarifLocationBag{s.veil.place(p)},
	}
	if name := objectName(p.Object); name != "" {
		loc.LogicalLocations = []sarifLogical{{Name: name, FullyQualifiedName: p.Kind.String() + " " + name, Kind: "git-object"}}
	}
	return loc
}

// region is where the key begins, and as far as a value of its rule must reach.
func region(f *scanner.Finding, p *scanner.Place, at *scanner.Position) sarifRegion {
	length, line, column := max(f.Rule.MinLen, 1), max(at.Line, 1), max(at.Column, 1)
	r := sarifRegion{StartLine: line, EndLine: line, StartColumn: column, EndColumn: column + length}
	// Names, and objects without a path, have no bytes that a reader could count in.
	if p.Path != "" && p.Kind != scanner.FileName && p.Kind != scanner.RefName {
		offset := max(at.Offset, 0)
		r.ByteOffset, r.ByteLength = &offset, &length
	}
	return r
}

// uri is where a place is, relative to the root. What has no path, or one that no
// checkout can have, is named by its object. Code scanning wants a path, and no
// file of a checkout can be at that one: Git keeps .git for itself.
func (s *sarifLog) uri(p *scanner.Place) string {
	in, git := "", ".git/"
	if r := s.veil.over(p.Repository); p.Repository != "" && relative(r) {
		in, git = percent(r)+"/", percent(r)+"/"
	}
	path := s.veil.over(p.Path)
	switch name := objectName(p.Object); {
	case p.Kind == scanner.RefName && relative(path):
		return git + percent(path)
	case p.Kind != scanner.Input && relative(path):
		return in + percent(path)
	case name != "":
		return git + "objects/" + name[:2] + "/" + name[2:]
	}
	// A name that somebody gave a stream; its parts must not be steps in a path.
	if name := strings.ReplaceAll(path, "/", "_"); relative(name) {
		return "input/" + percent(name)
	}
	return "input/unnamed"
}

// relative tells whether a path leads from the root to a file below it.
func relative(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// percent is a path as a URI has it. Only what needs no thought stays as it is.
func percent(path string) string {
	var b strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// message says in one sentence what was found, which is all that a list of alerts
// shows, and then where else it stands.
func (s *sarifLog) message(f *scanner.Finding, locations int) string {
	var b strings.Builder
	b.WriteString(literal(strings.Join(strings.Fields(headline(f)), " ")))
	switch {
	case !f.Key.Secret.IsZero():
		b.WriteString(" (" + literal(Clean(s.o.secret(f.Key.Secret))) + ")")
	case len(f.Secrets) > 0:
		b.WriteString(" (" + literal(Clean(s.o.secret(f.Secrets[0].Secret))) + ")")
	}
	if len(f.Places) > 0 {
		if c := f.Places[0].Commit; c != nil {
			fmt.Fprintf(&b, ", in history since %s", day(c.Date))
		}
	}
	switch {
	case f.Canary != "":
		b.WriteString(". It is a canary: do not try it, its use raises an alarm.")
	case s.o.isLive(f):
		b.WriteString(". It is live. Deactivate it before anything else.")
	case s.o.over(f):
		b.WriteString(". AWS no longer takes it: " + literal(Clean(s.o.verdict(f).Reason)) + ".")
	default:
		b.WriteString(". Deactivate it before anything else.")
	}
	if more := len(f.Places) - 1; more > 0 {
		fmt.Fprintf(&b, " It also stands in %d more %s:", more, plural(more, "place", "places"))
		for i := 2; i <= min(locations, maxLinks+1); i++ {
			fmt.Fprintf(&b, " [%d](%d)", i, i)
		}
		b.WriteByte('.')
	}
	return b.String()
}

// placeText says what a place is and where it still stands.
func (s *sarifLog) placeText(p *scanner.Place) string {
	if p.At.Line == 0 {
		return "no place is known"
	}
	parts := []string{s.text.where(p)}
	if c := p.Commit; c != nil {
		parts = append(parts, "commit "+digits(c.ID)+", "+day(c.Date))
	}
	parts = append(parts, s.text.facts(p)...)
	if p.Unreachable {
		parts = append(parts, "no branch or tag leads to it")
	}
	return strings.Join(parts, " · ")
}
