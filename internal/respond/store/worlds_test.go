package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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

func staticOf(k rules.Key) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(k.ID, k.Secret.Reveal(), "")
}

func oldPair() (id, secret string) {
	k := keyOf(1)
	return k.ID, k.Secret.Reveal()
}

func options(t *testing.T) Options {
	k := keyOf(2)
	return Options{
		Credentials: staticOf(k), Region: "eu-central-1",
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
	func(t *testing.T) *world { return awstestWorld(t, "secretsmanager:prod/app") },
	func(t *testing.T) *world { return awstestWorld(t, "ssm:/prod/app") },
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
