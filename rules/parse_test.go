package rules_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

const textRule = `version = 1
[[rule]]
id = "x-token"
title = "X"
description = "X."
kind = "credential"
literals = ["xtok_"]
regex = 'xtok_[a-z]{10}'
span = 20
min_len = 15
`

func TestParseRefuses(t *testing.T) {
	shaped := func(shape, kind, extra string) string {
		return "version = 1\n[[rule]]\nid = \"s\"\ntitle = \"S\"\ndescription = \"S.\"\nspan = 99\nmin_len = 20\nshape = \"" + shape + "\"\nkind = \"" + kind + "\"\n" + extra
	}
	for _, tt := range []struct{ text, want string }{
		{"", "version is 0"},
		{"version = 2", "version is 2"},
		{"version = 1", "no rules"},
		{"version = 1\n[[rule", "parse rules f.toml"},
		{"versoin = 1\n", `unknown field "versoin"`},
		{textRule + "max_entropy = 3.0\n", `unknown field "rule.max_entropy"`},
		{strings.Replace(textRule, "x-token", "X Token", 1), "id is not"},
		{strings.Replace(textRule, `title = "X"`, `title = " "`, 1), "title is missing"},
		{strings.Replace(textRule, `description = "X."`, "", 1), "description is missing"},
		{strings.Replace(textRule, "span = 20", "span = 0", 1), "span is 0"},
		{strings.Replace(textRule, "span = 20", "span = 70000", 1), "span is 70000"},
		{strings.Replace(textRule, "min_len = 15", "min_len = 21", 1), "min_len is 21"},
		{strings.Replace(textRule, "credential", "password", 1), `kind is "password"`},
		{strings.Replace(textRule, "regex = 'xtok_[a-z]{10}'", "", 1), "regex is missing"},
		{strings.Replace(textRule, `literals = ["xtok_"]`, "", 1), "literals is missing"},
		{strings.Replace(textRule, `["xtok_"]`, `["xt"]`, 1), "literals"},
		{strings.Replace(textRule, "[a-z]{10}", "[a-z{10}", 1), `rule 1 "x-token": regex: error parsing regexp`},
		{strings.Replace(textRule, "'xtok_[a-z]{10}'", "'a*'", 1), "regex: matches nothing"},
		{textRule + "min_entropy = 7.0\n", "min_entropy is 7"},
		{textRule + `prefixes = ["AKIA"]`, "prefixes does not go"},
		{textRule + `max_same_class = 5`, "max_same_class does not go"},
		{textRule + `stop_words = ["ab"]`, "stop_words"},
		{textRule + "not_after = '\u00e9'\n", "not_before or not_after"},
		{textRule + strings.TrimPrefix(textRule, "version = 1\n"), "id stands twice"},
		{shaped("round", "credential", ""), `shape "round" is unknown`},
		{shaped("key-id", "secret-key", ""), `kind is "secret-key", want "key-id"`},
		{shaped("key-id", "key-id", ""), "prefixes is missing"},
		{shaped("key-id", "key-id", `prefixes = ["AROA"]`), "prefixes"},
		{shaped("session-token", "session-token", ""), "heads and labels are missing"},
		{shaped("secret-key", "secret-key", `labels = ["Secret_Key"]`), "labels"},
		{shaped("secret-key", "secret-key", `regex = "x"`), "regex does not go"},
		{shaped("secret-key", "secret-key", "") + strings.Replace(shaped("secret-key", "secret-key", ""), "version = 1", "", 1), "stands twice"},
	} {
		text := tt.text
		if strings.Count(text, "id = \"s\"") == 2 {
			text = strings.Replace(text, "id = \"s\"", "id = \"s2\"", 1)
		}
		set, err := rules.Parse("f.toml", strings.NewReader(text))
		if err == nil || set != nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "f.toml") {
			t.Errorf("Parse(%q) = %v, want %q", text[max(0, len(text)-60):], err, tt.want)
		}
	}
	broken := errors.New("disk on fire")
	if _, err := rules.Parse("f.toml", iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("Parse of a broken reader = %v", err)
	}
}

func TestParseRunsAFilesOwnRules(t *testing.T) {
	set, err := rules.Parse("own.toml", strings.NewReader(textRule))
	if err != nil {
		t.Fatal(err)
	}
	key := rulestest.KeyID(rulestest.Rand(1), "AKIA")
	ms := set.Find(nil, []byte("a xtok_abcdefghij "+key+" xtok_ xtok_zyxwvutsrq"))
	if len(ms) != 2 || ms[0].Rule.ID != "x-token" || ms[0].Start != 2 || ms[1].Key.Secret.Reveal() != "xtok_zyxwvutsrq" {
		t.Errorf("a set of one rule finds %d matches, want its two", len(ms))
	}
	if set.Version() == rules.Default().Version() || len(set.Version()) != 32 {
		t.Errorf("Version = %q, the default's is %q", set.Version(), rules.Default().Version())
	}
	again, err := rules.Parse("other name.toml", strings.NewReader(textRule))
	if err != nil || again.Version() != set.Version() {
		t.Errorf("the same rules have two versions: %v", err)
	}
}

// README.md is the catalogue: it has a line for every rule and every field.
func TestReadmeNamesEveryRuleAndField(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"`version`", "`id`", "`title`", "`description`", "`kind`", "`shape`", "`span`", "`min_len`", "`prefixes`", "`heads`", "`labels`", "`weak_labels`", "`other_labels`", "`near`", "`stop_words`", "`published`", "`min_entropy`", "`max_same_class`", "`literals`", "`in_run`", "`regex`", "`not_before`", "`not_after`"}
	for _, r := range rules.Default().Rules() {
		want = append(want, "`"+r.ID+"`")
		if r.Title == "" || r.Description == "" || r.Span < r.MinLen || r.Kind.String() == "" {
			t.Errorf("rule %s is incomplete", r.ID)
		}
	}
	for _, w := range want {
		if !strings.Contains(string(text), w) {
			t.Errorf("README.md does not name %s", w)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(textRule)
	if own, err := os.ReadFile("aws.toml"); err == nil {
		f.Add(string(own))
	}
	f.Add("version = 1\n[[rule]]\nregex = '(((((((((('")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := rules.Parse("f", strings.NewReader(text))
		if (set == nil) == (err == nil) {
			t.Fatalf("Parse = %v, %v", set, err)
		}
		if err == nil {
			set.Find(nil, []byte("xtok_abcdefghij aws_secret_access_key = "+text))
		}
	})
}

// The built-in rules are parsed without a look at their expressions.
func TestBuiltInRulesParse(t *testing.T) {
	text, err := os.ReadFile("aws.toml")
	if err != nil {
		t.Fatal(err)
	}
	set, err := rules.Parse("aws.toml", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if set.Version() != rules.Default().Version() || len(set.Rules()) != len(rules.Default().Rules()) {
		t.Errorf("aws.toml has %d rules, version %s; the default set %d, %s", len(set.Rules()), set.Version(), len(rules.Default().Rules()), rules.Default().Version())
	}
}
