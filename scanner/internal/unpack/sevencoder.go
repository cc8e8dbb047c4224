package unpack

import (
	"encoding/binary"
	"fmt"
)

// The coders the library is let run. Those of others hang on some input, start
// goroutines, or are encryption.
const (
	coderCopy    = "\x00"
	coderLZMA    = "\x03\x01\x01"
	coderPPMd    = "\x03\x04\x01"
	coderBCJ     = "\x03\x03\x01\x03"
	coderBCJ2    = "\x03\x03\x01\x1b"
	coderPPC     = "\x03\x03\x02\x05"
	coderARM     = "\x03\x03\x05\x01"
	coderSPARC   = "\x03\x03\x08\x05"
	coderDeflate = "\x04\x01\x08"
	coderBzip2   = "\x04\x02\x02"
	coderARM64   = "\x0a"
	coderLZMA2   = "\x21"
	coderAES     = "\x06\xf1\x07\x01"
)

// largestModel bounds the memory of a coder.
const largestModel = 128 << 20

// whys gives for each folder why it is not to be read.
func (h *sevenScan) whys() []error {
	list := make([]error, len(h.folders))
	for i, f := range h.folders {
		for j, c := range f.coders {
			if list[i] = c.refused(f.sizes, j); list[i] != nil {
				break
			}
		}
	}
	return list
}

func (c *sevenCoder) refused(sizes []uint64, i int) error {
	memory := uint64(0)
	switch c.id {
	case coderCopy, coderBCJ, coderBCJ2, coderPPC, coderARM, coderSPARC, coderARM64, coderDeflate, coderBzip2:
	case coderLZMA:
		if len(c.props) != 5 {
			return errBadSeven
		}
		memory = uint64(binary.LittleEndian.Uint32(c.props[1:]))
		if i < len(sizes) {
			memory = min(memory, sizes[i])
		}
	case coderLZMA2:
		if len(c.props) != 1 || c.props[0] > 40 {
			return errBadSeven
		}
		memory = uint64(2|c.props[0]&1) << (c.props[0]/2 + 11)
	case coderPPMd:
		if len(c.props) != 5 {
			return errBadSeven
		}
		memory = uint64(binary.LittleEndian.Uint32(c.props[1:]))
	case coderAES:
		return ErrEncrypted
	default:
		return fmt.Errorf("%w: coder %x", ErrUnsupported, c.id)
	}
	if memory > largestModel {
		return fmt.Errorf("%w: a dictionary of %d bytes", ErrTooLarge, memory)
	}
	return nil
}
