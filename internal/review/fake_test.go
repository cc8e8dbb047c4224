package review

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyquench/keyquench/rules"
)

const (
	token = "a-token-of-the-tests"
	head  = "0123456789abcdef0123456789abcdef01234567"
	us    = 41898282
)

// note is a comment that the fake keeps.
type note struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
	User author `json:"user"`

	Path        string `json:"path,omitempty"`
	Line        int    `json:"line,omitempty"`
	SubjectType string `json:"subject_type,omitempty"`
	InReplyTo   int64  `json:"in_reply_to_id,omitempty"`
}

type author struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
}

// fakeGitHub is a server of one's own, with the repository octo/app and its pull
// request 7. It takes no request but those of GitHub's documentation.
type fakeGitHub struct {
	t   testing.TB
	url string

	mu            sync.Mutex
	me            author
	diff          map[string][]int // the lines of each file
	review, issue []*note
	next          int64
	sarif         []byte
	looks         []string // what is said of the log at each look
	asked         []string // method and path of each request
	noGraphQL     bool
	noUser        bool
	page          int // how many comments are on a page

	// fault answers instead, before or after the request is carried out.
	fault func(w http.ResponseWriter, r *http.Request, carryOut func()) bool
}

func newFake(t testing.TB) *fakeGitHub {
	f := &fakeGitHub{
		t: t, me: author{us, "github-actions[bot]", "Bot"}, next: 100, page: 2,
		diff: map[string][]int{"a.env": {1, 2, 3}, "b.env": {9}},
	}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.url = srv.URL + "/api/v3"
	return f
}

// ServeHTTP implements http.Handler.
func (f *fakeGitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	carryOut := func() { f.answer(httptest.NewRecorder(), r, body) }
	if f.fault != nil && f.fault(w, r, carryOut) {
		return
	}
	f.answer(w, r, body)
}

