package review

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
)

func (f *fakeGitHub) upload(w http.ResponseWriter, body []byte) {
	var in struct {
		Commit string `json:"commit_sha"`
		Ref    string `json:"ref"`
		SARIF  string `json:"sarif"`
		Tool   string `json:"tool_name"`
	}
	f.into(body, &in)
	packed, err := base64.StdEncoding.DecodeString(in.SARIF)
	if err != nil {
		f.t.Error(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		f.t.Fatal(err)
	}
	if f.sarif, err = io.ReadAll(z); err != nil {
		f.t.Error(err)
	}
	if in.Commit != head || in.Ref != "refs/pull/7/merge" || in.Tool != "keyquench" {
		f.t.Errorf("upload of %s %s by %s", in.Commit, in.Ref, in.Tool)
	}
	say(w, http.StatusAccepted, map[string]any{"id": "an-id", "url": f.url + "/x"})
}

func (f *fakeGitHub) look(w http.ResponseWriter) {
	status := "pending"
	if len(f.looks) > 0 {
		status, f.looks = f.looks[0], f.looks[1:]
	}
	switch status {
	case "unknown":
		say(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
	case "failed":
		say(w, http.StatusOK, map[string]any{"processing_status": status, "errors": []string{"rejecting SARIF,\n\x1b[31mas it is bad", "more"}})
	default:
		say(w, http.StatusOK, map[string]any{"processing_status": status})
	}
}

var analysis = Analysis{Owner: "octo", Repo: "app", Commit: head, Ref: "refs/pull/7/merge", SARIF: []byte(`{"version":"2.1.0"}`)}

func TestUploadTellsWhatBecameOfTheLog(t *testing.T) {
	for _, tt := range []struct {
		looks  []string
		status string
		errors []string
	}{
		{[]string{"complete"}, "complete", nil},
		{[]string{"unknown", "pending", "complete"}, "complete", nil},
		{[]string{"pending", "failed"}, "failed", []string{"rejecting SARIF, [31mas it is bad", "more"}},
		{nil, "pending", nil},
	} {
		f := newFake(t)
		f.looks = tt.looks
		c, waits := f.client()
		up, err := c.Upload(t.Context(), analysis)
		if err != nil || up.ID != "an-id" || up.Status != tt.status || !reflect.DeepEqual(up.Errors, tt.errors) {
			t.Errorf("%v: Upload = %+v, %v", tt.looks, up, err)
		}
		if string(f.sarif) != string(analysis.SARIF) {
			t.Errorf("GitHub got %q", f.sarif)
		}
		if n := max(len(tt.looks), 1); tt.status == "pending" && len(*waits) != len(looks) || tt.status != "pending" && len(*waits) != n {
			t.Errorf("%v: waited %v", tt.looks, *waits)
		}
	}
}

func TestUploadRefusesWhatCannotBe(t *testing.T) {
	f := newFake(t)
	c, _ := f.client()
	noise := make([]byte, maxSARIF+1000)
	r := rulestest.Rand(1)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for name, change := range map[string]func(*Analysis){
		"no repository":  func(a *Analysis) { a.Repo = "" },
		"no commit":      func(a *Analysis) { a.Commit = "main" },
		"no ref":         func(a *Analysis) { a.Ref = "main" },
		"a ref too long": func(a *Analysis) { a.Ref += strings.Repeat("x", 2000) },
		"too much":       func(a *Analysis) { a.SARIF = noise },
	} {
		a := analysis
		change(&a)
		if up, err := c.Upload(t.Context(), a); err == nil || hintOf(err) == "" || up.Status != "" {
			t.Errorf("%s: %+v, %v", name, up, err)
		}
	}
	if len(f.asked) != 0 {
		t.Errorf("GitHub was asked %v", f.asked)
	}
}

func TestUploadWithoutTheRightSaysWhichIsMissing(t *testing.T) {
	f := newFake(t)
	f.fault = func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
		say(w, http.StatusForbidden, map[string]any{"message": "Resource not accessible by integration"})
		return true
	}
	c, _ := f.client()
	_, err := c.Upload(t.Context(), analysis)
	if !errors.Is(err, ErrReadOnly) || !strings.Contains(hintOf(err), "security-events: write") || len(f.asked) != 1 {
		t.Errorf("Upload = %v (%s), asked %v", err, hintOf(err), f.asked)
	}
	f.fault = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.Method == http.MethodGet {
			say(w, http.StatusForbidden, map[string]any{"message": "no"})
			return true
		}
		return false
	}
	if up, err := c.Upload(t.Context(), analysis); err == nil || up.ID != "an-id" || up.Status != "pending" {
		t.Errorf("Upload = %s, %v", up.ID, err)
	}
}
