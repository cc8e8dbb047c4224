// Package gitdir finds out where a Git repository keeps its parts and reads its
// references, without running git and without asking the user's or the
// system's configuration. The repository's own configuration is read for one
// purpose: where things lie and in which format. The package does not read
// objects, does not write, and does not judge who owns a repository: git's
// safe.directory protects against running what the configuration names, and
// nothing here runs anything.
//
// Everything under a repository is taken to be hostile. Every read is bounded,
// pipes and devices are never waited for, no recursion follows the input, and
// errors name files and lines but never quote what was read there.
package gitdir

import (
	"errors"
	"fmt"
	"strings"

	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// Env is the part of the environment that Git honours when it looks for a
// repository. An empty field is an unset variable. Relative paths start from
// the path given to Discover, as they do for `git -C path`.
//
// A git hook sets GIT_DIR for its own repository; a caller that was asked for
// another one passes the zero Env.
type Env struct {
	GitDir              string // GIT_DIR
	WorkTree            string // GIT_WORK_TREE
	ImplicitWorkTree    string // GIT_IMPLICIT_WORK_TREE: a boolean, true when unset
	CommonDir           string // GIT_COMMON_DIR
	ObjectDir           string // GIT_OBJECT_DIRECTORY
	AlternateObjectDirs string // GIT_ALTERNATE_OBJECT_DIRECTORIES
	IndexFile           string // GIT_INDEX_FILE
	RefBackend          string // GIT_REFERENCE_BACKEND
	CeilingDirs         string // GIT_CEILING_DIRECTORIES
	AcrossFilesystems   string // GIT_DISCOVERY_ACROSS_FILESYSTEM: a boolean
}

// EnvFrom fills an Env from a lookup such as os.Getenv, so that the names of
// the variables stand in one place.
func EnvFrom(lookup func(string) string) Env {
	return Env{
		GitDir:              lookup("GIT_DIR"),
		WorkTree:            lookup("GIT_WORK_TREE"),
		ImplicitWorkTree:    lookup("GIT_IMPLICIT_WORK_TREE"),
		CommonDir:           lookup("GIT_COMMON_DIR"),
		ObjectDir:           lookup("GIT_OBJECT_DIRECTORY"),
		AlternateObjectDirs: lookup("GIT_ALTERNATE_OBJECT_DIRECTORIES"),
		IndexFile:           lookup("GIT_INDEX_FILE"),
		RefBackend:          lookup("GIT_REFERENCE_BACKEND"),
		CeilingDirs:         lookup("GIT_CEILING_DIRECTORIES"),
		AcrossFilesystems:   lookup("GIT_DISCOVERY_ACROSS_FILESYSTEM"),
	}
}

// The values of Repo.RefStorage.
const (
	RefFiles = "files"
	RefTable = "reftable"
)

// Repo says where the parts of one repository lie, as seen from one of its
// work trees. It holds no open file, and its methods read afresh each time;
// they may be called from several goroutines at once.
type Repo struct {
	GitDir    string // absolute, symbolic links resolved
	CommonDir string // GitDir, or for a linked work tree that of the main one
	ObjectDir string // where new objects go; it need not exist when GIT_OBJECT_DIRECTORY says so

	// AlternateDirs are those of GIT_ALTERNATE_OBJECT_DIRECTORIES, absolute.
	// The file objects/info/alternates is read with the objects.
	AlternateDirs []string

	WorkTree   string // empty for a bare repository
	IndexFile  string // need not exist
	Format     oid.Format
	RefStorage string // RefFiles or RefTable

	// Promisor tells that this is a partial clone: objects may be missing by
	// design, and only a remote has them.
	Promisor bool

	// refDir is where references lie: CommonDir, unless refStorage carries a
	// place of its own ("reftable:///elsewhere").
	refDir string
}

var (
	// ErrNotRepository is wrapped by the errors of Discover that mean there is
	// no repository here, as opposed to one that cannot be read.
	ErrNotRepository = errors.New("not a git repository")
	// ErrFormat is wrapped when a repository declares a format or extension
	// that this package does not know. Git refuses such a repository too:
	// reading on would mean guessing.
	ErrFormat = errors.New("unsupported repository format")
	// ErrNotDirectory is wrapped when the path given to Discover is a file.
	ErrNotDirectory = errors.New("not a directory")
)

// Problem is one thing in a repository that could not be read. The scan goes
// on, and is not a clean one.
type Problem struct {
	Path string // the file or directory
	Line int    // 1 for the first line; 0 when no line is meant
	Ref  string // the reference, where one is meant: text of the repository, not to be printed raw
	Err  error
}

// Error names the file and the cause, and does not quote the repository's text.
func (p Problem) Error() string {
	if p.Line > 0 {
		return fmt.Sprintf("read %q line %d: %v", p.Path, p.Line, p.Err)
	}
	return fmt.Sprintf("read %q: %v", p.Path, p.Err)
}

func (p Problem) Unwrap() error { return p.Err }

// hinted is an error whose next step is known.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }
func (h *hinted) Hint() string  { return h.hint }

// maxProblems is how many problems are listed one by one; a file of nothing but
// bad lines must not fill the memory with them. The rest are counted.
const maxProblems = 1000

type problems struct {
	list []Problem
	more int
	last string
}

func (p *problems) add(q Problem) {
	if len(p.list) >= maxProblems {
		p.more++
		p.last = q.Path
		return
	}
	p.list = append(p.list, q)
}

func (p *problems) at(path string, err error) { p.add(Problem{Path: path, Err: err}) }

// all gives the list, closed by one problem that counts what did not fit.
func (p *problems) all() []Problem {
	if p.more > 0 {
		return append(p.list, Problem{Path: p.last, Err: fmt.Errorf("%d more problems, not listed one by one", p.more)})
	}
	return p.list
}

// safeWord gives a short plain word for a message, and nothing else: an
// extension's name may be shown, arbitrary bytes of a configuration may not.
func safeWord(s string) string {
	if len(s) > 32 || s == "" {
		return "(not a plain name)"
	}
	for _, c := range []byte(s) {
		if !isKeyByte(c) {
			return "(not a plain name)"
		}
	}
	return strings.ToLower(s)
}
