package review

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestPostMakesOneCommentForEachKeyOverAllRuns(t *testing.T) {
	f := newFake(t)
	list := []Comment{comment(1, "a.env", 2), comment(2, "a.env", 40), comment(3, "b.env", 0), comment(4, "gone.env", 1), comment(5, "", 0), comment(1, "a.env", 2)}
	whole := Posting{Whole: true}
	run := func(when string, list []Comment, how Posting, want Result, writes int) {
		t.Helper()
		f.writes()
		got, err := f.post(list, how)
		if n := f.writes(); err != nil || got != want || n != writes {
			t.Errorf("%s: %+v with %d writes, %v, want %+v with %d", when, got, n, err, want, writes)
		}
	}
	// Tried on the line, then on the file, then gathered.
	run("at first", list, whole, Result{Created: 3, Gathered: 2}, 3+1+2+1)
	where := []string{}
	for _, n := range f.review {
		where = append(where, fmt.Sprint(n.Path, n.Line, n.SubjectType))
	}
	if got := strings.Join(where, " "); got != "a.env2 a.env0file b.env0file" {
		t.Errorf("the comments are at %s", got)
	}
	if body := f.issue[0].Body; len(f.issue) != 1 || !strings.Contains(body, "key 4\n") || !strings.Contains(body, "key 5\n") || strings.Contains(body, "key 1\n") {
		t.Errorf("on the pull request is %q", body)
	}
	run("again", list, whole, Result{Unchanged: 3, Gathered: 2}, 2) // it is tried again whether GitHub takes key 4

	list[0].Body = "key 1 is live\n"
	list = list[:5]
	run("with another text", list, whole, Result{Updated: 1, Unchanged: 2, Gathered: 2}, 3)
	if got := f.review[0].Body; normal(got) != marked(print(1), "key 1 is live\n") {
		t.Errorf("the comment is now %q", got)
	}
	run("with a part of the keys", list[:1], Posting{}, Result{Unchanged: 1}, 0)
	run("with keys gone", list[:1], whole, Result{Unchanged: 1, Gone: 3}, 3)
	for _, n := range []*note{f.review[1], f.review[2], f.issue[0]} {
		if !strings.Contains(n.Body, "no longer in this pull request's commits") || !strings.Contains(n.Body, "must still be turned off") || !strings.Contains(n.Body, "key ") {
			t.Errorf("of a key that is gone: %q", n.Body)
		}
	}
	run("when they stay gone", list[:1], whole, Result{Unchanged: 1}, 0)
	run("when they come back", list, whole, Result{Updated: 2, Unchanged: 1, Gathered: 2}, 2+2+1)
	run("and stay", list, whole, Result{Unchanged: 3, Gathered: 2}, 2)
}

// A text that others can bring into a comment must not pass for a comment of ours.
func TestPostTakesNoCommentOfOthersForIts(t *testing.T) {
	f := newFake(t)
	mine := f.me
	for i, n := range []note{
		{Body: marked(print(1), "nothing to see"), User: author{7, "mallory", "User"}},
		{Body: marked(print(1), "nothing to see"), User: author{8, "github-actions[bot]", "User"}},
		{Body: "said: " + marked(print(1), "x"), User: mine},
		{Body: "x\n" + marked(print(1), "x"), User: mine},
		{Body: marked(print(1), "x"), User: mine, InReplyTo: 5},
		{Body: marked("1", "x"), User: mine},
	} {
		n.ID = int64(i + 1)
		f.review = append(f.review, &n)
	}
	f.issue = append(f.issue, &note{ID: 50, Body: marked(gatheredName, "x"), User: author{7, "mallory", "User"}})
	got, err := f.post([]Comment{comment(1, "a.env", 1), comment(2, "", 0)}, Posting{Whole: true})
	if want := (Result{Created: 1, Gathered: 1}); err != nil || got != want {
		t.Errorf("Post = %+v, %v, want %+v", got, err, want)
	}
	for _, n := range append(f.review[:6:6], f.issue[0]) {
		if strings.Contains(n.Body, "no longer") {
			t.Errorf("comment %d was changed: %q", n.ID, n.Body)
		}
	}
	// Where nobody says whose the token is, a name alone is not enough.
	blind := newFake(t)
	blind.noGraphQL, blind.noUser, blind.review = true, true, f.review[1:2:2]
	if got, err := blind.post([]Comment{comment(1, "a.env", 1)}, Posting{Whole: true}); err != nil || got.Created != 1 {
		t.Errorf("Post = %+v, %v", got, err)
	}
	// What is ours and was changed by others is put right.
	f.review[6].Body = marked(print(1), "all is well")
	if got, err = f.post([]Comment{comment(1, "a.env", 1), comment(2, "", 0)}, Posting{Whole: true}); got.Updated != 1 || err != nil || !strings.Contains(f.review[6].Body, "key 1") {
		t.Errorf("Post = %+v, %v, and the comment is %q", got, err, f.review[6].Body)
	}
}

