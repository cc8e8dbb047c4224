package pack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// maxAlternateDepth is git's: a store and six behind one another.
	maxAlternateDepth = 6
	// maxAlternatesFile bounds what is read of objects/info/alternates.
	maxAlternatesFile = 1 << 20
	// maxObjectDirs bounds the directories that are looked at, each mention
	// counted: a file of one megabyte can name half a million.
	maxObjectDirs = 1000
)

// objectDirs gives the object directories of a store, its own first, then its
// alternates in the order in which git reads them. Each directory comes once,
// which is also what ends a loop.
func objectDirs(dir string, more []string, problem func(where string, err error)) []string {
	var dirs []string
	seen := map[string]bool{}
	tried := 0
	var add func(dir string, depth int)
	add = func(dir string, depth int) {
		if depth > 0 { // what the caller names is always looked at
			tried++
		}
		if depth > 0 && tried > maxObjectDirs {
			if tried == maxObjectDirs+1 {
				problem(dir, fmt.Errorf("more than %d alternate object directories", maxObjectDirs))
			}
			return
		}
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			var st os.FileInfo
			if st, err = os.Stat(real); err == nil && !st.IsDir() {
				err = errors.New("not a directory")
			}
		}
		if err != nil {
			problem(dir, fmt.Errorf("object directory: %w", bare(err)))
			return
		}
		if seen[real] {
			return
		}
		seen[real] = true
		dirs = append(dirs, real)
		alternates, err := readAlternates(real)
		if err != nil {
			problem(filepath.Join(dir, "info", "alternates"), err)
		}
		if len(alternates) > 0 && depth == maxAlternateDepth {
			problem(dir, fmt.Errorf("alternate object directories nest deeper than %d", maxAlternateDepth))
			return
		}
		for _, a := range alternates {
			add(a, depth+1)
		}
	}
	add(dir, 0)
	for _, m := range more {
		add(m, 0)
	}
	return dirs
}

// readAlternates reads dir/info/alternates: a path a line, relative ones from
// dir, '#' before a comment, optionally quoted as C does.
func readAlternates(dir string) ([]string, error) {
	f, size, err := openRegular(filepath.Join(dir, "info", "alternates"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size == 0 { // not read: a link into /proc may never end
		return nil, nil
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxAlternatesFile+1))
	if err != nil {
		return nil, bare(err)
	}
	if len(raw) > maxAlternatesFile {
		return nil, fmt.Errorf("over %d bytes", maxAlternatesFile)
	}
	var paths []string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '"' {
			if s, err := strconv.Unquote(line); err == nil {
				line = s
			}
		}
		if !filepath.IsAbs(line) {
			line = filepath.Join(dir, line)
		}
		paths = append(paths, line)
	}
	return paths, nil
}
