package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"github.com/keyquench/keyquench/scanner/internal/index"
	"github.com/keyquench/keyquench/scanner/internal/oid"
)

// maxListing bounds what is read from git, as an index file is bounded.
const maxListing = 512 << 20

var errListing = errors.New("git lists its index in a form that is not known")

// askGit has git read an index that was written by a newer one than we know:
// its extensions in lower case change what the entries mean, so that reading on
// would be to guess. why is what we do not know.
func (s *Staged) askGit(ctx context.Context, why error, use func(*index.Listing) error) error {
	list, err := s.runGit(ctx)
	if err != nil {
		return hinted(fmt.Errorf("%w; asked git instead: %w", why, err),
			"install a git that knows this index, or make it anew with git read-tree HEAD")
	}
	return use(list)
}

func (s *Staged) runGit(ctx context.Context) (*index.Listing, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The repository may say which programs to run for this and that: none.
	cmd := exec.CommandContext(ctx, program, "-c", "core.fsmonitor=false", "-c", "core.hooksPath="+os.DevNull,
		"--no-pager", "ls-files", "--stage", "-z", "--full-name")
	dirs := s.repo.dirs
	cmd.Dir = s.Root()
	cmd.Env = []string{
		"GIT_DIR=" + dirs.GitDir, "GIT_COMMON_DIR=" + dirs.CommonDir, "GIT_INDEX_FILE=" + dirs.IndexFile,
		"GIT_OBJECT_DIRECTORY=" + dirs.ObjectDir, "GIT_WORK_TREE=" + cmd.Dir,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1",
		"GIT_TERMINAL_PROMPT=0", "LC_ALL=C", "PATH=" + s.path,
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(out, maxListing+1))
	if err == nil && len(text) > maxListing {
		err = fmt.Errorf("git ls-files: %w", index.ErrTooLarge)
	}
	if err != nil {
		cancel() // or Wait would wait for a git that nobody reads from
	}
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	entries, err := parseLsFiles(text)
	if err != nil {
		return nil, err
	}
	return index.NewListing(entries)
}

// parseLsFiles reads "mode SP id SP stage TAB path NUL", once for each entry.
func parseLsFiles(text []byte) (entries []index.Entry, err error) {
	for len(text) > 0 {
		line, rest, ok := bytes.Cut(text, []byte{0})
		facts, path, tab := bytes.Cut(line, []byte{'\t'})
		fields := bytes.Split(facts, []byte{' '})
		if !ok || !tab || len(path) == 0 || len(fields) != 3 {
			return nil, errListing
		}
		mode, badMode := strconv.ParseUint(string(fields[0]), 8, 32)
		id, named := oid.Parse(string(fields[1]))
		stage, badStage := strconv.ParseUint(string(fields[2]), 10, 2)
		if badMode != nil || !named || badStage != nil {
			return nil, errListing
		}
		entries = append(entries, index.Entry{Path: string(path), ID: id, Mode: uint32(mode), Stage: uint8(stage)})
		text = rest
	}
	return entries, nil
}
