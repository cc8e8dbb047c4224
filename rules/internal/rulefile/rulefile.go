// Package rulefile reads the files that users write rules in: ours, and those of
// gitleaks. What a file says that cannot be done is an error that names the file,
// the rule and the place; nothing is passed over in silence.
//
// It compiles nothing, and decides nothing about bytes; package custom does.
package rulefile

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/internal/tomlfile"
	"github.com/keyquench/keyquench/rules/internal/custom"
)

const (
	// maxDepth is how many files may extend one another.
	maxDepth = 8
	// maxID bounds the name of a rule.
	maxID = 128
)

// Rule is what a rule says of itself, beside what finds values.
type Rule struct {
	ID, Title, Description string
	Tags                   []string
	// File is the name of the file it stands in, as it was given.
	File string
	// Examples must be found by the rule, CounterExamples must not.
	Examples, CounterExamples []string
}

// Files is what one or several files say.
type Files struct {
	Program custom.Program
	Rules   []Rule // those of Program, in the same order
	// Disable are the built-in rules that are not used.
	Disable []string
	// Targets are the numbers of allow lists for what built-in rules find.
	Targets map[string][]int
	// Notes are what the user should know about how files are understood.
	Notes []string
}

// Source is a file, and how it and those that it extends are reached.
type Source struct {
	Name string
	// Read gives the content of a file, by the name it has here or that another
	// file has for it, joined with that one's directory.
	Read func(name string) ([]byte, error)
}

// file is one file while it is read.
type file struct {
	*tomlfile.File
	name string
}

func (f *file) fail(path string, err error) error { return f.Fail(path, err) }

// ruleError names the rule, too.
func (f *file) ruleError(path, id string, err error) error {
	if id == "" {
		return f.fail(path, err)
	}
	return f.fail(path, fmt.Errorf("rule %q: %w", id, err))
}

// origin is where a rule or an allow list of the program stands.
type origin struct {
	*file
	path, rule string
	names      map[string]string // of fields, where they differ from custom's
}

// loader collects what files say.
type loader struct {
	open         func(name string) ([]byte, error) // of the source being loaded
	builtIn      func(id string) bool
	out          Files
	rules, lists []origin
}

// Load reads files and all that they extend, and compiles them. builtIn tells
// whether a built-in rule has an id; reach is that of custom.New.
func Load(sources []Source, builtIn func(id string) bool, reach int) (*Files, *custom.Engine, error) {
	l := &loader{builtIn: builtIn}
	for _, src := range sources {
		l.open = src.Read
		c, err := l.read(filepath.Clean(src.Name), nil, nil)
		if err == nil {
			err = l.add(c)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if err := l.check(); err != nil {
		return nil, nil, err
	}
	engine, err := custom.New(l.out.Program, reach)
	if bad, ok := errors.AsType[*custom.Error](err); ok {
		o := origin{}
		if bad.List >= 0 {
			o = l.lists[bad.List]
		} else {
			o = l.rules[bad.Rule]
		}
		field, number, _ := strings.Cut(bad.Field, ".")
		bad.Field = cmp.Or(o.names[field], field)
		at := o.path + "." + bad.Field
		if number != "" {
			at += "[" + number + "]"
		}
		return nil, nil, o.ruleError(at, o.rule, bad)
	}
	if err != nil {
		return nil, nil, err
	}
	return &l.out, engine, nil
}

// parsed is one file with all that it extends.
type parsed struct {
	*file
	rules []*parsedRule
	lists []parsedList // for all of the rules, or for some
	// disable are rules that are not there, or not to be used.
	disable  []string
	defaults bool // gitleaks' own rules are meant, too
}

type parsedRule struct {
	Rule
	origin
	spec  custom.Spec
	lists []parsedList
}

type parsedList struct {
	origin
	custom.Allow
	rules []string // none for all
}

// read reads a file; above are those that extend it, and by is the last of them.
func (l *loader) read(name string, above []string, by *file) (*parsed, error) {
	fail := func(err error) error { return by.fail("extend.path", fmt.Errorf("extend: %w", err)) }
	if slices.Contains(above, name) {
		return nil, fail(fmt.Errorf("the files extend one another: %s", strings.Join(append(above, name), " → ")))
	}
	if len(above) == maxDepth {
		return nil, fail(fmt.Errorf("more than %d files extend one another", maxDepth))
	}
	text, err := l.open(name)
	switch {
	case err != nil && by != nil:
		return nil, fail(err)
	case err != nil:
		return nil, fmt.Errorf("read rules: %w", err)
	}
	in, err := tomlfile.Parse(name, text)
	if err != nil {
		return nil, err
	}
	f := &file{in, name}
	above = append(above[:len(above):len(above)], name)
	isGitleaks, err := f.format()
	switch {
	case err != nil:
		return nil, err
	case isGitleaks:
		return l.gitleaks(f, above)
	}
	return l.native(f, above)
}

// The fields that tell whose a file is.
var (
	ours   = []string{"version", "rule", "allow", "disable"}
	theirs = []string{"rules", "allowlist", "allowlists", "title", "minVersion"}
)

// format tells which of the two a file has.
func (f *file) format() (isGitleaks bool, err error) {
	has := func(names []string) string {
		for _, k := range f.Top() {
			if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, k) }) {
				return k
			}
		}
		return ""
	}
	a, b := has(ours), has(theirs)
	if b == "" && f.IsTable("extend") {
		b = "extend"
	}
	switch {
	case a != "" && b != "":
		return false, f.fail(b, fmt.Errorf("%q is a field of keyquench's rules, %q one of gitleaks': a file has the one form or the other", a, b))
	case a == "" && b == "":
		return false, f.fail("", errors.New("neither keyquench's rules (version, [[rule]]) nor a gitleaks configuration ([[rules]], [extend])"))
	}
	return b != "", nil
}

