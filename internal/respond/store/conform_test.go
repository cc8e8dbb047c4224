package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// world is a place outside of keyquench, and what the tests can see and do there.
type world struct {
	name string
	spec string
	opts Options
	// all is everything there is, by name, as programs get it.
	all func() map[string]string
	// pair is what programs get.
	pair func() (id, secret string)
	// others is how many of all that Put must not touch.
	others int
	// meddle changes something as somebody else would.
	meddle func()
	flaky  *flaky // nil for files

	readable   bool // Get can read back
	reversible bool // Restore can put back in the same process
	elsewhere  bool // and in another
}

func (w *world) open(t *testing.T) Store {
	t.Helper()
	s, err := Parse(w.spec, w.opts)
	if err != nil {
		t.Fatalf("Parse(%q): %v", w.spec, err)
	}
	return s
}

// reopen is another process that goes on.
func (w *world) reopen(t *testing.T, from Store) Store {
	t.Helper()
	state, err := from.State()
	if err != nil {
		t.Fatalf("State: %v", err)
	}
	s := w.open(t)
	if err := s.Resume(state); err != nil {
		t.Fatalf("Resume(%s): %v", state, err)
	}
	return s
}

func keyOf(seed uint64) rules.Key {
	r := rulestest.Rand(seed)
	return rules.Key{ID: rulestest.KeyIDOf(r, "AKIA", 123456789012), Secret: rules.NewSecret(rulestest.Secret(r))}
}

func oldPair() (id, secret string) {
	k := keyOf(1)
	return k.ID, k.Secret.Reveal()
}

func options(t *testing.T) Options {
	k := keyOf(2)
	return Options{
		Credentials: credentials.NewStaticCredentialsProvider(k.ID, k.Secret.Reveal(), ""), Region: "eu-central-1",
		GitHubToken: rules.NewSecret(gitHubToken), CredentialsFile: filepath.Join(t.TempDir(), "credentials"),
		Timeout: 5 * time.Second, Sleep: func(context.Context, time.Duration) error { return nil },
	}
}

func secretWorld(t *testing.T, spec string) *world {
	f := newFakeAWS(t)
	id, secret := oldPair()
	f.versions["v0"], f.versions["v1"] = "{}", fmt.Sprintf(`{ "db":"p\u0041ss", "aws_access_key_id" :"%s","aws_secret_access_key":"%s","n": 1.50, "nested":{"aws_access_key_id":1}}`, id, secret)
	f.stages["v0"], f.stages["v1"] = []string{previous}, []string{current, "BLUE"}
	w := &world{name: "secretsmanager", spec: spec, opts: options(t), flaky: &f.flaky, others: 2, readable: true, reversible: true, elsewhere: true}
	w.opts.Reach = awsapi.Reach{Endpoint: f.url}
	w.all = func() map[string]string {
		out := map[string]string{}
		for _, stage := range []string{current, pending, previous, "BLUE"} {
			if at := f.at(stage); at != "" {
				out[stage] = at + " " + f.versions[at]
			}
		}
		return out
	}
	w.pair = func() (string, string) {
		v, ok, _ := getFields(f.versions[f.at(current)], defaultFields)
		if !ok || !strings.Contains(f.versions[f.at(current)], `"n": 1.50, "nested":{"aws_access_key_id":1}}`) || !strings.HasPrefix(f.versions[f.at(current)], `{ "db":"p\u0041ss", "aws_`) {
			return "lost", "lost"
		}
		return v[0], v[1]
	}
	w.meddle = func() {
		name := fmt.Sprintf("by-somebody-else-%d", len(f.versions))
		f.versions[name] = `{"aws_access_key_id":"x","aws_secret_access_key":"y"}`
		f.stage(current, name)
	}
	return w
}

