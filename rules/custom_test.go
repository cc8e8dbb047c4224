package rules_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// folder is files by name, and a reader of them.
type folder map[string]string

func (f folder) read(name string) ([]byte, error) {
	text, ok := f[name]
	if !ok {
		return nil, fmt.Errorf("open %q: %w", name, fs.ErrNotExist)
	}
	return []byte(text), nil
}

func (f folder) set(names ...string) (*rules.Set, []string, error) {
	var files []rules.File
	for _, n := range names {
		files = append(files, rules.File{Name: n, Read: f.read})
	}
	return rules.Default().With(files...)
}

func with(t testing.TB, text string) *rules.Set {
	t.Helper()
	set, _, err := folder{"x.toml": text}.set("x.toml")
	if err != nil {
		t.Fatalf("With: %v", err)
	}
	return set
}

// foundBy lists rule and value of what is wanted at a place.
func foundBy(set *rules.Set, data, path, commit string) (list []string) {
	for _, m := range set.Find(nil, []byte(data)) {
		if m.Wanted(path, commit) {
			list = append(list, m.Rule.ID+"="+data[m.Start:m.End])
		}
	}
	return list
}

const commitA = "0123456789abcdef0123456789abcdef01234567"

func TestRulesOfFiles(t *testing.T) {
	const head = "version = 1\n[[rule]]\nid = \"r\"\n"
	const gl = "[[rules]]\nid = \"r\"\n"
	for _, tt := range []struct{ name, file, data, path, commit, want string }{
		{"whole match", head + `regex = 'acme-\d+'`, "x acme-12 acme-3", "", "", "r=acme-12 r=acme-3"},
		{"first group with text", head + `regex = 'a=(x+)?(y+)?;'`, "a=yy; a=;", "", "", "r=yy r=a=;"},
		{"numbered group", head + "regex = 'k(.)(.)'\nsecret = 2", "kab", "", "", "r=b"},
		{"named group", head + "regex = 'k(.)(?P<v>.)'\nsecret = 'v'", "kab", "", "", "r=b"},
		{"entropy is exceeded", head + "regex = 'k=(\\w+)'\nentropy = 1", "k=aabb k=abc", "", "", "r=abc"},
		{"keyword far away", head + "regex = '\\d{4}'\nkeywords = ['ACME']", "1234" + strings.Repeat("\n", 3000) + "acme", "", "", "r=1234"},
		{"keyword absent", head + "regex = '\\d{4}'\nkeywords = ['ACME']", "1234", "", "", ""},
		{"literal inside of the match", head + "regex = 'k=\\w+'\nliterals = ['ab1']", "k=xab1x k=cd", "", "", "r=k=xab1x"},
		{"path", head + "regex = 'acme'\npath = '\\.env$'", "acme", "a/b.env", "", "r=acme"},
		{"other path", head + "regex = 'acme'\npath = '\\.env$'", "acme", "a/b.go", "", ""},
		{"allowed value", head + "regex = 'acme\\d'\n[[rule.allow]]\nvalues = ['1']", "acme1 acme2", "", "", "r=acme2"},
		{"allowed line", head + "regex = 'acme\\d'\n[[rule.allow]]\nlines = ['^#']", "# acme1\nacme2", "", "", "r=acme2"},
		{"stop word in any case", head + "regex = 'acme\\w+'\n[[rule.allow]]\nstop_words = ['SAMPLE']", "acmeSample acmeReal", "", "", "r=acmeReal"},
		{"allowed path", head + "regex = 'acme'\n[[rule.allow]]\npaths = ['^t/']", "acme", "t/x", "", ""},
		{"all conditions", head + "regex = 'acme\\d'\n[[rule.allow]]\nall = true\npaths = ['^t/']\nvalues = ['1']", "acme1 acme2", "t/x", "", "r=acme2"},
		{"one of all conditions", head + "regex = 'acme\\d'\n[[rule.allow]]\nall = true\npaths = ['^t/']\nvalues = ['1']", "acme1", "u/x", "", "r=acme1"},
		{"allowed commit", head + "regex = 'acme'\n[[rule.allow]]\ncommits = ['" + strings.ToUpper(commitA) + "']", "acme", "x", commitA, ""},
		{"neighbour near", head + "regex = 'acme\\d'\n[[rule.require]]\nregex = 'user'\nwithin_lines = 1", "acme1\nuser\n\nacme2", "", "", "r=acme1"},
		{"neighbour too far behind", head + "regex = 'acme\\d'\n[[rule.require]]\nregex = 'user'\nwithin_lines = 1", "acme1\n\nuser", "", "", ""},
		{"neighbour within bytes", head + "regex = 'acme\\d'\n[[rule.require]]\nregex = 'user'\nwithin_bytes = 3", "acme1---user----acme2", "", "", "r=acme1"},
		{"gitleaks: keywords in any case", gl + "regex = 'k\\d'\nkeywords = ['aCMe']", "Acme k1", "", "", "r=k1"},
		{"gitleaks: fields in any case", gl + "regex = 'k(\\d)'\nSecretGroup = 1", "k1", "", "", "r=1"},
		{"gitleaks: newlines are trimmed", gl + "regex = '\\nacme\\n'", "a\nacme\nb", "", "", "r=acme"},
		{"gitleaks: old allow list", gl + "regex = 'acme\\d'\n[rules.allowlist]\nregexes = ['acme1']", "acme1 acme2", "", "", "r=acme2"},
		{"gitleaks: of the whole match", gl + "regex = 'acme=(\\d)'\n[[rules.allowlists]]\nregexTarget = 'match'\nregexes = ['acme=1']", "acme=1 acme=2", "", "", "r=2"},
		{"gitleaks: for all rules", gl + "regex = 'acme\\d'\n[allowlist]\npaths = ['lock$']", "acme1", "a.lock", "", ""},
		{"gitleaks: AND", gl + "regex = 'acme\\d'\n[[allowlists]]\ncondition = 'and'\nstopwords = ['1']\npaths = ['lock$']", "acme1 acme2", "a.lock", "", "r=acme2"},
		{"gitleaks: generic gives way", gl + "regex = 'acme\\d+'\n[[rules]]\nid = 'Generic-key'\nregex = '\\d+'", "acme12\n34", "", "", "r=acme12 Generic-key=34"},
		{"gitleaks: required columns", gl + "regex = 'acme\\d'\n[[rules.required]]\nid = 'u'\nwithinColumns = 2\n[[rules]]\nid = 'u'\nregex = 'user'\nskipReport = true", "acme1\n user\n     acme2", "", "", "r=acme1"},
	} {
		set := with(t, tt.file)
		if got := strings.Join(foundBy(set, tt.data, tt.path, tt.commit), " "); got != tt.want {
			t.Errorf("%s: Find(%q) at %q = %s, want %s", tt.name, tt.data, tt.path, got, tt.want)
		}
	}
}

