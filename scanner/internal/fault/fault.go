// Package fault turns a fault on mapped memory, which is what reading a file
// gives that shrank after it was mapped, into an error.
package fault

import (
	"fmt"
	"runtime/debug"
)

// Panics makes faults of this goroutine panic instead of ending the program;
// the returned function sets the former state again.
func Panics() (restore func()) {
	old := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(old) }
}

// Guard is deferred where mapped memory is read under Panics: a fault becomes
// an error that wraps truncated, any other panic passes.
func Guard(err *error, truncated error) {
	if r := recover(); r != nil {
		if f, ok := r.(interface{ Addr() uintptr }); ok {
			*err = fmt.Errorf("%w: a mapped file shrank while it was read (fault at %#x)", truncated, f.Addr())
			return
		}
		panic(r)
	}
}