func parameterWorld(t *testing.T, spec string, made bool) *world {
	f := newFakeAWS(t)
	id, secret := oldPair()
	w := &world{name: "ssm", spec: spec, opts: options(t), flaky: &f.flaky, readable: true, reversible: true, elsewhere: true}
	w.opts.Reach = awsapi.Reach{Endpoint: f.url}
	secure := fakeParameter{
		Type: "SecureString", KeyID: "alias/ours", Tier: "Advanced", Description: "of the app", DataType: "text", AllowedPattern: ".*",
		Policies: []string{`{"Type":"NoChangeNotification"}`},
	}
	put := func(name, value, kind string) {
		p := secure
		p.Value, p.Type = value, kind
		f.parameters[name] = append(f.parameters[name], fakeParameter{Value: "older", Type: "String"}, p)
	}
	names := strings.Split(strings.TrimPrefix(spec, "ssm:"), ",")
	if !made && len(names) == 2 {
		put(names[0], id, "String")
		put(names[1], secret, "SecureString")
	} else if !made {
		put(names[0], fmt.Sprintf(`{"aws_access_key_id":"%s","aws_secret_access_key":"%s","x":[1, 2]}`, id, secret), "SecureString")
	}
	newest := func(name string) fakeParameter {
		if list := f.parameters[name]; len(list) > 0 {
			return list[len(list)-1]
		}
		return fakeParameter{}
	}
	w.all = func() map[string]string {
		out := map[string]string{}
		for name := range f.parameters {
			out[name] = fmt.Sprintf("%+v", newest(name))
		}
		return out
	}
	w.pair = func() (string, string) {
		for i, name := range names {
			// All but the value is as it was, or as AWS makes it.
			p, want := newest(name), secure
			want.Type = "SecureString"
			if len(names) == 2 && i == 0 {
				want.Type = "String"
			}
			if made {
				want = fakeParameter{Type: "SecureString", KeyID: "alias/aws/ssm"}
			}
			want.Value = p.Value
			if fmt.Sprintf("%+v", p) != fmt.Sprintf("%+v", want) {
				return "changed", fmt.Sprintf("%+v", p)
			}
		}
		if len(names) == 2 {
			return newest(names[0]).Value, newest(names[1]).Value
		}
		v, ok, _ := getFields(newest(names[0]).Value, defaultFields)
		if !made && !strings.HasSuffix(newest(names[0]).Value, `,"x":[1, 2]}`) || !ok {
			return "lost", "lost"
		}
		return v[0], v[1]
	}
	w.meddle = func() {
		for _, name := range names {
			f.parameters[name] = append(f.parameters[name], fakeParameter{Value: fmt.Sprintf(`{"x":"by somebody else %d"}`, len(f.parameters[name])), Type: "SecureString"})
		}
	}
	return w
}

func gitHubWorld(t *testing.T, spec, path string, exist bool) *world {
	f := newFakeGitHub(t)
	w := &world{name: "github", spec: spec, opts: options(t), flaky: &f.flaky, others: 1, reversible: !exist, elsewhere: !exist}
	w.opts.GitHubURL = f.url
	id, secret := oldPair()
	if exist {
		f.secrets[path+"AWS_ACCESS_KEY_ID"] = &fakeSecret{value: id, updated: f.now, visibility: "selected", repos: []int64{7, 8, 9}}
		f.secrets[path+"AWS_SECRET_ACCESS_KEY"] = &fakeSecret{value: secret, updated: f.now, visibility: "all"}
	}
	f.secrets[path+"OTHER"] = &fakeSecret{value: "other", updated: f.now}
	w.all = func() map[string]string {
		out := map[string]string{}
		for p, s := range f.secrets {
			out[p] = fmt.Sprintf("%s %s %v", s.value, s.visibility, s.repos)
		}
		return out
	}
	w.pair = func() (string, string) {
		a, b := f.secrets[path+"AWS_ACCESS_KEY_ID"], f.secrets[path+"AWS_SECRET_ACCESS_KEY"]
		if a == nil || b == nil {
			return "", ""
		}
		if strings.HasPrefix(path, "/orgs") && (fmt.Sprint(a.visibility, a.repos) != "selected[7 8 9]" || b.visibility != "all") {
			return "changed", "changed"
		}
		return a.value, b.value
	}
	return w
}

const someFile = "# mine\n[default]\nregion = eu-central-1\n\n[ app ] ; of the app\r\nAWS_ACCESS_KEY_ID=%s # id\r\noutput = json\r\naws_secret_access_key =\t%s\r\naws_session_token = gone\r\n# end\r\n\n[other]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

