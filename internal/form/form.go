// Package form is for regular expressions that are compiled when they are first
// asked. The program starts for each commit of its user, and of what it can do
// needs little then: a compiled expression costs up to milliseconds.
package form

import (
	"regexp"
	"sync"
)

// Form is an expression. It may be used by many goroutines.
type Form struct {
	text string
	get  func() *regexp.Regexp
}

// New names an expression, in Go's syntax. One that is wrong panics when it is
// first asked.
func New(text string) *Form {
	return &Form{text, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
}

// MatchString tells whether s has a part of this form.
func (f *Form) MatchString(s string) bool { return f.get().MatchString(s) }

// FindStringSubmatch gives the first part of this form and its groups, or nil.
func (f *Form) FindStringSubmatch(s string) []string { return f.get().FindStringSubmatch(s) }

// ReplaceAllStringFunc puts what by gives for it in the place of every such part.
func (f *Form) ReplaceAllStringFunc(s string, by func(string) string) string {
	return f.get().ReplaceAllStringFunc(s, by)
}

// String is the expression.
func (f *Form) String() string { return f.text }
