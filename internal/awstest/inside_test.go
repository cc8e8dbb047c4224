package awstest

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// slowWild is the twin of wild: a regular expression.
func slowWild(pattern, text string) bool {
	p := regexp.QuoteMeta(pattern)
	p = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(p)
	return regexp.MustCompile("^(?s:" + p + ")$").MatchString(text)
}

func TestWildMatchesAsItsTwin(t *testing.T) {
	words := func(alphabet string, most int) (list []string) {
		list = []string{""}
		for from := 0; most > 0; most-- {
			end := len(list)
			for _, w := range list[from:end] {
				for _, c := range alphabet {
					list = append(list, w+string(c))
				}
			}
			from = end
		}
		return list
	}
	texts := words("ab", 4)
	for _, p := range words("ab*?", 4) {
		for _, s := range texts {
			if got, want := wild(p, s), slowWild(p, s); got != want {
				t.Fatalf("wild(%q, %q) = %v, want %v", p, s, got, want)
			}
		}
	}
}

func TestWildTakesAStarOutOfAVariableAsItIs(t *testing.T) {
	keys := conditionKeys{"aws:username": "a*b"}
	for text, want := range map[string]bool{"x/a*b": true, "x/aab": false, "x/a*bc": false} {
		if got := wild(expand("x/${aws:username}", keys), text); got != want {
			t.Errorf("%q matches: %v, want %v", text, got, want)
		}
	}
	if got := expand("${*}${", keys); !wild(got, "*${") || wild(got, "x${") {
		t.Errorf("expand = %q", got)
	}
}

func TestEventualShowsThePast(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var e eventual[int]
	if e.last() != 0 || e.seen(now) != 0 {
		t.Error("the zero value is not zero")
	}
	e.fix(1)
	e.set(now, 2)
	e.set(now.Add(time.Second), 3)
	for _, tt := range []struct {
		at   time.Duration
		want int
	}{{-time.Hour, 1}, {-1, 1}, {0, 2}, {time.Second - 1, 2}, {time.Second, 3}, {time.Hour, 3}} {
		if got := e.seen(now.Add(tt.at)); got != tt.want {
			t.Errorf("seen(%v) = %d, want %d", tt.at, got, tt.want)
		}
	}
	if e.last() != 3 {
		t.Errorf("last = %d", e.last())
	}
	e.fix(4)
	if e.seen(now.Add(-time.Hour)) != 4 {
		t.Error("fix holds since ever")
	}
}

func FuzzPolicies(f *testing.F) {
	f.Add(Allow("iam:*"), "iam:GetUser", "arn:aws:iam::123456789012:user/u")
	f.Add(Trust("123456789012", "x"), "sts:AssumeRole", "")
	f.Add(`{"Statement":{"Effect":"Deny","NotAction":"a:*","NotResource":["*"],"Condition":{"NotIpAddressIfExists":{"aws:SourceIp":["1.2.3.4/5",true,7]}}}}`, "a:b", "*")
	f.Fuzz(func(t *testing.T, text, action, resource string) {
		keys := conditionKeys{"aws:username": "*", "aws:sourceip": "127.0.0.1", "aws:currenttime": "2026-01-01T00:00:00Z"}
		for _, kind := range []policyKind{identityPolicy, trustPolicy} {
			p, err := parsePolicy(text, kind)
			if (p == nil) == (err == nil) {
				t.Fatalf("parsePolicy = %v, %v", p, err)
			}
			if err != nil {
				continue
			}
			d := evaluate([]*policy{p}, action, resource, keys)
			deny := mustParse(Deny("*"), identityPolicy)
			if got := evaluate([]*policy{p, deny}, "a:b", resource, keys); got != explicitDeny {
				t.Errorf("with a deny of everything: %s (alone %s)", got, d)
			}
		}
	})
}
