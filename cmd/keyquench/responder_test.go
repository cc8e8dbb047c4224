package main

import (
	"strconv"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/rogpeppe/go-internal/testscript"
)

// home is the account of a script's operator.
const home = "210987654321"

// awsresponder ACCOUNT makes an operator at home, whose credentials the script
// runs with from here on, and the role keyquench-responder in the account, which
// the operator may assume with the external ID ext-1.
func awsresponder(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: awsresponder ACCOUNT")
	}
	operator := world(ts).Account("aws", home).User("oncall")
	operator.Allow("sts:*", "secretsmanager:*", "ssm:*")
	world(ts).Account("aws", args[0]).Role("keyquench-responder", awstest.Trust(operator.ARN(), "ext-1"), awstest.Allow("iam:*"))
	key := operator.Key()
	setKey(ts, "OPERATOR", key)
	ts.Setenv("AWS_ACCESS_KEY_ID", key.ID)
	ts.Setenv("AWS_SECRET_ACCESS_KEY", key.Secret.Reveal())
}

// awsstate ACCOUNT USER KEY_ID active|inactive|deleted is how a user's key is.
func awsstate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: awsstate ACCOUNT USER KEY_ID active|inactive|deleted")
	}
	got := "deleted"
	for _, k := range world(ts).Account("aws", args[0]).User(args[1]).Keys() {
		switch {
		case k.ID != args[2]:
		case k.Active:
			got = "active"
		default:
			got = "inactive"
		}
	}
	if got != args[3] {
		ts.Fatalf("the key is %s, want %s", got, args[3])
	}
}

// awspolicy ACCOUNT USER [ACTION...|quarantine] gives a user rights, or puts it
// under AWS's quarantine.
func awspolicy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: awspolicy ACCOUNT USER ACTION...|quarantine")
	}
	u := world(ts).Account("aws", args[0]).User(args[1])
	if args[2] == "quarantine" {
		u.Quarantine(3)
		return
	}
	u.Allow(args[2:]...)
}

// awspassword ACCOUNT USER gives a user a console login; with ! it is that the
// user has none.
func awspassword(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] awspassword ACCOUNT USER")
	}
	u := world(ts).Account("aws", args[0]).User(args[1])
	switch {
	case !neg:
		u.SetPassword()
	case u.HasPassword():
		ts.Fatalf("%s has a console login", args[1])
	}
}

// awsfault N SERVICE:ACTION CODE refuses the first N calls of an action, and off
// none any more.
func awsfault(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 1 && args[0] == "off" {
		world(ts).Inject(nil)
		return
	}
	if neg || len(args) != 3 {
		ts.Fatalf("usage: awsfault N SERVICE:ACTION CODE|off")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	world(ts).Inject(awstest.First(n, args[1], awstest.Refuse(403, args[2], "refused by the test")))
}