func fileWorld(t *testing.T, name, spec, path, before string) *world {
	w := &world{name: name, opts: options(t), readable: true, reversible: true}
	if path == "" {
		path = w.opts.CredentialsFile
	}
	w.spec = strings.ReplaceAll(spec, "FILE", path)
	if before != "" {
		if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.all = func() map[string]string {
		out := map[string]string{}
		entries, _ := os.ReadDir(filepath.Dir(path))
		for _, e := range entries {
			data, _ := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
			out[e.Name()] = string(data)
		}
		return out
	}
	w.meddle = func() {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, "\n# by somebody else\n")
		f.Close()
	}
	w.pair = func() (string, string) {
		data, _ := os.ReadFile(path)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			return "mode", fmt.Sprint(err)
		}
		if strings.HasPrefix(spec, "profile:") {
			id, secret, _, _ := getProfile(string(data), strings.TrimPrefix(spec, "profile:"))
			return id, secret
		}
		id, secret, _ := formatOf(path).read(string(data))
		return id, secret
	}
	return w
}

// worlds make the places of all kinds, each in the states that matter.
var worlds = []func(t *testing.T) *world{
	func(t *testing.T) *world { return secretWorld(t, "secretsmanager:prod/app") },
	func(t *testing.T) *world { return secretWorld(t, "secretsmanager:"+secretARN) },
	func(t *testing.T) *world { return parameterWorld(t, "ssm:/prod/app", false) },
	func(t *testing.T) *world { return parameterWorld(t, "ssm:/prod/id,/prod/secret", false) },
	func(t *testing.T) *world { return parameterWorld(t, "ssm:/prod/app", true) },
	func(t *testing.T) *world { return parameterWorld(t, "ssm:/prod/id,/prod/secret", true) },
	func(t *testing.T) *world {
		return gitHubWorld(t, "github:octo/app", "/repos/octo/app/actions/secrets/", false)
	},
	func(t *testing.T) *world {
		return gitHubWorld(t, "github:octo/app:AWS_ACCESS_KEY_ID,AWS_SECRET_ACCESS_KEY", "/repos/octo/app/actions/secrets/", true)
	},
	func(t *testing.T) *world {
		return gitHubWorld(t, "github:octo/app@prod: eu/1", "/repositories/4711/environments/prod:%20eu%2F1/secrets/", false)
	},
	func(t *testing.T) *world { return gitHubWorld(t, "github:octo/", "/orgs/octo/actions/secrets/", true) },
	profileWorld,
	func(t *testing.T) *world {
		return another(fileWorld(t, "new profile", "profile:new one", "", someContent()))
	},
	func(t *testing.T) *world {
		return another(fileWorld(t, "profile in a new file", "profile:app", "", ""))
	},
	func(t *testing.T) *world { return newFileWorld(t, "k.json") },
	func(t *testing.T) *world { return newFileWorld(t, "k.env") },
	func(t *testing.T) *world { return newFileWorld(t, "k.csv") },
	func(t *testing.T) *world { return newFileWorld(t, "k.ini") },
	func(t *testing.T) *world { return newFileWorld(t, "a b\u00e9'$") },
	func(t *testing.T) *world {
		w := fileWorld(t, "file that was there", "file:FILE", filepath.Join(t.TempDir(), "k.env"), "A=1\n")
		w.opts.Force = true
		return w
	},
}

// another marks a world that another process can put back.
func another(w *world) *world {
	w.elsewhere = true
	return w
}

func someContent() string {
	id, secret := oldPair()
	return fmt.Sprintf(someFile, id, secret)
}

func profileWorld(t *testing.T) *world {
	return fileWorld(t, "profile", "profile:app", "", someContent())
}

func newFileWorld(t *testing.T, name string) *world {
	return another(fileWorld(t, "file "+name, "file:FILE", filepath.Join(t.TempDir(), name), ""))
}

// each runs a journey in every world.
func each(t *testing.T, journey func(t *testing.T, w *world)) {
	for i, open := range worlds {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			w := open(t)
			t.Log(w.spec)
			journey(t, w)
		})
	}
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (w *world) holds(t *testing.T, key rules.Key) {
	t.Helper()
	if id, secret := w.pair(); id != key.ID || secret != key.Secret.Reveal() {
		t.Errorf("programs get %q %v, want the new pair; there is\n%q", id, rules.NewSecret(secret), w.all())
	}
}

