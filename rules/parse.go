package rules

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"

	"github.com/keyquench/keyquench/rules/internal/anchor"
)

const (
	// formatVersion is the version of the rule file this package reads.
	formatVersion = 1
	// engineVersion changes whenever Find can answer differently for the same
	// rules, so that results remembered under an older version are not reused.
	engineVersion = "3"
	// maxFileBytes bounds a rule file; ours has 6 KB.
	maxFileBytes = 4 << 20
	// maxSpan bounds what one rule may look at. A regular expression runs over
	// that many bytes for every literal found.
	maxSpan = 64 << 10
	// minLiteral is the shortest literal that is rare enough to search for.
	minLiteral = 4
)

//go:embed aws.toml
var awsRules string

// spec is a rule as it is written.
type spec struct {
	ID           string   `toml:"id"`
	Title        string   `toml:"title"`
	Description  string   `toml:"description"`
	Kind         string   `toml:"kind"`
	Shape        string   `toml:"shape"`
	Span         int      `toml:"span"`
	MinLen       int      `toml:"min_len"`
	Prefixes     []string `toml:"prefixes"`
	Heads        []string `toml:"heads"`
	Labels       []string `toml:"labels"`
	WeakLabels   []string `toml:"weak_labels"`
	OtherLabels  []string `toml:"other_labels"`
	Near         []string `toml:"near"`
	StopWords    []string `toml:"stop_words"`
	Published    []string `toml:"published"`
	MinEntropy   float64  `toml:"min_entropy"`
	MaxSameClass int      `toml:"max_same_class"`
	Literals     []string `toml:"literals"`
	InRun        bool     `toml:"in_run"`
	Regex        string   `toml:"regex"`
	NotBefore    string   `toml:"not_before"`
	NotAfter     string   `toml:"not_after"`

	stop []string // StopWords in upper case
}

// textRule is what a rule with a regular expression compiles to.
type textRule struct {
	literals          []*anchor.Literal
	re                func() *regexp.Regexp
	notBefore, notEnd *anchor.Class
}

// shapes are the values read by code of their own, the kind each yields, and
// the fields each understands beside those every rule has.
var shapes = map[string]struct {
	kind   Kind
	fields string
}{
	"key-id":        {KeyID, "prefixes labels stop_words"},
	"secret-key":    {SecretKey, "labels weak_labels other_labels near stop_words published min_entropy max_same_class"},
	"session-token": {SessionToken, "heads labels stop_words"},
	"smtp-password": {Credential, "near min_entropy max_same_class stop_words"},
	"git-password":  {Credential, "min_entropy max_same_class stop_words published"},
	"":              {Credential, "literals in_run regex not_before not_after min_entropy near stop_words"},
}

var defaultSet = sync.OnceValue(func() *Set {
	// A pre-commit hook has ten milliseconds, and to compile the expressions
	// would take one of them.
	set, err := parse("aws.toml", strings.NewReader(awsRules), whenNeeded)
	if err != nil {
		// The file is part of the program: a test parses it.
		panic(err)
	}
	return set
})

// Default returns the rules that come with the program. It is compiled once.
func Default() *Set { return defaultSet() }

// Parse compiles a rule file. An error names the file, the rule and what is
// wrong with it; a field that nobody would read is an error too, because a
// misspelt limit must not pass for none.
func Parse(name string, r io.Reader) (*Set, error) { return parse(name, r, compiled) }

func parse(name string, r io.Reader, expression compiler) (*Set, error) {
	prepare()
	text, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read rules %s: %w", name, err)
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("read rules %s: over %d bytes", name, maxFileBytes)
	}
	var file struct {
		Version int    `toml:"version"`
		Rule    []spec `toml:"rule"`
	}
	meta, err := toml.NewDecoder(bytes.NewReader(text)).Decode(&file)
	if err != nil {
		return nil, fmt.Errorf("parse rules %s: %w", name, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("parse rules %s: unknown field %q", name, unknown[0].String())
	}
	if file.Version != formatVersion {
		return nil, fmt.Errorf("parse rules %s: version is %d, want %d", name, file.Version, formatVersion)
	}
	if len(file.Rule) == 0 {
		return nil, fmt.Errorf("parse rules %s: no rules", name)
	}
	set := &Set{}
	for i := range file.Rule {
		rule, err := compile(&file.Rule[i], expression)
		if err == nil {
			err = set.add(rule)
		}
		if err != nil {
			return nil, fmt.Errorf("parse rules %s: rule %d %q: %w", name, i+1, file.Rule[i].ID, err)
		}
	}
	sum := sha256.Sum256([]byte("keyquench rules engine " + engineVersion + "\x00" + string(text)))
	set.version = hex.EncodeToString(sum[:16])
	return set, nil
}

