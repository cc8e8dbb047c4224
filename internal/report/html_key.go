package report

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/scanner"
)

const (
	// shownPlaces is how many places of a key a card lists at once; the others
	// stand behind a line that opens, up to maxPagePlaces of them.
	shownPlaces = 8
	// placeChunk is how many of those stand in one list: the browser lays out the
	// lists that are seen.
	placeChunk = 100
	// maxCards is how many keys have a card; others have a line. Ten thousand
	// cards take a browser half a minute.
	maxCards = 1000
	// maxPagePlaces keeps a page that a browser can open: a key in a file that
	// every branch has a copy of stands in tens of thousands.
	maxPagePlaces = 10_000
)

// stateView is what is known of keys, and what that means to whoever reads it.
type stateView struct {
	page                 *page
	ID, Name, Badge, Why string // Badge is the name as it goes with one key
	Count                string
	count, cards         int
}

// states are in the order of what needs doing first.
func (p *page) states() []stateView {
	unknown := stateView{ID: "unknown", Name: "Not verified", Badge: "Not verified", Why: "Nobody has asked AWS about these keys. Take them for live."}
	if p.o.Verdict != nil {
		unknown.Name, unknown.Badge = "Not known", "Not known"
		unknown.Why = "AWS could not be asked about these keys, or gave no answer that decides: each says why. Take them for live."
	}
	return []stateView{
		{ID: "live", Name: "Live", Badge: "Live", Why: "AWS takes these keys. Deactivate them now."},
		{ID: "mismatch", Name: "Another secret", Badge: "Another secret", Why: "AWS knows these key IDs, but with another secret. The keys themselves may be live."},
		unknown,
		{ID: "canary", Name: "Canaries", Badge: "Canary", Why: "Keys laid out as tripwires. Do not try them: whoever uses one is noticed."},
		{ID: "expired", Name: "Expired", Badge: "Expired", Why: "Temporary keys that have ended. Find out what made them, and what they were used for."},
		{ID: "inactive", Name: "Inactive or deleted", Badge: "Inactive", Why: "AWS no longer takes these keys. Find out what they were used for before that."},
	}
}

// class is the state of a key as the page calls it.
func (p *page) class(f *scanner.Finding) string {
	switch state := p.o.stateOf(f); state {
	case verify.WrongSecret.Code():
		return "mismatch"
	case verify.Gone.Code():
		return "inactive"
	default:
		return state
	}
}

// States are those that some key is in.
func (p *page) States() (list []stateView) {
	counts := map[string]int{}
	for i := range p.list {
		counts[p.class(&p.list[i])]++
	}
	room := maxCards
	for _, s := range p.states() {
		if n := counts[s.ID]; n > 0 {
			s.page, s.Count, s.count, s.cards = p, group(int64(n)), n, min(n, room)
			room -= s.cards
			list = append(list, s)
		}
	}
	return list
}

// Keys are the keys in a state that have cards, made one after the other: all at
// once they would take many times the room of the findings.
func (s stateView) Keys() iter.Seq[*keyView] { return s.keys(0, s.cards) }

// Short are those that have a line.
func (s stateView) Short() iter.Seq[*keyView] { return s.keys(s.cards, len(s.page.list)) }

// ShortCount is how many, or "".
func (s stateView) ShortCount() string {
	if s.count <= s.cards {
		return ""
	}
	return group(int64(s.count - s.cards))
}

func (s stateView) keys(from, to int) iter.Seq[*keyView] {
	return func(yield func(*keyView) bool) {
		n := -1
		for i := range s.page.list {
			f := &s.page.list[i]
			if s.page.class(f) != s.ID {
				continue
			}
			if n++; n >= from && n < to && !yield(s.page.key(i, f)) {
				return
			}
		}
	}
}

