package store

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyquench/keyquench/rules"
)

// profileAt is a profile of a file that the test has prepared.
func profileAt(t *testing.T, path string) Store {
	t.Helper()
	o := options(t)
	o.CredentialsFile = path
	s, err := Parse("profile:app", o)
	must(t, "Parse", err)
	return s
}

func TestHostileFiles(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"huge":      func(p string) error { return os.WriteFile(p, make([]byte, maxLocal+1), 0o600) },
		"binary":    func(p string) error { return os.WriteFile(p, []byte("[app]\n\x00"), 0o600) },
		"BOM":       func(p string) error { return os.WriteFile(p, []byte("\ufeff[app]\n"), 0o600) },
		"twice":     func(p string) error { return os.WriteFile(p, []byte("[app]\n[app]\n"), 0o600) },
		"profile":   func(p string) error { return os.WriteFile(p, []byte("[profile app]\n"), 0o600) },
		"directory": func(p string) error { return os.Mkdir(p, 0o700) },
		"FIFO":      func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"dangling":  func(p string) error { return os.Symlink("nowhere", p) },
		"loop":      func(p string) error { return os.Symlink(p, p) },
		"to a FIFO": func(p string) error { return errors.Join(syscall.Mkfifo(p+"x", 0o600), os.Symlink(p+"x", p)) },
		"hard link": func(p string) error {
			return errors.Join(os.WriteFile(p, []byte("[app]\n"), 0o600), os.Link(p, p+"x"))
		},
		"open directory": func(p string) error { return os.Chmod(filepath.Dir(p), 0o777) },
		"no directory":   func(p string) error { return os.Remove(filepath.Dir(p)) },
	} {
		path := filepath.Join(t.TempDir(), "aws", "credentials")
		must(t, name, os.Mkdir(filepath.Dir(path), 0o700))
		must(t, name, prepare(path))
		err := profileAt(t, path).Check(t.Context())
		if err == nil {
			t.Errorf("Check took a file that is: %s", name)
			continue
		}
		if e, ok := errors.AsType[*Error](err); !ok || e.Hint() == "" {
			t.Errorf("%s: Check = %v, without a next step", name, err)
		}
		checkError(t, err, keyOf(3))
	}
}

func TestLinkToTheCredentialsFileStays(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "dotfiles"), filepath.Join(dir, "credentials")
	must(t, "write", os.WriteFile(target, []byte("# mine\n"), 0o644))
	must(t, "link", os.Symlink("dotfiles", link))
	s, key := profileAt(t, link), keyOf(3)
	must(t, "Check", s.Check(t.Context()))
	must(t, "Put", s.Put(t.Context(), key, ""))
	if to, err := os.Readlink(link); to != "dotfiles" || err != nil {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	info, err := os.Lstat(target)
	must(t, "Lstat", err)
	if !info.Mode().IsRegular() || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is of mode %v", info.Mode())
	}
	if got, ok, err := s.Get(t.Context(), key.ID); got != key || !ok || err != nil {
		t.Errorf("Get = %v, %v, %v", got, ok, err)
	}
	// Somebody leads the link elsewhere meanwhile.
	must(t, "write", os.WriteFile(target+"2", []byte("# theirs\n"), 0o600))
	must(t, "remove", os.Remove(link))
	must(t, "link", os.Symlink("dotfiles2", link))
	if err := s.Restore(t.Context()); err == nil {
		t.Error("Restore followed a link that leads elsewhere now")
	}
	if data, _ := os.ReadFile(target + "2"); string(data) != "# theirs\n" {
		t.Errorf("the other file is %q", data)
	}
}