func (w *world) isAs(t *testing.T, before map[string]string) {
	t.Helper()
	if now := w.all(); !maps.Equal(now, before) {
		t.Errorf("there is\n%q\nwant as before\n%q", now, before)
	}
}

// restored checks what Restore did: all as before, or an error that says what is left.
func (w *world) restored(t *testing.T, err error, possible bool, before map[string]string) {
	t.Helper()
	if possible {
		if err != nil {
			t.Errorf("Restore: %v", err)
		}
		w.isAs(t, before)
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Left() == "" || e.Hint() == "" {
		t.Errorf("Restore = %v, want an error that says what is left", err)
	}
}

func TestThereAndBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s, key, before := w.open(t), keyOf(3), w.all()
		must(t, "Check", s.Check(t.Context()))
		w.isAs(t, before)
		if err := s.Restore(t.Context()); err != nil {
			t.Errorf("Restore before Put: %v", err)
		}
		w.isAs(t, before)
		must(t, "Put", s.Put(t.Context(), key, "case-1"))
		put := w.all()
		must(t, "Put again", s.Put(t.Context(), key, "case-1"))
		w.isAs(t, put)
		got, ok, err := s.Get(t.Context(), key.ID)
		if err != nil || ok != w.readable || ok && got != key {
			t.Errorf("Get = %v, %v, %v", got, ok, err)
		}
		if _, ok, err := s.Get(t.Context(), keyOf(4).ID); ok || err != nil {
			t.Errorf("Get of another = %v, %v", ok, err)
		}
		must(t, "Promote", s.Promote(t.Context()))
		must(t, "Promote again", s.Promote(t.Context()))
		w.holds(t, key)
		must(t, "Put after Promote", s.Put(t.Context(), key, "case-1"))
		w.holds(t, key)
		for range 2 {
			w.restored(t, s.Restore(t.Context()), w.reversible, before)
		}
	})
}

func TestTheFilesOthersStay(t *testing.T) {
	w := profileWorld(t)
	s, key := w.open(t), keyOf(3)
	must(t, "Check", s.Check(t.Context()))
	must(t, "Put", s.Put(t.Context(), key, ""))
	data, _ := os.ReadFile(w.opts.CredentialsFile)
	want := strings.Replace(fmt.Sprintf(someFile, key.ID, key.Secret.Reveal()), "aws_session_token = gone\r\n", "", 1)
	if string(data) != want {
		t.Errorf("the file is\n%q\nwant\n%q", data, want)
	}
}

// Another process goes on from each state, or takes back.
func TestAnotherProcess(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first, key, before := w.open(t), keyOf(3), w.all()
		must(t, "Check", first.Check(t.Context()))
		early := w.reopen(t, first)
		must(t, "Put", first.Put(t.Context(), key, "case-1"))

		// The state is of before Put, as after a kill in the middle of it.
		must(t, "Check of a resumed", early.Check(t.Context()))
		if _, ok, err := early.Get(t.Context(), key.ID); ok != w.readable || err != nil {
			t.Errorf("Get = %v, %v", ok, err)
		}
		must(t, "Put once more", early.Put(t.Context(), key, "case-1"))
		second := w.reopen(t, early)
		must(t, "Promote", second.Promote(t.Context()))
		w.holds(t, key)
		third := w.reopen(t, second)
		w.restored(t, third.Restore(t.Context()), w.elsewhere, before)
		if w.elsewhere {
			w.restored(t, w.reopen(t, third).Restore(t.Context()), true, before)
		}
	})
}

// Killed in the middle of Put, then taken back, without and with another Put.
func TestTakenBackByAnother(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first, key, before := w.open(t), keyOf(3), w.all()
		must(t, "Check", first.Check(t.Context()))
		must(t, "Restore of nothing", w.reopen(t, first).Restore(t.Context()))
		w.isAs(t, before)
		state := w.reopen(t, first)
		must(t, "Put", first.Put(t.Context(), key, "case-1"))
		if _, _, err := state.Get(t.Context(), key.ID); err != nil {
			t.Fatalf("Get: %v", err)
		}
		err := state.Restore(t.Context())
		// Without reading back it cannot be told who made a secret of GitHub's.
		w.restored(t, err, w.elsewhere && w.readable, before)
	})
}

