package action

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keyquench/keyquench/rules"
)

// Checkout is a clone that a step of the workflow made. It is for one goroutine.
type Checkout struct {
	git  *git
	o    Options
	root string
	// shallowFile lists the commits that history is cut at. It lies where the
	// repository does.
	shallowFile string
	loggedIn    bool
}

// Options say how a Checkout gets what it lacks. Sleep is needed; the rest may be
// zero.
type Options struct {
	// Environ is the environment git runs in, as NAME=VALUE. Variables that name a
	// repository are left out.
	Environ []string
	// Ceiling is a directory that no repository is looked for above.
	Ceiling string
	// Server is where Token is good: it is used only where the checkout itself has
	// no credentials for it, and sent nowhere else.
	Server string
	Token  rules.Secret
	// Sleep waits before a fetch is tried again.
	Sleep func(context.Context, time.Duration) error
	// Note is told what is done, one line at a time. The lines hold names of
	// objects, numbers, and what git said.
	Note func(string)
}

// Open opens the checkout that dir lies in. An error has the next step as its
// Hint.
func Open(ctx context.Context, dir string, o Options) (*Checkout, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, &Error{What: fmt.Sprintf("%q is no directory", dir), Next: "check the inputs working-directory and path, and that actions/checkout ran before"}
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	ceiling := o.Ceiling
	if ceiling != "" {
		ceiling = filepath.Dir(ceiling)
	}
	c := &Checkout{git: newGit(dir, ceiling, o.Environ), o: o}
	out, err := c.git.run(ctx, "", "rev-parse", "--is-bare-repository", "--git-path", "shallow")
	if err != nil {
		return nil, notOpened(dir, err)
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 2 {
		return nil, fmt.Errorf("git rev-parse: %d lines, want 2", len(lines))
	}
	if lines[0] != "false" {
		return nil, bare(dir, nil)
	}
	c.shallowFile = lines[1]
	if !filepath.IsAbs(c.shallowFile) {
		c.shallowFile = filepath.Join(dir, c.shallowFile)
	}
	if out, err = c.git.run(ctx, "", "rev-parse", "--show-toplevel"); err != nil {
		return nil, notOpened(dir, err)
	}
	c.root = strings.TrimSuffix(out, "\n")
	return c, nil
}

// notOpened is why git opens nothing at dir.
func notOpened(dir string, err error) error {
	said, ok := errors.AsType[*gitError](err)
	if !ok {
		return err
	}
	if strings.Contains(said.said, "safe.bareRepository") {
		return bare(dir, err)
	}
	next := "check that actions/checkout ran before, and that nothing of its .git is missing"
	switch {
	case strings.Contains(said.said, "safe.directory"):
		next = "the checkout belongs to another user, as in containers: git config --global --add safe.directory DIRECTORY in a step before this one"
	case strings.Contains(said.said, "not a git repository"):
		next = "run actions/checkout in a step before this one; where it has a path, give the same by the input path"
	case strings.Contains(said.said, "work tree"):
		next = "name the checkout itself by the input path, not its .git"
	}
	return &Error{fmt.Sprintf("open the checkout %q", dir), next, err}
}

// bare refuses a repository without a work tree. One that lies in a checkout can
// have come with it, configuration and all.
func bare(dir string, err error) error {
	return &Error{fmt.Sprintf("%q is a bare repository, and no checkout of a commit", dir), "let actions/checkout make a checkout, and name it by the input path; keyquench scan reads bare repositories", err}
}

// Root is the top directory of the checkout.
func (c *Checkout) Root() string { return c.root }

// shallow gives the commits that history is cut at; none for a whole clone.
func (c *Checkout) shallow() (map[string]bool, error) {
	text, err := os.ReadFile(c.shallowFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read where history is cut: %w", err)
	}
	list := map[string]bool{}
	for _, name := range strings.Fields(string(text)) {
		if !objectName(name) {
			return nil, &Error{What: "the checkout's list of where history is cut is damaged", Next: "make a new checkout"}
		}
		list[name] = true
	}
	return list, nil
}

// partial tells whether objects may be missing that the remote has promised.
func (c *Checkout) partial(ctx context.Context) (bool, error) {
	// Each of these settings alone makes git fetch less than is asked for.
	_, err := c.git.run(ctx, "", "config", "--get-regexp", `^(extensions\.partialclone|remote\..*\.(promisor|partialclonefilter))$`)
	if said, ok := errors.AsType[*gitError](err); !ok || said.code != 1 {
		return err == nil, err
	}
	// Git marks packs that lack something, whatever has become of the settings.
	packs, err := os.ReadDir(filepath.Join(filepath.Dir(c.shallowFile), "objects", "pack"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("look for what is missing: %w", err)
	}
	return slices.ContainsFunc(packs, func(e os.DirEntry) bool { return filepath.Ext(e.Name()) == ".promisor" }), nil
}

// narrow tells whether the clone was made of some branches only, as by git clone
// --single-branch. Its history is not cut, and not all is there either.
func (c *Checkout) narrow(ctx context.Context) (bool, error) {
	out, err := c.git.run(ctx, "", "config", "--get-all", "remote.origin.fetch")
	if said, ok := errors.AsType[*gitError](err); ok && said.code == 1 {
		return false, nil // nothing is said of it, or there is no origin
	}
	for line := range strings.Lines(out) {
		from, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "+"), ":")
		if from == "refs/heads/*" || from == "refs/*" {
			return false, nil
		}
	}
	return err == nil, err
}

