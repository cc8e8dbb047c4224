package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// newWorld is a fake AWS, and a Checker that asks it by the same clock. Waiting
// moves the clock.
func newWorld(t *testing.T, o awstest.Options, more ...func(*Options)) (*awstest.Server, *Checker) {
	t.Helper()
	if o.Clock == nil {
		o.Clock = awstest.NewClock(start)
	}
	aws := awstest.Start(t, o)
	opt := Options{Reach: awsapi.Reach{Endpoint: aws.URL()}, Now: o.Clock.Now, Sleep: o.Clock.Sleep}
	for _, f := range more {
		f(&opt)
	}
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.client.CloseIdleConnections)
	return aws, c
}

// told looks whether a verdict, however it is printed, holds a secret.
func told(t *testing.T, v Verdict, secrets ...rules.Key) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("Marshal = %v", err)
	}
	text := string(b) + fmt.Sprintf("%v %+v %#v %s", v, v, v, v.Reason)
	for i, k := range secrets {
		for _, s := range []rules.Secret{k.Secret, k.Token} {
			if !s.IsZero() && strings.Contains(text, s.Reveal()) {
				t.Errorf("the verdict tells secret %d", i)
			}
		}
	}
}

func partitionsOf(v Verdict) string {
	var list []string
	for _, a := range v.Asked {
		list = append(list, a.Partition)
	}
	return strings.Join(list, " ")
}

// wrong is the key with another secret.
func wrong(k rules.Key, seed uint64) rules.Key {
	k.Secret = rules.NewSecret(rulestest.Secret(rulestest.Rand(seed)))
	return k
}

func withoutToken(k rules.Key) rules.Key {
	k.Token = rules.Secret{}
	return k
}

