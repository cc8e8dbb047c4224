package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const text = "# ours\n[scan]\nrules = [\"a.toml\", \"/etc/b.toml\"]\nignore = ['known']\ngitleaks_allow = true\nworkers = 3\n"
	c, err := Parse("conf/keyquench.toml", []byte(text), Repository)
	if err != nil {
		t.Fatal(err)
	}
	if got := append(c.Scan.Rules, c.Scan.Ignore...); !slices.Equal(got, []string{"conf/a.toml", "/etc/b.toml", "conf/known"}) {
		t.Errorf("files = %q", got)
	}
	if !c.Scan.GitleaksAllow || c.Scan.Workers != 3 {
		t.Errorf("Parse = %+v", c.Scan)
	}
}

func TestParseRespond(t *testing.T) {
	const text = "[respond]\nmode = 'rotate'\naccounts = ['123456789012']\nprotect = ['ops*']\nrole = 'r'\nexternal_id = 'e'\nprofile = 'p'\nself = true\nledger = 'l.db'\n"
	c, err := Parse("conf/keyquench.toml", []byte(text), Operator)
	if err != nil {
		t.Fatal(err)
	}
	want := Respond{"rotate", []string{"123456789012"}, []string{"ops*"}, "r", "e", "p", true, "conf/l.db"}
	if !reflect.DeepEqual(c.Respond, want) {
		t.Errorf("Parse = %+v, want %+v", c.Respond, want)
	}
}

func TestWrongFilesNameThePlace(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown field", "[scan]\n  rule = []\n", `x:2:3: unknown field "scan.rule"`},
		{"unknown section", "a = '''\n[scan]\n'''\n[scam]\n", `x:1:1: unknown field "a"`},
		{"section behind a text that looks like one", "[scan]\nrules = [ # ]\n  '[respond]',\n]\n[revenge]\nmode = 1\n", `x:5:1: unknown field "revenge"`},
		{"unknown field of respond", "[respond]\nmode = 'report'\naccount = ['1']\n", `x:3:1: unknown field "respond.account"`},
		{"type", "[scan]\nworkers = 'all'\n", "x"},
		{"workers", "[scan]\nworkers = 2000\n", "x:2:1: workers is 2000"},
		{"empty name", "[scan]\n\nrules = [\"\"]\n", "x:3:1: scan.rules: entry 1 is empty"},
		{"no TOML", "[scan\n", "x:2:6: expected"},
	} {
		_, err := Parse("x", []byte(tt.text), Operator)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: Parse = %v, want %q", tt.name, err, tt.want)
		}
	}
}

// Whoever can write to a repository does not say what is done to keys.
func TestRepositoriesHaveOneSection(t *testing.T) {
	for _, text := range []string{"[respond]\nmode = 'off'\n", "respond.mode = 1\n", "[scan]\n[other]\n"} {
		_, err := Parse("x", []byte(text), Repository)
		if err == nil || !strings.Contains(err.Error(), "is not read from a repository") {
			t.Errorf("Parse(%q) = %v, want a refusal", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("[scan]\nrules = ['a']\nworkers = 1\n")
	f.Add("[[a.b]]\nc = \"\"\"\\\"\n\"\"\"\n'd e' = {f = [1, {g = '#'}]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, from := range []Origin{Operator, Repository} {
			if _, err := Parse("x", []byte(text), from); err != nil && !strings.HasPrefix(err.Error(), "x:") {
				t.Errorf("Parse = %v, which names no file", err)
			}
		}
	})
}
