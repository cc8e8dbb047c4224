package index

import (
	"fmt"

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
