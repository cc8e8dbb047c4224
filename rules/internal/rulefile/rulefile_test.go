package rulefile

import (
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/internal/custom"
)

const (
	reach  = 1024
	commit = "0123456789abcdef0123456789abcdef01234567"
)

// load reads the file x of some; the rules aws-access-key-id and built are built in.
func load(files map[string]string) (*Files, *custom.Engine, error) {
	read := func(name string) ([]byte, error) {
		text, ok := files[name]
		if !ok {
			return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
		}
		return []byte(text), nil
	}
	builtIn := func(id string) bool { return id == "built" || id == "aws-access-key-id" }
	return Load([]Source{{Name: "x", Read: read}}, builtIn, reach)
}

func mustLoad(t *testing.T, files map[string]string) *Files {
	t.Helper()
	f, _, err := load(files)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return f
}

// same compares a part of what was read.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s = %+v, want %+v", what, got, want)
	}
}

// Every field of ours is read, and as what it says.
func TestFieldsOfOurs(t *testing.T) {
	f := mustLoad(t, map[string]string{"x": `version = 1
disable = ["built"]
extend = ["more"]
[[rule]]
id = "full"
title = " Two\n words "
description = "A text."
tags = ["a", "b"]
regex = 'acme_(?P<v>[a-z]{8})(\d)'
path = '\.env$'
secret = "v"
entropy = 2.5
keywords = ["Acme"]
literals = ["acme_"]
examples = ["e"]
counter_examples = ["c"]
[[rule.allow]]
description = "why"
all = true
paths = ['^docs/']
commits = ["` + commit + `"]
values = ['v']
stop_words = ["Sample"]
[[rule.allow]]
matches = ['m']
[[rule.allow]]
lines = ['l']
[[rule.require]]
rule = "helper"
within_lines = 3
[[rule.require]]
regex = 'user'
within_bytes = 40
[[rule]]
id = "helper"
regex = 'login'
helper = true
secret = 0
[[rule]]
id = "name"
path = '\.pem$'
[[allow]]
values = ['all']
[[allow]]
rules = ["name", "aws-access-key-id"]
paths = ['some']
`, "more": "version = 1\n[[rule]]\nid = 'base'\nregex = 'base'\n[[allow]]\nstop_words = ['base only']\n"})
	same(t, "Disable", f.Disable, []string{"built"})
	var ids []string
	for i, r := range f.Rules {
		ids = append(ids, r.ID)
		if r.ID != f.Program.Rules[i].ID {
			t.Errorf("rule %d is %q, and %q in the program", i, r.ID, f.Program.Rules[i].ID)
		}
	}
	want := []string{"base", "full", "full, its neighbour 2", "helper", "name"}
	if len(ids) != len(want) {
		t.Fatalf("rules %q, want %d", ids, len(want))
	}
	want[2] = ids[2] // ours to choose
	same(t, "rules", ids, want)
	same(t, "Rules[1]", f.Rules[1], Rule{
		ID: "full", Title: "Two words", Description: "A text.", Tags: []string{"a", "b"}, File: "x", Examples: []string{"e"}, CounterExamples: []string{"c"},
	})
	same(t, "Rules[0].File", f.Rules[0].File, "more")
	none := -1
	same(t, "full", f.Program.Rules[1], custom.Spec{
		ID: "full", Regex: `acme_(?P<v>[a-z]{8})(\d)`, Path: `\.env$`, GroupName: "v", MinEntropy: 2.5, Keywords: []string{"Acme"}, Literals: []string{"acme_"},
		Allow: []int{3, 4, 5, 1}, Exact: true,
		Require: []custom.Require{{Rule: "helper", Lines: 3, Columns: none, Bytes: none}, {Rule: ids[2], Lines: none, Columns: none, Bytes: 40}},
	})
	same(t, "neighbour", f.Program.Rules[2], custom.Spec{ID: ids[2], Regex: "user", Helper: true, Exact: true, Allow: f.Program.Rules[2].Allow})
	same(t, "helper", f.Program.Rules[3], custom.Spec{ID: "helper", Regex: "login", Helper: true, Exact: true, Allow: []int{1}})
	same(t, "name", f.Program.Rules[4], custom.Spec{ID: "name", Path: `\.pem$`, Exact: true, Allow: []int{1, 2}})
	same(t, "base", f.Program.Rules[0].Allow, []int{0})
	same(t, "lists", f.Program.Lists, []custom.Allow{
		{StopWords: []string{"base only"}},
		{Regexes: []string{"all"}},
		{Paths: []string{"some"}},
		{All: true, Paths: []string{"^docs/"}, Commits: []string{commit}, Regexes: []string{"v"}, StopWords: []string{"Sample"}},
		{Regexes: []string{"m"}, Target: custom.Whole},
		{Regexes: []string{"l"}, Target: custom.Line},
	})
	same(t, "Targets", f.Targets, map[string][]int{"aws-access-key-id": {2}})
	same(t, "Notes", f.Notes, []string(nil))
}

