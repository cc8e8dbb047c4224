package review

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"
)

const (
	// defaultMost is how many comments a run makes if nobody says otherwise: more,
	// nobody reads one by one.
	defaultMost = 30
	// maxBody is the longest comment that GitHub takes, less a margin.
	maxBody = 65_000
	// maxPages bounds how many comments of a pull request are looked through, a
	// hundred on a page.
	maxPages = 100
)

// said is a comment of ours.
type said struct {
	id   int64
	text string // without its marker
}

// board is the comments of one pull request.
type board struct {
	c    *Client
	pull Pull
	me   account
	// keys are our comments on lines and files, by fingerprint; whole is the one on
	// the pull request, nil when there is none.
	keys   map[string]said
	whole  *said
	result Result
}

// Post makes, updates and ends the comments of a pull request. A key has one
// comment, over all runs: on its line if the diff has it, else on its file; those
// that GitHub takes on neither share one comment on the pull request. Comments of
// other accounts are never taken for ours, whatever is in them.
//
// The error has a Hint.
func (c *Client) Post(ctx context.Context, p Pull, list []Comment, how Posting) (Result, error) {
	b := &board{c: c, pull: p}
	err := b.post(ctx, list, how)
	return b.result, advised(err, "give the job permissions: pull-requests: write")
}

func (b *board) post(ctx context.Context, list []Comment, how Posting) error {
	if err := b.check(list); err != nil {
		return err
	}
	var err error
	if b.me, err = b.c.whoami(ctx); err != nil {
		return err
	}
	if err := b.load(ctx); err != nil {
		return err
	}
	most := how.Most
	if most <= 0 {
		most = defaultMost
	}
	found := map[string]bool{}
	var gathered []Comment
	over, tried := 0, 0
	for _, k := range list {
		if found[k.Fingerprint] {
			continue
		}
		found[k.Fingerprint] = true
		if old, ok := b.keys[k.Fingerprint]; ok {
			if err := b.update(ctx, k.Fingerprint, old, k.Body); err != nil {
				return err
			}
			continue
		}
		if k.Path == "" {
			gathered = append(gathered, k)
			continue
		}
		if tried == most {
			over++
			continue
		}
		tried++
		placed, err := b.create(ctx, k)
		if err != nil {
			return err
		}
		if !placed {
			gathered = append(gathered, k)
		}
	}
	if err := b.gather(ctx, gathered, over, how.Whole); err != nil || !how.Whole {
		return err
	}
	return b.end(ctx, found)
}

func (b *board) check(list []Comment) error {
	const op = "comment on the pull request"
	if err := checkRepo(op, b.pull.Owner, b.pull.Repo); err != nil {
		return err
	}
	if b.pull.Number < 1 {
		return &Error{Op: op, text: fmt.Sprintf("there is no pull request %d", b.pull.Number)}
	}
	for _, k := range list {
		if !fingerprintForm.MatchString(k.Fingerprint) {
			return &Error{Op: op, text: "a key has no fingerprint"}
		}
	}
	return checkCommit(op, b.pull.Head)
}

// load reads which comments are ours.
func (b *board) load(ctx context.Context) error {
	b.keys, b.whole = map[string]said{}, nil
	err := b.pages(ctx, "read the comments of the pull request", func(ctx context.Context, page int) (*github.Response, error) {
		list, resp, err := b.c.api.PullRequests.ListComments(ctx, b.pull.Owner, b.pull.Repo, b.pull.Number, &github.PullRequestListCommentsOptions{
			ListOptions: github.ListOptions{Page: page, PerPage: 100},
		})
		for _, k := range list {
			name, text, ok := unmarked(k.GetBody())
			if _, known := b.keys[name]; ok && !known && name != gatheredName && b.me.wrote(k.User) && k.GetInReplyTo() == 0 {
				b.keys[name] = said{k.GetID(), text}
			}
		}
		return resp, err
	})
	if err != nil {
		return err
	}
	return b.pages(ctx, "read the comments on the pull request", func(ctx context.Context, page int) (*github.Response, error) {
		list, resp, err := b.c.api.Issues.ListComments(ctx, b.pull.Owner, b.pull.Repo, b.pull.Number, &github.IssueListCommentsOptions{
			ListOptions: github.ListOptions{Page: page, PerPage: 100},
		})
		for _, k := range list {
			if name, text, ok := unmarked(k.GetBody()); ok && name == gatheredName && b.whole == nil && b.me.wrote(k.User) {
				b.whole = &said{k.GetID(), text}
			}
		}
		return resp, err
	})
}

// pages reads a list page by page, as far as GitHub says that there is more.
func (b *board) pages(ctx context.Context, op string, read func(ctx context.Context, page int) (*github.Response, error)) error {
	for page := 1; page != 0; {
		if page > maxPages {
			return &Error{Op: op, text: fmt.Sprintf("there are more than %d", maxPages*100), hint: "the annotations have everything; comments can be turned off"}
		}
		var next int
		err := b.c.read(ctx, op, func(ctx context.Context) error {
			resp, err := read(ctx, page)
			if err == nil {
				next = resp.NextPage
			}
			return err
		})
		if err != nil {
			return err
		}
		if next != 0 && next <= page {
			return &Error{Op: op, text: "GitHub's pages go round in circles"}
		}
		page = next
	}
	return nil
}

