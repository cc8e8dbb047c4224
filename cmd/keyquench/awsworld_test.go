package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/rogpeppe/go-internal/testscript"
)

// worldOf is where a script's fake AWS is kept: the value is a *scriptWorld.
type worldOf struct{}

// scriptWorld is that of one script. A call that must not be made, such as one
// with a canary, fails the test of all scripts at once, whatever the script
// looks at.
type scriptWorld struct {
	*testing.T
	ts  *testscript.TestScript
	aws *awstest.Server
}

// Cleanup is at the end of the script.
func (w *scriptWorld) Cleanup(f func()) { w.ts.Defer(f) }

func world(ts *testscript.TestScript) *awstest.Server {
	w := ts.Value(worldOf{}).(*scriptWorld)
	if w.aws == nil {
		ts.Fatalf("there is no AWS yet: awsworld")
	}
	return w.aws
}

// awsworld starts a fake AWS for the script, by the machine's clock: $AWS is its
// address.
func awsworld(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: awsworld")
	}
	w := ts.Value(worldOf{}).(*scriptWorld)
	w.ts = ts
	w.aws = awstest.New(w)
	ts.Setenv("AWS", w.aws.URL())
	keys(ts)["{{aws}}"] = strings.TrimPrefix(w.aws.URL(), "http://")
}

// awskey NAME ACCOUNT[@PARTITION] USER [inactive|deleted] makes a key of a user,
// of "root", or of a session of role/NAME: {{NAME.id}}, {{NAME.secret}},
// {{NAME.token}} and {{NAME.masked}}, also as $NAME_ID, $NAME_SECRET, $NAME_TOKEN.
func awskey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: awskey NAME ACCOUNT[@PARTITION] USER [inactive|deleted]")
	}
	number, partition, ok := strings.Cut(args[1], "@")
	if !ok {
		partition = "aws"
	}
	acc := world(ts).Account(partition, number)
	var key rules.Key
	switch role, isRole := strings.CutPrefix(args[2], "role/"); {
	case isRole:
		key = acc.Role(role, awstest.Trust(number, "")).Session("session", time.Hour)
	case args[2] == "root":
		key = acc.Root().Key()
	default:
		u := acc.User(args[2])
		key = u.Key()
		switch strings.Join(args[3:], "") {
		case "inactive":
			u.SetActive(key.ID, false)
		case "deleted":
			u.RemoveKey(key.ID)
		}
	}
	setKey(ts, args[0], key)
}

// canarykey NAME makes a key of an account that is known for tripwires.
func canarykey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: canarykey NAME")
	}
	r := rulestest.Rand(7)
	setKey(ts, args[0], rules.Key{ID: rulestest.KeyIDOf(r, "AKIA", 171436882533), Secret: rules.NewSecret(rulestest.Secret(r))})
}

func setKey(ts *testscript.TestScript, name string, key rules.Key) {
	for k, v := range map[string]string{"id": key.ID, "secret": key.Secret.Reveal(), "token": key.Token.Reveal(), "masked": key.Secret.Masked()} {
		if v != "" {
			keys(ts)["{{"+name+"."+k+"}}"] = v
		}
		ts.Setenv(name+"_"+strings.ToUpper(k), v)
	}
}

// awscalls N [SERVICE:ACTION] is how many calls the fake AWS has had.
func awscalls(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: awscalls N [SERVICE:ACTION]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	for _, c := range world(ts).Calls() {
		if len(args) == 1 || c.Name() == args[1] {
			got++
		}
	}
	if got != want {
		ts.Fatalf("AWS has had %d calls, want %d", got, want)
	}
}
