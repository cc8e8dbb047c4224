package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/keyquench/keyquench/scanner"
)

// pageElements are all that the page is made of: none loads anything.
var pageElements = strings.Fields(`html head meta title style body a header p fieldset legend label input main section h1 h2 h3 h4 h5
	strong dl div dt dd ol ul li pre code bdi time span svg line circle text title form select option article details summary footer script`)

// parseHTML reads the page as a browser would, and looks at all that it could do.
func parseHTML(t *testing.T, doc string) (keys, places int) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(doc))
	if err != nil {
		t.Fatalf("read page: %v", err)
	}
	ids := map[string]bool{}
	code := map[string][]string{}
	policy := ""
	for n := range root.Descendants() {
		if n.Type == html.CommentNode {
			t.Errorf("comment %q", n.Data)
		}
		if n.Type != html.ElementNode {
			continue
		}
		if !slices.Contains(pageElements, n.Data) {
			t.Errorf("element <%s>", n.Data)
		}
		attrs := map[string]string{}
		for _, a := range n.Attr {
			attrs[a.Key] = a.Val
			if a.Key == "style" || a.Key == "src" || strings.HasPrefix(a.Key, "on") || a.Key == "href" && !strings.HasPrefix(a.Val, "#") || strings.Contains(a.Val, "ZgotmplZ") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		if id := attrs["id"]; id != "" {
			if ids[id] {
				t.Errorf("the id %q is there twice", id)
			}
			ids[id] = true
		}
		switch {
		case n.Data == "style" || n.Data == "script":
			code[n.Data] = append(code[n.Data], n.FirstChild.Data)
		case attrs["http-equiv"] == "Content-Security-Policy":
			policy = attrs["content"]
		case n.Data == "article", attrs["class"] == "short":
			keys++
		case n.Data == "li" && attrs["class"] == "" && strings.HasPrefix(classOf(n.Parent), "places"):
			places++
		}
	}
	if len(code["style"]) != 1 || len(code["script"]) != 1 {
		t.Fatalf("%d styles and %d scripts, want one of each", len(code["style"]), len(code["script"]))
	}
	if want := fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", hashOf(code["style"][0]), hashOf(code["script"][0])); policy != want {
		t.Errorf("the policy is %q, want %q", policy, want)
	}
	return keys, places
}

func classOf(n *html.Node) string {
	for _, a := range n.Attr {
		if a.Key == "class" {
			return a.Val
		}
	}
	return ""
}

// textOf is all that a page says.
func textOf(t *testing.T, doc string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" && n.Parent.Data != "script" {
			b.WriteString(n.Data + "\n")
		}
	}
	return b.String()
}

// What a repository says is shown as it is, but for what Clean escapes.
func TestPageShowsTextsAsTheyAre(t *testing.T) {
	for _, s := range hostile {
		if len(s) > maxName || strings.TrimSpace(Clean(s)) == "" {
			continue // cut off, or nothing to see
		}
		f, sum, o := marked(t, s)
		text := textOf(t, written(t, "html", o, sum, f))
		for _, want := range []string{Clean(s), Clean(s) + ":1:1", Clean(s) + ": " + Clean(s+"!")} {
			if !strings.Contains(text, want) {
				t.Errorf("the page of %q does not say %q", s, want)
			}
		}
	}
}

// A page with many keys and places has all of them, most behind a line that
// opens.
func TestPageHasEveryKeyAndPlace(t *testing.T) {
	f := newSample(t).findings[4]
	f.Places = slices.Repeat(f.Places[:1], maxPagePlaces+7)
	list := append([]scanner.Finding{f}, slices.Repeat(newSample(t).findings[3:4], maxCards+20)...)
	list = append(list, newSample(t).findings[1]) // in another state, and no card is left for it
	got := written(t, "html", Options{}, scanner.Summary{Bytes: 1, Findings: len(list)}, list...)
	// Those with a line have no list of places.
	if keys, places := parseHTML(t, got); keys != len(list) || places != maxPagePlaces+maxCards-1 {
		t.Errorf("%d keys and %d places, want %d and %d", keys, places, len(list), maxPagePlaces+maxCards-1)
	}
	if text := textOf(t, got); !strings.Contains(text, "7 more places are not in this page") || !strings.Contains(text, "21 more, a line each") {
		t.Error("the page does not tell what it leaves out")
	}
}

func TestHistoryDrawsBelievableDates(t *testing.T) {
	f := newSample(t).findings[0]
	date := func(when time.Time) scanner.Place {
		return scanner.Place{Path: "a", At: scanner.Position{Line: 1, Column: 1}, Commit: &scanner.Commit{Date: when}}
	}
	day := time.Date(2020, 5, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		dates []time.Time
		dots  int
		start string
	}{
		{"none", []time.Time{{}, time.Unix(0, 0), time.Unix(1<<40, 0), time.Unix(-1<<60, 0)}, 0, ""},
		{"one", []time.Time{day}, 1, "2020-04-30"},
		{"wrong clocks beside it", []time.Time{time.Unix(1, 0), day, time.Unix(1<<50, 0)}, 1, "2020-04-30"},
		{"two years", []time.Time{day.AddDate(2, 0, 0), day}, 2, "2020-04-30"},
		{"a hundred commits", slices.Collect(func(yield func(time.Time) bool) {
			for i := range 100 {
				if !yield(day.AddDate(0, 0, i*30)) {
					return
				}
			}
		}), maxDots, "2020-04-30"},
	} {
		f.Places = nil
		for _, d := range tt.dates {
			f.Places = append(f.Places, date(d))
		}
		p := &page{text: text{o: Options{Scope: All}, veil: new(veil)}}
		p.list = []scanner.Finding{f}
		h := p.History()
		if h == nil {
			if tt.dots != 0 {
				t.Errorf("%s: there is no history, want %d dots", tt.name, tt.dots)
			}
			continue
		}
		for l := range h.Lines() {
			if len(l.Dots) != tt.dots || h.Start() != tt.start {
				t.Errorf("%s: %d dots from %s, want %d from %s", tt.name, len(l.Dots), h.Start(), tt.dots, tt.start)
			}
		}
		if n := len(h.Ticks); n == 0 && h.end.Sub(h.start) > 400*24*time.Hour || n > maxTicks {
			t.Errorf("%s: %d ticks from %s to %s", tt.name, n, h.Start(), h.End())
		}
	}
}

// A wrong path must not pass for a clean repository.
func TestPageOfNothingIsNotClean(t *testing.T) {
	got := written(t, "html", Options{}, scanner.Summary{})
	if strings.Contains(got, `class="news clean"`) || !strings.Contains(got, "Nothing was scanned") {
		t.Errorf("the page of a scan of nothing says\n%s", textOf(t, got))
	}
}
