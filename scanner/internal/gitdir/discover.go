package gitdir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// maxGitFile bounds a ".git" or "commondir" file, as git bounds the former.
const maxGitFile = 1 << 20

// Discover finds the repository that git would use in the directory path:
// the one that env names, or else the first found from path upwards. An error
// wraps fs.ErrNotExist or ErrNotDirectory when path itself is not usable,
// ErrNotRepository when there is no repository, and ErrFormat when there is
// one of a kind not known.
func Discover(path string, env Env) (*Repo, error) {
	start, err := startDir(path)
	if err != nil {
		return nil, err
	}
	s := search{start: start, env: env}
	found, err := s.find()
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	repo, err := s.open(found)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	return repo, nil
}

func startDir(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return "", &hinted{fmt.Errorf("open %q: %w", path, cause(err)), "check the path"}
	}
	info, err := os.Stat(abs)
	if err != nil {
		return "", fmt.Errorf("open %q: %w", path, cause(err))
	}
	if !info.IsDir() {
		return "", &hinted{fmt.Errorf("open %q: %w", path, ErrNotDirectory), "name the directory the file is in"}
	}
	return abs, nil
}

type search struct {
	start string // absolute, links resolved
	env   Env
	near  string // why the closest thing to a repository was not one
}

// found is a git directory and how it was come upon, which decides where its
// work tree is.
type found struct {
	gitDir   string
	top      string // the directory that holds .git; empty for the other kinds
	explicit bool   // named by GIT_DIR
}

func (s *search) find() (found, error) {
	if s.env.GitDir != "" {
		dir, err := s.explicitDir()
		return found{gitDir: dir, explicit: true}, err
	}
	across := false
	if s.env.AcrossFilesystems != "" {
		on, err := parseBool(s.env.AcrossFilesystems)
		if err != nil {
			return found{}, fmt.Errorf("read GIT_DISCOVERY_ACROSS_FILESYSTEM: %w", err)
		}
		across = on
	}
	ceiling := s.ceiling()
	for dir := s.start; ; {
		if f, ok, err := s.try(dir); ok || err != nil {
			return f, err
		}
		parent := filepath.Dir(dir)
		if parent == dir || parent == ceiling {
			return found{}, s.notFound("run it inside a clone, or name one")
		}
		if !across && otherDevice(dir, parent) {
			return found{}, s.notFound("the search stopped at a file system boundary; set GIT_DISCOVERY_ACROSS_FILESYSTEM to go on")
		}
		dir = parent
	}
}

func (s *search) notFound(hint string) error {
	if s.near != "" {
		return &hinted{fmt.Errorf("%w (%s)", ErrNotRepository, s.near), hint}
	}
	return &hinted{ErrNotRepository, hint}
}

// try looks at one directory: for .git in it, then at itself.
func (s *search) try(dir string) (found, bool, error) {
	dotGit := filepath.Join(dir, ".git")
	info, err := os.Stat(dotGit)
	switch {
	case missing(err):
	case err != nil:
		return found{}, false, fmt.Errorf("look at %q: %w", dotGit, cause(err))
	case info.IsDir():
		if err := s.check(dotGit); err == nil {
			return found{gitDir: realPath(dotGit), top: dir}, true, nil
		} else if s.near == "" {
			s.near = fmt.Sprintf("%q is not one: %v", dotGit, err)
		}
	default:
		// Anything but a file that leads to a repository ends the search: the
		// directory claims to be a work tree.
		gitDir, err := s.readGitFile(dotGit)
		return found{gitDir: gitDir, top: dir}, err == nil, err
	}
	if s.check(dir) == nil {
		return found{gitDir: dir}, true, nil
	}
	return found{}, false, nil
}

// explicitDir follows GIT_DIR: to a directory, or to a file that names one.
func (s *search) explicitDir() (string, error) {
	const hint = "GIT_DIR is set in the environment; unset it, or let it name a git directory"
	dir := under(s.start, s.env.GitDir)
	if info, err := os.Stat(dir); err == nil && info.Mode().IsRegular() {
		dir, err := s.readGitFile(dir)
		if err != nil {
			return "", &hinted{err, hint}
		}
		return dir, nil
	}
	if err := s.check(dir); err != nil {
		return "", &hinted{fmt.Errorf("%w (GIT_DIR: %w)", ErrNotRepository, err), hint}
	}
	return realPath(dir), nil
}

