package gitdir

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// layout is what a repository's configuration says about its own format. Only
// the files of the repository are read and no include is followed: git does
// the same for these settings.
type layout struct {
	version         int // -1 when the configuration does not say
	hash            oid.Format
	compat          bool
	refStorage      string
	refPlace        string
	bare            *bool
	workTree        *string
	worktreeConfig  bool
	promisor        bool
	onlyV1, unknown []string
}

// readLayout reads the format of a repository and refuses what git refuses.
// Common tells that gitDir borrows its configuration from another directory.
func readLayout(gitDir, commonDir string, common bool) (layout, error) {
	l := layout{version: -1, refStorage: RefFiles}
	path := filepath.Join(commonDir, "config")
	if err := readConfig(path, l.set); err != nil {
		return l, err
	}
	if l.version == -1 {
		// A repository without a version is one from before there were any:
		// git forgets the extensions, core.bare and core.worktree again.
		return layout{refStorage: RefFiles, promisor: l.promisor}, nil
	}
	if err := l.verify(); err != nil {
		return l, fmt.Errorf("read %q: %w", path, err)
	}
	switch {
	case l.worktreeConfig:
		own := filepath.Join(gitDir, "config.worktree")
		if err := readConfig(own, l.setWorktree); err != nil {
			return l, err
		}
	case common:
		// core.bare and core.worktree describe the main work tree only.
		l.bare, l.workTree = nil, nil
	}
	return l, nil
}

// readConfig reads one configuration file; a missing one says nothing.
func readConfig(path string, each func(setting) error) error {
	data, err := readSmall(path, maxConfigBytes)
	if missing(err) {
		return nil
	}
	if err == nil {
		err = parseConfig(data, each)
	}
	if err != nil {
		return &hinted{
			fmt.Errorf("read configuration %q: %w", path, cause(err)),
			"check it with `git config --list --file`",
		}
	}
	return nil
}

func (l *layout) set(s setting) error {
	if ext, ok := strings.CutPrefix(s.Name, "extensions."); ok {
		return l.extension(ext, s)
	}
	var err error
	switch {
	case s.Name == "core.repositoryformatversion":
		if s.Bare {
			return fmt.Errorf("%s: %w", s.Name, errNoValue)
		}
		l.version, err = parseNumber(s.Value)
	case isRemoteKey(s.Name, ".promisor"):
		var on bool
		on, err = s.bool()
		l.promisor = l.promisor || on
	case isRemoteKey(s.Name, ".partialclonefilter"):
		l.promisor = true
	default:
		return l.setWorktree(s)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", safeKey(s.Name), err)
	}
	return nil
}

func isRemoteKey(name, key string) bool {
	return strings.HasPrefix(name, "remote.") && strings.HasSuffix(name, key) && len(name) > len("remote.")+len(key)
}

// safeKey leaves out the subsection: it may be anything, a URL with a password
// in it too.
func safeKey(name string) string {
	first, last := strings.IndexByte(name, '.'), strings.LastIndexByte(name, '.')
	if first == last {
		return name
	}
	return name[:first] + ".*" + name[last:]
}

// setWorktree takes the settings that config.worktree may override.
func (l *layout) setWorktree(s setting) error {
	switch s.Name {
	case "core.bare":
		on, err := s.bool()
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		l.bare = &on
	case "core.worktree":
		if s.Bare {
			return fmt.Errorf("%s: %w", s.Name, errNoValue)
		}
		l.workTree = &s.Value
	}
	return nil
}

var errUnknownValue = errors.New("value not known to keyquench")

// extension takes one setting of the section "extensions". The first four were
// honoured before version 1 existed, and are in version 0 still.
func (l *layout) extension(ext string, s setting) error {
	var err error
	switch ext {
	case "noop":
		return nil
	case "preciousobjects":
		_, err = s.bool()
		return wrapExt(ext, err)
	case "worktreeconfig":
		l.worktreeConfig, err = s.bool()
		return wrapExt(ext, err)
	case "partialclone":
		if s.Bare {
			return wrapExt(ext, errNoValue)
		}
		l.promisor = true
		return nil
	case "noop-v1":
	case "relativeworktrees", "submodulepathconfig":
		_, err = s.bool()
	case "objectformat":
		l.hash, err = hashSetting(s)
	case "compatobjectformat":
		// A second name for each object, kept beside it: objects are still
		// stored under objectFormat, so nothing else changes for a reader.
		if l.compat {
			return wrapExt(ext, errors.New("given twice"))
		}
		l.compat = true
		_, err = hashSetting(s)
	case "refstorage":
		if s.Bare {
			return wrapExt(ext, errNoValue)
		}
		l.refStorage, l.refPlace, err = parseRefStorage(s.Value)
	default:
		l.unknown = append(l.unknown, ext)
		return nil
	}
	l.onlyV1 = append(l.onlyV1, ext)
	return wrapExt(ext, err)
}

func wrapExt(ext string, err error) error {
	if err != nil {
		return fmt.Errorf("extensions.%s: %w", ext, err)
	}
	return nil
}

func hashSetting(s setting) (oid.Format, error) {
	if s.Bare {
		return 0, errNoValue
	}
	f, ok := oid.ParseFormat(s.Value)
	if !ok {
		return 0, fmt.Errorf("%w (%w)", errUnknownValue, ErrFormat)
	}
	return f, nil
}

// parseRefStorage reads "files", "reftable", or either with a place of its own:
// "reftable://path".
func parseRefStorage(v string) (storage, place string, err error) {
	storage, place, _ = strings.Cut(v, "://")
	if storage != RefFiles && storage != RefTable {
		return "", "", fmt.Errorf("%w (%w)", errUnknownValue, ErrFormat)
	}
	return storage, place, nil
}

// verify refuses a version that is not known, and an extension that is not
// known or has no meaning in this version.
func (l *layout) verify() error {
	const hint = "this needs a newer keyquench, or a plain clone of the repository"
	switch {
	case l.version > 1:
		return &hinted{fmt.Errorf("version %d: %w", l.version, ErrFormat), hint}
	case l.version == 1 && len(l.unknown) > 0:
		return &hinted{fmt.Errorf("unknown extensions %s: %w", names(l.unknown), ErrFormat), hint}
	case l.version == 0 && len(l.onlyV1) > 0:
		return &hinted{
			fmt.Errorf("extensions %s in a repository of version 0: %w", names(l.onlyV1), ErrFormat),
			"git refuses it too; core.repositoryFormatVersion should be 1",
		}
	}
	return nil
}

// names lists extension names for a message, as far as they fit on a line.
func names(exts []string) string {
	const most = 8
	var list []string
	for _, e := range exts {
		if w := safeWord(e); !slices.Contains(list, w) && len(list) < most {
			list = append(list, w)
		}
	}
	return strings.Join(list, ", ")
}
