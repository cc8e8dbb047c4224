// Package tomlfile reads TOML files strictly: a field that nobody reads is an
// error, and errors name the file, the line and the column. It does not know what
// the files are about, and opens none.
package tomlfile

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxBytes bounds a file; the largest configuration known has 200 KB.
const maxBytes = 4 << 20

// Error is a file that cannot be used, and where in it that is so.
type Error struct {
	File, Place string // Place is "LINE:COLUMN", or empty
	Err         error
}

func (e *Error) Error() string {
	if e.Place == "" {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%s: %v", e.File, e.Place, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// File is a file that is well-formed.
type File struct {
	Name string
	text string
	keys *keyMap
	all  map[string]any
	meta toml.MetaData
}

// Parse reads a file. Its errors are *Error.
func Parse(name string, text []byte) (*File, error) {
	if len(text) > maxBytes {
		return nil, &Error{name, "", fmt.Errorf("over %d bytes", maxBytes)}
	}
	f := &File{Name: name, text: string(text), keys: locate(text)}
	if f.keys.deep {
		// The library would go as deep as the file says.
		return nil, &Error{name, "", errors.New("arrays, tables or names nest too deep")}
	}
	var err error
	if f.meta, err = toml.Decode(f.text, &f.all); err != nil {
		return nil, f.syntax(err)
	}
	return f, nil
}

// syntax says where a file is no TOML, without a quote of it.
func (f *File) syntax(err error) error {
	if bad, ok := errors.AsType[toml.ParseError](err); ok {
		return &Error{f.Name, fmt.Sprintf("%d:%d", bad.Position.Line, max(1, bad.Position.Col)), errors.New(bad.Message)}
	}
	return &Error{f.Name, "", err}
}

// Fail gives an error about the value at a path, as "rules[2].regex". Where the
// path is not in the file, what is above it is meant.
func (f *File) Fail(path string, err error) error {
	return &Error{f.Name, f.keys.find(path), err}
}

// Top are the names of the outermost fields, in the order of the file.
func (f *File) Top() (names []string) {
	for _, k := range f.meta.Keys() {
		if !slices.Contains(names, k[0]) { // "a.b = 1" makes an a, too
			names = append(names, k[0])
		}
	}
	return names
}

// IsTable tells whether an outermost field, in whatever case, is a table, if only by
// what stands in it: "a.b = 1" makes one.
func (f *File) IsTable(name string) bool {
	for k, v := range f.all {
		if _, ok := v.(map[string]any); ok && strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

// Decode reads the file into a struct. A field that the struct does not have is
// an error, for which say finds the words, and so is a value that it cannot take.
func (f *File) Decode(into any, say func(field string) string) error {
	meta, err := toml.Decode(f.text, into)
	if err != nil {
		if at, bad := misfit(f.all, reflect.TypeOf(into).Elem(), ""); bad != nil {
			name := at[strings.LastIndexByte(at, '.')+1:]
			return f.Fail(at, fmt.Errorf("%s: %w", name, bad))
		}
		return f.syntax(err)
	}
	for _, k := range meta.Undecoded() {
		path := strings.Join(k, ".")
		return f.Fail(path, errors.New(say(path)))
	}
	return nil
}