func TestEveryState(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{})
	acc, cn := aws.Account("aws", "123456789012"), aws.Account("aws-cn", "210987654321")
	gov, eu := aws.Account("aws-us-gov", "333333333333"), aws.Account("aws-eusc", "444444444444")
	role := acc.Role("worker", awstest.Trust("123456789012", ""))
	user, off, removed := acc.User("/team/deploy").Key(), acc.User("off").Key(), acc.User("removed").Key()
	acc.User("off").SetActive(off.ID, false)
	acc.User("removed").RemoveKey(removed.ID)
	barred := acc.User("barred")
	barred.Deny("*")
	r := rulestest.Rand(1)
	over, session := acc.User("deploy").Session(time.Hour), role.Session("job-1", time.Hour)
	aws.Clock().Advance(2 * time.Hour)
	fresh := role.Session("job-2", time.Hour)
	strange := rules.Key{ID: rulestest.KeyIDOf(r, "AKIA", 5), Secret: rules.NewSecret(rulestest.Secret(r))}
	stolen := fresh
	stolen.Token = acc.User("deploy").Session(time.Hour).Token
	all := "aws aws-cn aws-us-gov aws-eusc"
	for name, tt := range map[string]struct {
		keys       []rules.Key
		state      State
		kind       Kind
		arn, asked string
		reason     string
	}{
		"user":              {[]rules.Key{user}, Live, User, "arn:aws:iam::123456789012:user/team/deploy", "aws", ""},
		"root":              {[]rules.Key{acc.Root().Key()}, Live, Root, "arn:aws:iam::123456789012:root", "aws", ""},
		"old generation":    {[]rules.Key{acc.User("old").OldKey()}, Live, User, "arn:aws:iam::123456789012:user/old", "aws", ""},
		"everything denied": {[]rules.Key{barred.Key()}, Live, User, "arn:aws:iam::123456789012:user/barred", "aws", ""},
		"role":              {[]rules.Key{fresh}, Live, Role, "arn:aws:sts::123456789012:assumed-role/worker/job-2", "aws", ""},
		"session of a user": {[]rules.Key{acc.User("x").Session(time.Hour)}, Live, User, "arn:aws:iam::123456789012:user/x", "aws", ""},
		"federated":         {[]rules.Key{acc.User("x").Federate("bob", time.Hour, "")}, Live, Federated, "arn:aws:sts::123456789012:federated-user/bob", "aws", ""},
		"China":             {[]rules.Key{cn.User("u").Key()}, Live, User, "arn:aws-cn:iam::210987654321:user/u", "aws aws-cn", ""},
		"GovCloud":          {[]rules.Key{gov.User("u").Key()}, Live, User, "arn:aws-us-gov:iam::333333333333:user/u", "aws aws-cn aws-us-gov", ""},
		"European":          {[]rules.Key{eu.User("u").Key()}, Live, User, "arn:aws-eusc:iam::444444444444:user/u", all, ""},
		"inactive":          {[]rules.Key{off}, Gone, NoKind, "", all, "AWS knows no active key with this ID in aws, aws-cn, aws-us-gov, aws-eusc"},
		"deleted":           {[]rules.Key{removed}, Gone, NoKind, "", all, "AWS knows no active key with this ID in aws, aws-cn, aws-us-gov, aws-eusc"},
		"never there":       {[]rules.Key{strange}, Gone, NoKind, "", all, "AWS knows no active key with this ID in aws, aws-cn, aws-us-gov, aws-eusc"},
		"wrong secret":      {[]rules.Key{wrong(user, 2)}, WrongSecret, NoKind, "", "aws aws", "AWS has an active key with this ID, and its secret is another"},
		"two wrong ones":    {[]rules.Key{wrong(user, 2), wrong(user, 3)}, WrongSecret, NoKind, "", "aws aws aws aws", "AWS has an active key with this ID, and none of the 2 secrets is its own"},
		"wrong in China":    {[]rules.Key{wrong(cn.User("u").Key(), 2)}, WrongSecret, NoKind, "", "aws aws-cn aws-cn", ""},
		"one of three":      {[]rules.Key{wrong(user, 2), wrong(user, 3), user}, Live, User, "arn:aws:iam::123456789012:user/team/deploy", "aws aws aws", ""},
		"with an ID alone":  {[]rules.Key{{ID: user.ID}, user}, Live, User, "arn:aws:iam::123456789012:user/team/deploy", "aws", ""},
		"token of nobody":   {[]rules.Key{{ID: user.ID, Secret: user.Secret, Token: session.Token}}, Live, User, "arn:aws:iam::123456789012:user/team/deploy", "aws", ""},
		"expired":           {[]rules.Key{over}, Expired, NoKind, "", "aws", "AWS says that the session is over"},
		"token of another":  {[]rules.Key{stolen}, Unknown, NoKind, "", all, "AWS does not know this key with this session token in aws, aws-cn, aws-us-gov, aws-eusc: whoever issued it is gone, or the token is not its own"},
		"halves of two":     {[]rules.Key{wrong(fresh, 2), stolen, fresh}, Live, Role, "arn:aws:sts::123456789012:assumed-role/worker/job-2", "aws aws aws", ""},
		"none of two":       {[]rules.Key{wrong(fresh, 2), stolen}, Unknown, NoKind, "", "aws aws aws aws", "AWS has an active key with this ID, and takes none of the secrets with the session token that it knows"},
		"two tokens":        {[]rules.Key{stolen, fresh}, Live, Role, "arn:aws:sts::123456789012:assumed-role/worker/job-2", all + " aws", ""},
		"no token":          {[]rules.Key{withoutToken(fresh)}, Unknown, NoKind, "", "", "the session token is not known, without which AWS refuses a temporary key"},
		"halves apart":      {[]rules.Key{withoutToken(fresh), {ID: fresh.ID, Token: fresh.Token}}, Unknown, NoKind, "", "", "no secret is known together with a session token"},
		"ID alone":          {[]rules.Key{{ID: user.ID}}, Unknown, NoKind, "", "", "only the key ID is known"},
		"masked":            {[]rules.Key{{ID: user.ID, Secret: rules.NewSecret(user.Secret.Masked())}}, Unknown, NoKind, "", "", "what was given as its secret cannot be one"},
		"a secret alone":    {[]rules.Key{{Secret: user.Secret}}, Unknown, NoKind, "", "", "the key ID is not known: a secret alone cannot be asked about"},
		"nothing":           {nil, Unknown, NoKind, "", "", "no key was given"},
		"two keys":          {[]rules.Key{user, strange}, Unknown, NoKind, "", "", "keys with other IDs were given as if they were one"},
		"published":         {[]rules.Key{{ID: "AKIAIOSFODNN7EXAMPLE", Secret: user.Secret}}, Unknown, NoKind, "", "", "the key ID is an example of AWS's documents"},
		"bearer token":      {[]rules.Key{{ID: rulestest.KeyIDOf(r, "ABIA", 5), Secret: user.Secret}}, Unknown, NoKind, "", "", "STS has no check for IDs that begin with ABIA"},
		"no key ID":         {[]rules.Key{{ID: "AROA" + user.ID[4:], Secret: user.Secret}}, Unknown, NoKind, "", "", "the key ID does not have the form of one"},
		"no account":        {[]rules.Key{{ID: "AKIA" + strings.Repeat("7", 16), Secret: user.Secret}}, Unknown, NoKind, "", "", "the key ID does not have the form of one"},
		"escape":            {[]rules.Key{{ID: "AKIA\x1b[31m", Secret: user.Secret}}, Unknown, NoKind, "", "", "the key ID does not have the form of one"},
		"canary":            {[]rules.Key{{ID: rulestest.KeyIDOf(r, "AKIA", 171436882533), Secret: user.Secret}}, Canary, NoKind, "", "", "the account is known for tripwires, of Thinkst; whoever uses the key is noticed"},
		"canary alone":      {[]rules.Key{{ID: rulestest.KeyIDOf(r, "AKIA", 44858866125)}}, Canary, NoKind, "", "", "the account is known for tripwires; whoever uses the key is noticed"},
	} {
		v := c.Check(t.Context(), tt.keys...)
		if v.State != tt.state || v.Kind != tt.kind || v.ARN != tt.arn || partitionsOf(v) != tt.asked || tt.reason != "" && v.Reason != tt.reason {
			t.Errorf("%s: Check = %v %q %q, asked %q, %q\nwant %v %q %q, asked %q, %q", name, v.State, v.Kind, v.ARN, partitionsOf(v), v.Reason, tt.state, tt.kind, tt.arn, tt.asked, tt.reason)
		}
		if v.At.IsZero() || (v.Reason == "") != (v.State == Live) {
			t.Errorf("%s: Check = %v at %v, reason %q", name, v.State, v.At, v.Reason)
		}
		checkEvidence(t, name, v)
		told(t, v, tt.keys...)
	}
}

