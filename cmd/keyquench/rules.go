package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"text/tabwriter"

	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/rules"
	"github.com/spf13/cobra"
)

// rulesCommand tells about rules, and checks files of them.
func (p *program) rulesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rules",
		Short: "list and explain what is looked for, and check files of rules",
		Long:  rulesHelp,
		Args:  noSubcommand,
		RunE: func(*cobra.Command, []string) error {
			return usageError{"rules needs a command", "keyquench rules list, explain or test"}
		},
	}
	c.AddCommand(p.rulesListCommand(), p.rulesExplainCommand(), p.rulesTestCommand())
	return c
}

func noSubcommand(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Sprintf("rules has no command %q", args[0]), "keyquench rules list, explain or test"}
	}
	return nil
}

// addRuleFlags adds the flags that say which rules there are.
func addRuleFlags(c *cobra.Command, f *scanFlags) {
	c.Flags().StringArrayVar(&f.rules, "rules", nil, "add the rules of `FILE`, keyquench's or gitleaks'; may be repeated")
	c.Flags().StringVar(&f.config, "config", "", "add the rules that `FILE` names, a keyquench.toml")
}

// set reads what the flags name. Nothing is scanned, so nothing of a repository's
// own counts.
func (p *program) set(f *scanFlags) (*rules.Set, error) {
	f.stdin = true
	err := p.settle("", true, f)
	return f.ruleSet(), err
}

func (p *program) rulesListCommand() *cobra.Command {
	var f scanFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "list the rules",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{"rules list takes no arguments", "keyquench rules explain ID tells of one rule"}
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			if f.format != "text" && f.format != "json" {
				return usageError{fmt.Sprintf("--format %q is not known", f.format), "one of: text, json"}
			}
			set, err := p.set(&f)
			if err != nil {
				return err
			}
			if f.format == "json" {
				return p.rulesJSON(set)
			}
			return p.rulesTable(set)
		},
	}
	addRuleFlags(c, &f)
	c.Flags().StringVar(&f.format, "format", "text", "write `text|json`")
	return c
}

func (p *program) rulesTable(set *rules.Set) error {
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RULE\tKIND\tFROM\tWHAT")
	for _, r := range set.Rules() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", report.Safe(r.ID), r.Kind, report.Safe(origin(r)), report.Safe(r.Title))
	}
	return w.Flush()
}

func origin(r *rules.Rule) string {
	if r.File == "" {
		return "built in"
	}
	return r.File
}

// ruleJSON is a line of rules list --format json.
type ruleJSON struct {
	Type        string   `json:"type"`
	Schema      int      `json:"schema"`
	ID          string   `json:"id"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Kind        string   `json:"kind"`
	File        string   `json:"file"` // "" for a built-in rule
	Tags        []string `json:"tags"`
	Anchors     []string `json:"anchors"`
	Keywords    []string `json:"keywords"`
	// Slow: every version of every file is searched as a whole.
	Slow bool `json:"slow"`
}

func (p *program) rulesJSON(set *rules.Set) error {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	list := func(s []string) []string { return append([]string{}, s...) }
	for _, r := range set.Rules() {
		cost, _ := set.Cost(r)
		err := e.Encode(ruleJSON{
			"rule", 1, r.ID, r.Title, r.Description, r.Kind.String(), r.File, list(r.Tags), list(cost.Anchors), list(cost.Keywords), cost.Whole,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *program) rulesExplainCommand() *cobra.Command {
	var f scanFlags
	c := &cobra.Command{
		Use:   "explain ID",
		Short: "tell what a rule finds, and when it counts",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{"rules explain needs the id of one rule", "keyquench rules list names them"}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			set, err := p.set(&f)
			if err != nil {
				return err
			}
			for _, r := range set.Rules() {
				if r.ID == args[0] {
					return p.explainRule(set, r)
				}
			}
			return usageError{fmt.Sprintf("no rule has the id %q", args[0]), "keyquench rules list names them"}
		},
	}
	addRuleFlags(c, &f)
	return c
}

func (p *program) explainRule(set *rules.Set, r *rules.Rule) error {
	var b strings.Builder
	row := func(label, text string) { fmt.Fprintf(&b, "  %-9s %s\n", label, report.Safe(text)) }
	fmt.Fprintf(&b, "%s  %s\n", report.Safe(r.ID), report.Safe(r.Title))
	row("from", origin(r))
	row("kind", r.Kind.String())
	row("finds", r.Description)
	label := "counts"
	for _, line := range set.Counts(r) {
		row(label, line)
		label = ""
	}
	if len(r.Tags) > 0 {
		row("tags", strings.Join(r.Tags, ", "))
	}
	// Made of chance each time: nothing that looks like a key is part of the
	// program.
	if text, ok := set.Example(r, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))); ok {
		row("example", text+"  (made up, and masked as in a report)")
	}
	_, err := fmt.Fprint(p.out, b.String())
	return err
}

func (p *program) rulesTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test FILE...",
		Short: "check files of rules, and the examples in them",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{"rules test needs a file", "keyquench rules test rules.toml"}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			set, err := p.set(&scanFlags{rules: args})
			if err != nil {
				return err
			}
			return p.testRules(set)
		},
	}
}

// testRules tells what each rule of a file costs, and which examples fail.
func (p *program) testRules(set *rules.Set) error {
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RULE\tSEARCHED FOR BY\tEXAMPLES")
	count, failed := 0, 0
	var wrong []string
	for _, r := range set.Rules() {
		cost, ok := set.Cost(r)
		if !ok {
			continue
		}
		count++
		unfound, found := set.Check(r)
		fmt.Fprintf(w, "%s\t%s\t%s\n", report.Safe(r.ID), report.Safe(searched(&cost)), verdict(r, len(unfound)+len(found)))
		for _, n := range unfound {
			wrong = append(wrong, fmt.Sprintf("%s: rule %q: example %d is not found", r.File, r.ID, n))
		}
		for _, n := range found {
			wrong = append(wrong, fmt.Sprintf("%s: rule %q: counter-example %d is found", r.File, r.ID, n))
		}
	}
	failed = len(wrong)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, text := range wrong {
		p.tell(errors.New(text))
	}
	if failed > 0 {
		p.code = exitLeaks
	}
	if count == 0 {
		p.note("the files have no rules, only what changes others")
	}
	return nil
}

// searched says by what the places are found that a rule looks at.
func searched(c *rules.Cost) string {
	const most = 4
	list := append(append([]string{}, c.Anchors...), c.Keywords...)
	switch {
	case c.Whole:
		return "nothing: every version of every file is read whole"
	case len(list) == 0:
		return "nothing: all that is new is read"
	}
	for i := range list {
		list[i] = fmt.Sprintf("%q", list[i])
	}
	text := strings.Join(list[:min(len(list), most)], ", ")
	if more := len(list) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if c.Name {
		text += " in names"
	}
	return text
}

func verdict(r *rules.Rule, wrong int) string {
	n := len(r.Examples) + len(r.CounterExamples)
	switch {
	case n == 0:
		return "none"
	case wrong > 0:
		return fmt.Sprintf("%d of %d fail", wrong, n)
	}
	return fmt.Sprintf("%d pass", n)
}
