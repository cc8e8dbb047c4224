package custom

// About says what it costs to look for a rule.
type About struct {
	// Anchors are the texts that are searched for, in lower case; the expression
	// runs where one stands. Empty: it runs over everything.
	Anchors []string
	// Keywords are asked for too, beside anchors, or instead of them.
	Keywords []string
	// Reach is how many bytes around an anchor the expression looks at, 0 for all.
	Reach int
	// Whole tells that nothing spares the rule to look at each version of each
	// file as a whole.
	Whole bool
	// Name tells that the rule is about names of files.
	Name bool
}

// About describes a rule.
func (e *Engine) About(rule int) About {
	r := e.rules[rule]
	a := About{Name: r.name != nil}
	if a.Name {
		a.Anchors = r.name.texts
		return a
	}
	for _, n := range r.anchors {
		a.Anchors = append(a.Anchors, e.texts.texts[n])
	}
	for _, n := range r.keywords {
		a.Keywords = append(a.Keywords, e.texts.texts[n])
	}
	if r.reach != unbounded {
		a.Reach = r.reach
	}
	a.Whole = r.gate == byNothing
	return a
}

// Regex is the expression of a rule, "" for one about names.
func (e *Engine) Regex(rule int) string {
	if re := e.rules[rule].re; re != nil {
		return re.String()
	}
	return ""
}
