package store

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/awstest"
)

// awstestWorld is a place in the fake AWS that verifies signatures and rights.
func awstestWorld(t *testing.T, spec string) *world {
	const region = "eu-central-1"
	server := awstest.New(t)
	acc := server.Account("aws", "123456789012")
	user := acc.User("operator")
	user.Allow("secretsmanager:*", "ssm:*", "kms:*")
	id, secret := oldPair()
	value := fmt.Sprintf(`{"user":"x","aws_access_key_id":"%s","aws_secret_access_key":"%s"}`, id, secret)
	w := &world{spec: spec, opts: options(t), readable: true, reversible: true, elsewhere: true}
	w.opts.Credentials = staticOf(user.Key())
	w.opts.Reach = awsapi.Reach{Endpoint: server.URL()}
	changes := 0
	if strings.HasPrefix(spec, "ssm:") {
		acc.Parameter(region, "/prod/app", "older", "alias/ours")
		acc.Parameter(region, "/prod/app", value, "alias/ours")
		w.all = func() map[string]string {
			v, _, kms := acc.ParameterValue(region, "/prod/app")
			return map[string]string{"value": v.Reveal(), "kms": kms}
		}
		w.pair = func() (string, string) {
			v, _, kms := acc.ParameterValue(region, "/prod/app")
			values, _, _ := getFields(v.Reveal(), defaultFields)
			if kms != "alias/ours" || !strings.HasPrefix(v.Reveal(), `{"user":"x",`) {
				return "changed", kms
			}
			return values[0], values[1]
		}
		w.meddle = func() {
			changes++
			acc.Parameter(region, "/prod/app", fmt.Sprintf(`{"n":%d}`, changes), "alias/ours")
		}
		return w
	}
	acc.Secret(region, "prod/app", "{}")
	acc.Secret(region, "prod/app", value)
	w.all = func() map[string]string {
		out := map[string]string{}
		for _, stage := range []string{current, pending, previous} {
			out[stage] = acc.SecretValue(region, "prod/app", stage).Reveal()
		}
		for version, stages := range acc.SecretVersions(region, "prod/app") {
			if len(stages) > 0 {
				out[version] = fmt.Sprint(stages)
			}
		}
		return out
	}
	w.pair = func() (string, string) {
		text := acc.SecretValue(region, "prod/app", current).Reveal()
		values, _, _ := getFields(text, defaultFields)
		if !strings.HasPrefix(text, `{"user":"x",`) {
			return "changed", "changed"
		}
		return values[0], values[1]
	}
	w.meddle = func() {
		changes++
		acc.Secret(region, "prod/app", fmt.Sprintf(`{"n":%d}`, changes))
	}
	return w
}

func TestSecretsThatAreLeftAlone(t *testing.T) {
	for name, change := range map[string]func(f *fakeAWS){
		"not JSON":         func(f *fakeAWS) { f.versions["v1"] = "AKIA:secret" },
		"marked as gone":   func(f *fakeAWS) { f.describe = map[string]any{"DeletedDate": 1.8e9} },
		"of a service":     func(f *fakeAWS) { f.describe = map[string]any{"OwningService": "rds"} },
		"a copy":           func(f *fakeAWS) { f.describe = map[string]any{"PrimaryRegion": "us-east-1"} },
		"another":          func(f *fakeAWS) { f.describe = map[string]any{"Name": "other", "ARN": "arn:x"} },
		"empty":            func(f *fakeAWS) { f.stages = map[string][]string{} },
		"being rotated":    func(f *fakeAWS) { f.stage(pending, "v0") },
		"a field too many": func(f *fakeAWS) { f.versions["v1"] = `{"aws_access_key_id":"","aws_access_key_id":""}` },
	} {
		f := newFakeAWS(t)
		f.versions["v0"], f.versions["v1"] = "{}", "{}"
		f.stages["v1"] = []string{current}
		change(f)
		o := options(t)
		o.Reach = awsapi.Reach{Endpoint: f.url}
		s, err := Parse("secretsmanager:prod/app", o)
		must(t, "Parse", err)
		if err := s.Check(t.Context()); err == nil {
			t.Errorf("Check took a secret that is: %s", name)
		} else {
			checkError(t, err, keyOf(3))
		}
	}
}

