package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/keyquench/keyquench/scanner"
)

// The parts of the page. Its style and script stand in it as they are here: the
// policy of the page names them by their hashes, and allows nothing else.
var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/page.js
	pageJS string
)

// pageTemplate is parsed when the first page is written.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Parse(pageHTML))
})

// manyKeys is from how many cards on laying them all out takes a while.
const manyKeys = 100

type page struct {
	text
	sum scanner.Summary
}

// NewHTML writes one page for a person to look at, with everything in it: it
// asks nothing of any server, and no text of a repository is ever part of its
// code.
func NewHTML(w io.Writer, o Options) Writer {
	return &page{text: text{w: w, o: o, look: newPalette(false)}}
}

// Close writes the page.
func (p *page) Close(sum scanner.Summary) error {
	p.sum = sum
	p.o.settle(&p.sum)
	p.veil = newVeil(p.list, &p.o)
	for i := range p.list {
		p.note(&p.list[i], &p.o)
	}
	out := bufio.NewWriterSize(p.w, 1<<16)
	if err := pageTemplate().Execute(out, p); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return out.Flush()
}

// CSS is the style of the page.
func (p *page) CSS() template.CSS { return template.CSS(pageCSS) }

// JS is the script of the page.
func (p *page) JS() template.JS { return template.JS(pageJS) }

// Policy lets the browser run and load what is in the page, and nothing else.
func (p *page) Policy() string {
	return "default-src 'none'; style-src '" + hashOf(pageCSS) + "'; script-src '" + hashOf(pageJS) +
		"'; base-uri 'none'; form-action 'none'"
}

