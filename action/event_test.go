package action_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/action"
)

var (
	one = strings.Repeat("1", 40)
	two = strings.Repeat("2", 64)
)

func TestReadEvent(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       action.Event
	}{
		{"pull_request", pullEvent(one, two, 3), action.Event{Kind: action.Pull, Head: two, Base: one, Commits: 3, Number: 7, Default: "main"}},
		{"pull_request_target", pullEvent(one, two, 3), action.Event{Kind: action.Pull, Head: two, Base: one, Commits: 3, Number: 7, Default: "main"}},
		{
			"pull_request_review", `{"pull_request": {"number": 4, "head": {"sha": "` + one + `"}, "base": {"sha": "` + two + `"}}}`,
			action.Event{Kind: action.Pull, Head: one, Base: two, Commits: -1, Number: 4},
		},
		{"push", pushEvent("refs/heads/a", one, two, one, two), action.Event{Kind: action.Push, Head: two, Base: one, Ref: "refs/heads/a", Commits: 2, Default: "main"}},
		{"push", pushEvent("refs/heads/a", none, one), action.Event{Kind: action.Push, Head: one, Ref: "refs/heads/a", Default: "main"}},
		{"push", pushEvent("refs/tags/v1", one, none), action.Event{Kind: action.Deletion, Head: none, Base: one, Ref: "refs/tags/v1", Default: "main"}},
		{"merge_group", queueEvent(one, two), action.Event{Kind: action.Queue, Head: two, Base: one, Commits: -1, Default: "main"}},
		{"schedule", `{"schedule": "0 3 * * *"}`, action.Event{Kind: action.Everything, Commits: -1}},
		{"workflow_dispatch", `{"ref": "refs/heads/main", "inputs": null}`, action.Event{Kind: action.Everything, Commits: -1}},
		// A field of another type is none of ours where the event has another meaning.
		{"some_event", `{"ref": 1, "before": [], "commits": 3, "pull_request": "x", "number": "n"}`, action.Event{Kind: action.Everything, Commits: -1}},
	} {
		got := event(t, tt.name, tt.text)
		if got.Kind != tt.want.Kind || got.Head != tt.want.Head || got.Base != tt.want.Base || got.Ref != tt.want.Ref ||
			got.Commits != tt.want.Commits || got.Number != tt.want.Number || got.Default != tt.want.Default || got.Name != tt.name {
			t.Errorf("ReadEvent(%s, %s) = %+v, want %+v", tt.name, tt.text, got, tt.want)
		}
	}
}

func TestReadEventRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"push", ``, "not the JSON of an event"},
		{"push", `null`, "null"},
		{"schedule", `[]`, "not the JSON of an event"},
		{"schedule", `{} {}`, "not the JSON of an event"},
		{"push", `{}`, "it has no after"},
		{"push", pushEvent("refs/heads/a", one, "--upload-pack=touch x"), "after is no object's name"},
		{"push", pushEvent("refs/heads/a", "HEAD", one), "before is no object's name"},
		{"push", pushEvent("refs/heads/a", strings.ToUpper(strings.Repeat("a", 40)), one), "before is no object's name"},
		{"push", pushEvent("main", one, two), "it has no ref"},
		{"push", strings.Replace(pushEvent("refs/heads/a", one, two), `"deleted": false`, `"deleted": true`, 1), "contradict"},
		{"push", strings.Replace(pushEvent("refs/heads/a", one, two), `"commits": []`, `"commits": "none"`, 1), "not the JSON of an event"},
		{"pull_request", `{}`, "it has no pull_request"},
		{"pull_request", `{"pull_request": {"head": {"sha": "` + one + `"}}}`, "no head or no base"},
		{"pull_request", `{"pull_request": {"head": {"sha": 7}, "base": {}}}`, "its pull_request.head.sha is of another type than it should be: number"},
		{"push", `7`, "it is of another type"},
		{"pull_request", `{"pull_request": {"head": {}, "base": {}}}`, "it has no pull_request.head.sha"},
		{"pull_request", pullEvent(none, one, 1), "pull_request.base.sha is zero"},
		{"pull_request", pullEvent(one, none, 1), "pull_request.head.sha is zero"},
		{"pull_request", pullEvent(one, two, -1), "commits is -1"},
		{"pull_request", strings.Replace(pullEvent(one, two, 1), `"commits": 1`, `"commits": 1e300`, 1), "not the JSON of an event"},
		{"merge_group", `{"merge_group": null}`, "it has no merge_group"},
		{"merge_group", queueEvent("x", one), "base_sha is no object's name"},
	} {
		e, err := action.ReadEvent(tt.name, strings.NewReader(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "Go ") {
			t.Errorf("ReadEvent(%s, %s) = %+v, %v, want an error with %q", tt.name, tt.text, e, err, tt.want)
		}
	}
	number := strings.NewReader(`{"pull_request": {"number": 1` + strings.Repeat("0", 1<<20) + `}}`)
	if e, err := action.ReadEvent("pull_request", number); err == nil || len(err.Error()) > 200 {
		t.Errorf("ReadEvent of a number of a million digits = %+v and an error of %d bytes, want one line", e, len(fmt.Sprint(err)))
	}
	long := strings.NewReader(`{"a": "` + strings.Repeat("x", 40<<20) + `"}`)
	if e, err := action.ReadEvent("push", long); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("ReadEvent of 40 MB = %+v, %v, want that it is too long", e, err)
	}
}

func TestOpenEventSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	wrong := filepath.Join(dir, "wrong.json")
	if err := os.WriteFile(wrong, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "missing"), dir, wrong} {
		_, err := action.OpenEvent(action.Runner{EventName: "push", EventPath: path})
		e, ok := errors.AsType[*action.Error](err)
		if !ok || e.Hint() == "" {
			t.Errorf("OpenEvent(%s) = %v, want an Error with a hint", path, err)
		}
	}
}

func TestMistrust(t *testing.T) {
	same := pullEvent(one, two, 1)
	for _, tt := range []struct{ name, text, want string }{
		{"push", pushEvent("refs/heads/a", one, two), ""},
		{"merge_group", queueEvent(one, two), ""},
		{"schedule", `{}`, ""},
		{"workflow_dispatch", `{}`, ""},
		{"pull_request", same, ""},
		{"pull_request", strings.Replace(same, `"repo": {"id": 1, "full_name": "o/r"}}, "base"`, `"repo": null}, "base"`, 1), "not known"},
		{"pull_request", strings.Replace(same, `{"id": 1, "full_name": "o/r"}`, `{"id": 2, "full_name": "evil/r"}`, 1), "from a fork"},
		{"pull_request", strings.Replace(same, `{"id": 1, "full_name": "o/r"}`, `{"id": 2, "full_name": "o/r"}`, 1), "from a fork"},
		{"pull_request", strings.Replace(same, `{"id": 1, "full_name": "o/r"}`, `{"id": 1, "full_name": "o/r", "fork": true}`, 1), "is a fork"},
		{"pull_request", strings.ReplaceAll(same, `"full_name": "o/r"`, `"full_name": "other/r"`), "not one of this repository"},
		{"pull_request", strings.ReplaceAll(same, `, "repo": {"id": 1, "full_name": "o/r"}`, ""), "not known"},
		{"pull_request_target", same, "not one that only those"},
		{"pull_request_review", same, "not one that only those"},
		{"issue_comment", `{}`, "not one that only those"},
		{"repository_dispatch", `{}`, "not one that only those"},
	} {
		got := event(t, tt.name, tt.text).Mistrust("o/r")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: Mistrust = %q, want %q", tt.name, tt.text, got, tt.want)
		}
	}
}

// Whatever the file holds, what leaves the reader can be given to git.
func FuzzEvent(f *testing.F) {
	for _, name := range []string{"push", "pull_request", "merge_group", "schedule"} {
		f.Add(name, pushEvent("refs/heads/a", one, two, one))
		f.Add(name, pullEvent(one, two, 3))
		f.Add(name, queueEvent(one, two))
		f.Add(name, `{"pull_request": {"head": {"sha": null, "repo": null}, "base": {"sha": []}}}`)
		f.Add(name, strings.Repeat(`{"repository":`, 20))
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		e, err := action.ReadEvent(name, strings.NewReader(text))
		if err != nil {
			if e != nil {
				t.Errorf("ReadEvent = %+v and %v", e, err)
			}
			return
		}
		for _, s := range []string{e.Head, e.Base} {
			if s != "" && (len(s) != 40 && len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "") {
				t.Errorf("ReadEvent(%q, %q) has an object %q", name, text, s)
			}
		}
		about := e.Kind == action.Pull || e.Kind == action.Push || e.Kind == action.Queue
		if about && (e.Head == "" || strings.Trim(e.Head, "0") == "") {
			t.Errorf("ReadEvent(%q, %q) is about commits and has no head", name, text)
		}
		if e.Commits < -1 || e.Number < 0 {
			t.Errorf("ReadEvent(%q, %q) = %d commits, number %d", name, text, e.Commits, e.Number)
		}
		if name != "push" && name != "merge_group" && name != "schedule" && name != "workflow_dispatch" && e.Mistrust("o/r") == "" &&
			(name != "pull_request" || !strings.Contains(strings.ToLower(text), "full_name")) {
			t.Errorf("%q is trusted: %q", name, text)
		}
	})
}