func TestBuiltInRulesGiveWayOnlyByName(t *testing.T) {
	r := rulestest.Rand(70)
	id, secret := rulestest.KeyID(r, "AKIA"), rulestest.Secret(r)
	data := "aws_access_key_id = " + id + "\naws_secret_access_key = " + secret + "\n"
	const rule = "[[rule]]\nid = \"r\"\nregex = 'A[KS]IA[A-Z2-7]{16}'\n"
	for _, tt := range []struct{ name, file, want string }{
		{"the same bytes are the built-in rule's", "version = 1\n" + rule, "aws-access-key-id"},
		{"of its secret, too", "version = 1\n[[rule]]\nid = \"r\"\nregex = 'key = ([^ \\n]{40})'", "aws-access-key-id"},
		{"more bytes are not", "version = 1\n[[rule]]\nid = \"r\"\nregex = '(?s)aws.*'", "r aws-access-key-id"},
		{"allow list for all", "version = 1\n" + rule + "[[allow]]\nvalues = ['.']\n", "aws-access-key-id"},
		{"allow list by name", "version = 1\n" + rule + "[[allow]]\nrules = ['aws-access-key-id']\nvalues = ['^A']\n", ""},
		{"allow list of gitleaks for all", "[extend]\nuseDefault = true\n[allowlist]\nregexes = ['.']\npaths = ['.']", "aws-access-key-id"},
		{"replaced", "version = 1\ndisable = ['aws-access-key-id']\n" + strings.ReplaceAll(rule, `"r"`, `"aws-access-key-id"`), "aws-access-key-id aws-secret-access-key"},
	} {
		set := with(t, tt.file)
		var got []string
		for _, m := range set.Find(nil, []byte(data)) {
			if m.Wanted("any/path", "") {
				got = append(got, m.Rule.ID)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: found by %v, want %s", tt.name, got, tt.want)
		}
	}
}

func TestVersionCoversFiles(t *testing.T) {
	const file = "version = 1\n[[rule]]\nid = \"r\"\nregex = 'acme'\n"
	seen := map[string]string{rules.Default().Version(): "built in"}
	for _, f := range []folder{
		{"x.toml": file},
		{"x.toml": file + "path = 'a'"},
		{"x.toml": file + "[[rule.allow]]\ncommits = ['" + commitA + "']"},
		{"x.toml": "version = 1\nextend = ['y.toml']\n", "y.toml": file},
		{"x.toml": "version = 1\nextend = ['y.toml']\n", "y.toml": file + "path = 'a'"},
	} {
		set, _, err := f.set("x.toml")
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[set.Version()]; ok {
			t.Errorf("%v has the version of %s", f, other)
		}
		seen[set.Version()] = fmt.Sprint(f)
	}
}

func TestWrongFiles(t *testing.T) {
	const head = "version = 1\n[[rule]]\nid = \"r\"\n"
	deep := folder{}
	for i := range 20 {
		deep[fmt.Sprintf("%d.toml", i)] = fmt.Sprintf("version = 1\nextend = [\"%d.toml\"]\n", i+1)
	}
	for _, tt := range []struct {
		name string
		f    folder
		want string
	}{
		{"no rules at all", folder{"x": "[scan]\n"}, "x:1:1: neither keyquench's rules"},
		{"no TOML", folder{"x": "version = 1\n[[rule"}, "x:2:"},
		{"other version", folder{"x": "version = 2\n"}, "x:1:1: version is 2, want 1"},
		{"unknown field", folder{"x": head + "regexp = 'a'"}, `x:4:1: unknown field "rule.regexp"`},
		{"no regex", folder{"x": head}, `x:2:1: rule "r": regex: missing`},
		{"bad regex", folder{"x": head + "regex = 'ab(c'"}, `x:4:1: rule "r": regex: column 1: missing closing )`},
		{"bad regex, later", folder{"x": head + "regex = 'abc[z-a]'"}, `x:4:1: rule "r": regex: column 5: invalid character class range: "z-a"`},
		{"look-ahead", folder{"x": head + "regex = 'abc(?=d)'"}, "column 4: invalid or unsupported Perl syntax"},
		{"matches nothing", folder{"x": head + "regex = 'a*'"}, "matches the empty text"},
		{"repeated too often", folder{"x": head + "regex = 'a{2000}'"}, "invalid repeat count"},
		{"repeated in repetitions", folder{"x": head + "regex = 'acme" + strings.Repeat("(?:[a-z][A-Z]){900}", 40) + "'"}, "too large"},
		{"many large ones", folder{"x": "version = 1\n" + many(80, func(i int) string {
			return fmt.Sprintf("[[rule]]\nid = \"r%d\"\nregex = '(?:[a-z][A-Z]){1000}{9}'\n", i)
		})}, "invalid"},
		{"all together", folder{"x": "version = 1\n" + many(200, func(i int) string {
			return fmt.Sprintf("[[rule]]\nid = \"r%d\"\nregex = 'acme(?:[a-z][A-Z]){900}'\n", i)
		})}, "all expressions together"},
		{"no such group", folder{"x": head + "regex = 'a(b)'\nsecret = 2"}, `x:5:1: rule "r": secret: is 2, and the regex has 1`},
		{"no group of that name", folder{"x": head + "regex = 'a(b)'\nsecret = 'v'"}, `no group named "v"`},
		{"entropy", folder{"x": head + "regex = 'a'\nentropy = 9"}, "x:5:1: rule \"r\": entropy is 9"},
		{"path says nothing of names", folder{"x": head + "path = '^secrets/'"}, `x:4:1: rule "r": path: without a regex`},
		{"allow list without a condition", folder{"x": head + "regex = 'a'\n[[rule.allow]]\nall = true"}, "x:5:1: rule \"r\": has no condition"},
		{"bad path in an allow list", folder{"x": head + "regex = 'a'\n[[rule.allow]]\npaths = ['a', '*']"}, "x:6:1: rule \"r\": paths: column 1: expression 2: missing argument"},
		{"short commit", folder{"x": head + "regex = 'a'\n[[rule.allow]]\ncommits = ['abc']"}, "is not the full name of a commit"},
		{"requires itself", folder{"x": head + "regex = 'a'\n[[rule.require]]\nrule = 'r'"}, "cannot require itself"},
		{"requires nobody", folder{"x": head + "regex = 'a'\n[[rule.require]]\nrule = 's'"}, `no rule has the id "s"`},
		{"id twice", folder{"x": head + "regex = 'a'\n[[rule]]\nid = 'r'\nregex = 'b'"}, `x:6:1: rule "r": stands twice`},
		{"id with control characters", folder{"x": "version = 1\n[[rule]]\nid = \"\\u001b\"\nregex = 'a'"}, "printable"},
		{"disables nobody", folder{"x": "version = 1\ndisable = ['y']"}, `x:2:1: entry 1: "y" is no built-in rule`},
		{"extends itself", folder{"x": "version = 1\nextend = ['x']"}, "extend one another: x → x"},
		{"extends nothing", folder{"x": "version = 1\nextend = ['y']"}, "file does not exist"},
		{"extends too deep", merged(deep, folder{"x": "version = 1\nextend = [\"0.toml\"]"}), "more than 8 files extend"},
		{"nested arrays", folder{"x": "version = 1\nextend = " + strings.Repeat("[", 1<<20)}, "nest too deep"},
		{"nested names", folder{"x": strings.Repeat("a.", 1<<20) + "a = 1"}, "nest too deep"},
		{"too long", folder{"x": "version = 1\n" + strings.Repeat("#\n", 3<<20)}, "over 4194304 bytes"},
		{"regex too long", folder{"x": head + "regex = '" + strings.Repeat("a", 1<<15) + "'"}, "over 16384 bytes"},
		{"gitleaks: unknown field", folder{"x": "[[rules]]\nid = 'r'\nregex = 'a'\nentropies = [1]"}, `x:4:1: field "rules.entropies" cannot be honoured`},
		{"gitleaks: condition", folder{"x": "[[rules]]\nid = 'r'\nregex = 'a'\n[[rules.allowlists]]\ncondition = 'XOR'\npaths = ['a']"}, `x:5:1: rule "r": condition is "XOR"`},
		{"gitleaks: target", folder{"x": "[[rules]]\nid = 'r'\nregex = 'a'\n[[rules.allowlists]]\nregexTarget = 'file'\npaths = ['a']"}, `x:5:1: rule "r": regexTarget is "file"`},
		{"gitleaks: both allow lists", folder{"x": "[allowlist]\npaths = ['a']\n[[allowlists]]\npaths = ['b']"}, "x:1:1: [allowlist] cannot stand beside"},
		{"gitleaks: nothing to find", folder{"x": "[[rules]]\nid = 'r'\n"}, `rule "r": regex: missing, and so is path`},
		{"gitleaks: no id", folder{"x": "[[rules]]\nregex = 'a'\n"}, "has no id"},
		{"gitleaks: changes a built-in rule", folder{"x": "[extend]\nuseDefault = true\n[[rules]]\nid = 'aws-access-token'\nentropy = 2.0"}, "only allow lists can be given"},
		{"gitleaks: wrong type", folder{"x": "[[rules]]\nid = 'r'\nregex = 5"}, "x"},
	} {
		start := time.Now()
		_, _, err := tt.f.set("x")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: With = %v, want %q in it", tt.name, err, tt.want)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("%s: an error of %d bytes", tt.name, len(err.Error()))
		}
		t.Logf("%s: %v", tt.name, time.Since(start))
	}
	_, _, err := folder{}.set("x")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("With = %v, want what the reader says", err)
	}
}

