package report

import (
	"fmt"
	"strings"

	"github.com/keyquench/keyquench/internal/form"
	"github.com/keyquench/keyquench/scanner"
)

// repositoryForm is the address of a repository's pages. Nothing in it means
// anything to Markdown or HTML.
var repositoryForm = form.New(`^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+/?$`)

// base is the address that links begin with, "" for none.
func (o *Options) base() string {
	if !repositoryForm.MatchString(o.Repository) {
		return ""
	}
	return strings.TrimSuffix(o.Repository, "/")
}

// commitPage is where a commit is shown.
func (t *text) commitPage(id scanner.ObjectID) string {
	if t.o.base() == "" || id.IsZero() {
		return ""
	}
	return t.o.base() + "/commit/" + id.String()
}

// pageOf is where the file is shown as the commit has it that brought the key in:
// there the line is the right one.
func (t *text) pageOf(s *spot) string {
	p := s.place
	if t.o.base() == "" || p.Commit == nil || p.Commit.ID.IsZero() || s.path == "" || p.Kind != scanner.Content {
		return ""
	}
	if s.at != nil && s.at.Line != p.At.Line {
		return "" // the text names another line
	}
	page := t.o.base() + "/blob/" + p.Commit.ID.String() + "/" + percent(s.path) + "?plain=1" // a page that GitHub renders has no lines
	if p.Member == "" && p.At.Line > 0 {
		page += fmt.Sprintf("#L%d", p.At.Line)
	}
	return page
}

// link makes a link of a text that is Markdown already.
func (t *text) link(text, to string) string {
	if to == "" || text == "" {
		return text
	}
	return "[" + text + "](" + to + ")"
}
