package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// extensions reads what follows the entries. Of the extensions Git may leave
// out (upper-case names) only the cached tree is of use here: REUC, UNTR, FSMN,
// EOIE and IEOT help Git go faster or undo, and do not change what is tracked.
func (p *parser) extensions() error {
	if p.off > len(p.body) {
		return ErrTruncated // the last entry's padding is missing
	}
	b := p.body[p.off:]
	for len(b) > 0 {
		if len(b) < 8 {
			return fmt.Errorf("extension header: %w", ErrTruncated)
		}
		name, size := string(b[:4]), binary.BigEndian.Uint32(b[4:])
		b = b[8:]
		if uint64(size) > uint64(len(b)) {
			return fmt.Errorf("extension %q: %w", name, ErrTruncated)
		}
		if err := p.extension(name, b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

func (p *parser) extension(name string, data []byte) error {
	switch {
	case name == "TREE":
		p.ix.Tree = parseTree(data, p.format)
	case name == "link":
		if p.link != nil {
			return fmt.Errorf("%w: two link extensions", ErrCorrupt)
		}
		size := p.format.Size()
		if len(data) < size {
			return fmt.Errorf("extension \"link\": %w", ErrTruncated)
		}
		p.link = &link{base: oid.FromBytes(data[:size]), bitmaps: data[size:]}
	case name == "sdir":
		p.ix.Sparse = true
	case name[0] < 'A' || name[0] > 'Z':
		return fmt.Errorf("%w: %q", ErrUnknownExtension, name)
	}
	return nil
}

// parseTree reads the cached tree. It is a cache: one that cannot be read is
// none, as for Git. Nothing recurses, however deep the directories go.
func parseTree(data []byte, f oid.Format) []TreeNode {
	var nodes []TreeNode
	var open []int // nodes whose subtrees are still being read
	left := []int{1}
	for left[len(left)-1] > 0 {
		left[len(left)-1]--
		node, rest, ok := parseNode(data, f)
		if !ok || (node.Name == "") != (len(nodes) == 0) {
			return nil
		}
		data = rest
		open = append(open, len(nodes))
		left = append(left, node.Children)
		nodes = append(nodes, node)
		for len(left) > 1 && left[len(left)-1] == 0 {
			nodes[open[len(open)-1]].Next = len(nodes)
			open, left = open[:len(open)-1], left[:len(left)-1]
		}
	}
	if len(data) != 0 {
		return nil
	}
	return nodes
}

// parseNode reads "name NUL entries SP children LF id"; the id is missing when
// entries is negative.
func parseNode(data []byte, f oid.Format) (node TreeNode, rest []byte, ok bool) {
	name, rest, ok1 := bytes.Cut(data, []byte{0})
	entries, rest, ok2 := bytes.Cut(rest, []byte{' '})
	children, rest, ok3 := bytes.Cut(rest, []byte{'\n'})
	if !ok1 || !ok2 || !ok3 {
		return node, nil, false
	}
	var err1, err2 error
	node.Name = string(name)
	node.Entries, err1 = strconv.Atoi(string(entries))
	node.Children, err2 = strconv.Atoi(string(children))
	if err1 != nil || err2 != nil || node.Children < 0 || node.Children > len(rest) {
		return node, nil, false
	}
	if node.Entries < 0 {
		node.Entries = -1
		return node, rest, true
	}
	if len(rest) < f.Size() {
		return node, nil, false
	}
	node.ID = oid.FromBytes(rest[:f.Size()])
	return node, rest[f.Size():], true
}