func TestPostKnowsItsOwnCommentsWithEveryToken(t *testing.T) {
	for name, tt := range map[string]struct {
		me                author
		noGraphQL, noUser bool
	}{
		"a workflow's":                       {author{us, "github-actions[bot]", "Bot"}, false, true},
		"a workflow's on an old server":      {author{us, "github-actions[bot]", "Bot"}, true, true},
		"a person's":                         {author{7, "octocat", "User"}, false, false},
		"a person's, without GraphQL":        {author{7, "octocat", "User"}, true, false},
		"an app's":                           {author{9, "scanner[bot]", "Bot"}, false, true},
		"a workflow's, /user answers nobody": {author{0, "github-actions[bot]", "Bot"}, false, false},
	} {
		f := newFake(t)
		f.me, f.noGraphQL, f.noUser = tt.me, tt.noGraphQL, tt.noUser
		list := []Comment{comment(1, "a.env", 1), comment(2, "", 0)}
		first, err := f.post(list, Posting{})
		second, again := f.post(list, Posting{})
		if err != nil || again != nil || first.Created != 1 || second.Unchanged != 1 || len(f.review) != 1 || len(f.issue) != 1 {
			t.Errorf("%s: %+v, %v, then %+v, %v", name, first, err, second, again)
		}
	}
}

func TestPostMakesSoManyCommentsAndCountsTheRest(t *testing.T) {
	f := newFake(t)
	f.page = 100
	var list []Comment
	for i := range 45 {
		list = append(list, comment(i, "a.env", i+1))
	}
	c, waits := f.client()
	got, err := c.Post(t.Context(), pull, list, Posting{Whole: true})
	if want := (Result{Created: 30, Over: 15}); err != nil || got != want {
		t.Errorf("Post = %+v, %v, want %+v", got, err, want)
	}
	if len(f.issue) != 1 || !strings.Contains(f.issue[0].Body, "Keys that have no comment here: 15.") {
		t.Errorf("on the pull request is %+v", f.issue)
	}
	// GitHub asks for a second between writes: lines 4 to 30 are tried twice.
	if n := len(*waits); n != 30+27 || (*waits)[0] != writePause {
		t.Errorf("%d waits, want %d: %v", n, 30+27, *waits)
	}
	if got, err = f.post(list, Posting{Whole: true}); err != nil || got != (Result{Created: 15, Unchanged: 30, Gone: 1}) {
		t.Errorf("the next run: %+v, %v", got, err)
	}
	if got, err = newFake(t).post(list[:5], Posting{Most: 2}); err != nil || got.Created != 2 || got.Over != 3 {
		t.Errorf("with two at most: %+v, %v", got, err)
	}
}

func TestTheCommentOnThePullRequestHasRoom(t *testing.T) {
	f := newFake(t)
	var list []Comment
	for i := range 50 {
		k := comment(i, "", 0)
		k.Body = strings.Repeat("é", 2500)
		list = append(list, k)
	}
	got, err := f.post(list, Posting{})
	if err != nil || got.Gathered < 10 || got.Gathered+got.Over != 50 || !strings.Contains(f.issue[0].Body, fmt.Sprintf("no comment here: %d.", got.Over)) {
		t.Errorf("Post = %+v, %v", got, err)
	}
	if again, err := f.post(list, Posting{}); err != nil || again != got || len(f.issue) != 1 {
		t.Errorf("again: %+v, %v, want %+v", again, err, got)
	}
	long := comment(99, "a.env", 1)
	long.Body = "x" + strings.Repeat("é", 50_000)
	if got, err := f.post([]Comment{long}, Posting{}); err != nil || got.Created != 1 {
		t.Errorf("of a long text: %+v, %v", got, err)
	}
	if got, err := f.post([]Comment{long}, Posting{}); err != nil || got.Unchanged != 1 {
		t.Errorf("of a long text, again: %+v, %v", got, err)
	}
}

func TestPostRefusesWhatNamesNothing(t *testing.T) {
	f := newFake(t)
	c, _ := f.client()
	for _, p := range []Pull{
		{"", "app", 7, head},
		{"octo", "..", 7, head},
		{"octo", "app/../..", 7, head},
		{"octo", "app", 0, head},
		{"octo", "app", 7, "HEAD"},
		{"octo", "app", 7, ""},
		{"octo?x=", "app", 7, head},
	} {
		if _, err := c.Post(t.Context(), p, nil, Posting{}); err == nil || hintOf(err) == "" {
			t.Errorf("Post(%+v) = %v", p, err)
		}
	}
	if _, err := c.Post(t.Context(), pull, []Comment{{Body: "x"}}, Posting{}); err == nil {
		t.Error("a key without a fingerprint is posted")
	}
	if len(f.asked) != 0 {
		t.Errorf("GitHub was asked %v", f.asked)
	}
}

func hintOf(err error) string {
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return h.Hint()
	}
	return ""
}

func FuzzMarker(f *testing.F) {
	for _, s := range []string{"", "x", ".\r\r\n0", marked(print(1), "x"), marked(gatheredName, ""), "<!-- keyquench ", "\r\n", "<!-- keyquench " + print(1) + " -->"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name, _, ok := unmarked(s); ok && (!strings.HasPrefix(strings.TrimSpace(s), markerStart+name) || name != gatheredName && !fingerprintForm.MatchString(name)) {
			t.Errorf("unmarked(%q) = %q", s, name)
		}
		name, rest, ok := unmarked(marked(print(7), s))
		if !ok || name != print(7) || normal(rest) != normal(s) {
			t.Errorf("unmarked(marked(%q)) = %q, %q, %t", s, name, rest, ok)
		}
		if len(cut(s)) > maxBody {
			t.Errorf("cut leaves %d bytes", len(cut(s)))
		}
	})
}
