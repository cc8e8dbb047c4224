package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/internal/ledger"
	"github.com/rogpeppe/go-internal/testscript"
)

// record LEDGER FILE appends the entries of a file, an object a line, in which
// keys are {{K1.id}}.
func record(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: record LEDGER FILE")
	}
	ctx := context.Background()
	l, err := ledger.Open(ctx, ts.MkAbs(args[0]), ledger.Options{})
	ts.Check(err)
	defer l.Close()
	for s := bufio.NewScanner(strings.NewReader(filled(ts, ts.ReadFile(args[1])))); s.Scan(); {
		var e struct {
			At                            time.Time
			Case, Key, Account, Kind, Who string
			Data                          json.RawMessage
		}
		ts.Check(json.Unmarshal(s.Bytes(), &e))
		_, err := l.Append(ctx, ledger.Entry{At: e.At, Case: e.Case, KeyID: e.Key, Account: e.Account, Kind: e.Kind, By: e.Who, Data: e.Data})
		ts.Check(err)
	}
}

// tamper LEDGER FILE does SQL to a ledger behind keyquench's back.
func tamper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tamper LEDGER FILE")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(ts.ReadFile(args[1]))
	ts.Check(err)
}

func TestLedgerPathIsTheFlagsOrTheUsers(t *testing.T) {
	p := &program{getenv: func(k string) string {
		return map[string]string{"HOME": "/home/u", "XDG_STATE_HOME": "/s", "LocalAppData": "/s"}[k]
	}}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "/keyquench/ledger.db"},
		{[]string{"--ledger", "a.db"}, "a.db"},
		{[]string{"--ledger="}, ""},
	} {
		c := p.ledgerCommand()
		if err := c.ParseFlags(tt.args); err != nil {
			t.Fatal(err)
		}
		got, err := p.ledgerPath(c.Flags())
		if !strings.HasSuffix(got, tt.want) || (err == nil) != (tt.want != "") {
			t.Errorf("ledgerPath(%q) = %q, %v, want %q", tt.args, got, err, tt.want)
		}
	}
}
