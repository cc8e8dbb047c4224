package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

// legible is a log to compare, without the rules, whose texts are not ours.
func legible(t *testing.T, doc string) string {
	t.Helper()
	var log map[string]any
	if err := json.Unmarshal([]byte(doc), &log); err != nil {
		t.Fatal(err)
	}
	driver := log["runs"].([]any)[0].(map[string]any)["tool"].(map[string]any)["driver"].(map[string]any)
	driver["rules"] = len(driver["rules"].([]any)) > 0
	return indented(t, log)
}

func indented(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

func TestSARIFRulesAreGolden(t *testing.T) {
	var list []sarifRule
	for _, k := range []rules.Kind{rules.KeyID, rules.SecretKey, rules.SessionToken, rules.Credential} {
		list = append(list, descriptor(&rules.Rule{ID: "a-" + k.String(), Title: "A <title>", Description: strings.Repeat("é long ", 200), Kind: k}))
	}
	newSample(t).golden(t, "sarif-rules.json", indented(t, list))
}

// All that can stand in a log, against the schema that comes with the library.
func TestSARIFFitsTheSchema(t *testing.T) {
	s := newSample(t)
	hard, sum, o := marked(t, "")
	list := []scanner.Finding{hard}
	for _, text := range hostile {
		f, more, _ := marked(t, text)
		list, sum.Skips, sum.Skipped = append(list, f), append(sum.Skips, more.Skips...), sum.Skipped+1
	}
	real, whole, _ := leaky(t)
	for name, doc := range map[string]string{
		"sample": written(t, "sarif", o, s.summary, s.findings...), "nothing": written(t, "sarif", Options{}, scanner.Summary{}),
		"hostile": written(t, "sarif", o, sum, list...), "repository": written(t, "sarif", o, whole, real...),
	} {
		log, err := sarif.FromString(doc)
		if err != nil {
			t.Fatal(err)
		}
		// What the schema has for fields that are not there, and the library has not.
		run := log.Runs[0]
		run.Language, run.Tool.Driver.Language, run.NewlineSequences = "en-US", "en-US", []string{"\n"}
		if err := log.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		readAgain(t, doc)
	}
}

// parseSARIF holds a log against what code scanning asks for beyond the schema.
func parseSARIF(t *testing.T, doc string) (keys, places int) {
	t.Helper()
	log, err := sarif.FromString(doc, sarif.WithStrictValidation())
	if err != nil {
		t.Fatalf("read log: %v", err)
	}
	if len(log.Runs) != 1 {
		t.Fatalf("%d runs, want 1", len(log.Runs))
	}
	run := log.Runs[0]
	for i, r := range run.Tool.Driver.Rules {
		if *r.Help.Text == "" || *r.Help.Markdown == "" || *r.ShortDescription.Text == "" || *r.FullDescription.Text == "" || len(*r.FullDescription.Text) > 1024 {
			t.Errorf("rule %d lacks a text", i)
		}
		if s, err := strconv.ParseFloat(r.Properties.Properties["security-severity"].(string), 64); err != nil || s <= 0 || s > 10 {
			t.Errorf("rule %d has the severity %v", i, r.Properties.Properties["security-severity"])
		}
	}
	for _, r := range run.Results {
		checkResult(t, run, r)
		keys, places = keys+1, places+len(r.Locations)+len(r.RelatedLocations)
	}
	return keys, places
}

var linked = regexp.MustCompile(`(?:^|[^\\])\[([^\]\\]*)\]\((\d+)\)`)

func checkResult(t *testing.T, run *sarif.Run, r *sarif.Result) {
	t.Helper()
	level := map[any]string{"inactive-or-gone": "note", "expired": "note", "wrong-secret": "warning"}[r.Properties.Properties["state"]]
	if level == "" {
		level = "error"
	}
	if *run.Tool.Driver.Rules[r.RuleIndex].ID != *r.RuleID || r.Level != level || len(r.Locations) != 1 || r.PartialFingerprints["keyquench/v1"] == "" ||
		r.PartialFingerprints["primaryLocationLineHash"] == "" || *r.Message.Text == "" {
		t.Errorf("result of rule %q, level %q, %d locations, fingerprints %v", *r.RuleID, r.Level, len(r.Locations), r.PartialFingerprints)
	}
	ids := map[string]bool{}
	for _, l := range append(r.Locations, r.RelatedLocations...) {
		id := strconv.Itoa(l.ID)
		if ids[id] || l.ID < 0 {
			t.Errorf("location %d is there twice", l.ID)
		}
		ids[id] = true
		if m := linked.FindString(*l.Message.Text); m != "" {
			t.Errorf("location %q links to %q", *l.Message.Text, m)
		}
		where, at := *l.PhysicalLocation.ArtifactLocation.URI, l.PhysicalLocation.Region
		u, err := url.Parse(where)
		if err != nil || u.Scheme != "" || u.Host != "" || u.RawQuery != "" || u.Fragment != "" || where == "" || where[0] == '/' {
			t.Errorf("location %q is not relative: %v", where, err)
			continue
		}
		for part := range strings.SplitSeq(where, "/") {
			if part == "" || part == "." || part == ".." {
				t.Errorf("location %q leads elsewhere", where)
			}
		}
		if *at.StartLine < 1 || *at.EndLine != *at.StartLine || *at.StartColumn < 1 || *at.EndColumn <= *at.StartColumn {
			t.Errorf("region %d:%d to %d:%d", *at.StartLine, *at.StartColumn, *at.EndLine, *at.EndColumn)
		}
	}
	for _, m := range linked.FindAllStringSubmatch(*r.Message.Text, -1) {
		if !ids[m[2]] || m[1] != m[2] {
			t.Errorf("message %q links to %q", *r.Message.Text, m[0])
		}
	}
}

// readAgain sees that a log which the library reads and writes again has all that
// it had before, beside what the standard takes for granted: no field has a name
// that is ours alone.
func readAgain(t *testing.T, doc string) {
	t.Helper()
	log, err := sarif.FromString(doc, sarif.WithStrictValidation())
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := log.Write(&again); err != nil {
		t.Fatal(err)
	}
	var got, want any
	for text, into := range map[string]*any{doc: &want, again.String(): &got} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	contains(t, "log", got, want)
}

// contains sees that all of part is in whole.
func contains(t *testing.T, at string, whole, part any) {
	t.Helper()
	switch p := part.(type) {
	case map[string]any:
		w, _ := whole.(map[string]any)
		for name, v := range p {
			contains(t, at+"."+name, w[name], v)
		}
	case []any:
		w, _ := whole.([]any)
		if len(w) != len(p) {
			t.Errorf("%s has %d elements, want %d", at, len(w), len(p))
			return
		}
		for i, v := range p {
			contains(t, fmt.Sprintf("%s[%d]", at, i), w[i], v)
		}
	default:
		if whole != part {
			t.Errorf("%s is %v, want %v", at, whole, part)
		}
	}
}

func TestSARIFPathsAreRelativeURIs(t *testing.T) {
	w := &sarifLog{veil: new(veil)}
	for _, tt := range []struct {
		kind       scanner.Kind
		path, want string
	}{
		{scanner.RefName, "refs/heads/a b", ".git/refs/heads/a%20b"},
		{scanner.FileName, "a b/c", "a%20b/c"},
		{scanner.GitFile, ".git/config", ".git/config"},
		{scanner.Content, "src/a b.env", "src/a%20b.env"},
		{scanner.Content, "a\xff\n%", "a%FF%0A%25"},
		{scanner.Content, "é", "%C3%A9"},
		{scanner.Content, "c:\\x", "c%3A%5Cx"},
		{scanner.Content, "a?b#c", "a%3Fb%23c"},
		{scanner.WorkTreeFile, "-._~", "-._~"},
		// What no checkout has; here no object has a name.
		{scanner.Content, "../x", "input/.._x"},
		{scanner.Content, "/x", "input/_x"},
		{scanner.Content, "", "input/unnamed"},
		{scanner.Input, "(stdin)", "input/%28stdin%29"},
		{scanner.Input, "..", "input/unnamed"},
		{scanner.Input, "/tmp/x", "input/_tmp_x"},
	} {
		if got := w.uri(&scanner.Place{Kind: tt.kind, Path: tt.path}); got != tt.want {
			t.Errorf("uri(%v %q) = %q, want %q", tt.kind, tt.path, got, tt.want)
		}
	}
	inner := scanner.Place{Repository: ".git/modules/a b", Path: "x"}
	if got := w.uri(&inner); got != ".git/modules/a%20b/x" {
		t.Errorf("uri(%q in %q) = %q", inner.Path, inner.Repository, got)
	}
	if inner.Kind = scanner.RefName; w.uri(&inner) != ".git/modules/a%20b/x" {
		t.Errorf("uri(ref %q in %q) = %q", inner.Path, inner.Repository, w.uri(&inner))
	}
}

// Code scanning opens the first location: the one that people can look at.
func TestSARIFPutsWhatIsInHeadFirst(t *testing.T) {
	f := newSample(t).findings[4]
	f.Places = f.Places[:4]
	f.Places[2].Head = &scanner.Position{Line: 77, Column: 3, Offset: 900}
	w := &sarifLog{veil: new(veil)}
	w.text.veil = w.veil
	got := ""
	for _, l := range w.locations(&f) {
		got += fmt.Sprintf("%d %s:%d ", l.ID, l.PhysicalLocation.ArtifactLocation.URI, l.PhysicalLocation.Region.StartLine)
	}
	if want := "1 p/2:77 2 p/0:1 3 p/1:2 4 p/3:4 "; got != want {
		t.Errorf("locations are %q, want %q", got, want)
	}
}

func TestSARIFStaysBelowTheLimitsOfCodeScanning(t *testing.T) {
	f := newSample(t).findings[4]
	f.Places = nil
	for i := range 2 * maxLocations {
		f.Places = append(f.Places, scanner.Place{Path: fmt.Sprint(i), At: scanner.Position{Line: 1, Column: 1}})
	}
	list := []scanner.Finding{f}
	f.Places = f.Places[:1]
	for range maxResults {
		list = append(list, f)
	}
	// The library takes its time over so many results.
	var log struct {
		Runs []struct {
			Results     []json.RawMessage
			Invocations []*sarif.Invocation
		}
	}
	if err := json.Unmarshal([]byte(written(t, "sarif", Options{}, scanner.Summary{Findings: len(list)}, list...)), &log); err != nil {
		t.Fatal(err)
	}
	run, inv := log.Runs[0], log.Runs[0].Invocations[0]
	if n := bytes.Count(run.Results[0], []byte(`"physicalLocation"`)); len(run.Results) != maxResults || n != maxLocations {
		t.Errorf("%d results, the first with %d locations, want %d and %d", len(run.Results), n, maxResults, maxLocations)
	}
	if *inv.ExecutionSuccessful || len(inv.ToolExecutionNotifications) != 1 || *inv.ToolExecutionNotifications[0].Descriptor.ID != "limit" {
		t.Errorf("what was left out is not told: %v, %v", *inv.ExecutionSuccessful, inv.ToolExecutionNotifications)
	}
}

// A rule of a user's own is not told to be about AWS, nor explained by our page.
func TestSARIFTellsUsersRulesApart(t *testing.T) {
	own := descriptor(&rules.Rule{ID: "acme", Title: "Acme token", Kind: rules.Credential, File: "acme.toml", Tags: []string{"acme"}})
	if own.HelpURI != "" || slices.Contains(own.Properties.Tags, "aws") || !slices.Contains(own.Properties.Tags, "acme") {
		t.Errorf("a user's rule has the tags %v and the page %q", own.Properties.Tags, own.HelpURI)
	}
	built := descriptor(rules.Default().Rules()[0])
	if built.HelpURI == "" || !slices.Contains(built.Properties.Tags, "aws") {
		t.Errorf("a built-in rule has the tags %v and the page %q", built.Properties.Tags, built.HelpURI)
	}
}