// has tells whether an object is here, without asking the remote for it.
func (c *Checkout) has(ctx context.Context, name string) (bool, error) {
	// With --missing, git 2.39 asks no remote either; what is no commit leaves
	// rev-list with nothing to do, which it calls wrong usage (129).
	_, err := c.git.run(ctx, "", "rev-list", "--no-walk", "--missing=print", name)
	if said, ok := errors.AsType[*gitError](err); ok && (said.code == 128 || said.code == 129) {
		return said.code == 129, nil
	}
	return err == nil, err
}

// commitOf gives the commit that an object is or, as a tag, leads to; "" for what
// is none, such as a tag of a tree.
func (c *Checkout) commitOf(ctx context.Context, name string) (string, error) {
	out, err := c.git.run(ctx, "", "rev-parse", "--verify", "--quiet", name+"^{}")
	if said, ok := errors.AsType[*gitError](err); ok && said.said == "" {
		return "", nil // quiet: nothing has that name
	}
	if err != nil {
		return "", err
	}
	if out = strings.TrimSpace(out); !objectName(out) {
		return "", fmt.Errorf("git rev-parse: %.80q is no object's name", out)
	}
	if kind, err := c.git.run(ctx, "", "cat-file", "-t", out); err != nil || strings.TrimSpace(kind) != "commit" {
		return "", err
	}
	return out, nil
}

// login sees that there is a remote, and gives git the token for it, where the
// checkout was made without leaving credentials behind.
func (c *Checkout) login(ctx context.Context) error {
	if c.loggedIn {
		return nil
	}
	out, err := c.git.run(ctx, "", "remote", "get-url", "origin")
	if _, ok := errors.AsType[*gitError](err); ok {
		return &Error{"the checkout has no remote called origin", "actions/checkout makes it; with fetch-depth: 0 nothing more is fetched", err}
	}
	if c.loggedIn = err == nil; err != nil || c.o.Token.IsZero() || c.o.Server == "" {
		return err
	}
	remote, err := url.Parse(strings.TrimSpace(out))
	server, wrong := url.Parse(c.o.Server)
	if err != nil || wrong != nil || remote.Scheme != server.Scheme || remote.Host != server.Host || remote.User != nil {
		return nil // ssh, another server, or a login in the address
	}
	header, err := c.git.run(ctx, "", "config", "--includes", "--get-urlmatch", "http.extraheader", c.o.Server+"/")
	if said, ok := errors.AsType[*gitError](err); err != nil && (!ok || said.code != 1) {
		return err
	}
	// A proxy can want a header of its own, which is no login.
	if name, _, _ := strings.Cut(header, ":"); !strings.EqualFold(strings.TrimSpace(name), "authorization") {
		c.git.authorise(c.o.Server, c.o.Token)
	}
	return nil
}
