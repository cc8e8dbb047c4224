package rulefile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/rules/internal/custom"
)

// gitleaksFile is a configuration of gitleaks, as of its version 8.30. Names are
// read in whatever case, as gitleaks does.
type gitleaksFile struct {
	Title       string         `toml:"title"`
	Description string         `toml:"description"`
	MinVersion  string         `toml:"minVersion"`
	Rules       []gitleaksRule `toml:"rules"`
	Extend      struct {
		Path          string   `toml:"path"`
		URL           string   `toml:"url"`
		UseDefault    bool     `toml:"useDefault"`
		DisabledRules []string `toml:"disabledRules"`
	} `toml:"extend"`
	AllowList  *gitleaksGlobal  `toml:"allowlist"`
	AllowLists []gitleaksGlobal `toml:"allowlists"`
}

type gitleaksRule struct {
	ID          string          `toml:"id"`
	Description string          `toml:"description"`
	Regex       string          `toml:"regex"`
	Path        string          `toml:"path"`
	SecretGroup int             `toml:"secretGroup"`
	Entropy     float64         `toml:"entropy"`
	Keywords    []string        `toml:"keywords"`
	Tags        []string        `toml:"tags"`
	AllowList   *gitleaksAllow  `toml:"allowlist"`
	AllowLists  []gitleaksAllow `toml:"allowlists"`
	Required    []struct {
		ID            string `toml:"id"`
		WithinLines   *int   `toml:"withinLines"`
		WithinColumns *int   `toml:"withinColumns"`
	} `toml:"required"`
	SkipReport bool `toml:"skipReport"`
}

type gitleaksAllow struct {
	Description string   `toml:"description"`
	Condition   string   `toml:"condition"`
	Commits     []string `toml:"commits"`
	Paths       []string `toml:"paths"`
	RegexTarget string   `toml:"regexTarget"`
	Regexes     []string `toml:"regexes"`
	StopWords   []string `toml:"stopwords"`
}

type gitleaksGlobal struct {
	TargetRules []string `toml:"targetRules"`
	gitleaksAllow
}

// standIns are the built-in rules that take the place of those gitleaks brings
// along. All others of its own are not here.
var standIns = map[string][]string{
	"aws-access-token":                       {"aws-access-key-id"},
	"aws-amazon-bedrock-api-key-long-lived":  {"aws-bedrock-api-key"},
	"aws-amazon-bedrock-api-key-short-lived": {"aws-bedrock-session-key"},
}

const noteDefault = "extend.useDefault: keyquench has no rules of gitleaks'; its own AWS rules stand for the aws ones, and the others are not searched for"

// gitleaks reads a configuration and what it extends.
func (l *loader) gitleaks(f *file, above []string) (*parsed, error) {
	var in gitleaksFile
	unknown := func(path string) string {
		return fmt.Sprintf("field %q cannot be honoured: gitleaks 8.30 has none of that name", path)
	}
	if err := f.Decode(&in, unknown); err != nil {
		return nil, err
	}
	c := &parsed{file: f, defaults: in.Extend.UseDefault}
	switch {
	case in.Extend.URL != "":
		return nil, f.fail("extend.url", errors.New("extend.url cannot be honoured: keyquench opens no connection"))
	case in.Extend.Path != "" && in.Extend.UseDefault:
		return nil, f.fail("extend.path", errors.New("extend has either path or useDefault"))
	}
	if err := c.gitleaksLists(&in); err != nil {
		return nil, err
	}
	for i := range in.Rules {
		if err := c.gitleaksRule(&in.Rules[i], fmt.Sprintf("rules[%d]", i)); err != nil {
			return nil, err
		}
	}
	if in.Extend.Path != "" {
		base, err := l.read(beside(f.name, in.Extend.Path), above, f)
		if err != nil {
			return nil, err
		}
		if err := c.extend(base, in.Extend.DisabledRules); err != nil {
			return nil, err
		}
	}
	if in.Extend.UseDefault {
		for _, id := range in.Extend.DisabledRules {
			c.disable = append(c.disable, standIns[id]...)
		}
	}
	return c, nil
}

// settle deals with what only makes sense on top of gitleaks' own rules.
func (l *loader) settle(c *parsed) error {
	if c.defaults {
		l.note(c.name, noteDefault)
	}
	var absent []string
	kept := c.rules[:0]
	for _, r := range c.rules {
		switch to := standIns[r.Rule.ID]; {
		case r.spec.Regex != "" || r.spec.Path != "" || !c.defaults:
			kept = append(kept, r)
		case len(to) > 0 && (r.spec.MinEntropy != 0 || r.spec.Group != 0 || len(r.spec.Require) > 0 || r.spec.Helper):
			return r.ruleError(r.path, r.Rule.ID, fmt.Errorf("changes a rule that keyquench's %s stands for: of a built-in rule, only allow lists can be given", strings.Join(to, ", ")))
		case len(to) > 0:
			for _, p := range r.lists {
				p.rules = to
				c.lists = append(c.lists, p)
			}
		default:
			absent = append(absent, r.Rule.ID)
		}
	}
	c.rules = kept
	if len(absent) > 0 {
		l.note(c.name, "changes to rules of gitleaks' own that keyquench does not have: "+short(absent))
	}
	return nil
}