// checkEvidence: what is claimed of a key follows from the answers.
func checkEvidence(t *testing.T, name string, v Verdict) {
	t.Helper()
	has := map[meaning]int{}
	for _, a := range v.Asked {
		has[a.meaning()]++
		if a.Status != 0 && (a.At.IsZero() || a.Endpoint == "" || a.Partition == "") || a.Code != "" && a.RequestID == "" || len(a.Message) > maxMessage+len("…") {
			t.Errorf("%s: the evidence lacks something: %+v", name, a)
		}
	}
	need := map[State]meaning{Live: taken, Gone: noSuchKey, WrongSecret: wrongSecret, Expired: expired}
	if m, ok := need[v.State]; ok && has[m] == 0 {
		t.Errorf("%s: %v without evidence: %+v", name, v.State, v.Asked)
	}
	switch {
	case v.State == Gone && has[noSuchKey] != len(v.Asked)-has[later]-has[badClock]:
		t.Errorf("%s: gone, though something else was said, too: %+v", name, v.Asked)
	case v.State == WrongSecret && has[wrongSecret] < 2:
		t.Errorf("%s: wrong secret by one answer: %+v", name, v.Asked)
	case v.State == Canary && len(v.Asked) > 0:
		t.Errorf("%s: a canary was asked about", name)
	case v.State == Live && (v.Secret.IsZero() || v.Account == "" || v.ARN == "" || v.Partition == ""):
		t.Errorf("%s: live, and it is not said whose: %+v", name, v)
	case v.State != Live && (!v.Secret.IsZero() || v.ARN != ""):
		t.Errorf("%s: %v, and it is said whose: %+v", name, v.State, v)
	}
}

// A right secret that comes right after a wrong one is called wrong by AWS.
func TestARightSecretAfterAWrongOne(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{Confusion: 5 * time.Second})
	user := aws.Account("aws", "123456789012").User("u")
	key, other := user.Key(), user.Key()
	if v := c.Check(t.Context(), wrong(key, 1), wrong(key, 2), key); v.State != Live || v.Secret != key.Secret {
		t.Errorf("Check = %v (%s), want live: %+v", v.State, v.Reason, v.Asked)
	}
	// The same over two calls of Check.
	if v := c.Check(t.Context(), wrong(other, 1)); v.State != WrongSecret {
		t.Errorf("Check = %v (%s), want wrong secret", v.State, v.Reason)
	}
	if v := c.Check(t.Context(), other); v.State != Live {
		t.Errorf("Check = %v (%s), want live: %+v", v.State, v.Reason, v.Asked)
	}
}

