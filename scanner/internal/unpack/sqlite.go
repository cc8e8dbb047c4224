package unpack

import (
	"encoding/binary"
	"fmt"
	"io"
)

// sqliteHead is the header of a database, in its first page.
const sqliteHead = 100

// The kinds of pages that have cells with a payload (file format 2, 1.6).
const (
	indexInterior = 2
	indexLeaf     = 10
	tableLeaf     = 13
)

// database reads the pages of a SQLite file one after the other, in use or not.
type database struct {
	*walker
	level  *level
	data   []byte
	page   int      // size of one
	usable int      // of it
	seen   []uint64 // a bit for each page that is part of a value
	broken int
}

// sqlite yields the rows that are spread over pages, each with the values of all
// its columns behind one another; all others stand in the file as they are. Of
// any row, values that are containers are opened.
func (w *walker) sqlite(l *level, in *feed) bool {
	db := &database{walker: w, level: l, data: in.mem, page: int(binary.BigEndian.Uint16(in.mem[16:]))}
	if db.page == 1 {
		db.page = 1 << 16
	}
	db.usable = db.page - int(in.mem[20])
	if db.page < 512 || db.page&(db.page-1) != 0 || db.usable < 480 {
		return false
	}
	db.seen = make([]uint64, len(db.data)/db.page/64+1)
	for n := 1; db.content(n) != nil && !w.over(l); n++ {
		db.cells(n)
	}
	if db.broken > 0 {
		w.tell(l.name, SQLite, fmt.Errorf("%w: %d values are cut", ErrDamaged, db.broken))
	}
	w.beside(l, in.mem)
	return true
}

// content is page n, of which the first is 1; nil if it is not all there.
func (db *database) content(n int) []byte {
	if n < 1 || n > len(db.data)/db.page {
		return nil
	}
	return db.data[(n-1)*db.page : n*db.page]
}

// cells looks for long values on a page.
func (db *database) cells(n int) {
	page := db.content(n)
	head := 0
	if n == 1 {
		head = sqliteHead
	}
	kind, pointers := page[head], head+8
	switch kind {
	case indexInterior:
		pointers += 4
	case indexLeaf, tableLeaf:
	default:
		return
	}
	count := int(binary.BigEndian.Uint16(page[head+3:]))
	for i := range count {
		at := pointers + 2*i
		if at+2 > db.usable || db.over(db.level) {
			return
		}
		if cell := int(binary.BigEndian.Uint16(page[at:])); cell < db.usable {
			db.cell(n, i, page[cell:db.usable], kind)
		}
	}
}

// cell reads cell i of page p, of which b is what is left behind its place.
func (db *database) cell(p, i int, b []byte, kind byte) {
	if kind == indexInterior {
		b = b[min(4, len(b)):] // the page below
	}
	size, n := uvarint(b)
	b = b[n:]
	most := (db.usable-12)*64/255 - 23
	if kind == tableLeaf {
		_, n = uvarint(b) // the row's number
		b = b[n:]
		most = db.usable - 35
	}
	if size <= uint64(most) {
		if size <= uint64(len(b)) {
			db.columns(p, i, b[:size])
		}
		return
	}
	least := (db.usable-12)*32/255 - 23
	local := least + int((size-uint64(least))%uint64(db.usable-4))
	if local > most {
		local = least
	}
	if size > uint64(len(db.data)) || len(b) < local+4 {
		return
	}
	c := &chain{db: db, data: b[:local], next: binary.BigEndian.Uint32(b[local:]), left: int(size)}
	// A page that is no leaf any more may still look like one: what goes on in a
	// value that was read, or nowhere, is no value.
	if db.taken(c.next) {
		return
	}
	db.spread(p, i, c)
	if c.left > 0 && !db.over(db.level) {
		db.broken++
	}
}

// spread yields a row that goes on on other pages.
func (db *database) spread(p, i int, c *chain) {
	name := db.level.inside(cellName(p, i))
	m := db.sized(db.level, c, len(db.data))
	limit := db.hold(min(int64(c.left), db.limits.memberHeld))
	defer db.release(limit)
	if int64(c.left) > limit {
		db.stream(db.level, name, m)
		return
	}
	row := make([]byte, c.left)
	n, _ := io.ReadFull(m, row) // what is missing shows in c
	if row = row[:n]; db.enter(db.level) {
		db.give(Member{Name: name, Via: SQLite, Depth: db.level.depth, Data: row, At: -1})
		db.columns(p, i, row)
	}
}

func cellName(p, i int) string { return fmt.Sprintf("page%d/cell%d", p, i) }

// columns opens the values of a row that are containers. A row begins with the
// size of its header and the types of its values (2.1).
func (db *database) columns(p, i int, row []byte) {
	size, n := uvarint(row)
	if size > uint64(len(row)) || size < uint64(n) {
		return
	}
	types, values := row[n:size], row[size:]
	for column := 0; len(types) > 0 && len(values) >= ownMagic; column++ {
		kind, n := uvarint(types)
		types = types[n:]
		length := uint64(0)
		switch {
		case kind >= 12:
			length = (kind - 12) / 2
		case kind < 7:
			length = uint64([...]byte{0, 1, 2, 3, 4, 6, 8}[kind])
		case kind == 7:
			length = 8
		}
		value := values[:min(length, uint64(len(values)))]
		values = values[len(value):]
		if f := Detect(value); f != None && !db.over(db.level) {
			name := db.level.inside(fmt.Sprintf("%s/column%d", cellName(p, i), column))
			if db.mayOpen(db.level, name, f) {
				db.open(db.level, name, f, &feed{mem: value, at: -1})
			}
		}
	}
}

// taken tells whether a page does not exist or is part of a value already.
func (db *database) taken(n uint32) bool {
	return n < 1 || int64(n) > int64(len(db.data)/db.page) || db.seen[n/64]>>(n%64)&1 == 1
}

// chain reads a value from page to page. No page is in two, so that all of them
// together are read once, whatever their pointers say.
type chain struct {
	db   *database
	data []byte
	next uint32
	left int
}

func (c *chain) Read(p []byte) (int, error) {
	c.data = c.data[:min(len(c.data), c.left)]
	if len(c.data) == 0 {
		if c.left == 0 || c.db.taken(c.next) {
			return 0, io.EOF
		}
		page := c.db.content(int(c.next))
		c.db.seen[c.next/64] |= 1 << (c.next % 64)
		c.next, c.data = binary.BigEndian.Uint32(page), page[4:c.db.usable]
		c.data = c.data[:min(len(c.data), c.left)]
	}
	n := copy(p, c.data)
	c.data = c.data[n:]
	c.left -= n
	return n, nil
}

// uvarint reads a number of one to nine bytes, high bits first, and gives how
// many there were.
func uvarint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 9 {
		c := b[n]
		n++
		if n == 9 {
			return v<<8 | uint64(c), n
		}
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			break
		}
	}
	return v, n
}
