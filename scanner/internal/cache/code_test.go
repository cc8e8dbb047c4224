package cache

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
)

// all has a field of each sort.
type all struct {
	Bool   bool
	Fixed  [3]byte
	Bytes  []byte
	String string
	Int    int
	Narrow int32
	Byte   uint8
	I32    []int32
	U32    []uint32
	I64    []int64
	List   []inner
}

type inner struct {
	Name string
	N    int64
}

func (a *all) Code(c *Coder) {
	c.Bool(&a.Bool)
	c.Fixed(a.Fixed[:])
	c.Bytes(&a.Bytes)
	c.String(&a.String)
	Number(c, &a.Int)
	Number(c, &a.Narrow)
	Number(c, &a.Byte)
	Numbers(c, &a.I32)
	Numbers(c, &a.U32)
	Numbers(c, &a.I64)
	List(c, &a.List, func(i *inner, c *Coder) {
		c.String(&i.Name)
		Number(c, &i.N)
	})
}

var samples = []all{
	{},
	{
		true,
		[3]byte{1, 2, 3},
		[]byte("bytes"), "text", -7, math.MinInt32, 255,
		[]int32{1, -1, math.MaxInt32},
		[]uint32{0, math.MaxUint32},
		[]int64{math.MinInt64, math.MaxInt64},
		[]inner{{"a", math.MinInt64}, {}, {"b", math.MaxInt64}},
	},
	{Int: math.MaxInt, Narrow: math.MaxInt32, Bytes: make([]byte, 300), List: make([]inner, maxAtOnce+1)},
}

func TestEachSortOfFieldIsReadAsItWasWritten(t *testing.T) {
	for i, want := range samples {
		data := encode([]byte("before"), &want)[len("before"):]
		var got all
		if err := decode(data, &got); err != nil {
			t.Errorf("sample %d: %v", i, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("sample %d: read %+v, want %+v", i, got, want)
		}
		for cut := range data {
			if err := decode(data[:cut], new(all)); !errors.Is(err, ErrDamaged) {
				t.Errorf("sample %d, %d bytes of %d: %v, want ErrDamaged", i, cut, len(data), err)
			}
		}
		if err := decode(append(data, 0), new(all)); !errors.Is(err, ErrDamaged) {
			t.Errorf("sample %d and a byte: %v, want ErrDamaged", i, err)
		}
	}
}

// value is a Value of one field.
type value func(*Coder)

func (v value) Code(c *Coder) { v(c) }

func TestOtherFormsAreRefused(t *testing.T) {
	flag, small, narrow, wide, text := false, uint8(0), int32(0), 0, ""
	var data []byte
	var numbers []int64
	var list []int
	number := func(n *int, c *Coder) { Number(c, n) }
	for _, tt := range []struct {
		what string
		v    value
		data string
	}{
		{"a bool of two", func(c *Coder) { c.Bool(&flag) }, "\x02"},
		{"256 in a byte", func(c *Coder) { Number(c, &small) }, "\x80\x04"},
		{"-1 in a byte", func(c *Coder) { Number(c, &small) }, "\x01"},
		{"2^31 in 32 bits", func(c *Coder) { Number(c, &narrow) }, "\x80\x80\x80\x80\x10"},
		{"over 64 bits", func(c *Coder) { Number(c, &wide) }, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"},
		{"a longer form", func(c *Coder) { Number(c, &wide) }, "\x82\x00"},
		{"an endless number", func(c *Coder) { Number(c, &wide) }, "\x80\x80"},
		{"text of less than nothing", func(c *Coder) { c.String(&text) }, "\x01"},
		{"text of 2^62", func(c *Coder) { c.String(&text) }, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01a"},
		{"bytes that are not there", func(c *Coder) { c.Bytes(&data) }, "\x06ab"},
		{"numbers that are not there", func(c *Coder) { Numbers(c, &numbers) }, "\x0412345678"},
		{"2^61 numbers", func(c *Coder) { Numbers(c, &numbers) }, "\x80\x80\x80\x80\x80\x80\x80\x80\x4012345678"},
		{"a list that is not there", func(c *Coder) { List(c, &list, number) }, "\x06\x02\x02"},
	} {
		if err := decode([]byte(tt.data), tt.v); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", tt.what, err)
		}
	}
	if flag || small != 0 || narrow != 0 || wide != 0 || text != "" || data != nil || numbers != nil {
		t.Error("a field that is refused is set")
	}
}

// What is read is written again to the same bytes, and takes room in proportion.
func FuzzDecode(f *testing.F) {
	for _, s := range samples {
		f.Add(encode(nil, &s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v all
		if err := decode(data, &v); err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%v, want ErrDamaged", err)
			}
			return
		}
		if again := encode(nil, &v); !bytes.Equal(again, data) {
			t.Errorf("%x is read, and written %x", data, again)
		}
	})
}
