package rulefile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/keyquench/keyquench/rules/internal/custom"
)

const (
	// version is that of the form.
	version = 1
	// maxEntropy is that of bytes.
	maxEntropy = 8
	// maxDistance bounds how far a neighbour may stand, in lines or bytes.
	maxDistance = 1 << 20
)

// nativeFile is a file of ours as it is written.
type nativeFile struct {
	Version int          `toml:"version"`
	Extend  []string     `toml:"extend"`
	Disable []string     `toml:"disable"`
	Rule    []nativeRule `toml:"rule"`
	Allow   []struct {
		Rules []string `toml:"rules"`
		nativeAllow
	} `toml:"allow"`
}

type nativeRule struct {
	ID              string          `toml:"id"`
	Title           string          `toml:"title"`
	Description     string          `toml:"description"`
	Tags            []string        `toml:"tags"`
	Regex           string          `toml:"regex"`
	Path            string          `toml:"path"`
	Secret          group           `toml:"secret"`
	Entropy         float64         `toml:"entropy"`
	Keywords        []string        `toml:"keywords"`
	Literals        []string        `toml:"literals"`
	Helper          bool            `toml:"helper"`
	Examples        []string        `toml:"examples"`
	CounterExamples []string        `toml:"counter_examples"`
	Allow           []nativeAllow   `toml:"allow"`
	Require         []nativeRequire `toml:"require"`
}

type nativeAllow struct {
	Description string   `toml:"description"`
	All         bool     `toml:"all"`
	Paths       []string `toml:"paths"`
	Commits     []string `toml:"commits"`
	Values      []string `toml:"values"`
	Matches     []string `toml:"matches"`
	Lines       []string `toml:"lines"`
	StopWords   []string `toml:"stop_words"`
}

type nativeRequire struct {
	Rule        string `toml:"rule"`
	Regex       string `toml:"regex"`
	WithinLines *int   `toml:"within_lines"`
	WithinBytes *int   `toml:"within_bytes"`
}

// group is the number or the name of a group.
type group struct {
	number int
	name   string
}

// UnmarshalTOML reads either.
func (g *group) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case int64:
		if v < 0 || v > 1<<10 {
			return errors.New("is no number of a group")
		}
		g.number = int(v)
	case string:
		g.name = v
	default:
		return errors.New("is neither the number nor the name of a group")
	}
	return nil
}

// native reads a file of ours.
func (l *loader) native(f *file, above []string) (*parsed, error) {
	var in nativeFile
	unknown := func(path string) string { return fmt.Sprintf("unknown field %q", path) }
	if err := f.Decode(&in, unknown); err != nil {
		return nil, err
	}
	if in.Version != version {
		return nil, f.fail("version", fmt.Errorf("version is %d, want %d", in.Version, version))
	}
	c := &parsed{file: f}
	for i, id := range in.Disable {
		if !l.builtIn(id) {
			return nil, f.fail("disable", fmt.Errorf("entry %d: %q is no built-in rule", i+1, id))
		}
	}
	c.disable = in.Disable
	for _, other := range in.Extend {
		base, err := l.read(beside(f.name, other), above, f)
		if err == nil {
			// What a file allows holds for its own rules; so it is added at once.
			err = l.add(base)
		}
		if err != nil {
			return nil, err
		}
	}
	for i := range in.Rule {
		if err := c.nativeRule(&in.Rule[i], fmt.Sprintf("rule[%d]", i)); err != nil {
			return nil, err
		}
	}
	for i := range in.Allow {
		a := &in.Allow[i]
		p, err := f.nativeAllow(&a.nativeAllow, fmt.Sprintf("allow[%d]", i), "")
		if err != nil {
			return nil, err
		}
		p.rules = a.Rules
		c.lists = append(c.lists, p)
	}
	return c, nil
}

