package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/keyquench/keyquench/rules"
)

// snapshot is what a file of ours was like at Check, and what Put made of it. The
// content stays in the memory of this process: it holds the old pair, and another
// copy on the disk would be another leak. Another process knows the file by its
// stamp, and what Put wrote by a hash; the pair is in that, so nobody finds it by
// trying.
type snapshot struct {
	Path    string
	Existed bool
	Stamp   string // of the file as it was, or as Restore made it
	Size    int    // of the content before
	Adds    bool   // Put only adds to its end
	Wrote   string `json:",omitempty"` // the hash of what Put wrote

	content rules.Secret
	known   bool // the content is in memory
}

func hashOf(text string) string {
	h := rules.NewSecret(text).Hash()
	return hex.EncodeToString(h[:])
}

// take remembers a content.
func take(l local, text string, existed bool) snapshot {
	return snapshot{Path: l.path, Existed: existed, Stamp: l.stamp(), Size: len(text), content: rules.NewSecret(text), known: true}
}

// is tells whether the file is as it was at Check. A process that took over
// remembers it from then on.
func (s *snapshot) is(l local, text string, existed bool) bool {
	if s.known {
		return existed == s.Existed && rules.NewSecret(text) == s.content
	}
	if existed != s.Existed || l.stamp() != s.Stamp {
		return false
	}
	s.content, s.known = rules.NewSecret(text), true
	return true
}

// isOurs tells whether a content is what Put wrote.
func (s *snapshot) isOurs(text string) bool { return s.Wrote != "" && hashOf(text) == s.Wrote }

// fileStore is what a profile and a file of its own have in common.
type fileStore struct {
	spec    string
	seen    snapshot
	resumed bool

	place func() (local, error)
	// pair reads what the file holds, and next is what it is to hold.
	pair func(text string) (id, secret string, ok bool)
	next func(before, id, secret string) (string, error)
}

func (s *fileStore) Name() string { return s.spec }

func (s *fileStore) fail(op string, err error, hint string) error {
	return &Error{Store: s.spec, Op: op, Err: err, hint: hint}
}

// open finds the file and reads it. What a run that was killed left beside it is
// removed first: it holds a secret that nobody looks for.
func (s *fileStore) open(op string) (l local, text string, existed bool, err error) {
	const plainFile = "name a plain file of yours, in a directory that exists and that others cannot write"
	if l, err = s.place(); err != nil {
		return l, "", false, s.fail(op, err, plainFile)
	}
	if s.seen.Path != "" && s.seen.Path != l.path {
		return l, "", false, s.fail(op, errors.New("the path leads to another file than before"), "")
	}
	if err := l.sweep(); err != nil {
		return l, "", false, s.fail(op, err, "try again when it has ended")
	}
	if text, existed, err = l.read(); err != nil {
		return l, "", false, s.fail(op, err, plainFile)
	}
	return l, text, existed, nil
}

// Accounts implements Store: a file is in none.
func (s *fileStore) Accounts(context.Context) ([]string, error) { return nil, nil }

// Promote implements Store: the file is read anew by every program that starts.
func (s *fileStore) Promote(context.Context) error { return nil }

// Get implements Store.
func (s *fileStore) Get(_ context.Context, keyID string) (rules.Key, bool, error) {
	l, text, existed, err := s.open("read back the pair")
	if err != nil || !existed {
		return rules.Key{}, false, err
	}
	id, secret, ok := s.pair(text)
	if !ok {
		return rules.Key{}, false, nil
	}
	key, ok := pairOf(id, secret, keyID)
	if ok && s.seen.Wrote == "" && s.seen.Path != "" && !s.seen.is(l, text, existed) && s.made(text, id, secret) {
		s.seen.Wrote = hashOf(text)
	}
	return key, ok, nil
}

// made tells whether a text with a pair can be what a Put of the run before made,
// and nothing besides.
func (s *fileStore) made(text, id, secret string) bool {
	before, ok := s.before(text)
	if !ok {
		return true // it cannot be put back anyhow, and Restore says so
	}
	next, err := s.next(before, id, secret)
	return err == nil && next == text
}

// before is what stood in the file before Put made text of it, if that is known.
func (s *fileStore) before(text string) (before string, ok bool) {
	switch {
	case s.seen.known:
		return s.seen.content.Reveal(), true
	case !s.seen.Existed:
		return "", true
	case s.seen.Adds && s.seen.Size <= len(text):
		return text[:s.seen.Size], true
	}
	return "", false
}

// Restore implements Store.
func (s *fileStore) Restore(context.Context) error {
	const op = "put the file back"
	if s.seen.Path == "" {
		return nil // nothing was seen, so nothing was written
	}
	l, text, existed, err := s.open(op)
	if err != nil {
		return s.left(op, err, "look at it by hand")
	}
	before, known := s.before(text)
	switch {
	case s.seen.is(l, text, existed):
		return nil
	case !s.seen.isOurs(text):
		return s.left(op, errChanged, "look at it by hand")
	case !s.seen.Existed:
		err = l.remove(text)
	case known:
		err = l.replace(text, true, before, nil)
	default:
		err = errors.New("the run that wrote it has ended, and what stood there before was kept nowhere else")
	}
	if err != nil {
		return s.left(op, err, "write the pair of your choice into it by hand")
	}
	s.seen.Stamp = l.stamp()
	return nil
}

// write puts the pair into the file as it was at Check.
func (s *fileStore) write(key rules.Key, check func(path string) error) error {
	const op = "write the file"
	if err := checkPair(key); err != nil {
		return s.fail(op, err, "")
	}
	l, text, existed, err := s.open(op)
	if err != nil {
		return err
	}
	if s.seen.Path == "" {
		return s.fail(op, errors.New("it was not looked at before"), "")
	}
	next, err := s.next(text, key.ID, key.Secret.Reveal())
	if err != nil {
		return s.fail(op, err, "")
	}
	was := s.seen.is(l, text, existed)
	switch {
	case existed && next == text:
		if !was {
			s.seen.Wrote = hashOf(text)
		}
		return nil
	case !was:
		return s.fail(op, errChanged, "try again")
	}
	// Also if it fails: the rename may have been done before.
	s.seen.Wrote = hashOf(next)
	if err := l.replace(text, existed, next, check); err != nil {
		return s.fail(op, err, "")
	}
	return nil
}

// left is an error that leaves the pair where it is.
func (s *fileStore) left(op string, err error, hint string) error {
	if e, ok := errors.AsType[*Error](err); ok {
		err = e.Err
	}
	return &Error{Store: s.spec, Op: op, Err: err, left: "it may hold the new pair", hint: hint}
}

// State implements Store.
func (s *fileStore) State() (json.RawMessage, error) { return json.Marshal(s.seen) }

// Resume implements Store. What this process itself has in memory of the same
// file it keeps.
func (s *fileStore) Resume(state json.RawMessage) error {
	seen, err := resume[snapshot](s.spec, state)
	if err != nil {
		return err
	}
	if was := s.seen; was.known && was.Path == seen.Path && was.Stamp == seen.Stamp {
		seen.content, seen.known = was.content, true
	}
	s.seen, s.resumed = seen, seen.Path != ""
	return nil
}
