package scanner

import (
	"reflect"
	"testing"

	"github.com/keyquench/keyquench/scanner/internal/cache"
)

// fill sets all exported fields below v, each to another value.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(string(rune('a' + *n)))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8, reflect.Uint32:
		v.SetUint(uint64(*n))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i), n)
			}
		}
	default:
		t.Fatalf("a %s is remembered, which no Coder knows", v.Type())
	}
}

// A field that Code forgets would come back zero.
func TestAllFieldsAreRemembered(t *testing.T) {
	var res result
	var k known
	n := 0
	fill(t, reflect.ValueOf(&res).Elem(), &n)
	fill(t, reflect.ValueOf(&k).Elem(), &n)
	d := cache.Dir(t.TempDir())
	if err := d.Write("x", &res, &k); err != nil {
		t.Fatal(err)
	}
	f, err := d.Open("x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var gotResult result
	var gotKnown known
	if err := f.Read(0, &gotResult); err != nil {
		t.Fatal(err)
	}
	if err := f.Read(1, &gotKnown); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(gotResult, res) {
		t.Errorf("read\n%+v\nwant\n%+v", gotResult, res)
	}
	if !reflect.DeepEqual(gotKnown, k) {
		t.Errorf("read\n%+v\nwant\n%+v", gotKnown, k)
	}
}
