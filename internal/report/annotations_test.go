package report

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner"
)

// ran reads annotations as GitHub's runner would, and fails where a line is none.
func ran(t testing.TB, out string) (list []annotation) {
	t.Helper()
	undo := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%")
	for line := range strings.Lines(out) {
		line, ended := strings.CutSuffix(line, "\n")
		if !ended || strings.Contains(line, "##[") || !harmless(strings.TrimPrefix(line, "::")) {
			t.Errorf("line %q", line)
		}
		line, isCommand := strings.CutPrefix(strings.TrimSpace(line), "::")
		head, message, isWhole := strings.Cut(line, "::")
		name, properties, _ := strings.Cut(head, " ")
		if !isCommand || !isWhole || name != "error" && name != "warning" && name != "notice" {
			t.Errorf("line %q is no annotation", line)
		}
		a := annotation{level: name, message: undo.Replace(message)}
		for p := range strings.SplitSeq(strings.TrimSpace(properties), ",") {
			name, value, _ := strings.Cut(p, "=")
			switch value = undo.Replace(value); name {
			case "file":
				a.path = value
			case "line":
				a.line, _ = strconv.Atoi(value)
			case "col":
				a.column, _ = strconv.Atoi(value)
			case "title":
				a.title = value
			case "endLine":
			default:
				t.Errorf("line %q has the property %q", line, name)
			}
		}
		for said := range strings.Lines(a.title + "\n" + a.message) {
			if !harmless(strings.TrimSuffix(said, "\n")) {
				t.Errorf("the runner reads %q", said)
			}
		}
		list = append(list, a)
	}
	return list
}

// onePlace is a finding with a place.
func onePlace(t testing.TB, p scanner.Place) scanner.Finding {
	f := newSample(t).findings[0]
	f.Places = []scanner.Place{p}
	return f
}

func TestAnnotationsStandWhereTheKeyIs(t *testing.T) {
	at := func(line int) scanner.Position { return scanner.Position{Line: line, Column: 3} }
	head, tree := at(40), at(50)
	here := scanner.Place{Kind: scanner.Content, Path: "a,b:c%.env", At: at(4), Head: &head}
	before := scanner.Place{Kind: scanner.Content, Path: "old.env", At: at(4), Commit: &scanner.Commit{}}
	for name, tt := range map[string]struct {
		places []scanner.Place
		path   string
		line   int
	}{
		"the line of HEAD":       {[]scanner.Place{here}, "a,b:c%.env", 40},
		"HEAD before history":    {[]scanner.Place{before, here}, "a,b:c%.env", 40},
		"the work tree":          {[]scanner.Place{{Kind: scanner.Content, Path: "x", At: at(4), WorkTree: &tree}}, "x", 50},
		"a file not committed":   {[]scanner.Place{{Kind: scanner.WorkTreeFile, Path: "x", At: at(4)}}, "x", 4},
		"no line of old commits": {[]scanner.Place{before}, "old.env", 0},
		"a file, not a message":  {[]scanner.Place{{Kind: scanner.CommitText, At: at(5), Head: &head}, before}, "old.env", 0},
		"a message":              {[]scanner.Place{{Kind: scanner.CommitText, At: at(5), Head: &head}}, "", 0},
		"a name":                 {[]scanner.Place{{Kind: scanner.FileName, Path: "x", At: at(1), Head: &head}}, "x", 0},
		"a branch":               {[]scanner.Place{{Kind: scanner.RefName, Path: "refs/heads/x", At: at(1)}}, "", 0},
		"an archive":             {[]scanner.Place{{Kind: scanner.Content, Path: "x.zip", Member: "!a", At: at(9), Head: &head}}, "x.zip", 0},
		"a submodule":            {[]scanner.Place{{Kind: scanner.Content, Repository: ".git/modules/m", Path: "x", At: at(9), Head: &head}}, "", 0},
		"out of the repository":  {[]scanner.Place{{Kind: scanner.Content, Path: "../x", At: at(9), Head: &head}}, "", 0},
		"a name that is changed": {[]scanner.Place{{Kind: scanner.Content, Path: "x\n::error::", At: at(9), Head: &head}}, "", 0},
		"nowhere":                {nil, "", 0},
	} {
		f := onePlace(t, before)
		f.Places = tt.places
		list := ran(t, written(t, "github", Options{Scope: All}, scanner.Summary{Bytes: 1}, f))
		if len(list) != 1 || list[0].path != tt.path || list[0].line != tt.line || list[0].level != "error" || !strings.Contains(list[0].title, f.Key.ID) {
			t.Errorf("%s: %+v, want %q line %d", name, list, tt.path, tt.line)
		}
		old := len(tt.places) == 1 && tt.places[0].Path == "old.env"
		if len(list) == 1 && old != strings.Contains(list[0].message, "no longer has it") {
			t.Errorf("%s: the message is %q", name, list[0].message)
		}
	}
}

