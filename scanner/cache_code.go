package scanner

import (
	"github.com/keyquench/keyquench/scanner/internal/cache"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// Here is how what a scan remembers stands in a file. When any of it changes, so
// does the number in the first line of cache files.

// Code names the fields.
func (r *result) Code(c *cache.Coder) {
	c.Fixed(r.State[:])
	r.Totals.code(c)
	cache.List(c, &r.Objects, func(o *hitObject, c *cache.Coder) {
		c.Bytes(&o.Name)
		cache.Number(c, &o.Kind)
		cache.Number(c, &o.Size)
	})
	cache.List(c, &r.Hits, func(h *pastHit, c *cache.Coder) {
		cache.Number(c, &h.Object)
		cache.Number(c, &h.Start)
		c.String(&h.Rule)
		c.String(&h.Print)
	})
	cache.List(c, &r.Sights, (*sight).code)
	cache.List(c, &r.Refs, func(k *keyRefs, c *cache.Coder) {
		c.String(&k.Print)
		cache.List(c, &k.Names, func(name *string, c *cache.Coder) { c.String(name) })
		cache.Number(c, &k.Count)
	})
	cache.List(c, &r.Apart, (*apartPair).code)
	cache.List(c, &r.Seals, func(s *seal, c *cache.Coder) {
		c.String(&s.What)
		c.String(&s.Why)
	})
}

func (t *totals) code(c *cache.Coder) {
	o := &t.Objects
	for _, n := range []*int64{&o.Commits, &o.Trees, &o.Blobs, &o.Tags, &t.Blobs, &t.Bytes, &t.Shallow, &t.Unopened} {
		cache.Number(c, n)
	}
}

func (s *sight) code(c *cache.Coder) {
	cache.Number(c, &s.Hit)
	c.String(&s.Path)
	c.Bytes(&s.Commit)
	cache.Number(c, &s.Order)
	c.Bool(&s.Staged)
	c.Bool(&s.Unreachable)
	c.Bool(&s.Head)
}

// code leaves out what is found out again: the secret above all.
func (a *apartPair) code(c *cache.Coder) {
	c.String(&a.Key)
	c.Bytes(&a.Object)
	cache.Number(c, &a.Kind)
	cache.Number(c, &a.Start)
	cache.Number(c, &a.Near)
	c.Bool(&a.Believed)
	c.String(&a.Path)
	c.Bytes(&a.Commit)
}

// Code names the fields.
func (k *known) Code(c *cache.Coder) {
	c.Bytes(&k.Names)
	cache.List(c, &k.Marks, func(m *pack.Mark, c *cache.Coder) {
		c.String(&m.Path)
		cache.Number(c, &m.Size)
		cache.Number(c, &m.Time)
	})
	c.Bytes(&k.Shallow)
	cache.Numbers(c, &k.Commits)
	cache.Numbers(c, &k.Trees)
	cache.Numbers(c, &k.When)
	cache.Numbers(c, &k.Degrees)
	cache.Numbers(c, &k.Parents)
	cache.Numbers(c, &k.Suspects)
}
