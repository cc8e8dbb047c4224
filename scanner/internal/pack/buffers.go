package pack

import "math/bits"

// buffers are the memory a worker gives out for objects and takes back.
type buffers struct {
	live   int64        // bytes in those given out
	spare  [64][][]byte // by the power of two that is their size
	spared int64
	huge   []byte // one that is too large for the lists
}

// maxSpare is how much memory a worker keeps for later in its free lists.
const maxSpare = 32 << 20

// take gives a buffer of size bytes for an object stored in stored bytes.
// Buffers come in powers of two, so that spare ones fit again.
func (w *worker) take(size uint64, stored int) ([]byte, error) {
	if err := w.store.charge(int(size), stored); err != nil {
		return nil, err
	}
	return w.buffer(size), nil
}

func (b *buffers) buffer(size uint64) []byte {
	class := bits.Len64(max(size, 1) - 1)
	b.live += 1 << class
	if cap(b.huge) == 1<<class {
		buf := b.huge[:size]
		b.huge = nil
		return buf
	}
	if list := b.spare[class]; len(list) > 0 {
		b.spare[class] = list[:len(list)-1]
		b.spared -= 1 << class
		return list[len(list)-1][:size]
	}
	return make([]byte, size, 1<<class)
}

// give takes a buffer back.
func (b *buffers) give(buf []byte) {
	c := cap(buf)
	if c == 0 {
		return
	}
	b.live -= int64(c)
	if c > maxSpare {
		// One is kept until the unit ends: fresh memory for each of many large
		// deltas would take three times as long as to fill it.
		b.huge = buf
		return
	}
	if b.spared+int64(c) > maxSpare {
		return
	}
	b.spared += int64(c)
	class := bits.Len64(uint64(c) - 1)
	b.spare[class] = append(b.spare[class], buf[:0])
}
