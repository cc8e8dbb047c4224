package store

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/box"
)

// fakeGitHub keeps secrets below paths and opens what is sealed for it.
type fakeGitHub struct {
	flaky
	url     string
	public  *[32]byte
	private *[32]byte
	now     time.Time
	secrets map[string]*fakeSecret // by escaped path
}

type fakeSecret struct {
	value      string
	updated    time.Time
	visibility string
	repos      []int64
}

const gitHubToken = "a-token-of-the-tests"

func newFakeGitHub(t *testing.T) *fakeGitHub {
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeGitHub{public: public, private: private, now: time.Unix(1_800_000_000, 0).UTC(), secrets: map[string]*fakeSecret{}}
	srv := httptest.NewServer(http.HandlerFunc(f.handle))
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

func (f *fakeGitHub) handle(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	in := map[string]any{}
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &in)
	f.serve(w, r, r.Method+" "+path, string(body), func(w http.ResponseWriter) {
		if r.Header.Get("Authorization") != "Bearer "+gitHubToken {
			say(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
			return
		}
		f.now = f.now.Add(time.Second)
		switch dir, name, _ := strings.Cut(path, "/secrets/"); {
		case path == "/repos/octo/app":
			say(w, http.StatusOK, map[string]any{"id": 4711})
		case !strings.HasPrefix(dir, "/repos/octo/app/actions") && !strings.HasPrefix(dir, "/orgs/octo/actions") && dir != "/repositories/4711/environments/"+url.PathEscape("prod: eu/1"):
			say(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
		case name == "public-key":
			say(w, http.StatusOK, map[string]any{"key_id": "k1", "key": base64.StdEncoding.EncodeToString(f.public[:])})
		case strings.HasSuffix(name, "/repositories"):
			f.readers(w, r, strings.TrimSuffix(path, "/repositories"))
		default:
			f.secret(w, r.Method, path, name, in)
		}
	})
}

func (f *fakeGitHub) secret(w http.ResponseWriter, method, path, name string, in map[string]any) {
	s := f.secrets[path]
	switch {
	case method == http.MethodPut:
		f.write(w, path, in)
	case s == nil:
		say(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
	case method == http.MethodDelete:
		delete(f.secrets, path)
		w.WriteHeader(http.StatusNoContent)
	default:
		say(w, http.StatusOK, map[string]any{"name": name, "created_at": s.updated, "updated_at": s.updated, "visibility": s.visibility})
	}
}

func (f *fakeGitHub) write(w http.ResponseWriter, path string, in map[string]any) {
	sealed, _ := base64.StdEncoding.DecodeString(fmt.Sprint(in["encrypted_value"]))
	value, ok := box.OpenAnonymous(nil, sealed, f.public, f.private)
	if !ok || in["key_id"] != "k1" {
		say(w, http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed"})
		return
	}
	status := http.StatusNoContent
	if f.secrets[path] == nil {
		f.secrets[path], status = &fakeSecret{}, http.StatusCreated
	}
	s := f.secrets[path]
	s.value, s.updated, s.repos = string(value), f.now, nil
	s.visibility, _ = in["visibility"].(string)
	list, _ := in["selected_repository_ids"].([]any)
	for _, id := range list {
		s.repos = append(s.repos, int64(id.(float64)))
	}
	w.WriteHeader(status)
}

// readers gives one repository a page.
func (f *fakeGitHub) readers(w http.ResponseWriter, r *http.Request, path string) {
	page := 1
	_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
	repos := f.secrets[path].repos
	if page < len(repos) {
		w.Header().Set("Link", fmt.Sprintf(`<http://elsewhere.invalid/x?page=%d>; rel="next"`, page+1))
	}
	say(w, http.StatusOK, map[string]any{"total_count": len(repos), "repositories": []any{map[string]any{"id": repos[page-1]}}})
}

func say(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