// A version that an abandoned case left pending is no rotation of others.
func TestAbandonedVersionIsTakenOver(t *testing.T) {
	w := secretWorld(t, "secretsmanager:prod/app")
	first := w.open(t)
	must(t, "Check", first.Check(t.Context()))
	must(t, "Put", first.Put(t.Context(), keyOf(5), "case-0"))
	before, second, key := w.all(), w.open(t), keyOf(3)
	must(t, "Check", second.Check(t.Context()))
	must(t, "Put", second.Put(t.Context(), key, "case-1"))
	must(t, "Promote", second.Promote(t.Context()))
	w.holds(t, key)
	w.restored(t, second.Restore(t.Context()), true, before)
}

func TestParametersThatAreLeftAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		spec, kind, value string
	}{
		"in the open":          {"ssm:/a", "String", "{}"},
		"a list":               {"ssm:/a", "StringList", "a,b"},
		"a secret in the open": {"ssm:/b,/a", "String", "x"},
		"not JSON":             {"ssm:/a", "SecureString", "x"},
	} {
		f := newFakeAWS(t)
		f.parameters["/a"] = []fakeParameter{{Value: tt.value, Type: tt.kind}}
		o := options(t)
		o.Reach = awsapi.Reach{Endpoint: f.url}
		s, err := Parse(tt.spec, o)
		must(t, "Parse", err)
		if err := s.Check(t.Context()); err == nil {
			t.Errorf("Check took a parameter that is: %s", name)
		}
	}
}

// A server that repeats what it was sent gets none of it into a message.
func TestEchoOfAServer(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if w.flaky == nil {
			t.Skip("a file")
		}
		for _, from := range []int{1, 2, 3, 4} { // reads go well, a later call is echoed
			s, key := w.open(t), keyOf(3)
			must(t, "Check", s.Check(t.Context()))
			w.flaky.reset(func(_ string, n int) fault {
				if n >= from {
					return echo
				}
				return fine
			})
			err := s.Put(t.Context(), key, "case-1")
			calls := w.flaky.called()
			w.flaky.reset(nil)
			if err != nil {
				checkError(t, err, key)
				if strings.Contains(err.Error(), key.Secret.Reveal()[:10]) {
					t.Errorf("Put holds a part of the secret after %q", calls)
				}
			} else if from == 1 {
				t.Error("Put went well although each call was refused")
			}
			_ = s.Restore(t.Context())
		}
	})
}

func TestGitHubMeans(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"no right": {func(w http.ResponseWriter, _ *http.Request) {
			say(w, 403, map[string]any{"message": "Resource not accessible \x1b[31m"})
		}, "give a token"},
		"bad token": {func(w http.ResponseWriter, _ *http.Request) {
			say(w, 401, map[string]any{"message": "Bad credentials"})
		}, "not valid"},
		"no such": {func(w http.ResponseWriter, _ *http.Request) { say(w, 404, map[string]any{"message": "Not Found"}) }, "look at the name"},
		"moved": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
		}, "present name"},
		"limit": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-RateLimit-Limit", "60")
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", "4102444800")
			say(w, 403, map[string]any{"message": "API rate limit exceeded"})
		}, "try again after"},
		"a page": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "reached"},
		"no key": {func(w http.ResponseWriter, _ *http.Request) {
			say(w, 200, map[string]any{"key_id": "1", "key": "c2hvcnQ="})
		}, "whether this is GitHub"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for range 2 * maxGitHubAnswer / (1 << 16) {
				if _, err := w.Write([]byte(strings.Repeat(" ", 1<<16))); err != nil {
					return
				}
			}
		}, ""},
	} {
		elsewhere := false
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			elsewhere = elsewhere || r.URL.Path == "/elsewhere"
			tt.answer(w, r)
		}))
		o := options(t)
		o.GitHubURL = srv.URL
		s, err := Parse("github:octo/app", o)
		must(t, "Parse", err)
		err = s.Check(t.Context())
		e, ok := errors.AsType[*Error](err)
		if !ok || !strings.Contains(e.Hint(), tt.want) {
			t.Errorf("%s: Check = %v, want a hint with %q", name, err, tt.want)
		} else {
			checkError(t, err, keyOf(3))
		}
		if elsewhere {
			t.Errorf("%s: the token went where a redirect led", name)
		}
		srv.Close()
	}
}
