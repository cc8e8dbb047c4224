package store

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/awstest"
)

const ownAccount = "123456789012"

// atAWS are options for a fake AWS, with the key of a user of an account.
func atAWS(t *testing.T, account string) (Options, *awstest.Server) {
	srv := awstest.New(t)
	o := options(t)
	o.Credentials = staticOf(srv.Account("aws", account).User("oncall").Key())
	o.Reach = awsapi.Reach{Endpoint: srv.URL()}
	return o, srv
}

func TestAccounts(t *testing.T) {
	const foreign = "210987654321"
	o, srv := atAWS(t, ownAccount)
	arn := "secretsmanager:arn:aws:secretsmanager:eu-central-1:" + foreign + ":secret:prod/app-AbCdEf"
	for _, tt := range []struct {
		specs []string
		want  []string
		calls int
	}{
		{[]string{"secretsmanager:prod/app"}, []string{ownAccount}, 1},
		{[]string{arn}, []string{foreign}, 0},
		{[]string{"ssm:/prod/app"}, []string{ownAccount}, 1},
		{[]string{"ssm:/prod/id,/prod/secret"}, []string{ownAccount}, 1},
		{[]string{"github:octo/app"}, nil, 0},
		{[]string{"profile:app", "file:k.json"}, nil, 0},
		{[]string{"ssm:/prod/app", "github:octo/app", arn, "secretsmanager:prod/app"}, []string{ownAccount, foreign}, 2},
	} {
		srv.ForgetCalls()
		m, err := ParseMany(tt.specs, o)
		must(t, "ParseMany", err)
		got, err := m.Accounts(t.Context())
		if err != nil || !slices.Equal(got, tt.want) || len(srv.Calls()) != tt.calls {
			t.Errorf("Accounts of %q = %q, %v by %d calls, want %q by %d", tt.specs, got, err, len(srv.Calls()), tt.want, tt.calls)
		}
	}
}

// Where it cannot be told whose account it is, there is an error and no account.
func TestAccountsThatCannotBeTold(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"no account": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1234</Account></GetCallerIdentityResult></GetCallerIdentityResponse>")
		},
		"a page": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "\x1b[31m<html>") },
		"refused": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>over</Message></Error></ErrorResponse>")
		},
		"cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		srv := httptest.NewServer(answer)
		t.Cleanup(srv.Close)
		o := options(t)
		o.Reach = awsapi.Reach{Endpoint: srv.URL}
		m, err := ParseMany([]string{"ssm:/prod/app", "file:k.json"}, o)
		must(t, "ParseMany", err)
		got, err := m.Accounts(context.Background())
		if e, ok := err.(interface{ Unwrap() []error }); len(got) != 0 || !ok || !strings.HasPrefix(err.Error(), "ssm:/prod/app: ask into which account it writes: ") || fmt.Sprint(e.Unwrap()[0].(*Error).Hint()) == "" {
			t.Errorf("%s: Accounts = %q, %v, want none, and why", name, got, err)
		}
	}
	if _, err := Parse("secretsmanager:arn:aws:secretsmanager:eu-central-1::secret:prod/app-AbCdEf", options(t)); err == nil {
		t.Error("Parse took an ARN without an account")
	}
}

// The first of the calls names the deed, so that it is one that writes.
func TestCallsBeginWithTheOneThatWrites(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.open(t)
		for range 2 { // before Check, and after it
			writes := false
			for i, c := range s.Calls() {
				what := strings.ToLower(c)
				reads := strings.Contains(what, ":get") || strings.Contains(what, ":describe") || strings.Contains(what, " get ")
				if i == 0 && reads || !reads && i > 0 && !writes {
					t.Errorf("call %d of %q is %q", i, s.Name(), c)
				}
				writes = !reads
			}
			must(t, "Check", s.Check(t.Context()))
		}
	})
}