// Before a secret is called wrong, five seconds pass without a call.
func TestAWrongSecretIsAskedTwice(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{})
	key := aws.Account("aws", "123456789012").User("u").Key()
	v := c.Check(t.Context(), wrong(key, 1), wrong(key, 2), wrong(key, 3))
	calls := aws.Calls()
	if v.State != WrongSecret || len(calls) != 6 {
		t.Fatalf("Check = %v by %d calls, want wrong secret by 6", v.State, len(calls))
	}
	for i, c := range calls[3:] {
		if gap := c.At.Sub(calls[i+2].At); gap < 5*time.Second {
			t.Errorf("call %d came %v after the one before, want %v", i+4, gap, 5*time.Second)
		}
	}
}

func TestCandidatesAreCapped(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{}, func(o *Options) { o.Candidates = 3 })
	key := aws.Account("aws", "123456789012").User("u").Key()
	many := []rules.Key{wrong(key, 1), wrong(key, 2), wrong(key, 3), wrong(key, 4), key}
	v := c.Check(t.Context(), many...)
	if v.State != Unknown || !strings.HasSuffix(v.Reason, "; 2 more were not tried") || len(v.Asked) != 6 {
		t.Errorf("Check = %v (%s) by %d calls, want unknown by 6, and that 2 were not tried", v.State, v.Reason, len(v.Asked))
	}
	if v := c.Check(t.Context(), append([]rules.Key{key}, many...)...); v.State != Live {
		t.Errorf("Check with the right one first = %v (%s), want live", v.State, v.Reason)
	}
}

func TestOnlyChosenPartitionsAreAsked(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{}, func(o *Options) { o.Partitions = []string{"aws-cn", "aws", "aws-cn"} })
	key := aws.Account("aws-eusc", "123456789012").User("u").Key()
	v := c.Check(t.Context(), key)
	if partitionsOf(v) != "aws-cn aws" || !strings.HasSuffix(v.Reason, " in aws-cn, aws") {
		t.Errorf("Check = %v (%s), asked %q", v.State, v.Reason, partitionsOf(v))
	}
}

func TestAskMakesOneCall(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{})
	user := aws.Account("aws", "123456789012").User("u")
	key := user.Key()
	ask := func(k rules.Key, partition string) Answer {
		t.Helper()
		aws.ForgetCalls()
		a := c.Ask(t.Context(), k, partition)
		if n := len(aws.Calls()); n > 1 {
			t.Errorf("Ask made %d calls", n)
		}
		return a
	}
	if a := ask(key, "aws"); !a.Accepted() || a.Refused() || a.ARN != user.ARN() {
		t.Errorf("Ask = %+v, want it accepted", a)
	}
	aws.Inject(awstest.First(1, "", awstest.Throttle()))
	if a := ask(key, "aws"); a.Accepted() || a.Refused() || a.Code != "Throttling" {
		t.Errorf("Ask while throttled = %+v, want neither", a)
	}
	if a := ask(wrong(key, 1), "aws"); a.Accepted() || a.Refused() || a.Code != "SignatureDoesNotMatch" {
		t.Errorf("Ask with a wrong secret = %+v, want neither", a)
	}
	user.SetActive(key.ID, false)
	if a := ask(key, "aws"); a.Accepted() || !a.Refused() {
		t.Errorf("Ask = %+v, want it refused", a)
	}
	canary := rules.Key{ID: rulestest.KeyIDOf(rulestest.Rand(1), "AKIA", 171436882533), Secret: key.Secret}
	for name, a := range map[string]Answer{"canary": ask(canary, "aws"), "no partition": ask(key, "moon"), "no secret": ask(rules.Key{ID: key.ID}, "aws")} {
		if a.Accepted() || a.Refused() || a.Status != 0 || !strings.HasPrefix(a.Message, "not asked: ") || len(aws.Calls()) != 0 {
			t.Errorf("%s: Ask = %+v, want that it was not asked", name, a)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := c.Ask(ctx, key, "aws"); a.Accepted() || a.Refused() || a.Status != 0 {
		t.Errorf("Ask after the end = %+v", a)
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	for name, o := range map[string]Options{
		"endpoint":   {Reach: awsapi.Reach{Endpoint: "http://aws.test"}},
		"rate":       {Rate: -1},
		"timeout":    {Timeout: -1},
		"candidates": {Candidates: -1},
		"partition":  {Partitions: []string{"aws", "aws-moon"}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: New gives no error", name)
		}
	}
	if _, err := New(Options{}); err != nil {
		t.Errorf("New of the zero Options = %v", err)
	}
}