func TestOthersAreNotOverwritten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if w.meddle == nil {
			t.Skip("GitHub cannot tell what is in a secret, and nobody can compare")
		}
		s, key := w.open(t), keyOf(3)
		must(t, "Check", s.Check(t.Context()))
		w.meddle()
		theirs := w.all()
		if err := s.Put(t.Context(), key, "case-1"); err == nil {
			t.Error("Put went well over what somebody else changed")
		}
		w.isAs(t, theirs)

		s = w.open(t)
		if strings.HasPrefix(w.name, "file k.") || strings.HasPrefix(w.name, "file a") {
			if err := s.Check(t.Context()); err == nil {
				t.Error("Check took a file that is there")
			}
			return
		}
		must(t, "Check of what they wrote", s.Check(t.Context()))
		must(t, "Put", s.Put(t.Context(), key, "case-2"))
		must(t, "Promote", s.Promote(t.Context()))
		w.meddle()
		theirs = w.all()
		if err := s.Restore(t.Context()); err == nil {
			t.Error("Restore went well over what somebody else changed")
		}
		w.isAs(t, theirs)
	})
}

// Every call goes wrong in every way, once and for good.
func TestFaultsAtEachCall(t *testing.T) {
	for i, open := range worlds {
		w := open(t)
		if w.flaky == nil {
			continue // a file: see TestKilledBeforeRename
		}
		s, key := w.open(t), keyOf(3)
		must(t, "Check", s.Check(t.Context()))
		must(t, "Put", s.Put(t.Context(), key, "case-1"))
		must(t, "Promote", s.Promote(t.Context()))
		calls := w.flaky.called()
		if len(calls) < 3 {
			t.Fatalf("the journey to %s makes %d calls", w.spec, len(calls))
		}
		for n := 1; n <= len(calls); n++ {
			for what := refuse; what <= garbage; what++ {
				for _, forGood := range []bool{false, true} {
					t.Run(fmt.Sprintf("%d %s %v %v", i, calls[n-1], what, forGood), func(t *testing.T) {
						if what == mute {
							t.Parallel() // it waits more than it works
						}
						faulty(t, open(t), n, what, forGood)
					})
				}
			}
		}
	}
}

func faulty(t *testing.T, w *world, n int, what fault, forGood bool) {
	if what == mute {
		w.opts.Timeout = 30 * time.Millisecond
	}
	s, key, before := w.open(t), keyOf(3), w.all()
	w.flaky.reset(func(_ string, i int) fault {
		if i == n || forGood && i > n {
			return what
		}
		return fine
	})
	err := s.Check(t.Context())
	put := false
	if err == nil {
		put = true
		if err = s.Put(t.Context(), key, "case-1"); err == nil {
			err = s.Promote(t.Context())
		}
	}
	w.flaky.reset(nil)
	if err != nil {
		checkError(t, err, key)
		if !put {
			w.isAs(t, before)
			return
		}
		restore := s.Restore(t.Context())
		if w.reversible {
			w.restored(t, restore, true, before)
		} else if !maps.Equal(w.all(), before) {
			w.restored(t, restore, false, before)
		}
		// And what was begun can be ended.
		again := w.open(t)
		must(t, "Check again", again.Check(t.Context()))
		must(t, "Put again", again.Put(t.Context(), key, "case-1"))
		must(t, "Promote again", again.Promote(t.Context()))
	} else if what == refuse || forGood && what != garbage && what != failAfter && what != cutAfter && what != mute {
		t.Errorf("all went well with %v at call %d", what, n)
	}
	w.holds(t, key)
}

