package scanner

import (
	"context"
	"errors"
	"fmt"

	"github.com/keyquench/keyquench/scanner/internal/unpack"
)

// member is what a Blob is that came out of another.
type member struct {
	name string // as unpack.Member has it, hostile; "" for what was only compressed
	via  string
	size int // of the Blob that is stored, in bytes
}

// open looks at what is packed inside a blob, if it is a container.
func (w *worker) open(ctx context.Context, b *Blob) {
	if !b.Kind.opened() || b.again || unpack.Detect(b.Data) == unpack.None {
		return
	}
	if b.window != nil {
		if b.window.first() {
			w.skip(&SkipError{b.name(), fmt.Errorf("%w: over %d bytes", unpack.ErrTooLarge, len(b.Data))})
		}
		return
	}
	before := len(w.hits)
	for m, err := range unpack.Walk(ctx, b.Data, w.budget) {
		switch {
		case err != nil:
			w.unopened(b, err)
		case m.At < 0: // else it was seen in b
			w.lookInside(ctx, b, &m)
		}
	}
	if len(w.hits) > before && b.stored() {
		if err := checkName(b); err != nil {
			w.skip(err)
		}
	}
}

// opened tells whether what is packed in such Blobs is looked at.
func (k Kind) opened() bool { return k == Content || k == WorkTreeFile || k == Input || k == GitFile }

// lookInside runs the rules over a member of b.
func (w *worker) lookInside(ctx context.Context, b *Blob, m *unpack.Member) {
	inner := Blob{
		Kind: b.Kind, ID: b.ID, Path: b.Path, Data: m.Data, num: b.num, staged: b.staged,
		member: &member{m.Name, m.Via.String(), len(b.Data)},
	}
	look := func(x *Blob) {
		w.matches = w.set.Find(w.matches[:0], x.Data)
		if w.matches = x.window.own(w.matches); len(w.matches) > 0 {
			w.keep(x)
		}
	}
	if m.More == nil {
		look(&inner)
		return
	}
	largeFiles.windows(ctx, inner, m.More, append([]byte(nil), m.Data...), func(x Blob, err error) bool {
		if err != nil {
			w.skip(err)
		} else {
			look(&x)
		}
		return true
	})
}

// inMember gives a hit its place in a member.
func (h *hit) inMember(m *member) {
	h.member, h.size = m.name, m.size
	if h.match.Encoding != "" {
		h.match.Encoding = ", " + h.match.Encoding
	}
	h.match.Encoding = m.via + h.match.Encoding
}

// unopened notes what could not be read of a container. What is encrypted or
// damaged nobody can read, and it has been looked at as it is: that is told, and
// does not make the scan less whole. What was given up is a skip.
func (w *worker) unopened(b *Blob, err error) {
	what := b.name()
	if s, ok := errors.AsType[*unpack.SkipError](err); ok {
		if s.Name != "" {
			what += "!" + s.Name
		}
		err = fmt.Errorf("%s: %w", s.Via, s.Err)
	}
	for _, nobody := range []error{unpack.ErrEncrypted, unpack.ErrDamaged, unpack.ErrUnsupported} {
		if errors.Is(err, nobody) {
			w.sealed++
			w.seals = append(w.seals, Skip{what, err})
			return
		}
	}
	w.skip(&SkipError{what, hinted(err, "unpack it yourself, and scan the folder")})
}

// name is what a blob is called where it has to be told of.
func (b *Blob) name() string {
	if b.Path != "" || b.ID.IsZero() {
		return b.Path
	}
	return b.ID.String()
}