func TestFilesThatAreThere(t *testing.T) {
	dir := t.TempDir()
	must(t, "link", os.Symlink("nowhere", filepath.Join(dir, "link.env")))
	must(t, "write", os.WriteFile(filepath.Join(dir, "there.env"), []byte("A=1\n"), 0o600))
	for _, force := range []bool{false, true} {
		for _, name := range []string{"link.env", "there.env"} {
			o := options(t)
			o.Force = force
			s, err := Parse("file:"+filepath.Join(dir, name), o)
			must(t, "Parse", err)
			err = s.Check(t.Context())
			if want := force && name == "there.env"; (err == nil) != want {
				t.Errorf("Check of %s with force %v = %v", name, force, err)
			}
		}
	}
}

func TestFileMadeMeanwhileIsNotOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k.env")
	l := local{path: path}
	l.beforeRename = func() {
		// Another file comes into being after the last look: by a link, which must fail.
		l.beforeRename = nil
		must(t, "write", os.WriteFile(path, []byte("theirs"), 0o600))
	}
	if err := l.replace("", false, "ours", nil); !errors.Is(err, errChanged) {
		t.Errorf("replace = %v, want %v", err, errChanged)
	}
	if data, _ := os.ReadFile(path); string(data) != "theirs" {
		t.Errorf("the file is %q", data)
	}
	noLitter(t, filepath.Dir(path), "k.env")
}

func noLitter(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, "ReadDir", err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("in the directory are %q, want %q", names, want)
	}
}

// TestMain lets the test be its own victim: a child that is killed between the
// writing of the new file and its renaming.
func TestMain(m *testing.M) {
	if path := os.Getenv("KEYQUENCH_TEST_KILLED"); path != "" {
		victim(path)
	}
	os.Exit(m.Run())
}

func victim(path string) {
	l, err := openLocal(path, true)
	if err != nil {
		panic(err)
	}
	l.beforeRename = func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} }
	text, existed, err := l.read()
	if err != nil {
		panic(err)
	}
	panic(l.replace(text, existed, text+"# a secret of the killed\n", nil))
}

func TestKilledBeforeRename(t *testing.T) {
	for _, content := range []string{"", "# mine\n[app]\n"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "credentials")
		if content != "" {
			must(t, "write", os.WriteFile(path, []byte(content), 0o600))
		}
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = []string{"KEYQUENCH_TEST_KILLED=" + path}
		err := cmd.Run()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the child ended with %v, want it killed", err)
		}
		if data, _ := os.ReadFile(path); string(data) != content {
			t.Errorf("the file is %q, want %q", data, content)
		}
		litter := (local{path: path}).besideName()
		if info, err := os.Lstat(litter); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("beside it is %v, %v: this test kills too early", info, err)
		}
		s, key := profileAt(t, path), keyOf(3)
		must(t, "Check", s.Check(t.Context()))
		if _, err := os.Lstat(litter); err == nil {
			t.Error("what the killed run left is still there")
		}
		must(t, "Put", s.Put(t.Context(), key, ""))
		noLitter(t, dir, "credentials")
		must(t, "Restore", s.Restore(t.Context()))
		if data, _ := os.ReadFile(path); string(data) != content {
			t.Errorf("the file is %q, want %q", data, content)
		}
	}
}

// A run that is killed after a new file got its name leaves two names of it.
func TestKilledAfterLink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k.env")
	key := keyOf(3)
	must(t, "write", os.WriteFile(path, []byte(formatOf(path).write(key.ID, key.Secret.Reveal())), 0o600))
	must(t, "link", os.Link(path, (local{path: path}).besideName()))
	s, err := Parse("file:"+path, options(t))
	must(t, "Parse", err)
	if got, ok, err := s.Get(t.Context(), key.ID); got != key || !ok || err != nil {
		t.Errorf("Get = %v, %v, %v", got, ok, err)
	}
	noLitter(t, filepath.Dir(path), "k.env")
}

func TestTwoAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	s := profileAt(t, path)
	must(t, "Check", s.Check(t.Context()))
	f, err := local{path: path}.beside()
	must(t, "beside", err)
	if err := s.Put(t.Context(), keyOf(3), ""); !errors.Is(err, errBusy) {
		t.Errorf("Put while another writes = %v, want %v", err, errBusy)
	}
	if _, err := os.Lstat(f.Name()); err != nil {
		t.Errorf("the other's file: %v", err)
	}
	must(t, "Close", f.Close())
	must(t, "Put", s.Put(t.Context(), keyOf(3), ""))
}

// The disk is full: nothing changes, and nothing is left beside.
func TestFailureLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "credentials")
	must(t, "write", os.WriteFile(path, []byte("old"), 0o600))
	l := local{path: path}
	sorry := errors.New("sorry")
	if err := l.replace("old", true, "new", func(string) error { return sorry }); !errors.Is(err, sorry) {
		t.Errorf("replace = %v", err)
	}
	if err := l.replace("older", true, "new", nil); !errors.Is(err, errChanged) {
		t.Errorf("replace = %v", err)
	}
	if data, _ := os.ReadFile(path); string(data) != "old" {
		t.Errorf("the file is %q", data)
	}
	noLitter(t, dir, "credentials")
}

// broken is a place that fails at a step.
type broken struct {
	Store
	put      error
	restored int
}

func (b *broken) Put(ctx context.Context, key rules.Key, token string) error {
	if err := b.Store.Put(ctx, key, token); err != nil {
		return err
	}
	return b.put
}

func (b *broken) Restore(ctx context.Context) error {
	b.restored++
	return b.Store.Restore(ctx)
}

func TestManyAllOrNone(t *testing.T) {
	dir := t.TempDir()
	o := options(t)
	hub := newFakeGitHub(t)
	o.GitHubURL = hub.url
	var stores []Store
	for _, spec := range []string{"github:octo/app", "file:" + dir + "/a.env", "file:" + dir + "/b.json", "profile:app"} {
		s, err := Parse(spec, o)
		must(t, "Parse", err)
		stores = append(stores, s)
	}
	sorry := errors.New("sorry")
	last := &broken{Store: stores[3], put: sorry}
	m, err := NewMany(stores[0], stores[1], stores[2], last)
	must(t, "NewMany", err)
	must(t, "Check", m.Check(t.Context()))
	key := keyOf(3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Put(ctx, key, "case-1"); !errors.Is(err, sorry) || last.restored != 1 {
		t.Errorf("Put = %v, restored %d times", err, last.restored)
	}
	noLitter(t, dir)
	if len(hub.secrets) != 0 {
		t.Errorf("GitHub holds %v, although it is put last", hub.secrets)
	}

	last.put = nil
	must(t, "Put", m.Put(t.Context(), key, "case-1"))
	state, err := m.State()
	must(t, "State", err)
	other, err := ParseMany([]string{"github:octo/app", "file:" + dir + "/a.env", "file:" + dir + "/b.json", "profile:app"}, o)
	must(t, "ParseMany", err)
	must(t, "Resume", other.Resume(state))
	must(t, "Promote", other.Promote(t.Context()))
	if got, ok, err := other.Get(t.Context(), key.ID); got != key || !ok || err != nil {
		t.Errorf("Get = %v, %v, %v", got, ok, err)
	}
	noLitter(t, dir, "a.env", "b.json")
	if len(hub.secrets) != 2 || len(other.Calls()) < 6 {
		t.Errorf("GitHub holds %d secrets, and the calls are %q", len(hub.secrets), other.Calls())
	}
	must(t, "Restore", other.Restore(t.Context()))
	noLitter(t, dir)
	if len(hub.secrets) != 0 {
		t.Errorf("GitHub holds %v after Restore", hub.secrets)
	}
	if err := other.Resume([]byte(`[{"Store":"profile:x","State":{}}]`)); err == nil {
		t.Error("Resume took the state of other places")
	}
	if _, err := NewMany(stores[1], stores[1]); err == nil {
		t.Error("NewMany took a place twice")
	}
	if _, err := NewMany(); err == nil {
		t.Error("NewMany took no place")
	}
}