// keyView is a key as its card shows it.
type keyView struct {
	page   *page
	f      *scanner.Finding
	places int

	Number                int
	ID, Title, Name       string
	State, Badge          string
	Rule, Fingerprint     string
	Head                  string // yes, no, unknown: for the filter
	Since                 int64  // for sorting; 0 without a date
	Facts                 []fact
	Command               string
	Places                int
	PlaceCount, MoreCount string
}

// fact is a row of a card; Code is set in the type that tells 0 from O.
type fact struct {
	Name, Value string
	Code        bool
}

func (p *page) key(i int, f *scanner.Finding) *keyView {
	k := &keyView{
		page: p, f: f, Number: i + 1, ID: Clean(f.Key.ID), Title: titleOf(f), State: p.class(f), Head: "unknown",
		Rule: Clean(f.Rule.ID), Fingerprint: Clean(f.Fingerprint), places: min(len(f.Places), maxPagePlaces),
	}
	k.Name = k.Title
	if k.ID != "" {
		k.Name = k.ID + ", " + k.Title
	}
	for _, s := range p.states() {
		if s.ID == k.State {
			k.Badge = s.Badge
		}
	}
	if in, known := p.o.inHead(f); known {
		k.Head = yesNo(in)
	}
	if f.Key.ID != "" && f.Canary == "" && !isTemporary(f.Key.ID) && !p.o.over(f) {
		k.Command = deactivate(f.Key.ID)
	}
	n := len(f.Places)
	k.Places = n
	k.PlaceCount = fmt.Sprintf("%s %s", group(int64(n)), plural(n, "place", "places"))
	if more := n - shownPlaces; more > 0 {
		k.MoreCount = fmt.Sprintf("%s more %s", group(int64(more)), plural(more, "place", "places"))
	}
	k.facts()
	return k
}

// facts are the rows of a card.
func (k *keyView) facts() {
	p, f := k.page, k.f
	add := func(name, value string, code bool) {
		if value != "" {
			k.Facts = append(k.Facts, fact{name, value, code})
		}
	}
	switch {
	case !f.Key.Secret.IsZero():
		add("Secret", Clean(p.o.secret(f.Key.Secret)), true)
	case len(f.Secrets) > 0:
		add("Perhaps its secret", Clean(p.o.secret(f.Secrets[0].Secret)), true)
		if more := len(f.Secrets) - 1; more > 0 {
			add("Other candidates", group(int64(more)), false)
		}
	}
	add("Session token", Clean(p.o.secret(f.Key.Token)), true)
	add("Account", Clean(f.Account), true)
	add("User", Clean(p.veil.over(f.User)), true)
	if f.Canary != "" {
		add("State", p.o.state(f), false)
	} else if v := p.o.verdict(f); v != nil {
		add("State", p.o.state(f), false)
		if v.State == verify.Live {
			add("ARN", Clean(v.ARN), true)
		}
	}
	if c, when := entered(f); c != nil {
		k.Since = when.Unix()
		since := day(c.Date)
		if who := short(p.veil.over(c.Author), maxName); who != "" {
			since += ", by " + who
		}
		add("Since", since, false)
	}
	add("In HEAD", map[string]string{"yes": "yes, still there", "no": "no", "unknown": k.headUnknown()}[k.Head], false)
	if f.RefCount > 0 {
		add("Reachable from", p.refList(f.Refs, f.RefCount), false)
	}
}

// headUnknown is why nothing is said of HEAD; "" where there is none.
func (k *keyView) headUnknown() string {
	if k.page.o.Scope == Part {
		return "not known: not all of history was looked at"
	}
	return ""
}

// Shown are the places that are seen at once.
func (k *keyView) Shown() iter.Seq[*placeView] { return k.placesFrom(0, min(k.places, shownPlaces)) }

// placeList is a list of places, and the number of its first.
type placeList struct {
	Start  int
	Places iter.Seq[*placeView]
}

