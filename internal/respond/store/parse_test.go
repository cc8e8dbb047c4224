package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"
)

func TestParse(t *testing.T) {
	for spec, ok := range map[string]bool{
		"secretsmanager:prod/app":              true,
		"secretsmanager:prod/app#id,secret":    true,
		"secretsmanager:prod/app#id":           false,
		"secretsmanager:prod/app#id,id":        false,
		"secretsmanager:prod/app#a,b,c":        false,
		"secretsmanager:":                      false,
		"secretsmanager:prod app":              false,
		"secretsmanager:" + secretARN:          true,
		"secretsmanager:" + secretARN + "#a,b": true,
		"secretsmanager:arn:aws:s3:::bucket":   false,
		"secretsmanager:arn:aws:secretsmanager:evil.example/:123456789012:secret:x": false,
		"ssm:/prod/app":                     true,
		"ssm:app":                           true,
		"ssm:/prod/app#id,secret":           true,
		"ssm:/prod/id,/prod/secret":         true,
		"ssm:/prod/id,/prod/id":             false,
		"ssm:/prod/id,/prod/secret#a,b":     false,
		"ssm:/a,/b,/c":                      false,
		"ssm:/prod/app:3":                   false,
		"ssm:/prod//app":                    false,
		"ssm:":                              false,
		"ssm:/" + strings.Repeat("a", 1011): false,
		"github:octo/app":                   true,
		"github:octo/app:A,B":               true,
		"github:octo/app:A":                 false,
		"github:octo/app:A,a":               false,
		"github:octo/app:1A,B":              false,
		"github:octo/app:github_a,B":        false,
		"github:octo/app@prod":              true,
		"github:octo/app@prod: eu/1:A,B":    true,
		"github:octo/app@":                  false,
		"github:octo/app@..":                false,
		"github:octo/":                      true,
		"github:octo/:A,B":                  true,
		"github:octo/@x":                    false,
		"github:octo":                       false,
		"github:octo/..":                    false,
		"github:octo/a/b":                   false,
		"github:/app":                       false,
		"github:../app":                     false,
		"profile:default":                   true,
		"profile:my own":                    true,
		"profile:é":                         true,
		"profile:":                          false,
		"profile: x":                        false,
		"profile:a]":                        false,
		"profile:a#b":                       false,
		"profile:profile x":                 false,
		"profile:a\nb":                      false,
		"file:/tmp/x.env":                   true,
		"file:":                             false,
		"file:/tmp/":                        false,
		"file:..":                           false,
		"vault:x":                           false,
		"":                                  false,
		"file:" + strings.Repeat("a", 5000): false,
	} {
		s, err := Parse(spec, options(t))
		if (err == nil) != ok {
			t.Errorf("Parse(%.80q) = %v, want ok %v", spec, err, ok)
		}
		if err == nil && s.Name() != spec {
			t.Errorf("Parse(%q).Name() = %q", spec, s.Name())
		}
		if err != nil && (strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 600) {
			t.Errorf("Parse(%.80q) = %q, which is not fit for a terminal", spec, err)
		}
	}
}

func TestParseNeeds(t *testing.T) {
	for name, tt := range map[string]struct {
		spec   string
		change func(*Options)
	}{
		"no credentials":      {"ssm:/a", func(o *Options) { o.Credentials = nil }},
		"no region":           {"ssm:/a", func(o *Options) { o.Region = "" }},
		"a region of evil":    {"ssm:/a", func(o *Options) { o.Region = "x.evil.example/" }},
		"an open endpoint":    {"ssm:/a", func(o *Options) { o.Reach = awsapi.Reach{Endpoint: "http://192.0.2.1"} }},
		"no token":            {"github:a/b", func(o *Options) { o.GitHubToken = rules.Secret{} }},
		"an open GitHub":      {"github:a/b", func(o *Options) { o.GitHubURL = "http://github.example" }},
		"a GitHub with a key": {"github:a/b", func(o *Options) { o.GitHubURL = "https://x:y@github.example" }},
		"no GitHub":           {"github:a/b", func(o *Options) { o.GitHubURL = "github.example" }},
		"no credentials file": {"profile:a", func(o *Options) { o.CredentialsFile = "" }},
		"a short path":        {"profile:a", func(o *Options) { o.CredentialsFile = "credentials" }},
	} {
		o := options(t)
		if _, err := Parse(tt.spec, o); err != nil {
			t.Fatalf("Parse(%q): %v", tt.spec, err)
		}
		tt.change(&o)
		_, err := Parse(tt.spec, o)
		if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Error(), tt.spec) {
			t.Errorf("%s: Parse(%q) = %v", name, tt.spec, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, k := range kinds {
		f.Add(k.form)
	}
	f.Add("github:octo/app@prod:eu:A,B")
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := Parse(spec, options(t))
		if err != nil {
			return
		}
		if s.Name() != spec || len(s.Calls()) == 0 {
			t.Errorf("Parse(%q) has the name %q and the calls %q", spec, s.Name(), s.Calls())
		}
		if _, err := s.State(); err != nil {
			t.Errorf("State: %v", err)
		}
	})
}