// checkError looks at what a user is told.
func checkError(t *testing.T, err error, key rules.Key) {
	t.Helper()
	text := err.Error()
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Errorf("error %q is no *Error", text)
	}
	if strings.ContainsAny(text, "\x1b\r") || len(text) > 2000 {
		t.Errorf("error %q is not fit for a terminal", text)
	}
	_, secret := oldPair()
	for _, s := range []string{key.Secret.Reveal(), secret, gitHubToken} {
		if strings.Contains(text, s) {
			t.Errorf("an error holds a secret: %q", strings.ReplaceAll(text, s, "SECRET"))
		}
	}
}

func TestNoSecretIsShown(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s, key := w.open(t), keyOf(3)
		must(t, "Check", s.Check(t.Context()))
		must(t, "Put", s.Put(t.Context(), key, "case-1"))
		state, err := s.State()
		must(t, "State", err)
		shown := fmt.Sprintf("%s\n%s\n%q\n%+v\n%#v", s.Name(), state, s.Calls(), s, s)
		if data, err := json.Marshal(s); err == nil {
			shown += string(data)
		}
		_, old := oldPair()
		for _, secret := range []string{key.Secret.Reveal(), old, gitHubToken} {
			if strings.Contains(shown, secret) {
				t.Errorf("a secret is shown:\n%s", strings.ReplaceAll(shown, secret, "SECRET"))
			}
		}
		if !json.Valid(state) || len(s.Calls()) == 0 || s.Name() != w.spec {
			t.Errorf("State = %s, Calls = %q, Name = %q", state, s.Calls(), s.Name())
		}
	})
}

func TestPairsThatAreNone(t *testing.T) {
	good := keyOf(3)
	for name, key := range map[string]rules.Key{
		"no secret":        {ID: good.ID},
		"no ID":            {Secret: good.Secret},
		"a line break":     {ID: good.ID, Secret: rules.NewSecret(good.Secret.Reveal() + "\nx")},
		"a quote":          {ID: good.ID + `"`, Secret: good.Secret},
		"a session's":      {ID: good.ID, Secret: good.Secret, Token: rules.NewSecret("t")},
		"lower case in ID": {ID: strings.ToLower(good.ID), Secret: good.Secret},
	} {
		each(t, func(t *testing.T, w *world) {
			s, before := w.open(t), w.all()
			must(t, "Check", s.Check(t.Context()))
			err := s.Put(t.Context(), key, "case-1")
			if err == nil {
				t.Fatalf("Put took a pair with %s", name)
			}
			checkError(t, err, good)
			w.isAs(t, before)
		})
	}
}

func TestEndOfContext(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if w.flaky == nil {
			t.Skip("files are not waited for")
		}
		s, before := w.open(t), w.all()
		must(t, "Check", s.Check(t.Context()))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Put(ctx, keyOf(3), "case-1"); !errors.Is(err, context.Canceled) {
			t.Errorf("Put = %v, want the end of the context", err)
		}
		must(t, "Restore", s.Restore(t.Context()))
		w.isAs(t, before)
	})
}

// Any order of steps, by any number of processes, ends as before or with the pair.
func TestRandomJourneys(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		each(t, func(t *testing.T, w *world) {
			s, key, before := w.open(t), keyOf(3), w.all()
			must(t, "Check", s.Check(t.Context()))
			var steps []string
			for range 8 {
				var err error
				switch step := r.IntN(6); step {
				case 0, 1:
					steps, err = append(steps, "put"), s.Put(t.Context(), key, "case-1")
				case 2:
					steps = append(steps, "promote")
					_ = s.Promote(t.Context()) // an error before Put
				case 3:
					if w.reversible && (w.elsewhere || !slices.Contains(steps, "resume")) {
						steps, err = append(steps, "restore"), s.Restore(t.Context())
					}
				case 4:
					steps = append(steps, "get")
					_, _, err = s.Get(t.Context(), key.ID)
				case 5:
					steps = append(steps, "resume")
					s = w.reopen(t, s)
				}
				if err != nil {
					t.Fatalf("after %q: %v", steps, err)
				}
			}
			must(t, fmt.Sprintf("Put after %q", steps), s.Put(t.Context(), key, "case-1"))
			must(t, "Promote", s.Promote(t.Context()))
			w.holds(t, key)
			if w.elsewhere {
				w.restored(t, s.Restore(t.Context()), true, before)
			}
		})
	}
}
