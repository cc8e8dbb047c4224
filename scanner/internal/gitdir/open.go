package gitdir

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// open works out the parts of a repository from its git directory.
func (s *search) open(f found) (*Repo, error) {
	common, shared, err := s.commonDir(f.gitDir)
	if err != nil {
		return nil, err
	}
	l, err := readLayout(f.gitDir, common, shared)
	if err != nil {
		return nil, err
	}
	if s.env.RefBackend != "" {
		if l.refStorage, l.refPlace, err = parseRefStorage(s.env.RefBackend); err != nil {
			return nil, fmt.Errorf("read GIT_REFERENCE_BACKEND: %w", err)
		}
	}
	r := &Repo{
		GitDir:     f.gitDir,
		CommonDir:  common,
		ObjectDir:  realPath(filepath.Join(common, "objects")),
		Format:     l.hash,
		RefStorage: l.refStorage,
		Promisor:   l.promisor,
		refDir:     common,
	}
	if l.refPlace != "" {
		r.refDir = realPath(under(common, l.refPlace))
	}
	if r.WorkTree, err = s.workTree(f, l); err != nil {
		return nil, err
	}
	// Git changes to the top of the work tree before it looks at these, when
	// it was started inside.
	base := s.start
	if r.WorkTree != "" && contains(r.WorkTree, s.start) {
		base = r.WorkTree
	}
	r.IndexFile = filepath.Join(r.GitDir, "index")
	if s.env.IndexFile != "" {
		r.IndexFile = filepath.Clean(under(base, s.env.IndexFile))
	}
	if s.env.ObjectDir != "" {
		r.ObjectDir = realPath(under(base, s.env.ObjectDir))
	}
	r.AlternateDirs, err = splitAlternates(s.env.AlternateObjectDirs, base)
	return r, err
}

// workTree follows git's order: the environment, core.bare, core.worktree, and
// then how the git directory was found.
func (s *search) workTree(f found, l layout) (string, error) {
	implicit := true
	if s.env.ImplicitWorkTree != "" {
		on, err := parseBool(s.env.ImplicitWorkTree)
		if err != nil {
			return "", fmt.Errorf("read GIT_IMPLICIT_WORK_TREE: %w", err)
		}
		implicit = on
	}
	switch {
	case s.env.WorkTree != "":
		return realPath(under(s.start, s.env.WorkTree)), nil
	case l.bare != nil && *l.bare:
		return "", nil
	case l.workTree != nil:
		return realPath(under(f.gitDir, *l.workTree)), nil
	case f.explicit && implicit:
		return s.start, nil
	}
	return f.top, nil
}

func contains(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

var errAlternates = errors.New("path with a NUL byte")

// splitAlternates reads GIT_ALTERNATE_OBJECT_DIRECTORIES: paths with the
// system's separator between them, each perhaps quoted as in C.
func splitAlternates(list, base string) ([]string, error) {
	var dirs []string
	for list != "" {
		var entry string
		quoted, rest, ok := unquoteC(list)
		switch {
		case ok:
			entry = quoted
			list = strings.TrimPrefix(rest, string(filepath.ListSeparator))
		default:
			entry, list, _ = strings.Cut(list, string(filepath.ListSeparator))
			if strings.HasPrefix(entry, "#") {
				continue
			}
		}
		if entry == "" {
			continue
		}
		if strings.IndexByte(entry, 0) >= 0 {
			return nil, fmt.Errorf("read GIT_ALTERNATE_OBJECT_DIRECTORIES: %w", errAlternates)
		}
		dirs = append(dirs, realPath(under(base, entry)))
	}
	return dirs, nil
}

// unquoteC reads a string in double quotes with C's escapes at the start of s,
// and gives what follows it.
func unquoteC(s string) (text, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", s, false
	}
	const letters, values = `abfnrtv\"`, "\a\b\f\n\r\t\v\\\""
	var out []byte
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return string(out), s[i+1:], true
		case '\\':
			i++
			if i == len(s) {
				return "", s, false
			}
			if at := strings.IndexByte(letters, s[i]); at >= 0 {
				out = append(out, values[at])
				continue
			}
			if i+2 >= len(s) || s[i] < '0' || s[i] > '3' || !isOctal(s[i+1]) || !isOctal(s[i+2]) {
				return "", s, false
			}
			out = append(out, (s[i]-'0')<<6|(s[i+1]-'0')<<3|(s[i+2]-'0'))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return "", s, false
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }
