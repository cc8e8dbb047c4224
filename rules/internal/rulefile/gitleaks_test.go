package rulefile

import (
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/internal/custom"
)

// Every field of gitleaks' is read, and as what it says there.
func TestFieldsOfGitleaks(t *testing.T) {
	f := mustLoad(t, map[string]string{"x": `title = "t"
description = "d"
minVersion = "v8.25.0"
[extend]
path = "more"
disabledRules = ["gone"]
[[rules]]
ID = "full"
description = "A  text"
regex = 'acme_([a-z]{8})(\d)'
path = '\.env$'
secretGroup = 1
entropy = 2.5
keywords = ["Acme"]
tags = ["a"]
skipReport = true
[[rules.allowlists]]
description = "why"
condition = "AND"
commits = ["abc"]
paths = ['^docs/']
regexTarget = "match"
regexes = ['m']
stopwords = ["Sample"]
[[rules.allowlists]]
condition = "||"
regexTarget = "line"
regexes = ['l']
[[rules.required]]
id = "base"
withinLines = 3
withinColumns = 4
[[rules.required]]
id = "old"
[[rules]]
id = "old"
regex = 'login'
[rules.allowlist]
regexes = ['o']
regexTarget = "secret"
[[rules]]
id = "base"
entropy = 1.5
keywords = ["two"]
tags = ["new"]
[[allowlists]]
paths = ['all']
[[allowlists]]
targetRules = ["old", "built"]
condition = "&&"
stopwords = ["some"]
`, "more": "[[rules]]\nid = 'base'\ndescription = 'b'\nregex = 'base'\nkeywords = ['one']\ntags = ['was']\n[[rules]]\nid = 'gone'\nregex = 'gone'\n[allowlist]\nregexes = ['more']\n"})
	var ids []string
	for _, r := range f.Rules {
		ids = append(ids, r.ID)
	}
	same(t, "rules", ids, []string{"full", "old", "base"})
	same(t, "Rules[0]", f.Rules[0], Rule{ID: "full", Description: "A text", Tags: []string{"a"}, File: "x"})
	same(t, "Rules[2]", f.Rules[2], Rule{ID: "base", Description: "b", Tags: []string{"was", "new"}, File: "more"})
	same(t, "full", f.Program.Rules[0], custom.Spec{
		ID: "full", Regex: `acme_([a-z]{8})(\d)`, Path: `\.env$`, Group: 1, MinEntropy: 2.5, Keywords: []string{"Acme"}, Helper: true, Allow: []int{3, 4, 0, 2},
		Require: []custom.Require{{Rule: "base", Lines: 3, Columns: 4, Bytes: -1}, {Rule: "old", Lines: -1, Columns: -1, Bytes: -1}},
	})
	same(t, "old", f.Program.Rules[1], custom.Spec{ID: "old", Regex: "login", Allow: []int{5, 0, 2, 1}})
	same(t, "base", f.Program.Rules[2], custom.Spec{ID: "base", Regex: "base", MinEntropy: 1.5, Keywords: []string{"one", "two"}, Allow: []int{0, 2}})
	same(t, "lists", f.Program.Lists, []custom.Allow{
		{Paths: []string{"all"}},
		{All: true, StopWords: []string{"some"}},
		{Regexes: []string{"more"}},
		{All: true, Commits: []string{"abc"}, Paths: []string{"^docs/"}, Regexes: []string{"m"}, Target: custom.Whole, StopWords: []string{"Sample"}},
		{Regexes: []string{"l"}, Target: custom.Line},
		{Regexes: []string{"o"}},
	})
	same(t, "Targets", f.Targets, map[string][]int{"built": {1}})
	same(t, "Disable", f.Disable, []string(nil))
	same(t, "Notes", f.Notes, []string(nil))
}

// On top of gitleaks' own rules, what is about those that stand for them here holds
// for these, and the rest is said.
func TestDefaultsOfGitleaks(t *testing.T) {
	f := mustLoad(t, map[string]string{"x": `[extend]
useDefault = true
disabledRules = ["aws-access-token", "adobe-client-id"]
[[rules]]
id = "aws-access-token"
[[rules.allowlists]]
stopwords = ["one"]
[[rules]]
id = "gitlab-pat"
entropy = 3
[[rules]]
id = "mine"
regex = 'acme'
[[allowlists]]
targetRules = ["aws-access-token", "github-pat"]
paths = ['two']
`})
	same(t, "Disable", f.Disable, []string{"aws-access-key-id"})
	if len(f.Rules) != 1 || f.Rules[0].ID != "mine" {
		t.Errorf("rules %+v, want mine alone", f.Rules)
	}
	same(t, "Targets", f.Targets, map[string][]int{"aws-access-key-id": {1, 0}})
	notes := strings.Join(f.Notes, "\n")
	for _, want := range []string{"x: " + noteDefault, "does not have: gitlab-pat", "does not have: github-pat"} {
		if strings.Count(notes, want) != 1 {
			t.Errorf("notes %q, want %q once", notes, want)
		}
	}
}

// A file that says no more than what it extends is one of gitleaks', too.
func TestGitleaksByExtendAlone(t *testing.T) {
	for _, text := range []string{"[extend]\nuseDefault = true", "extend.useDefault = true", "[Extend]\nUseDefault = true", "extend = {useDefault = true}"} {
		if f := mustLoad(t, map[string]string{"x": text}); len(f.Notes) != 1 {
			t.Errorf("Load(%q): notes %q, want what useDefault means", text, f.Notes)
		}
	}
}

func TestRefusalsOfGitleaks(t *testing.T) {
	const rule = "[[rules]]\nid = 'r'\nregex = 'ab'\n"
	const list = rule + "[[rules.allowlists]]\n"
	checkRefusals(t, []refusal{
		{rule + "colour = 'red'", `x:4:1: field "rules.colour" cannot be honoured: gitleaks 8.30 has none of that name`, nil},
		{list + "colour = 'red'", `x:5:1: field "rules.allowlists.colour" cannot be honoured: gitleaks 8.30 has none of that name`, nil},
		{rule + "[[rules.required]]\nid = 'r'\nwithinMiles = 1", `x:6:1: field "rules.required.withinMiles" cannot be honoured: gitleaks 8.30 has none of that name`, nil},
		{rule + "[[allowlists]]\ncolour = 'red'", `x:5:1: field "allowlists.colour" cannot be honoured: gitleaks 8.30 has none of that name`, nil},
		{rule + "version = 1", `x:4:1: field "rules.version" cannot be honoured: gitleaks 8.30 has none of that name`, nil},
		{rule + "[[rule]]\nid = 's'", `x:1:1: "rule" is a field of keyquench's rules, "rules" one of gitleaks': a file has the one form or the other`, nil},
		{"[extend]\n  url = 'https://example.com/x'", `x:2:3: extend.url cannot be honoured: keyquench opens no connection`, nil},
		{"[extend]\nuseDefault = true\npath = 'y'", `x:3:1: extend has either path or useDefault`, nil},
		{"[extend]\npath = 'y'", `x:2:1: extend: open y: file does not exist`, nil},
		{"[extend]\npath = 'x'", `x:2:1: extend: the files extend one another: x → x`, nil},
		{"[extend]\ncolour = 'red'", `x:2:1: field "extend.colour" cannot be honoured: gitleaks 8.30 has none of that name`, nil},
		{"[allowlist]\npaths = ['a']\n[[allowlists]]\npaths = ['b']", `x:1:1: [allowlist] cannot stand beside [[allowlists]]`, nil},
		{"[[rules]]\nregex = 'ab'", `x:1:1: a rule has no id, or one that is not 1 to 128 printable ASCII characters`, nil},
		{"[[rules]]\nid = 'built'\nregex = 'ab'", `x:2:1: rule "built": is a built-in rule: to replace it, name it in disable, too`, nil},
		{rule + "[[rules]]\nid = 'r'\nregex = 'b'", `x:5:1: rule "r": stands twice`, nil},
		{"[[rules]]\nid = 'r'", `x:1:1: rule "r": regex: missing, and so is path: the rule would find nothing`, nil},
		{"[[rules]]\nid = 'r'\nregex = 'a(b'", `x:3:1: rule "r": regex: column 1: missing closing ): "a(b"`, nil},
		{"[[rules]]\nid = 'r'\nregex = '\\b'", `x:3:1: rule "r": regex: matches the empty text`, nil},
		{rule + "path = '('", `x:4:1: rule "r": path: column 1: missing closing ): "("`, nil},
		{rule + "secretGroup = 1", `x:4:1: rule "r": secretGroup: is 1, and the regex has 0`, nil},
		{rule + "secretGroup = -1", `x:4:1: rule "r": secretGroup: is -1, and the regex has 0`, nil},
		{rule + "entropy = 'high'", `x:4:1: entropy: is a string, want a number`, nil},
		{rule + "keywords = ['']", `x:4:1: rule "r": keywords: one is empty`, nil},
		{list, `x:4:1: rule "r": has no condition: it needs commits, paths, expressions or stop words`, nil},
		{list + "condition = 'XOR'\npaths = ['a']", `x:5:1: rule "r": condition is "XOR", want AND or OR`, nil},
		{list + "regexTarget = 'file'\npaths = ['a']", `x:5:1: rule "r": regexTarget is "file", want secret, match or line`, nil},
		{list + "regexes = ['a', '(']", `x:5:1: rule "r": regexes: column 1: expression 2: missing closing ): "("`, nil},
		{list + "paths = ['(']", `x:5:1: rule "r": paths: column 1: expression 1: missing closing ): "("`, nil},
		{list + "stopwords = ['']", `x:5:1: rule "r": stopwords: is empty: every value holds that`, nil},
		{list + "commits = [' ']", `x:5:1: rule "r": commits: is empty`, nil},
		{rule + "[rules.allowlist]\npaths = ['(']", `x:5:1: rule "r": paths: column 1: expression 1: missing closing ): "("`, nil},
		{list + "paths = ['a']\n[rules.allowlist]\npaths = ['b']", `x:6:1: rule "r": [rules.allowlist] cannot stand beside [[rules.allowlists]]`, nil},
		{rule + "[[rules.required]]\nid = 's'", `x:4:1: rule "r": required: no rule has the id "s"`, nil},
		{rule + "[[rules.required]]\nid = 'r'", `x:4:1: rule "r": required: a rule cannot require itself`, nil},
		{rule + "[[rules.required]]\nid = 's'\nwithinLines = -1", `x:4:1: rule "r": required: a distance is negative`, nil},
		{rule + "[[allowlists]]\ntargetRules = ['nobody']\npaths = ['a']", `x:4:1: an allow list names the rule "nobody", which is neither in this file nor built in`, nil},
		{"[allowlist]\ndescription = 'd'", `x:1:1: has no condition: it needs commits, paths, expressions or stop words`, nil},
		{"[extend]\nuseDefault = true\n[[rules]]\nid = 'aws-access-token'\nentropy = 2.0", `x:3:1: rule "aws-access-token": changes a rule that keyquench's aws-access-key-id stands for: of a built-in rule, only allow lists can be given`, nil},
	})
}
