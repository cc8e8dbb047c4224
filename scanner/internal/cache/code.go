package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Value is what a section holds. Code names its fields to a Coder, in the same
// order each time: what is written and what is read cannot come apart.
type Value interface{ Code(*Coder) }

// Coder writes the fields that a Value names to it, or reads them. Nothing but
// values stands in between, and a value has one form only: numbers of any size
// the shortest that binary.AppendVarint writes, lists their length first.
//
// encoding/gob would do the same, with names and types besides. But each start of
// the program, on every commit, would pay half a millisecond for it, and a
// commit's hook has ten.
type Coder struct {
	buf     []byte // what was written, or is left to read
	reading bool
	err     error // of reading; what follows is left as it is
}

var errForm = errors.New("a value is not of the form it should have")

// encode appends the form of v.
func encode(to []byte, v Value) []byte {
	c := Coder{buf: to}
	v.Code(&c)
	return c.buf
}

// decode reads v, and refuses what encode does not write. Lists of bytes in v
// are parts of data.
func decode(data []byte, v Value) error {
	c := Coder{buf: data, reading: true}
	v.Code(&c)
	if c.err == nil && len(c.buf) > 0 {
		c.err = fmt.Errorf("%d bytes are left over", len(c.buf))
	}
	if c.err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, c.err)
	}
	return nil
}

// take gives the next n bytes, or nil when there are less.
func (c *Coder) take(n int) []byte {
	if c.err == nil && n > len(c.buf) {
		c.err = errForm
	}
	if c.err != nil {
		return nil
	}
	b := c.buf[:n:n]
	c.buf = c.buf[n:]
	return b
}

// Bool is a field that is true or false.
func (c *Coder) Bool(p *bool) {
	if !c.reading {
		b := byte(0)
		if *p {
			b = 1
		}
		c.buf = append(c.buf, b)
		return
	}
	if b := c.take(1); b != nil {
		if b[0] > 1 {
			c.err = errForm
		}
		*p = b[0] == 1
	}
}

// Fixed is a field that always has as many bytes.
func (c *Coder) Fixed(b []byte) {
	if c.reading {
		copy(b, c.take(len(b)))
	} else {
		c.buf = append(c.buf, b...)
	}
}

// Bytes is a field of any number of bytes. None are read as nil.
func (c *Coder) Bytes(p *[]byte) {
	n := c.length(len(*p), 1)
	if !c.reading {
		c.buf = append(c.buf, *p...)
	} else if n > 0 {
		*p = c.take(n)
	}
}

// String is a field of text.
func (c *Coder) String(p *string) {
	n := c.length(len(*p), 1)
	if !c.reading {
		c.buf = append(c.buf, *p...)
	} else if n > 0 {
		*p = string(c.take(n))
	}
}

// length writes n, or reads how many parts a field has, of size bytes at least.
func (c *Coder) length(n, size int) int {
	Number(c, &n)
	if c.reading && (n < 0 || n > len(c.buf)/size) {
		c.err = errForm
	}
	if c.err != nil {
		return 0
	}
	return n
}

// Number is a field with a number in it.
func Number[T ~int | ~int32 | ~int64 | ~uint8](c *Coder, p *T) {
	if !c.reading {
		c.buf = binary.AppendVarint(c.buf, int64(*p))
		return
	}
	if c.err != nil {
		return
	}
	v, n := binary.Varint(c.buf)
	// A zero at the end adds nothing.
	if n <= 0 || n > 1 && c.buf[n-1] == 0 || int64(T(v)) != v {
		c.err = errForm
		return
	}
	*p = T(v)
	c.buf = c.buf[n:]
}

// Numbers is a field with many numbers, for which it takes the same room each.
func Numbers[T int32 | uint32 | int64](c *Coder, p *[]T) {
	size := binary.Size(T(0))
	n := c.length(len(*p), size)
	if n == 0 {
		return
	}
	// Neither fails: the sizes are those that binary asks for.
	if !c.reading {
		c.buf, _ = binary.Append(c.buf, binary.LittleEndian, *p)
		return
	}
	*p = make([]T, n)
	_, _ = binary.Decode(c.take(n*size), binary.LittleEndian, *p)
}

// maxAtOnce bounds the elements that room is made for before they are read.
const maxAtOnce = 1 << 10

// List is a field with a list in it; each names the fields of an element, which
// has one at least. An empty list is read as nil.
func List[T any](c *Coder, p *[]T, each func(*T, *Coder)) {
	n := c.length(len(*p), 1)
	if !c.reading {
		for i := range *p {
			each(&(*p)[i], c)
		}
		return
	}
	*p = slices.Grow(*p, min(n, maxAtOnce))
	for range n {
		var v T
		if each(&v, c); c.err != nil {
			return
		}
		*p = append(*p, v)
	}
}
