package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/internal/config"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/rules"
)

const (
	// maxTextFile bounds a file of rules, of settings, or of what to ignore.
	maxTextFile = 16 << 20
	ignoreName  = ".keyquenchignore"
	// gitleaksName is only used where somebody names it.
	gitleaksName = ".gitleaks.toml"
)

// textFile is a file that has to be read, and the way to it.
type textFile struct {
	name string
	read func(name string) ([]byte, error)
}

// settle reads the files that say what a scan of path looks for and leaves out,
// and puts what they say into f.
func (p *program) settle(path string, given bool, f *scanFlags) error {
	var files []rules.File
	for _, name := range f.ignores {
		f.lists = append(f.lists, textFile{name, readFile})
	}
	if f.config != "" {
		text, err := readFile(f.config)
		if err != nil {
			return usageError{fmt.Sprintf("--config: %v", err), "name a keyquench.toml"}
		}
		c, err := config.Parse(f.config, text, config.Operator)
		if err != nil {
			return usageError{err.Error(), "rules/README.md says what the file may hold"}
		}
		files = f.take(files, c, readFile)
	}
	for _, name := range f.rules {
		files = append(files, rules.File{Name: name, Read: readFile})
	}
	if dir := p.ownConfigDir(path, given, f); dir != "" {
		own, err := p.ownConfig(dir, f)
		if err != nil {
			return err
		}
		files = append(files, own...)
	}
	if len(files) == 0 {
		return nil
	}
	set, notes, err := rules.Default().With(files...)
	if err != nil {
		return usageError{err.Error(), "keyquench rules test FILE checks a file of rules"}
	}
	f.set = set
	if !f.quiet {
		p.note(notes...)
	}
	return nil
}

// note says what is no error and should be known.
func (p *program) note(notes ...string) {
	for _, n := range notes {
		fmt.Fprintln(p.errOut, "keyquench: note: "+report.Safe(n))
	}
}

// take follows a configuration. What flags say, and what was taken before, counts
// more where there can be only one.
func (f *scanFlags) take(files []rules.File, c *config.Config, read func(string) ([]byte, error)) []rules.File {
	for _, name := range c.Scan.Rules {
		files = append(files, rules.File{Name: name, Read: read})
	}
	for _, name := range c.Scan.Ignore {
		f.lists = append(f.lists, textFile{name, read})
	}
	f.gitleaksAllow = f.gitleaksAllow || c.Scan.GitleaksAllow
	f.workers = cmp.Or(f.workers, c.Scan.Workers)
	return files
}

// ownConfigDir is where a repository or folder that is scanned would have files
// of its own that configure scans; "" where nothing can.
func (p *program) ownConfigDir(path string, given bool, f *scanFlags) string {
	if f.stdin {
		return ""
	}
	if tree := p.getenv("GIT_WORK_TREE"); tree != "" && !given {
		return tree
	}
	dir, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return at
		}
		if at == filepath.Dir(at) || slices.Contains(filepath.SplitList(p.getenv(ceilings)), filepath.Dir(at)) {
			return dir
		}
	}
}

// ownConfig reads the configuration that a repository has of itself, if somebody
// trusts it. Else it says that there is one: it could silence the very leak that
// is looked for.
func (p *program) ownConfig(dir string, f *scanFlags) (files []rules.File, err error) {
	has := func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	}
	if !f.trustRepo {
		var unread []string
		for _, name := range []string{config.Name, ignoreName, gitleaksName} {
			if has(name) && !f.names(filepath.Join(dir, name)) {
				unread = append(unread, name)
			}
		}
		if len(unread) > 0 && !f.quiet {
			p.note(fmt.Sprintf("not read: %s of what is scanned, which could silence its own leak (--trust-repo-config; --rules and --ignore name single files)", strings.Join(unread, ", ")))
		}
		return nil, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", dir, cause(err))
	}
	read := func(name string) ([]byte, error) {
		info, err := root.Stat(name) // to open a pipe would wait for ever
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("not a regular file")
		}
		var file *os.File
		if err == nil {
			file, err = root.Open(name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s of the repository: %w", name, cause(err))
		}
		return readAll(name, file)
	}
	if has(ignoreName) {
		f.lists = append(f.lists, textFile{ignoreName, read})
	}
	if !has(config.Name) {
		return nil, nil
	}
	text, err := read(config.Name)
	if err != nil {
		return nil, err
	}
	c, err := config.Parse(config.Name, text, config.Repository)
	if err != nil {
		return nil, usageError{err.Error(), "leave out --trust-repo-config, or mend the file"}
	}
	return f.take(nil, c, read), nil
}

// names tells whether a flag names a file.
func (f *scanFlags) names(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(slices.Concat(f.rules, f.ignores, []string{f.config}), func(name string) bool {
		other, err := os.Stat(name)
		return name != "" && err == nil && os.SameFile(info, other)
	})
}

// ruleSet are the rules of the scan.
func (f *scanFlags) ruleSet() *rules.Set {
	if f.set != nil {
		return f.set
	}
	return rules.Default()
}

// readFile reads a file that somebody named on the command line.
func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", name, cause(err))
	}
	return readAll(name, file)
}

// readAll reads and closes a file. Its size is bounded; a pipe is read to its end,
// as <(command) is one.
func readAll(name string, file fs.File) ([]byte, error) {
	defer file.Close()
	var b bytes.Buffer
	_, err := io.Copy(&b, io.LimitReader(file, maxTextFile+1))
	if err == nil && b.Len() > maxTextFile {
		err = errors.New("is too large")
	}
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, cause(err))
	}
	return b.Bytes(), nil
}
