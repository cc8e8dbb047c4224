package pack

import (
	"errors"
	"io/fs"
)

// looseObject reads and yields one loose object.
func (w *worker) looseObject(n Num) bool {
	l := w.store.loose[int(n)-w.store.looseFirst]
	path := loosePath(w.store.dirs[l.dir], l.id)
	kind, data, err := w.loose.read(path, w.store.limits.Object)
	if errors.Is(err, errHuge) {
		return w.hugeLoose(n, path)
	}
	if err == nil && w.store.format.Sum(kind.String(), data) != l.id {
		err = errMisnamed
	}
	if err == nil {
		return w.yield(Object{Num: n, Kind: kind, Data: data, Base: None}, nil)
	}
	return w.looseCopy(n, kind, err)
}

// hugeLoose streams a loose object, from a temporary file if there are others that
// would have to do where this one turns out to be wrong.
func (w *worker) hugeLoose(n Num, path string) bool {
	id := w.store.ID(n)
	s, in, err := w.store.looseStream(path)
	if err != nil {
		return w.looseCopy(n, 0, err)
	}
	defer in.Close()
	if len(w.store.copies(id.Bytes())) == 1 {
		s.name, s.problem = id, w.problem(n)
		return w.yield(Object{Num: n, Kind: Blob, Base: None, Stream: s}, nil)
	}
	file, err := w.store.spill(s)
	if err == nil && file.id != id {
		file.close()
		err = errMisnamed
	}
	if err != nil {
		return w.looseCopy(n, Blob, err)
	}
	return w.yieldFile(n, file)
}

// yieldFile yields a huge loose object that lies in a temporary file.
func (w *worker) yieldFile(n Num, file *spill) bool {
	defer file.close()
	return w.yield(Object{Num: n, Kind: Blob, Base: None, Stream: file.stream(w.problem(n))}, nil)
}

// problem makes errors Problems of object n.
func (w *worker) problem(n Num) func(error) error {
	id := w.store.ID(n)
	return func(err error) error { return Problem{id.String(), err} }
}

// looseCopy yields what is wrong with a loose object and, if there is one, a copy
// of it that is not. That the file is gone is nothing wrong when the object is
// in another place: it was packed, perhaps since the store was opened.
func (w *worker) looseCopy(n Num, kind Kind, bad error) bool {
	gone := errors.Is(bad, fs.ErrNotExist)
	if !gone && !w.yield(Object{Num: n, Kind: kind, Base: None}, w.problem(n)(bad)) {
		return false
	}
	w.reader.work = 0
	kind, data, err := w.reader.instead(n, bad)
	switch file := w.reader.release(); {
	case err == nil && file != nil:
		return w.yieldFile(n, file)
	case err == nil:
		return w.yield(Object{Num: n, Kind: kind, Data: data, Base: None}, nil)
	case gone:
		return w.yield(Object{Num: n, Base: None}, w.problem(n)(bad))
	}
	return true
}