// readGitFile follows a file "gitdir: <path>". It must lead to a git directory
// and not to another such file, so there is no loop to follow.
func (s *search) readGitFile(path string) (string, error) {
	data, err := readSmall(path, maxGitFile)
	if err != nil {
		return "", fmt.Errorf("read %q: %w", path, cause(err))
	}
	target, ok := parseGitFile(data)
	if !ok {
		return "", &hinted{
			fmt.Errorf("read %q: %w (the file does not say `gitdir: <path>`)", path, ErrNotRepository),
			"remove the file, or make the clone anew",
		}
	}
	dir := under(filepath.Dir(path), target)
	if err := s.check(dir); err != nil {
		return "", &hinted{
			fmt.Errorf("follow %q: %w (it leads to no git directory: %w)", path, ErrNotRepository, err),
			"the repository it belongs to was moved or removed; `git worktree repair` or a new clone helps",
		}
	}
	return realPath(dir), nil
}

func parseGitFile(data []byte) (string, bool) {
	rest, ok := bytes.CutPrefix(data, []byte("gitdir: "))
	rest = bytes.TrimRight(rest, "\r\n")
	if !ok || len(rest) == 0 || bytes.IndexByte(rest, 0) >= 0 {
		return "", false
	}
	return string(rest), true
}

// check tells what keeps a directory from being a git directory: git wants
// HEAD, objects and refs.
func (s *search) check(dir string) error {
	if err := checkHead(filepath.Join(dir, "HEAD")); err != nil {
		return err
	}
	common, _, err := s.commonDir(dir)
	if err != nil {
		return err
	}
	objects := filepath.Join(common, "objects")
	if s.env.ObjectDir != "" {
		objects = under(s.start, s.env.ObjectDir)
	}
	for _, d := range []string{objects, filepath.Join(common, "refs")} {
		if info, err := os.Stat(d); err != nil {
			return fmt.Errorf("look at %s: %w", filepath.Base(d), cause(err))
		} else if !info.IsDir() {
			return fmt.Errorf("look at %s: %w", filepath.Base(d), ErrNotDirectory)
		}
	}
	return nil
}

// maxHead is how much of HEAD git reads to recognise a repository.
const maxHead = 255

var errHead = errors.New("HEAD is not a reference")

func checkHead(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("look at HEAD: %w", cause(err))
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err := os.Readlink(path); err != nil || !strings.HasPrefix(target, "refs/") {
			return errHead
		}
		return nil
	}
	f, _, err := openRegular(path)
	if err != nil {
		return fmt.Errorf("open HEAD: %w", cause(err))
	}
	defer f.Close()
	var buf [maxHead]byte
	n, _ := f.Read(buf[:])
	text := string(buf[:n])
	if target, ok := strings.CutPrefix(text, "ref:"); ok {
		if strings.HasPrefix(strings.TrimLeft(target, " \t\n\r"), "refs/") {
			return nil
		}
		return errHead
	}
	for _, f := range []oid.Format{oid.SHA256, oid.SHA1} {
		if n := f.HexSize(); len(text) >= n {
			if _, ok := oid.Parse(text[:n]); ok {
				return nil
			}
		}
	}
	return errHead
}

// commonDir finds the directory that a linked work tree shares with the main
// one; shared is false when gitDir is itself that directory.
func (s *search) commonDir(gitDir string) (dir string, shared bool, err error) {
	if s.env.CommonDir != "" {
		return realPath(under(s.start, s.env.CommonDir)), true, nil
	}
	path := filepath.Join(gitDir, "commondir")
	data, err := readSmall(path, maxGitFile)
	if missing(err) {
		return gitDir, false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read %q: %w", path, cause(err))
	}
	text := strings.TrimRight(string(data), "\r\n")
	dir, err = filepath.EvalSymlinks(under(gitDir, text))
	if err != nil {
		return "", false, fmt.Errorf("follow %q: %w", path, cause(err))
	}
	return dir, true, nil
}

// ceiling is the closest directory above the start that the search may not
// reach. Entries behind an empty one are taken as they stand, since resolving
// their links may be slow; relative ones are ignored. Both are git's rules.
func (s *search) ceiling() string {
	best, resolve := "", true
	for _, entry := range filepath.SplitList(s.env.CeilingDirs) {
		switch {
		case entry == "":
			resolve = false
			continue
		case !filepath.IsAbs(entry):
			continue
		case resolve:
			resolved, err := filepath.EvalSymlinks(entry)
			if err != nil {
				continue
			}
			entry = resolved
		}
		entry = filepath.Clean(entry)
		rel, err := filepath.Rel(entry, s.start)
		if err == nil && rel != "." && filepath.IsLocal(rel) && len(entry) > len(best) {
			best = entry
		}
	}
	return best
}

func otherDevice(a, b string) bool {
	ia, errA := os.Stat(a)
	ib, errB := os.Stat(b)
	if errA != nil || errB != nil {
		return false
	}
	na, okA := inodeOf(ia)
	nb, okB := inodeOf(ib)
	return okA && okB && na.dev != nb.dev
}