// gitleaksLists reads the allow lists for all rules.
func (c *parsed) gitleaksLists(in *gitleaksFile) error {
	if in.AllowList != nil {
		if len(in.AllowLists) > 0 {
			return c.fail("allowlist", errors.New("[allowlist] cannot stand beside [[allowlists]]"))
		}
		in.AllowLists = []gitleaksGlobal{*in.AllowList}
	}
	for i := range in.AllowLists {
		path := fmt.Sprintf("allowlists[%d]", i)
		if in.AllowList != nil {
			path = "allowlist"
		}
		p, err := c.gitleaksAllow(&in.AllowLists[i].gitleaksAllow, path, "")
		if err != nil {
			return err
		}
		p.rules = in.AllowLists[i].TargetRules
		c.lists = append(c.lists, p)
	}
	return nil
}

func (c *parsed) gitleaksRule(in *gitleaksRule, path string) error {
	o := origin{c.file, path, in.ID, map[string]string{"group": "secretGroup", "require": "required"}}
	fail := func(field string, err error) error { return c.ruleError(path+"."+field, in.ID, err) }
	if in.AllowList != nil {
		if len(in.AllowLists) > 0 {
			return fail("allowlist", errors.New("[rules.allowlist] cannot stand beside [[rules.allowlists]]"))
		}
		in.AllowLists = []gitleaksAllow{*in.AllowList}
	}
	if slices.Contains(in.Keywords, "") {
		return fail("keywords", errors.New("keywords: one is empty"))
	}
	r := &parsedRule{origin: o, Rule: Rule{
		ID: in.ID, Description: oneLine(in.Description), Tags: in.Tags, File: c.name,
	}, spec: custom.Spec{
		Regex: in.Regex, Path: in.Path, Group: in.SecretGroup, MinEntropy: in.Entropy, Keywords: in.Keywords, Helper: in.SkipReport,
	}}
	for i := range in.AllowLists {
		at := fmt.Sprintf("%s.allowlists[%d]", path, i)
		if in.AllowList != nil {
			at = path + ".allowlist"
		}
		p, err := c.gitleaksAllow(&in.AllowLists[i], at, in.ID)
		if err != nil {
			return err
		}
		r.lists = append(r.lists, p)
	}
	for i, q := range in.Required {
		need := custom.Require{Rule: q.ID, Lines: -1, Columns: -1, Bytes: -1}
		for _, v := range []struct{ from, to *int }{{q.WithinLines, &need.Lines}, {q.WithinColumns, &need.Columns}} {
			if v.from == nil {
				continue
			}
			if *v.to = *v.from; *v.to < 0 {
				return fail(fmt.Sprintf("required[%d]", i), errors.New("required: a distance is negative"))
			}
		}
		r.spec.Require = append(r.spec.Require, need)
	}
	for _, other := range c.rules {
		if other.Rule.ID == in.ID && in.ID != "" {
			return fail("id", errors.New("stands twice"))
		}
	}
	c.rules = append(c.rules, r)
	return nil
}

func (f *file) gitleaksAllow(in *gitleaksAllow, path, rule string) (p parsedList, err error) {
	p.origin = origin{f, path, rule, nil}
	p.Allow = custom.Allow{Commits: in.Commits, Paths: in.Paths, Regexes: in.Regexes, StopWords: in.StopWords}
	switch strings.ToUpper(in.Condition) {
	case "AND", "&&":
		p.All = true
	case "", "OR", "||":
	default:
		return p, f.ruleError(path+".condition", rule, fmt.Errorf("condition is %q, want AND or OR", in.Condition))
	}
	switch in.RegexTarget {
	case "", "secret":
	case "match":
		p.Target = custom.Whole
	case "line":
		p.Target = custom.Line
	default:
		return p, f.ruleError(path+".regexTarget", rule, fmt.Errorf("regexTarget is %q, want secret, match or line", in.RegexTarget))
	}
	return p, nil
}

// extend puts the rules of base under those of c: where both have one, c says
// what it says, and base the rest.
func (c *parsed) extend(base *parsed, disabled []string) error {
	c.defaults = c.defaults || base.defaults
	c.disable = append(c.disable, base.disable...)
	c.lists = append(c.lists, base.lists...)
	for _, b := range base.rules {
		if slices.Contains(disabled, b.Rule.ID) {
			continue
		}
		i := slices.IndexFunc(c.rules, func(r *parsedRule) bool { return r.Rule.ID == b.Rule.ID })
		if i < 0 {
			c.rules = append(c.rules, b)
			continue
		}
		c.rules[i] = b.under(c.rules[i])
	}
	if base.defaults {
		for _, id := range disabled {
			c.disable = append(c.disable, standIns[id]...)
		}
	}
	return nil
}

// under is b, changed by r.
func (b *parsedRule) under(r *parsedRule) *parsedRule {
	out := *b
	if r.Description != "" {
		out.Description = r.Description
	}
	if r.spec.Regex != "" {
		out.spec.Regex, out.origin = r.spec.Regex, r.origin
	}
	if r.spec.Path != "" {
		out.spec.Path = r.spec.Path
	}
	if r.spec.MinEntropy != 0 {
		out.spec.MinEntropy = r.spec.MinEntropy
	}
	if r.spec.Group != 0 {
		out.spec.Group = r.spec.Group
	}
	out.Tags = slices.Concat(b.Tags, r.Tags)
	out.spec.Keywords = slices.Concat(b.spec.Keywords, r.spec.Keywords)
	out.spec.Require = slices.Concat(b.spec.Require, r.spec.Require)
	out.spec.Helper = b.spec.Helper || r.spec.Helper
	out.lists = slices.Concat(b.lists, r.lists)
	return &out
}
