package tomlfile

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/BurntSushi/toml"
)

// misfit finds the first value that a type cannot take, and where it stands. The
// library tells of one too, but of tables of one name it gives the place in the last.
func misfit(v any, t reflect.Type, path string) (at string, err error) {
	if u, ok := reflect.New(t).Interface().(toml.Unmarshaler); ok {
		return path, u.UnmarshalTOML(v)
	}
	want := ""
	switch t.Kind() {
	case reflect.Pointer:
		return misfit(v, t.Elem(), path)
	case reflect.Struct:
		if table, ok := v.(map[string]any); ok {
			return misfitIn(table, t, path)
		}
		want = "a table"
	case reflect.Slice:
		return misfitAmong(v, t, path)
	case reflect.String:
		want = "a string"
	case reflect.Bool:
		want = "true or false"
	case reflect.Int:
		want = "a whole number"
	case reflect.Float64:
		if _, ok := v.(int64); ok {
			return "", nil
		}
		want = "a number"
	}
	if has := kindOf(v); want != "" && has != want {
		return path, fmt.Errorf("is %s, want %s", has, want)
	}
	return "", nil
}

// misfitIn looks at the fields of a table, in the order of the struct.
func misfitIn(table map[string]any, t reflect.Type, path string) (at string, err error) {
	for _, f := range reflect.VisibleFields(t) {
		name := f.Tag.Get("toml")
		for key, v := range table {
			if name == "" || !strings.EqualFold(key, name) {
				continue
			}
			if at, err = misfit(v, f.Type, joined(path, key)); err != nil {
				return at, err
			}
		}
	}
	return "", nil
}

// misfitAmong looks at a list.
func misfitAmong(v any, t reflect.Type, path string) (at string, err error) {
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice {
		return path, fmt.Errorf("is %s, want a list", kindOf(v))
	}
	for i := range list.Len() {
		below := path
		if t.Elem().Kind() == reflect.Struct {
			below = fmt.Sprintf("%s[%d]", path, i)
		}
		if at, err = misfit(list.Index(i).Interface(), t.Elem(), below); err != nil {
			if below == path {
				err = fmt.Errorf("entry %d: %w", i+1, err)
			}
			return at, err
		}
	}
	return "", nil
}

// kindOf names what a value is.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "true or false"
	case int64:
		return "a whole number"
	case float64:
		return "a number"
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "a list"
	}
	return "a date"
}