// More are the others.
func (k *keyView) More() iter.Seq[placeList] {
	return func(yield func(placeList) bool) {
		for i := shownPlaces; i < k.places; i += placeChunk {
			if !yield(placeList{i + 1, k.placesFrom(i, min(i+placeChunk, k.places))}) {
				return
			}
		}
	}
}

// First is where the key stands first.
func (k *keyView) First() string {
	if len(k.f.Places) == 0 {
		return ""
	}
	return k.page.where(&k.f.Places[0])
}

// Beyond tells how many places the page leaves out.
func (k *keyView) Beyond() string {
	if more := len(k.f.Places) - k.places; more > 0 {
		return fmt.Sprintf("%s more places are not in this page: --format json lists all.", group(int64(more)))
	}
	return ""
}

func (k *keyView) placesFrom(from, to int) iter.Seq[*placeView] {
	return func(yield func(*placeView) bool) {
		for i := from; i < to; i++ {
			if !yield(k.page.placeView(k.f, &k.f.Places[i])) {
				return
			}
		}
	}
}

// placeView is a place as a card lists it.
type placeView struct {
	Where  string
	Marks  []mark
	Notes  []string
	Commit *commitView
}

// mark is a word on where a place still is.
type mark struct{ Class, Text string }

type commitView struct {
	ID, Author, Email, Subject string
	Date                       *dateView
}

func (p *page) placeView(f *scanner.Finding, at *scanner.Place) *placeView {
	v := &placeView{Where: p.where(at)}
	switch {
	case at.Head != nil && at.Kind == scanner.CommitText:
		v.Marks = append(v.Marks, mark{"head", "in the history of HEAD"})
	case at.Head != nil && at.Kind == scanner.Content:
		v.Marks = append(v.Marks, mark{"head", fmt.Sprintf("in HEAD, line %d", at.Head.Line)})
	case at.Head != nil:
		v.Marks = append(v.Marks, mark{"head", "in HEAD"})
	}
	if at.WorkTree != nil && p.o.Scope != Files {
		v.Marks = append(v.Marks, mark{"tree", fmt.Sprintf("in the work tree, line %d", at.WorkTree.Line)})
	}
	if at.Staged && (at.Commit == nil || at.Head == nil) {
		v.Marks = append(v.Marks, mark{"tree", "staged"})
	}
	if at.Unreachable {
		v.Marks = append(v.Marks, mark{"lost", "unreachable: in the object store only"})
	}
	if at.Head == nil && at.Commit != nil && !at.Unreachable && p.o.Scope == All {
		v.Marks = append(v.Marks, mark{"past", "in history only"})
	}
	if at.Secret != nil && !f.Key.Secret.IsZero() {
		v.Notes = append(v.Notes, fmt.Sprintf("its secret is on line %d, column %d", at.Secret.Line, at.Secret.Column))
	}
	if at.Encoding != "" {
		v.Notes = append(v.Notes, "written as "+Clean(at.Encoding))
	}
	if at.Versions > 1 {
		v.Notes = append(v.Notes, group(int64(at.Versions))+" versions have it")
	}
	if c := at.Commit; c != nil {
		v.Commit = &commitView{
			ID: digits(c.ID), Author: short(p.veil.over(c.Author), maxName), Email: short(p.veil.over(c.Email), maxSubject),
			Date: dateViewOf(c.Date), Subject: short(p.veil.over(c.Subject), 2*maxSubject),
		}
	}
	return v
}

// entered is the first commit with a date that can be true, and that date.
func entered(f *scanner.Finding) (first *scanner.Commit, when time.Time) {
	for i := range f.Places {
		c := f.Places[i].Commit
		if c != nil && believable(c.Date) && (first == nil || c.Date.Before(when)) {
			first, when = c, c.Date
		}
	}
	return first, when
}

// believable tells whether a commit can have been made then. AWS had no keys
// before 2004; dates are whatever the author's clock said.
func believable(when time.Time) bool { return when.Year() >= 2004 && when.Year() < 2200 }

func sortedKeys(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