// A form is what an entry of a list must look like: from least to most
// characters, each of one of the ranges in chars ("az09" is a to z and 0 to 9).
// Regular expressions would say the same, and to compile them would take a
// third of the time that a pre-commit hook has.
type form struct {
	chars       string
	least, most int
}

var (
	labelForm     = form{"az09", 3, 40}
	headForm      = form{"AZaz09++//", 6, 64}
	stopForm      = form{"AZaz09", 6, 64}
	nearForm      = form{"az09--", 2, 40}
	publishedForm = form{"09af", 64, 64}
	prefixForm    = form{"AZ", 4, 4}
	literalForm   = form{"!~", minLiteral, 64}
	classForm     = form{" ~", 0, 64}
)

func (f form) matches(s string) bool {
	for i := range len(s) {
		if !f.has(s[i]) {
			return false
		}
	}
	return len(s) >= f.least && len(s) <= f.most
}

func (f form) has(c byte) bool {
	for i := 0; i < len(f.chars); i += 2 {
		if f.chars[i] <= c && c <= f.chars[i+1] {
			return true
		}
	}
	return false
}

// String writes the form as a regular expression.
func (f form) String() string {
	var b strings.Builder
	b.WriteString("[")
	for i := 0; i < len(f.chars); i += 2 {
		b.WriteByte(f.chars[i])
		if f.chars[i] != f.chars[i+1] {
			b.WriteString("-" + f.chars[i+1:i+2])
		}
	}
	fmt.Fprintf(&b, "]{%d,%d}", f.least, f.most)
	return b.String()
}

// idPrefixes are those that AWS gives to key IDs.
var idPrefixes = []string{"AKIA", "ASIA", "ABIA", "ACCA"}

// isID tells whether s is lower-case words joined by minus signs.
func isID(s string) bool {
	for word := range strings.SplitSeq(s, "-") {
		if !(form{"az09", 1, maxFileBytes}).matches(word) {
			return false
		}
	}
	return true
}

func compile(sp *spec, expression compiler) (*Rule, error) {
	switch {
	case !isID(sp.ID):
		return nil, errors.New("id is not lower-case words joined by minus signs")
	case strings.TrimSpace(sp.Title) == "":
		return nil, errors.New("title is missing")
	case strings.TrimSpace(sp.Description) == "":
		return nil, errors.New("description is missing")
	case sp.Span < 1 || sp.Span > maxSpan:
		return nil, fmt.Errorf("span is %d, want 1 to %d", sp.Span, maxSpan)
	case sp.MinLen < 1 || sp.MinLen > sp.Span:
		return nil, fmt.Errorf("min_len is %d, want 1 to the span", sp.MinLen)
	case sp.MinEntropy < 0 || sp.MinEntropy > 6:
		return nil, fmt.Errorf("min_entropy is %g, want 0 to 6 bits", sp.MinEntropy)
	case sp.MaxSameClass < 0 || sp.MaxSameClass > secretLen:
		return nil, fmt.Errorf("max_same_class is %d, want 0 to %d", sp.MaxSameClass, secretLen)
	}
	shape, ok := shapes[sp.Shape]
	if !ok {
		return nil, fmt.Errorf("shape %q is unknown", sp.Shape)
	}
	if shape.kind.String() != sp.Kind {
		return nil, fmt.Errorf("kind is %q, want %q", sp.Kind, shape.kind)
	}
	if err := sp.checkFields(strings.Fields(shape.fields)); err != nil {
		return nil, err
	}
	for _, word := range sp.StopWords {
		sp.stop = append(sp.stop, strings.ToUpper(word))
	}
	rule := &Rule{
		ID: sp.ID, Title: sp.Title, Description: sp.Description, Kind: shape.kind,
		Span: sp.Span, MinLen: sp.MinLen, spec: sp,
	}
	if sp.Shape == "" {
		if err := rule.compileText(expression); err != nil {
			return nil, err
		}
	}
	return rule, nil
}