func (f *fakeGitHub) answer(w http.ResponseWriter, r *http.Request, body []byte) {
	if r.Header.Get("Authorization") != "Bearer "+token {
		say(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
		return
	}
	for name, want := range map[string]string{"User-Agent": "keyquench", "X-Github-Api-Version": "2022-11-28"} {
		if got := r.Header.Get(name); got != want {
			f.t.Errorf("%s %s has %s %q, want %q", r.Method, r.URL, name, got, want)
		}
	}
	if !strings.Contains(r.Header.Get("Accept"), "application/vnd.github") {
		f.t.Errorf("%s %s accepts %q", r.Method, r.URL, r.Header.Get("Accept"))
	}
	if len(body) > 0 && r.Header.Get("Content-Type") != "application/json" {
		f.t.Errorf("%s %s has the type %q", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	const repo = "/api/v3/repos/octo/app"
	switch at := r.Method + " " + r.URL.Path; at {
	case "POST /api/graphql":
		f.graphQL(w, body)
	case "GET /api/v3/user":
		if f.noUser {
			say(w, http.StatusForbidden, map[string]any{"message": "Resource not accessible by integration"})
			return
		}
		say(w, http.StatusOK, f.me)
	case "GET " + repo + "/pulls/7/comments":
		f.list(w, r, f.review)
	case "GET " + repo + "/issues/7/comments":
		f.list(w, r, f.issue)
	case "POST " + repo + "/pulls/7/comments":
		f.comment(w, body)
	case "POST " + repo + "/issues/7/comments":
		f.keep(w, &f.issue, f.edited(body))
	case "POST " + repo + "/code-scanning/sarifs":
		f.upload(w, body)
	case "GET " + repo + "/code-scanning/sarifs/an-id":
		f.look(w)
	default:
		for prefix, list := range map[string][]*note{"PATCH " + repo + "/pulls/comments/": f.review, "PATCH " + repo + "/issues/comments/": f.issue} {
			if id, ok := strings.CutPrefix(at, prefix); ok {
				f.patch(w, list, id, body)
				return
			}
		}
		f.t.Errorf("nobody should ask %s", at)
		say(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
	}
}

// into reads what was sent; a field that GitHub does not know is an error.
func (f *fakeGitHub) into(body []byte, v any) {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		f.t.Errorf("body %s: %v", body, err)
	}
}

func (f *fakeGitHub) graphQL(w http.ResponseWriter, body []byte) {
	var in struct {
		Query string `json:"query"`
	}
	if f.into(body, &in); !strings.Contains(in.Query, "viewer") {
		f.t.Errorf("query %q", in.Query)
	}
	if f.noGraphQL {
		say(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
		return
	}
	say(w, http.StatusOK, map[string]any{"data": map[string]any{"viewer": map[string]any{"databaseId": f.me.ID}}})
}

// list gives a page, and where the next is.
func (f *fakeGitHub) list(w http.ResponseWriter, r *http.Request, all []*note) {
	q := r.URL.Query()
	if q.Get("per_page") != "100" {
		f.t.Errorf("%s asks for %q on a page", r.URL, q.Get("per_page"))
	}
	page := 1
	if q.Has("page") {
		page, _ = strconv.Atoi(q.Get("page"))
	}
	from := min((page-1)*f.page, len(all))
	to := min(from+f.page, len(all))
	if to < len(all) {
		w.Header().Set("Link", fmt.Sprintf(`<http://elsewhere.invalid%s?page=%d>; rel="next", <http://elsewhere.invalid/?page=99>; rel="last"`, r.URL.Path, page+1))
	}
	say(w, http.StatusOK, slices.Concat([]*note{}, all[from:to]))
}

func (f *fakeGitHub) comment(w http.ResponseWriter, body []byte) {
	var in struct {
		Body        string `json:"body"`
		CommitID    string `json:"commit_id"`
		Path        string `json:"path"`
		Side        string `json:"side"`
		Line        int    `json:"line"`
		SubjectType string `json:"subject_type"`
	}
	f.into(body, &in)
	onLine := in.Side == "RIGHT" && in.Line > 0 && in.SubjectType == ""
	onFile := in.Side == "" && in.Line == 0 && in.SubjectType == "file"
	if in.Body == "" || in.CommitID != head || in.Path == "" || onLine == onFile {
		f.t.Errorf("comment %s", body)
	}
	lines, ok := f.diff[in.Path]
	if !ok || onLine && !slices.Contains(lines, in.Line) {
		say(w, http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed", "errors": []any{map[string]any{"resource": "PullRequestReviewComment", "code": "custom", "field": "pull_request_review_thread.line", "message": "must be part of the diff"}}})
		return
	}
	f.keep(w, &f.review, note{Body: in.Body, Path: in.Path, Line: in.Line, SubjectType: in.SubjectType})
}

// edited is a body that has a text only.
func (f *fakeGitHub) edited(body []byte) note {
	var in struct {
		Body string `json:"body"`
	}
	if f.into(body, &in); in.Body == "" || len(in.Body) > 65536 {
		f.t.Errorf("a comment of %d bytes", len(in.Body))
	}
	return note{Body: in.Body}
}

func (f *fakeGitHub) keep(w http.ResponseWriter, list *[]*note, n note) {
	f.next++
	n.ID, n.User = f.next, f.me
	*list = append(*list, &n)
	say(w, http.StatusCreated, n)
}

func (f *fakeGitHub) patch(w http.ResponseWriter, list []*note, id string, body []byte) {
	for _, n := range list {
		if strconv.FormatInt(n.ID, 10) == id {
			// GitHub keeps line ends as a browser sends them.
			n.Body = strings.ReplaceAll(f.edited(body).Body, "\n", "\r\n")
			say(w, http.StatusOK, n)
			return
		}
	}
	f.t.Errorf("there is no comment %s", id)
	say(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
}

func say(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// client is one whose waits are written down, not waited.
func (f *fakeGitHub) client() (*Client, *[]time.Duration) {
	f.t.Helper()
	var waits []time.Duration
	c, err := New(Options{URL: f.url, Token: rules.NewSecret(token), Sleep: func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return ctx.Err()
	}})
	if err != nil {
		f.t.Fatal(err)
	}
	return c, &waits
}

// post posts with a new client, as another run would.
func (f *fakeGitHub) post(list []Comment, how Posting) (Result, error) {
	c, _ := f.client()
	return c.Post(f.t.Context(), pull, list, how)
}

var pull = Pull{Owner: "octo", Repo: "app", Number: 7, Head: head}

// writes counts the requests that change something, and forgets all.
func (f *fakeGitHub) writes() (n int) {
	for _, a := range f.asked {
		if !strings.HasPrefix(a, "GET ") && !strings.HasSuffix(a, "/graphql") {
			n++
		}
	}
	f.asked = nil
	return n
}

func print(n int) string { return fmt.Sprintf("%032x", n) }

func comment(n int, path string, line int) Comment {
	return Comment{Fingerprint: print(n), Path: path, Line: line, Body: fmt.Sprintf("key %d\n", n)}
}
