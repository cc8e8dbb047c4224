package scanner

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/gitdir"
	"github.com/keyquench/keyquench/scanner/internal/pack"
)

// revision resolves what a person writes to a commit: a ref, an object name,
// also abbreviated, with ^, ^N, ~N, ^{commit} and ^{} behind it.
func (r *Repo) revision(reader *pack.Reader, s string) (pack.Num, error) {
	rev, err := gitdir.ParseRev(s)
	if err != nil {
		return pack.None, err
	}
	id, err := r.dirs.ResolveRevision(rev.Base)
	n, ok := pack.None, false
	switch {
	case err == nil:
		n, ok = r.store.Lookup(id.Bytes())
	case errors.Is(err, gitdir.ErrUnknownRevision):
		if n, ok = r.abbreviated(rev.Base); !ok {
			return pack.None, hinted(err, "fetch it first, or check its spelling")
		}
		id = r.store.ID(n)
	default:
		return pack.None, err
	}
	if !ok {
		return pack.None, hinted(fmt.Errorf("revision %q: %s: %w", s, id, pack.ErrMissing), "fetch it first")
	}
	if n, err = r.toCommit(reader, n); err != nil {
		return pack.None, fmt.Errorf("revision %q: %w", s, err)
	}
	for rest := rev.Suffix; rest != ""; {
		if n, rest, err = r.step(reader, n, rest); err != nil {
			return pack.None, fmt.Errorf("revision %q: %w", s, err)
		}
	}
	return n, nil
}

func (r *Repo) abbreviated(prefix string) (pack.Num, bool) {
	if len(prefix) < 4 || len(prefix) > r.store.Format().HexSize() || strings.Trim(prefix, "0123456789abcdef") != "" {
		return pack.None, false
	}
	var commits []pack.Num
	reader := r.store.Reader()
	for _, n := range r.store.Abbreviated(prefix, 100) {
		if kind, _, err := reader.Read(n); err == nil && (kind == pack.Commit || kind == pack.Tag) {
			commits = append(commits, n)
		}
	}
	if len(commits) != 1 {
		return pack.None, false
	}
	return commits[0], true
}

func (r *Repo) toCommit(reader *pack.Reader, n pack.Num) (pack.Num, error) {
	n = r.peel(reader, r.store.ID(n))
	if n == pack.None {
		return n, pack.ErrMissing
	}
	if kind, _, err := reader.Read(n); err != nil || kind != pack.Commit {
		return pack.None, errors.Join(errNoCommit, err)
	}
	return n, nil
}

// step takes one suffix off a revision and goes where it says.
func (r *Repo) step(reader *pack.Reader, n pack.Num, s string) (pack.Num, string, error) {
	op := s[0]
	if rest, ok := strings.CutPrefix(s, "^{commit}"); ok {
		return n, rest, nil
	}
	if rest, ok := strings.CutPrefix(s, "^{}"); ok {
		return n, rest, nil
	}
	digits := len(s[1:]) - len(strings.TrimLeft(s[1:], "0123456789"))
	count, err := 1, error(nil)
	if digits > 0 {
		if count, err = strconv.Atoi(s[1 : 1+digits]); err != nil {
			return n, "", err
		}
	}
	rest := s[1+digits:]
	switch op {
	case '~':
		for range count {
			if n, err = r.parent(reader, n, 1); err != nil {
				return n, "", err
			}
		}
		return n, rest, nil
	case '^':
		if count == 0 {
			return n, rest, nil
		}
		n, err = r.parent(reader, n, count)
		return n, rest, err
	}
	return n, "", hinted(fmt.Errorf("%q is not understood", s), "name the commit itself")
}

// parent is the k-th parent of a commit, counted from 1.
func (r *Repo) parent(reader *pack.Reader, n pack.Num, k int) (pack.Num, error) {
	_, data, err := reader.Read(n)
	if err != nil {
		return n, err
	}
	c, err := parseCommit(data, r.store.Format())
	if err != nil {
		return n, err
	}
	if k > len(c.parents) {
		return n, fmt.Errorf("commit has %d parents", len(c.parents))
	}
	p, ok := r.store.Lookup(c.parents[k-1])
	if !ok {
		return n, fmt.Errorf("parent: %w", pack.ErrMissing)
	}
	return p, nil
}
