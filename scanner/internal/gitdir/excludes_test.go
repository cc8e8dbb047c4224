package gitdir

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUserExcludesAsGit asks git which of a few files it ignores, each named in
// one of the ignore files that a configuration may choose.
func TestUserExcludesAsGit(t *testing.T) {
	for name, tt := range map[string]struct {
		xdg, home string            // config, .gitconfig
		more      map[string]string // other files below home
		env       map[string]string // besides HOME; HOME/ stands for it
		unsure    bool              // git takes one, we take none
		none      bool              // neither takes one
	}{
		"default":            {},
		"default by XDG":     {env: map[string]string{"XDG_CONFIG_HOME": "HOME/xdg"}},
		"home":               {home: "[core]\nexcludesFile = ~/a\n"},
		"xdg":                {xdg: "[core]\nexcludesfile = ~/b\n"},
		"home is stronger":   {xdg: "[core]\nexcludesfile = ~/b\n", home: "[core]\nexcludesFile = ~/a\n"},
		"absolute":           {home: "[core]\nexcludesFile = HOME/a\n"},
		"last":               {home: "[core]\nexcludesFile = ~/a\n[user]\nname=x\n[CORE]\nEXCLUDESFILE=~/b\n"},
		"empty":              {home: "[core]\nexcludesFile =\n", none: true},
		"global":             {home: "[core]\nexcludesFile = ~/a\n", more: map[string]string{"g": "[core]\nexcludesfile=~/b"}, env: map[string]string{"GIT_CONFIG_GLOBAL": "HOME/g"}},
		"no global":          {home: "[core]\nexcludesFile = ~/a\n", env: map[string]string{"GIT_CONFIG_GLOBAL": "/dev/null"}},
		"include":            {home: "[include]\npath = inc/one\n", more: map[string]string{"inc/one": "[include]\npath=two\n", "inc/two": "[core]\nexcludesfile=~/b"}},
		"include before":     {home: "[include]\npath = ~/one\n[core]\nexcludesFile = ~/a\n", more: map[string]string{"one": "[core]\nexcludesfile=~/b"}},
		"include after":      {home: "[core]\nexcludesFile = ~/a\n[include]\npath = HOME/one\n", more: map[string]string{"one": "[core]\nexcludesfile=~/b"}},
		"include missing":    {home: "[core]\nexcludesFile = ~/a\n[include]\npath = nowhere\n"},
		"condition":          {home: "[core]\nexcludesFile = ~/a\n[includeIf \"gitdir:/**\"]\npath = one\n", more: map[string]string{"one": "[core]\nexcludesfile=~/b"}, unsure: true},
		"other condition":    {home: "[core]\nexcludesFile = ~/a\n[includeIf \"gitdir:/**\"]\npath = one\n", more: map[string]string{"one": "[user]\nname=b"}},
		"condition, include": {home: "[includeIf \"gitdir:/**\"]\npath = one\n", more: map[string]string{"one": "[include]\npath=two", "two": "[core]\nexcludesfile=~/b"}, unsure: true},
		"somebody's home":    {home: "[core]\nexcludesFile = ~root/nowhere\n", none: true},
	} {
		t.Run(name, func(t *testing.T) {
			home, repo := tempDir(t), filepath.Join(tempDir(t), "repo")
			fill := strings.NewReplacer("HOME", home)
			write(t, filepath.Join(home, ".gitconfig"), fill.Replace(tt.home))
			write(t, filepath.Join(home, ".config/git/config"), fill.Replace(tt.xdg))
			for path, text := range tt.more {
				write(t, filepath.Join(home, path), fill.Replace(text))
			}
			files := []string{"a", "b", ".config/git/ignore", "xdg/git/ignore"}
			initRepo(t, repo)
			for i, f := range files {
				write(t, filepath.Join(home, f), fmt.Sprintf("ignored-by-%d\n", i))
				write(t, filepath.Join(repo, fmt.Sprintf("ignored-by-%d", i)), "")
			}
			cmd := exec.Command("git", "-C", repo, "ls-files", "--others", "--exclude-standard")
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GIT_CONFIG_NOSYSTEM=1"}
			lookup := map[string]string{"HOME": home}
			for k, v := range tt.env {
				lookup[k] = fill.Replace(v)
				cmd.Env = append(cmd.Env, k+"="+lookup[k])
			}
			shown, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			for i, f := range files {
				if !strings.Contains(string(shown), fmt.Sprintf("ignored-by-%d\n", i)) {
					want = filepath.Join(home, f)
				}
			}
			if (want == "") != tt.none {
				t.Fatalf("git ignores by %q: the test is wrong", want)
			}
			got := UserExcludes(func(k string) string { return lookup[k] })
			if tt.unsure {
				want = ""
			}
			if _, err := os.Stat(got); got != want && (want != "" || err == nil) {
				t.Errorf("UserExcludes() = %q, git takes %q", got, want)
			}
		})
	}
}

func TestUserExcludesInDoubtAreNone(t *testing.T) {
	loop := strings.Repeat("[include]\npath = .gitconfig\n", 2)
	many := strings.Repeat("[include]\npath = one\n", 1000)
	for name, config := range map[string]string{
		"relative": "[core]\nexcludesFile = a\n", "optional": "[core]\nexcludesFile = :(optional)/a\n",
		"prefix": "[core]\nexcludesFile = %(prefix)/a\n", "no value": "[core]\nexcludesFile\n",
		"damaged": "[core]\nexcludesFile = ~/a\n[core", "loop": loop, "many": many, "a directory": "[include]\npath = ~/\n",
	} {
		home := tempDir(t)
		write(t, filepath.Join(home, ".config/git/ignore"), "*\n")
		write(t, filepath.Join(home, ".gitconfig"), config)
		write(t, filepath.Join(home, "one"), "[a]\nb = c\n")
		if got := UserExcludes(func(k string) string { return map[string]string{"HOME": home}[k] }); got != "" {
			t.Errorf("%s: UserExcludes() = %q, want none", name, got)
		}
	}
	if got := UserExcludes(func(string) string { return "" }); got != "" {
		t.Errorf("UserExcludes(no environment) = %q", got)
	}
}
