package report

import (
	"io"
	"slices"
)

// Formats are the names that New knows, the default first.
func Formats() []string {
	return []string{"text", "json", "sarif", "junit", "csv", "html", "github", "markdown"}
}

// Masks tells whether a format shows no secret in full, whatever is asked for: what
// GitHub shows of a job is seen by all who can read the repository.
func Masks(format string) bool { return format == "github" || format == "markdown" }

// New gives the Writer of a format; ok is false when there is none of that name.
func New(format string, w io.Writer, o Options) (_ Writer, ok bool) {
	makers := []func(io.Writer, Options) Writer{NewText, NewJSON, NewSARIF, NewJUnit, NewCSV, NewHTML, NewAnnotations, NewMarkdown}
	i := slices.Index(Formats(), format)
	if i < 0 {
		return nil, false
	}
	return makers[i](w, o), true
}