// checkFields refuses a field the shape would not read, and entries that could
// never match or would match everything.
func (sp *spec) checkFields(allowed []string) error {
	for _, f := range []struct {
		name string
		form form
		list []string
	}{
		{"heads", headForm, sp.Heads},
		{"labels", labelForm, sp.Labels},
		{"weak_labels", labelForm, sp.WeakLabels},
		{"other_labels", labelForm, sp.OtherLabels},
		{"near", nearForm, sp.Near},
		{"stop_words", stopForm, sp.StopWords},
		{"published", publishedForm, sp.Published},
		{"literals", literalForm, sp.Literals},
		{"prefixes", prefixForm, sp.Prefixes},
	} {
		if len(f.list) > 0 && !slices.Contains(allowed, f.name) {
			return fmt.Errorf("%s does not go with shape %q", f.name, sp.Shape)
		}
		for _, entry := range f.list {
			if !f.form.matches(entry) || f.name == "near" && entry[0] == '-' {
				return fmt.Errorf("%s: %q is not of the form %s", f.name, entry, f.form)
			}
		}
	}
	for name, set := range map[string]bool{
		"min_entropy": sp.MinEntropy != 0, "max_same_class": sp.MaxSameClass != 0, "in_run": sp.InRun,
		"regex": sp.Regex != "", "not_before": sp.NotBefore != "", "not_after": sp.NotAfter != "",
	} {
		if set && !slices.Contains(allowed, name) {
			return fmt.Errorf("%s does not go with shape %q", name, sp.Shape)
		}
	}
	for _, p := range sp.Prefixes {
		if !slices.Contains(idPrefixes, p) {
			return fmt.Errorf("prefixes: %q is none of %s", p, strings.Join(idPrefixes, ", "))
		}
	}
	if sp.Shape == "key-id" && len(sp.Prefixes) == 0 {
		return errors.New("prefixes is missing")
	}
	if sp.Shape == "session-token" && len(sp.Heads)+len(sp.Labels) == 0 {
		return errors.New("heads and labels are missing")
	}
	return nil
}

func (r *Rule) compileText(expression compiler) error {
	sp := r.spec
	if sp.Regex == "" {
		return errors.New("regex is missing")
	}
	if len(sp.Literals) == 0 {
		return errors.New("literals is missing: a regex runs only where one stands")
	}
	for _, class := range []string{sp.NotBefore, sp.NotAfter} {
		if !classForm.matches(class) {
			return fmt.Errorf("not_before or not_after: %q is not printable ASCII of at most 64 characters", class)
		}
	}
	re, err := expression(`^(?:` + sp.Regex + `)`)
	if err != nil {
		return fmt.Errorf("regex: %w", err)
	}
	r.text.re = re
	for _, lit := range sp.Literals {
		r.text.literals = append(r.text.literals, anchor.NewLiteral(lit))
	}
	r.text.notBefore = anchor.NewClass(sp.NotBefore)
	r.text.notEnd = anchor.NewClass(sp.NotAfter)
	return nil
}

// compiler gives what gives an expression.
type compiler func(text string) (func() *regexp.Regexp, error)

// compiled is the expression, compiled and tried.
func compiled(text string) (func() *regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	if re.MatchString("") {
		return nil, errors.New("matches nothing at all")
	}
	return func() *regexp.Regexp { return re }, nil
}

// whenNeeded is the expression, compiled when it is asked for: it is part of the
// program, and a test has compiled it.
func whenNeeded(text string) (func() *regexp.Regexp, error) {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) }), nil
}