// update changes a comment that says something else.
func (b *board) update(ctx context.Context, fingerprint string, old said, body string) error {
	if normal(old.text) == normal(cut(body)) {
		b.result.Unchanged++
		return nil
	}
	if err := b.edit(ctx, fingerprint, old.id, body); err != nil {
		return err
	}
	b.result.Updated++
	return nil
}

func (b *board) edit(ctx context.Context, fingerprint string, id int64, body string) error {
	return b.c.write(ctx, "change a comment", func(ctx context.Context) error {
		_, _, err := b.c.api.PullRequests.EditComment(ctx, b.pull.Owner, b.pull.Repo, id, &github.PullRequestComment{
			Body: new(marked(fingerprint, cut(body))),
		})
		return err
	}, nil)
}

// create makes a comment on the line or on the file; placed is false when GitHub
// takes neither, as the diff does not show them.
func (b *board) create(ctx context.Context, k Comment) (placed bool, err error) {
	onFile := &github.PullRequestComment{
		Body: new(marked(k.Fingerprint, cut(k.Body))), CommitID: &b.pull.Head, Path: &k.Path, SubjectType: new("file"),
	}
	tries := []*github.PullRequestComment{onFile}
	if k.Line > 0 {
		onLine := *onFile
		onLine.SubjectType, onLine.Line, onLine.Side = nil, &k.Line, new("RIGHT")
		tries = []*github.PullRequestComment{&onLine, onFile}
	}
	for _, try := range tries {
		err := b.c.write(ctx, "make a comment", func(ctx context.Context) error {
			_, _, err := b.c.api.PullRequests.CreateComment(ctx, b.pull.Owner, b.pull.Repo, b.pull.Number, try)
			return err
		}, func(ctx context.Context) (bool, error) {
			// Whether it was made is not known: a second one would stay for good.
			err := b.load(ctx)
			_, ok := b.keys[k.Fingerprint]
			return ok, err
		})
		if err == nil {
			b.result.Created++
			return true, nil
		}
		if statusOf(err) != http.StatusUnprocessableEntity {
			return false, err
		}
	}
	return false, nil
}

// gather writes the one comment on the pull request.
func (b *board) gather(ctx context.Context, list []Comment, over int, whole bool) error {
	if len(list) == 0 && over == 0 {
		if b.whole == nil || !whole || strings.HasPrefix(b.whole.text, allGoneNote) {
			return nil
		}
		b.result.Gone++
		return b.editWhole(ctx, allGoneNote+b.whole.text)
	}
	body, shown := gatheredBody(list, over)
	over += len(list) - shown
	b.result.Gathered, b.result.Over = shown, over
	if b.whole != nil {
		if normal(b.whole.text) == normal(body) {
			return nil
		}
		return b.editWhole(ctx, body)
	}
	return b.c.write(ctx, "make the comment on the pull request", func(ctx context.Context) error {
		_, _, err := b.c.api.Issues.CreateComment(ctx, b.pull.Owner, b.pull.Repo, b.pull.Number, &github.IssueComment{Body: new(marked(gatheredName, body))})
		return err
	}, func(ctx context.Context) (bool, error) {
		err := b.load(ctx)
		return b.whole != nil, err
	})
}

// gatheredBody tells of as many keys as there is room for, and counts the others.
func gatheredBody(list []Comment, over int) (body string, shown int) {
	const reserve = 1000 // for the marker and the line that counts
	s := strings.Builder{}
	s.WriteString("**Leaked keys in this pull request that have no line of their own in its diff**\n")
	for _, k := range list {
		part := "\n---\n\n" + cut(k.Body)
		if s.Len()+len(part) > maxBody-reserve {
			break
		}
		s.WriteString(part + "\n")
		shown++
	}
	if over += len(list) - shown; over > 0 {
		fmt.Fprintf(&s, "\n---\n\nKeys that have no comment here: %d. The summary of the job and its log have all.\n", over)
	}
	return s.String(), shown
}

func (b *board) editWhole(ctx context.Context, body string) error {
	return b.c.write(ctx, "change the comment on the pull request", func(ctx context.Context) error {
		_, _, err := b.c.api.Issues.EditComment(ctx, b.pull.Owner, b.pull.Repo, b.whole.id, &github.IssueComment{Body: new(marked(gatheredName, cut(body)))})
		return err
	}, nil)
}

// end says of comments whose key was not found that it is gone. They stay: the key
// has leaked all the same.
func (b *board) end(ctx context.Context, found map[string]bool) error {
	for _, fingerprint := range slices.Sorted(maps.Keys(b.keys)) {
		old := b.keys[fingerprint]
		if found[fingerprint] || strings.HasPrefix(old.text, goneNote) {
			continue
		}
		if err := b.edit(ctx, fingerprint, old.id, goneNote+old.text); err != nil {
			return err
		}
		b.result.Gone++
	}
	return nil
}
