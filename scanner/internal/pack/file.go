package pack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

var errNotRegular = fmt.Errorf("not a regular file: %w", ErrCorrupt)

// openRegular opens a file that must be a regular one and gives its size. It
// looks before it opens, as opening a device can do things, and opens without
// blocking, as a pipe may be put there in between. Errors do not hold the path:
// whoever reports them names the file.
func openRegular(path string) (*os.File, int64, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, 0, bare(err)
	}
	if !st.Mode().IsRegular() {
		return nil, 0, errNotRegular
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, bare(err)
	}
	if st, err = f.Stat(); err == nil && st.Mode().IsRegular() {
		return f, st.Size(), nil
	}
	f.Close()
	if err == nil {
		return nil, 0, errNotRegular
	}
	return nil, 0, bare(err)
}

// bare takes the path out of an error whose place is named elsewhere.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", pe.Op, pe.Err)
	}
	return err
}