func hashOf(code string) string {
	sum := sha256.Sum256([]byte(code))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Target is what was scanned.
func (p *page) Target() string { return Clean(p.veil.over(p.o.Target)) }

// Version is the program's.
func (p *page) Version() string { return Clean(p.o.Version) }

// Rules identify the rule set.
func (p *page) Rules() string { return Clean(p.o.Rules) }

// When is when the scan ended, if that is known.
func (p *page) When() *dateView {
	if p.o.Time.IsZero() {
		return nil
	}
	return &dateView{stamp(p.o.Time.UTC()), p.o.Time.UTC().Format("2006-01-02 15:04") + " UTC"}
}

// dateView is a date for programs, and for people.
type dateView struct{ Stamp, Text string }

func dateViewOf(when time.Time) *dateView {
	if stamp(when) == "" {
		return nil
	}
	return &dateView{stamp(when), day(when)}
}

// InFull tells that secrets are written in full.
func (p *page) InFull() bool { return p.o.ShowSecrets && p.count > 0 }

// Tone is what kind of news the page has.
func (p *page) Tone() string {
	switch {
	case p.count > 0:
		return "leak"
	case p.sum.Incomplete() || p.nothing():
		return "unsure"
	}
	return "clean"
}

// Headline is the news.
func (p *page) Headline() string {
	switch {
	case p.count > 0:
		return fmt.Sprintf("%s leaked %s", group(int64(p.count)), plural(p.count, "key", "keys"))
	case p.sum.Incomplete():
		return "No keys in what was read, but not everything was read"
	case p.nothing():
		return "Nothing was scanned"
	}
	return "No leaked keys"
}

// nothing tells that nothing was read, which must not pass for a clean scan: the
// path may be wrong. That no change is staged is nothing odd.
func (p *page) nothing() bool { return p.sum.Bytes == 0 && p.o.Scope != Staged }

// Lead says under the headline what it means.
func (p *page) Lead() string {
	switch {
	case p.count > 0 && p.o.Scope == Staged:
		return "The next commit would add " + plural(p.count, "it", "them") + ". Nothing is in history yet."
	case p.live > 0:
		return fmt.Sprintf("AWS takes %s of them now. Deactivate %s before anything else.", group(int64(p.live)), plural(p.live, "it", "them"))
	case p.count > 0 && p.over == p.count:
		return plural(p.count, "AWS no longer takes it.", "AWS no longer takes any of them.") + " What was done with it before is another question."
	case p.count > 0:
		return plural(p.count, "Take it for live until somebody has shown that it is not.", "Take each for live until somebody has shown that it is not.")
	case p.sum.Incomplete():
		return "This scan cannot say that there is no key. What it left out is listed below."
	case p.nothing():
		return "There was nothing to read: look whether the path is right, and the part of history that was chosen."
	}
	return "Everything that was to be read was read, and no rule found a key in it."
}

// Count is how many keys there are.
func (p *page) Count() int { return p.count }

// Many tells that the browser had better lay out only the cards that are seen.
func (p *page) Many() bool { return p.count > manyKeys }

// Steps are what to do now.
func (p *page) Steps() (list []stepView) {
	if p.count == 0 {
		return nil
	}
	for _, s := range p.steps(p.o.Scope) {
		list = append(list, stepView{Text: s.text(), Command: s.command})
	}
	if p.lasting > 1 && p.o.Scope != Staged {
		list[0].Hint = "Each key below has the command with its own ID."
	}
	return list
}

type stepView struct{ Text, Command, Hint string }

// row is a name and what it stands for.
type row struct{ Name, Value string }

// Facts are what to know first: since when, whose, where.
func (p *page) Facts() (list []row) {
	if p.count == 0 {
		return nil
	}
	var first *scanner.Commit
	accounts, head, unknown := map[string]bool{}, 0, 0
	for i := range p.list {
		f := &p.list[i]
		if in, known := p.o.inHead(f); in {
			head++
		} else if !known {
			unknown++
		}
		if f.Account != "" {
			accounts[f.Account] = true
		}
		if c, _ := entered(f); c != nil && (first == nil || c.Date.Before(first.Date)) {
			first = c
		}
	}
	if first != nil {
		since := day(first.Date)
		if who := short(p.veil.over(first.Author), maxName); who != "" {
			since += ", by " + who
		}
		list = append(list, row{"Since", since})
	}
	if p.o.Scope != Files && p.o.Scope != Staged {
		still := fmt.Sprintf("%s of %s", group(int64(head)), group(int64(p.count)))
		if unknown > 0 {
			still += fmt.Sprintf(", %s not known", group(int64(unknown)))
		}
		list = append(list, row{"Still in HEAD", still})
	}
	if len(accounts) > 0 {
		list = append(list, row{plural(len(accounts), "AWS account", "AWS accounts"), accountList(accounts)})
	}
	if p.canaries > 0 {
		list = append(list, row{"Canaries", group(int64(p.canaries))})
	}
	return list
}

// Scanned is what was read, as text would say it.
func (p *page) Scanned() (list []row) {
	s := &p.sum
	add := func(name string, n int64) {
		if n > 0 {
			list = append(list, row{name, group(n)})
		}
	}
	list = append(list, row{"Read", size(s.Bytes) + " in " + duration(s.Elapsed)})
	add("Objects", s.Objects.Total())
	add("Commits", s.Commits)
	add("Files", s.Files)
	add("Read by an earlier scan", s.Cache.Objects)
	add("Known before, not counted", int64(s.Known))
	add("Ignored, not counted", int64(s.Ignored))
	add("Marked as allowed", int64(s.Allowed))
	if s.Cache.Err != nil {
		list = append(list, row{"Cache", Clean(p.veil.over(s.Cache.Err.Error())) + "; this scan lacks nothing for it"})
	}
	return list
}

// Incomplete tells whether something was not read.
func (p *page) Incomplete() bool { return p.sum.Incomplete() }

// Gaps are what is not in the repository.
func (p *page) Gaps() (list []row) {
	for _, g := range gaps(&p.sum) {
		list = append(list, row{g.label + ": " + g.text, g.try})
	}
	return list
}

// Skipped counts what could not be read.
func (p *page) Skipped() string {
	if p.sum.Skipped == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s could not be read", group(p.sum.Skipped), plural(p.sum.Skipped, "thing", "things"))
}

// SkipHelp is what to do about it.
func (p *page) SkipHelp() string { return (&summary{o: p.o}).nextStep(sortedSkips(&p.sum)) }

// Skips name it.
func (p *page) Skips() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, k := range sortedSkips(&p.sum) {
			if !yield(p.veil.skipLine(k)) {
				return
			}
		}
		if n := unnamed(&p.sum); n > 0 {
			yield(fmt.Sprintf("and %s more, which are not named", group(n)))
		}
	}
}

func accountList(accounts map[string]bool) string {
	const most = 4
	names := sortedKeys(accounts)
	list := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		list += fmt.Sprintf(" and %s more", group(int64(more)))
	}
	return Clean(list)
}