func TestAnnotationsKeepToGitHubsLimits(t *testing.T) {
	var keys []scanner.Finding
	r := rulestest.Rand(5)
	for i := range 40 {
		f := onePlace(t, scanner.Place{Kind: scanner.WorkTreeFile, Path: fmt.Sprint("f", i), At: scanner.Position{Line: 1, Column: 1}})
		f.Key.ID = rulestest.KeyID(r, "AKIA")
		keys = append(keys, f)
	}
	states := map[string]verify.State{}
	for i := range 13 {
		states[keys[i].Key.ID] = verify.Gone
		states[keys[i+13].Key.ID] = verify.WrongSecret
	}
	states[keys[39].Key.ID] = verify.Live
	verdict := func(f *scanner.Finding) *verify.Verdict {
		if s, ok := states[f.Key.ID]; ok {
			return verdictOf(s, "because")
		}
		return nil
	}
	whole, cut := scanner.Summary{Bytes: 1}, scanner.Summary{Bytes: 1, Shallow: 1}
	for name, tt := range map[string]struct {
		keys                     []scanner.Finding
		sum                      scanner.Summary
		o                        Options
		errors, warnings, notice int
		rest                     string
	}{
		"none":          {nil, whole, Options{}, 0, 0, 0, ""},
		"ten":           {keys[:10], whole, Options{}, 10, 0, 0, ""},
		"eleven":        {keys[:11], whole, Options{}, 10, 0, 0, "2 more leaked keys"},
		"ten, cut":      {keys[:10], cut, Options{}, 10, 0, 0, "2 more leaked keys"},
		"nine, cut":     {keys[:9], cut, Options{}, 10, 0, 0, ""},
		"of all levels": {keys, cut, Options{Verdict: verdict}, 10, 10, 10, "6 more leaked keys"},
		"nothing":       {nil, scanner.Summary{}, Options{}, 1, 0, 0, ""},
		"nothing new":   {nil, scanner.Summary{}, Options{Scope: Staged}, 0, 0, 0, ""},
		"cut":           {nil, cut, Options{}, 1, 0, 0, ""},
	} {
		list := ran(t, written(t, "github", tt.o, tt.sum, tt.keys...))
		count, rest := map[string]int{}, ""
		for _, a := range list {
			if count[a.level]++; strings.Contains(a.title, "more leaked") && a.level == "error" {
				rest = a.title
			}
		}
		if count["error"] != tt.errors || count["warning"] != tt.warnings || count["notice"] != tt.notice || rest != tt.rest {
			t.Errorf("%s: %v, rest %q, want %d errors, %d warnings, %d notices, rest %q", name, count, rest, tt.errors, tt.warnings, tt.notice, tt.rest)
		}
		if name == "of all levels" && !strings.Contains(list[0].title, keys[39].Key.ID) {
			t.Errorf("the first is %+v, want the live key %s", list[0], keys[39].Key.ID)
		}
	}
}

func TestAnnotationsOfHostileText(t *testing.T) {
	for _, s := range hostile {
		checkAnnotations(t, s)
	}
}

// checkAnnotations: whatever a repository holds, there is one command for each key,
// one for what was not read, and no other.
func checkAnnotations(t *testing.T, s string) {
	t.Helper()
	f, sum, o := marked(t, s)
	list := ran(t, written(t, "github", o, sum, f, f))
	if len(list) != 3 || list[2].title != "Not everything was read" {
		t.Fatalf("%q makes %d annotations: %+v", s, len(list), list)
	}
	for _, a := range list[:2] {
		if a.path != "" && a.path != s || a.title != "Leaked AWS key "+f.Key.ID {
			t.Errorf("%q makes %+v", s, a)
		}
	}
	f.Places = f.Places[:1]
	f.Places[0].Repository = ""
	if list := ran(t, written(t, "github", o, sum, f)); len(list) != 2 {
		t.Errorf("%q makes %+v", s, list)
	}
}

func FuzzAnnotations(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 10_000 {
			t.Skip()
		}
		checkAnnotations(t, s)
	})
}