// refusal is a file, or several, and all of the error. Files of one name are x.
type refusal struct {
	file, want string
	more       map[string]string
}

func checkRefusals(t *testing.T, list []refusal) {
	t.Helper()
	for _, tt := range list {
		files := map[string]string{"x": tt.file}
		for k, v := range tt.more {
			files[k] = v
		}
		if _, _, err := load(files); err == nil || err.Error() != tt.want {
			t.Errorf("Load(%q) =\n\t%v, want\n\t%s", tt.file, err, tt.want)
		}
	}
}

// Every refusal names file, line, column and rule.
func TestRefusalsOfOurs(t *testing.T) {
	const head = "version = 1\n[[rule]]\nid = \"r\"\n"
	const regex = head + "regex = 'ab'\n"
	checkRefusals(t, []refusal{
		{"", `x:1:1: neither keyquench's rules (version, [[rule]]) nor a gitleaks configuration ([[rules]], [extend])`, nil},
		{"rule = 1\nrules = 2", `x:2:1: "rule" is a field of keyquench's rules, "rules" one of gitleaks': a file has the one form or the other`, nil},
		{"[[rule]]\nid = 'r'", `x:1:1: version is 0, want 1`, nil},
		{"version = 2", `x:1:1: version is 2, want 1`, nil},
		{"version = '1'", `x:1:1: version: is a string, want a whole number`, nil},
		{"version = 1\nverzion = 1", `x:2:1: unknown field "verzion"`, nil},
		{head + "  colour = 'red'", `x:4:3: unknown field "rule.colour"`, nil},
		{regex + "[[rule.allow]]\nvalue = ['a']", `x:6:1: unknown field "rule.allow.value"`, nil},
		{regex + "[[rule.require]]\nwithin_miles = 1", `x:6:1: unknown field "rule.require.within_miles"`, nil},
		{regex + "[[allow]]\ncolour = 'red'", `x:6:1: unknown field "allow.colour"`, nil},
		{"version = 1\ndisable = ['built', 'nobody']", `x:2:1: entry 2: "nobody" is no built-in rule`, nil},
		{"version = 1\nextend = ['x']", `x:2:1: extend: the files extend one another: x → x`, nil},
		{"version = 1\nextend = ['d/y']", `d/y:3:1: extend: the files extend one another: x → d/y → x`, map[string]string{"d/y": "version = 1\n\nextend = ['../x']"}},
		{"version = 1\nextend = ['y']", `x:2:1: extend: open y: file does not exist`, nil},
		{"version = 1\nextend = ['y']", `y:5:1: rule "s": regex: column 1: missing closing ): "("`, map[string]string{"y": "version = 1\n\n[[rule]]\nid = 's'\nregex = '('"}},
		{"version = 1\n[[rule]]\nregex = 'ab'", `x:2:1: a rule has no id, or one that is not 1 to 128 printable ASCII characters`, nil},
		{"version = 1\n[[rule]]\nid = ' a'\nregex = 'ab'", `x:3:1: a rule has no id, or one that is not 1 to 128 printable ASCII characters`, nil},
		{"version = 1\n[[rule]]\nid = 'é'\nregex = 'ab'", `x:3:1: a rule has no id, or one that is not 1 to 128 printable ASCII characters`, nil},
		{"version = 1\n[[rule]]\nid = '" + strings.Repeat("a", maxID+1) + "'\nregex = 'ab'", `x:3:1: a rule has no id, or one that is not 1 to 128 printable ASCII characters`, nil},
		{"version = 1\n[[rule]]\nid = 'built'\nregex = 'ab'", `x:3:1: rule "built": is a built-in rule: to replace it, name it in disable, too`, nil},
		{regex + "[[rule]]\nregex = 'cd'\nid = 'r'", `x:7:1: rule "r": stands twice, also in x`, nil},
		{"version = 1\nextend = ['y']\n[[rule]]\nid = 's'\nregex = 'ab'", `x:4:1: rule "s": stands twice, also in y`, map[string]string{"y": "version = 1\n[[rule]]\nid = 's'\nregex = 'cd'"}},
		{head, `x:2:1: rule "r": regex: missing, and so is path: the rule would find nothing`, nil},
		{head + "entropy = 1.0", `x:2:1: rule "r": regex is missing, and other fields speak of what it matches`, nil},
		{head + "regex = 'a(b'", `x:4:1: rule "r": regex: column 1: missing closing ): "a(b"`, nil},
		{head + "regex = 'x*'", `x:4:1: rule "r": regex: matches the empty text`, nil},
		{head + "regex = 5", `x:4:1: regex: is a whole number, want a string`, nil},
		{head + "regex = 5\n[[rule]]\nid = 's'\nregex = 'ab'\n[[rule]]\nregex = 6", `x:4:1: regex: is a whole number, want a string`, nil},
		{regex + "secret = -1\n[[rule]]\nid = 's'\nregex = 'ab'\nsecret = 0", `x:5:1: secret: is no number of a group`, nil},
		{regex + "keywords = ['a', 5]", `x:5:1: keywords: entry 2: is a whole number, want a string`, nil},
		{regex + "tags = 'a'", `x:5:1: tags: is a string, want a list`, nil},
		{regex + "helper = 1", `x:5:1: helper: is a whole number, want true or false`, nil},
		{"version = 1\nrule = 5", `x:2:1: rule: is a whole number, want a list`, nil},
		{"version = 1\nrule = [{id = 'r', regex = '('}]", `x:2:1: rule "r": regex: column 1: missing closing ): "("`, nil},
		{regex + "[rule.require]\nrule = 's'", `x:5:1: require: is a table, want a list`, nil},
		{regex + "title = 2026-11-22", `x:5:1: title: is a date, want a string`, nil},
		{regex + "path = '['", `x:5:1: rule "r": path: column 1: missing closing ]: "["`, nil},
		{head + "path = '^a/'", `x:4:1: rule "r": path: without a regex, the rule is about names, and this does not say how a name ends, as \.pem$ does`, nil},
		{regex + "secret = 1", `x:5:1: rule "r": secret: is 1, and the regex has 0`, nil},
		{regex + "secret = -1", `x:5:1: secret: is no number of a group`, nil},
		{regex + "secret = 'v'", `x:5:1: rule "r": secret: the regex has no group named "v"`, nil},
		{regex + "secret = true", `x:5:1: secret: is neither the number nor the name of a group`, nil},
		{regex + "entropy = 8.5", `x:5:1: rule "r": entropy is 8.5, want 0 to 8 bits`, nil},
		{regex + "entropy = -1.0", `x:5:1: rule "r": entropy is -1, want 0 to 8 bits`, nil},
		{regex + "keywords = ['a', '']", `x:5:1: rule "r": keywords: one is empty, and stands everywhere`, nil},
		{regex + "literals = ['a']", `x:5:1: rule "r": literals: "a" has fewer than 2 bytes`, nil},
		{regex + "[[rule.allow]]\nall = true", `x:5:1: rule "r": has no condition: it needs commits, paths, expressions or stop words`, nil},
		{regex + "[[rule.allow]]\npaths = ['a', '(']", `x:6:1: rule "r": paths: column 1: expression 2: missing closing ): "("`, nil},
		{regex + "[[rule.allow]]\ncommits = ['abc']", `x:6:1: rule "r": commits: "abc" is not the full name of a commit`, nil},
		{regex + "[[rule.allow]]\nvalues = ['(']", `x:6:1: rule "r": values: column 1: expression 1: missing closing ): "("`, nil},
		{regex + "[[rule.allow]]\nmatches = ['(']", `x:6:1: rule "r": matches: column 1: expression 1: missing closing ): "("`, nil},
		{regex + "[[rule.allow]]\nlines = ['(']", `x:6:1: rule "r": lines: column 1: expression 1: missing closing ): "("`, nil},
		{regex + "[[rule.allow]]\nvalues = ['a']\nlines = ['b']", `x:7:1: rule "r": an allow list has values, matches or lines: write several lists`, nil},
		{regex + "[[rule.allow]]\nstop_words = ['']", `x:6:1: rule "r": stop_words: is empty: every value holds that`, nil},
		{regex + "[[rule.require]]\nrule = 's'", `x:5:1: rule "r": require: no rule has the id "s"`, nil},
		{regex + "[[rule.require]]\nrule = 'r'", `x:5:1: rule "r": require: a rule cannot require itself`, nil},
		{regex + "[[rule.require]]\nwithin_lines = 1", `x:5:1: rule "r": require has either a rule or a regex`, nil},
		{regex + "[[rule.require]]\nrule = 'r'\nregex = 'b'", `x:5:1: rule "r": require has either a rule or a regex`, nil},
		{regex + "[[rule.require]]\nregex = '('", `x:6:1: rule "r": regex: column 1: missing closing ): "("`, nil},
		{regex + "[[rule.require]]\nregex = 'b'\nwithin_lines = -1", `x:5:1: rule "r": require: a distance is -1, want 0 to 1048576`, nil},
		{regex + "[[rule.require]]\nregex = 'b'\nwithin_bytes = 1048577", `x:5:1: rule "r": require: a distance is 1048577, want 0 to 1048576`, nil},
		{regex + "[[rule.require]]\nrule = 'n'\n[[rule]]\nid = 'n'\npath = 'n$'", `x:5:1: rule "r": require: only rules with a regex have neighbours`, nil},
		{regex + "[[allow]]\nrules = ['nobody']\npaths = ['a']", `x:5:1: an allow list names the rule "nobody", which is neither in this file nor built in`, nil},
		{regex + "[[allow]]\nrules = ['r']", `x:5:1: has no condition: it needs commits, paths, expressions or stop words`, nil},
	})
}
