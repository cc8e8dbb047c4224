package index

import (
	"fmt"
	"runtime/debug"

	"github.com/edsrzf/mmap-go"
)

// mapIndex maps the file that readFile would read.
func mapIndex(path string) (data []byte, unmap func(), err error) {
	file, info, err := openFile(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	if info.Size() == 0 { // cannot be mapped
		return nil, func() {}, nil
	}
	m, err := mmap.MapRegion(file, int(info.Size()), mmap.RDONLY, 0, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("map: %w", err)
	}
	return m, func() { _ = m.Unmap() }, nil // nothing was written
}

// guard turns a fault on mapped memory, which is what a file gives that shrank
// after it was mapped, into an error. Any other panic passes.
func guard(err *error) {
	if r := recover(); r != nil {
		if f, ok := r.(interface{ Addr() uintptr }); ok {
			*err = fmt.Errorf("%w: it shrank while it was read (fault at %#x)", ErrTruncated, f.Addr())
			return
		}
		panic(r)
	}
}

// faults makes faults of this goroutine panic instead of ending the program;
// the returned function sets the former state again.
func faults() (restore func()) {
	old := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(old) }
}
