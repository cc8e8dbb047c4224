package gitdir

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// configSamples are read by git and by us; about a third is refused by both.
// Left out is unquoted white space other than blanks inside a value: gits before
// 2.45 read it as blanks.
var configSamples = []string{
	"", "\n\n", "# only\n; comments", "\xef\xbb\xbf[core]\nbare = true\n",
	"[core]\n\tbare\n\tx =\n\ty=\"\"\n", "[core] bare = true\n[core] bare = false", "[a][b]c=d",
	"[CoRe]\nBaRe = TrUe", "[core]\r\nbare = true\r\nx = \"a\"\r\n",
	"[section \"Sub\"]\nkey = v\n[section \"sub\"]\nkey = w\n", `[s "q\"uo\\te\x"]` + "\nk = v",
	"[s.Old]\nk=v\n", "[s.\"x\"]\n", "[a-b]\nc-1 = d", "[remote \"a.b.c\"]\nurl = x # y\n",
	"[a]\nk = one two  three   \n", "[a]\nk = \"one # two\" ; three\n", "[a]\nk = x\\\ny\n", "[a]\nk = x \\\n   y\n",
	"[a]\nk = \"x\\\ny\"\n", `[a]` + "\n" + `k = \t\b\n\\\"`, "[a]\nk = a\"b\"c\"\"d\n", "[a]\nk = a \"\"\n", "[a]\nk = \"\" a\n",
	"[a]\nk = v", "[a]\nk", "[a]\nk \t = \t v", "[a]\nk=v;c\n", "k = v\n", "[a]\n  [b]\n  k = v\n", "[ \"x\"]\nk=v\n", "[a  \"x\"]k=v",
	"[a]\nk = \\\n\n l = m", "[a]\nk = \x01\xff\n", "[a \"\"]\nk=v", "[.]\nk=v", "[a]#c\nk=v#d", "[a]\nk = v\\\\\n",
	"[a\nk=v", "[a", "[a]\nk v\n", "[a]\n1k = v\n", "[a]\nk_x = v", "[a]\nk = \"open\n", "[a]\nk = \\q\n", "[]\nk=v", "[a \"x]\n", "[a x]\n",
	"[a \"x\" ]\n", "[a \"x\\\ny\"]\n", "[a]\nk = \\", "\xef\xbb[a]\n", "[a]\n=v", "[a]]\n", "[a\n\"b\"]\n", "[a]\n-k=v\n",
}

func TestConfigReadsAsGit(t *testing.T) {
	path := filepath.Join(tempDir(t), "config")
	for _, text := range configSamples {
		write(t, path, text)
		want, gitErr := runGit(t, filepath.Dir(path), nil, "config", "--file", path, "--null", "--list")
		var b strings.Builder
		err := parseConfig([]byte(text), func(s setting) error {
			b.WriteString(s.Name)
			if !s.Bare {
				b.WriteString("\n" + s.Value)
			}
			b.WriteByte(0)
			return nil
		})
		if (err == nil) != (gitErr == nil) {
			t.Errorf("parseConfig(%q) = %v, git says %v", text, err, gitErr)
		} else if err == nil && b.String() != want {
			t.Errorf("parseConfig(%q) = %q, want %q", text, b.String(), want)
		}
	}
}

func TestConfigNumbersAndBooleansAsGit(t *testing.T) {
	path := filepath.Join(tempDir(t), "config")
	for _, v := range []string{
		"0", "1", "-1", "+1", " 1", "010", "0x10", "1k", "1K", "2M", "1g", "3g", "2147483647", "2147483648", "1kk", "k", "0b1", "0o1", "1_0", "0xb",
		"x", "true", "FALSE", "yes", "No", "on", "oFf", "", "1.5", "0x", "08", "tru",
	} {
		write(t, path, "[a]\nk = \""+v+"\"\n")
		for _, kind := range []string{"bool", "int"} {
			want, gitErr := runGit(t, filepath.Dir(path), nil, "config", "--file", path, "--type="+kind, "a.k")
			var got string
			var err error
			if kind == "int" && (v == "3g" || v == "2147483648") {
				continue // git's own settings of this kind have 32 bits, this command has 64
			}
			if kind == "bool" {
				var on bool
				on, err = parseBool(v)
				got = map[bool]string{true: "true", false: "false"}[on]
			} else {
				var n int
				n, err = parseNumber(v)
				got = strconv.Itoa(n)
			}
			if (err == nil) != (gitErr == nil) || err == nil && got != want {
				t.Errorf("%s %q = %s, %v; git says %s, %v", kind, v, got, err, want, gitErr)
			}
		}
	}
}

func TestConfigErrorsDoNotQuoteTheFile(t *testing.T) {
	const token = "AKIAIOSFODNN7EXAMPLE"
	dir := filepath.Join(tempDir(t), "repo")
	initRepo(t, dir)
	for _, text := range []string{
		token + "!", "[x \"" + token, "[core]\nrepositoryformatversion = " + token, "[core]\nrepositoryformatversion = 1\n[extensions]\nobjectformat = " + token,
		"[remote \"https://u:" + token + "@h/x\"]\npromisor = " + token, "[core]\nbare = " + token,
		"[core]\nrepositoryformatversion = 1\n[extensions \"" + token + "\"]\nx = 1",
		"[core]\nrepositoryformatversion = " + strings.Repeat("9", 99),
	} {
		write(t, filepath.Join(dir, ".git", "config"), text)
		_, err := Discover(dir, Env{})
		if err == nil || strings.Contains(strings.ToUpper(err.Error()), token) {
			t.Errorf("Discover with %q = %v, want an error without the text", text, err)
		}
	}
}

func TestConfigIsBounded(t *testing.T) {
	dir := filepath.Join(tempDir(t), "repo")
	initRepo(t, dir)
	write(t, filepath.Join(dir, ".git", "config"), strings.Repeat("#", maxConfigBytes+1))
	if _, err := Discover(dir, Env{}); !errors.Is(err, errTooLarge) {
		t.Errorf("Discover with a huge configuration = %v, want %v", err, errTooLarge)
	}
}

func FuzzConfig(f *testing.F) {
	for _, s := range configSamples {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		size := 0
		err := parseConfig(data, func(s setting) error {
			if s.Name == "" || strings.ContainsRune(s.Name, 0) || strings.ContainsRune(s.Value, 0) || s.Bare && s.Value != "" {
				t.Errorf("parseConfig(%q) gave %+v", data, s)
			}
			size += len(s.Value)
			return nil
		})
		if size > len(data) {
			t.Errorf("parseConfig(%q) gave %d bytes of values", data, size)
		}
		if err != nil && !errors.Is(err, errSyntax) {
			t.Errorf("parseConfig(%q) = %v", data, err)
		}
		l := layout{version: -1}
		_ = parseConfig(data, l.set)
	})
}