func many(n int, one func(int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(one(i))
	}
	return b.String()
}

func merged(a, b folder) folder {
	out := folder{}
	for _, f := range []folder{a, b} {
		for k, v := range f {
			out[k] = v
		}
	}
	return out
}

// nearRules are of every kind of search.
const nearRules = `version = 1
[[rule]]
id = "anchor"
regex = '(?i)acme[_-]token\s{0,3}[=:]\s{0,3}([a-z0-9]{8,40})\b'
[[rule]]
id = "keyword"
regex = '\b[0-9]{5}\b'
keywords = ["postcode"]
[[rule]]
id = "pem"
regex = '(?s)-----BEGIN[^-]+-----.+?-----END'
[[rule]]
id = "none"
regex = '[0-9]{3}-[0-9]{4}'
[[rule]]
id = "line"
regex = 'begin .* end'
[[rule]]
id = "pair"
regex = 'login=(\w+)'
[[rule.require]]
regex = 'password=\w+'
within_lines = 2
`

// What CleanNear says of a change with rules of files is what Look says of the
// whole.
func TestCleanNearFollowsRulesOfFiles(t *testing.T) {
	set := with(t, nearRules)
	r := rulestest.Rand(71)
	pieces := []string{
		"acme", "_token", " = ", "abcd1234", "postcode", " 12345 ", "-----BEGIN KEY-----", "-----END", "123", "-4567", "begin ", " end", "login=me", "password=x",
		"\n", "\n", strings.Repeat("filler text ", 40), "\u017f", "\xff",
	}
	text := func(n int) []byte {
		var b bytes.Buffer
		for range n {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.Bytes()
	}
	asked, dirty := 0, 0
	for range 20_000 {
		base := text(r.IntN(8))
		if _, clean := set.Look(nil, base); !clean {
			continue
		}
		data, changed := edit(r, base, text(3))
		asked++
		matches, clean := set.Look(nil, data)
		if clean && len(matches) > 0 {
			t.Fatalf("Look(%q) = %d matches, and clean", data, len(matches))
		}
		if !clean {
			dirty++
		}
		if set.CleanNear(data, changed) && !clean {
			t.Fatalf("CleanNear(%q, %v) = true, Look says there is a mark", data, changed)
		}
	}
	if asked < 2000 || dirty < asked/50 {
		t.Errorf("%d buffers were clean, %d of them not after a change: too few to tell", asked, dirty)
	}
}

// Any file at all: an error or a set that works, and neither takes long.
func FuzzRuleFile(f *testing.F) {
	f.Add(nearRules)
	f.Add("[extend]\nuseDefault = true\ndisabledRules = ['aws-access-token']\n[[rules]]\nid='a'\nregex='''b(c)'''\nsecretGroup=1\n[[rules.required]]\nid='a'\n[allowlist]\npaths=['x']\n")
	f.Add("version = 1\n[[rule]]\nid = 'n'\npath = '(a|b)\\.pem$'\nexamples = [\"a\\\"]\", '''b''']\n")
	f.Fuzz(func(t *testing.T, text string) {
		set, _, err := folder{"x": text}.set("x")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "x") && !strings.Contains(err.Error(), "read rules") {
				t.Errorf("With = %v, which names no file", err)
			}
			return
		}
		for _, m := range set.Find(nil, []byte("acme_token = abc123 "+text)) {
			m.Wanted("a/b", commitA)
		}
		set.LookNames(nil, []byte("a.pem\x00b"))
		for _, r := range set.Rules() {
			set.Counts(r)
			set.Check(r)
		}
	})
}

// Every rule that is built in has an example, in which nothing is shown.
func TestExamples(t *testing.T) {
	set := with(t, nearRules)
	for _, r := range set.Rules() {
		text, ok := set.Example(r, rand.New(rand.NewPCG(1, 2)))
		if r.ID == "keyword" || r.ID == "pair" { // what they need beside does not come out of the expression
			continue
		}
		if !ok || !strings.Contains(text, "************") {
			t.Errorf("%s: Example = %q, %v", r.ID, text, ok)
		}
		if len(set.Counts(r)) < 2 {
			t.Errorf("%s: Counts = %q", r.ID, set.Counts(r))
		}
		for _, m := range set.Find(nil, []byte(text)) {
			if m.Rule == r && r.Kind != rules.Credential {
				t.Errorf("%s: the example shows a value", r.ID)
			}
		}
	}
}