func (c *parsed) nativeRule(in *nativeRule, path string) error {
	fail := func(field string, err error) error { return c.ruleError(path+"."+field, in.ID, err) }
	switch {
	case in.Entropy < 0 || in.Entropy > maxEntropy:
		return fail("entropy", fmt.Errorf("entropy is %g, want 0 to %d bits", in.Entropy, maxEntropy))
	case in.Regex == "" && (in.Secret != group{} || in.Entropy != 0 || len(in.Keywords)+len(in.Literals)+len(in.Require) > 0):
		return fail("regex", errors.New("regex is missing, and other fields speak of what it matches"))
	}
	for _, k := range in.Keywords {
		if k == "" {
			return fail("keywords", errors.New("keywords: one is empty, and stands everywhere"))
		}
	}
	const shortest = 2
	for _, k := range in.Literals {
		if len(k) < shortest {
			return fail("literals", fmt.Errorf("literals: %q has fewer than %d bytes", k, shortest))
		}
	}
	o := origin{c.file, path, in.ID, map[string]string{"group": "secret"}}
	r := &parsedRule{origin: o, Rule: Rule{
		ID: in.ID, Title: oneLine(in.Title), Description: oneLine(in.Description), Tags: in.Tags, File: c.name,
		Examples: in.Examples, CounterExamples: in.CounterExamples,
	}, spec: custom.Spec{
		Regex: in.Regex, Path: in.Path, Group: in.Secret.number, GroupName: in.Secret.name, MinEntropy: in.Entropy,
		Keywords: in.Keywords, Literals: in.Literals, Helper: in.Helper, Exact: true,
	}}
	for i := range in.Allow {
		p, err := c.nativeAllow(&in.Allow[i], fmt.Sprintf("%s.allow[%d]", path, i), in.ID)
		if err != nil {
			return err
		}
		r.lists = append(r.lists, p)
	}
	c.rules = append(c.rules, r)
	return c.nativeRequire(r, in.Require)
}

// nativeRequire reads neighbours. One that is an expression becomes a rule of its
// own, which finds nothing by itself.
func (c *parsed) nativeRequire(r *parsedRule, list []nativeRequire) error {
	for i, q := range list {
		path := fmt.Sprintf("%s.require[%d]", r.path, i)
		fail := func(err error) error { return c.ruleError(path, r.Rule.ID, err) }
		if (q.Rule == "") == (q.Regex == "") {
			return fail(errors.New("require has either a rule or a regex"))
		}
		need := custom.Require{Rule: q.Rule, Lines: -1, Columns: -1, Bytes: -1}
		for _, v := range []struct {
			from *int
			to   *int
		}{{q.WithinLines, &need.Lines}, {q.WithinBytes, &need.Bytes}} {
			if v.from == nil {
				continue
			}
			if *v.to = *v.from; *v.to < 0 || *v.to > maxDistance {
				return fail(fmt.Errorf("require: a distance is %d, want 0 to %d", *v.to, maxDistance))
			}
		}
		if q.Regex != "" {
			need.Rule = fmt.Sprintf("%s (require %d)", r.Rule.ID, i+1)
			c.rules = append(c.rules, &parsedRule{
				origin: origin{c.file, path, r.Rule.ID, nil}, Rule: Rule{ID: need.Rule, File: c.name},
				spec: custom.Spec{Regex: q.Regex, Helper: true, Exact: true},
			})
		}
		r.spec.Require = append(r.spec.Require, need)
	}
	return nil
}

// nativeAllow reads an allow list; rule is that it stands in, if any.
func (f *file) nativeAllow(in *nativeAllow, path, rule string) (p parsedList, err error) {
	p.origin = origin{f, path, rule, map[string]string{"stopwords": "stop_words"}}
	p.Allow = custom.Allow{All: in.All, Commits: in.Commits, Paths: in.Paths, StopWords: in.StopWords}
	for _, c := range in.Commits {
		if n := len(c); n != 40 && n != 64 || strings.Trim(strings.ToLower(c), "0123456789abcdef") != "" {
			return p, f.ruleError(path+".commits", rule, fmt.Errorf("commits: %q is not the full name of a commit", c))
		}
	}
	for _, v := range []struct {
		field  string
		list   []string
		target custom.Target
	}{{"values", in.Values, custom.Value}, {"matches", in.Matches, custom.Whole}, {"lines", in.Lines, custom.Line}} {
		if len(v.list) == 0 {
			continue
		}
		if p.Regexes != nil {
			return p, f.ruleError(path+"."+v.field, rule, errors.New("an allow list has values, matches or lines: write several lists"))
		}
		p.Regexes, p.Target = v.list, v.target
		p.names["regexes"] = v.field
	}
	return p, nil
}

// oneLine puts a text on one line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
