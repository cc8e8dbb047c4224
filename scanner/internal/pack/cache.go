package pack

import "container/list"

// cache keeps rebuilt objects, least recently used last.
type cache struct {
	at    map[place]*list.Element
	order list.List
	size  int
}

type place struct {
	pack *packFile
	at   uint64
}

// cachedSize is what remembering costs besides the content: list, map, headers.
const cachedSize = 256

type cached struct {
	place place
	kind  Kind
	data  []byte
}

func (c *cache) get(p *packFile, at uint64) (Kind, []byte) {
	e, ok := c.at[place{p, at}]
	if !ok {
		return 0, nil
	}
	c.order.MoveToFront(e)
	v := e.Value.(*cached)
	return v.kind, v.data
}

// put keeps data, which nobody may write to any more.
func (c *cache) put(p *packFile, at uint64, kind Kind, data []byte) {
	if len(data) == 0 || len(data) > readerCache/4 {
		return
	}
	if c.at == nil {
		c.at = map[place]*list.Element{}
	}
	key := place{p, at}
	if _, ok := c.at[key]; ok {
		return
	}
	c.at[key] = c.order.PushFront(&cached{key, kind, data})
	for c.size += cap(data) + cachedSize; c.size > readerCache; {
		last := c.order.Back()
		v := last.Value.(*cached)
		c.order.Remove(last)
		delete(c.at, v.place)
		c.size -= cap(v.data) + cachedSize
	}
}