// beside is the name of a file that another one names.
func beside(name, other string) string {
	if filepath.IsAbs(other) {
		return other
	}
	return filepath.Join(filepath.Dir(name), other)
}

// add takes a file's rules into the program.
func (l *loader) add(c *parsed) error {
	if err := l.settle(c); err != nil {
		return err
	}
	l.out.Disable = append(l.out.Disable, c.disable...)
	number := func(p *parsedList) int {
		l.lists = append(l.lists, p.origin)
		l.out.Program.Lists = append(l.out.Program.Lists, p.Allow)
		return len(l.lists) - 1
	}
	byRule := map[string][]int{}
	var all []int
	for i := range c.lists {
		p := &c.lists[i]
		n := number(p)
		if len(p.rules) == 0 {
			all = append(all, n)
		}
		for _, id := range p.rules {
			byRule[id] = append(byRule[id], n)
		}
	}
	for _, r := range c.rules {
		if err := r.checkID(); err != nil {
			return err
		}
		for i := range r.lists {
			r.spec.Allow = append(r.spec.Allow, number(&r.lists[i]))
		}
		r.spec.ID = r.Rule.ID
		r.spec.Allow = append(append(r.spec.Allow, all...), byRule[r.Rule.ID]...)
		delete(byRule, r.Rule.ID)
		l.rules = append(l.rules, r.origin)
		l.out.Rules = append(l.out.Rules, r.Rule)
		l.out.Program.Rules = append(l.out.Program.Rules, r.spec)
	}
	return l.target(c, byRule)
}

// target gives allow lists to the built-in rules that they name.
func (l *loader) target(c *parsed, byRule map[string][]int) error {
	var absent []string
	for _, id := range sortedKeys(byRule) {
		to := []string{id}
		if c.defaults && !l.builtIn(id) {
			to = standIns[id]
		}
		for _, t := range to {
			if !l.builtIn(t) {
				o := l.lists[byRule[id][0]]
				return o.fail(o.path, fmt.Errorf("an allow list names the rule %q, which is neither in this file nor built in", id))
			}
			if l.out.Targets == nil {
				l.out.Targets = map[string][]int{}
			}
			l.out.Targets[t] = append(l.out.Targets[t], byRule[id]...)
		}
		if len(to) == 0 {
			absent = append(absent, id)
		}
	}
	if len(absent) > 0 {
		l.note(c.name, "allow lists for rules of gitleaks' own that keyquench does not have: "+short(absent))
	}
	return nil
}

func (l *loader) note(name, text string) { l.out.Notes = append(l.out.Notes, name+": "+text) }

// short names some of a list.
func short(list []string) string {
	const most = 5
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// checkID makes sure that a rule's name can be printed, and typed.
func (r *parsedRule) checkID() error {
	id := r.Rule.ID
	ok := id != "" && len(id) <= maxID && id == strings.TrimSpace(id)
	for _, c := range []byte(id) {
		ok = ok && c >= ' ' && c <= '~'
	}
	if !ok {
		return r.fail(r.path+".id", fmt.Errorf("a rule has no id, or one that is not 1 to %d printable ASCII characters", maxID))
	}
	return nil
}

// check compares the rules of all files with each other and with built-in ones.
func (l *loader) check() error {
	seen := map[string]int{}
	for i, r := range l.out.Rules {
		o := l.rules[i]
		if first, ok := seen[r.ID]; ok {
			return o.ruleError(o.path+".id", r.ID, fmt.Errorf("stands twice, also in %s", l.out.Rules[first].File))
		}
		seen[r.ID] = i
		if l.builtIn(r.ID) && !slices.Contains(l.out.Disable, r.ID) {
			return o.ruleError(o.path+".id", r.ID, errors.New("is a built-in rule: to replace it, name it in disable, too"))
		}
	}
	return nil
}
